"""xero-token-refresh: new tokens before the old ones end."""

from __future__ import annotations

from uuid import UUID

from dashboard import wiring
from dashboard.queries import due
from jobs.sweeping import sweep_for


def sweep() -> None:
    """Queue a refresh for every connection whose token is due."""
    sweep_for("token-refresh", due.connections_to_refresh)


def refresh_token(connection_id: str) -> None:
    """Give one connection new tokens."""
    wiring.xero_auth().refresh_if_due(UUID(connection_id))
