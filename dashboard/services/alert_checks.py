"""The alerts that time alone brings: nothing happens, and after a while that is worth telling."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select

from dashboard.database import AnySession
from dashboard.models import Alert, AlertCause, ConnectionStatus, XeroConnection
from dashboard.rules.alert_letters import (
    NOT_CONFIRMED_TEXT,
    NOT_CONFIRMED_TITLE,
    on_hold_text,
    on_hold_title,
)
from dashboard.rules.alert_table import HOLDING, NOT_CONFIRMED_AFTER, ON_HOLD_AFTER
from dashboard.services.alerts import AlertService
from dashboard.services.held_documents import documents_on_hold, holder_of


class AlertChecks:
    """Opens, corrects and closes a practice's alerts of that kind."""

    def __init__(
        self, *, session: AnySession, alerts: AlertService, clock: Callable[[], datetime]
    ) -> None:
        self._session = session
        self._alerts = alerts
        self._clock = clock

    def refresh(self, practice_id: UUID) -> None:
        """Make the practice's alerts agree with the hour. Commits."""
        self._not_confirmed(practice_id)
        self._on_hold(practice_id)
        self._session.commit()

    def _not_confirmed(self, practice_id: UUID) -> None:
        cause = AlertCause.NOT_CONFIRMED
        is_so = self._is_unconfirmed(practice_id)
        if not is_so:
            self._alerts.resolve(practice_id, cause)
        elif self._open_count(practice_id, cause) is None:
            self._alerts.raise_once(
                practice_id, cause, "warning", NOT_CONFIRMED_TITLE, NOT_CONFIRMED_TEXT
            )

    def _on_hold(self, practice_id: UUID) -> None:
        cause = AlertCause.DOCUMENTS_ON_HOLD
        number = self._long_on_hold(practice_id)
        if number == 0:
            self._alerts.resolve(practice_id, cause)
        elif self._open_count(practice_id, cause) != number:
            self._alerts.raise_once(
                practice_id,
                cause,
                "warning",
                on_hold_title(number),
                on_hold_text(number),
                count=number,
            )

    def _is_unconfirmed(self, practice_id: UUID) -> bool:
        """Whether calls could have been made for six hours and none of them went well."""
        since = self._clock() - NOT_CONFIRMED_AFTER
        found = self._session.scalar(
            select(XeroConnection.id).where(
                XeroConnection.practice_id == practice_id,
                XeroConnection.status == ConnectionStatus.ACTIVE,
                func.coalesce(XeroConnection.last_good_call_at, XeroConnection.connected_at)
                <= since,
                # While Xero's daily limit is used up nothing is asked, and nothing is wrong.
                or_(XeroConnection.waits_until.is_(None), XeroConnection.waits_until <= since),
            )
        )
        return found is not None

    def _long_on_hold(self, practice_id: UUID) -> int:
        """Return how many documents wait for days because of a connection that broke.

        A connection that a person ended has no such alert, and its documents are nobody's surprise.
        """
        since = self._clock() - ON_HOLD_AFTER
        broken_since = self._session.scalar(
            select(func.min(Alert.created_at)).where(
                Alert.practice_id == practice_id,
                Alert.cause.in_(HOLDING),
                Alert.closed_at.is_(None),
            )
        )
        if broken_since is None or broken_since > since:
            return 0
        holder = holder_of(self._session, practice_id)
        return documents_on_hold(self._session, holder, waiting_since=since)

    def _open_count(self, practice_id: UUID, cause: AlertCause) -> int | None:
        return self._session.scalar(
            select(Alert.count).where(
                Alert.practice_id == practice_id,
                Alert.cause == cause,
                Alert.closed_at.is_(None),
            )
        )
