"""Tidy e-mail addresses, phones, numbers and postal addresses; void those that mean nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dashboard.rules.matching import vocabulary as v
from dashboard.rules.matching.names import fold
from dashboard.rules.matching.records import MatchAddress

_MAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s.]+$")
_LETTERS = re.compile(r"[^a-z]")
_DIGITS = re.compile(r"\D")
_EXTENSION = re.compile(r"(?:ext|extn|x)[.:\s]*\d+\s*$|\([^)\d]*\)")
_TRUNK_ZERO = re.compile(r"\(0\)")
_PHONE_DIGITS = 8
_SHORTEST_PHONE = 6
_FEWEST_DISTINCT_DIGITS = 3
_VOID_PHONES = frozenset({"12345678", "123456789", "1234567890", "987654321", "9876543210"})
_ABN_LENGTH = 11
_COMPANY_NUMBER_LENGTH = 9
_SHORTEST_NUMBER = 5
_LONGEST_NUMBER = 15
_NUMBER_PREFIX = re.compile(r"[^0-9a-z]|\b(?:abn|acn|gst|vat|nzbn|utr|ein|tfn|no|crn)\b")
_HOUSE = re.compile(r"^(?:(\d+)[a-z]?\s*[/-]\s*)?(\d+)([a-z]?)$")
_UNIT = re.compile(
    r"\b(?:unit|suite|level|shop|flat|apt|apartment|floor|ste|fl|office|room|lvl)\s*\.?\s*\w+"
)
_SLASHED_UNIT = re.compile(r"\b\w+\s*/\s*(?=\d)")
_PO_BOX = re.compile(
    r"\b(?:p\.?\s*o\.?\s*box|post\s+office\s+box|gpo\s+box|locked\s+bag|private\s+bag)\s*(\w+)"
)
_WORDS = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class TidyMail:
    """An e-mail address: `own_domain` is empty where anybody may have a mailbox."""

    address: str
    local: str
    domain: str
    own_domain: str


def tidy_mail(text: str) -> TidyMail | None:
    """Return the address as one mailbox is always written, or None for none or a placeholder."""
    address = text.strip().lower()
    if not _MAIL.match(address):
        return None
    local, _, domain = address.rpartition("@")
    local = local.split("+", 1)[0]
    if domain == "googlemail.com":
        domain = "gmail.com"
    if domain == "gmail.com":
        local = local.replace(".", "")
    label = domain.split(".", 1)[0]
    if _is_void_mail(local, label, domain):
        return None
    own = "" if label in v.FREE_MAIL else domain
    return TidyMail(f"{local}@{domain}", local, domain, own)


def _is_void_mail(local: str, label: str, domain: str) -> bool:
    letters = _LETTERS.sub("", local)
    if not local or label in v.VOID_DOMAINS or domain == "xero.com":
        return True
    return letters in v.VOID_MAILBOXES


def tidy_phone(text: str) -> str:
    """Return the last eight digits of a phone number, or "" for none or a placeholder."""
    lowered = text.lower()
    if not lowered.isdigit():
        lowered = _TRUNK_ZERO.sub("", _EXTENSION.sub("", lowered))
        lowered = _DIGITS.sub("", lowered)
    digits = lowered[-_PHONE_DIGITS:]
    if len(digits) < _SHORTEST_PHONE or len(set(digits)) < _FEWEST_DISTINCT_DIGITS:
        return ""
    return "" if lowered.lstrip("0") in _VOID_PHONES else digits


def tidy_number(text: str) -> str:
    """Return a tax or company number as letters and digits, or "" for none or a placeholder.

    Country prefix of a VAT number, label (ABN, VAT) and leading zeros are dropped.
    """
    if not text:
        return ""
    if text.isdigit():
        digits = text
    else:
        compact = _NUMBER_PREFIX.sub("", text.lower())
        for label in ("abn", "acn", "gst", "vat", "gb", "ie"):
            compact = compact.removeprefix(label)
        digits = compact
    plain = _DIGITS.sub("", digits)
    if not _SHORTEST_NUMBER <= len(plain) <= _LONGEST_NUMBER:
        return ""
    return digits.lstrip("0") if len(set(plain)) >= _FEWEST_DISTINCT_DIGITS else ""


def number_keys(number: str) -> tuple[str, ...]:
    """Return what a number is looked up by: an Australian ABN holds the company's ACN at its end
    (https://abr.business.gov.au/Help/AbnFormat).
    """
    if len(number) == _ABN_LENGTH and number.isdigit():
        return (number, number[-_COMPANY_NUMBER_LENGTH:].lstrip("0"))
    return (number,)


@dataclass(frozen=True, slots=True)
class TidyAddress:
    """A postal address: `street` is without its type, `street_key` empty if a part is missing."""

    house: str
    street: str
    street_type: str
    town: str
    postcode: str
    po_box: str
    street_key: str
    text: str


def tidy_address(address: MatchAddress) -> TidyAddress | None:
    """Return an address in canonical words, or None where nothing of it is filled in."""
    town = town_of(address)
    postcode = "".join(_WORDS.findall(address.postal_code.lower())).lstrip("0")
    lines = fold(f"{address.line1} , {address.line2}")
    if not town and not postcode and not _WORDS.search(lines):
        return None
    box = _PO_BOX.search(lines)
    if box:
        house, street, street_type, po_box = "", "", "", box.group(1)
    else:
        house, street, street_type = _street(lines)
        po_box = ""
    key = f"{house} {street}" if house and street else ""
    text = ", ".join(part for part in (address.line1.strip(), address.city.strip()) if part)
    return TidyAddress(house, street, street_type, town, postcode, po_box, key, text)


def town_of(address: MatchAddress) -> str:
    """Return the town of an address in plain letters, or ""."""
    return " ".join(_WORDS.findall(fold(address.city)))


def _street(lines: str) -> tuple[str, str, str]:
    lines = _SLASHED_UNIT.sub(" ", _UNIT.sub(" ", lines.replace("'", "")))
    tokens = _WORDS.findall(lines)
    for at, token in enumerate(tokens):
        found = _HOUSE.match(token)
        if found and at + 1 < len(tokens):
            rest = tokens[at + 1 :]
            if len(rest[0]) == 1 and rest[0] in "abcd" and len(rest) > 1:
                rest = rest[1:]
            return found.group(2), *_street_name(rest)
    return "", *_street_name(tokens)


_LONGEST_STREET = 4


def _street_name(tokens: list[str]) -> tuple[str, str]:
    words: list[str] = []
    for token in tokens[:_LONGEST_STREET]:
        if words and token in v.STREET_TYPES:
            return " ".join(words), v.STREET_TYPES[token]
        words.append(v.STREET_WORDS.get(token, token))
    return " ".join(words), ""
