"""Where the columns of the front page's charts stand."""

from __future__ import annotations

from dashboard.rules.day_chart import COLUMN, GAP, HEIGHT, LEAST, chart_of


def test_the_greatest_day_has_the_full_height_and_all_stand_on_the_ground() -> None:
    chart = chart_of([5, 10, 0])
    assert [column.height for column in chart.columns] == [HEIGHT // 2, HEIGHT, 0]
    assert all(column.y + column.height == HEIGHT for column in chart.columns)
    assert [column.x for column in chart.columns] == [0, COLUMN + GAP, 2 * (COLUMN + GAP)]
    assert (chart.width, chart.most, chart.total) == (3 * COLUMN + 2 * GAP, 10, 15)


def test_a_little_is_seen_beside_a_lot() -> None:
    assert chart_of([1, 100_000]).columns[0].height == LEAST


def test_no_days_and_empty_days_are_drawn_as_nothing() -> None:
    assert chart_of([]).width == 0
    assert [column.height for column in chart_of([0, 0]).columns] == [0, 0]
