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
    """Take a practice's due documents through their steps for a while; then others have a turn."""
    practice = UUID(practice_id)
    done = wiring.xero_files().drain(practice, SLICE_SECONDS)
    if done.resumes_at is not None:
        # A sweep would find it up to five seconds late, and of these Xero's minute has only sixty.
        poke_later("file-push", {practice: done.resumes_at})
    elif done.more:
        poke("file-push", practice)
