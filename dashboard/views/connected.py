"""What a person meets after a connection was made: the page, the message, the first reading."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from flask import Response, flash, redirect, session, url_for

from dashboard import wiring
from dashboard.services.results import Connected
from dashboard.views.guards import current_practice_id, current_user_id
from jobs.queue import poke


def welcome(connected: Connected) -> Response:
    """Ring for the first reading of contacts and lead to the settings page."""
    practice_id = current_practice_id()
    if connected.reads_contacts:
        wiring.xero_sync().request_sync(practice_id, current_user_id())
        poke("contact-sync", practice_id)
    poke("health-check", connected.connection_id)
    # The page tells it once: the message lives in the session, not in the address.
    session["just_connected"] = connected.organisation
    for warning in connected.warnings:
        flash(warning, "warning")
    return to_settings(xero="connected")


def to_settings(**query: Any) -> Response:
    """Return the way to the settings page."""
    return cast(Response, redirect(url_for("settings.page", **query), HTTPStatus.SEE_OTHER))
