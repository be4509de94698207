"""The name a document gets in Xero Files, and the folder it goes to.

`{ClientName}_{DocType}_{TaxYear}` plus the real extension. Xero publishes no rule for names in
Files, so the rule of its attachments is the floor (no `< > : " / \\ | ? *`, see
https://developer.xero.com/documentation/api/accounting/attachments), narrowed to letters, digits,
space, brackets, `-` and `_`: plain ASCII travels unchanged through every multipart header, URL
and computer. The only dot in a name is the one before the extension.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST_NAME = 100
LONGEST_FOLDER_NAME = 50

BASE_FOLDER = "chase.md"
BASE_FOLDER_WITHOUT_DOT = "chase md"
"""For the case that Xero refuses a dot in a folder's name."""

_CLIENT_FALLBACK = "Client"
_DOCUMENT_FALLBACK = "Document"
_SHORTEST_CLIENT = 12

# Letters that Unicode does not decompose into a Latin letter and a mark.
_TRANSLITERATION = str.maketrans(
    {
        "ß": "ss", "ẞ": "SS", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE",
        "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th",
        "ħ": "h", "Ħ": "H", "ı": "i", "ŋ": "ng", "Ŋ": "NG", "ŧ": "t", "Ŧ": "T", "ĸ": "k",
        "ə": "e", "Ə": "E", "’": "'", "‘": "'", "ʼ": "'", "–": "-", "—": "-", "‐": "-",
        "‑": "-", "−": "-", "&": " and ",
    }
)  # fmt: skip

# Accents split off by NFKD, and the marks that turn or join what stands around them.
_INVISIBLE = frozenset({"Mn", "Me", "Cf"})

_APOSTROPHES = re.compile(r"['`´]")
_INITIALS = re.compile(r"\b(?:[A-Za-z]\.){2,}")
_JOINED_DIGITS = re.compile(r"(?<=\d)\s*[/\\.]\s*(?=\d)")
_ANYTHING_ELSE = re.compile(r"[^A-Za-z0-9()\-]+")
_EXTENSION = re.compile(r"[^a-z0-9]+")


def file_name(client_name: str, document_type: str, tax_year: str, extension: str) -> str:
    """Return the file's name in Xero, at most 100 plain characters, extension kept.

    Two parts always stand in it, so it is never a name that Windows reserves (CON, NUL, COM1).
    An empty tax year is left out; a part in which no letter or digit survives becomes "Client" or
    "Document". A name that is too long loses the end of the client's name first.
    """
    client = _part(client_name) or _CLIENT_FALLBACK
    tail = [_part(document_type) or _DOCUMENT_FALLBACK]
    year = _part(tax_year)
    if year:
        tail.append(year)
    ending = _ending(extension)
    return _fitted(client, "_".join(tail), ending)


def with_suffix(name: str, number: int) -> str:
    """Return `name` for the `number`th file of that name: number 2 gives "Name (2).pdf".

    Number 1 is the name itself. The result keeps to the longest length.
    """
    if number < 2:  # noqa: PLR2004 - the first file needs no suffix
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot:
        stem, extension = name, ""
    suffix = f" ({number})"
    ending = f"{dot}{extension}"
    room = LONGEST_NAME - len(suffix) - len(ending)
    return f"{_trimmed(stem[:room])}{suffix}{ending}"


def folder_name(tax_year: str = "", *, base: str = BASE_FOLDER) -> str:
    """Return the folder for a tax year, "chase.md 2025-26", or the base where no year is given.

    Xero's folders are flat, so a year's folder is a neighbour of the base and not inside it
    (https://developer.xero.com/documentation/api/files/folders).
    """
    year = _part(tax_year)
    if not year:
        return base
    return f"{base} {year}"[:LONGEST_FOLDER_NAME].rstrip()


def folder_key(name: str) -> str:
    """Return what two folder names have in common when they mean the same folder."""
    return " ".join(unicodedata.normalize("NFKC", name).split()).casefold()


def _part(text: str) -> str:
    plain = _plain_letters(text)
    plain = _APOSTROPHES.sub("", plain)
    plain = _INITIALS.sub(lambda found: found.group().replace(".", ""), plain)
    plain = _JOINED_DIGITS.sub("-", plain)
    cleaned = _trimmed(_ANYTHING_ELSE.sub(" ", plain))
    return cleaned if any(character.isalnum() for character in cleaned) else ""


def _plain_letters(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.translate(_TRANSLITERATION))
    return "".join(c for c in decomposed if unicodedata.category(c) not in _INVISIBLE)


def _trimmed(text: str) -> str:
    return text.strip(" -_")


def _ending(extension: str) -> str:
    letters = _EXTENSION.sub("", extension.lower())
    return f".{letters}" if letters else ""


def _fitted(client: str, tail: str, ending: str) -> str:
    room = LONGEST_NAME - len(ending)
    room_for_client = max(_SHORTEST_CLIENT, room - len(tail) - 1)
    client = _trimmed(client[:room_for_client]) or _CLIENT_FALLBACK
    stem = _trimmed(f"{client}_{tail}"[:room])
    return f"{stem}{ending}"
