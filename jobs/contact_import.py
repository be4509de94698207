"""One bulk import; the timetable's sweep for it rides with `contact_sync`."""

from __future__ import annotations

from uuid import UUID

from dashboard import wiring
from jobs.queue import poke


def import_practice(practice_id: str) -> None:
    """Do the import that a practice started, or go on where a worker left off."""
    if wiring.xero_sync().import_contacts(UUID(practice_id)).more:
        poke("contact-import", practice_id)
