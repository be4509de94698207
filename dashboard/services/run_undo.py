"""Undoing a run: what it made goes, what it changed comes back, what was edited since stays.

An undo is a run of its own: chunk by chunk under a lease, resumable at each, with an item for
every contact that says what happened to it and why.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, func, insert, literal, select, update
from sqlalchemy.orm import aliased

from dashboard.database import AnySession
from dashboard.models import (
    ItemOutcome,
    RunKind,
    RunStatus,
    SyncRun,
    SyncRunItem,
    Tag,
    TagSource,
    client_tags,
)
from dashboard.models.run_undo import UNDOABLE, items_to_undo
from dashboard.rules.undo import UndoFacts, decide, may_still_undo
from dashboard.services.client_list import changing_clients, current_connection, lock_clients
from dashboard.services.contact_matches import ContactMatches
from dashboard.services.refusals import Conflict, NotFound
from dashboard.services.run_lease import LeaseLost, RunLease, new_run, unfinished_run
from dashboard.services.run_results import ImportResult
from dashboard.services.turn import Turn
from dashboard.services.undo_chunk import UndoChunk, write_chunk

logger = logging.getLogger(__name__)

CHUNK = 500
TURN = timedelta(seconds=45)
ACTION = "undo"
DONE = (RunStatus.FINISHED, RunStatus.FINISHED_WITH_PROBLEMS)


class RunUndo:
    """Starts undos, and performs them for one worker."""

    def __init__(
        self,
        *,
        session: AnySession,
        matches: ContactMatches,
        clock: Callable[[], datetime],
        owner: str,
        should_stop: Callable[[], bool],
        others_wait: Callable[[], bool],
    ) -> None:
        self._session = session
        self._matches = matches
        self._clock = clock
        self._leases = RunLease(session=session, clock=clock, owner=owner)
        self._should_stop = should_stop
        self._others_wait = others_wait

    # -- starting -----------------------------------------------------------------------------

    def start(self, practice_id: UUID, user_id: UUID | None, run_id: UUID) -> SyncRun:
        """Return the run that undoes *run_id*: a new one, or the one that is under way.

        Raises `NotFound`, and `Conflict` for a run that cannot be undone (any more).
        """
        lock_clients(self._session, practice_id)
        run = self._session.scalar(
            select(SyncRun)
            .where(SyncRun.id == run_id, SyncRun.practice_id == practice_id)
            .execution_options(populate_existing=True)
        )
        if run is None:
            raise NotFound
        under_way = unfinished_run(self._session, practice_id, RunKind.UNDO)
        if under_way is not None and under_way.undoes_id == run_id:
            self._session.commit()
            return under_way
        self._check(run)
        if under_way is not None:
            raise Conflict("Another run is being undone.", "Wait until that has finished.")
        undo_id = self._make(run, user_id)
        self._session.commit()
        return self._leases.read(undo_id)

    def _check(self, run: SyncRun) -> None:
        """Refuse what cannot be undone."""
        if run.kind == RunKind.UNDO:
            raise Conflict("An undo cannot be undone.", "Import the contacts again.")
        if not run.status.is_final or run.finished_at is None:
            raise Conflict("This run has not ended yet.", "Cancel it first, or wait.")
        if not may_still_undo(run.finished_at, self._clock()):
            raise Conflict("A run can be undone for 30 days, and those are over.")
        connection = current_connection(self._session, run.practice_id)
        if connection is None or connection.id != run.xero_connection_id:
            raise Conflict("This run belongs to an organisation that is not connected any more.")
        if unfinished_run(self._session, run.practice_id, RunKind.IMPORT) is not None:
            raise Conflict("An import is running.", "Wait until it has finished, or cancel it.")
        if self._session.scalar(select(_is_undone(run.id))):
            raise Conflict("This run has been undone already.")

    def _make(self, run: SyncRun, user_id: UUID | None) -> UUID:
        undo_id = new_run(
            self._session,
            practice_id=run.practice_id,
            connection_id=run.xero_connection_id,
            kind=RunKind.UNDO,
            user_id=user_id,
            now=self._clock(),
        )
        if undo_id is None:
            raise Conflict("Another run is being undone.", "Wait until that has finished.")
        columns = {
            "run_id": literal(undo_id, SyncRunItem.run_id.type),
            "practice_id": SyncRunItem.practice_id,
            "xero_contact_id": SyncRunItem.xero_contact_id,
            "contact_name": SyncRunItem.contact_name,
            "action": literal(ACTION),
            "client_id": SyncRunItem.client_id,
            "outcome": literal(ItemOutcome.WAITING, SyncRunItem.outcome.type),
        }
        chosen = (
            select(*columns.values())
            .where(SyncRunItem.run_id == run.id, UNDOABLE)
            .order_by(SyncRunItem.id)
        )
        self._session.execute(insert(SyncRunItem).from_select(list(columns), chosen))
        total = self._session.scalar(
            select(func.count()).select_from(SyncRunItem).where(SyncRunItem.run_id == undo_id)
        )
        if not total:
            raise Conflict("This run changed nothing that could be undone.")
        self._session.execute(
            update(SyncRun)
            .where(SyncRun.id == undo_id)
            .values(total=total, undoes_id=run.id)
            .execution_options(synchronize_session=False)
        )
        return undo_id

    # -- performing ---------------------------------------------------------------------------

    def perform(self, practice_id: UUID) -> ImportResult:
        """Do, or go on with, the undo that was started; return how far it came in this turn."""
        run = self._leases.claim(practice_id, RunKind.UNDO)
        if run is None:
            left = unfinished_run(self._session, practice_id, RunKind.UNDO)
            result = ImportResult.of(left) if left else ImportResult()
            self._session.commit()
            return result
        undo_id, connection_id = run.id, run.xero_connection_id
        undone_id = run.undoes_id
        self._session.commit()
        more = False
        try:
            if undone_id:
                more = not self._all_chunks(undo_id, undone_id, practice_id, connection_id)
            if undone_id and not more:
                self._finish(undo_id, undone_id)
                self._matches.refresh_if_small(practice_id)
        except LeaseLost:
            self._session.rollback()
            logger.info("undo %s is no longer ours", undo_id)
        result = ImportResult.of(self._leases.read(undo_id), more=more)
        self._session.commit()
        return result

    def _all_chunks(
        self, undo_id: UUID, undone_id: UUID, practice_id: UUID, connection_id: UUID
    ) -> bool:
        """Do chunk after chunk; return False when the turn ended before the items did."""
        turn = Turn(self._clock, TURN, self._others_wait)
        while not (self._should_stop() or turn.is_over()):
            if not self._next_chunk(undo_id, undone_id, practice_id, connection_id):
                return True
        self._leases.release(undo_id, RunStatus.RUNNING)
        self._session.commit()
        return False

    def _next_chunk(
        self, undo_id: UUID, undone_id: UUID, practice_id: UUID, connection_id: UUID
    ) -> bool:
        """Do one chunk in one transaction; return False when there was nothing left."""
        self._leases.hold(undo_id)
        now = changing_clients(self._session, practice_id, self._clock)
        found = self._next_items(undo_id, undone_id, connection_id)
        if not found:
            return False
        chunk = UndoChunk(practice_id, connection_id, now)
        for row in found:
            chunk.add(row, decide(UndoFacts.of(row)))
        write_chunk(self._session, chunk)
        self._leases.hold(
            undo_id,
            done=SyncRun.done + len(found),
            updated=SyncRun.updated + chunk.undone,
            skipped=SyncRun.skipped + chunk.kept,
        )
        self._session.commit()
        return True

    def _next_items(self, undo_id: UUID, undone_id: UUID, connection_id: UUID) -> Sequence[Any]:
        ours = aliased(SyncRunItem)
        return self._session.execute(
            items_to_undo(undone_id, connection_id)
            .join(ours, ours.xero_contact_id == SyncRunItem.xero_contact_id)
            .where(ours.run_id == undo_id, ours.outcome == ItemOutcome.WAITING)
            .add_columns(ours.id.label("undo_item_id"))
            .order_by(None)
            .order_by(ours.id)
            .limit(CHUNK)
        ).all()

    def _finish(self, undo_id: UUID, undone_id: UUID) -> None:
        self._leases.hold(undo_id)
        self._take_tags_back(self._leases.read(undone_id).progress.get("tags", {}))
        self._leases.release(undo_id, RunStatus.FINISHED)
        self._session.commit()
        logger.info("undo %s of run %s finished", undo_id, undone_id)

    def _take_tags_back(self, tags: dict[str, list[Any]]) -> None:
        """Delete the tags that the import made and nobody uses, and give others their old name."""
        made = [UUID(one) for one in tags.get("made", [])]
        if made:
            self._session.execute(
                delete(Tag)
                .where(
                    Tag.id.in_(made),
                    Tag.source == TagSource.XERO,
                    ~exists().where(client_tags.c.tag_id == Tag.id),
                )
                .execution_options(synchronize_session=False)
            )
        for tag_id, name, changed_at, since in reversed(tags.get("renamed", [])):
            self._session.execute(
                update(Tag)
                .where(Tag.id == UUID(tag_id), Tag.name == since)
                .values(name=name, updated_at=datetime.fromisoformat(changed_at))
                .execution_options(synchronize_session=False)
            )


def _is_undone(run_id: UUID) -> Any:
    return exists().where(SyncRun.undoes_id == run_id, SyncRun.status.in_(DONE))
