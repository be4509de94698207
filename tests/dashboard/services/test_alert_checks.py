"""Alerts that time alone brings: an unconfirmed connection, documents that wait for days."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from flask import Flask

from dashboard.database import db
from dashboard.embedded import free_port
from dashboard.mail_settings import MailServer
from dashboard.models import AlertCause, ConnectionStatus, Practice, XeroConnection
from dashboard.queries import alerts as queries
from dashboard.queries import documents, due
from dashboard.secret import Secret
from dashboard.services.held_documents import documents_on_hold, holder_of
from jobs import alert_check
from tests import factories
from tests.dashboard.services.mailing import MONDAY, Mailing, hold_documents

NOT_CONFIRMED, ON_HOLD = AlertCause.NOT_CONFIRMED, AlertCause.DOCUMENTS_ON_HOLD
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def mailing(app: Flask) -> Mailing:
    return Mailing(MailServer("localhost", free_port(), "none", "", Secret("")))


def connect(practice: Practice, **values: object) -> XeroConnection:
    """Return a connection whose last good call was at `MONDAY`."""
    return factories.make_connection(
        practice, **{"last_good_call_at": MONDAY, "connected_at": MONDAY - DAY, **values}
    )


def refresh(mailing: Mailing, practice: Practice, moment: datetime | None = None) -> list[str]:
    """Look at *moment* if anybody would; return the titles of the open alerts."""
    mailing.now = moment or mailing.now
    if practice.id in due.practices_with_alerts_to_check(db.session(), mailing.now):
        mailing.checks().refresh(practice.id)
    return [row.title for row in queries.open_alerts(db.session, practice.id)]


class TestNotConfirmed:
    def test_it_opens_after_six_hours_and_closes_with_the_next_good_call(
        self, mailing: Mailing, practice: Practice
    ) -> None:
        connection = connect(practice)
        assert refresh(mailing, practice, MONDAY + 6 * HOUR - MINUTE) == []
        for _ in range(2):
            opened = refresh(mailing, practice, MONDAY + 6 * HOUR)
            assert opened == ["Connection not confirmed for 6 hours"]
        connection.last_good_call_at = mailing.now
        db.session.commit()
        assert refresh(mailing, practice, mailing.now + MINUTE) == []
        [closed] = queries.closed_alerts(db.session, practice.id)
        assert closed.cause == NOT_CONFIRMED

    def test_a_connection_that_never_answered_counts_from_its_beginning(
        self, mailing: Mailing, practice: Practice
    ) -> None:
        connect(practice, last_good_call_at=None)
        assert refresh(mailing, practice, MONDAY - DAY + 7 * HOUR) != []

    @pytest.mark.parametrize("hours", [-1, 5, 12])
    def test_waiting_for_the_daily_limit_is_no_doubt(
        self, mailing: Mailing, practice: Practice, hours: int
    ) -> None:
        moment = MONDAY + 20 * HOUR
        connect(practice, waits_until=moment - hours * HOUR)
        assert bool(refresh(mailing, practice, moment)) == (hours == 12)

    @pytest.mark.parametrize("status", list(ConnectionStatus))
    def test_only_a_connection_that_should_work_can_be_in_doubt(
        self, mailing: Mailing, practice: Practice, status: ConnectionStatus
    ) -> None:
        connection = connect(practice)
        assert refresh(mailing, practice, MONDAY + DAY) != []
        connection.status = status
        db.session.commit()
        still = refresh(mailing, practice)
        assert bool(still) == (status == ConnectionStatus.ACTIVE)

    def test_another_practices_doubt_is_not_ours(
        self, mailing: Mailing, practice: Practice
    ) -> None:
        connect(factories.make_practice())
        assert refresh(mailing, practice, MONDAY + DAY) == []


class TestOnHold:
    @pytest.fixture
    def lost(self, mailing: Mailing, practice: Practice) -> XeroConnection:
        """A connection that broke at `MONDAY`."""
        mailing.raise_once(practice, AlertCause.RECONNECT_NEEDED, title="Reconnect needed")
        return connect(practice, status=ConnectionStatus.TOKEN_EXPIRED)

    def test_it_counts_what_has_waited_for_three_days(
        self, mailing: Mailing, practice: Practice, lost: XeroConnection
    ) -> None:
        hold_documents(lost, 1, created_at=MONDAY - DAY)
        hold_documents(lost, 2, created_at=MONDAY + DAY)
        assert refresh(mailing, practice, MONDAY + 3 * DAY - MINUTE) == ["Reconnect needed"]
        [_, one] = refresh(mailing, practice, MONDAY + 3 * DAY)
        assert one == "1 document has been on hold for over 3 days"
        [_, three] = refresh(mailing, practice, MONDAY + 4 * DAY)
        assert three == "3 documents have been on hold for over 3 days"

    def test_it_closes_when_they_can_go_on(
        self, mailing: Mailing, practice: Practice, lost: XeroConnection
    ) -> None:
        hold_documents(lost, 1, created_at=MONDAY)
        assert len(refresh(mailing, practice, MONDAY + 3 * DAY)) == 2
        lost.status = ConnectionStatus.ACTIVE
        lost.last_good_call_at = mailing.now
        mailing.resolve(practice, AlertCause.RECONNECT_NEEDED)
        assert refresh(mailing, practice) == []

    def test_whoever_left_xero_on_purpose_is_not_nagged(
        self, mailing: Mailing, practice: Practice, lost: XeroConnection
    ) -> None:
        hold_documents(lost, 1, created_at=MONDAY)
        lost.status, lost.disconnected_at = ConnectionStatus.DISCONNECTED, MONDAY
        mailing.resolve(practice, AlertCause.RECONNECT_NEEDED)
        assert refresh(mailing, practice, MONDAY + 9 * DAY) == []

    def test_what_was_removed_in_xero_counts(self, mailing: Mailing, practice: Practice) -> None:
        mailing.raise_once(practice, AlertCause.DISCONNECTED_IN_XERO, title="Disconnected")
        left = connect(practice, status=ConnectionStatus.DISCONNECTED, disconnected_at=MONDAY)
        hold_documents(left, 2, created_at=MONDAY)
        assert len(refresh(mailing, practice, MONDAY + 3 * DAY)) == 2

    @pytest.mark.parametrize(
        "values",
        [
            {"status": ConnectionStatus.TOKEN_EXPIRED},
            {"status": ConnectionStatus.ERROR},
            {"status": ConnectionStatus.DISCONNECTED, "disconnected_at": MONDAY},
            {"status": ConnectionStatus.ACTIVE, "scopes": ["openid"]},
            {"status": ConnectionStatus.ACTIVE},
        ],
        ids=["expired", "error", "disconnected", "not allowed", "active"],
    )
    def test_the_number_is_that_of_the_tab(
        self, practice: Practice, values: dict[str, object]
    ) -> None:
        connection = connect(practice, **values)
        hold_documents(connection, 3)
        # Nobody knows the contact of this one: that is not why it waits.
        client = factories.make_client(practice)
        factories.make_document(client, status="accepted")
        number = documents_on_hold(db.session, holder_of(db.session, practice.id))
        assert number == documents.counts(db.session, practice.id).on_hold
        assert number == (0 if values == {"status": ConnectionStatus.ACTIVE} else 3)


class TestJob:
    def test_it_looks_at_one_practice(self, app: Flask, practice: Practice) -> None:
        connect(practice)
        alert_check.sweep()
        [job] = app.extensions["redis"].lrange("rq:queue:chase", 0, -1)
        assert job
        alert_check.check_practice(str(practice.id))
        assert [row.cause for row in queries.open_alerts(db.session, practice.id)] == [
            NOT_CONFIRMED
        ]
