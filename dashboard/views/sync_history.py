"""The sync history, and the page of one run: progress while it runs, results for ever after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.extensions import htmx
from dashboard.models import ItemOutcome, RunKind, RunStatus
from dashboard.queries import stamps, sync_runs, undo_preview
from dashboard.queries.connections import ConnectionSummary
from dashboard.queries.stamps import Reader
from dashboard.queries.sync_runs import RunRow
from dashboard.rules import import_sentences
from dashboard.rules.status_words import run_word
from dashboard.services.refusals import InvalidInput, NotFound
from dashboard.views import frame
from dashboard.views.call_budget import cost_of_reading
from dashboard.views.contacts_api import readable_cursor
from dashboard.views.filters import place_of_request
from dashboard.views.guards import (
    current_practice_id,
    current_user_id,
    sign_in_required,
    unless_seen,
)
from dashboard.views.paging import encode_cursor, page_args
from dashboard.views.run_view import (
    KINDS,
    RunView,
    changes_of,
    folded,
    heard_at_load,
    heard_of,
    milestone,
    seen_of,
)
from jobs.queue import poke

pages = Blueprint("sync_history", __name__, url_prefix="/sync-history")

PROBLEMS = "problems"
OUTCOMES = {
    ItemOutcome.PROBLEM.value: "Needs attention",
    ItemOutcome.CREATED.value: "Created",
    ItemOutcome.LINKED.value: "Linked",
    ItemOutcome.UPDATED.value: "Updated",
    ItemOutcome.SKIPPED.value: "Skipped",
    ItemOutcome.KEPT.value: "Left as it is",
    ItemOutcome.UNDONE.value: "Undone",
    # Results are shown of final runs only: what waits there is never done.
    ItemOutcome.WAITING.value: "Not done",
}
VISIBLE_RUNS = 20
LAST_DAY = date(9000, 1, 1)
FIRST_DAY = date(1900, 1, 1)
FILTERS = ("kind", "status", "from", "to", "all")


@pages.get("")
@sign_in_required
def page() -> str:
    """All runs, the newest first."""
    place, wanted = page_args(), wanted_runs()
    show_all = not wanted["with_changes_only"]
    with readable_cursor():
        found = sync_runs.history(
            db.session, current_practice_id(), limit=place.limit, cursor=place.cursor, **wanted
        )
    here = {word: request.args.get(word, "") for word in FILTERS}
    cursor = encode_cursor(found.next_cursor)
    now, summary = utcnow(), _summary()
    return render_template(
        "sync_history/page.html",
        rows=folded(found.rows, now),
        **_live([RunView(run, now) for run in found.rows if not run.is_final]),
        has_folded=not found.rows and not show_all and _has_runs(),
        asked=here,
        show_all=show_all,
        kinds=KINDS,
        statuses=_status_choices(),
        is_filtered=any(here[word] for word in FILTERS if word != "all"),
        is_first_page=place.cursor is None,
        all_url=_address(here | {"all": "" if show_all else "1"}),
        first_url=_address(here),
        next_url=_address(here | {"cursor": cursor}) if cursor else None,
        csv_url=_address(here, "run_actions.runs_csv"),
        summary=summary,
        is_connected=summary is not None and summary.is_current,
        reading_cost=cost_of_reading(summary, "A contact check"),
    )


def _badges_stamp(reader: Reader, user_id: UUID) -> str | None:
    return stamps.of_runs(reader, user_id, _ids(request.args.getlist("run")))


@pages.get("/panels/badges")
@unless_seen(_badges_stamp)
@sign_in_required
def badges_panel() -> Response | str:
    """The badges of the runs that were unfinished when the list was drawn."""
    if not htmx:
        return _see(url_for("sync_history.page"))
    found = [
        sync_runs.run(db.session, current_practice_id(), run_id)
        for run_id in _ids(request.args.getlist("run"))
    ]
    now = utcnow()
    live = [RunView(run, now) for run in found if run]
    return render_template("sync_history/_badges.html", live=live, **_live(live))


@pages.post("/contact-check")
@sign_in_required
def check_contacts() -> Response:
    """Start a contact check, or show the one that is running."""
    run, was_running = start_contact_check()
    if was_running:
        flash("A contact check is already running. This is it.", "info")
    return _see(url_for("sync_history.one", run_id=run))


@pages.get("/<uuid:run_id>")
@sign_in_required
def one(run_id: UUID) -> str:
    """One run: its progress, and after its end what became of each contact."""
    run, now = run_of_practice(run_id), utcnow()
    # Rows of an unfinished run would be out of date under the reader: only the panel renews itself.
    results = _results(run_id) if run.is_final else {"outcomes": []}
    return render_template(
        "sync_history/run.html",
        view=RunView(run, now),
        heard=heard_at_load(run, now),
        undo=undo_preview.undo_of(db.session, current_practice_id(), run_id),
        whom=cast(frame.Frame, frame.current_frame()).whom_to_ask,
        **results,
    )


def _results(run_id: UUID) -> dict[str, object]:
    """Return one page of what became of the contacts, with the tabs above it."""
    wanted = page_args()
    outcomes = sync_runs.outcomes(db.session, current_practice_id(), run_id)
    shown = _outcome_shown(outcomes)
    with readable_cursor():
        found = sync_runs.items(
            db.session,
            current_practice_id(),
            run_id,
            outcome=shown,
            limit=wanted.limit,
            cursor=wanted.cursor,
        )
    cursor = encode_cursor(found.next_cursor)
    return {
        "outcomes": [
            {
                "label": word,
                "count": outcomes[outcome],
                "url": url_for("sync_history.one", run_id=run_id, result=outcome),
                "current": outcome == shown,
                "tone": "warning" if outcome == ItemOutcome.PROBLEM else "neutral",
            }
            for outcome, word in OUTCOMES.items()
            if outcomes.get(outcome)
        ],
        "outcome_word": OUTCOMES.get(shown),
        "items": found.rows,
        "shown": shown,
        "csv_url": url_for("run_actions.results_csv", run_id=run_id, result=shown),
        "changes_of": changes_of,
        "needs_xero": import_sentences.needs_xero,
        "is_first_page": wanted.cursor is None,
        "first_url": url_for("sync_history.one", run_id=run_id, result=shown),
        "next_url": (
            url_for("sync_history.one", run_id=run_id, result=shown, cursor=cursor)
            if cursor
            else None
        ),
    }


@pages.get("/<uuid:run_id>/panels/progress")
@unless_seen(stamps.of_run)
@sign_in_required
def progress_panel(run_id: UUID) -> Response | str:
    """The run's progress; 204 while it is as it was seen."""
    if not htmx:
        return _see(url_for("sync_history.one", run_id=run_id))
    run = run_of_practice(run_id)
    now = utcnow()
    said = milestone(run, heard_of(request.args.get("heard", "")), now)
    return render_template(
        "sync_history/_progress.html",
        view=RunView(run, now),
        undo=None,
        whom=cast(frame.Frame, frame.current_frame()).whom_to_ask,
        heard=said.heard,
        said=said.sentence,
        actions_too=True,
        results_url=_results_url(run),
    )


@pages.post("/<uuid:run_id>/cancel")
@sign_in_required
def cancel(run_id: UUID) -> Response:
    """Stop a run; what it has done stays."""
    wiring.xero_sync().cancel(current_practice_id(), run_id, current_user_id())
    return _see(url_for("sync_history.one", run_id=run_id))


def wanted_runs() -> dict[str, Any]:
    """Return what the address asks of the history, as arguments of the query; else refuse it."""
    until = _day("to")
    return {
        "kind": _known("kind", tuple(KINDS)),
        "status": _known("status", (*RunStatus, PROBLEMS)),
        "since": _midnight(_day("from")),
        "until": _midnight(until + timedelta(days=1)) if until else None,
        "with_changes_only": request.args.get("all") != "1",
    }


def wanted_outcome() -> str:
    """Return the result that the address asks for; empty for all of them."""
    return _known("result", tuple(OUTCOMES))


def run_of_practice(run_id: UUID) -> RunRow:
    """Return a run of the practice; another practice's is not found."""
    run = sync_runs.run(db.session, current_practice_id(), run_id)
    if run is None:
        raise NotFound
    return run


def start_contact_check() -> tuple[UUID, bool]:
    """Start a contact check and ring for it; return its id and whether it ran already."""
    under_way = sync_runs.unfinished(db.session, current_practice_id(), RunKind.CONTACT_SYNC)
    run = wiring.xero_sync().request_sync(current_practice_id(), current_user_id())
    poke("contact-sync", run.practice_id)
    return run.id, run.id in {row.id for row in under_way}


def _results_url(run: RunRow) -> str | None:
    """Return where the results of a run that has just ended are; None where there are none."""
    if not run.is_final or not sync_runs.outcomes(db.session, current_practice_id(), run.id):
        return None
    return url_for("sync_history.one", run_id=run.id)


def _outcome_shown(outcomes: dict[str, int]) -> str:
    asked = wanted_outcome()
    # What needs a person comes first; the order of the words is the order of interest.
    return asked or next((word for word in OUTCOMES if outcomes.get(word)), "")


def _status_choices() -> list[tuple[str, str]]:
    return [
        ("", "Any"),
        (PROBLEMS, "With problems"),
        *((status.value, run_word(status.value).word) for status in RunStatus),
    ]


def _known(field: str, words: Iterable[str]) -> str:
    word = request.args.get(field, "")
    if word and word not in words:
        raise InvalidInput(f"There is no such {field}.", "Choose one from the list.", field=field)
    return word


def _ids(given: list[str]) -> list[UUID]:
    try:
        return [UUID(text) for text in given[:VISIBLE_RUNS]]
    except ValueError as malformed:
        raise NotFound from malformed


def _day(field: str) -> date | None:
    text = request.args.get(field, "")
    try:
        # The first and the last day of all have no neighbour.
        return max(FIRST_DAY, min(date.fromisoformat(text), LAST_DAY)) if text else None
    except ValueError as malformed:
        raise InvalidInput("This is not a day.", "Write it as 2026-11-22.", field=field) from (
            malformed
        )


def _midnight(day: date | None) -> datetime | None:
    """Return when a day begins where the practice is."""
    zone = place_of_request(utcnow()).zone
    return datetime.combine(day, time(), zone).astimezone(UTC) if day else None


def _live(unfinished: list[RunView]) -> dict[str, object]:
    """Return what the list's poller needs to know of the runs it asks about."""
    ids = [str(view.run.id) for view in unfinished]
    return {
        "is_live": any(not view.run.is_final for view in unfinished),
        "poll_url": url_for("sync_history.badges_panel", run=ids),
        "seen": seen_of(unfinished),
        "changed_at": max((view.run.updated_at for view in unfinished), default=None),
    }


def _has_runs() -> bool:
    return bool(sync_runs.history(db.session, current_practice_id(), limit=1).rows)


def _summary() -> ConnectionSummary | None:
    around = frame.current_frame()
    return around.summary if around else None


def _address(query: Mapping[str, str], endpoint: str = "sync_history.page") -> str:
    asked = urlencode({name: value for name, value in query.items() if value})
    return url_for(endpoint) + (f"?{asked}" if asked else "")


def _see(target: str) -> Response:
    return cast(Response, redirect(target, HTTPStatus.SEE_OTHER))
