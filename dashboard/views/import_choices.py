"""Ticks and decisions of an import: one by one, a page, all that match, and side by side.

They live in the draft on the server, so that they outlast filters, pages, sign-out and another
computer. With script each is one small post; without it "Save ticks on this page" posts the page.
"""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response, flash, render_template, request

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.extensions import htmx
from dashboard.queries import contact_comparison, contact_counts, contacts
from dashboard.queries.contacts import Candidate, PreviewRow
from dashboard.queries.import_places import Draft
from dashboard.rules import import_sentences
from dashboard.rules.status_words import match_word
from dashboard.services.refusals import InvalidInput, NotFound
from dashboard.views.contact_import import back_to_page, draft_of_practice, leads_elsewhere
from dashboard.views.filters import hour_minute, number, place_of_request, plural
from dashboard.views.guards import current_practice_id, current_user_id, sign_in_required
from dashboard.views.import_screen import Screen, look_at

pages = Blueprint("import_choices", __name__, url_prefix="/import")

MOST_ROWS = 500
DECISION = "decision-"
CLIENT = "-client"
DECIDED = "decided-"
LINK = "link"
CLASH = "clash"
LEFT = ("{n} was left as it was:", "{n} were left as they were:")
WHY_LEFT = {
    "suggestion": "what is doubtful has no suggestion.",
    "create": "an exact match is not created a second time.",
    "skip": "it cannot be skipped.",
}


@pages.post("/<uuid:draft_id>/ticks")
@sign_in_required
def ticks(draft_id: UUID) -> Response | str:
    """Keep which of the rows that are shown are ticked; without script their decisions too."""
    shown, ticked = _shown(), set(request.form.getlist("ticked"))
    changed = _changed_ticks(shown, ticked)
    _tick(draft_id, [one for one in changed if one in ticked], selected=True)
    _tick(draft_id, [one for one in changed if one not in ticked], selected=False)
    if htmx:
        return render_template(
            "contact_import/_ticked.html",
            screen=_counts_screen(draft_of_practice(draft_id)),
            changed=len(shown),
        )
    for sentence in _decide_all(draft_id, shown):
        flash(sentence, "info")
    return back_to_page(draft_id)


@pages.post("/<uuid:draft_id>/decisions/<contact_id>")
@sign_in_required
def decisions(draft_id: UUID, contact_id: str) -> Response | str:
    """Keep what shall happen to one contact, and show what that means for the others."""
    draft = draft_of_practice(draft_id)
    rivals = contacts.contested_ids(db.session, draft.place)
    replaced = _decide(draft_id, contact_id)
    if not htmx:
        if replaced:
            flash(replaced, "info")
        return back_to_page(draft_id)
    rivals ^= contacts.contested_ids(db.session, draft.place)
    wanted = [contact_id, *sorted(rivals & set(_shown()) - {contact_id})]
    changed = contacts.preview_rows(db.session, draft.place, wanted)
    return render_template(
        "contact_import/_decided.html",
        screen=_counts_screen(draft),
        rows=changed.values(),
        decided_row=changed[contact_id],
        replaced=replaced,
        match_word=match_word,
        by_select=request.headers.get("HX-Trigger", "").endswith(CLIENT),
    )


@pages.post("/<uuid:draft_id>/not-a-match")
@sign_in_required
def not_a_match(draft_id: UUID) -> Response:
    """Remember that a contact is not the client that was suggested."""
    draft_of_practice(draft_id)
    contact_id, _, client_id = request.form.get("pair", "").partition(" ")
    wiring.match_verdicts().not_a_match(
        current_practice_id(), current_user_id(), contact_id, _uuid(client_id)
    )
    flash("This pair is not suggested again.", "success")
    return back_to_page(draft_id)


@pages.get("/<uuid:draft_id>/contacts/<contact_id>")
@sign_in_required
def compare(draft_id: UUID, contact_id: str) -> Response | str:
    """One contact beside a client that it may be, with the reasons, and a search for others."""
    draft = draft_of_practice(draft_id)
    elsewhere = leads_elsewhere(draft)
    if elsewhere is not None:
        return elsewhere
    row = contacts.preview_row(db.session, draft.place, contact_id)
    if row is None:
        raise NotFound
    needle = request.args.get("client_q", "").strip()
    practice_id = current_practice_id()
    client_id = _client_compared(row)
    fields = contact_comparison.fields(db.session, draft.place, practice_id, contact_id, client_id)
    if fields is None:
        raise NotFound
    candidate = _candidate(row, client_id)
    is_chosen = candidate is None and row.can_tick
    return render_template(
        "contact_import/compare.html",
        row=row,
        fields=fields,
        client_id=client_id,
        rivals=contact_comparison.rivals(db.session, draft.place, contact_id, client_id)
        if client_id and row.match == CLASH
        else (),
        candidate=candidate,
        chosen=contact_comparison.client(db.session, draft.place, practice_id, client_id)
        if client_id is not None and is_chosen
        else None,
        needle=needle,
        found=contact_comparison.clients_found(db.session, draft.place, practice_id, needle)
        if needle
        else None,
        look=look_at(request.args),
        draft_id=draft_id,
        word=match_word(row.match),
    )


@pages.post("/<uuid:draft_id>/tick-matching")
@sign_in_required
def tick_matching(draft_id: UUID) -> Response:
    """Tick every contact that fits the filters, shown on this page or not."""
    wiring.import_drafts().tick_matching(
        current_practice_id(), current_user_id(), draft_id, look_at(request.args).wanted, True
    )
    return back_to_page(draft_id)


@pages.post("/<uuid:draft_id>/clear")
@sign_in_required
def clear(draft_id: UUID) -> Response:
    """Take away every tick; decisions stay."""
    wiring.import_drafts().clear(current_practice_id(), current_user_id(), draft_id)
    return back_to_page(draft_id)


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
    return back_to_page(draft_id)


def _counts_screen(draft: Draft) -> Screen:
    """Return the screen without its rows: what the counts beside them need."""
    look = look_at(request.args)
    around = contact_counts.overview(db.session, draft.place, look.wanted)
    return Screen(draft_id=draft.id, look=look, rows=(), around=around)


def _client_compared(row: PreviewRow) -> UUID | None:
    """Return the client that was asked for, else the one decided on, else the likeliest."""
    asked = request.args.get("client", "")
    if asked:
        return _uuid(asked)
    if row.linked_client_id or row.decision.client_id:
        return row.linked_client_id or row.decision.client_id
    return row.candidates[0].client_id if row.candidates else None


def _candidate(row: PreviewRow, client_id: UUID | None) -> Candidate | None:
    return next((one for one in row.candidates if one.client_id == client_id), None)


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


def _changed_ticks(shown: list[str], ticked: set[str]) -> list[str]:
    """Return the rows whose tick the person changed.

    A page as a whole also sends what was ticked when it was drawn: ticks that somebody else set or
    took away since are left alone. A script sends what changed and nothing else.
    """
    if "page" not in request.form:
        return shown
    were = set(request.form.getlist("were"))
    return [one for one in shown if (one in ticked) != (one in were)]


def _decide_all(draft_id: UUID, shown: list[str]) -> list[str]:
    """Keep the decisions of a whole page; only those that the person changed are written.

    Returns a sentence for each that took the place of somebody else's.
    """
    replaced = []
    for contact_id in shown:
        action, client_id = _asked(contact_id)
        now = f"{action} {client_id}" if action == LINK else action
        if action and now != request.form.get(DECIDED + contact_id, ""):
            replaced.append(_decide(draft_id, contact_id))
    return [sentence for sentence in replaced if sentence]


def _decide(draft_id: UUID, contact_id: str) -> str | None:
    """Keep one decision; say so if somebody decided otherwise since the page was drawn."""
    action, client_id = _asked(contact_id)
    if not action:
        raise InvalidInput("Choose what to do with the contact.")
    replaced = wiring.import_drafts().decide(
        current_practice_id(),
        current_user_id(),
        draft_id,
        contact_id,
        action,
        _uuid(client_id) if action == LINK else None,
    )
    if replaced is None:
        return None
    client = f" {replaced.client_id}" if replaced.client_id else ""
    if f"{replaced.action}{client}" == request.form.get(DECIDED + contact_id):
        return None
    return import_sentences.replaced(
        contact=replaced.contact_name,
        by=replaced.decided_by,
        at=hour_minute(replaced.decided_at, place_of_request(utcnow())),
        action=replaced.action,
        client=replaced.client_name,
    )


def _asked(contact_id: str) -> tuple[str, str]:
    """Return the action and the client of a row: both in the radio, or the client in a select."""
    action, _, client_id = request.form.get(DECISION + contact_id, "").partition(" ")
    return action, client_id or request.form.get(DECISION + contact_id + CLIENT, "")


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as malformed:
        raise InvalidInput("Choose a client from the list.") from malformed
