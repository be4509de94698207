"""One bulk import or undo; the timetable's sweep for them rides with `contact_sync`."""

from __future__ import annotations

from uuid import UUID

from dashboard import wiring
from jobs.queue import poke


def import_practice(practice_id: str) -> None:
    """Do the import or the undo that a practice started, or go on where a worker left off."""
    sync = wiring.xero_sync()
    imported, undone = sync.import_contacts(UUID(practice_id)), sync.undo(UUID(practice_id))
    if imported.more or undone.more:
        poke("contact-import", practice_id)
    elif not sync.refresh_matches_if_stale(UUID(practice_id)):
        # With nothing to read, the job of contact checks compares anew.
        poke("contact-sync", practice_id)
