"""xero-file-push: accepted documents on their way to Xero."""

from __future__ import annotations

from uuid import UUID

from dashboard import wiring
from dashboard.queries import due
from jobs.queue import poke, poke_later
from jobs.sweeping import sweep_for

SLICE_SECONDS = 20.0


def sweep() -> None:
    """Queue a push for every practice with a document whose turn has come."""
    sweep_for("file-push", due.practices_to_push)


def push_practice(practice_id: str) -> None:
    """Take a practice's due documents through their steps for a while; then others have a turn.

    What Xero's limits held back goes on at the second at which there is room again.
    """
    id = UUID(practice_id)
    result = wiring.xero_files().drain(id, SLICE_SECONDS)
    if result.more:
        poke("file-push", id)
    if result.goes_on_at is not None:
        poke_later("file-push", {id: result.goes_on_at})
