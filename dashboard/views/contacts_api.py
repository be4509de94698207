"""Contacts as JSON: sync, its history, the import preview and the import itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, cast
from uuid import UUID

from flask import Blueprint, Response, jsonify, request

from dashboard import wiring
from dashboard.database import db
from dashboard.models import RunKind, RunStatus
from dashboard.queries import contact_counts, contacts, sync_runs
from dashboard.queries.contact_counts import Counts
from dashboard.queries.contacts import PreviewRow
from dashboard.queries.import_places import Place
from dashboard.queries.keyset import UnknownCursor
from dashboard.queries.sync_runs import RunRow
from dashboard.rules.preview_filter import PreviewFilter, UnknownFilter, preview_filter
from dashboard.services.refusals import InvalidInput, NotFound
from dashboard.services.run_results import ImportDecision
from dashboard.views import guards
from dashboard.views.guards import current_practice_id, current_user_id, sign_in_required
from dashboard.views.json_values import iso, json_body
from dashboard.views.paging import encode_cursor, page_args
from jobs.queue import poke

api = Blueprint("contacts_api", __name__, url_prefix="/api/integrations/xero")

MOST_DECISIONS = 10_000
ACTIONS = ("create", "link", "skip")
SUGGESTIONS = ("new", "exact")


@api.post("/sync")
@sign_in_required
def sync() -> tuple[Response, int]:
    """Start a contact sync, or answer the one that is under way."""
    run = wiring.xero_sync().request_sync(current_practice_id(), current_user_id())
    poke("contact-sync", run.practice_id)
    return _started(run.id)


@api.get("/sync-history")
@sign_in_required
def sync_history() -> Response:
    """The practice's runs, the newest first."""
    wanted = page_args()
    with readable_cursor():
        page = sync_runs.history(
            db.session,
            current_practice_id(),
            limit=wanted.limit,
            cursor=wanted.cursor,
            kind=_word("kind", tuple(RunKind)),
            status=_word("status", (*RunStatus, "problems")),
        )
    return jsonify(items=[run_json(run) for run in page.rows], next=encode_cursor(page.next_cursor))


@api.get("/runs/<uuid:run_id>")
@sign_in_required
def one_run(run_id: UUID) -> Response:
    """One run of the practice."""
    return jsonify(run_json(_run(run_id)))


@api.get("/import-preview")
@guards.writes_on_get
@sign_in_required
def import_preview() -> Response:
    """The contacts of the last sync, each with what it may be and what would happen to it."""
    wanted, shown = page_args(), asked_filter()
    # Clients may have been added since the last sync: what contacts may be is worked out anew.
    draft = wiring.xero_sync().get_import_preview(current_practice_id())
    place = Place(draft.xero_connection_id, draft.id)
    with readable_cursor():
        page = contacts.preview(db.session, place, shown, limit=wanted.limit, cursor=wanted.cursor)
    around = contact_counts.overview(db.session, place, shown)
    return jsonify(
        total=around.total,
        counts=_counts_json(around.counts),
        items=[_contact_json(row) for row in page.rows],
        next=encode_cursor(page.next_cursor),
    )


@api.post("/import")
@sign_in_required
def import_contacts() -> tuple[Response, int]:
    """Start an import of the given decisions, or of everything that needs no person."""
    body = json_body()
    if ("decisions" in body) == ("accept_suggestions" in body):
        raise InvalidInput("Send either decisions or accept_suggestions.")
    service = wiring.xero_sync()
    who = (current_practice_id(), current_user_id())
    if "decisions" in body:
        run = service.start_import(*who, _decisions(body["decisions"]))
    else:
        run = service.accept_suggestions(*who, _suggestions(body["accept_suggestions"]))
    poke("contact-import", run.practice_id)
    return _started(run.id)


def run_json(run: RunRow) -> dict[str, Any]:
    """Return a run as JSON has it."""
    return {
        "id": str(run.id),
        "kind": run.kind,
        "status": run.status,
        "total": run.total,
        "done": run.done,
        "created": run.created,
        "linked": run.linked,
        "updated": run.updated,
        "skipped": run.skipped,
        "problems": run.problems,
        "error": run.error,
        "started_at": iso(run.started_at),
        "finished_at": iso(run.finished_at),
    }


def asked_filter() -> PreviewFilter:
    """Return the filter of the request's address; a word that does not exist is refused."""
    try:
        return preview_filter(request.args)
    except UnknownFilter as unknown:
        raise InvalidInput(str(unknown)) from unknown


@contextmanager
def readable_cursor() -> Iterator[None]:
    """Refuse a cursor that reads well but is not one of this list's."""
    try:
        yield
    except UnknownCursor as unknown:
        raise InvalidInput(str(unknown), field="cursor") from unknown


def _started(run_id: UUID) -> tuple[Response, int]:
    return jsonify(run_json(_run(run_id))), HTTPStatus.ACCEPTED


def _run(run_id: UUID) -> RunRow:
    run = sync_runs.run(db.session, current_practice_id(), run_id)
    if run is None:
        raise NotFound
    return run


def _word(field: str, words: tuple[str, ...]) -> str:
    word = request.args.get(field, "")
    if word and word not in words:
        raise InvalidInput(f"{field} is one of: {', '.join(words)}.", field=field)
    return word


def _counts_json(counts: Counts) -> dict[str, int]:
    words = ("new", "exact", "possible", "clash", "linked", "unavailable")
    numbers = {word: cast(int, getattr(counts, word)) for word in words}
    # A person's word, not the detector's: it is there once somebody skipped a contact for good.
    return numbers | ({"skipped": counts.skipped} if counts.skipped else {})


def _contact_json(row: PreviewRow) -> dict[str, Any]:
    return {
        "xero_contact_id": row.xero_contact_id,
        "name": row.name,
        "email": row.email,
        "groups": list(row.groups),
        "match": row.match,
        "candidates": [
            {
                "client_id": str(candidate.client_id),
                "client_name": candidate.client_name,
                "reasons": list(candidate.reasons),
                "score": candidate.score,
            }
            for candidate in row.candidates
        ],
        "decision": _decision_json(row),
    }


def _decision_json(row: PreviewRow) -> dict[str, Any] | None:
    if row.decision.action is None or row.decision.is_contested:
        return None
    client_id = row.decision.client_id
    return {"action": row.decision.action, "client_id": str(client_id) if client_id else None}


def _suggestions(given: object) -> set[str]:
    if not isinstance(given, list) or not given or any(word not in SUGGESTIONS for word in given):
        raise InvalidInput(
            "accept_suggestions is a list of the match words new and exact.",
            field="accept_suggestions",
        )
    return set(given)


def _decisions(given: object) -> list[ImportDecision]:
    if not isinstance(given, list) or not given:
        raise InvalidInput("decisions is a list of at least one decision.", field="decisions")
    if len(given) > MOST_DECISIONS:
        raise InvalidInput(
            f"One import takes up to {MOST_DECISIONS:,} decisions.",
            "Send the rest as another import when this one has finished.",
            field="decisions",
        )
    decisions = [_decision(number, one) for number, one in enumerate(given, start=1)]
    if len({decision.xero_contact_id for decision in decisions}) < len(decisions):
        raise InvalidInput("A contact is decided twice.", field="decisions")
    return decisions


def _decision(number: int, given: object) -> ImportDecision:
    if not isinstance(given, dict):
        raise _wrong_decision(number, "it is an object with xero_contact_id and action")
    action, client_id = given.get("action"), given.get("client_id")
    if action not in ACTIONS:
        raise _wrong_decision(number, "action is create, link or skip")
    if (action == "link") != (client_id is not None):
        raise _wrong_decision(number, "client_id belongs to link, and only to link")
    return ImportDecision(
        xero_contact_id=str(_uuid(number, "xero_contact_id", given.get("xero_contact_id"))),
        action=cast(str, action),
        client_id=_uuid(number, "client_id", client_id) if client_id is not None else None,
    )


def _uuid(number: int, field: str, given: object) -> UUID:
    try:
        return UUID(cast(str, given))
    except (ValueError, TypeError, AttributeError) as malformed:
        raise _wrong_decision(number, f"{field} is not an id") from malformed


def _wrong_decision(number: int, why: str) -> InvalidInput:
    return InvalidInput(
        f"Decision {number} cannot be used: {why}.", "Nothing was imported.", field="decisions"
    )
