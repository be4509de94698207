"""What pages ask about alerts, and about the emails that they promised."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, func, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute

from dashboard.database import AnySession
from dashboard.models import Alert, AlertCause, AlertMail, User
from dashboard.rules.alert_table import TABLE, seriousness

CLOSED_SHOWN = 100
REFUSALS_SHOWN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is looking: some alerts are for admins, some for the one person whom they concern."""

    user_id: UUID
    is_admin: bool


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert as the pages show it."""

    id: UUID
    cause: AlertCause
    tone: str
    title: str
    text: str
    count: int
    since: datetime
    closed_at: datetime | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class MailRow:
    """One email about an alert. Not sent and not dropped: it is due, or was tried without luck.

    `number`: 1 is the first, the others remind.
    """

    to: str
    number: int
    due_at: datetime
    sent_at: datetime | None
    dropped_at: datetime | None
    error: str | None
    server_said: str | None


@dataclass(frozen=True, slots=True)
class MailTrouble:
    """Emails that should have gone out and did not: since when, and why the last one.

    `waiting` are tried again; `refused` never, they are told for a day.
    """

    since: datetime
    waiting: int
    refused: int
    error: str
    server_said: str | None


def open_alerts(
    session: AnySession, practice_id: UUID, viewer: Viewer | None = None
) -> list[AlertRow]:
    """Return the open alerts, the most serious first (there is at most one for each cause).

    With a viewer only those that this person should see.
    """
    rows = session.scalars(
        select(Alert).where(
            Alert.practice_id == practice_id, Alert.closed_at.is_(None), *_seen_by(viewer)
        )
    ).all()
    return sorted(map(_row, rows), key=lambda row: seriousness(row.cause))


def closed_alerts(
    session: AnySession, practice_id: UUID, viewer: Viewer | None = None
) -> list[AlertRow]:
    """Return the alerts that were closed last, newest first; see `open_alerts`."""
    rows = session.scalars(
        select(Alert)
        .where(Alert.practice_id == practice_id, Alert.closed_at.is_not(None), *_seen_by(viewer))
        .order_by(Alert.closed_at.desc(), Alert.id)
        .limit(CLOSED_SHOWN)
    ).all()
    return [_row(row) for row in rows]


def one(session: AnySession, practice_id: UUID, alert_id: UUID, viewer: Viewer) -> AlertRow | None:
    """Return one alert of the practice, None if there is none that this person should see."""
    found = session.scalar(
        select(Alert).where(
            Alert.id == alert_id, Alert.practice_id == practice_id, *_seen_by(viewer)
        )
    )
    return _row(found) if found is not None else None


def mails_about(session: AnySession, practice_id: UUID, alert_id: UUID) -> list[MailRow]:
    """Return the emails about one alert in the order in which they are due.

    Left out are those that were not needed any more when their time came.
    """
    rows = session.execute(
        select(AlertMail, User.name)
        .join(User, User.id == AlertMail.user_id)
        .where(
            AlertMail.practice_id == practice_id,
            AlertMail.alert_id == alert_id,
            or_(
                AlertMail.dropped_at.is_(None),
                AlertMail.sent_at.is_not(None),
                AlertMail.last_error.is_not(None),
            ),
        )
        .order_by(AlertMail.due_at, User.name)
    )
    return [
        MailRow(
            to=name,
            number=mail.number,
            due_at=mail.due_at,
            sent_at=mail.sent_at,
            dropped_at=mail.dropped_at,
            error=mail.last_error,
            server_said=mail.server_said,
        )
        for mail, name in rows
    ]


def mail_trouble(
    session: AnySession, now: datetime, practice_id: UUID | None = None
) -> MailTrouble | None:
    """Return what keeps emails from going out; of one practice, or of the whole installation."""
    stuck = [
        AlertMail.sent_at.is_(None),
        AlertMail.last_error.is_not(None),
        or_(AlertMail.dropped_at.is_(None), AlertMail.dropped_at > now - REFUSALS_SHOWN),
    ]
    if practice_id is not None:
        stuck.append(AlertMail.practice_id == practice_id)
    since, number, refused = session.execute(
        select(func.min(AlertMail.due_at), func.count(), func.count(AlertMail.dropped_at)).where(
            *stuck
        )
    ).one()
    if since is None:
        return None
    error, said = session.execute(
        select(AlertMail.last_error, AlertMail.server_said)
        .where(*stuck)
        .order_by(AlertMail.updated_at.desc())
        .limit(1)
    ).one()
    return MailTrouble(since, number - refused, refused, error or "", said)


def visible_to(
    user_id: UUID | InstrumentedAttribute[UUID], is_admin: ColumnElement[bool]
) -> ColumnElement[bool]:
    """Return the condition that says of a row what the table says of its cause."""
    for_this_person = {
        "everybody": true(),
        "admins": is_admin,
        "starter": or_(Alert.user_id == user_id, and_(Alert.user_id.is_(None), is_admin)),
    }
    return or_(
        *(
            and_(Alert.cause.in_(_causes_seen_by(audience)), condition)
            for audience, condition in for_this_person.items()
        )
    )


def _causes_seen_by(audience: str) -> list[AlertCause]:
    return [AlertCause(kind.cause) for kind in TABLE if kind.seen_by == audience]


def _seen_by(viewer: Viewer | None) -> tuple[ColumnElement[bool], ...]:
    if viewer is None:
        return ()
    return (visible_to(viewer.user_id, true() if viewer.is_admin else false()),)


def _row(alert: Alert) -> AlertRow:
    return AlertRow(
        id=alert.id,
        cause=alert.cause,
        tone=alert.tone,
        title=alert.title,
        text=alert.text,
        count=alert.count,
        since=alert.created_at,
        closed_at=alert.closed_at,
        updated_at=alert.updated_at,
    )
