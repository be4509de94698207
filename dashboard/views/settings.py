"""The Xero settings page: connection, permissions, preferences, choosing, disconnecting."""

from __future__ import annotations

import logging
from datetime import timedelta
from http import HTTPStatus
from typing import cast
from uuid import UUID

from flask import (
    Blueprint,
    Response,
    flash,
    make_response,
    render_template,
    request,
)
from flask import session as browser_session
from flask_login import current_user
from sqlalchemy.exc import DBAPIError

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import RunKind
from dashboard.queries import connections, sync_runs
from dashboard.queries.connections import ConnectionSummary
from dashboard.queries.documents import NamedDocument
from dashboard.rules.file_naming import BASE_FOLDER, file_name, folder_name
from dashboard.rules.organisation_change import comparison_sentence, question
from dashboard.rules.permissions import PERMISSIONS, is_granted
from dashboard.services.refusals import ChoiceNeeded, ConnectionNotUsable, NotConnected
from dashboard.views import guards
from dashboard.views.connected import to_settings, welcome
from dashboard.views.connection_card import Card, card_of
from dashboard.views.filters import hour_minute, near_time, place_of_request
from dashboard.views.frame import Frame, ask_admins, current_frame
from dashboard.views.guards import admin_required, current_practice_id, sign_in_required
from dashboard.xero import XeroError, XeroForbidden, XeroMustWait
from jobs.queue import poke

logger = logging.getLogger(__name__)

pages = Blueprint("settings", __name__)

NO_DOCUMENT_YET = NamedDocument("Hartley and Co", "P60", "2025-26", "pdf")


@pages.get("/settings")
@sign_in_required
def page() -> str:
    """Everything about the practice's connection to Xero."""
    choice_id = _uuid(request.args.get("choice", ""))
    if choice_id is not None and current_user.is_admin:
        return _choice_page(choice_id)
    practice_id, frame = current_practice_id(), cast(Frame, current_frame())
    try:
        summary = frame.summary
    except DBAPIError as problem:
        return _without_details(problem, "settings/unavailable.html")
    card = card_of(practice_id, summary) if summary else None
    return render_template(
        "settings/page.html",
        summary=summary,
        card=card,
        permissions=_permissions(summary),
        just_connected=browser_session.pop("just_connected", None),
        ask=_whom_to_ask(),
        folder=_folder_name(summary),
        example=_example(card, years=card.summary.create_year_folders) if card else "",
    )


@pages.get("/settings/panels/example")
@sign_in_required
def example_panel() -> Response | str:
    """Where the last document would go with the switches as they stand in the form."""
    if guards.opened_directly():
        return to_settings()
    practice_id, summary = current_practice_id(), cast(Frame, current_frame()).summary
    if summary is None:
        return Response(status=HTTPStatus.NO_CONTENT)
    example = _example(card_of(practice_id, summary), years="create_year_folders" in request.args)
    return render_template("settings/_example.html", example=example)


@pages.get("/settings/panels/connection")
@sign_in_required
def connection_panel() -> Response | str:
    """The connection card; 204 while it says the same."""
    if guards.opened_directly():
        return to_settings()
    practice_id, frame = current_practice_id(), cast(Frame, current_frame())
    try:
        summary = frame.summary
    except DBAPIError as problem:
        return _without_details(problem, "settings/_no_details_panel.html")
    if summary is None:
        return Response(status=HTTPStatus.NO_CONTENT)
    card = card_of(practice_id, summary)
    seen = request.args.get("seen", "")
    if seen == card.seen:
        return Response(status=HTTPStatus.NO_CONTENT)
    return render_template(
        "settings/_connection_answer.html",
        summary=summary,
        card=card,
        changed=card.was_other_than(seen),
        ask=_whom_to_ask(),
    )


@pages.post("/settings/check")
@sign_in_required
def check_now() -> Response:
    """Find out at once whether the connection works."""
    summary = _current_summary()
    db.session.rollback()
    try:
        wiring.xero_auth().check_health(summary.id)
    except ConnectionNotUsable as refusal:
        flash(refusal.text, "danger")
    except XeroMustWait as wait:
        at = near_time(utcnow() + timedelta(seconds=wait.seconds), place_of_request(utcnow()))
        flash(f"Xero wants us to wait before we ask again. The next check is at {at}.", "info")
    except XeroForbidden:
        flash("Xero does not let us in. We keep checking by ourselves.", "warning")
    except XeroError:
        flash("Xero did not answer as it should. We keep checking by ourselves.", "warning")
    else:
        flash("Checked just now. The connection works.", "success")
        poke("file-push", current_practice_id())
    return to_settings()


@pages.post("/settings/preferences")
@admin_required
def save_preferences() -> Response:
    """Save the three switches of the form."""
    wanted = {
        name: name in request.form
        for name in ("auto_sync_contacts", "push_documents_to_xero", "create_year_folders")
    }
    wiring.preferences().update_settings(current_practice_id(), wanted)
    flash("Preferences saved.", "success")
    poke("file-push", current_practice_id())
    return to_settings()


@pages.get("/settings/folder")
@admin_required
def folder_page() -> str:
    """The folders of Xero Files, to choose one from."""
    folders = wiring.xero_files().folders(current_practice_id())
    summary = connections.summary(db.session, current_practice_id())
    return render_template("settings/folder.html", folders=folders, summary=summary)


@pages.post("/settings/folder")
@admin_required
def save_folder() -> Response:
    """Keep the chosen folder; an empty choice means a folder of our own."""
    chosen = request.form.get("xero_folder_id") or None
    wiring.preferences().update_settings(current_practice_id(), {"xero_folder_id": chosen})
    flash("Folder saved. Documents sent from now on go there.", "success")
    return to_settings()


@pages.post("/settings/choose/<uuid:choice_id>")
@admin_required
def choose(choice_id: UUID) -> Response:
    """Connect the organisation that the person chose, or ask whether to leave another for it."""
    try:
        connected = wiring.xero_auth().choose_organisation(
            current_practice_id(),
            guards.current_user_id(),
            choice_id,
            request.form.get("tenant_id", ""),
        )
    except ChoiceNeeded as choice:
        return to_settings(choice=choice.attempt_id)
    return welcome(connected)


@pages.post("/settings/choose/<uuid:choice_id>/cancel")
@admin_required
def cancel_choice(choice_id: UUID) -> Response:
    """Leave everything as it was."""
    wiring.xero_auth().forget_choice(current_practice_id(), guards.current_user_id(), choice_id)
    flash("Nothing has changed.", "info")
    return to_settings()


@pages.get("/settings/disconnect")
@admin_required
def disconnect_page() -> Response | str:
    """What disconnecting means, in true numbers; nothing happens yet."""
    return _ask_to_disconnect(_current_summary(), typed=False)


@pages.post("/settings/disconnect")
@admin_required
def disconnect() -> Response | str:
    """Disconnect; removing the links asks for the organisation's name first."""
    summary = _current_summary()
    remove_links = "remove_links" in request.form
    if remove_links and request.form.get("typed_name", "").strip() != summary.organisation:
        error = "That is not the organisation's name." if "typed_name" in request.form else None
        asked = _ask_to_disconnect(summary, typed=True, error=error)
        return make_response(asked, HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK)
    db.session.rollback()
    result = wiring.xero_auth().disconnect(current_practice_id(), remove_links=remove_links)
    at = hour_minute(result.at, place_of_request(utcnow()))
    flash(result.sentence(at), "success" if result.confirmed_by_xero else "warning")
    return to_settings()


def _choice_page(choice_id: UUID) -> str:
    choice = wiring.xero_auth().choices(current_practice_id(), guards.current_user_id(), choice_id)
    change, first = choice.change, choice.options[0]
    return render_template(
        "settings/choice.html",
        choice=choice,
        choice_id=choice_id,
        question=question(change, first.name) if change else None,
        comparison=comparison_sentence(change) if change else None,
    )


def _ask_to_disconnect(summary: ConnectionSummary, *, typed: bool, error: str | None = None) -> str:
    numbers = connections.leaving_numbers(db.session, current_practice_id(), summary.id)
    running = sync_runs.unfinished(db.session, current_practice_id(), RunKind.IMPORT)
    return render_template(
        "settings/disconnect.html",
        summary=summary,
        numbers=numbers,
        running=running,
        typed=typed,
        error=error,
    )


def _without_details(problem: DBAPIError, template: str) -> str:
    """Say that the connection cannot be looked up: that is our fault and not "Not connected"."""
    db.session.rollback()
    logger.error("the connection could not be read: %s", type(problem.orig).__name__)
    return render_template(template)


def _current_summary() -> ConnectionSummary:
    summary = connections.summary(db.session, current_practice_id())
    if summary is None or not summary.is_current:
        raise NotConnected
    return summary


def _permissions(summary: ConnectionSummary | None) -> list[dict[str, object]]:
    granted = summary.scopes if summary else ()
    return [
        {"words": each.words, "lost": each.lost, "granted": is_granted(each, granted)}
        for each in PERMISSIONS
    ]


def _folder_name(summary: ConnectionSummary | None) -> str:
    if summary is None or summary.xero_folder_id is None:
        return BASE_FOLDER
    return summary.folder_name or "the folder you chose"


def _example(card: Card, *, years: bool) -> str:
    """Return folder and name of the practice's last document, or of a made-up one."""
    found = card.last_document or NO_DOCUMENT_YET
    folder = folder_name(found.tax_year if years else "", base=_folder_name(card.summary))
    name = file_name(found.client_name, found.document_type, found.tax_year, found.extension)
    return f"{folder} / {name}"


def _whom_to_ask() -> str:
    """Return whom staff may ask; admins do it themselves."""
    frame = current_frame()
    if frame is None or current_user.is_admin:
        return ""
    return ask_admins(frame.admins)


def _uuid(given: str) -> UUID | None:
    try:
        return UUID(given)
    except ValueError:
        return None
