"""What the import preview shows, as values: the look that an address describes, and its screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from flask import url_for

from dashboard.queries.contact_counts import Counts, Overview, Selection
from dashboard.queries.contacts import PreviewRow
from dashboard.rules.preview_filter import (
    BY_NAME,
    PAGE_PRESET_TYPE,
    SORTS,
    PreviewFilter,
    UnknownFilter,
    preview_filter,
)
from dashboard.rules.status_words import match_word
from dashboard.services.refusals import InvalidInput
from dashboard.views.numbered_pages import PageLink, number_of, page_links

PER_PAGE = (25, 50, 100)
USUAL = 50
# In the order of a day's work: what is certain, what needs a person, what is new, what is done.
TABS = ("exact", "possible", "clash", "new", "linked", "unavailable", "skipped")
SHOWN_WHEN_EMPTY = frozenset({"exact", "possible", "clash", "new", "linked"})
TYPES = (
    ("", "Any"),
    (PAGE_PRESET_TYPE, "Not only suppliers"),
    ("customer", "Customers"),
    ("supplier", "Suppliers"),
    ("neither", "Neither"),
)
ORDERS = (
    (BY_NAME, "Name, A to Z"),
    ("-name", "Name, Z to A"),
    ("email", "Email"),
    ("changed", "Changed in Xero last"),
)


@dataclass(frozen=True, slots=True)
class Look:
    """What a person looks at: the filter, the order, the size of a page, and which page."""

    wanted: PreviewFilter
    per: int = USUAL
    page: int = 1
    sort: str = BY_NAME

    @property
    def query(self) -> dict[str, str]:
        """The same as an address has it; the type is always named, because it has a preset."""
        parts = {
            "match": self.wanted.match,
            "q": self.wanted.q,
            "group": self.wanted.group,
            "selected": "1" if self.wanted.selected else "",
            "sort": self.sort if self.sort != BY_NAME else "",
            "per": str(self.per) if self.per != USUAL else "",
            "page": str(self.page) if self.page > 1 else "",
        }
        return {"type": self.wanted.type} | {name: value for name, value in parts.items() if value}

    @property
    def text(self) -> str:
        """The query as text, for the addresses that forms post to."""
        return urlencode(self.query)

    @property
    def is_filtered(self) -> bool:
        """Whether a person chose anything but a tab."""
        rest = self.wanted.without_match()
        return rest not in {PreviewFilter(), PreviewFilter(type=PAGE_PRESET_TYPE)}

    @property
    def by_name_again(self) -> Look:
        """The first page in the order of names; in that order already, the other way round."""
        return replace(self, sort="-name" if self.sort == BY_NAME else BY_NAME, page=1)

    @property
    def names_run(self) -> str | None:
        """Which way names run, as `aria-sort` says it; None in another order."""
        return {BY_NAME: "ascending", "-name": "descending"}.get(self.sort)

    @property
    def hides_suppliers(self) -> bool:
        """Whether the preset leaves out contacts that are only suppliers."""
        return self.wanted.type == PAGE_PRESET_TYPE

    def on_page(self, page: int) -> Look:
        """Return the same look at another page."""
        return replace(self, page=page)

    def on_tab(self, match: str) -> Look:
        """Return the same look at the first page of another match word."""
        return replace(self, wanted=replace(self.wanted, match=match), page=1)

    def of_every_type(self) -> Look:
        """Return the same look with suppliers too."""
        return replace(self, wanted=replace(self.wanted, type=""), page=1)

    def last_page(self, total: int) -> int:
        """Return the number of the last page of so many rows."""
        return max(1, -(-total // self.per))

    def address(self, draft_id: UUID) -> str:
        """Return the page's address."""
        return url_for("contact_import.page", draft_id=draft_id) + f"?{self.text}"


@dataclass(frozen=True, slots=True)
class Screen:
    """A page of the preview with the counts around it."""

    draft_id: UUID
    look: Look
    rows: tuple[PreviewRow, ...]
    around: Overview

    @property
    def total(self) -> int:
        """How many contacts the filter has."""
        return self.around.total

    @property
    def counts(self) -> Counts:
        """The counts on the tabs."""
        return self.around.counts

    @property
    def selection(self) -> Selection:
        """What is ticked."""
        return self.around.selection

    @property
    def title(self) -> str:
        """The page's name, with its number if there are several."""
        pages = f" (page {self.look.page} of {self.last_page})" if self.last_page > 1 else ""
        return f"Import contacts{pages}"

    @property
    def first(self) -> int:
        """The number of the first row shown."""
        return (self.look.page - 1) * self.look.per + 1

    @property
    def last(self) -> int:
        """The number of the last row shown."""
        return self.first + len(self.rows) - 1

    @property
    def last_page(self) -> int:
        """The number of the last page."""
        return self.look.last_page(self.total)

    @property
    def tickable(self) -> int:
        """How many contacts of the filter can be ticked at all."""
        word = self.look.wanted.match
        if word in {"linked", "unavailable"}:
            return 0
        if word:
            return self.total
        return self.total - self.counts.linked - self.counts.unavailable

    @property
    def ticked_here(self) -> int:
        """How many of the filter's contacts are ticked."""
        return self.selection.selected - self.selection.hidden

    @property
    def left_out(self) -> int:
        """How many of the filter's contacts are left out of a selection that is nearly all."""
        left = self.tickable - self.ticked_here
        return left if 0 < left < self.ticked_here else 0

    @property
    def is_empty(self) -> bool:
        """Whether there are no contacts at all, whatever the filter shows."""
        return self.around.everything.all == 0

    @property
    def is_all_linked(self) -> bool:
        """Whether nothing is left to import, whatever the filter shows."""
        every = self.around.everything
        return bool(every.linked) and every.all == every.linked + every.unavailable

    @property
    def rows_to_tick(self) -> int:
        """How many rows of this page have a box."""
        return sum(row.can_tick for row in self.rows)

    @property
    def tabs(self) -> list[dict[str, Any]]:
        """The match words as links with their counts."""
        words = [word for word in TABS if getattr(self.counts, word) or word in SHOWN_WHEN_EMPTY]
        current = self.look.wanted.match
        if current and current not in words:
            words.append(current)
        return [self._tab("", "All", self.counts.of(self.look.on_tab("").wanted))] + [
            self._tab(word, match_word(word).word, getattr(self.counts, word)) for word in words
        ]

    def _tab(self, word: str, label: str, count: int) -> dict[str, Any]:
        return {
            "label": label,
            "count": count,
            "url": self.look.on_tab(word).address(self.draft_id),
            "current": word == self.look.wanted.match,
            "id": f"count-{word or 'all'}",
            # Only tabs that are always there can be told of a new count.
            "is_always_there": not word or word in SHOWN_WHEN_EMPTY,
        }

    @property
    def previous_url(self) -> str | None:
        """The page before, if there is one."""
        return self._page_url(self.look.page - 1) if self.look.page > 1 else None

    @property
    def next_url(self) -> str | None:
        """The page after, if there is one."""
        return self._page_url(self.look.page + 1) if self.look.page < self.last_page else None

    @property
    def pages(self) -> list[PageLink | None]:
        """The numbered pages, with gaps."""
        return page_links(self.look.page, self.last_page, self._page_url)

    def _page_url(self, page: int) -> str:
        return self.look.on_page(page).address(self.draft_id)

    def post_url(self, name: str) -> str:
        """Return where a form of the page posts to; the answer leads back to this look."""
        return url_for(f"import_choices.{name}", draft_id=self.draft_id) + f"?{self.look.text}"


def look_at(arguments: Mapping[str, str]) -> Look:
    """Return the look that an address describes; a word that does not exist is refused.

    Without a type the preset holds, which hides contacts that are only suppliers.
    """
    with_preset = {"type": PAGE_PRESET_TYPE, **arguments}
    sort = arguments.get("sort") or BY_NAME
    if sort not in SORTS:
        raise InvalidInput("There is no such order.", "Choose one from the list.", field="sort")
    try:
        # What somebody skipped for good is not offered again: its own tab still shows it.
        wanted = replace(preview_filter(with_preset), offered=True)
    except UnknownFilter as unknown:
        raise InvalidInput(str(unknown)) from unknown
    per = number_of(arguments.get("per"), USUAL)
    return Look(
        wanted=wanted,
        per=per if per in PER_PAGE else USUAL,
        page=number_of(arguments.get("page"), 1),
        sort=sort,
    )
