"""Scenes of the import: the preview, a comparison, the review."""

from __future__ import annotations

from urllib.parse import urlencode

from sqlalchemy import update

from dashboard import wiring
from dashboard.database import db
from dashboard.gallery import cast
from dashboard.gallery.office import DAY, MINUTE, Office
from dashboard.gallery.scenes import Outside, Press, Way, Who, scene
from dashboard.models import (
    Client,
    DraftDecision,
    ImportDraft,
    RunKind,
    RunStatus,
    Verdict,
    XeroContact,
)
from dashboard.models.xero_contact import MatchDecision
from dashboard.rules import run_sentences
from dashboard.rules.preview_filter import PreviewFilter

IMPORT = "/import"
EVERYBODY = PreviewFilter()


def page_of(draft: ImportDraft, **look: str) -> str:
    """Return the address of a preview."""
    return f"{IMPORT}/{draft.id}?{urlencode({'type': '', **look})}"


def tick(at: Office, draft: ImportDraft, wanted: PreviewFilter = EVERYBODY) -> None:
    """Tick what fits a filter."""
    wiring.import_drafts().tick_matching(at.id, at.admin.id, draft.id, wanted)


@scene("Import", "not connected")
def not_connected(at: Office) -> Way:
    return IMPORT


@scene("Import", "not connected, for staff", who=Who.STAFF)
def not_connected_for_staff(at: Office) -> Way:
    return IMPORT


@scene("Import", "not read yet")
def not_read(at: Office) -> Way:
    at.connect(last_sync_at=None, last_sync_contact_count=None)
    return page_of(at.draft())


def read_first(at: Office, status: RunStatus, *, done: int = 0, **values: object) -> str:
    """Return the page of a practice whose first reading of contacts stands so."""
    at.connect(last_sync_at=None, last_sync_contact_count=None)
    progress = {"step": "read", "page": done // 1000 + 1, "modified_since": None}
    at.run(RunKind.CONTACT_SYNC, status, done=done, progress=progress, **values)
    return page_of(at.draft())


@scene("Import", "waiting to read")
def waiting_to_read(at: Office) -> Way:
    return read_first(at, RunStatus.WAITING)


@scene("Import", "reading")
def reading(at: Office) -> Way:
    return read_first(at, RunStatus.RUNNING, done=1200, total=4312)


@scene("Import", "reading, slowed down")
def slowed_down(at: Office) -> Way:
    wait = {"not_before": at.now + 25 * MINUTE, "waits_because": "minute"}
    address = read_first(at, RunStatus.WAITING_FOR_XERO, done=1200, total=4312, **wait)
    at.truth.must_wait(at.connection.id, (25 * MINUTE).total_seconds(), "minute")
    return address


@scene("Import", "partly read")
def partly_read(at: Office) -> Way:
    said = run_sentences.no_answer(
        done=15, next_at=at.now + 15 * MINUTE, time_zone=at.practice.time_zone
    )
    address = read_first(at, RunStatus.FAILED, done=15, total=40, error=said)
    at.mirror()
    return address


@scene("Import", "nothing could be read")
def nothing_read(at: Office) -> Way:
    said = run_sentences.no_answer(
        done=0, next_at=at.now + 15 * MINUTE, time_zone=at.practice.time_zone
    )
    return read_first(at, RunStatus.FAILED, error=said)


@scene("Import", "ready", stands_for_screen=True)
def ready(at: Office) -> Way:
    return page_of(at.preview())


@scene("Import", "ticked, some of them hidden")
def ticked(at: Office) -> Way:
    draft = at.preview()
    tick(at, draft)
    return page_of(draft, match="possible")


@scene("Import", "nearly all ticked")
def nearly_all(at: Office) -> Way:
    draft = at.preview()
    tick(at, draft)
    drafts = wiring.import_drafts()
    drafts.tick(at.id, at.admin.id, draft.id, [cast.contact_id(9)], selected=False)
    return page_of(draft)


@scene("Import", "read again while ticking")
def read_again(at: Office) -> Way:
    draft = at.preview()
    at.run(RunKind.CONTACT_SYNC, RunStatus.RUNNING, done=8, total=15)
    return page_of(draft)


@scene("Import", "second of several pages")
def second_page(at: Office) -> Way:
    draft = at.preview()
    at.mirror((*cast.contacts(), *cast.many(80)))
    return page_of(draft, per="25", page="2")


@scene("Import", "suppliers hidden")
def suppliers_hidden(at: Office) -> Way:
    return page_of(at.preview(), type="likely")


@scene("Import", "empty organisation")
def empty_organisation(at: Office) -> Way:
    at.connect(last_sync_contact_count=0)
    return page_of(at.draft())


@scene("Import", "nothing found")
def nothing_found(at: Office) -> Way:
    return page_of(at.preview(), q="nobody of this name")


@scene("Import", "all linked")
def all_linked(at: Office) -> Way:
    at.connect()
    at.mirror(cast.contacts()[:2])
    for number, client in enumerate(at.clients(2), start=1):
        at.link(client, number)
    at.compare()
    return page_of(at.draft())


@scene("Import", "list is old")
def old(at: Office) -> Way:
    draft = at.preview()
    at.connection.last_sync_at = at.now - 2 * DAY
    return page_of(draft)


@scene("Import", "changed under you, with a colleague at work")
def changed(at: Office) -> Way:
    draft = at.preview()
    for number in (3, 10):
        wiring.import_drafts().decide(
            at.id, at.staff.id, draft.id, cast.contact_id(number), "create", None
        )
    tick(at, draft, PreviewFilter(match="new"))
    db.session.execute(
        update(DraftDecision)
        .where(DraftDecision.draft_id == draft.id)
        .values(updated_at=at.now - 5 * MINUTE)
    )
    db.session.execute(
        update(XeroContact)
        .where(XeroContact.xero_contact_id == cast.contact_id(10))
        .where(XeroContact.xero_connection_id == at.connection.id)
        .values(xero_updated_at=at.now - MINUTE)
    )
    return page_of(draft)


@scene("Import", "skipped for good")
def skipped(at: Office) -> Way:
    draft = at.preview()
    at.add(
        MatchDecision(
            practice_id=at.id,
            xero_connection_id=at.connection.id,
            xero_contact_id=cast.contact_id(8),
            verdict=Verdict.SKIP,
            decided_by_id=at.staff.id,
            decided_at=at.now - DAY,
        )
    )
    return page_of(draft, match="skipped")


@scene("Import", "reconnect needed during work")
def expired(at: Office) -> Way:
    draft = at.preview()
    tick(at, draft, PreviewFilter(match="new"))
    at.truth.access_lost(at.connection.id, at.connection.token_version)
    return page_of(draft)


@scene("Import", "offline", outside=Outside.OFFLINE)
def offline(at: Office) -> Way:
    return page_of(at.preview())


@scene("Import", "reading, polls not answered", outside=Outside.SILENT)
def reading_silent(at: Office) -> Way:
    return read_first(at, RunStatus.RUNNING, done=1200, total=4312)


# -- one contact ----------------------------------------------------------------------------------


def compare_page(draft: ImportDraft, number: int, **query: str) -> str:
    """Return the page that compares a contact of the cast."""
    return f"{IMPORT}/{draft.id}/contacts/{cast.contact_id(number)}?{urlencode(query)}"


@scene("Compare", "with the client it may be", stands_for_screen=True)
def compare(at: Office) -> Way:
    return compare_page(at.preview(), 4)


@scene("Compare", "without a candidate")
def compare_alone(at: Office) -> Way:
    return compare_page(at.preview(), 9)


@scene("Compare", "another client found")
def compare_found(at: Office) -> Way:
    return compare_page(at.preview(), 9, client_q="smith")


@scene("Compare", "no other client found")
def compare_not_found(at: Office) -> Way:
    return compare_page(at.preview(), 9, client_q="nobody of this name")


@scene("Compare", "with a client that is taken")
def compare_taken(at: Office) -> Way:
    draft = at.preview()
    taken = db.session.query(Client).filter_by(practice_id=at.id, name="Smith Joinery").one()
    return compare_page(draft, 9, client=str(taken.id))


@scene("Compare", "already linked")
def compare_linked(at: Office) -> Way:
    return compare_page(at.preview(), 1)


# -- the review -----------------------------------------------------------------------------------


def review_of(draft: ImportDraft) -> str:
    """Return the page that reviews an import."""
    return f"{IMPORT}/{draft.id}/review"


@scene("Review", "with undecided contacts", stands_for_screen=True)
def review(at: Office) -> Way:
    draft = at.preview()
    tick(at, draft)
    return review_of(draft)


@scene("Review", "nothing selected")
def review_nothing(at: Office) -> Way:
    return review_of(at.preview())


@scene("Review", "only undecided contacts")
def review_undecided(at: Office) -> Way:
    draft = at.preview()
    tick(at, draft, PreviewFilter(match="possible"))
    return review_of(draft)


@scene("Review", "only to skip")
def review_skip(at: Office) -> Way:
    draft = at.preview()
    tick(at, draft, PreviewFilter(match="new"))
    wiring.import_drafts().decide_ticked(at.id, at.admin.id, draft.id, "skip")
    return review_of(draft)


@scene("Review", "reconnect needed")
def review_expired(at: Office) -> Way:
    draft = at.preview()
    tick(at, draft, PreviewFilter(match="new"))
    at.truth.access_lost(at.connection.id, at.connection.token_version)
    return review_of(draft)


@scene("Review", "started", status=200)
def review_started(at: Office) -> Way:
    draft = at.preview()
    tick(at, draft)
    return Press(f"{IMPORT}/{draft.id}/start", button="Import")
