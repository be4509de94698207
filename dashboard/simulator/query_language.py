"""The small language of Accounting's `where` and `order` parameters.

https://developer.xero.com/documentation/api/accounting/requests-and-responses: conditions such as
`Name=="A" AND IsCustomer==true`, `EmailAddress.Contains("@example")`, joined by AND, OR, &&, ||
and brackets. Text compares without regard to case and accents.
"""

from __future__ import annotations

import operator
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

T = TypeVar("T")
Row = Mapping[str, Any]
Condition = Callable[[Row], bool]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>"[^"]*") | (?P<number>-?\d+(?:\.\d+)?) | (?P<word>[A-Za-z][A-Za-z0-9_]*)
      | (?P<sign>==|!=|>=|<=|&&|\|\||[=<>().,])
    )""",
    re.VERBOSE,
)
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
_METHODS: dict[str, Callable[[str, str], bool]] = {
    "Contains": operator.contains,
    "StartsWith": str.startswith,
    "EndsWith": str.endswith,
}
_CONSTANTS = {"true": True, "false": False, "null": ""}
_AND, _OR = ("AND", "&&"), ("OR", "||")


class QueryError(ValueError):
    """The text makes no sense; Xero answers 400 with ErrorNumber 16."""


def folded(text: str) -> str:
    """Return *text* without case and accents."""
    bare = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in bare if not unicodedata.combining(letter)).casefold()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    place, text = 0, text.strip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise QueryError(f"Unexpected character '{text[place]}' at position {place}")
        found.append(_Token(match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return found


class _Parser:
    """Reads conditions from left to right; AND binds more tightly than OR."""

    def __init__(self, text: str, fields: Iterable[str]) -> None:
        self._tokens = _tokens(text)
        self._fields = {field.casefold(): field for field in fields}
        self._place = 0

    def condition(self) -> Condition:
        """Return the whole text as one condition."""
        whole = self._either()
        if self._place < len(self._tokens):
            raise QueryError(f"Unexpected '{self._tokens[self._place].text}'")
        return whole

    def _either(self) -> Condition:
        sides = [self._both()]
        while self._skip(_OR):
            sides.append(self._both())
        return lambda row: any(side(row) for side in sides)

    def _both(self) -> Condition:
        sides = [self._single()]
        while self._skip(_AND):
            sides.append(self._single())
        return lambda row: all(side(row) for side in sides)

    def _single(self) -> Condition:
        if self._skip(("(",)):
            inner = self._either()
            self._expect(")")
            return inner
        field = self._field()
        if self._skip((".",)):
            return self._method(field)
        sign = self._next().text
        if sign not in _COMPARISONS:
            raise QueryError(f"Operator expected, not '{sign}'")
        return _comparison(field, _COMPARISONS[sign], self._value())

    def _field(self) -> str:
        word = self._next().text
        if word.casefold() not in self._fields:
            raise QueryError(f"No property or field '{word}' exists")
        return self._fields[word.casefold()]

    def _method(self, field: str) -> Condition:
        name = self._next().text
        if name not in _METHODS:
            raise QueryError(f"No applicable method '{name}' exists")
        self._expect("(")
        wanted = self._value()
        self._expect(")")
        if not isinstance(wanted, str):
            raise QueryError(f"{name} wants a text")
        return lambda row: _METHODS[name](folded(str(row.get(field, ""))), folded(wanted))

    def _value(self) -> Any:
        token = self._next()
        if token.kind == "text":
            return token.text[1:-1]
        if token.kind == "number":
            return float(token.text)
        if token.text.casefold() in _CONSTANTS:
            return _CONSTANTS[token.text.casefold()]
        if token.text == "Guid":
            return self._call_arguments("text")[0][1:-1]
        if token.text == "DateTime":
            return _moment(self._call_arguments("number"))
        raise QueryError(f"Value expected, not '{token.text}'")

    def _call_arguments(self, kind: str) -> list[str]:
        self._expect("(")
        arguments = [self._argument(kind)]
        while self._skip((",",)):
            arguments.append(self._argument(kind))
        self._expect(")")
        return arguments

    def _argument(self, kind: str) -> str:
        token = self._next()
        if token.kind != kind:
            raise QueryError(f"Unexpected '{token.text}'")
        return token.text

    def _next(self) -> _Token:
        if self._place >= len(self._tokens):
            raise QueryError("Unexpected end of expression")
        self._place += 1
        return self._tokens[self._place - 1]

    def _skip(self, texts: tuple[str, ...]) -> bool:
        ahead = self._tokens[self._place : self._place + 1]
        if ahead and ahead[0].kind != "text" and ahead[0].text.upper() in texts:
            self._place += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._skip((text,)):
            raise QueryError(f"'{text}' expected")


def _moment(parts: list[str]) -> datetime:
    try:
        numbers = [int(part) for part in parts]
        return datetime(*numbers, tzinfo=UTC)  # type: ignore[misc,arg-type]
    except (TypeError, ValueError) as error:
        raise QueryError("DateTime wants year, month and day") from error


def _comparison(field: str, compare: Callable[[Any, Any], bool], wanted: Any) -> Condition:
    def holds(row: Row) -> bool:
        value = row.get(field, "")
        try:
            if isinstance(value, str) and isinstance(wanted, str):
                return compare(folded(value), folded(wanted))
            return compare(value, wanted)
        except TypeError:
            raise QueryError(f"Operator does not fit '{field}' and the given value") from None

    return holds


def parse_where(text: str, fields: Iterable[str]) -> Condition:
    """Return *text* as a condition on rows with these fields; QueryError when it is nonsense."""
    return _Parser(text, fields).condition()


def parse_order(text: str, fields: Iterable[str]) -> list[tuple[str, bool]]:
    """Return the fields to sort by, each with whether it goes down; QueryError for nonsense."""
    known = {field.casefold(): field for field in fields}
    order: list[tuple[str, bool]] = []
    for part in text.split(","):
        name, _, direction = " ".join(part.split()).partition(" ")
        if name.casefold() not in known or direction.upper() not in ("", "ASC", "DESC"):
            raise QueryError(f"No property or field '{part.strip()}' exists")
        order.append((known[name.casefold()], direction.upper() == "DESC"))
    return order


def sorted_rows(
    rows: Iterable[T], order: list[tuple[str, bool]], values: Callable[[T], Row]
) -> list[T]:
    """Return *rows* in that order."""
    result = list(rows)
    for field, down in reversed(order):
        result.sort(key=lambda row: _sortable(values(row).get(field, "")), reverse=down)
    return result


def _sortable(value: Any) -> Any:
    return folded(value) if isinstance(value, str) else value
