"""What sending documents answers with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from dashboard.models import PushStatus


class Ending(StrEnum):
    """How a worker's time with one push ended."""

    FILED = "filed"
    FAILED = "failed"
    """A person has to act."""
    WAITS = "waits"
    """This push alone waits; the next one may go."""
    SILENT = "silent"
    """Xero did not answer properly; the push waits."""
    MUST_WAIT = "must_wait"
    """A limit: nothing of this practice can go now."""
    HELD = "held"
    """The connection does not work: nothing of this practice can go."""
    STOPPED = "stopped"
    """We were asked to end."""
    LOST = "lost"
    """Somebody else works on it."""


@dataclass(frozen=True, slots=True)
class DrainResult:
    """What one slice of sending did.

    `more`: it ended before everything due was looked at. `resumes_at`: Xero's limits keep the
    practice waiting until then.
    """

    filed: int = 0
    failed: int = 0
    waiting: int = 0
    more: bool = False
    resumes_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PushResult:
    """Where a push stands after it was worked on."""

    document_id: UUID
    status: PushStatus
    error: str | None = None

    @property
    def is_filed(self) -> bool:
        """Whether the file is in Xero and on its contact."""
        return self.status == PushStatus.ASSOCIATED
