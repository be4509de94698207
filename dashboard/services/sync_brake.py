"""The brake: a check that would change too much stops, says so, and waits for a person's word."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from dashboard.database import AnySession
from dashboard.models import AlertCause, ItemOutcome, RunKind, SyncRun, SyncRunItem, User
from dashboard.rules.sync_brake import Weight, left_sentence
from dashboard.services.alerts import AlertService
from dashboard.services.refusals import Conflict, NotFound
from dashboard.services.sync_progress import FOLLOW, MATCH

TITLE = "A contact check stopped and asks"


class SyncBrake:
    """Stops checks for a person, and takes the person's answer."""

    def __init__(
        self, *, session: AnySession, alerts: AlertService, clock: Callable[[], datetime]
    ) -> None:
        self._session = session
        self._alerts = alerts
        self._clock = clock

    def values_of_hold(self, practice_id: UUID, weight: Weight, percent: int) -> dict[str, Any]:
        """Return what the run's row says while it is held, and open the alert.

        Part of the caller's transaction.
        """
        sentence = weight.sentence(percent)
        self._alerts.raise_once(
            practice_id, AlertCause.SYNC_HELD, "warning", TITLE, sentence, count=weight.changed
        )
        return {"held_at": self._clock(), "error": sentence}

    def apply(self, practice_id: UUID, run_id: UUID) -> SyncRun:
        """Let a held run carry everything over; return it, waiting for a worker.

        A second press changes nothing. Raises `NotFound`, `Conflict` when the run was answered in
        the other way or has ended.
        """
        run = self._locked(practice_id, run_id)
        if run.held_at is None and not run.progress.get("allowed"):
            raise Conflict("This contact check no longer waits for an answer.")
        if run.held_at is not None:
            run.progress = {**run.progress, "step": FOLLOW, "allowed": True}
            self._let_go(run)
        self._session.commit()
        return run

    def leave(self, practice_id: UUID, run_id: UUID, user_id: UUID) -> SyncRun:
        """Leave the clients of a held run as they are and let it end; return it.

        What Xero has instead stays to be seen on each client's page. Raises as `apply` does.
        """
        run = self._locked(practice_id, run_id)
        if run.held_at is None and not run.progress.get("left"):
            raise Conflict("This contact check no longer waits for an answer.")
        if run.held_at is not None:
            person = self._session.get_one(User, user_id)
            left = _leave_items(self._session, run_id, left_sentence(person.name))
            run.skipped += left
            run.progress = {**run.progress, "step": MATCH, "left": True}
            self._let_go(run)
        self._session.commit()
        return run

    def _let_go(self, run: SyncRun) -> None:
        run.held_at = None
        run.error = None
        run.updated_at = self._clock()
        self._alerts.resolve(run.practice_id, AlertCause.SYNC_HELD)

    def _locked(self, practice_id: UUID, run_id: UUID) -> SyncRun:
        run = self._session.scalar(
            select(SyncRun)
            .where(
                SyncRun.id == run_id,
                SyncRun.practice_id == practice_id,
                SyncRun.kind == RunKind.CONTACT_SYNC,
            )
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if run is None:
            raise NotFound
        return run


def _leave_items(session: AnySession, run_id: UUID, reason: str) -> int:
    """Close the waiting notes of a run without carrying them over; return how many there were."""
    waiting = (SyncRunItem.run_id == run_id, SyncRunItem.outcome == ItemOutcome.WAITING)
    number = session.scalar(select(func.count()).select_from(SyncRunItem).where(*waiting)) or 0
    session.execute(
        update(SyncRunItem)
        .where(*waiting)
        .values(outcome=ItemOutcome.SKIPPED, reason=reason, changes=None)
        .execution_options(synchronize_session=False)
    )
    return number
