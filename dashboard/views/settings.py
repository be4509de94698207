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
from dashboard.queries import connections, documents, stamps, sync_runs
from dashboard.queries.connections import ConnectionSummary
from dashboard.queries.document_states import shown_by
from dashboard.queries.documents import NamedDocument
from dashboard.rules.file_naming import BASE_FOLDER, file_name, folder_name
from dashboard.rules.organisation_change import comparison_sentence, question
from dashboard.rules.permissions import PERMISSIONS, is_granted
from dashboard.rules.sync_brake import PERCENTS
from dashboard.rules.waiting_sentences import wait_sentence
from dashboard.services.refusals import (
    ChoiceNeeded,
    ConnectionNotUsable,
    ConsentRefused,
    NotConnected,
)
from dashboard.views import guards
from dashboard.views.call_budget import calls_stamp, card_of_calls
from dashboard.views.connected import to_settings, welcome
from dashboard.views.connection_card import card_of
from dashboard.views.filters import hour_minute, near_time, place_of_request, plural
from dashboard.views.frame import Frame, current_frame
from dashboard.views.guards import (
    admin_required,
    current_practice_id,
    current_user_id,
    sign_in_required,
    unless_seen,
)
from dashboard.xero import Priority, XeroError, XeroForbidden, XeroMustWait
from jobs.queue import poke

logger = logging.getLogger(__name__)

pages = Blueprint("settings", __name__)

EDIT_CHOICES = (
    ("ask", "Ask: keep ours, and show both on the client’s page"),
    ("xero", "Xero’s value replaces ours; the run keeps what it was"),
    ("ours", "Keep ours"),
)
BRAKE_CHOICES = tuple(
    (str(percent), f"above {percent}\N{NO-BREAK SPACE}% of clients" if percent < 100 else "never")  # noqa: PLR2004 - all of them
    for percent in PERCENTS
)
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
    facts = stamps.of_settings(db.session, current_user_id()) if summary else None
    card = card_of(practice_id, facts.card if facts else None, summary) if summary else None
    return render_template(
        "settings/page.html",
        summary=summary,
        card=card,
        calls=card_of_calls(facts.calls if facts else None, card.summary, card.counts)
        if card and card.summary.is_current
        else None,
        permissions=_permissions(summary),
        just_connected=browser_session.pop("just_connected", None),
        ask=cast(Frame, current_frame()).whom_to_ask,
        folder=_folder_name(summary),
        edit_choices=EDIT_CHOICES,
        brake_choices=BRAKE_CHOICES,
        example=_example(practice_id, summary, years=summary.create_year_folders)
        if summary
        else "",
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
    example = _example(practice_id, summary, years="create_year_folders" in request.args)
    return render_template("settings/_example.html", example=example)


@pages.get("/settings/panels/connection")
@unless_seen(stamps.of_card)
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
    card = card_of(practice_id, stamps.of_card(db.session, current_user_id()), summary)
    return render_template(
        "settings/_connection_answer.html",
        summary=summary,
        card=card,
        changed=request.args.get("heard", card.heard) != card.heard,
        ask=cast(Frame, current_frame()).whom_to_ask,
    )


@pages.get("/settings/panels/calls")
@unless_seen(calls_stamp)
@sign_in_required
def calls_panel() -> Response | str:
    """The card about calls; 204 while it says the same, or while there is nothing to count."""
    if guards.opened_directly():
        return to_settings()
    summary = cast(Frame, current_frame()).summary
    if summary is None or not summary.is_current:
        return Response(status=HTTPStatus.NO_CONTENT)
    counts = documents.counts(db.session, current_practice_id(), shown=shown_by(summary))
    facts = stamps.of_calls(db.session, current_user_id())
    calls = card_of_calls(facts, summary, counts)
    announce = request.args.get("heard", calls.state) != calls.state
    return render_template("settings/_calls_panel.html", calls=calls, announce=announce)


@pages.post("/settings/check")
@sign_in_required
def check_now() -> Response:
    """Find out at once whether the connection works."""
    summary = _current_summary()
    db.session.rollback()
    try:
        wiring.xero_auth().check_health(summary.id, Priority.PERSON)
    except ConnectionNotUsable as refusal:
        flash(refusal.text, "danger")
    except XeroMustWait as wait:
        at = near_time(utcnow() + timedelta(seconds=wait.seconds), place_of_request(utcnow()))
        flash(f"{wait_sentence(wait.reason)} Next check: {at}.", "info")
    except XeroForbidden:
        flash("Xero does not let us in. We check again by ourselves.", "warning")
    except XeroError:
        flash("Xero did not answer as it should. We check again by ourselves.", "warning")
    else:
        flash("Checked just now. The connection works.", "success")
        poke("file-push", current_practice_id())
    return to_settings()


@pages.post("/settings/preferences")
@admin_required
def save_preferences() -> Response:
    """Save the form; a choice that was not sent stays as it is."""
    wanted: dict[str, object] = {
        name: name in request.form
        for name in ("auto_sync_contacts", "push_documents_to_xero", "create_year_folders")
    }
    if "edited_fields" in request.form:
        wanted["edited_fields"] = request.form["edited_fields"]
    if "brake_percent" in request.form:
        wanted["brake_percent"] = request.form.get("brake_percent", type=int)
    wiring.preferences().update_settings(current_practice_id(), wanted)
    flash(f"Preferences saved.{_what_waits()}", "success")
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


@pages.errorhandler(ConsentRefused)
def without_consent(refusal: ConsentRefused) -> Response:
    """Say what became of a connection attempt where a new one can begin."""
    db.session.rollback()
    flash(refusal.text, "danger")
    return to_settings(xero="refused")


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
        error = "That is not the organisation’s name." if "typed_name" in request.form else None
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
        typed_name=request.form.get("typed_name", ""),
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


def _example(practice_id: UUID, summary: ConnectionSummary, *, years: bool) -> str:
    """Return folder and name of the practice's last document, or of a made-up one; one query."""
    found = documents.last_named(db.session, practice_id) or NO_DOCUMENT_YET
    folder = folder_name(found.tax_year if years else "", base=_folder_name(summary))
    name = file_name(found.client_name, found.document_type, found.tax_year, found.extension)
    return f"{folder} / {name}"


def _what_waits() -> str:
    """Return what stays on hold while sending is turned off, as one more sentence."""
    summary = _current_summary()
    if summary.push_documents_to_xero:
        return ""
    counts = documents.counts(db.session, current_practice_id(), shown=shown_by(summary))
    db.session.rollback()
    waiting = counts.way + counts.on_hold
    if not waiting:
        return ""
    return plural(
        waiting,
        " {n} waiting document stays on hold until you turn sending on again.",
        " {n} waiting documents stay on hold until you turn sending on again.",
    )


def _uuid(given: str) -> UUID | None:
    try:
        return UUID(given)
    except ValueError:
        return None
