"""Scenes of runs: one run in each state, undoing it, and the history of all."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from dashboard.database import db
from dashboard.gallery.office import DAY, MINUTE, Office
from dashboard.gallery.scenes import Outside, Way, Who, scene
from dashboard.models import (
    AlertCause,
    Client,
    ItemOutcome,
    RunKind,
    RunStatus,
    SyncRun,
    XeroContactMapping,
)
from dashboard.rules import import_sentences, run_sentences
from dashboard.rules.sync_brake import Weight

HISTORY = "/sync-history"
LOST = "Archived in Xero. New documents cannot be filed on it."
FINISHED = {"done": 1516, "total": 1516, "created": 1204, "linked": 309, "skipped": 3}
HALF_DONE = {"done": 640, "total": 1516, "created": 512, "linked": 128}


def page_of(run: SyncRun, part: str = "") -> str:
    """Return the page of a run."""
    return f"{HISTORY}/{run.id}{part}"


def import_of(at: Office, status: RunStatus, **values: Any) -> SyncRun:
    """Return an import in a practice that is connected."""
    at.connect()
    return at.run(RunKind.IMPORT, status, **values)


@scene("Run", "waiting to start")
def waiting(at: Office) -> Way:
    return page_of(import_of(at, RunStatus.WAITING, total=1516))


@scene("Run", "running")
def running(at: Office) -> Way:
    counts = {"done": 640, "total": 1516, "created": 512, "linked": 122, "skipped": 3}
    return page_of(import_of(at, RunStatus.RUNNING, problems=3, **counts))


@scene("Run", "waiting for Xero")
def waiting_for_xero(at: Office) -> Way:
    at.connect()
    run = at.run(
        RunKind.CONTACT_SYNC,
        RunStatus.WAITING_FOR_XERO,
        done=2000,
        total=4312,
        not_before=at.now + 25 * MINUTE,
        waits_because="minute",
        progress={"step": "read", "new": 12},
    )
    at.truth.must_wait(at.connection.id, (25 * MINUTE).total_seconds(), "minute")
    return page_of(run)


@scene("Run", "finished")
def finished(at: Office) -> Way:
    run = import_of(at, RunStatus.FINISHED, done=3, total=3, created=3)
    clients = at.clients(3)
    at.items(
        run,
        *((client.name, ItemOutcome.CREATED, None, client) for client in clients),
    )
    return page_of(run)


def with_problems(at: Office, **values: Any) -> SyncRun:
    """Return an import of which three contacts need somebody."""
    counts = {"done": 6, "total": 6, "created": 1, "linked": 1, "skipped": 1, "problems": 3}
    run = import_of(at, RunStatus.FINISHED_WITH_PROBLEMS, **{**counts, **values})
    made, linked, *_ = at.clients(3)
    taken = import_sentences.client_taken("Rob Smith", "R Smith Joinery")
    at.items(
        run,
        ("M Vela", ItemOutcome.PROBLEM, import_sentences.AIMED_AT_TWICE, None),
        ("Robert Smith", ItemOutcome.PROBLEM, taken, None),
        ("Northgate Pharmacy", ItemOutcome.PROBLEM, import_sentences.ARCHIVED, None),
        (made.name, ItemOutcome.CREATED, None, made),
        (linked.name, ItemOutcome.LINKED, None, linked),
        ("Yarrow Stores", ItemOutcome.SKIPPED, import_sentences.SKIPPED, None),
    )
    return run


@scene("Run", "finished with problems", stands_for_screen=True)
def finished_with_problems(at: Office) -> Way:
    return page_of(with_problems(at))


@scene("Run", "finished, what was created")
def created(at: Office) -> Way:
    return page_of(with_problems(at), "?result=created")


@scene("Run", "finished, for staff", who=Who.STAFF)
def finished_for_staff(at: Office) -> Way:
    return page_of(with_problems(at))


@scene("Run", "contact check finished")
def check_finished(at: Office) -> Way:
    at.connect()
    run = at.run(
        RunKind.CONTACT_SYNC,
        RunStatus.FINISHED,
        done=4312,
        total=4312,
        updated=1,
        progress={"step": "match", "new": 4, "changed": 7},
    )
    [client] = at.clients(1)
    at.items(run, (client.name, ItemOutcome.UPDATED, None, client))
    return page_of(run)


@scene("Run", "failed: no answer")
def failed(at: Office) -> Way:
    at.connect()
    said = run_sentences.no_answer(
        done=640, next_at=at.now + 15 * MINUTE, time_zone=at.practice.time_zone
    )
    technical = {"http_status": 503, "xero_said": "Service Unavailable", "reference": "6f0c0d5e"}
    run = at.run(
        RunKind.CONTACT_SYNC,
        RunStatus.FAILED,
        done=640,
        total=4312,
        error=said,
        technical_details=technical,
    )
    at.truth.no_good_answer(at.connection.id, "Xero did not answer.")
    return page_of(run)


@scene("Run", "failed: reconnect needed")
def expired(at: Office) -> Way:
    at.connect()
    run = at.run(
        RunKind.CONTACT_SYNC,
        RunStatus.FAILED,
        done=640,
        total=4312,
        error=run_sentences.reconnect_needed(done=640),
    )
    at.truth.access_lost(at.connection.id, at.connection.token_version)
    return page_of(run)


@scene("Run", "cancelled")
def cancelled(at: Office) -> Way:
    by, reached = at.staff.name, {"done": 2, "total": 4}
    said = run_sentences.cancelled(kind="import", by=by, **reached)
    run = import_of(at, RunStatus.CANCELLED, error=said, created=1, linked=1, **reached)
    made, linked = at.clients(2)
    at.items(
        run,
        (made.name, ItemOutcome.CREATED, None, made),
        (linked.name, ItemOutcome.LINKED, None, linked),
        ("M Vela", ItemOutcome.WAITING, None, None),
        ("Yarrow Stores", ItemOutcome.WAITING, None, None),
    )
    return page_of(run)


@scene("Run", "polls not answered", outside=Outside.SILENT)
def silent(at: Office) -> Way:
    return page_of(import_of(at, RunStatus.RUNNING, **HALF_DONE))


def hold(at: Office) -> SyncRun:
    """Return a contact check that stopped before it changed too much."""
    at.connect()
    clients, archived = at.clients(), 2
    weight = Weight(linked=40, changed=len(clients), archived=archived)
    run = at.run(
        RunKind.CONTACT_SYNC,
        RunStatus.WAITING,
        done=4312,
        total=4312,
        held_at=at.now - MINUTE,
        error=weight.sentence(20),
        progress={"step": "follow"},
        started_by_id=None,
    )
    at.alert(AlertCause.SYNC_HELD, "A contact check stopped and asks", weight.sentence(20))
    rows = []
    for number, client in enumerate(clients):
        reason = LOST if number < archived else "Email: from Xero."
        rows.append((client.name, ItemOutcome.WAITING, reason, client))
    at.items(run, *rows)
    return run


@scene("Run", "needs a decision")
def held(at: Office) -> Way:
    return page_of(hold(at))


@scene("Held check", "asks an admin", stands_for_screen=True)
def held_list(at: Office) -> Way:
    hold(at)
    return f"{HISTORY}/held"


@scene("Held check", "asks, for staff", who=Who.STAFF)
def held_for_staff(at: Office) -> Way:
    hold(at)
    return f"{HISTORY}/held"


# -- undoing --------------------------------------------------------------------------------------


def undoable(at: Office) -> tuple[SyncRun, list[Client]]:
    """Return an import that made two clients and linked one."""
    run = import_of(at, RunStatus.FINISHED, done=3, total=3, created=2, linked=1)
    clients = at.clients(3)
    outcomes = (ItemOutcome.CREATED, ItemOutcome.CREATED, ItemOutcome.LINKED)
    for number, client in enumerate(clients, start=1):
        made: XeroContactMapping = at.link(client, number, made_by_run_id=run.id)
        client.created_at = client.updated_at = made.created_at
    at.items(
        run,
        *(
            (client.name, outcome, None, client)
            for client, outcome in zip(clients, outcomes, strict=True)
        ),
    )
    return run, clients


@scene("Undo", "asked", stands_for_screen=True)
def undo(at: Office) -> Way:
    run, (first, *_) = undoable(at)
    at.received(first)
    return page_of(run, "/undo")


@scene("Undo", "nothing left")
def undo_nothing(at: Office) -> Way:
    run, clients = undoable(at)
    for client in clients:
        at.received(client)
        client.updated_at = at.now
    # The one that was linked has been linked anew by hand.
    mapping = select(XeroContactMapping).where(XeroContactMapping.client_id == clients[-1].id)
    db.session.scalars(mapping).one().made_by_run_id = None
    return page_of(run, "/undo")


@scene("Undo", "running")
def undo_running(at: Office) -> Way:
    run, _ = undoable(at)
    taking_back = at.run(
        RunKind.UNDO, RunStatus.RUNNING, done=1, total=3, updated=1, undoes_id=run.id
    )
    return page_of(taking_back)


@scene("Undo", "done, seen from the import")
def undone(at: Office) -> Way:
    run, _ = undoable(at)
    at.run(RunKind.UNDO, RunStatus.FINISHED, done=3, total=3, updated=3, undoes_id=run.id)
    return page_of(run)


# -- the history ----------------------------------------------------------------------------------


@scene("Sync history", "not connected")
def history_unconnected(at: Office) -> Way:
    return HISTORY


@scene("Sync history", "never run")
def never_run(at: Office) -> Way:
    at.connect(last_sync_at=None, last_sync_contact_count=None)
    return HISTORY


def past(at: Office) -> None:
    """Let runs of every kind have happened."""
    at.run(RunKind.IMPORT, RunStatus.FINISHED, began=at.now - 60 * MINUTE, **FINISHED)
    said = run_sentences.no_answer(
        done=0, next_at=at.now - 30 * MINUTE, time_zone=at.practice.time_zone
    )
    by_itself = {"started_by_id": None, "done": 4312, "total": 4312}
    at.run(
        RunKind.CONTACT_SYNC,
        RunStatus.FAILED,
        began=at.now - 45 * MINUTE,
        error=said,
        started_by_id=None,
    )
    for quarter in range(5, 12):
        began = at.now - quarter * 15 * MINUTE
        at.run(RunKind.CONTACT_SYNC, RunStatus.FINISHED, began=began, **by_itself)
    at.run(
        RunKind.IMPORT,
        RunStatus.FINISHED_WITH_PROBLEMS,
        began=at.now - 2 * DAY,
        **{**FINISHED, "linked": 306, "problems": 3},
    )
    said = run_sentences.cancelled(kind="import", by=at.staff.name, done=640, total=1516)
    at.run(
        RunKind.IMPORT,
        RunStatus.CANCELLED,
        began=at.now - 3 * DAY,
        error=said,
        **HALF_DONE,
    )


@scene("Sync history", "with a running import", stands_for_screen=True)
def history(at: Office) -> Way:
    at.connect()
    past(at)
    at.run(RunKind.IMPORT, RunStatus.RUNNING, **{**HALF_DONE, "linked": 125, "problems": 3})
    return HISTORY


@scene("Sync history", "checks without changes")
def history_folded(at: Office) -> Way:
    at.connect()
    past(at)
    return f"{HISTORY}?all=1"


@scene("Sync history", "only checks without changes")
def only_folded(at: Office) -> Way:
    at.connect()
    values = {"started_by_id": None, "done": 4312, "total": 4312}
    at.run(RunKind.CONTACT_SYNC, RunStatus.FINISHED, **values)
    return HISTORY


@scene("Sync history", "nothing found")
def history_nothing(at: Office) -> Way:
    at.connect()
    past(at)
    return f"{HISTORY}?kind=undo"


@scene("Sync history", "disconnected")
def history_disconnected(at: Office) -> Way:
    at.connect(status="disconnected", disconnected_at=at.now - 20 * MINUTE)
    past(at)
    return HISTORY


@scene("Sync history", "polls not answered", outside=Outside.SILENT)
def history_silent(at: Office) -> Way:
    at.connect()
    past(at)
    at.run(RunKind.IMPORT, RunStatus.RUNNING, done=640, total=1516)
    return HISTORY


@scene("Sync history", "a day that is none", status=422)
def history_wrong_day(at: Office) -> Way:
    return f"{HISTORY}?from=yesterday"
