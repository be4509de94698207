"""The one alert for documents that wait for a person."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select

from dashboard.database import AnySession
from dashboard.models import AlertCause, XeroFilePush
from dashboard.services.alerts import AlertService
from dashboard.services.push_retry import waits_for_a_person

ONE = (
    "1 document could not be filed",
    "Its page says why and what to do.",
)
MANY_TITLE = "{} documents could not be filed"
MANY_TEXT = "Their pages say why and what to do."


class PushAttention:
    """Keeps the alert true; works inside the caller's transaction."""

    def __init__(self, *, session: AnySession, alerts: AlertService) -> None:
        self._session = session
        self._alerts = alerts

    def refresh(self, practice_id: UUID, connection_id: UUID) -> None:
        """Open, correct or close the alert by what the rows say."""
        number = self._session.scalar(
            select(func.count())
            .select_from(XeroFilePush)
            .where(
                XeroFilePush.xero_connection_id == connection_id,
                waits_for_a_person(),
            )
        )
        if not number:
            self._alerts.resolve(practice_id, AlertCause.PUSHES_NEED_ATTENTION)
            return
        title, text = ONE if number == 1 else (MANY_TITLE.format(number), MANY_TEXT)
        self._alerts.raise_once(
            practice_id,
            AlertCause.PUSHES_NEED_ATTENTION,
            "danger",
            title,
            text,
            count=number,
        )
