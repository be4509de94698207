"""The specification's addresses under /api/integrations/xero: connecting, status, settings."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from flask import Blueprint, Response, flash, jsonify, redirect, request

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.queries import connections
from dashboard.queries.connections import ConnectionSummary
from dashboard.rules.consent_sentences import CANCELLED
from dashboard.rules.waiting_sentences import NOT_COUNTED
from dashboard.services.refusals import ChoiceNeeded, InvalidInput, Refusal
from dashboard.views import guards
from dashboard.views.call_budget import budget_of
from dashboard.views.connected import to_settings, welcome
from dashboard.views.filters import hour_minute, place_of_request
from dashboard.views.guards import admin_required, current_practice_id, sign_in_required
from dashboard.views.json_values import iso, json_body

api = Blueprint("integration_api", __name__, url_prefix="/api/integrations/xero")

TICKS = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False, "": False}


@api.post("/connect")
@admin_required
def connect() -> Response:
    """Send the person to Xero, or say where to."""
    consent = wiring.xero_auth().generate_auth_url(
        current_practice_id(), guards.current_user_id(), guards.browser_key()
    )
    if guards.names_json():
        return jsonify(authorization_url=consent.url)
    return cast(Response, redirect(consent.url, HTTPStatus.SEE_OTHER))


@api.get("/callback")
@guards.writes_on_get
@admin_required
def callback() -> Response:
    """Take the person back from Xero; every outcome ends on the settings page with a sentence."""
    try:
        return _finish_consent()
    except ChoiceNeeded as choice:
        return to_settings(choice=choice.attempt_id)
    except Refusal as refusal:
        db.session.rollback()
        if guards.wants_json():
            raise
        flash(refusal.text, "danger")
        return to_settings(xero="refused")


def _finish_consent() -> Response:
    auth, state = wiring.xero_auth(), request.args.get("state", "")
    who = (current_practice_id(), guards.current_user_id(), guards.browser_key())
    error = request.args.get("error")
    if error is None:
        return welcome(auth.handle_callback(*who, request.args.get("code", ""), state))
    description = request.args.get("error_description", "")
    sentence = auth.handle_refusal(*who, state, error=error, description=description)
    # Changing one's mind is no error: whoever asks how, the person is back on the page.
    flash(f"{sentence.text} {sentence.fix}", "info" if sentence is CANCELLED else "danger")
    return to_settings(xero="refused")


@api.post("/disconnect")
@admin_required
def disconnect() -> Response:
    """End the connection; always succeeds on our side."""
    body = _body()
    result = wiring.xero_auth().disconnect(
        current_practice_id(), remove_links=_is_true(body, "remove_links")
    )
    sentence = result.sentence(hour_minute(result.at, place_of_request(utcnow())))
    if not guards.wants_json():
        flash(sentence, "success" if result.confirmed_by_xero else "warning")
        return to_settings()
    return jsonify(
        status="disconnected", confirmed_by_xero=result.confirmed_by_xero, message=sentence
    )


@api.get("/status")
@sign_in_required
def status() -> Response:
    """The connection's health."""
    return jsonify(status_json(connections.summary(db.session, current_practice_id())))


@api.patch("/settings")
@admin_required
def update_settings() -> Response:
    """Change preferences; answers the whole status."""
    wiring.preferences().update_settings(current_practice_id(), json_body())
    return status()


def status_json(summary: ConnectionSummary | None) -> dict[str, Any]:
    """Return the answer of `status`; everything but the status is empty without a connection."""
    return {
        "status": str(summary.status) if summary else "not_connected",
        "organisation": (
            {"name": summary.organisation, "tenant_id": summary.tenant_id} if summary else None
        ),
        "token_expires_at": iso(summary.token_expires_at) if summary else None,
        "last_sync_at": iso(summary.last_sync_at) if summary else None,
        "last_sync_contact_count": summary.last_sync_contact_count if summary else None,
        "last_error": summary.last_error if summary else None,
        "settings": {
            "auto_sync_contacts": summary.auto_sync_contacts if summary else True,
            "push_documents_to_xero": summary.push_documents_to_xero if summary else True,
            "xero_folder_id": summary.xero_folder_id if summary else None,
            "create_year_folders": summary.create_year_folders if summary else False,
        },
        "calls": _calls(summary),
    }


def _calls(summary: ConnectionSummary | None) -> dict[str, Any]:
    nothing = {"minute_remaining": None, "day_remaining": None, "resumes_at": None}
    if summary is None or not summary.is_current:
        return nothing
    budget = budget_of(summary, utcnow())
    if budget is None:
        # The limiter cannot be asked while Redis is away; nothing is called then either.
        return {**nothing, "resumes_at": iso(summary.waits_until), "problem": NOT_COUNTED}
    return {
        "minute_remaining": budget.minute.left,
        "day_remaining": budget.day.left,
        "resumes_at": iso(budget.resumes_at),
    }


def _body() -> dict[str, Any]:
    return json_body() if request.is_json else dict(request.form)


def _is_true(body: dict[str, Any], name: str) -> bool:
    """Return what *body* says for *name*, as JSON or as a form's tick; refuse anything else."""
    value = body.get(name, False)
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value not in TICKS:
        raise InvalidInput(f"{name} is either true or false.", field=name)
    return TICKS[value]
