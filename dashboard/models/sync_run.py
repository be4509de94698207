"""SyncRun: one sync or import with its progress, its items, and the draft it came from."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base, Code, Identified, Short, Timestamped, words

UNFINISHED = text("status IN ('waiting', 'running', 'waiting_for_xero')")


class RunKind(StrEnum):
    """What a run does."""

    CONTACT_SYNC = "contact_sync"
    IMPORT = "import"
    UNDO = "undo"


class RunStatus(StrEnum):
    """How far a run is."""

    WAITING = "waiting"
    RUNNING = "running"
    WAITING_FOR_XERO = "waiting_for_xero"
    FINISHED = "finished"
    FINISHED_WITH_PROBLEMS = "finished_with_problems"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return self not in {self.WAITING, self.RUNNING, self.WAITING_FOR_XERO}


class ItemOutcome(StrEnum):
    """What became of one contact in a run."""

    WAITING = "waiting"
    CREATED = "created"
    LINKED = "linked"
    UPDATED = "updated"
    SKIPPED = "skipped"
    PROBLEM = "problem"
    UNDONE = "undone"
    KEPT = "kept"


class SyncRun(Identified, Timestamped, Base):
    """One run. The row is the promise: any worker that finds it unfinished and unleased goes on."""

    __tablename__ = "sync_runs"
    __table_args__ = (
        Index("sync_runs_practice_idx", "practice_id", "created_at", "id"),
        Index(
            "sync_runs_unfinished_idx",
            "practice_id",
            "kind",
            unique=True,
            postgresql_where=UNFINISHED,
            sqlite_where=UNFINISHED,
        ),
        Index("sync_runs_status_idx", "status", "not_before"),
    )

    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id", ondelete="CASCADE"))
    xero_connection_id: Mapped[UUID] = mapped_column(
        ForeignKey("xero_connections.id", ondelete="CASCADE")
    )
    kind: Mapped[RunKind] = mapped_column(words(RunKind))
    status: Mapped[RunStatus] = mapped_column(words(RunStatus, 30), default=RunStatus.WAITING)
    started_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    total: Mapped[int | None]
    done: Mapped[int] = mapped_column(default=0)
    created: Mapped[int] = mapped_column(default=0)
    linked: Mapped[int] = mapped_column(default=0)
    updated: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    problems: Mapped[int] = mapped_column(default=0)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    error: Mapped[str | None]
    technical_details: Mapped[dict[str, Any] | None]
    # Where a contact sync goes on: {"step": "read", "page": 3, "modified_since": …, …}.
    progress: Mapped[dict[str, Any]] = mapped_column(default=dict)
    not_before: Mapped[datetime | None]
    waits_because: Mapped[str | None] = mapped_column(Short)
    # Since when it waits for a person's word; no worker takes it up before.
    held_at: Mapped[datetime | None]
    lease_owner: Mapped[str | None] = mapped_column(Short)
    lease_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    # The run that this one undoes. Not a foreign key: SQLite could never drop the column again.
    undoes_id: Mapped[UUID | None]

    @property
    def rests(self) -> bool:
        """Whether it waits for Xero or for a person's word, and no worker has it."""
        return self.held_at is not None or self.status == RunStatus.WAITING_FOR_XERO


class SyncRunItem(Base):
    """One contact in a run: what was asked, what happened, and why."""

    __tablename__ = "sync_run_items"
    __table_args__ = (
        UniqueConstraint("run_id", "xero_contact_id"),
        Index("sync_run_items_outcome_idx", "run_id", "outcome", "id"),
        Index("sync_run_items_client_idx", "client_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[UUID] = mapped_column(ForeignKey("sync_runs.id", ondelete="CASCADE"))
    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id", ondelete="CASCADE"))
    xero_contact_id: Mapped[str] = mapped_column(Short)
    contact_name: Mapped[str] = mapped_column(Short)
    action: Mapped[str] = mapped_column(Code)
    # Who chose that action; None where it was suggested. Not a foreign key: see the mappings.
    decided_by_id: Mapped[UUID | None]
    client_id: Mapped[UUID | None] = mapped_column(ForeignKey("clients.id", ondelete="SET NULL"))
    outcome: Mapped[ItemOutcome] = mapped_column(words(ItemOutcome), default=ItemOutcome.WAITING)
    reason: Mapped[str | None]
    # Field by field: {"email": {"before": …, "after": …}}. Of an update that waits to be done:
    # {"was": what the contact said before, "would": the same map, once the run stopped and asked}.
    changes: Mapped[dict[str, Any] | None]
    # What an import found and replaced, for its undo; see `services.contact_import`.
    before: Mapped[dict[str, Any] | None]


class ImportDraft(Identified, Timestamped, Base):
    """Ticks and decisions before an import; it becomes a run and is then closed."""

    __tablename__ = "import_drafts"
    __table_args__ = (
        Index(
            "import_drafts_open_idx",
            "xero_connection_id",
            unique=True,
            postgresql_where=text("run_id IS NULL"),
            sqlite_where=text("run_id IS NULL"),
        ),
    )

    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id", ondelete="CASCADE"))
    xero_connection_id: Mapped[UUID] = mapped_column(
        ForeignKey("xero_connections.id", ondelete="CASCADE")
    )
    run_id: Mapped[UUID | None] = mapped_column(ForeignKey("sync_runs.id", ondelete="SET NULL"))


class DraftDecision(Identified, Timestamped, Base):
    """One contact in a draft: ticked or not, and what to do with it."""

    __tablename__ = "draft_decisions"
    __table_args__ = (
        Index("draft_decisions_contact_idx", "draft_id", "xero_contact_id", unique=True),
        Index("draft_decisions_client_idx", "client_id"),
    )

    draft_id: Mapped[UUID] = mapped_column(ForeignKey("import_drafts.id", ondelete="CASCADE"))
    xero_contact_id: Mapped[str] = mapped_column(Short)
    selected: Mapped[bool] = mapped_column(default=False)
    action: Mapped[str | None] = mapped_column(Code)
    client_id: Mapped[UUID | None] = mapped_column(ForeignKey("clients.id", ondelete="SET NULL"))
    decided_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
