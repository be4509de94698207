"""Documents filed and calls made, by the days of the practice's own clock."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from dashboard.database import db
from dashboard.models import CallPurpose, Practice, PushStatus, XeroCalls, XeroFilePush
from dashboard.queries import activity
from dashboard.queries.activity import DayRow
from dashboard.views.filters import BRITISH, Place, last_midnights
from tests import factories
from tests.support.statements import counted

# Two days after the clocks went back in London: midnight was 23:00 UTC before, and is 00:00 now.
NOW = datetime(2026, 10, 27, 12, 0, tzinfo=UTC)
MIDNIGHTS = last_midnights(Place(ZoneInfo("Europe/London"), NOW, BRITISH), 4)


def test_midnights_follow_the_clock_on_the_wall() -> None:
    assert [each.strftime("%d %H:%M") for each in MIDNIGHTS] == [
        "23 23:00",
        "24 23:00",
        "26 00:00",
        "27 00:00",
        "28 00:00",
    ]


def test_each_filing_and_call_counts_on_its_day(practice: Practice, session: Session) -> None:
    connection = factories.make_connection(practice)
    other = factories.make_connection(factories.make_practice())
    for moment, status in (
        (datetime(2026, 10, 23, 22, 59, tzinfo=UTC), PushStatus.ASSOCIATED),
        (datetime(2026, 10, 23, 23, 0, tzinfo=UTC), PushStatus.ASSOCIATED),
        (datetime(2026, 10, 25, 23, 30, tzinfo=UTC), PushStatus.ASSOCIATED),
        (datetime(2026, 10, 27, 9, 0, tzinfo=UTC), PushStatus.ASSOCIATED),
        (datetime(2026, 10, 27, 9, 0, tzinfo=UTC), PushStatus.FAILED),
    ):
        client = factories.make_client(practice)
        document = factories.make_document(client)
        push = XeroFilePush(
            practice_id=practice.id,
            xero_connection_id=connection.id,
            document_id=document.id,
            client_id=client.id,
            content_sha256=document.content_sha256,
            size=document.size,
            status=status,
            pushed_at=moment,
        )
        session.add(push)
    for hour, tenant_id, purpose in (
        (8, connection.xero_tenant_id, CallPurpose.SYNC),
        (8, connection.xero_tenant_id, CallPurpose.PUSH),
        (8, other.xero_tenant_id, CallPurpose.SYNC),
    ):
        begun = datetime(2026, 10, 27, hour, tzinfo=UTC)
        values = {"calls": 7, "bytes_sent": 1, "bytes_received": 1, "last_at": begun}
        session.add(XeroCalls(xero_tenant_id=tenant_id, hour=begun, purpose=purpose, **values))
    session.commit()
    asked = practice.id, connection.xero_tenant_id, MIDNIGHTS
    with counted(db.engine) as statements:
        days = activity.by_day(session, *asked)
    assert days == [DayRow(1, 0), DayRow(1, 0), DayRow(0, 0), DayRow(1, 14)]
    assert len(statements) == 1


def test_nothing_is_nothing(session: Session) -> None:
    assert activity.by_day(session, uuid4(), None, MIDNIGHTS) == [DayRow(0, 0)] * 4
