"""One open alert for each cause, closed by what happens."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard import wiring
from dashboard.models import Alert, AlertCause, Practice
from dashboard.queries import alerts as queries
from dashboard.services.alerts import AlertService

CAUSE = AlertCause.PUSHES_NEED_ATTENTION


@pytest.fixture
def alerts(practice: Practice) -> AlertService:
    return wiring.alerts()


class TestAlertService:
    def test_the_same_cause_is_one_alert(
        self, alerts: AlertService, practice: Practice, session: Session
    ) -> None:
        alerts.raise_once(practice.id, CAUSE, "danger", "One", "1 document.")
        alerts.raise_once(practice.id, CAUSE, "danger", "Two", "2 documents.", count=2)
        session.commit()
        [row] = queries.open_alerts(session, practice.id)
        assert (row.title, row.count) == ("Two", 2)

    def test_it_closes_and_stays_readable(
        self, alerts: AlertService, practice: Practice, session: Session
    ) -> None:
        alerts.raise_once(practice.id, CAUSE, "danger", "One", "1 document.")
        alerts.resolve(practice.id, CAUSE)
        session.commit()
        assert queries.open_alerts(session, practice.id) == []
        [closed] = queries.closed_alerts(session, practice.id)
        assert closed.closed_at is not None

    def test_a_closed_cause_can_open_again(
        self, alerts: AlertService, practice: Practice, session: Session
    ) -> None:
        for _ in range(2):
            alerts.raise_once(practice.id, CAUSE, "danger", "One", "1 document.")
            alerts.resolve(practice.id, CAUSE)
        session.commit()
        assert len(session.scalars(select(Alert)).all()) == 2

    def test_the_most_serious_comes_first(
        self, alerts: AlertService, practice: Practice, session: Session
    ) -> None:
        for cause in (CAUSE, AlertCause.DAY_LIMIT, AlertCause.RECONNECT_NEEDED):
            alerts.raise_once(practice.id, cause, "danger", cause.value, "…")
        session.commit()
        assert [row.cause for row in queries.open_alerts(session, practice.id)] == [
            AlertCause.RECONNECT_NEEDED,
            AlertCause.DAY_LIMIT,
            CAUSE,
        ]
