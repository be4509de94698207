"""Each practice has its own turn."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from dashboard.rules.phase import CONTACT_SYNC_EVERY, HEALTH_EVERY, first_slot, phase

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
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
        assert phase(UUID(int=1), CONTACT_SYNC_EVERY) == timedelta(seconds=145)

    def test_practices_are_spread_over_the_period(self) -> None:
        seconds = Counter(phase(one, CONTACT_SYNC_EVERY).total_seconds() for one in PRACTICES)
        assert len(seconds) > 550
        assert max(seconds.values()) <= 8
