"""Alerts: what is wrong now, and what was."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from dashboard.database import db
from dashboard.queries import alerts
from dashboard.views.frame import ACTIONS, ADMINS_ONLY, ask_admins, current_frame
from dashboard.views.guards import current_practice_id, sign_in_required

pages = Blueprint("alerts", __name__)


@pages.get("/alerts")
@sign_in_required
def page() -> str:
    """Open alerts, or with `?state=closed` those that are over."""
    closed = request.args.get("state") == "closed"
    frame = current_frame()
    rows = (
        alerts.closed_alerts(db.session, current_practice_id())
        if closed
        else (frame.alerts if frame else [])
    )
    return render_template(
        "alerts/page.html",
        rows=rows,
        closed=closed,
        actions=ACTIONS,
        admins_only=ADMINS_ONLY,
        ask=ask_admins(frame.admins if frame else []),
    )
