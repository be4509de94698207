"""xero-file-retry: pushes that failed and have tries left."""

from __future__ import annotations

from uuid import UUID

from dashboard import wiring
from dashboard.queries import due
from jobs.queue import poke
from jobs.sweeping import sweep_for


def sweep() -> None:
    """Queue a retry for every practice with a failed push whose next try is due."""
    sweep_for("file-retry", due.practices_to_retry)


def retry_practice(practice_id: str) -> None:
    """Put a practice's failed pushes back in line, and ask for them to be sent."""
    if wiring.xero_files().retry_failed_pushes(UUID(practice_id)):
        poke("file-push", practice_id)
