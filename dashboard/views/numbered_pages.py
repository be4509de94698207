"""Numbered pages: the links that a pager shows."""

from __future__ import annotations

from collections.abc import Callable

PageLink = tuple[int, str, bool]

NEIGHBOURS = 1
HIGHEST = 1_000_000


def number_of(text: str | None, default: int) -> int:
    """Return the whole number from 1 that *text* says, or the default for anything else."""
    if not text or not text.isascii() or not text.isdigit():
        return default
    return min(max(int(text[:7]), 1), HIGHEST)


def page_links(page: int, last: int, address: Callable[[int], str]) -> list[PageLink | None]:
    """Return (number, address, is_current) for the first, the last and those around *page*.

    None stands for a gap.
    """
    near = range(max(1, page - NEIGHBOURS), min(last, page + NEIGHBOURS) + 1)
    links: list[PageLink | None] = []
    before = 0
    for number in sorted({1, last, *near}):
        if number > before + 1:
            links.append(None)
        links.append((number, address(number), number == page))
        before = number
    return links
