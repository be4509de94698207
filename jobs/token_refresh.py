"""xero-token-refresh: new tokens before the old ones end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from dashboard import wiring
from dashboard.database import database_time
from dashboard.queries import due
from jobs.sweeping import sweep_for


def sweep() -> None:
    """Queue a refresh for every connection whose token is due."""
    sweep_for("token-refresh", _due_by_the_databases_clock)


def refresh_token(connection_id: str) -> None:
    """Give one connection new tokens, unless somebody did so since it was named."""
    wiring.xero_auth().refresh_if_due(UUID(connection_id))


def _due_by_the_databases_clock(session: Session, _now: datetime) -> Sequence[UUID]:
    # This machine's own clock may be off; leases and turns are all on the database's.
    return due.connections_to_refresh(session, database_time(session))
