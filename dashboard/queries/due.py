"""Whose promise is waiting: one statement for each sweep, across all practices.

Each names ids, the longest overdue first. A row that a worker holds a lease on is not named: its
turn comes again when the lease is given back or has run out. What comes to every practice by the
clock is named ahead, with the moment of each turn, so that a sweep can spread its pokes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from dashboard.database import AnySession
from dashboard.models import (
    Alert,
    AlertCause,
    AlertMail,
    ClientDocument,
    ConnectionStatus,
    DocumentStatus,
    OAuthAttempt,
    PushStatus,
    RunKind,
    RunStatus,
    SyncRun,
    XeroConnection,
    XeroContact,
    XeroContactMapping,
    XeroFilePush,
)
from dashboard.rules.alert_table import HOLDING, NOT_CONFIRMED_AFTER, ON_HOLD_AFTER
from dashboard.rules.permissions import CONTACTS_SCOPE, FILES_SCOPE
from dashboard.rules.phase import latest_lease_end, latest_refresh_turn
from dashboard.rules.retry_policy import MAX_RETRIES

AT_MOST = 10_000
# In a sweep every ten seconds; ten thousand connections on their own phases need 67.
REFRESHES_AT_ONCE = 500
ACTIVE = "ACTIVE"
UNFINISHED_RUNS = (RunStatus.WAITING, RunStatus.RUNNING, RunStatus.WAITING_FOR_XERO)

Moment = InstrumentedAttribute[datetime | None]


def connections_to_refresh(session: AnySession, now: datetime) -> Sequence[UUID]:
    """Return the connections whose tokens are due for a refresh, not too many at once.

    After an outage everybody is overdue: each sweep names a share of them, so that Xero's identity
    service and our own queue see a stream and not a flood. A turn that a wrong clock set too far
    ahead counts as come, and a lease that it made too long as over: whoever takes the connection up
    looks again under a lease of its own. A connection with a permission problem keeps its tokens
    fresh, so that it can go on by itself.
    """
    latest = latest_refresh_turn(now)
    return session.scalars(
        select(XeroConnection.id)
        .where(
            or_(XeroConnection.refresh_due_at <= now, XeroConnection.refresh_due_at > latest),
            XeroConnection.status.in_([ConnectionStatus.ACTIVE, ConnectionStatus.ERROR]),
            or_(
                _over(XeroConnection.refresh_lease_until, now),
                XeroConnection.refresh_lease_until > latest_lease_end(now),
            ),
        )
        .order_by(XeroConnection.refresh_due_at)
        .limit(REFRESHES_AT_ONCE)
    ).all()


def practices_to_sync(session: AnySession, until: datetime) -> dict[UUID, datetime]:
    """Return when each practice's turn to sync comes, of all whose turn comes by *until*.

    The turn of a sync that was left unfinished comes when its wait and its lease are over. A
    practice that switched the automatic sync off, or that did not allow us to read contacts, is
    named only while a sync that a person asked for is unfinished.
    """
    due = select(
        XeroConnection.practice_id,
        _later(XeroConnection.sync_due_at, XeroConnection.waits_until).label("turn"),
    ).where(
        XeroConnection.sync_due_at <= until,
        XeroConnection.status == ConnectionStatus.ACTIVE,
        XeroConnection.auto_sync_contacts.is_(True),
        XeroConnection.allows(CONTACTS_SCOPE),
        _over(XeroConnection.waits_until, until),
        ~exists().where(
            SyncRun.practice_id == XeroConnection.practice_id,
            SyncRun.kind == RunKind.CONTACT_SYNC,
            SyncRun.status.in_(UNFINISHED_RUNS),
        ),
    )
    unfinished = select(
        SyncRun.practice_id,
        _later(_later(SyncRun.created_at, SyncRun.not_before), SyncRun.lease_until).label("turn"),
    ).where(*_left_unfinished(RunKind.CONTACT_SYNC, until))
    both = due.union_all(unfinished).subquery()
    return _turns(session, select(both.c.practice_id, both.c.turn).order_by(both.c.turn))


def imports_to_run(session: AnySession, now: datetime) -> Sequence[UUID]:
    """Return the practices with an import, or an undo of one, that nobody is working on."""
    return session.scalars(
        select(SyncRun.practice_id)
        .where(
            or_(
                and_(*_left_unfinished(RunKind.IMPORT, now)),
                and_(*_left_unfinished(RunKind.UNDO, now)),
            )
        )
        .order_by(SyncRun.created_at)
        .limit(AT_MOST)
    ).all()


def practices_to_push(session: AnySession, now: datetime) -> Sequence[UUID]:
    """Return the practices with a document whose next step towards Xero can be taken now.

    Not named: documents of clients whose contact is missing or not active, of practices that
    switched sending off, and of connections that do not work, that Xero asked to wait, or whose
    person did not allow us to add files. Who was served last comes last.
    """
    unfinished = or_(
        XeroFilePush.status.in_([PushStatus.PENDING, PushStatus.UPLOADING]),
        # "Uploaded" with a cause waits for a person.
        and_(XeroFilePush.status == PushStatus.UPLOADED, XeroFilePush.cause.is_(None)),
    )
    return _practices_with_pushes(session, now, unfinished)


def practices_to_retry(session: AnySession, now: datetime) -> Sequence[UUID]:
    """Return the practices with a failed push whose next try is due.

    Only a push with tries left has a moment for the next one.
    """
    failed = and_(
        XeroFilePush.status == PushStatus.FAILED,
        XeroFilePush.not_before.is_not(None),
        XeroFilePush.retry_count < MAX_RETRIES,
    )
    return _practices_with_pushes(session, now, failed)


def connections_to_read_back(session: AnySession, now: datetime) -> Sequence[UUID]:
    """Return the connections whose filed documents are due to be looked for in Xero."""
    return session.scalars(
        select(XeroConnection.id)
        .where(
            XeroConnection.files_check_due_at <= now,
            XeroConnection.status == ConnectionStatus.ACTIVE,
            XeroConnection.allows(FILES_SCOPE),
            _over(XeroConnection.waits_until, now),
        )
        .order_by(XeroConnection.files_check_due_at)
        .limit(AT_MOST)
    ).all()


def connections_to_check(session: AnySession, until: datetime) -> dict[UUID, datetime]:
    """Return when each connection's health is looked at next, of all whose turn comes by *until*.

    A disconnected one is named as long as it holds tokens: somebody died while leaving Xero.
    """
    in_use = and_(
        XeroConnection.status.in_([ConnectionStatus.ACTIVE, ConnectionStatus.ERROR]),
        _over(XeroConnection.waits_until, until),
    )
    half_left = and_(
        XeroConnection.status == ConnectionStatus.DISCONNECTED,
        XeroConnection.refresh_token_encrypted.is_not(None),
    )
    turn = case(
        (half_left, XeroConnection.health_due_at),
        else_=_later(XeroConnection.health_due_at, XeroConnection.waits_until),
    )
    return _turns(
        session,
        select(XeroConnection.id, turn)
        .where(XeroConnection.health_due_at <= until, or_(in_use, half_left))
        .order_by(turn),
    )


def consents_to_give_back(session: AnySession, now: datetime) -> Sequence[UUID]:
    """Return the attempts that keep a consent whose question nobody answered in time."""
    return session.scalars(
        select(OAuthAttempt.id)
        .where(OAuthAttempt.choices.is_not(None), OAuthAttempt.expires_at <= now)
        .order_by(OAuthAttempt.expires_at)
        .limit(AT_MOST)
    ).all()


def practices_with_alerts_to_check(session: AnySession, now: datetime) -> Sequence[UUID]:
    """Return the practices where time alone may open, change or close an alert.

    Those whose connection was not confirmed for hours, whose connection broke days ago, and those
    that have such an alert open.
    """
    unconfirmed = select(XeroConnection.practice_id).where(
        XeroConnection.status == ConnectionStatus.ACTIVE,
        func.coalesce(XeroConnection.last_good_call_at, XeroConnection.connected_at)
        <= now - NOT_CONFIRMED_AFTER,
    )
    alerted = select(Alert.practice_id).where(
        Alert.closed_at.is_(None),
        or_(
            Alert.cause.in_([AlertCause.NOT_CONFIRMED, AlertCause.DOCUMENTS_ON_HOLD]),
            and_(Alert.cause.in_(HOLDING), Alert.created_at <= now - ON_HOLD_AFTER),
        ),
    )
    both = unconfirmed.union(alerted).subquery()
    return session.scalars(select(both.c.practice_id).limit(AT_MOST)).all()


def rounds_of_alert_mail(session: AnySession, now: datetime) -> Sequence[str]:
    """Return one name if any email about an alert is due, else none: one round sends them all."""
    due = exists().where(
        AlertMail.sent_at.is_(None),
        AlertMail.dropped_at.is_(None),
        AlertMail.not_before <= now,
        _over(AlertMail.lease_until, now),
    )
    return ["all"] if session.scalar(select(due)) else []


def _practices_with_pushes(
    session: AnySession, now: datetime, state: ColumnElement[bool]
) -> Sequence[UUID]:
    not_active = exists().where(
        XeroContact.xero_connection_id == XeroContactMapping.xero_connection_id,
        XeroContact.xero_contact_id == XeroContactMapping.xero_contact_id,
        XeroContact.contact_status != ACTIVE,
    )
    has_a_contact = exists().where(
        XeroContactMapping.xero_connection_id == XeroFilePush.xero_connection_id,
        XeroContactMapping.client_id == XeroFilePush.client_id,
        ~not_active,
    )
    is_accepted = exists().where(
        ClientDocument.id == XeroFilePush.document_id,
        ClientDocument.status == DocumentStatus.ACCEPTED,
    )
    is_due = exists().where(
        XeroFilePush.xero_connection_id == XeroConnection.id,
        state,
        _over(XeroFilePush.not_before, now),
        _over(XeroFilePush.lease_until, now),
        is_accepted,
        has_a_contact,
    )
    # One look for each practice, however many documents wait in it; who was served last comes last.
    return session.scalars(
        select(XeroConnection.practice_id)
        .where(
            XeroConnection.status == ConnectionStatus.ACTIVE,
            XeroConnection.push_documents_to_xero.is_(True),
            XeroConnection.allows(FILES_SCOPE),
            _over(XeroConnection.waits_until, now),
            _over(XeroConnection.push_lease_until, now),
            is_due,
        )
        .order_by(XeroConnection.last_good_call_at.nulls_first())
        .limit(AT_MOST)
    ).all()


def _left_unfinished(kind: RunKind, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        SyncRun.kind == kind,
        SyncRun.status.in_(UNFINISHED_RUNS),
        _over(SyncRun.not_before, now),
        _over(SyncRun.lease_until, now),
        SyncRun.held_at.is_(None),
    )


def _turns(session: AnySession, named: Select[UUID, datetime]) -> dict[UUID, datetime]:
    return dict(session.execute(named.limit(AT_MOST)).all())


def _later(moment: ColumnElement[Any] | Moment, other: Moment) -> ColumnElement[Any]:
    """Return the later of two moments; the first, where there is no other."""
    return case((other > moment, other), else_=moment)


def _over(moment: Moment, now: datetime) -> ColumnElement[bool]:
    return or_(moment.is_(None), moment <= now)
