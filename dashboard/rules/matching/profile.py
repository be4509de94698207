"""One record, tidied once: everything a comparison looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dashboard.rules.matching.contact_points import (
    TidyAddress,
    TidyMail,
    number_keys,
    tidy_address,
    tidy_mail,
    tidy_number,
    tidy_phone,
)
from dashboard.rules.matching.frequencies import Lexicon, is_trade
from dashboard.rules.matching.names import TidyName, fold, split_trading_name, tidy_name
from dashboard.rules.matching.records import MatchRecord

Being = Literal["person", "couple", "firm", "unknown"]

_SHORTEST_INITIALS = 2
_LONGEST_PERSON = 4
_COUPLE_WORDS = 6


@dataclass(frozen=True, slots=True)
class Profile:
    """A tidied record.

    `names`: the legal name first, then trading names. `given`, `surname`, `middle`: the name read
    as a person's (empty for a firm); `given` may be an initial. `contact`: the given name and
    surname in the fields for them, the person to talk to where the record is a firm.
    """

    key: str
    record: MatchRecord
    names: tuple[TidyName, ...]
    being: Being
    given: str
    surname: str
    middle: str
    contact: tuple[str, str]
    mails: tuple[TidyMail, ...]
    phones: tuple[str, ...]
    tax_number: str
    company_number: str
    numbers: frozenset[str]
    addresses: tuple[TidyAddress, ...]


def tidy_names(record: MatchRecord) -> tuple[TidyName, ...]:
    """Return every name a record goes by, tidied, the legal one first and none twice."""
    texts = list(split_trading_name(record.name)) if record.name else []
    if record.trading_name:
        texts.append(record.trading_name)
    found = [tidy_name(text) for text in texts]
    kept: list[TidyName] = []
    for name in found:
        if name.words and all(name.joined != other.joined for other in kept):
            kept.append(name)
    return tuple(kept)


def profile_of(
    record: MatchRecord, lexicon: Lexicon, names: tuple[TidyName, ...] | None = None
) -> Profile:
    """Return the profile of a record; `names` saves tidying them twice."""
    if names is None:
        names = tidy_names(record)
    first, last = _person_words(record.first_name), _person_words(record.last_name)
    being, given, surname, middle = _being(first, last, names, lexicon)
    tax, company = tidy_number(record.tax_number), tidy_number(record.company_number)
    mails = [mail for text in record.emails if (mail := tidy_mail(text)) is not None]
    phones = {phone: None for text in record.phones if (phone := tidy_phone(text))}
    addresses = [a for text in record.addresses if (a := tidy_address(text)) is not None]
    return Profile(
        key=record.key,
        record=record,
        names=names,
        being=being,
        given=given,
        surname=surname,
        middle=middle,
        contact=("".join(first[:1]), "".join(last)),
        mails=tuple(mails),
        phones=tuple(phones),
        tax_number=tax,
        company_number=company,
        numbers=frozenset(k for number in (tax, company) if number for k in number_keys(number)),
        addresses=tuple(addresses),
    )


_NOBODY = ("", "", "")


def _being(
    first: list[str], last: list[str], names: tuple[TidyName, ...], lexicon: Lexicon
) -> tuple[Being, str, str, str]:
    if not names or not names[0].parts:
        return "unknown", *_NOBODY
    name = names[0]
    if _is_body(name, lexicon):
        return "firm", *_NOBODY
    if name.joint:
        return "couple", name.joint[0], name.parts[-1], name.joint[1]
    if last and _is_written(first, last, name, lexicon):
        return "person", *_role(first, last, name)
    if _is_firm(first, last, name, lexicon):
        return "firm", *_NOBODY
    return _being_by_name(name, lexicon)


def _is_body(name: TidyName, lexicon: Lexicon) -> bool:
    """Return whether a name cannot be a person's: it has a legal form, or "and" in other ways."""
    if name.form or name.kinds:
        return True
    if not name.joint:
        return False
    return any(is_trade(word) for word in name.words) or not _is_couple(name, lexicon)


def _is_firm(first: list[str], last: list[str], name: TidyName, lexicon: Lexicon) -> bool:
    if any(is_trade(word) for word in name.words):
        return True
    leads = lexicon.is_given(name.parts[0]) or len(name.parts[0]) <= _SHORTEST_INITIALS
    if not leads and any(map(lexicon.is_mostly_firms, name.words)):
        return True
    # Somebody to talk to who has nothing of the name: so it is not a person's.
    return bool(first and last) and not {*first, *last}.intersection(name.parts)


def _person_words(text: str) -> list[str]:
    if not text:
        return []
    return [
        "".join(c for c in word if c.isalnum())
        for word in fold(text).replace("'", "").replace("-", " ").replace(".", " ").split()
    ]


def _is_written(given: list[str], surname: list[str], name: TidyName, lexicon: Lexicon) -> bool:
    """Return whether the name is that of the person in the first and last name fields."""
    parts = name.parts
    whole = "".join(parts)
    last, first = "".join(surname), "".join(given)
    if whole in {first + last, last + first}:
        return True
    if not set(surname) <= set(parts):
        return False
    rest = [part for part in parts if part not in surname]
    allowed = set(given)
    return len(rest) < _LONGEST_PERSON and all(
        part in allowed
        or len(part) <= _SHORTEST_INITIALS
        or (lexicon.is_given(part) and bool(allowed & set(rest)))
        for part in rest
    )


def _role(given: list[str], surname: list[str], name: TidyName) -> tuple[str, str, str]:
    first, last = "".join(given[:1]), "".join(surname)
    middle = [p for p in name.parts if p not in surname and p not in given]
    if not first:
        first, middle = "".join(middle[:1]), middle[1:]
    return first, last, "".join((given[1:] + middle)[:1])


def _being_by_name(name: TidyName, lexicon: Lexicon) -> tuple[Being, str, str, str]:
    parts = name.parts
    if len(parts) == 1:
        return "unknown", "", parts[0], ""
    if len(parts) > _LONGEST_PERSON or any(not part.isalpha() for part in parts):
        return "unknown", *_NOBODY
    by_order = _by_order(name, lexicon)
    if name.has_title or lexicon.is_given(by_order[0]):
        return "person", *by_order
    if len(parts) == _SHORTEST_INITIALS and len(parts[0]) == 1:
        return "person", *by_order
    return "unknown", *by_order


def _by_order(name: TidyName, lexicon: Lexicon) -> tuple[str, str, str]:
    parts = name.parts
    turned = name.has_comma or (
        lexicon.is_given(parts[-1]) and not lexicon.is_given(parts[0]) and len(parts[0]) > 1
    )
    if turned:
        surname, rest = parts[0], parts[1:]
    else:
        surname, rest = parts[-1], parts[:-1]
    return rest[0], surname, "".join(rest[1:2])


def _is_couple(name: TidyName, lexicon: Lexicon) -> bool:
    first, second = name.joint
    if len(name.parts) > _COUPLE_WORDS or name.parts[-1] == second:
        return False
    return any(lexicon.is_given(w) or len(w) <= _SHORTEST_INITIALS for w in (first, second))
