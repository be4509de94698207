"""A worker's hold on a run: claimed, renewed with each piece of work, given back.

The hold is a name and a moment on the run's row. Every write of a run names the holder, so that a
worker whose lease ran out, or whose run a person cancelled, writes nothing more.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, or_, select, update

from dashboard.database import AnySession, insert_for
from dashboard.models import RunKind, RunStatus, SyncRun
from dashboard.models.sync_run import UNFINISHED

LEASE = timedelta(seconds=60)
UNFINISHED_STATUSES = (RunStatus.WAITING, RunStatus.RUNNING, RunStatus.WAITING_FOR_XERO)


class LeaseLost(Exception):
    """The run is no longer ours: cancelled, or taken over by another worker."""


class RunLease:
    """Claims runs for one worker and writes them while they are its own."""

    def __init__(self, *, session: AnySession, clock: Callable[[], datetime], owner: str) -> None:
        self._session = session
        self._clock = clock
        self._owner = owner

    def claim(self, practice_id: UUID, kind: RunKind) -> SyncRun | None:
        """Return the practice's unfinished run of this kind, now ours; None if none can be taken.

        Commits. A run that waits for its moment or for a person, or that another worker
        holds, is not taken.
        """
        now = self._clock()
        claimed = self._session.execute(
            update(SyncRun)
            .where(
                SyncRun.practice_id == practice_id,
                SyncRun.kind == kind,
                SyncRun.status.in_(UNFINISHED_STATUSES),
                or_(SyncRun.lease_until.is_(None), SyncRun.lease_until <= now),
                or_(SyncRun.not_before.is_(None), SyncRun.not_before <= now),
                SyncRun.held_at.is_(None),
            )
            .values(
                status=RunStatus.RUNNING,
                started_at=func.coalesce(SyncRun.started_at, now),
                not_before=None,
                lease_owner=self._owner,
                lease_until=now + LEASE,
                updated_at=now,
            )
            .returning(SyncRun.id)
            .execution_options(synchronize_session=False)
        ).scalar()
        self._session.commit()
        return self.read(claimed) if claimed else None

    def read(self, run_id: UUID) -> SyncRun:
        """Return the run as the database has it now."""
        return self._session.scalars(
            select(SyncRun).where(SyncRun.id == run_id).execution_options(populate_existing=True)
        ).one()

    def hold(self, run_id: UUID, *, lease: timedelta = LEASE, **values: Any) -> None:
        """Renew the hold and write *values* in the caller's transaction, first thing in it.

        Raises `LeaseLost` when the run is no longer ours; the caller then rolls back. On PostgreSQL
        the row stays locked to the end of the transaction, so nobody can take it in between.
        """
        now = self._clock()
        self._write(run_id, {"lease_until": now + lease, "updated_at": now, **values})

    def release(self, run_id: UUID, status: RunStatus, **values: Any) -> None:
        """Write *values* and let go of the run, in the caller's transaction."""
        now = self._clock()
        if status.is_final:
            values["finished_at"] = now
        self._write(
            run_id,
            {
                "status": status,
                "lease_owner": None,
                "lease_until": None,
                "updated_at": now,
                **values,
            },
        )

    def _write(self, run_id: UUID, values: dict[str, Any]) -> None:
        written = self._session.execute(
            update(SyncRun)
            .where(
                SyncRun.id == run_id,
                SyncRun.lease_owner == self._owner,
                SyncRun.status.in_(UNFINISHED_STATUSES),
            )
            .values(**values)
            .returning(SyncRun.id)
            .execution_options(synchronize_session=False)
        ).scalar()
        if written is None:
            raise LeaseLost


def new_run(
    session: AnySession,
    *,
    practice_id: UUID,
    connection_id: UUID,
    kind: RunKind,
    user_id: UUID | None,
    now: datetime,
    total: int | None = None,
) -> UUID | None:
    """Return the id of a new waiting run, or None if one of this kind is unfinished already."""
    run_id: UUID | None = session.execute(
        insert_for(session)(SyncRun)
        .values(
            id=uuid4(),
            practice_id=practice_id,
            xero_connection_id=connection_id,
            kind=kind,
            status=RunStatus.WAITING,
            started_by_id=user_id,
            total=total,
            progress={},
            created_at=now,
            updated_at=now,
        )
        .on_conflict_do_nothing(
            index_elements=[SyncRun.practice_id, SyncRun.kind], index_where=UNFINISHED
        )
        .returning(SyncRun.id)
    ).scalar()
    return run_id


def unfinished_run(session: AnySession, practice_id: UUID, kind: RunKind) -> SyncRun | None:
    """Return the practice's unfinished run of this kind, if there is one."""
    return session.scalars(
        select(SyncRun)
        .where(
            SyncRun.practice_id == practice_id,
            SyncRun.kind == kind,
            SyncRun.status.in_(UNFINISHED_STATUSES),
        )
        .execution_options(populate_existing=True)
    ).first()
