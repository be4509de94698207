"""Tidy one name: which words identify, which only describe, what kind of body it is."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from dashboard.rules.matching import vocabulary as v

_SPECIAL_LETTERS = str.maketrans(
    {
        "ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th",
        "ı": "i", "’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'", "&": " and ", "+": " and ",
        "–": "-", "—": "-",
    }
)  # fmt: skip

_TRADING_AS = re.compile(
    r"\s(?:t/a/?s?|t/as|t\.a\.?|trading\s+as|d/b/a|dba|d\.b\.a\.?|(?<=\w\w\s)ta)[\s:]+"
)
_BRACKETED_TITLE = re.compile(r"\((?:mr|mrs|ms|miss|dr)\.?\)")
_PROPRIETARY = re.compile(r"\bp/l\b")
_AIRCON = re.compile(r"\ba/c\b")
_INITIALS = re.compile(r"\b(?:[a-z]\.){2,}[a-z]?\b|\b(?:[a-z]\.){2,}")
_SYMBOL_IN_WORD = re.compile(r"(?<=[a-z])[*_~^|!?$%#@\"]+(?=[a-z])")
_HYPHEN = re.compile(r"(?<=\w)-(?=\w)")
_WORDS = re.compile(r"[^\W_]+")
_ORDINAL = re.compile(r"^0*(\d+)(?:st|nd|rd|th)?$")
_FILLERS = v.STOP_WORDS - {"a"}
_NUMBER_SIGNS = frozenset({"no", "number", "num", "nr"})


@dataclass(frozen=True, slots=True)
class TidyName:
    """A name without what may differ between two writings of it.

    `words` are canonical, in their order, without numbers and legal form, and `spelt` the same as
    written; `plain` is everything but the legal form in one piece, however it was spaced; `marks`
    are the numbers and trailing letters that tell members of a series apart; `kinds` are entity
    kinds such as trust; `parts` are the words as a person's name reads; `joint` the first words
    around an "and".
    """

    text: str
    words: tuple[str, ...]
    spelt: tuple[str, ...]
    parts: tuple[str, ...]
    joined: str
    plain: str
    sorted_joined: str
    marks: frozenset[str]
    form: str
    form_text: str
    kinds: frozenset[str]
    generation: str
    has_comma: bool
    has_title: bool
    joint: tuple[str, ...]


def fold(text: str) -> str:
    """Return `text` in lower case without accents, with one kind of apostrophe and ampersand."""
    text = text.casefold()
    if text.isascii():
        return text.replace("&", " and ").replace("+", " and ").replace("`", "'")
    text = unicodedata.normalize("NFKD", text.translate(_SPECIAL_LETTERS))
    return "".join(c for c in text if not unicodedata.combining(c)).translate(_SPECIAL_LETTERS)


def split_trading_name(name: str) -> tuple[str, ...]:
    """Return the legal and the trading name of "A t/a B"; the name alone if it has no such part."""
    lowered = name.casefold()
    if "ta " not in lowered and "a" not in lowered:
        return (name,)
    found = _TRADING_AS.search(lowered)
    if found is None or len(lowered) != len(name):
        return (name,)
    legal, trading = name[: found.start()].strip(" ,-"), name[found.end() :].strip(" ,-")
    return tuple(part for part in (legal, trading) if part)


@lru_cache(maxsize=4096)
def tidy_name(name: str) -> TidyName:
    """Return the tidy form of one name; empty words where nothing readable is left."""
    text = _without_symbols(fold(name))
    has_comma = "," in text.strip(" ,.")
    tokens = _WORDS.findall(text)
    if len(tokens) == 1 and tokens[0].isdigit():
        return _plain(name, tokens[0])
    tokens, has_title = _without_titles(tokens)
    tokens, generation = _without_generation(tokens)
    parts, forms = _without_legal_form(tokens)
    joint = _joint_owners(parts)
    marks: set[str] = set()
    spelt = tuple(_identifying(parts, marks, has_comma=has_comma))
    if not spelt:
        spelt = tuple(part for part in parts if part not in v.STOP_WORDS) or tuple(parts)
        marks.clear()
    words = tuple(v.CANONICAL.get(word, word) for word in spelt)
    return TidyName(
        text=name,
        words=words,
        spelt=spelt,
        parts=_person_parts(text, parts),
        joined="".join(words),
        plain="".join(parts),
        sorted_joined="".join(sorted(words)),
        marks=frozenset(marks),
        form=_form(forms),
        form_text=" ".join(forms),
        kinds=frozenset(v.KINDS[word] for word in words if word in v.KINDS),
        generation=generation,
        has_comma=has_comma,
        has_title=has_title,
        joint=joint,
    )


def _person_parts(text: str, parts: list[str]) -> tuple[str, ...]:
    """Return the words as a person's name reads: "Smith-Jones" is one of them."""
    if "-" in text:
        joined = _HYPHEN.sub("", text)
        tokens, _ = _without_titles(_WORDS.findall(joined))
        tokens, _ = _without_generation(tokens)
        parts, _ = _without_legal_form(tokens)
    return tuple(part for part in parts if part not in _FILLERS)


def _plain(name: str, word: str) -> TidyName:
    return TidyName(
        text=name, words=(word,), spelt=(word,), parts=(word,),
        joined=word, plain=word, sorted_joined=word,
        marks=frozenset(), form="", form_text="", kinds=frozenset(), generation="",
        has_comma=False, has_title=False, joint=(),
    )  # fmt: skip


def _without_symbols(text: str) -> str:
    if text.isalpha():
        return text
    text = text.replace("'", "")
    if "/" in text:
        text = _AIRCON.sub("aircon", _PROPRIETARY.sub("pty ltd", text))
    text = _BRACKETED_TITLE.sub(" ", text)
    if "." in text:
        text = _INITIALS.sub(lambda found: found.group().replace(".", ""), text)
    text = _SYMBOL_IN_WORD.sub("", text)
    for phrase, short in v.PHRASES:
        if phrase in text:
            text = text.replace(phrase, short)
    return text


def _without_titles(tokens: list[str]) -> tuple[list[str], bool]:
    if len(tokens) > 1 and tokens[0] in v.TITLES:
        rest = tokens[1:]
        while len(rest) > 1 and (rest[0] in v.TITLES or rest[0] == "and"):
            rest = rest[1:]
        return rest, True
    return tokens, False


def _without_generation(tokens: list[str]) -> tuple[list[str], str]:
    for at in range(len(tokens) - 1, 0, -1):
        if tokens[at] in v.JUNIOR:
            return tokens[:at] + tokens[at + 1 :], v.JUNIOR[tokens[at]]
    return tokens, ""


def _without_legal_form(tokens: list[str]) -> tuple[list[str], list[str]]:
    """Take the legal form off, wherever it stands after the first word ("Acland Pty Ltd NSW")."""
    kept: list[str] = []
    forms: list[str] = []
    for at, token in enumerate(tokens):
        following = tokens[at + 1] if at + 1 < len(tokens) else ""
        is_form = token in v.LEGAL_FORMS and (at > 0 or following in v.LEGAL_FORMS)
        starts_form = token in v.FORM_STARTERS and at > 0 and following in v.LEGAL_FORMS
        if token in _SHORT_FORMS and following and following not in v.LEGAL_FORMS:
            is_form = False
        (forms if is_form or starts_form else kept).append(token)
    return (kept, forms) if kept else (tokens, [])


# Two letters that are a legal form only at the end: "AS Plumbing" and "AB Motors" are names.
_SHORT_FORMS = frozenset({"ag", "bv", "nv", "ab", "oy", "as", "kk", "spa", "nl", "srl", "lp"})


def _form(forms: list[str]) -> str:
    for token in forms:
        if token in v.LEGAL_FORMS:
            return v.LEGAL_FORMS[token]
    return ""


def _joint_owners(parts: list[str]) -> tuple[str, ...]:
    """Return the given names of "J & M Smith", "John and Mary Smith"; empty for other shapes."""
    if parts.count("and") != 1:
        return ()
    at = parts.index("and")
    first, second = parts[:at], parts[at + 1 :]
    if not first or not second or len(first) > _LONGEST_OWNER or len(second) > _LONGEST_OWNER:
        return ()
    return (first[0], second[0])


_LONGEST_OWNER = 3


def _identifying(parts: list[str], marks: set[str], *, has_comma: bool) -> list[str]:
    """Return the words that identify; numbers go to `marks`, neighbouring letters become one."""
    kept: list[str] = []
    letters: list[str] = []
    for at, part in enumerate(parts):
        if len(part) == 1 and part.isalpha():
            letters.append(part)
            continue
        if letters:
            kept.append("".join(letters))
            letters = []
        mark = _mark(part, at, parts)
        if mark:
            marks.add(mark)
        elif part not in v.STOP_WORDS and not (part in _NUMBER_SIGNS and _sign(at, parts)):
            kept.append(part)
    if letters and has_comma:
        kept.append("".join(letters))
    elif letters:
        _take_trailing_letters(letters, kept, marks)
    return kept


def _take_trailing_letters(letters: list[str], kept: list[str], marks: set[str]) -> None:
    if len(letters) == 1 and len(kept) > 1:
        marks.add(v.ROMAN.get(letters[0], letters[0]))
    else:
        kept.append("".join(letters))


def _mark(part: str, at: int, parts: list[str]) -> str:
    number = _ORDINAL.match(part) if part[0].isdigit() else None
    if number:
        return number.group(1)
    if at == 0:
        return ""
    if len(part) > 1 and part in v.ROMAN:
        return v.ROMAN[part]
    if part in v.NUMBER_WORDS and (at == len(parts) - 1 or parts[at - 1] in _NUMBER_SIGNS):
        return v.NUMBER_WORDS[part]
    return ""


def _sign(at: int, parts: list[str]) -> bool:
    return at + 1 < len(parts) and (
        parts[at + 1][0].isdigit() or parts[at + 1] in v.NUMBER_WORDS or parts[at + 1] in v.ROMAN
    )
