"""What it means to leave one organisation for another: a question, and a comparison to judge by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many contacts of the new organisation are clients, beside those of the last one.

    `is_whole` is False when only the first `contacts` of more were read. `matched_before` is None
    when the last organisation's contacts were never read.
    """

    matching: int
    contacts: int
    is_whole: bool
    matched_before: int | None


@dataclass(frozen=True, slots=True)
class OrganisationChange:
    """The organisation from before, what is linked to it, and how the new one compares.

    `comparison` is None when Xero did not answer in time.
    """

    left: str
    links: int
    still_connected: bool
    comparison: Comparison | None


def question(change: OrganisationChange, organisation: str) -> str:
    """Return what a person is asked before the practice goes on with *organisation*."""
    kept = ""
    if change.links:
        links = (
            "The link to its 1 contact"
            if change.links == 1
            else f"The links to its {change.links:,} contacts"
        )
        kept = f" {links} will be kept but not used."
    verb = "are" if change.still_connected else "were"
    return f"You {verb} connected to {change.left}.{kept} Go on with {organisation}?"


def comparison_sentence(change: OrganisationChange) -> str:
    """Return how many contacts match, so that a wrong organisation is noticed."""
    compared = change.comparison
    if compared is None:
        return "The contacts could not be compared: Xero did not answer in time."
    if not compared.contacts:
        return "The new organisation has no contacts to compare."
    first = "" if compared.is_whole else "the first "
    contacts = "contact" if compared.matching == compared.contacts == 1 else "contacts"
    verb = "matches" if compared.matching == 1 else "match"
    now = f"{compared.matching:,} of {first}{compared.contacts:,} {contacts} {verb}"
    if compared.matched_before is None:
        return f"{now}."
    return f"{now}; the last organisation matched {compared.matched_before:,}."
