"""Each practice has its own turn."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from dashboard.rules.phase import (
    CONTACT_SYNC_EVERY,
    HEALTH_EVERY,
    REFRESH_EVERY,
    first_slot,
    is_refresh_due,
    needs_refresh,
    next_night,
    phase,
    refresh_turn,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PRACTICES = [UUID(int=number) for number in range(1_000)]


class TestFirstSlot:
    @pytest.mark.parametrize("period", [CONTACT_SYNC_EVERY, HEALTH_EVERY])
    def test_it_comes_within_one_period_and_then_once_a_period(self, period: timedelta) -> None:
        for practice_id in PRACTICES[:50]:
            first = first_slot(practice_id, period, NOON)
            assert NOON < first <= NOON + period
            assert first_slot(practice_id, period, first) == first + period

    def test_asking_a_moment_earlier_gives_the_same_turn(self) -> None:
        first = first_slot(PRACTICES[7], CONTACT_SYNC_EVERY, NOON)
        before = first - timedelta(microseconds=1)
        assert first_slot(PRACTICES[7], CONTACT_SYNC_EVERY, before) == first


class TestPhase:
    def test_it_never_changes(self) -> None:
        assert phase(UUID(int=1), CONTACT_SYNC_EVERY) == timedelta(seconds=74)

    def test_a_check_seldom_meets_a_sync_of_its_practice(self) -> None:
        meets = [
            one
            for one in PRACTICES
            if phase(one, HEALTH_EVERY) % CONTACT_SYNC_EVERY == phase(one, CONTACT_SYNC_EVERY)
        ]
        assert len(meets) < 10

    def test_practices_are_spread_over_the_period(self) -> None:
        seconds = Counter(phase(one, CONTACT_SYNC_EVERY).total_seconds() for one in PRACTICES)
        assert len(seconds) > 550
        assert max(seconds.values()) <= 8


class TestRefreshTurn:
    def test_tokens_of_half_an_hour_are_refreshed_on_the_practices_own_turn(self) -> None:
        for practice_id in PRACTICES[:50]:
            turn = refresh_turn(practice_id, NOON, NOON + 30 * MINUTE)
            assert turn == first_slot(practice_id, REFRESH_EVERY, NOON)
            # The last moment at which five minutes are left.
            assert turn <= NOON + 25 * MINUTE

    @pytest.mark.parametrize(
        ("life", "latest"), [(20, 15), (12, 7), (10, 5), (8, 4), (1, 0.5), (0, 0)]
    )
    def test_a_shorter_life_demands_an_earlier_one(self, life: float, latest: float) -> None:
        turns = [refresh_turn(one, NOON, NOON + life * MINUTE) - NOON for one in PRACTICES]
        assert max(turns) == latest * MINUTE

    def test_after_an_outage_ten_thousand_do_not_come_at_once(self) -> None:
        practices = [UUID(int=number) for number in range(10_000)]
        turns = Counter(refresh_turn(one, NOON, NOON + 30 * MINUTE) for one in practices)
        assert max(turns.values()) <= 25


class TestNeedsRefresh:
    @pytest.mark.parametrize(
        ("asked", "expires", "needed"),
        [
            (-10, 20, False),
            (-25, 5, False),
            (-25.1, 4.9, True),
            (-31, -1, True),
            (-3, 5, False),
            (-5, 3, True),
            (None, 20, False),
            (None, 4.9, True),
            (None, None, True),
            # Stored before the clock was put back by an hour.
            (60, 90, True),
        ],
    )
    def test_life_decides(self, asked: float | None, expires: float | None, needed: bool) -> None:
        asked_at = None if asked is None else NOON + asked * MINUTE
        expires_at = None if expires is None else NOON + expires * MINUTE
        assert needs_refresh(NOON, asked_at, expires_at) is needed


class TestIsRefreshDue:
    @pytest.mark.parametrize(
        ("minutes", "due"), [(-1, True), (0, True), (1, False), (25, False), (60, True)]
    )
    def test_a_turn_that_no_right_clock_could_have_set_has_come(
        self, minutes: int, due: bool
    ) -> None:
        assert is_refresh_due(NOON + minutes * MINUTE, NOON) is due

    def test_without_a_turn_there_is_none(self) -> None:
        assert is_refresh_due(None, NOON) is False


class TestNight:
    def test_every_practice_has_its_turn_in_each_night(self) -> None:
        for practice_id in PRACTICES[:50]:
            turn = next_night(practice_id, datetime(2026, 11, 22, 14, 0, tzinfo=UTC))
            assert (turn.day, turn.hour) < (23, 5)
            assert turn.day == 23
            assert next_night(practice_id, turn) == turn + timedelta(days=1)
            assert next_night(practice_id, turn - timedelta(seconds=1)) == turn
