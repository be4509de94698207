"""Documents: the list, one document with its way to Xero, and what people do with them."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import cast
from urllib.parse import urlencode
from uuid import UUID

from flask import (
    Blueprint,
    Response,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    send_file,
    url_for,
)

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.queries import clients, documents, push_groups, stamps
from dashboard.queries.clients import ClientRow
from dashboard.queries.document_states import Shown, shown_by
from dashboard.queries.documents import TABS, DocumentDetail
from dashboard.queries.push_groups import Group
from dashboard.queries.stamps import Reader, documents_stamp
from dashboard.services.refusals import InvalidInput, NotFound, UploadRefused
from dashboard.views import guards
from dashboard.views.call_budget import cost_of_filing
from dashboard.views.document_retry import (
    filters_of_list,
    group_rows,
    id_in,
    ids_in,
    kept_filters,
)
from dashboard.views.documents_api import receive_upload
from dashboard.views.filters import plural
from dashboard.views.frame import Frame, current_frame
from dashboard.views.guards import (
    current_practice_id,
    current_user_id,
    sign_in_required,
    unless_seen,
)
from dashboard.views.paging import encode_cursor, page_args
from dashboard.views.push_view import (
    list_tempo,
    moving,
    tempo,
    words_for_detail,
    words_for_row,
)
from jobs.queue import poke

pages = Blueprint("documents", __name__, url_prefix="/documents")


TAB_WORDS = {
    "": "All",
    "attention": "Needs attention",
    "way": "On its way",
    "on_hold": "On hold",
    "filed": "Filed",
    "not_sent": "Not sent",
}
OFFERED = 20


@pages.get("")
@sign_in_required
def page() -> str:
    """The practice's documents by tab and filter."""
    practice_id, wanted, now = current_practice_id(), page_args(), utcnow()
    frame, filters = cast(Frame, current_frame()), filters_of_list()
    shown = shown_by(frame.summary)
    tab = request.args.get("tab", "")
    if tab not in {"", *TABS}:
        raise NotFound
    found = documents.page(
        db.session,
        practice_id,
        now=now,
        tab=tab,
        limit=wanted.limit,
        cursor=wanted.cursor,
        shown=shown,
        **filters,
    )
    counts = documents.counts(db.session, practice_id, shown=shown, **filters)
    live = [row for row in found.rows if tempo(row, now)]
    choices = documents.filter_choices(db.session, practice_id)
    cursor = encode_cursor(found.next_cursor)
    # Only at the top of the whole list is it clear where a new document would appear.
    is_top = not (tab or any(filters.values()) or wanted.cursor)
    newest = max((row.created_at for row in found.rows), default=None) if is_top else None
    by_cause: tuple[Group, ...] = ()
    unsent: tuple[UUID, ...] = ()
    if tab == "attention":
        by_cause = push_groups.groups(db.session, practice_id, shown, filters)
    else:
        unsent = documents.unsent_ids(db.session, practice_id, shown=shown)
    return render_template(
        "documents/page.html",
        rows=[(row, words_for_row(row, frame)) for row in found.rows],
        tabs=_tabs(tab, counts),
        tab=tab,
        counts=counts,
        filters=filters,
        is_filtered=any(filters.values()),
        type_options=[("", "Any type"), *((each, each) for each in choices.types)],
        year_options=[("", "Any year"), *((each, each) for each in choices.years)],
        unsent=unsent,
        unsent_cost=cost_of_filing("Sending them", frame.summary, len(unsent), counts.way),
        groups=group_rows(by_cause),
        kept_filters=kept_filters(),
        live=live,
        moving=moving(live),
        every=list_tempo(live, now),
        badges_url=_badges_url([row.id for row in live], newest),
        seen=documents_stamp(row.way for row in live),
        changed_at=max((row.changed_at for row in live), default=None),
        first_url=_address(tab=tab),
        next_url=_address(tab=tab, cursor=cursor) if cursor else None,
        is_first_page=wanted.cursor is None,
    )


def _badges_stamp(reader: Reader, user_id: UUID) -> str | None:
    ids = ids_in(request.args.getlist("id"))
    return stamps.of_documents(reader, user_id, ids, since=_since())


@pages.get("/panels/badges")
@unless_seen(_badges_stamp)
@sign_in_required
def badges_panel() -> Response | str:
    """The badges of the list's unfinished rows, out of band; 204 while they read the same."""
    if guards.opened_directly():
        return _see(url_for("documents.page"))
    now, ids = utcnow(), ids_in(request.args.getlist("id"))
    frame = cast(Frame, current_frame())
    shown = shown_by(frame.summary)
    rows = documents.badges(db.session, current_practice_id(), ids, now=now, shown=shown)
    live = [row for row in rows if tempo(row, now)]
    since = _since()
    newer = documents.newer_than(db.session, current_practice_id(), since) if since else 0
    filed = sum(row.word.code == "filed" for row in rows)
    return render_template(
        "documents/_badges.html",
        rows=[(row, words_for_row(row, frame)) for row in rows],
        live=live,
        moving=moving(live),
        every=list_tempo(live, now),
        filed=filed,
        badges_url=_badges_url(ids, since),
        seen=documents_stamp((row.way for row in rows), newer=newer),
        newer=newer,
        changed_at=max((row.changed_at for row in rows), default=None),
    )


@pages.get("/new")
@sign_in_required
def new() -> str:
    """The form for a new document: first the client, then the file."""
    practice_id, q = current_practice_id(), request.args.get("q", "")
    client_id = id_in(request.args.get("client_id", ""))
    client = _client(client_id)
    offered = () if client else clients.names(db.session, practice_id, q, limit=OFFERED)
    return render_template("documents/new.html", client=client, offered=offered, q=q, errors=[])


@pages.post("")
@sign_in_required
def receive() -> Response:
    """Take the uploaded file; a refusal comes back with the form, nothing else is lost."""
    try:
        document_id = receive_upload()
    except (InvalidInput, UploadRefused) as refusal:
        db.session.rollback()
        return _form_again(refusal)
    flash("The document is stored. Accept it to send it to Xero.", "success")
    return _see(url_for("documents.one", document_id=document_id))


@pages.get("/<uuid:document_id>")
@sign_in_required
def one(document_id: UUID) -> str:
    """One document."""
    return render_template("documents/detail.html", **_detail_facts(document_id))


@pages.get("/<uuid:document_id>/panels/push")
@unless_seen(stamps.of_document)
@sign_in_required
def push_panel(document_id: UUID) -> Response | str:
    """The push panel; 204 while it says the same."""
    if guards.opened_directly():
        return _see(url_for("documents.one", document_id=document_id))
    return render_template(
        "documents/_push_panel.html", announce=True, **_detail_facts(document_id)
    )


@pages.get("/<uuid:document_id>/content")
@sign_in_required
def content(document_id: UUID) -> Response:
    """The document itself, as a download."""
    document, stream = wiring.documents().open(current_practice_id(), document_id)
    return send_file(
        stream,
        mimetype=document.mime_type,
        as_attachment=True,
        download_name=document.file_name,
    )


@pages.post("/<uuid:document_id>/accept")
@sign_in_required
def accept(document_id: UUID) -> Response:
    """Accept it; its push is promised in the same commit."""
    wiring.documents().accept(current_practice_id(), current_user_id(), document_id)
    poke("file-push", current_practice_id())
    return _see(url_for("documents.one", document_id=document_id, _anchor="push"))


@pages.post("/<uuid:document_id>/reject")
@sign_in_required
def reject(document_id: UUID) -> Response:
    """Reject it."""
    wiring.documents().reject(current_practice_id(), current_user_id(), document_id)
    flash("The document is rejected. It will not be sent to Xero.", "info")
    return _see(url_for("documents.one", document_id=document_id))


@pages.post("/<uuid:document_id>/retry")
@sign_in_required
def retry(document_id: UUID) -> Response:
    """Try again now, from the step that did not work."""
    wiring.documents().retry(current_practice_id(), current_user_id(), document_id)
    poke("file-push", current_practice_id())
    flash(
        "Retry started. It goes on at the step that did not work; no second file is made.", "info"
    )
    return _see(url_for("documents.one", document_id=document_id, _anchor="push"))


@pages.post("/<uuid:document_id>/send")
@sign_in_required
def send(document_id: UUID) -> Response:
    """Send one document that was accepted before Xero was connected."""
    wiring.documents().send_unsent(current_practice_id(), current_user_id(), [document_id])
    poke("file-push", current_practice_id())
    return _see(url_for("documents.one", document_id=document_id, _anchor="push"))


@pages.post("/send-unsent")
@sign_in_required
def send_unsent() -> Response:
    """Send documents that were accepted before Xero was connected."""
    ids = list(documents.unsent_ids(db.session, current_practice_id()))
    wiring.documents().send_unsent(current_practice_id(), current_user_id(), ids)
    poke("file-push", current_practice_id())
    flash(
        plural(len(ids), "{n} document is on its way.", "{n} documents are on their way."),
        "success",
    )
    return _see(url_for("documents.page", tab="way"))


def _form_again(refusal: InvalidInput | UploadRefused) -> Response:
    client = _client(id_in(request.form.get("client_id", "")))
    field = refusal.field if isinstance(refusal, InvalidInput) else "file"
    body = render_template(
        "documents/new.html",
        client=client,
        offered=(),
        q="",
        errors=[(field, refusal.text)],
        values=request.form,
    )
    return make_response(body, refusal.status)


def _client(client_id: UUID | None) -> ClientRow | None:
    found = clients.one(db.session, current_practice_id(), client_id) if client_id else None
    return found.client if found else None


def _detail(document_id: UUID, shown: Shown) -> DocumentDetail:
    found = documents.one(db.session, current_practice_id(), document_id, now=utcnow(), shown=shown)
    if found is None:
        raise NotFound
    return found


def _detail_facts(document_id: UUID) -> dict[str, object]:
    frame = cast(Frame, current_frame())
    detail = _detail(document_id, shown_by(frame.summary))
    now, row = utcnow(), detail.document
    return {
        "detail": detail,
        "row": row,
        "words": words_for_detail(detail, frame),
        "every": tempo(row, now),
        "seen": documents_stamp([row.way]),
    }


def _tabs(current: str, counts: documents.DocumentCounts) -> list[dict[str, object]]:
    tones = {"attention": "danger", "on_hold": "warning"}
    return [
        {
            "label": words,
            "url": _address(tab=tab),
            "current": tab == current,
            "count": getattr(counts, tab or "all"),
            "tone": tones.get(tab, "neutral"),
        }
        for tab, words in TAB_WORDS.items()
    ]


def _address(**changes: str | None) -> str:
    kept = {name: request.args.get(name) for name in ("tab", "client", "q", "type", "year")}
    query = {name: value for name, value in {**kept, **changes}.items() if value}
    return url_for("documents.page") + (f"?{urlencode(query)}" if query else "")


def _since() -> datetime | None:
    given = request.args.get("since", "")
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _badges_url(ids: list[UUID], since: datetime | None) -> str:
    asked = [("id", str(each)) for each in ids]
    query = urlencode([*asked, ("since", since.isoformat())] if since else asked)
    return f"{url_for('documents.badges_panel')}?{query}"


def _see(url: str) -> Response:
    return cast(Response, redirect(url, HTTPStatus.SEE_OTHER))
