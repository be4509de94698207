"""Where the columns of a small chart stand: plain numbers for an SVG that the server draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Units of the drawing, not pixels: it is scaled to the room it gets.
COLUMN, GAP, HEIGHT = 36, 8, 72
# A day with little must not look like one with nothing.
LEAST = 2


@dataclass(frozen=True, slots=True)
class Column:
    """One day's column: its left edge, its top, its size, and what it stands for."""

    x: int
    y: int
    width: int
    height: int
    value: int


@dataclass(frozen=True, slots=True)
class Chart:
    """The columns, the size of the drawing, and the greatest value: the full height."""

    columns: tuple[Column, ...]
    width: int
    height: int
    most: int
    total: int


def chart_of(values: Sequence[int]) -> Chart:
    """Return a chart with a column for each of *values*, none of which is negative."""
    most = max(values, default=0)
    columns = tuple(
        Column(
            x=place * (COLUMN + GAP),
            y=HEIGHT - tall,
            width=COLUMN,
            height=tall,
            value=value,
        )
        for place, value in enumerate(values)
        for tall in [_tall(value, most)]
    )
    width = max(len(values) * (COLUMN + GAP) - GAP, 0)
    return Chart(columns, width, HEIGHT, most, sum(values))


def _tall(value: int, most: int) -> int:
    return max(round(value / most * HEIGHT), LEAST) if value else 0
