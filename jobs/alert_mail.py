"""alert-mail: emails about alerts, all practices in one round, so that one connection is enough."""

from __future__ import annotations

from dashboard import wiring
from dashboard.queries import due
from jobs.queue import poke
from jobs.sweeping import sweep_for

SLICE_SECONDS = 20.0


def sweep() -> None:
    """Queue a round if any email is due."""
    if wiring.settings().sends_mail:
        sweep_for("alert-mail", due.rounds_of_alert_mail)


def send_due(name: str) -> None:
    """Send what is due for a while; then others have a turn."""
    mails = wiring.alert_mails()
    if mails is not None and mails.send_due(SLICE_SECONDS).more:
        poke("alert-mail", name)
