"""The import preview's filter: what a person asked to see, checked once and passed as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dashboard.rules.contact_text import folded

# `skipped` comes last: it is a person's word, the others are the detector's or a plain fact.
SKIPPED = "skipped"
MATCH_WORDS = ("new", "exact", "possible", "clash", "linked", "unavailable", SKIPPED)

# `likely` hides only contacts that are suppliers and not customers: a client who was never
# invoiced is neither, and would be lost if the preset asked for customers.
# https://developer.xero.com/documentation/api/accounting/contacts (IsCustomer, IsSupplier)
TYPE_WORDS = ("likely", "customer", "supplier", "neither")
PAGE_PRESET_TYPE = "likely"
QUERY_MAX = 200

# The orders of rows; a minus turns one round.
BY_NAME = "name"
SORTS = (BY_NAME, "-name", "email", "changed")


@dataclass(frozen=True, slots=True)
class PreviewFilter:
    """What of the mirror is shown; an empty text or None means "any".

    `match` is one of MATCH_WORDS, `q` a text to look for in names, e-mails and numbers, `group` the
    name of a contact group, `type` one of TYPE_WORDS, `selected` whether the row is ticked. With
    `offered` contacts that somebody skipped for good are shown only when they are asked for.
    """

    match: str = ""
    q: str = ""
    group: str = ""
    type: str = ""
    selected: bool | None = None
    offered: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether everything is shown."""
        return self == PreviewFilter()

    @property
    def needle(self) -> str:
        """What to look for in the folded search text; empty if anything will do."""
        return folded(self.q)

    def without_match(self) -> PreviewFilter:
        """Return the same filter for every match word: what the counts on the tabs are about."""
        return replace(self, match="", offered=False)

    def shows(self, word: str) -> bool:
        """Whether a contact with this match word is shown, as far as the word decides."""
        if self.match:
            return word == self.match
        return not self.leaves_out_skipped or word != SKIPPED

    @property
    def leaves_out_skipped(self) -> bool:
        """Whether contacts that were skipped for good are left out."""
        return self.offered and not self.match and not self.selected


class UnknownFilter(ValueError):
    """A filter word that does not exist; the message is a sentence for people."""


def preview_filter(arguments: Mapping[str, str]) -> PreviewFilter:
    """Return the filter that a URL's arguments describe.

    Raises `UnknownFilter` for a word that does not exist, so that a mistyped filter never silently
    shows everything.
    """
    match = arguments.get("match", "").strip()
    kind = arguments.get("type", "").strip()
    if match and match not in MATCH_WORDS:
        raise UnknownFilter(f"No such match word. Use one of {_listed(MATCH_WORDS)}.")
    if kind and kind not in TYPE_WORDS:
        raise UnknownFilter(f"No such type. Use one of {_listed(TYPE_WORDS)}.")
    return PreviewFilter(
        match=match,
        q=arguments.get("q", "").strip()[:QUERY_MAX],
        group=arguments.get("group", "").strip(),
        type=kind,
        selected=_yes_or_no(arguments.get("selected", "").strip()),
    )


def _yes_or_no(word: str) -> bool | None:
    if not word:
        return None
    if word not in {"0", "1"}:
        raise UnknownFilter("Whether a contact is selected is asked with 1 or 0.")
    return word == "1"


def _listed(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
