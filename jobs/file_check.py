"""xero-file-check: is what we filed still in Xero, where we say?"""

from __future__ import annotations

from uuid import UUID

from dashboard import wiring
from dashboard.queries import due
from jobs.sweeping import sweep_for


def sweep() -> None:
    """Queue a look for every connection that filed something, and for those whose night it is."""
    sweep_for("file-check", due.connections_to_read_back)


def check_files(connection_id: str) -> None:
    """Compare one connection's filed documents with what Xero has."""
    wiring.file_check().check(UUID(connection_id))
