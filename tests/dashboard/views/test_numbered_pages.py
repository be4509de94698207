"""Numbered pages."""

from __future__ import annotations

import pytest

from dashboard.views.numbered_pages import number_of, page_links


def numbers(page: int, last: int) -> list[int | None]:
    """Return the numbers shown, None for a gap."""
    return [link[0] if link else None for link in page_links(page, last, str)]


@pytest.mark.parametrize(
    ("page", "last", "shown"),
    [
        (1, 1, [1]),
        (1, 3, [1, 2, 3]),
        (4, 87, [1, None, 3, 4, 5, None, 87]),
        (87, 87, [1, None, 86, 87]),
        (2, 4, [1, 2, 3, 4]),
    ],
)
def test_first_last_and_neighbours_are_shown(page: int, last: int, shown: list[int | None]) -> None:
    assert numbers(page, last) == shown


def test_only_the_current_page_is_marked() -> None:
    assert [link[0] for link in page_links(2, 3, str) if link and link[2]] == [2]


@pytest.mark.parametrize(
    ("text", "number"),
    [("3", 3), ("0", 1), ("", 1), (None, 1), ("-2", 1), ("x", 1), ("²", 1), ("9" * 50, 1_000_000)],
)
def test_a_page_that_is_no_number_is_the_first(text: str | None, number: int) -> None:
    assert number_of(text, 1) == number
