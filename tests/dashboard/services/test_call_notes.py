"""Calls to Xero are counted in the database, whatever else goes wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from dashboard import wiring
from dashboard.database import db
from dashboard.models import CallPurpose, XeroCalls, XeroConnection
from dashboard.queries import calls
from dashboard.services.call_notes import KEPT_FOR, CallNotes
from dashboard.simulator import World
from dashboard.xero import Exchange, Priority
from tests.flows.test_connect import connect
from tests.support.browser import Browser

TENANT = "fe79f7dd-b6d4-4a92-ba7b-538af6289c58"
OTHER = "0b8f1d5e-6f0d-4c7c-8a53-36f6e2e9c1aa"
CONTACTS = "/api.xro/2.0/Contacts"
NOON = datetime(2026, 11, 22, 12, 20, tzinfo=UTC)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def notes(app: Flask, clock: Clock) -> CallNotes:
    return CallNotes(engine=lambda: db.engine, clock=clock)


def a_call(
    priority: Priority = Priority.SYNC,
    path: str = CONTACTS,
    *,
    tenant_id: str | None = TENANT,
    sent: bool = True,
    up: int = 10,
    down: int = 200,
) -> Exchange:
    return Exchange(
        tenant_id=tenant_id,
        priority=priority,
        method="GET",
        path=path,
        sent=sent,
        status=200 if sent else None,
        bytes_sent=up,
        bytes_received=down,
        seconds=0.1,
    )


def made(session: Session, now: datetime = NOON, tenant_id: str = TENANT) -> calls.CallsMade:
    session.rollback()
    return calls.last_day(session, tenant_id, now=now)


@pytest.mark.parametrize(
    ("priority", "path", "purpose"),
    [
        (Priority.SYNC, CONTACTS, CallPurpose.SYNC),
        (Priority.SYNC, "/api.xro/2.0/ContactGroups", CallPurpose.SYNC),
        (Priority.SYNC, "/api.xro/2.0/Organisation", CallPurpose.CHECK),
        (Priority.SYNC, "/files.xro/1.0/Folders", CallPurpose.CHECK),
        (Priority.PUSH, "/files.xro/1.0/Folders", CallPurpose.PUSH),
        (Priority.PERSON, CONTACTS, CallPurpose.PERSON),
    ],
)
def test_each_call_counts_for_what_it_was_made(
    notes: CallNotes, session: Session, priority: Priority, path: str, purpose: CallPurpose
) -> None:
    notes.note(a_call(priority, path))
    assert made(session).by_purpose == {purpose: 1}


def test_calls_and_bytes_add_up_for_each_organisation(notes: CallNotes, session: Session) -> None:
    for _ in range(3):
        notes.note(a_call())
    notes.note(a_call(Priority.PUSH, up=5_000_000_000))
    notes.note(a_call(tenant_id=OTHER))
    assert made(session) == calls.CallsMade(
        {CallPurpose.SYNC: 3, CallPurpose.PUSH: 1}, 5_000_000_030, 800
    )
    assert made(session, tenant_id=OTHER).calls == 1


def test_what_never_left_or_names_no_organisation_is_no_call(
    notes: CallNotes, session: Session
) -> None:
    notes.note(a_call(sent=False))
    notes.note(a_call(tenant_id=None))
    assert session.scalars(select(XeroCalls)).all() == []


def test_a_day_is_the_last_24_hours_in_whole_hours(
    notes: CallNotes, clock: Clock, session: Session
) -> None:
    for hours in (-25, -24, -1, 0):
        clock.now = NOON + timedelta(hours=hours)
        notes.note(a_call())
    assert made(session).calls == 3
    assert notes.calls_in_last_day(TENANT) == 3
    assert notes.calls_in_last_day(OTHER) == 0


def test_a_call_is_recent_for_a_minute_across_the_full_hour(notes: CallNotes, clock: Clock) -> None:
    clock.now = datetime(2026, 11, 22, 12, 59, 40, tzinfo=UTC)
    notes.note(a_call())
    clock.now += timedelta(seconds=59)
    assert notes.called_recently(TENANT)
    assert not notes.called_recently(OTHER)
    clock.now += timedelta(seconds=2)
    assert not notes.called_recently(TENANT)


def test_two_processes_add_to_the_same_row(app: Flask, session: Session, clock: Clock) -> None:
    def count(_number: int) -> None:
        with app.app_context():
            notes = CallNotes(engine=lambda: db.engine, clock=clock)
            for _ in range(10):
                notes.note(a_call())
                notes.note(a_call(Priority.PUSH))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(4)))
    assert made(session).by_purpose == {CallPurpose.SYNC: 40, CallPurpose.PUSH: 40}


def test_while_the_database_does_not_answer_nothing_is_raised_and_nothing_lost(
    notes: CallNotes, session: Session
) -> None:
    def fail(*_arguments: object) -> None:
        raise OperationalError("INSERT", {}, Exception("disk I/O error"))

    event.listen(db.engine, "before_cursor_execute", fail)
    notes.note(a_call())
    event.remove(db.engine, "before_cursor_execute", fail)
    notes.note(a_call())
    assert made(session).calls == 2


def test_what_is_older_than_a_month_goes(notes: CallNotes, clock: Clock, session: Session) -> None:
    for moment in (NOON, NOON + timedelta(hours=1), NOON + KEPT_FOR + timedelta(minutes=50)):
        clock.now = moment
        notes.note(a_call())
    session.rollback()
    hours = session.scalars(select(XeroCalls.hour).order_by(XeroCalls.hour)).all()
    assert [hour.day for hour in hours] == [22, 27]


def test_real_calls_are_counted_by_what_they_serve(
    browser: Browser, world: World, session: Session
) -> None:
    connect(browser, world)
    connection = session.scalars(select(XeroConnection)).one()
    tenant_id, practice_id = connection.xero_tenant_id, connection.practice_id
    session.rollback()
    wiring.xero_auth().check_health(connection.id)
    wiring.xero_sync().sync_contacts(practice_id)
    wiring.xero_files().folders(practice_id)
    counted = calls.last_day(session, tenant_id, now=datetime.now(UTC))
    left = wiring.outside().governor.calls_left(tenant_id)
    assert set(counted.by_purpose) == {CallPurpose.CHECK, CallPurpose.SYNC, CallPurpose.PERSON}
    assert counted.calls == 5000 - left.day
    assert counted.bytes_received > 1000
