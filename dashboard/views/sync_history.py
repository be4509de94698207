"""The sync history, and the page of one run: progress while it runs, results for ever after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import cast
from urllib.parse import urlencode
from uuid import UUID

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.extensions import htmx
from dashboard.models import ItemOutcome, RunKind, RunStatus
from dashboard.queries import stamps, sync_runs
from dashboard.queries.connections import ConnectionSummary
from dashboard.queries.stamps import Reader
from dashboard.queries.sync_runs import ItemRow, RunRow
from dashboard.rules.status_words import run_word
from dashboard.services.refusals import InvalidInput, NotFound
from dashboard.views import frame
from dashboard.views.call_budget import cost_of_reading
from dashboard.views.contacts_api import readable_cursor
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
    # Results are shown of final runs only: what waits there is never done.
    ItemOutcome.WAITING.value: "Not done",
}
VISIBLE_RUNS = 20


@pages.get("")
@sign_in_required
def page() -> str:
    """All runs, the newest first."""
    wanted = page_args()
    kind = _known("kind", tuple(KINDS))
    status = _known("status", (*RunStatus, PROBLEMS))
    show_all = request.args.get("all") == "1"
    with readable_cursor():
        found = sync_runs.history(
            db.session,
            current_practice_id(),
            limit=wanted.limit,
            cursor=wanted.cursor,
            kind=kind,
            status=status,
            with_changes_only=not show_all,
        )
    here = {"kind": kind, "status": status, "all": "1" if show_all else ""}
    cursor = encode_cursor(found.next_cursor)
    now, summary = utcnow(), _summary()
    return render_template(
        "sync_history/page.html",
        rows=folded(found.rows, now),
        **_live([RunView(run, now) for run in found.rows if not run.is_final]),
        has_folded=not found.rows and not show_all and _has_runs(),
        kind=kind,
        status=status,
        show_all=show_all,
        kinds=KINDS,
        statuses=_status_choices(),
        is_filtered=bool(kind or status),
        is_first_page=wanted.cursor is None,
        all_url=_address(here | {"all": "" if show_all else "1"}),
        first_url=_address(here),
        next_url=_address(here | {"cursor": cursor}) if cursor else None,
        summary=summary,
        is_connected=summary is not None and summary.is_current,
        reading_cost=cost_of_reading(summary),
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
    run, now = _run(run_id), utcnow()
    # Rows of an unfinished run would be out of date under the reader: only the panel renews itself.
    results = _results(run_id) if run.is_final else {"outcomes": []}
    return render_template(
        "sync_history/run.html",
        view=RunView(run, now),
        heard=heard_at_load(run, now),
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
        "changes_of": changes_of,
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
    run = _run(run_id)
    now = utcnow()
    said = milestone(run, heard_of(request.args.get("heard", "")), now)
    return render_template(
        "sync_history/_progress.html",
        view=RunView(run, now),
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
    asked = _known("result", tuple(OUTCOMES))
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


def _run(run_id: UUID) -> RunRow:
    run = sync_runs.run(db.session, current_practice_id(), run_id)
    if run is None:
        raise NotFound
    return run


def changes_of(item: ItemRow) -> list[tuple[str, str, str]]:
    """Return the fields of a client that a run changed: its name, before and after, in words."""
    return [
        (
            field.replace("_", " ").capitalize(),
            _in_words(change.get("before")),
            _in_words(change.get("after")),
        )
        for field, change in (item.changes or {}).items()
    ]


def _in_words(value: str | list[str] | None) -> str:
    return ", ".join(value) if isinstance(value, list) else value or ""


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


def _address(query: Mapping[str, str]) -> str:
    asked = urlencode({name: value for name, value in query.items() if value})
    return url_for("sync_history.page") + (f"?{asked}" if asked else "")


def _see(target: str) -> Response:
    return cast(Response, redirect(target, HTTPStatus.SEE_OTHER))
