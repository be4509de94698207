"""What undoing a run would do, before anybody does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from dashboard.database import AnySession
from dashboard.models import RunKind, SyncRun
from dashboard.models.run_undo import items_to_undo
from dashboard.queries.sync_runs import RunRow
from dashboard.rules.undo import Step, UndoFacts, decide

READ_AT_ONCE = 1_000
SHOWN = 100


@dataclass(frozen=True, slots=True)
class Left:
    """A contact that an undo would leave as it is, and why."""

    contact_name: str
    client_id: UUID | None
    reason: str


@dataclass(frozen=True, slots=True)
class UndoPreview:
    """How many items an undo would treat how; `left` names the first of those it leaves."""

    deleted: int
    unlinked: int
    restored: int
    offered: int
    kept: int
    left: Sequence[Left]

    @property
    def changes(self) -> int:
        """How many items would change."""
        return self.deleted + self.unlinked + self.restored + self.offered


def undo_preview(session: AnySession, run: RunRow) -> UndoPreview:
    """Return what undoing *run* would do now: one query, by the rule that the undo goes by."""
    steps: Counter[Step] = Counter()
    left: list[Left] = []
    rows = session.execute(
        items_to_undo(run.id, run.connection_id), execution_options={"yield_per": READ_AT_ONCE}
    )
    for row in rows:
        step = decide(UndoFacts.of(row))
        steps[step.step] += 1
        if step.step == Step.KEEP and len(left) < SHOWN:
            left.append(Left(row.contact_name, row.client_id, step.sentence))
    return UndoPreview(
        deleted=steps[Step.DELETE],
        unlinked=steps[Step.UNLINK],
        restored=steps[Step.RESTORE],
        offered=steps[Step.OFFER],
        kept=steps[Step.KEEP],
        left=left,
    )


def undo_of(session: AnySession, practice_id: UUID, run_id: UUID) -> tuple[UUID, str] | None:
    """Return the id and the status of the last undo of a run, or None."""
    found = session.execute(
        select(SyncRun.id, SyncRun.status)
        .where(
            SyncRun.practice_id == practice_id,
            SyncRun.kind == RunKind.UNDO,
            SyncRun.undoes_id == run_id,
        )
        .order_by(SyncRun.created_at.desc())
        .limit(1)
    ).first()
    return (found[0], found[1].value) if found else None
