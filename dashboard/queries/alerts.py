"""What pages ask about alerts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from dashboard.database import AnySession
from dashboard.models import Alert, AlertCause

# The most serious first: which one becomes the banner of every page.
PRECEDENCE = (
    AlertCause.DISCONNECTED_IN_XERO,
    AlertCause.RECONNECT_NEEDED,
    AlertCause.CONNECTION_PROBLEM,
    AlertCause.PERMISSION_NEEDED,
    AlertCause.DAY_LIMIT,
    AlertCause.PUSHES_NEED_ATTENTION,
    AlertCause.IMPORT_PROBLEMS,
)
CLOSED_SHOWN = 100


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


def open_alerts(session: AnySession, practice_id: UUID) -> list[AlertRow]:
    """Return the open alerts, the most serious first (there is at most one for each cause)."""
    rows = session.scalars(
        select(Alert).where(Alert.practice_id == practice_id, Alert.closed_at.is_(None))
    ).all()
    return sorted(map(_row, rows), key=lambda row: PRECEDENCE.index(row.cause))


def closed_alerts(session: AnySession, practice_id: UUID) -> list[AlertRow]:
    """Return the alerts that were closed last, newest first."""
    rows = session.scalars(
        select(Alert)
        .where(Alert.practice_id == practice_id, Alert.closed_at.is_not(None))
        .order_by(Alert.closed_at.desc())
        .limit(CLOSED_SHOWN)
    ).all()
    return [_row(row) for row in rows]


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
    )
