"""alert-check: the alerts that nothing but the passing of time brings."""

from __future__ import annotations

from uuid import UUID

from dashboard import wiring
from dashboard.queries import due
from jobs.sweeping import sweep_for


def sweep() -> None:
    """Queue a look at every practice where such an alert may open, change or close."""
    sweep_for("alert-check", due.practices_with_alerts_to_check)


def check_practice(practice_id: str) -> None:
    """Make one practice's alerts agree with the hour."""
    wiring.alert_checks().refresh(UUID(practice_id))
