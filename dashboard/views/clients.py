"""Clients: the list, one client with its Xero contact and documents, and adding one."""

from __future__ import annotations

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
    url_for,
)

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.queries import clients, contacts, documents, sync_runs
from dashboard.queries.clients import ClientDetail, Difference, LinkedContact, PlainClient
from dashboard.queries.contacts import PreviewRow
from dashboard.queries.document_states import Shown, shown_by
from dashboard.rules.client_fields import FIELD_NAMES, FIELDS
from dashboard.rules.status_words import StatusWord, link_word, match_word
from dashboard.services.refusals import InvalidInput, NotFound
from dashboard.views import frame
from dashboard.views.contacts_api import readable_cursor
from dashboard.views.guards import current_practice_id, current_user_id, sign_in_required
from dashboard.views.paging import encode_cursor, page_args
from dashboard.views.run_view import KINDS, changes_of
from dashboard.views.sync_history import OUTCOMES
from jobs.queue import poke

pages = Blueprint("clients", __name__, url_prefix="/clients")

LINKS: dict[str, dict[str, bool]] = {
    "linked": {"linked": True},
    "unlinked": {"linked": False},
    "archived": {"archived": True},
}
FIELD_WORDS = {
    "name": ("a", "name"),
    "email": ("an", "email"),
    "phone": ("a", "phone number"),
    "company_number": ("a", "company number"),
    "tax_number": ("a", "tax number"),
}
# https://github.com/XeroAPI/xero-mcp-server, src/consts/deeplinks.ts
XERO_CONTACT = "https://go.xero.com/app/{code}/contacts/contact/{contact_id}"
DOCUMENTS_SHOWN = 10
CHOICES_SHOWN = 20
HISTORY_SHOWN = 10


@pages.get("")
@sign_in_required
def page() -> str:
    """The practice's clients by name."""
    wanted = page_args()
    asked = {name: request.args.get(name, "").strip() for name in ("q", "tag", "xero", "attention")}
    if asked["xero"] not in {"", *LINKS}:
        raise InvalidInput("There is no such filter.", "Choose one from the list.", field="xero")
    with readable_cursor():
        found = clients.page(
            db.session,
            current_practice_id(),
            q=asked["q"],
            tag=asked["tag"],
            attention=bool(asked["attention"]),
            **LINKS.get(asked["xero"], {}),
            limit=wanted.limit,
            cursor=wanted.cursor,
            shown=_shown(),
        )
    tags = clients.tags(db.session, current_practice_id())
    cursor = encode_cursor(found.next_cursor)
    return render_template(
        "clients/page.html",
        rows=found.rows,
        total=found.total,
        asked=asked,
        tag_choices=[
            (tag.name, f"{tag.name} (from Xero)" if tag.from_xero else tag.name) for tag in tags
        ],
        shows_tags_from_xero=any(tag.from_xero for row in found.rows for tag in row.tags),
        is_tag_from_xero=any(tag.from_xero and tag.name == asked["tag"] for tag in tags),
        is_filtered=any(asked.values()),
        link_word=_link_word,
        is_first_page=wanted.cursor is None,
        is_connected=_is_connected(),
        first_url=_address(asked),
        next_url=_address({**asked, "cursor": cursor}) if cursor else None,
    )


@pages.get("/new")
@sign_in_required
def new() -> str:
    """The form for a client."""
    return render_template("clients/new.html", values={}, errors={})


@pages.post("")
@sign_in_required
def create() -> Response:
    """Add a client; a field that cannot be kept is said at the field, and nothing typed is lost."""
    given = {field: request.form.get(field, "") for field in FIELDS}
    try:
        client = wiring.clients().create(current_practice_id(), given)
    except InvalidInput as refusal:
        form = render_template(
            "clients/new.html", values=given, errors={refusal.field: refusal.text}
        )
        return make_response(form, HTTPStatus.UNPROCESSABLE_ENTITY)
    flash(f"{client.name} was added.", "success")
    return _see(url_for("clients.one", client_id=client.id))


@pages.get("/<uuid:client_id>")
@sign_in_required
def one(client_id: UUID) -> str:
    """One client, its tags, its contact in Xero, and its documents."""
    return _page_of(client_id)


@pages.post("/<uuid:client_id>/tags")
@sign_in_required
def tag(client_id: UUID) -> Response:
    """Give the client a tag of the practice's own; what cannot be one is said at the field."""
    word = request.form.get("tag", "")
    try:
        wiring.own_tags().add(current_practice_id(), client_id, word)
    except InvalidInput as refusal:
        db.session.rollback()
        page = _page_of(client_id, typed_tag=word, tag_error=refusal.text)
        return make_response(page, HTTPStatus.UNPROCESSABLE_ENTITY)
    return _see(url_for("clients.one", client_id=client_id, _anchor="tags"))


@pages.post("/<uuid:client_id>/tags/remove")
@sign_in_required
def untag(client_id: UUID) -> Response:
    """Take a tag of the practice's own off the client."""
    wiring.own_tags().remove(current_practice_id(), client_id, request.form.get("tag", ""))
    return _see(url_for("clients.one", client_id=client_id, _anchor="tags"))


@pages.get("/<uuid:client_id>/edit")
@sign_in_required
def edit(client_id: UUID) -> str:
    """The form with the client's own fields."""
    client = _plain(client_id)
    values = {field: getattr(client, field) or "" for field in FIELDS}
    return render_template("clients/edit.html", client=client, values=values, errors={})


@pages.post("/<uuid:client_id>/edit")
@sign_in_required
def save(client_id: UUID) -> Response:
    """Change the client; a field that cannot be kept is said at the field."""
    given = {field: request.form.get(field, "") for field in FIELDS}
    try:
        client = wiring.clients().change(current_practice_id(), client_id, given)
    except InvalidInput as refusal:
        form = render_template(
            "clients/edit.html",
            client=_plain(client_id),
            values=given,
            errors={refusal.field: refusal.text},
        )
        return make_response(form, HTTPStatus.UNPROCESSABLE_ENTITY)
    flash(f"{client.name} was changed.", "success")
    return _see(url_for("clients.one", client_id=client_id))


@pages.post("/<uuid:client_id>/differences")
@sign_in_required
def choose_value(client_id: UUID) -> Response:
    """Take Xero's value of one field, or keep ours."""
    field, keep = request.form.get("field", ""), request.form.get("keep", "")
    service = wiring.clients()
    if keep == "xero":
        client = service.use_xeros(current_practice_id(), client_id, field)
        flash(f"{client.name} now has the {FIELD_NAMES[field]} that Xero has.", "success")
    elif keep == "ours":
        service.keep_ours(current_practice_id(), client_id, field)
        flash(f"We keep our {FIELD_NAMES[field]} until it changes in Xero again.", "success")
    else:
        raise InvalidInput("There is no such choice.", "Use Xero’s value, or keep ours.")
    return _see(url_for("clients.one", client_id=client_id, _anchor="xero-contact"))


@pages.get("/<uuid:client_id>/link")
@sign_in_required
def choose_contact(client_id: UUID) -> str:
    """The contacts that were read, to choose which of them the client is."""
    client = _plain(client_id)
    q, rows = _found_contacts(client.name, request.args.get("q"))
    return render_template(
        "clients/link.html",
        client=client,
        q=q,
        rows=sorted(rows, key=lambda row: not _may_be(row, client_id)),
        most=CHOICES_SHOWN,
        is_connected=_is_connected(),
        match_word=match_word,
    )


@pages.post("/<uuid:client_id>/link")
@sign_in_required
def link(client_id: UUID) -> Response:
    """Link the client to a contact, instead of any other."""
    client = wiring.clients().link(
        current_practice_id(), current_user_id(), client_id, request.form.get("contact_id", "")
    )
    poke("file-push", client.practice_id)
    flash(f"{client.name} is linked to its contact in Xero.", "success")
    return _see(url_for("clients.one", client_id=client_id))


@pages.get("/<uuid:client_id>/unlink")
@sign_in_required
def ask_unlink(client_id: UUID) -> str:
    """What unlinking means, before it is done."""
    return render_template("clients/unlink.html", detail=_client(client_id))


@pages.post("/<uuid:client_id>/unlink")
@sign_in_required
def unlink(client_id: UUID) -> Response:
    """Take the link away; the files that lie in Xero stay there."""
    client = wiring.clients().unlink(current_practice_id(), current_user_id(), client_id)
    flash(f"{client.name} is no longer linked to a contact in Xero.", "success")
    return _see(url_for("clients.one", client_id=client_id))


def _found_contacts(name: str, asked: str | None) -> tuple[str, tuple[PreviewRow, ...]]:
    """Return what was looked for, and what was found; unasked it is the client's own name."""
    # Names differ in their endings ("Ltd", a second name) far more often than in their first word.
    needles = [name, name.split(maxsplit=1)[0]] if asked is None else [asked.strip()]
    for needle in needles if _is_connected() else ():
        rows = contacts.link_choices(db.session, _shown().id, needle, limit=CHOICES_SHOWN)
        if rows:
            return needle, rows
    return needles[0], ()


def _may_be(row: PreviewRow, client_id: UUID) -> bool:
    return any(candidate.client_id == client_id for candidate in row.candidates)


def _link_word(contact: LinkedContact | None) -> StatusWord:
    if contact is None:
        return link_word(None, is_linked=False)
    return link_word(contact.status, is_linked=True, is_merged=contact.merged_to is not None)


def _in_xero(contact: LinkedContact | None, shown: Shown) -> str | None:
    """Return the contact's page in Xero."""
    if contact is None or shown.short_code is None:
        return None
    return XERO_CONTACT.format(code=shown.short_code, contact_id=contact.xero_contact_id)


def _page_of(client_id: UUID, *, typed_tag: str = "", tag_error: str | None = None) -> str:
    detail, shown = _client(client_id), _shown()
    found = documents.page(
        db.session,
        current_practice_id(),
        now=utcnow(),
        client_id=client_id,
        limit=DOCUMENTS_SHOWN,
        shown=shown,
    )
    return render_template(
        "clients/one.html",
        detail=detail,
        documents=found.rows,
        link_word=_link_word(detail.client.contact),
        has_more_documents=found.next_cursor is not None,
        history=sync_runs.items_of_client(
            db.session, current_practice_id(), client_id, limit=HISTORY_SHOWN
        ),
        changes_of=changes_of,
        outcomes=OUTCOMES,
        kinds=KINDS,
        is_connected=shown.is_current,
        in_xero=_in_xero(detail.client.contact, shown),
        differences=[(one.field, *_difference(one), one.is_kept) for one in detail.differences],
        field_names=FIELD_NAMES,
        typed_tag=typed_tag,
        tag_error=tag_error,
    )


def _client(client_id: UUID) -> ClientDetail:
    found = clients.one(db.session, current_practice_id(), client_id, shown=_shown())
    if found is None:
        raise NotFound
    return found


def _plain(client_id: UUID) -> PlainClient:
    found = clients.plain(db.session, current_practice_id(), client_id, shown=_shown())
    if found is None:
        raise NotFound
    return found


def _difference(found: Difference) -> tuple[str, str | None]:
    """Return what Xero has instead of ours, as words and the value that Xero has."""
    article, word = FIELD_WORDS[found.field]
    if found.in_xero is None:
        return f"Xero has no {word}.", None
    if found.ours is None:
        return f"Xero has {article} {word}:", found.in_xero
    return f"Xero has another {word}:", found.in_xero


def _is_connected() -> bool:
    return _shown().is_current


def _shown() -> Shown:
    """Return the connection as the frame of this request has read it already."""
    around = frame.current_frame()
    return shown_by(around.summary if around else None)


def _address(query: dict[str, str]) -> str:
    asked = urlencode({name: value for name, value in query.items() if value})
    return url_for("clients.page") + (f"?{asked}" if asked else "")


def _see(target: str) -> Response:
    return cast(Response, redirect(target, HTTPStatus.SEE_OTHER))
