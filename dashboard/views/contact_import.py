"""The import preview: contacts as Xero has them.

What is shown travels in the address; every form of the page posts to an address with the same
query, and comes back to it. Ticks and decisions are in `import_choices`, what comes after them in
`import_review`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, cast
from uuid import UUID

from flask import (
    Blueprint,
    Response,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_login import current_user

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.extensions import htmx
from dashboard.queries import contact_counts, contacts, import_places, stamps, sync_runs
from dashboard.queries.connections import ConnectionSummary
from dashboard.queries.import_places import Draft
from dashboard.queries.stamps import Reader
from dashboard.queries.sync_runs import RunRow
from dashboard.rules.status_words import match_word
from dashboard.services.refusals import NotFound
from dashboard.views import frame, guards
from dashboard.views.call_budget import cost_of_reading
from dashboard.views.filters import number
from dashboard.views.guards import (
    current_practice_id,
    sign_in_required,
    unless_seen,
)
from dashboard.views.import_screen import ORDERS, TYPES, Look, Screen, look_at
from dashboard.views.run_view import RunView
from dashboard.views.sync_history import start_contact_check
from jobs.queue import poke

pages = Blueprint("contact_import", __name__, url_prefix="/import")

OLD = timedelta(days=1)
LATELY = timedelta(minutes=15)


@pages.get("")
@guards.writes_on_get
@sign_in_required
def begin() -> Response | str:
    """Open the practice's one draft; it is made where there is none."""
    if not _is_connected():
        return _not_connected()
    service = wiring.xero_sync()
    draft = service.get_import_preview(current_practice_id())
    if not service.refresh_matches_if_stale(current_practice_id()):
        # Of many contacts a job of its own compares those that changed.
        poke("contact-sync", current_practice_id())
    address, filters = url_for("contact_import.page", draft_id=draft.id), request.query_string
    return see(f"{address}?{filters.decode()}" if filters else address)


@pages.get("/<uuid:draft_id>")
@sign_in_required
def page(draft_id: UUID) -> Response | str:
    """The preview; a draft that has become a run leads to that run."""
    draft = desk(draft_id)
    elsewhere = leads_elsewhere(draft)
    if elsewhere is not None:
        return elsewhere
    found = contact_counts.groups(db.session, draft.place)
    surroundings = around(draft)
    return render_template(
        "contact_import/page.html",
        screen=_screen(draft, look_at(request.args)),
        group_choices=[(group.name, f"{group.name} ({number(group.contacts)})") for group in found],
        types=TYPES,
        orders=ORDERS,
        is_old=_is_old(surroundings["read_at"]),
        reading_cost=cost_of_reading(_summary()),
        **surroundings,
    )


@pages.get("/<uuid:draft_id>/panels/results")
@sign_in_required
def results_panel(draft_id: UUID) -> Response | str:
    """The tabs, the table and the selection bar after the filters were changed."""
    if not htmx:
        return back_to_page(draft_id)
    draft = desk(draft_id)
    if leads_elsewhere(draft) is not None:
        return _go(url_for("contact_import.page", draft_id=draft_id))
    screen = _screen(draft, look_at(request.args))
    answer = make_response(
        render_template("contact_import/_filtered.html", screen=screen, **around(draft))
    )
    answer.headers["HX-Push-Url"] = screen.look.address(draft_id)
    return answer


def _reading_stamp(reader: Reader, user_id: UUID, draft_id: UUID, run_id: UUID) -> str | None:
    return stamps.of_run(reader, user_id, run_id)


@pages.get("/<uuid:draft_id>/panels/reading/<uuid:run_id>")
@unless_seen(_reading_stamp)
@sign_in_required
def reading_panel(draft_id: UUID, run_id: UUID) -> Response | str:
    """How far the reading of contacts is; 204 while it is as it was seen."""
    if not htmx:
        return see(url_for("contact_import.page", draft_id=draft_id))
    draft_of_practice(draft_id)
    run = sync_runs.run(db.session, current_practice_id(), run_id)
    if run is None:
        raise NotFound
    return render_template(
        "contact_import/_reading.html",
        reading=RunView(run, utcnow()),
        draft_id=draft_id,
        says_end=run.is_final,
    )


@pages.post("/<uuid:draft_id>/read")
@sign_in_required
def read_again(draft_id: UUID) -> Response:
    """Read contacts from Xero anew; ticks and decisions stay."""
    draft_of_practice(draft_id)
    start_contact_check()
    return back_to_page(draft_id)


def draft_of_practice(draft_id: UUID) -> Draft:
    """Return a draft of the practice; another practice's is not found."""
    draft = import_places.draft(db.session, current_practice_id(), draft_id)
    if draft is None:
        raise NotFound
    return draft


def desk(draft_id: UUID) -> Draft:
    """Return a draft of the practice with who works in it and how its contacts are read."""
    draft = import_places.desk(
        db.session,
        current_practice_id(),
        draft_id,
        user_id=current_user.id,
        since=utcnow() - LATELY,
    )
    if draft is None:
        raise NotFound
    return draft


def around(draft: Draft) -> dict[str, Any]:
    """Return what stands around a page: the organisation, and the reading of its contacts."""
    summary = cast(ConnectionSummary, _summary())
    last, now = draft.last_check, utcnow()
    partly = last if last and last.has_read_a_part else None
    is_shown = last and not partly and _is_worth_showing(last, summary)
    return {
        "draft_id": draft.id,
        "organisation": summary.organisation,
        "read_at": summary.last_sync_at,
        "is_usable": summary.status == "active",
        "reading": RunView(last, now) if last and is_shown else None,
        "partly": partly,
        "is_compared": draft.is_compared,
        "match_word": match_word,
        "my_name": current_user.name,
        "colleague": draft.colleague,
    }


def leads_elsewhere(draft: Draft) -> Response | None:
    """Return where a draft leads that cannot be worked on any more; None for an open one."""
    summary = _summary()
    if draft.run_id is not None:
        return see(url_for("sync_history.one", run_id=draft.run_id))
    if summary is None or not summary.is_current or summary.id != draft.connection_id:
        return see(url_for("contact_import.begin"))
    return None


def back_to_page(draft_id: UUID) -> Response:
    """Return the way to the page as it was looked at: its query is that of this request."""
    query = request.query_string.decode()
    return see(url_for("contact_import.page", draft_id=draft_id) + (f"?{query}" if query else ""))


def see(target: str) -> Response:
    """Return the way to another page."""
    return cast(Response, redirect(target, HTTPStatus.SEE_OTHER))


def _screen(draft: Draft, look: Look) -> Screen:
    counted = contact_counts.overview(db.session, draft.place, look.wanted)
    # A page past the end is the last one.
    look = look.on_page(min(look.page, look.last_page(counted.total)))
    found = contacts.preview(
        db.session, draft.place, look.wanted, limit=look.per, page=look.page, sort=look.sort
    )
    return Screen(draft_id=draft.id, look=look, rows=found.rows, around=counted)


def _is_old(read_at: datetime | None) -> bool:
    return read_at is not None and utcnow() - read_at > OLD


def _is_worth_showing(run: RunRow, summary: ConnectionSummary) -> bool:
    """Whether a contact check is told of: automatic ones that only look for changes are not."""
    is_first = summary.last_sync_at is None
    if run.is_final:
        return is_first and run.error is not None
    return is_first or not run.is_automatic or RunView(run, utcnow()).waits_for_xero


def _not_connected() -> str:
    shown = frame.current_frame()
    names = shown.admins if shown else []
    return render_template("contact_import/not_connected.html", whom=guards.ask_admins(names))


def _is_connected() -> bool:
    summary = _summary()
    return summary is not None and summary.is_current


def _summary() -> ConnectionSummary | None:
    shown = frame.current_frame()
    return shown.summary if shown else None


def _go(target: str) -> Response:
    return Response(status=HTTPStatus.NO_CONTENT, headers={"HX-Redirect": target})
