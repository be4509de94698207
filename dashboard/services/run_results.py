"""What syncs and imports take and answer with: frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from dashboard.models import RunStatus, SyncRun


@dataclass(frozen=True, slots=True)
class ImportDecision:
    """What to do with one contact: create a client, link the client named, or skip it."""

    xero_contact_id: str
    action: str
    client_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class SyncResult:
    """How far a sync came in this turn. `run_id` is None when nothing was due.

    `more` says that its turn ended before the work that can be done now; `goes_on` that work is
    left for another turn, at once or from `not_before`.
    """

    run_id: UUID | None = None
    status: RunStatus | None = None
    done: int = 0
    updated: int = 0
    problems: int = 0
    not_before: datetime | None = None
    more: bool = False

    @property
    def goes_on(self) -> bool:
        """Whether another turn is needed."""
        return self.status is not None and not self.status.is_final

    @classmethod
    def of(cls, run: SyncRun, *, more: bool = False) -> SyncResult:
        """Return what the row says now."""
        counts = (run.done, run.updated, run.problems)
        return cls(run.id, run.status, *counts, run.not_before, more)


@dataclass(frozen=True, slots=True)
class ImportResult:
    """How far an import came in this turn. `run_id` is None when there was none to do.

    `more` says that its turn ended before the work did.
    """

    run_id: UUID | None = None
    status: RunStatus | None = None
    done: int = 0
    created: int = 0
    linked: int = 0
    skipped: int = 0
    problems: int = 0
    more: bool = False

    @property
    def goes_on(self) -> bool:
        """Whether another turn is needed."""
        return self.status is not None and not self.status.is_final

    @classmethod
    def of(cls, run: SyncRun, *, more: bool = False) -> ImportResult:
        """Return what the row says now."""
        counts = (run.done, run.created, run.linked, run.skipped, run.problems)
        return cls(run.id, run.status, *counts, more)
