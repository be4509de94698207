"""The one alert for documents that wait for a person."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select

from dashboard.database import AnySession
from dashboard.models import AlertCause, XeroFilePush
from dashboard.rules.alert_letters import attention_text, attention_title
from dashboard.services.alerts import AlertService
from dashboard.services.push_retry import waits_for_a_person


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
        self._alerts.raise_once(
            practice_id,
            AlertCause.PUSHES_NEED_ATTENTION,
            "danger",
            attention_title(number),
            attention_text(number),
            count=number,
        )
