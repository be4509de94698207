"""Alerts: what is wrong now, what was, and who was told by email."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from flask import Blueprint, current_app, render_template, request
from flask_login import current_user

from dashboard.clock import utcnow
from dashboard.config import Settings
from dashboard.database import db
from dashboard.queries import alerts, documents
from dashboard.queries.alerts import AlertRow, MailTrouble, Viewer
from dashboard.rules.alert_letters import held
from dashboard.rules.alert_table import kind_of
from dashboard.services.refusals import NotFound
from dashboard.views.frame import current_frame
from dashboard.views.guards import (
    ask_admins,
    current_practice_id,
    current_user_id,
    sign_in_required,
)

pages = Blueprint("alerts", __name__)


@pages.get("/alerts")
@sign_in_required
def page() -> str:
    """Open alerts, or with `?state=closed` those that are over."""
    closed = request.args.get("state") == "closed"
    frame = current_frame()
    rows = (
        alerts.closed_alerts(db.session, current_practice_id(), _viewer())
        if closed
        else (frame.alerts if frame else [])
    )
    return render_template(
        "alerts/page.html",
        rows=rows,
        closed=closed,
        kind_of=kind_of,
        on_hold=_on_hold(rows),
        ask=ask_admins(frame.admins if frame else []),
        mail_trouble=None if closed else _mail_trouble(),
        sends_mail=_sends_mail(),
    )


@pages.get("/alerts/<uuid:alert_id>")
@sign_in_required
def detail(alert_id: UUID) -> str:
    """One alert, open or closed; admins also see the emails about it, sent and to come."""
    alert = alerts.one(db.session, current_practice_id(), alert_id, _viewer())
    if alert is None:
        raise NotFound
    frame = current_frame()
    shows_mails = current_user.is_admin and not kind_of(alert.cause).in_digest
    return render_template(
        "alerts/detail.html",
        alert=alert,
        kind=kind_of(alert.cause),
        on_hold=_on_hold([alert]),
        ask=ask_admins(frame.admins if frame else []),
        mails=alerts.mails_about(db.session, current_practice_id(), alert.id)
        if shows_mails
        else [],
        sends_mail=_sends_mail(),
    )


def _viewer() -> Viewer:
    return Viewer(current_user_id(), current_user.is_admin)


def _on_hold(rows: list[AlertRow]) -> str:
    """Return how many documents are on hold now, if that is a matter of one of these alerts."""
    if not any(kind_of(row.cause).holds_documents and row.closed_at is None for row in rows):
        return ""
    number = documents.counts(db.session, current_practice_id()).on_hold
    return f"{held(number)}." if number else ""


def _mail_trouble() -> MailTrouble | None:
    if not current_user.is_admin or not _sends_mail():
        return None
    return alerts.mail_trouble(db.session, utcnow(), current_practice_id())


def _sends_mail() -> bool:
    return cast(Settings, current_app.config["SETTINGS"]).sends_mail
