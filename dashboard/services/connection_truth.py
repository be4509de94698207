"""What an answer from Xero means for the connection, written down where every page reads it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select, update

from dashboard.database import AnySession
from dashboard.models import (
    AlertCause,
    ConnectionStatus,
    RunStatus,
    SyncRun,
    XeroConnection,
)
from dashboard.services.alerts import AlertService

NOTE_EVERY = timedelta(seconds=30)
DAY_REASON = "day"
CONNECTION_CAUSES = (
    AlertCause.RECONNECT_NEEDED,
    AlertCause.DISCONNECTED_IN_XERO,
    AlertCause.CONNECTION_PROBLEM,
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

    def good_call(self, connection_id: UUID) -> None:
        """Note that a real call worked: the only thing that makes a connection `Connected`."""
        now = self._clock()
        changed = self._change(
            connection_id,
            {
                "last_good_call_at": now,
                "consecutive_errors": 0,
                "waits_until": None,
                "waits_because": None,
                "status": ConnectionStatus.ACTIVE,
                "last_error": None,
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
                changed.practice_id, AlertCause.CONNECTION_PROBLEM, AlertCause.DAY_LIMIT
            )
        self._session.commit()

    def must_wait(self, connection_id: UUID, seconds: float, reason: str) -> None:
        """Note until when Xero (or our own limit) wants us to wait."""
        until = self._clock() + timedelta(seconds=seconds)
        changed = self._change(connection_id, {"waits_until": until, "waits_because": reason})
        if changed is not None and reason == DAY_REASON:
            self._alerts.raise_once(
                changed.practice_id,
                AlertCause.DAY_LIMIT,
                "warning",
                "Daily limit reached",
                f"Xero's daily limit for {changed.xero_org_name or 'this organisation'} is used"
                " up. Reading and filing carry on by themselves; nothing is lost.",
            )
        self._session.commit()

    def no_good_answer(self, connection_id: UUID, sentence: str) -> None:
        """Note that Xero did not answer properly; the status stays as it is."""
        self._change(
            connection_id,
            {
                "consecutive_errors": XeroConnection.consecutive_errors + 1,
                "last_error": sentence,
                "last_error_at": self._clock(),
            },
        )
        self._session.commit()

    def access_lost(self, connection_id: UUID, version: int) -> bool:
        """Say that a person must reconnect; False if the tokens are no longer that *version*."""
        changed = self._change(
            connection_id,
            {
                "status": ConnectionStatus.TOKEN_EXPIRED,
                "last_error": "Xero stopped accepting our access.",
                "last_error_at": self._clock(),
                "refresh_due_at": None,
                "refresh_lease_owner": None,
                "refresh_lease_until": None,
            },
            XeroConnection.status != ConnectionStatus.DISCONNECTED,
            XeroConnection.token_version == version,
        )
        if changed is not None:
            self._alerts.raise_once(
                changed.practice_id,
                AlertCause.RECONNECT_NEEDED,
                "danger",
                "Reconnect needed",
                "Xero stopped accepting our access. Nothing is lost: waiting documents are on hold"
                " and are sent after reconnecting.",
            )
        self._session.commit()
        return changed is not None

    def permission_problem(self, connection_id: UUID, sentence: str) -> None:
        """Say that Xero knows the connection but refuses to serve it."""
        changed = self._change(
            connection_id,
            {
                "status": ConnectionStatus.ERROR,
                "last_error": sentence,
                "last_error_at": self._clock(),
                "consecutive_errors": XeroConnection.consecutive_errors + 1,
            },
            XeroConnection.status.in_([ConnectionStatus.ACTIVE, ConnectionStatus.ERROR]),
        )
        if changed is not None:
            self._alerts.raise_once(
                changed.practice_id,
                AlertCause.CONNECTION_PROBLEM,
                "danger",
                "We cannot use the connection to Xero",
                f"Xero said: {sentence} Documents are on hold until this is solved in Xero.",
            )
        self._session.commit()

    def gone_from_xero(self, connection_id: UUID) -> None:
        """Say that somebody removed the app under Connected apps in Xero."""
        changed = self._change(
            connection_id,
            {"status": ConnectionStatus.DISCONNECTED, "disconnected_at": self._clock()},
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
                "Someone removed chase.md under Connected apps in Xero. Documents are on hold"
                " until Xero is connected again.",
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
            )
        )

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
