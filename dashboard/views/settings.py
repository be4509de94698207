"""The Xero settings page: connection, permissions, preferences, choosing, disconnecting."""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import cast
from uuid import UUID

from flask import (
    Blueprint,
    Response,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask import session as browser_session
from flask_login import current_user

from dashboard import wiring
from dashboard.database import db
from dashboard.models import RunKind
from dashboard.queries import connections, documents, sync_runs
from dashboard.queries.connections import ConnectionSummary
from dashboard.rules.file_naming import BASE_FOLDER
from dashboard.rules.permissions import PERMISSIONS, is_granted
from dashboard.services.refusals import ConnectionNotUsable, NotConnected
from dashboard.views import guards
from dashboard.views.frame import ask_admins, current_frame, word_for
from dashboard.views.guards import admin_required, current_practice_id, sign_in_required
from dashboard.xero import CallsLeft, XeroError, XeroMustWait
from jobs.queue import poke

pages = Blueprint("settings", __name__)

# If renewal stops, Xero lets a refresh token live for 60 days.
# https://developer.xero.com/faq/oauth2
REFRESH_LIFE = timedelta(days=60)


@pages.get("/settings")
@sign_in_required
def page() -> str:
    """Everything about the practice's connection to Xero."""
    practice_id = current_practice_id()
    summary = connections.summary(db.session, practice_id)
    just_connected = browser_session.pop("just_connected", None)
    choice_id = _uuid(request.args.get("choice", ""))
    choices = []
    if choice_id is not None and current_user.is_admin:
        choices = wiring.xero_auth().choices(practice_id, guards.current_user_id(), choice_id)
    return render_template(
        "settings/page.html",
        summary=summary,
        permissions=_permissions(summary),
        just_connected=just_connected,
        choices=choices,
        choice_id=choice_id,
        ask=ask_admins(_admins()),
        folder=_folder_name(summary),
        **_panel_facts(practice_id, summary),
    )


@pages.get("/settings/panels/connection")
@sign_in_required
def connection_panel() -> Response | str:
    """The connection card; 204 while it says the same."""
    if guards.opened_directly():
        return cast(Response, redirect(url_for("settings.page"), HTTPStatus.SEE_OTHER))
    practice_id = current_practice_id()
    summary = connections.summary(db.session, practice_id)
    facts = _panel_facts(practice_id, summary)
    if request.args.get("seen") == facts["seen"]:
        return Response(status=HTTPStatus.NO_CONTENT)
    return render_template("settings/_connection_panel.html", summary=summary, **facts)


@pages.post("/settings/check")
@sign_in_required
def check_now() -> Response:
    """Find out at once whether the connection works."""
    summary = connections.summary(db.session, current_practice_id())
    if summary is None:
        raise NotConnected
    db.session.rollback()
    try:
        wiring.xero_auth().check_health(summary.id)
    except ConnectionNotUsable as refusal:
        flash(refusal.text, "danger")
    except XeroMustWait as wait:
        flash(f"Xero asked us to slow down. Try again in {round(wait.seconds)} seconds.", "info")
    except XeroError:
        flash("Xero did not answer as it should. We keep checking by ourselves.", "warning")
    else:
        flash("Checked just now. The connection works.", "success")
    return _back()


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
    return _back()


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
    return _back()


@pages.post("/settings/choose/<uuid:choice_id>")
@admin_required
def choose(choice_id: UUID) -> Response:
    """Connect the organisation that the person chose."""
    practice_id, user_id = current_practice_id(), guards.current_user_id()
    connected = wiring.xero_auth().choose_organisation(
        practice_id, user_id, choice_id, request.form.get("tenant_id", "")
    )
    wiring.xero_sync().request_sync(practice_id, user_id)
    poke("contact-sync", practice_id)
    browser_session["just_connected"] = connected.organisation
    return cast(
        Response, redirect(url_for("settings.page", xero="connected"), HTTPStatus.SEE_OTHER)
    )


@pages.get("/settings/disconnect")
@admin_required
def disconnect_page() -> Response | str:
    """What disconnecting means, in true numbers; nothing happens yet."""
    summary = _current_summary()
    return _ask_to_disconnect(summary, typed=False)


@pages.post("/settings/disconnect")
@admin_required
def disconnect() -> Response | str:
    """Disconnect; removing the links asks for the organisation's name first."""
    summary = _current_summary()
    remove_links = "remove_links" in request.form
    if remove_links and request.form.get("typed_name", "").strip() != summary.organisation:
        error = "That is not the organisation's name." if "typed_name" in request.form else None
        return make_response(_ask_to_disconnect(summary, typed=True, error=error), 422)
    db.session.rollback()
    result = wiring.xero_auth().disconnect(current_practice_id(), remove_links=remove_links)
    flash(result.sentence, "success" if result.confirmed_by_xero else "warning")
    return _back()


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


def _current_summary() -> ConnectionSummary:
    summary = connections.summary(db.session, current_practice_id())
    if summary is None or not summary.is_current:
        raise NotConnected
    return summary


def _panel_facts(practice_id: UUID, summary: ConnectionSummary | None) -> dict[str, object]:
    run = sync_runs.latest(db.session, practice_id, RunKind.CONTACT_SYNC)
    counts = documents.counts(db.session, practice_id)
    word = word_for(summary)
    reading = run if run is not None and not run.is_final else None
    held = counts.way + counts.on_hold
    seen = f"{word.code}-{_stamp(summary.updated_at if summary else None)}-{counts.filed}"
    seen += f"-{counts.attention}-{held}-{_stamp(reading.updated_at if reading else None)}"
    return {
        "word": word,
        "reading": reading,
        "counts": counts,
        "held": held,
        "calls": _calls_left(summary),
        "access_ends": _access_ends(summary),
        "seen": seen,
    }


def _calls_left(summary: ConnectionSummary | None) -> CallsLeft | None:
    if summary is None or not summary.is_current:
        return None
    try:
        return wiring.outside().governor.calls_left(summary.tenant_id)
    except XeroMustWait:
        return None


def _access_ends(summary: ConnectionSummary | None) -> datetime | None:
    if summary is None or summary.token_last_refreshed_at is None:
        return None
    return summary.token_last_refreshed_at + REFRESH_LIFE


def _permissions(summary: ConnectionSummary | None) -> list[dict[str, object]]:
    granted = summary.scopes if summary else ()
    return [
        {"words": each.words, "lost": each.lost, "granted": is_granted(each, granted)}
        for each in PERMISSIONS
    ]


def _folder_name(summary: ConnectionSummary | None) -> str:
    return "the folder you chose" if summary and summary.xero_folder_id else BASE_FOLDER


def _admins() -> list[str]:
    frame = current_frame()
    return frame.admins if frame else []


def _stamp(moment: datetime | None) -> str:
    return f"{moment.timestamp():.3f}" if moment else "0"


def _uuid(given: str) -> UUID | None:
    try:
        return UUID(given)
    except ValueError:
        return None


def _back() -> Response:
    return cast(Response, redirect(url_for("settings.page"), HTTPStatus.SEE_OTHER))
