"""What an answer from Xero means for the connection, written down where every page reads it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import case, false, or_, select, update

from dashboard.database import AnySession
from dashboard.models import (
    AlertCause,
    ConnectionStatus,
    RunStatus,
    SyncRun,
    XeroConnection,
)
from dashboard.rules.connection_sentences import (
    ACCESS_LOST,
    NO_REASON,
    REMOVED_IN_XERO,
    look_again_after,
    problem_sentence,
)
from dashboard.services.alerts import AlertService
from dashboard.xero import XeroError

NOTE_EVERY = timedelta(seconds=30)
DAY_REASON = "day"
NO_ERROR: dict[str, object] = {
    "last_error": None,
    "last_error_at": None,
    "last_error_status": None,
    "last_error_reference": None,
}
CONNECTION_CAUSES = (
    AlertCause.RECONNECT_NEEDED,
    AlertCause.DISCONNECTED_IN_XERO,
    AlertCause.CONNECTION_PROBLEM,
    AlertCause.NOT_CONFIRMED,
    AlertCause.DAY_LIMIT,
)


class ConnectionTruth:
    """Keeps status, last good call and waiting time of connections true. Each method commits."""

    def __init__(
        self, *, session: AnySession, alerts: AlertService, clock: Callable[[], datetime]
    ) -> None:
        self._session = session
        self._alerts = alerts
        self._clock = clock

    def good_call(self, connection_id: UUID, *, from_reserve: bool = False) -> None:
        """Note that a real call worked: the only thing that makes a connection `Connected`.

        It also ends a wait, unless the call came out of the reserve that people have: that says
        nothing about the calls of background work.
        """
        now = self._clock()
        goes_on = XeroConnection.waits_until > now if from_reserve else false()
        changed = self._change(
            connection_id,
            {
                "last_good_call_at": now,
                "consecutive_errors": 0,
                "waits_until": case((goes_on, XeroConnection.waits_until), else_=None),
                "waits_because": case((goes_on, XeroConnection.waits_because), else_=None),
                "status": ConnectionStatus.ACTIVE,
                **NO_ERROR,
            },
            XeroConnection.status.in_([ConnectionStatus.ACTIVE, ConnectionStatus.ERROR]),
            or_(
                XeroConnection.last_good_call_at.is_(None),
                XeroConnection.last_good_call_at < now - NOTE_EVERY,
                XeroConnection.consecutive_errors > 0,
                XeroConnection.waits_until.is_not(None),
                XeroConnection.status == ConnectionStatus.ERROR,
            ),
        )
        if changed is not None:
            self._alerts.resolve(
                changed.practice_id, AlertCause.CONNECTION_PROBLEM, AlertCause.NOT_CONFIRMED
            )
            if changed.waits_until is None:
                self._alerts.resolve(changed.practice_id, AlertCause.DAY_LIMIT)
        self._session.commit()

    def must_wait(self, connection_id: UUID, seconds: float, reason: str) -> None:
        """Note until when Xero (or our own limit) wants us to wait; never shortens a wait."""
        until = self._clock() + timedelta(seconds=seconds)
        stands = XeroConnection.waits_until > until
        changed = self._change(
            connection_id,
            {
                "waits_until": case((stands, XeroConnection.waits_until), else_=until),
                "waits_because": case((stands, XeroConnection.waits_because), else_=reason),
            },
        )
        if changed is not None and reason == DAY_REASON:
            self._alerts.raise_once(
                changed.practice_id,
                AlertCause.DAY_LIMIT,
                "warning",
                "Daily limit reached",
                f"Xero’s daily limit for {changed.xero_org_name or 'this organisation'} is used"
                " up. Nothing is lost.",
            )
        self._session.commit()

    def no_good_answer(
        self, connection_id: UUID, sentence: str, problem: XeroError | None = None
    ) -> None:
        """Note that Xero did not answer properly; the status stays, and we look again soon."""
        changed = self._change(
            connection_id,
            {
                **self._error(sentence, problem),
                "consecutive_errors": XeroConnection.consecutive_errors + 1,
            },
            XeroConnection.status.in_([ConnectionStatus.ACTIVE, ConnectionStatus.ERROR]),
        )
        self._look_again_soon(changed)
        self._session.commit()

    def access_lost(
        self,
        connection_id: UUID,
        version: int,
        lease_owner: str | None = None,
        because: str = ACCESS_LOST,
    ) -> bool:
        """Say that a person must reconnect; False if that cannot be known.

        It is known of the *version* that Xero refused, as long as nobody has newer tokens: the row
        still holds that version, and nobody but *lease_owner* is asking Xero for a new one.
        """
        changed = self._change(
            connection_id,
            {
                "status": ConnectionStatus.TOKEN_EXPIRED,
                **self._error(because),
                "refresh_due_at": None,
                "refresh_lease_owner": None,
                "refresh_lease_until": None,
            },
            XeroConnection.status != ConnectionStatus.DISCONNECTED,
            XeroConnection.token_version == version,
            XeroConnection.refresh_lease_owner == lease_owner,
        )
        if changed is not None:
            self._alerts.raise_once(
                changed.practice_id,
                AlertCause.RECONNECT_NEEDED,
                "danger",
                "Reconnect needed",
                f"{because} Nothing is lost: waiting documents are sent after reconnecting.",
            )
        self._session.commit()
        return changed is not None

    def permission_problem(self, connection_id: UUID, problem: XeroError) -> None:
        """Say that Xero knows the connection but refuses to serve it; the tokens are kept."""
        changed = self._change(
            connection_id,
            {
                "status": ConnectionStatus.ERROR,
                **self._error(problem.message or NO_REASON, problem),
                "consecutive_errors": XeroConnection.consecutive_errors + 1,
            },
            XeroConnection.status.in_([ConnectionStatus.ACTIVE, ConnectionStatus.ERROR]),
        )
        self._look_again_soon(changed)
        if changed is not None:
            self._alerts.raise_once(
                changed.practice_id,
                AlertCause.CONNECTION_PROBLEM,
                "danger",
                "Connection problem",
                f"{problem_sentence(changed.last_error)} Nothing is lost: waiting documents"
                " are sent by themselves when Xero lets us in again.",
            )
        self._session.commit()

    def gone_from_xero(self, connection_id: UUID) -> None:
        """Say that somebody removed the app under Connected apps in Xero."""
        changed = self._change(
            connection_id,
            {
                "status": ConnectionStatus.DISCONNECTED,
                "disconnected_at": self._clock(),
                **self._error(REMOVED_IN_XERO),
            },
            XeroConnection.status != ConnectionStatus.DISCONNECTED,
        )
        if changed is not None:
            self.stop_runs(changed)
            self._alerts.resolve(changed.practice_id, *CONNECTION_CAUSES)
            self._alerts.raise_once(
                changed.practice_id,
                AlertCause.DISCONNECTED_IN_XERO,
                "danger",
                "Disconnected in Xero",
                f"{REMOVED_IN_XERO} Nothing is lost: waiting documents are sent after connecting"
                " again.",
            )
        self._session.commit()

    def stop_runs(self, connection: XeroConnection) -> None:
        """End the connection's unfinished runs; part of the caller's transaction."""
        now = self._clock()
        self._session.execute(
            update(SyncRun)
            .where(
                SyncRun.xero_connection_id == connection.id,
                SyncRun.status.in_(
                    [RunStatus.WAITING, RunStatus.RUNNING, RunStatus.WAITING_FOR_XERO]
                ),
            )
            .values(
                status=RunStatus.CANCELLED,
                finished_at=now,
                error="Stopped: Xero was disconnected. What was done is kept.",
                lease_owner=None,
                lease_until=None,
                held_at=None,
            )
        )
        self._alerts.resolve(connection.practice_id, AlertCause.SYNC_HELD)

    def _error(self, sentence: str, problem: XeroError | None = None) -> dict[str, object]:
        return {
            "last_error": sentence,
            "last_error_at": self._clock(),
            "last_error_status": problem.status if problem else None,
            "last_error_reference": problem.correlation_id if problem else None,
        }

    def _look_again_soon(self, connection: XeroConnection | None) -> None:
        """Check before the hour is over, so that the page is true again soon after Xero is back."""
        if connection is None:
            return
        soon = self._clock() + look_again_after(connection.consecutive_errors)
        if connection.health_due_at is None or connection.health_due_at > soon:
            connection.health_due_at = soon

    def _change(
        self, connection_id: UUID, values: dict[str, object], *conditions: object
    ) -> XeroConnection | None:
        """Change the row if the conditions hold; return it when it was changed."""
        changed = self._session.execute(
            update(XeroConnection)
            .where(XeroConnection.id == connection_id, *conditions)  # type: ignore[arg-type]
            .values(updated_at=self._clock(), **values)
            .returning(XeroConnection.id)
            .execution_options(synchronize_session=False)
        ).first()
        if changed is None:
            return None
        return self._session.scalar(
            select(XeroConnection)
            .where(XeroConnection.id == connection_id)
            .execution_options(populate_existing=True)
        )
