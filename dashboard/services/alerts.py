"""Alerts: one open row per cause, opened and closed by what happens, never by hand."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from sqlalchemy import text, update

from dashboard.database import AnySession, insert_for
from dashboard.models import Alert, AlertCause

if TYPE_CHECKING:
    from collections.abc import Callable


class AlertService:
    """Opens and closes alerts inside the caller's transaction."""

    def __init__(self, *, session: AnySession, clock: Callable[[], datetime]) -> None:
        self._session = session
        self._clock = clock

    def raise_once(
        self,
        practice_id: UUID,
        cause: AlertCause,
        tone: str,
        title: str,
        text_: str,
        *,
        count: int = 1,
    ) -> None:
        """Open the alert for *cause*, or bring the open one up to date."""
        now = self._clock()
        words = {"tone": tone, "title": title, "text": text_, "count": count, "updated_at": now}
        self._session.execute(
            insert_for(self._session)(Alert)
            .values(id=uuid4(), practice_id=practice_id, cause=cause, created_at=now, **words)
            .on_conflict_do_update(
                index_elements=[Alert.practice_id, Alert.cause],
                index_where=text("closed_at IS NULL"),
                set_=words,
            )
        )

    def resolve(self, practice_id: UUID, *causes: AlertCause) -> None:
        """Close the open alerts of these causes, if there are any."""
        now = self._clock()
        self._session.execute(
            update(Alert)
            .where(
                Alert.practice_id == practice_id,
                Alert.cause.in_(causes),
                Alert.closed_at.is_(None),
            )
            .values(closed_at=now, updated_at=now)
        )
