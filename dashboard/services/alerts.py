"""Alerts: one open row per cause, opened and closed by what happens, never by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import text, update

from dashboard.database import AnySession, insert_for
from dashboard.models import Alert, AlertCause
from dashboard.services.alert_promises import MailPromises


class AlertService:
    """Opens and closes alerts inside the caller's transaction, with the emails that they promise.

    Without *promises* nobody is mailed: alerts are on the pages only.
    """

    def __init__(
        self,
        *,
        session: AnySession,
        clock: Callable[[], datetime],
        promises: MailPromises | None = None,
    ) -> None:
        self._session = session
        self._clock = clock
        self._promises = promises

    def raise_once(
        self,
        practice_id: UUID,
        cause: AlertCause,
        tone: str,
        title: str,
        text_: str,
        *,
        count: int = 1,
        user_id: UUID | None = None,
    ) -> None:
        """Open the alert for *cause*, or bring the open one up to date.

        *user_id* is the one person whom it concerns, as the one who started an import. Only an
        alert that opens is mailed about; to mail again, resolve the old one first.
        """
        now = self._clock()
        words = {
            "tone": tone,
            "title": title,
            "text": text_,
            "count": count,
            "user_id": user_id,
            "updated_at": now,
        }
        alert_id, opened_at = self._session.execute(
            insert_for(self._session)(Alert)
            .values(id=uuid4(), practice_id=practice_id, cause=cause, created_at=now, **words)
            .on_conflict_do_update(
                index_elements=[Alert.practice_id, Alert.cause],
                index_where=text("closed_at IS NULL"),
                set_=words,
            )
            .returning(Alert.id, Alert.created_at)
        ).one()
        if self._promises is not None:
            self._promises.alert_raised(
                alert_id, practice_id, cause, opened_at=opened_at, now=now, user_id=user_id
            )

    def resolve(self, practice_id: UUID, *causes: AlertCause) -> None:
        """Close the open alerts of these causes, if there are any."""
        now = self._clock()
        closed = self._session.scalars(
            update(Alert)
            .where(
                Alert.practice_id == practice_id,
                Alert.cause.in_(causes),
                Alert.closed_at.is_(None),
            )
            .values(closed_at=now, updated_at=now)
            .returning(Alert.id)
        ).all()
        if closed and self._promises is not None:
            self._promises.alerts_closed(closed, now)
