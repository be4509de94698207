"""What can be done with a run that has ended: undo it, try again what failed, save its results."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from http import HTTPStatus
from typing import cast
from uuid import UUID

from flask import Blueprint, Response, redirect, render_template, url_for

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.queries import sync_runs, undo_preview
from dashboard.queries.keyset import Cursor
from dashboard.queries.sync_runs import ItemRow, RunRow
from dashboard.services.refusals import Conflict
from dashboard.views.csv_files import csv_file
from dashboard.views.guards import (
    admin_required,
    current_practice_id,
    current_user_id,
    sign_in_required,
)
from dashboard.views.run_view import KINDS, UNDOABLE_KINDS, RunView, changes_of
from dashboard.views.sync_history import (
    OUTCOMES,
    run_of_practice,
    wanted_outcome,
    wanted_runs,
)
from jobs.queue import poke

pages = Blueprint("run_actions", __name__, url_prefix="/sync-history")

AT_ONCE = 500
RESULT_HEAD = ("Contact in Xero", "Contact ID", "What happened", "Reason", "Client", "Changes")
RUNS_HEAD = (
    "Started (UTC)",
    "Finished (UTC)",
    "Kind",
    "By",
    "Result",
    "Read",
    "New",
    "Linked",
    "Updated",
    "Skipped",
    "Problems",
    "Reason",
)


@pages.get("/<uuid:run_id>/undo")
@admin_required
def undo_page(run_id: UUID) -> str:
    """What an undo would change and what it would leave, before it is done."""
    run = run_of_practice(run_id)
    if run.kind not in UNDOABLE_KINDS or not run.is_final:
        raise Conflict("This run cannot be undone.")
    return render_template(
        "sync_history/undo.html",
        view=RunView(run, utcnow()),
        preview=undo_preview.undo_preview(db.session, run),
    )


@pages.post("/<uuid:run_id>/undo")
@admin_required
def undo(run_id: UUID) -> Response:
    """Start the undo; a second press leads to the same one."""
    started = wiring.xero_sync().start_undo(current_practice_id(), current_user_id(), run_id)
    poke("contact-import", started.practice_id)
    return _see(url_for("sync_history.one", run_id=started.id))


@pages.post("/<uuid:run_id>/again")
@sign_in_required
def again(run_id: UUID) -> Response:
    """Import once more what needed attention, or was not reached, with the same decisions."""
    run = wiring.xero_sync().import_again(current_practice_id(), current_user_id(), run_id)
    poke("contact-import", run.practice_id)
    return _see(url_for("sync_history.one", run_id=run.id))


@pages.get("/<uuid:run_id>/results.csv")
@sign_in_required
def results_csv(run_id: UUID) -> Response:
    """What became of each contact of a run, all or those of one result."""
    run, outcome = run_of_practice(run_id), wanted_outcome()
    name = f"{KINDS[run.kind].lower().replace(' ', '-')}-{run.created_at:%Y-%m-%d}.csv"
    return csv_file(name, RESULT_HEAD, _result_rows(current_practice_id(), run_id, outcome))


@pages.get("/runs.csv")
@sign_in_required
def runs_csv() -> Response:
    """The runs that the filters of the history leave."""
    return csv_file("sync-history.csv", RUNS_HEAD, _run_rows(current_practice_id(), wanted_runs()))


def _result_rows(practice_id: UUID, run_id: UUID, outcome: str) -> Iterator[list[object]]:
    cursor: Cursor | None = None
    while True:
        found = sync_runs.items(
            db.session, practice_id, run_id, outcome=outcome, limit=AT_ONCE, cursor=cursor
        )
        for item in found.rows:
            yield [
                item.contact_name,
                item.xero_contact_id,
                OUTCOMES[item.outcome],
                item.reason,
                item.client_name,
                _changes(item),
            ]
        cursor = found.next_cursor
        if cursor is None:
            return


def _changes(item: ItemRow) -> str:
    return "; ".join(f"{field}: {old!r} became {new!r}" for field, old, new in changes_of(item))


def _run_rows(practice_id: UUID, wanted: dict[str, object]) -> Iterator[list[object]]:
    cursor: Cursor | None = None
    while True:
        found = sync_runs.history(db.session, practice_id, limit=AT_ONCE, cursor=cursor, **wanted)  # type: ignore[arg-type]
        yield from map(_run_cells, found.rows)
        cursor = found.next_cursor
        if cursor is None:
            return


def _run_cells(run: RunRow) -> list[object]:
    view = RunView(run, utcnow())
    return [
        _moment(run.started_at),
        _moment(run.finished_at),
        view.kind_word,
        view.by,
        view.word.word,
        run.done,
        view.new,
        run.linked,
        run.updated,
        run.skipped,
        run.problems,
        run.error,
    ]


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else ""


def _see(target: str) -> Response:
    return cast(Response, redirect(target, HTTPStatus.SEE_OTHER))
