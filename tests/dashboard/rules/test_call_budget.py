"""What work costs in calls, and when it is done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dashboard.rules.call_budget import (
    Budget,
    Forecast,
    HeldBy,
    Meter,
    calls_to_file,
    calls_to_read,
    cost_sentence,
    forecast,
)

NOW = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=12)


def budget(
    minute_left: int = 60, day_left: int = 5000, resumes_at: datetime | None = None
) -> Budget:
    return Budget(Meter(60, minute_left, 5), Meter(5000, day_left, 500), resumes_at)


@pytest.mark.parametrize(
    ("calls", "waiting", "have", "seconds", "days"),
    [
        (1, 0, budget(), 1, 0),
        (55, 0, budget(), 55, 0),
        (56, 0, budget(), 60, 0),
        (312, 0, budget(), 312, 0),
        (10, 300, budget(), 310, 0),
        (10, 0, budget(minute_left=5), 60, 0),
        (4500, 0, budget(), 81 * 60, 0),
        (4501, 0, budget(), 86_400 + 60, 1),
        (4500 + 4500 + 55, 0, budget(), 2 * 86_400 + 60, 2),
        (20, 0, budget(day_left=510), 86_400 + 60, 1),
        (10, 0, budget(resumes_at=LATER), 12 * 3600 + 60, 0),
        (10, 0, budget(day_left=0, resumes_at=LATER), 12 * 3600 + 60, 0),
        (10, 0, budget(resumes_at=NOW - timedelta(minutes=1)), 10, 0),
    ],
    ids=[
        "one call",
        "this minute's",
        "one more than this minute's",
        "some minutes",
        "after what waits",
        "a used-up minute",
        "the whole day's",
        "one more than the day's",
        "three days' work",
        "a day nearly used up",
        "while Xero asked us to wait",
        "while the day is used up",
        "a wait that is over",
    ],
)
def test_the_end_follows_from_the_limits(
    calls: int, waiting: int, have: Budget, seconds: int, days: int
) -> None:
    found = forecast(calls, have, NOW, waiting=waiting)
    assert found == Forecast(calls, NOW + timedelta(seconds=seconds), days)


def test_more_work_is_never_done_sooner() -> None:
    ends = [forecast(calls, budget(30, 700), NOW).done_at for calls in range(0, 12_000, 7)]
    assert ends == sorted(ends)


@pytest.mark.parametrize(
    ("have", "word"),
    [
        (budget(minute_left=0, day_left=0), HeldBy.NOTHING),
        (budget(resumes_at=LATER), HeldBy.XERO),
        (budget(minute_left=5, resumes_at=LATER), HeldBy.MINUTE),
        (budget(minute_left=5, day_left=500, resumes_at=LATER), HeldBy.DAY),
    ],
)
def test_what_holds_background_work_back(have: Budget, word: HeldBy) -> None:
    assert have.held_by == word


def test_a_limit_that_was_lowered_below_its_reserve_still_ends() -> None:
    tight = Budget(Meter(1, 0, 5), Meter(1, 0, 500))
    assert forecast(3, tight, NOW).days == 3


def test_a_limit_that_was_overdrawn_is_used_up_and_no_more() -> None:
    assert Meter(60, 70, 5).used == 0
    assert Meter(60, 0, 5).used == 60
    assert Meter(60, 3, 5).for_background == 0


def test_costs() -> None:
    assert calls_to_file(23) == 46
    assert calls_to_read(None, all_of_them=True) is None
    assert calls_to_read(None, all_of_them=False) == 1
    assert [calls_to_read(each, all_of_them=True) for each in (0, 1000, 1001)] == [1, 1, 2]


def test_sentences() -> None:
    def said(cost: Forecast, at: str) -> str:
        return cost_sentence("Sending them", cost, at, day_limit=5000)

    assert said(Forecast(1, NOW), "14:03") == (
        "Sending them takes about 1 call to Xero and is done about 14:03."
    )
    assert said(Forecast(3120, NOW), "14:50") == (
        "Sending them takes about 3,120 calls to Xero and is done about 14:50."
    )
    assert said(Forecast(9000, NOW, 1), "15:20 tomorrow") == (
        "Sending them takes about 9,000 calls to Xero. That needs 2 days, because Xero allows"
        " 5,000 calls a day: it is done about 15:20 tomorrow."
    )
