"""The import preview: contacts as Xero has them, ticks and decisions, the review, and the start.

Ticks and decisions live in the draft on the server, so that they outlast filters, pages, sign-out
and another computer. What is shown travels in the address; every form of the page posts to an
address with the same query, and comes back to it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, cast
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
from flask_login import current_user

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.extensions import htmx
from dashboard.models import RunKind
from dashboard.queries import contacts, stamps, sync_runs
from dashboard.queries.connections import ConnectionSummary
from dashboard.queries.contacts import Counts, Draft
from dashboard.queries.stamps import Reader
from dashboard.queries.sync_runs import RunRow
from dashboard.rules.preview_filter import PreviewFilter
from dashboard.rules.status_words import match_word
from dashboard.services.refusals import InvalidInput, NotFound
from dashboard.views import frame, guards
from dashboard.views.call_budget import cost_of_reading
from dashboard.views.filters import number, plural
from dashboard.views.guards import (
    current_practice_id,
    current_user_id,
    sign_in_required,
    unless_seen,
)
from dashboard.views.import_screen import TYPES, Look, Screen, look_at
from dashboard.views.run_view import RunView
from dashboard.views.sync_history import start_contact_check
from jobs.queue import poke

pages = Blueprint("contact_import", __name__, url_prefix="/import")

MOST_ROWS = 500
CLASHES_SHOWN = 100
DECISION = "decision-"
CLIENT = "-client"
DECIDED = "decided-"
LINK = "link"
OLD = timedelta(days=1)
LEFT = ("{n} was left as it was:", "{n} were left as they were:")
WHY_LEFT = {
    "suggestion": "what is doubtful has no suggestion.",
    "create": "an exact match is not created a second time.",
    "skip": "it cannot be skipped.",
}


@pages.get("")
@guards.writes_on_get
@sign_in_required
def begin() -> Response | str:
    """Open the practice's one draft; it is made where there is none."""
    if not _is_connected():
        return _not_connected()
    draft = wiring.xero_sync().get_import_preview(current_practice_id())
    address, filters = url_for("contact_import.page", draft_id=draft.id), request.query_string
    return _see(f"{address}?{filters.decode()}" if filters else address)


@pages.get("/<uuid:draft_id>")
@sign_in_required
def page(draft_id: UUID) -> Response | str:
    """The preview; a draft that has become a run leads to that run."""
    elsewhere = _elsewhere(draft_id)
    if elsewhere is not None:
        return elsewhere
    screen = _screen(draft_id, look_at(request.args))
    found = contacts.groups(db.session, current_practice_id())
    around = _around(draft_id)
    return render_template(
        "contact_import/page.html",
        screen=screen,
        group_choices=[(group.name, f"{group.name} ({number(group.contacts)})") for group in found],
        types=TYPES,
        is_old=_is_old(around["read_at"]),
        all_linked=_is_all_linked(screen),
        reading_cost=cost_of_reading(_summary()),
        **around,
    )


@pages.get("/<uuid:draft_id>/panels/results")
@sign_in_required
def results_panel(draft_id: UUID) -> Response | str:
    """The tabs, the table and the selection bar after the filters were changed."""
    if not htmx:
        return _back(draft_id)
    if _elsewhere(draft_id) is not None:
        return _go(url_for("contact_import.page", draft_id=draft_id))
    screen = _screen(draft_id, look_at(request.args))
    answer = make_response(
        render_template("contact_import/_filtered.html", screen=screen, **_around(draft_id))
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
        return _see(url_for("contact_import.page", draft_id=draft_id))
    _draft(draft_id)
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
    _draft(draft_id)
    start_contact_check()
    return _back(draft_id)


@pages.post("/<uuid:draft_id>/ticks")
@sign_in_required
def ticks(draft_id: UUID) -> Response | str:
    """Keep which of the rows that are shown are ticked; without script their decisions too."""
    shown, ticked = _shown(), set(request.form.getlist("ticked"))
    _tick(draft_id, [one for one in shown if one in ticked], selected=True)
    _tick(draft_id, [one for one in shown if one not in ticked], selected=False)
    if htmx:
        return render_template(
            "contact_import/_ticked.html",
            screen=_selection_screen(draft_id),
            changed=len(shown),
        )
    _decide_all(draft_id, shown)
    return _back(draft_id)


@pages.post("/<uuid:draft_id>/decisions")
@sign_in_required
def decisions(draft_id: UUID) -> Response | str:
    """Keep what shall happen to one contact, and show what that means for the others."""
    contact_id = _contact_decided()
    practice_id = current_practice_id()
    before = contacts.preview_row(db.session, practice_id, contact_id)
    if before is None:
        raise NotFound
    rivals = _contested_ids() if before.decision.is_contested else set()
    _decide(draft_id, contact_id)
    if not htmx:
        return _back(draft_id)
    rivals |= _contested_ids()
    changed = [
        row
        for one in [contact_id, *sorted(rivals & set(_shown()) - {contact_id})]
        if (row := contacts.preview_row(db.session, practice_id, one))
    ]
    return render_template(
        "contact_import/_decided.html",
        screen=_selection_screen(draft_id),
        rows=changed,
        decided_row=changed[0],
        match_word=match_word,
        by_select=request.headers.get("HX-Trigger", "").endswith(CLIENT),
    )


@pages.post("/<uuid:draft_id>/not-a-match")
@sign_in_required
def not_a_match(draft_id: UUID) -> Response:
    """Remember that a contact is not the client that was suggested."""
    _draft(draft_id)
    contact_id, _, client_id = request.form.get("pair", "").partition(" ")
    wiring.import_drafts().not_a_match(
        current_practice_id(), current_user_id(), contact_id, _uuid(client_id)
    )
    flash("This pair is not suggested again.", "success")
    return _back(draft_id)


@pages.post("/<uuid:draft_id>/tick-matching")
@sign_in_required
def tick_matching(draft_id: UUID) -> Response:
    """Tick every contact that fits the filters, shown on this page or not."""
    wiring.import_drafts().tick_matching(
        current_practice_id(), current_user_id(), draft_id, look_at(request.args).wanted, True
    )
    return _back(draft_id)


@pages.post("/<uuid:draft_id>/clear")
@sign_in_required
def clear(draft_id: UUID) -> Response:
    """Take away every tick; decisions stay."""
    wiring.import_drafts().clear(current_practice_id(), current_user_id(), draft_id)
    return _back(draft_id)


@pages.post("/<uuid:draft_id>/decide-ticked")
@sign_in_required
def decide_ticked(draft_id: UUID) -> Response:
    """Decide everything that is ticked in one go, where that is allowed."""
    decision = request.form.get("decision", "")
    applied, left = wiring.import_drafts().decide_ticked(
        current_practice_id(), current_user_id(), draft_id, decision
    )
    sentence = f"Applied to {number(applied)}."
    if left:
        sentence += f" {plural(left, *LEFT)} {WHY_LEFT[decision]}"
    flash(sentence, "success" if applied else "info")
    return _back(draft_id)


@pages.get("/<uuid:draft_id>/review")
@sign_in_required
def review(draft_id: UUID) -> Response | str:
    """What pressing Import will do, in numbers."""
    elsewhere = _elsewhere(draft_id)
    if elsewhere is not None:
        return elsewhere
    return render_template(
        "contact_import/review.html",
        selection=contacts.selection(db.session, current_practice_id()),
        new_tags=contacts.tags_to_come(db.session, current_practice_id()),
        back_url=url_for("contact_import.page", draft_id=draft_id),
        undecided_url=url_for("contact_import.page", draft_id=draft_id, selected=1, type=""),
        **_around(draft_id),
    )


@pages.post("/<uuid:draft_id>/start")
@sign_in_required
def start(draft_id: UUID) -> Response:
    """Turn the draft into a run; a second press leads to the same run."""
    run = wiring.xero_sync().start_draft_import(current_practice_id(), current_user_id(), draft_id)
    poke("contact-import", run.practice_id)
    return _see(url_for("sync_history.one", run_id=run.id))


def _screen(draft_id: UUID, look: Look) -> Screen:
    practice_id = current_practice_id()
    found = contacts.preview(db.session, practice_id, look.wanted, limit=look.per, page=look.page)
    if not found.rows and found.total:
        look = look.on_page(look.last_page(found.total))
        found = contacts.preview(
            db.session, practice_id, look.wanted, limit=look.per, page=look.page
        )
    return Screen(
        draft_id=draft_id,
        look=look,
        rows=found.rows,
        total=found.total,
        counts=contacts.counts(db.session, practice_id, look.wanted),
        selection=contacts.selection(db.session, practice_id, look.wanted),
    )


def _selection_screen(draft_id: UUID) -> Screen:
    """Return the screen without its rows: what the counts beside them need."""
    look, practice_id = look_at(request.args), current_practice_id()
    return Screen(
        draft_id=draft_id,
        look=look,
        rows=(),
        total=0,
        counts=contacts.counts(db.session, practice_id, look.wanted),
        selection=contacts.selection(db.session, practice_id, look.wanted),
    )


def _around(draft_id: UUID) -> dict[str, Any]:
    """Return what stands around the table: the organisation, and the reading of its contacts."""
    summary = cast(ConnectionSummary, _summary())
    last = sync_runs.latest(db.session, current_practice_id(), RunKind.CONTACT_SYNC)
    now = utcnow()
    return {
        "draft_id": draft_id,
        "organisation": summary.organisation,
        "read_at": summary.last_sync_at,
        "is_usable": summary.status == "active",
        "reading": RunView(last, now) if last and _is_worth_showing(last, summary) else None,
        "match_word": match_word,
        "my_name": current_user.name,
    }


def _is_old(read_at: datetime | None) -> bool:
    return read_at is not None and utcnow() - read_at > OLD


def _is_all_linked(screen: Screen) -> bool:
    """Whether nothing is left to import; asked of all contacts only where the filter shows none."""
    if _waiting_for_import(screen.counts) or not screen.counts.linked:
        return False
    everything = contacts.counts(db.session, current_practice_id())
    return not _waiting_for_import(everything)


def _waiting_for_import(counts: Counts) -> int:
    return counts.all - counts.linked - counts.unavailable


def _is_worth_showing(run: RunRow, summary: ConnectionSummary) -> bool:
    """Whether a contact check is told of: automatic ones that only look for changes are not."""
    is_first = summary.last_sync_at is None
    if run.is_final:
        return is_first and run.error is not None
    return is_first or not run.is_automatic or RunView(run, utcnow()).waits_for_xero


def _elsewhere(draft_id: UUID) -> Response | None:
    """Return where a draft leads that cannot be worked on any more; None for an open one."""
    draft, summary = _draft(draft_id), _summary()
    if draft.run_id is not None:
        return _see(url_for("sync_history.one", run_id=draft.run_id))
    if summary is None or not summary.is_current or summary.id != draft.connection_id:
        return _see(url_for("contact_import.begin"))
    return None


def _draft(draft_id: UUID) -> Draft:
    draft = contacts.draft(db.session, current_practice_id(), draft_id)
    if draft is None:
        raise NotFound
    return draft


def _not_connected() -> str:
    around = frame.current_frame()
    names = around.admins if around else []
    return render_template("contact_import/not_connected.html", whom=frame.ask_admins(names))


def _is_connected() -> bool:
    summary = _summary()
    return summary is not None and summary.is_current


def _summary() -> ConnectionSummary | None:
    around = frame.current_frame()
    return around.summary if around else None


def _shown() -> list[str]:
    shown = request.form.getlist("shown")
    if len(shown) > MOST_ROWS:
        raise InvalidInput(f"One page holds up to {MOST_ROWS} contacts.")
    return shown


def _tick(draft_id: UUID, contact_ids: list[str], *, selected: bool) -> None:
    if contact_ids:
        wiring.import_drafts().tick(
            current_practice_id(), current_user_id(), draft_id, contact_ids, selected
        )


def _contact_decided() -> str:
    """Return the one contact that a request of the script is about."""
    named = [
        name.removeprefix(DECISION)
        for name in request.form
        if name.startswith(DECISION) and not name.endswith(CLIENT)
    ]
    if len(named) != 1:
        raise InvalidInput("Choose what to do with the contact.")
    return named[0]


def _decide_all(draft_id: UUID, shown: list[str]) -> None:
    """Keep the decisions of a whole page; only those that the person changed are written."""
    for contact_id in shown:
        action, client_id = _asked(contact_id)
        now = f"{action} {client_id}" if action == LINK else action
        if action and now != request.form.get(DECIDED + contact_id, ""):
            _decide(draft_id, contact_id)


def _decide(draft_id: UUID, contact_id: str) -> None:
    action, client_id = _asked(contact_id)
    wiring.import_drafts().decide(
        current_practice_id(),
        current_user_id(),
        draft_id,
        contact_id,
        action,
        _uuid(client_id) if action == LINK else None,
    )


def _asked(contact_id: str) -> tuple[str, str]:
    name = DECISION + contact_id
    return request.form.get(name, ""), request.form.get(name + CLIENT, "")


def _contested_ids() -> set[str]:
    found = contacts.preview(
        db.session, current_practice_id(), PreviewFilter(match="clash"), limit=CLASHES_SHOWN
    )
    return {row.xero_contact_id for row in found.rows if row.decision.is_contested}


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as malformed:
        raise InvalidInput("Choose a client from the list.") from malformed


def _back(draft_id: UUID) -> Response:
    """Return the way to the page as it was looked at: its query is that of this request."""
    query = request.query_string.decode()
    return _see(url_for("contact_import.page", draft_id=draft_id) + (f"?{query}" if query else ""))


def _see(target: str) -> Response:
    return cast(Response, redirect(target, HTTPStatus.SEE_OTHER))


def _go(target: str) -> Response:
    return Response(status=HTTPStatus.NO_CONTENT, headers={"HX-Redirect": target})
