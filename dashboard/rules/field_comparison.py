"""A contact beside a client, field by field: the same, different, or missing on one side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dashboard.rules.matching.contact_points import tidy_mail, tidy_number, tidy_phone
from dashboard.rules.matching.names import tidy_name

SAME = "Same"
DIFFERS = "Differs"
NOT_HERE = "Missing in chase.md"
NOT_THERE = "Missing in Xero"


@dataclass(frozen=True, slots=True)
class ComparedField:
    """One field: what Xero has (several for phones), what we have, and how they compare.

    `verdict` is empty when neither side has anything, or when we keep no such field.
    """

    label: str
    theirs: tuple[str, ...]
    ours: str
    verdict: str


def compared(
    label: str, theirs: Sequence[str | None], ours: str | None, tidied: Callable[[str], object]
) -> ComparedField:
    """Return how one field compares once *tidied* has taken away what does not matter."""
    values = tuple(value for value in theirs if value)
    return ComparedField(label, values, ours or "", _verdict(values, ours, tidied))


def only_in_xero(label: str, *values: str | None) -> ComparedField:
    """Return a field that clients do not have."""
    return ComparedField(label, tuple(value for value in values if value), "", "")


def name(text: str) -> object:
    """Return what identifies a name: without case, accents, punctuation and legal form."""
    tidy = tidy_name(text)
    return (tidy.plain, tidy.generation) if tidy.plain else text.casefold()


def email(text: str) -> object:
    """Return what identifies an e-mail address."""
    tidy = tidy_mail(text)
    return tidy.address if tidy else text.strip().casefold()


def phone(text: str) -> object:
    """Return what identifies a phone number, whichever way it is written."""
    return tidy_phone(text) or text.strip()


def number(text: str) -> object:
    """Return what identifies a tax or company number."""
    return tidy_number(text) or text.strip().casefold()


def _verdict(theirs: tuple[str, ...], ours: str | None, tidied: Callable[[str], object]) -> str:
    if not theirs and not ours:
        return ""
    if not ours:
        return NOT_HERE
    if not theirs:
        return NOT_THERE
    return SAME if tidied(ours) in {tidied(value) for value in theirs} else DIFFERS
