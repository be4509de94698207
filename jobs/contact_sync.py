"""xero-contact-sync: what changed in Xero since we last looked."""

from __future__ import annotations

from uuid import UUID

from dashboard import wiring
from dashboard.queries import due
from jobs.queue import poke
from jobs.sweeping import sweep_ahead, sweep_for


def sweep() -> None:
    """Queue a sync for every practice that is due, and the imports that were left unfinished."""
    sweep_ahead("contact-sync", due.practices_to_sync)
    sweep_for("contact-import", due.imports_to_run)


def sync_practice(practice_id: str) -> None:
    """Bring one practice's contacts up to date with Xero, or go on where a worker left off."""
    if wiring.xero_sync().sync_contacts(UUID(practice_id)).more:
        poke("contact-sync", practice_id)
