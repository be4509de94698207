"""xero-health-check: is every connection still what we believe it is?"""

from __future__ import annotations

from uuid import UUID

from dashboard import wiring
from dashboard.queries import due
from jobs.sweeping import sweep_ahead, sweep_for


def sweep() -> None:
    """Queue a check for every connection whose hour is over, and an end for consents left open."""
    sweep_ahead("health-check", due.connections_to_check)
    sweep_for("consent-return", due.consents_to_give_back)


def give_back_consent(attempt_id: str) -> None:
    """Give back a consent whose question nobody answered."""
    wiring.xero_auth().give_back_abandoned(UUID(attempt_id))


def check_connection(connection_id: str) -> None:
    """Find out whether one connection works, unless somebody did so since it was named."""
    wiring.xero_auth().check_if_due(UUID(connection_id))
