"""Retrying many documents: one cause at a time with what it will meet, or those that are ticked."""

from __future__ import annotations

from http import HTTPStatus
from typing import cast
from urllib.parse import urlencode
from uuid import UUID

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for

from dashboard import wiring
from dashboard.database import db
from dashboard.queries import documents, push_groups
from dashboard.queries.document_states import shown_by
from dashboard.queries.push_groups import Chosen, Filters, Group, Preflight
from dashboard.rules.push_sentences import Fix
from dashboard.rules.retry_groups import (
    GROUPS,
    UNLINKED,
    GroupWords,
    obstacle_sentence,
)
from dashboard.services.refusals import NotFound
from dashboard.views.call_budget import cost_of_filing
from dashboard.views.filters import plural
from dashboard.views.frame import Frame, current_frame
from dashboard.views.guards import current_practice_id, current_user_id, sign_in_required
from jobs.queue import poke

pages = Blueprint("document_retry", __name__, url_prefix="/documents/retry")

FILTERS = ("client", "q", "type", "year")


@pages.get("")
@sign_in_required
def ask() -> str:
    """What a retry of one cause's documents will meet; nothing is done yet."""
    chosen = _of_cause(request.args.get("cause", ""))
    frame = cast(Frame, current_frame())
    shown = shown_by(frame.summary)
    found = push_groups.preflight(db.session, current_practice_id(), shown, chosen)
    waiting = documents.counts(db.session, current_practice_id(), shown=shown).way
    what = plural(found.ready, "Retrying it", "Retrying them")
    return render_template(
        "documents/retry.html",
        words=GROUPS[chosen.cause],
        found=found,
        shown=shown,
        blocked=[(obstacle_sentence(n, cause), link_to_fix(cause)) for cause, n in found.blocked],
        cost=cost_of_filing(what, frame.summary, found.ready, waiting) if shown.goes_on else "",
        fields={"cause": chosen.cause, **kept_filters()},
        back_url=_list_url(),
    )


@pages.post("")
@sign_in_required
def start() -> Response:
    """Retry what can be retried, and say what cannot and why; pressed twice it is done once."""
    cause = request.form.get("cause", "")
    chosen = _of_cause(cause) if cause else Chosen(ids=ids_in(request.form.getlist("ticked")))
    practice_id, shown = current_practice_id(), shown_by(cast(Frame, current_frame()).summary)
    found = push_groups.preflight(db.session, practice_id, shown, chosen)
    ready = push_groups.ready_ids(db.session, practice_id, shown, chosen)
    started = wiring.documents().retry_many(practice_id, current_user_id(), ready)
    poke("file-push", practice_id)
    flash(_result(started, found, by_cause=bool(cause)), "info")
    return cast(Response, redirect(_list_url(), HTTPStatus.SEE_OTHER))


def filters_of_list() -> Filters:
    """Return what narrows the list, as the request says it."""
    return {
        "client_id": id_in(request.values.get("client", "")),
        "q": request.values.get("q", "").strip(),
        "type_": request.values.get("type", ""),
        "year": request.values.get("year", ""),
    }


def kept_filters() -> dict[str, str]:
    """Return the same as fields of a link or a form."""
    return {name: value for name in FILTERS if (value := request.values.get(name))}


def group_rows(groups: tuple[Group, ...]) -> list[tuple[Group, GroupWords, str, str]]:
    """Return each group with its words, and the label and address of its one action."""
    return [(group, GROUPS[group.cause], *_action(group)) for group in groups]


def link_to_fix(cause: str) -> str:
    """Return where to mend what keeps documents of this cause back; empty where nowhere."""
    if GROUPS[cause].fix is not Fix.LINK_CLIENT:
        return ""
    return url_for(
        "clients.page", xero="unlinked" if cause == UNLINKED else "archived", attention="1"
    )


def id_in(given: str) -> UUID | None:
    """Return the id that was given, or None."""
    try:
        return UUID(given)
    except ValueError:
        return None


def ids_in(given: list[str]) -> list[UUID]:
    """Return those that are ids."""
    return [found for found in map(id_in, given) if found is not None]


def _list_url() -> str:
    query = urlencode({"tab": "attention", **kept_filters()})
    return f"{url_for('documents.page')}?{query}"


def _action(group: Group) -> tuple[str, str]:
    fix = GROUPS[group.cause].fix
    if fix is Fix.LINK_CLIENT:
        return plural(group.total, "Link the client", "Link the clients"), link_to_fix(group.cause)
    if fix is Fix.NONE:
        return "", ""
    label = (
        plural(group.ready, "Retry {n} document", "Retry {n} documents")
        if fix is Fix.RETRY
        else plural(group.ready, "Put {n} on its contact", "Put {n} on their contacts")
    )
    query = urlencode({"cause": group.cause, **kept_filters()})
    return label, f"{url_for('document_retry.ask')}?{query}"


def _of_cause(cause: str) -> Chosen:
    if cause not in GROUPS:
        raise NotFound
    return Chosen(cause, filters_of_list())


def _result(started: int, found: Preflight, *, by_cause: bool) -> str:
    if not found.total:
        nothing = "Nothing is left to retry here: these documents are on their way or filed."
        return nothing if by_cause else "No document was ticked."
    settled = found.total - started - sum(count for _, count in found.blocked) - found.not_sent
    sentences = [f"Retry started for {started:,}."] if started else []
    sentences += [obstacle_sentence(count, cause) for cause, count in found.blocked]
    if settled > 0:
        words = "{n} needs no retry: it is on its way or filed."
        sentences.append(
            plural(settled, words, "{n} need no retry: they are on their way or filed.")
        )
    if found.not_sent:
        words = "{n} was never sent, so there is nothing to retry."
        sentences.append(
            plural(found.not_sent, words, "{n} were never sent, so there is nothing to retry.")
        )
    return " ".join(sentences)
