"""How long a run can be undone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dashboard.rules.undo import may_still_undo

NOW = datetime(2026, 11, 22, 14, tzinfo=UTC)


@pytest.mark.parametrize(("days", "may"), [(0, True), (30, True), (30.001, False)])
def test_a_run_can_be_undone_for_thirty_days(days: float, may: bool) -> None:
    assert may_still_undo(NOW - timedelta(days=days), NOW) is may
