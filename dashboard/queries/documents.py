"""Documents as pages and JSON show them: the list by tab, one with its timeline, badges, counts.

`tab_of` in Python and `document_states.tab_column` in SQL must say the same; a test compares them
for every state. Words come from `rules.status_words`, so that list, panel and JSON agree.

A practice that left an organisation still sees how its documents stood there: without a current
connection the last one is shown, as "On hold".
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import (
    Row,
    Select,
    and_,
    case,
    false,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.orm import aliased

from dashboard.database import AnySession
from dashboard.models import (
    Client,
    ClientDocument,
    ConnectionStatus,
    DocumentStatus,
    PushEvent,
    PushStatus,
    ScanStatus,
    User,
    XeroContact,
    XeroContactMapping,
    XeroFilePush,
)
from dashboard.queries.document_states import (
    ACTIVE_CONTACT,
    AnySelect,
    Shown,
    counted,
    joined,
    narrowed,
    shown_connection,
    tab_column,
)
from dashboard.queries.keyset import before_moment
from dashboard.queries.stamps import WayFacts
from dashboard.rules.push_sentences import PushCause
from dashboard.rules.retry_groups import can_help
from dashboard.rules.status_words import PushFacts, StatusWord, push_word
from dashboard.rules.waiting_sentences import NOT_REACHED

Tab = Literal["attention", "way", "on_hold", "filed", "not_sent"]
TABS: tuple[str, ...] = get_args(Tab)

EVENTS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class PushRow:
    """One push as stored. `next_attempt_at` is when it goes on by itself, None if nothing waits.

    `folder_name` is where the file lies or will lie, `error` a sentence, `cause` a code of
    `rules.push_sentences.PushCause` or None. `read_back_at` is when Xero last showed the file.
    `is_looking`: a request got no answer, so we look in Xero before anything is sent again.
    """

    id: UUID
    status: PushStatus
    cause: PushCause | None
    error: str | None
    retry_count: int
    xero_file_id: str | None
    xero_folder_id: str | None
    folder_name: str | None
    file_name: str | None
    next_attempt_at: datetime | None
    pushed_at: datetime | None
    read_back_at: datetime | None
    is_looking: bool


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document in the list, with its push and the word for it.

    `tab` is where the list shows it. `held_by` says what is wrong with the client's contact
    (archived, merged or erased in Xero), None if nothing is. `waits_because` is why it goes on
    later, for a push that waits. `is_offered`: accepted before Xero was connected, so a person may
    send it. `can_retry`: the push is unfinished and nothing stands in the way that a retry cannot
    mend. `changed_at` is the last change of document or push, `way` what the stamp is made of.
    """

    id: UUID
    client_id: UUID
    client_name: str
    document_type: str
    tax_year: str
    file_name: str
    mime_type: str
    size: int
    status: DocumentStatus
    scan_status: ScanStatus
    created_at: datetime
    uploaded_by: str | None
    decided_at: datetime | None
    decided_by: str | None
    push: PushRow | None
    word: StatusWord
    tab: Tab
    held_by: PushCause | None
    needs_permission: bool
    waits_because: str | None
    is_offered: bool
    can_retry: bool
    changed_at: datetime
    way: WayFacts


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """Documents, newest first; `next_cursor` is what to hand back for the next page."""

    rows: tuple[DocumentRow, ...]
    next_cursor: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class DocumentCounts:
    """How many documents each tab holds; `filed_lately` are those filed since a moment."""

    attention: int = 0
    way: int = 0
    on_hold: int = 0
    filed: int = 0
    not_sent: int = 0
    filed_lately: int = 0

    @property
    def all(self) -> int:
        """All documents of the filter."""
        return self.attention + self.way + self.on_hold + self.filed + self.not_sent


@dataclass(frozen=True, slots=True)
class FilterChoices:
    """What the practice's documents offer to filter by."""

    types: tuple[str, ...]
    years: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NamedDocument:
    """What a document's name in Xero is made of."""

    client_name: str
    document_type: str
    tax_year: str
    extension: str


@dataclass(frozen=True, slots=True)
class EventRow:
    """One line of the timeline; `attempt` counts from 1 and is None where no attempt was made.

    `details` may hold `http_status`, `xero_said` and `reference` for people who ask Xero.
    """

    id: int
    at: datetime
    kind: str
    sentence: str
    attempt: int | None
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DocumentDetail:
    """One document with everything its page shows; events newest first.

    `ahead`: documents of the practice that are sent before this one. `folder_path`: where it lies
    or will lie, empty while unknown. `contact_name`, `contact_id`: the client's contact on the
    shown connection. `technical` may hold `http_status`, `xero_said`, `reference` and `at`.
    """

    document: DocumentRow
    connection_status: ConnectionStatus | None
    organisation: str | None
    short_code: str | None
    waits_until: datetime | None
    contact_id: str | None
    contact_name: str | None
    folder_path: str
    ahead: int
    content_sha256: str
    technical: dict[str, Any]
    events: tuple[EventRow, ...]


def page(
    session: AnySession,
    practice_id: UUID,
    *,
    now: datetime,
    tab: str = "",
    client_id: UUID | None = None,
    q: str = "",
    type_: str = "",
    year: str = "",
    limit: int = 50,
    cursor: dict[str, Any] | None = None,
    shown: Shown | None = None,
) -> DocumentPage:
    """Return one page of documents, newest first; two queries, however many rows.

    Here and below, *shown* saves the first query where the connection has been read already.

    `tab` is one of `TABS` or empty for all. `q` is looked for in file name, type and client's name;
    `type_` and `year` are exact. Raises ValueError for a cursor not made here or an unknown tab.
    """
    seen = shown or shown_connection(session, practice_id)
    chosen = narrowed(_rows(seen, practice_id), client_id=client_id, q=q, type_=type_, year=year)
    if tab:
        chosen = chosen.where(tab_column(seen) == _known_tab(tab))
    if cursor is not None:
        chosen = chosen.where(_order() < _position(cursor))
    chosen = chosen.order_by(ClientDocument.created_at.desc(), ClientDocument.id.desc())
    found = session.execute(chosen.limit(limit + 1)).all()
    rows = tuple(_document(row, seen, now) for row in found[:limit])
    return DocumentPage(rows, _cursor(rows[-1]) if len(found) > limit else None)


def counts(
    session: AnySession,
    practice_id: UUID,
    *,
    client_id: UUID | None = None,
    q: str = "",
    type_: str = "",
    year: str = "",
    filed_since: datetime | None = None,
    shown: Shown | None = None,
) -> DocumentCounts:
    """Return how many documents each tab holds under the same filters as `page`; two queries.

    With *filed_since* those are told apart that were filed since then.
    """
    seen = shown or shown_connection(session, practice_id)
    tab = tab_column(seen).label("tab")
    lately = XeroFilePush.pushed_at >= filed_since if filed_since else false()
    wanted = select(tab, func.count(), func.sum(case((lately, 1), else_=0)))
    every = counted(wanted, seen, practice_id, names=bool(q)).group_by(tab)
    chosen = narrowed(every, client_id=client_id, q=q, type_=type_, year=year)
    rows = session.execute(chosen).all()
    filed_lately = sum(row[2] for row in rows if row[0] == "filed")
    return DocumentCounts(**{row[0]: row[1] for row in rows}, filed_lately=filed_lately)


def last_named(session: AnySession, practice_id: UUID) -> NamedDocument | None:
    """Return what names the document that was accepted last; one query."""
    row = session.execute(
        select(
            Client.name,
            ClientDocument.document_type,
            ClientDocument.tax_year,
            ClientDocument.extension,
        )
        .join(Client, Client.id == ClientDocument.client_id)
        .where(
            ClientDocument.practice_id == practice_id,
            ClientDocument.status == DocumentStatus.ACCEPTED,
        )
        .order_by(ClientDocument.decided_at.desc(), ClientDocument.id)
        .limit(1)
    ).one_or_none()
    return NamedDocument(*row) if row is not None else None


def needing_attention(
    session: AnySession,
    practice_id: UUID,
    client_ids: Collection[UUID],
    *,
    shown: Shown | None = None,
) -> dict[UUID, int]:
    """Return how many documents of each client the tab "attention" holds; two queries.

    Clients without such a document are missing.
    """
    seen = shown or shown_connection(session, practice_id)
    chosen = (
        counted(select(ClientDocument.client_id, func.count()), seen, practice_id)
        .where(ClientDocument.client_id.in_(client_ids), tab_column(seen) == "attention")
        .group_by(ClientDocument.client_id)
    )
    return {row[0]: row[1] for row in session.execute(chosen)}


def clients_needing_attention(practice_id: UUID, seen: Shown) -> Select[UUID]:
    """Return the statement for the clients with a document in the tab "attention"."""
    return counted(select(ClientDocument.client_id), seen, practice_id).where(
        tab_column(seen) == "attention"
    )


def filter_choices(session: AnySession, practice_id: UUID) -> FilterChoices:
    """Return the document types and tax years in use, sorted, years newest first; one query."""
    pairs = session.execute(
        select(ClientDocument.document_type, ClientDocument.tax_year)
        .where(ClientDocument.practice_id == practice_id)
        .distinct()
    ).all()
    types = sorted({kind for kind, _ in pairs}, key=str.casefold)
    return FilterChoices(tuple(types), tuple(sorted({y for _, y in pairs if y}, reverse=True)))


def badges(
    session: AnySession,
    practice_id: UUID,
    ids: Collection[UUID],
    *,
    now: datetime,
    shown: Shown | None = None,
) -> tuple[DocumentRow, ...]:
    """Return the rows of these documents for the list's poller, newest first; two queries.

    Ids that are not the practice's are left out.
    """
    if not ids:
        return ()
    seen = shown or shown_connection(session, practice_id)
    chosen = _rows(seen, practice_id).where(ClientDocument.id.in_(ids))
    chosen = chosen.order_by(ClientDocument.created_at.desc(), ClientDocument.id.desc())
    return tuple(_document(row, seen, now) for row in session.execute(chosen).all())


def newer_than(session: AnySession, practice_id: UUID, moment: datetime) -> int:
    """Return how many documents came after *moment*: "3 new documents. Show them"; one query."""
    return (
        session.scalar(
            select(func.count())
            .select_from(ClientDocument)
            .where(ClientDocument.practice_id == practice_id, ClientDocument.created_at > moment)
        )
        or 0
    )


def unsent_ids(
    session: AnySession, practice_id: UUID, *, limit: int = 500, shown: Shown | None = None
) -> tuple[UUID, ...]:
    """Return accepted documents without a push on the current connection, oldest first.

    These are offered for sending ("accepted before Xero was connected"), never sent unasked. Empty
    while the practice has no current connection.
    """
    seen = shown or shown_connection(session, practice_id)
    if not seen.is_current:
        return ()
    chosen = (
        counted(select(ClientDocument.id), seen, practice_id)
        .where(ClientDocument.status == DocumentStatus.ACCEPTED, XeroFilePush.id.is_(None))
        .order_by(ClientDocument.decided_at, ClientDocument.id)
        .limit(limit)
    )
    return tuple(session.scalars(chosen))


def one(
    session: AnySession,
    practice_id: UUID,
    document_id: UUID,
    *,
    now: datetime,
    shown: Shown | None = None,
) -> DocumentDetail | None:
    """Return one document of the practice, or None; at most four queries."""
    seen = shown or shown_connection(session, practice_id)
    row = session.execute(
        _rows(seen, practice_id).where(ClientDocument.id == document_id)
    ).one_or_none()
    if row is None:
        return None
    document = _document(row, seen, now)
    stored: ClientDocument = row.ClientDocument
    push: XeroFilePush | None = row.XeroFilePush
    return DocumentDetail(
        document=document,
        connection_status=seen.status,
        organisation=seen.organisation,
        short_code=seen.short_code,
        waits_until=seen.waits_until,
        contact_id=row.contact_id,
        contact_name=row.contact_name,
        folder_path=(document.push.folder_name or "") if document.push else "",
        ahead=_ahead(session, seen, push),
        content_sha256=stored.content_sha256,
        technical=dict(push.technical_details or {}) if push else {},
        events=_events(session, push),
    )


def tab_of(word: StatusWord, *, has_push: bool) -> Tab:
    """Return the tab in which a document with this word is listed."""
    if word.code == "sending_off":
        return "on_hold" if has_push else "not_sent"
    return _TAB_BY_WORD[word.code]


_TAB_BY_WORD: dict[str, Tab] = {
    "not_sent": "not_sent",
    "no_contact": "attention",
    "not_on_contact": "attention",
    "needs_attention": "attention",
    "on_hold": "on_hold",
    "waiting": "way",
    "waiting_for_xero": "way",
    "uploading": "way",
    "linking": "way",
    "trying_again": "way",
    "filed": "filed",
}


_Uploader = aliased(User, name="uploader")
_Decider = aliased(User, name="decider")


def _rows(seen: Shown, practice_id: UUID) -> AnySelect:
    wanted = select(
        ClientDocument,
        XeroFilePush,
        Client.name.label("client_name"),
        _Uploader.name.label("uploaded_by"),
        _Decider.name.label("decided_by"),
        XeroContactMapping.xero_contact_id.label("contact_id"),
        func.coalesce(XeroContact.name, XeroContactMapping.xero_contact_name).label("contact_name"),
        XeroContact.contact_status.label("contact_status"),
        XeroContact.merged_to_contact_id.label("merged_to"),
    )
    return (
        joined(wanted, seen, practice_id)
        .outerjoin(_Uploader, _Uploader.id == ClientDocument.uploaded_by_id)
        .outerjoin(_Decider, _Decider.id == ClientDocument.decided_by_id)
        # A poller reads the same rows again and again, and a worker changes them meanwhile.
        .execution_options(populate_existing=True)
    )


def _known_tab(tab: str) -> str:
    if tab not in TABS:
        raise ValueError(f"There is no tab called {tab}.")
    return tab


def _order() -> Any:
    return tuple_(ClientDocument.created_at, ClientDocument.id)


def _cursor(row: DocumentRow) -> dict[str, Any]:
    return {"created_at": row.created_at.isoformat(), "id": str(row.id)}


def _position(cursor: dict[str, Any]) -> Any:
    moment, document_id = before_moment({"at": cursor.get("created_at"), "id": cursor.get("id")})
    return tuple_(
        literal(moment, ClientDocument.created_at.type),
        literal(document_id, ClientDocument.id.type),
    )


def _document(row: Row[Any], seen: Shown, now: datetime) -> DocumentRow:
    document: ClientDocument = row.ClientDocument
    push: XeroFilePush | None = row.XeroFilePush
    facts = _facts(row, seen)
    word = push_word(facts, now=now)
    accepted = document.status == DocumentStatus.ACCEPTED
    return DocumentRow(
        id=document.id,
        client_id=document.client_id,
        client_name=row.client_name,
        document_type=document.document_type,
        tax_year=document.tax_year,
        file_name=document.file_name,
        mime_type=document.mime_type,
        size=document.size,
        status=document.status,
        scan_status=document.scan_status,
        created_at=document.created_at,
        uploaded_by=row.uploaded_by,
        decided_at=document.decided_at,
        decided_by=row.decided_by,
        push=_push(push, facts.next_attempt_at if seen.goes_on else None) if push else None,
        word=word,
        tab=tab_of(word, has_push=push is not None),
        held_by=_held_by(row),
        needs_permission=seen.needs_permission,
        waits_because=_waits_because(push, seen),
        is_offered=accepted and push is None and seen.is_current,
        can_retry=facts.client_mapped and _can_retry(push),
        changed_at=max(document.updated_at, push.updated_at) if push else document.updated_at,
        way=_way(row, seen),
    )


def _can_retry(push: XeroFilePush | None) -> bool:
    if push is None or push.status == PushStatus.ASSOCIATED:
        return False
    return can_help(push.cause, is_in_xero=push.status == PushStatus.UPLOADED)


def _way(row: Row[Any], seen: Shown) -> WayFacts:
    push: XeroFilePush | None = row.XeroFilePush
    return WayFacts(
        document_id=row.ClientDocument.id,
        document_changed_at=row.ClientDocument.updated_at,
        push_changed_at=push.updated_at if push else None,
        contact_id=row.contact_id,
        contact_status=row.contact_status,
        merged_to=row.merged_to,
        connection_status=seen.status,
        sending_on=seen.sending_on if seen.exists else None,
        scopes=seen.scopes,
        not_before=push.not_before if push else None,
        waits_until=seen.waits_until,
    )


def _facts(row: Row[Any], seen: Shown) -> PushFacts:
    push: XeroFilePush | None = row.XeroFilePush
    document: ClientDocument = row.ClientDocument
    mapped = row.contact_id is not None and _contact_problem(row) is None
    return PushFacts(
        document_accepted=document.status == DocumentStatus.ACCEPTED,
        sending_on=seen.sending_on,
        # Before Xero is connected nobody can be linked, and that is nobody's fault.
        client_mapped=mapped or not seen.exists,
        connection_usable=seen.is_usable,
        status=push.status.value if push else None,
        next_attempt_at=_next_attempt_at(push, document, seen) if push else None,
        retry_count=push.retry_count if push else 0,
        association_failed=push is not None and push.cause is not None,
    )


def _next_attempt_at(push: XeroFilePush, document: ClientDocument, seen: Shown) -> datetime | None:
    if push.status != PushStatus.PENDING:
        return push.not_before
    if document.scan_status == ScanStatus.PENDING:
        # It waits for the virus check, not for Xero.
        return None
    return max(filter(None, (push.not_before, seen.waits_until)), default=None)


def _waits_because(push: XeroFilePush | None, seen: Shown) -> str | None:
    """Return the reason of whichever wait is the longer one, the connection's or the push's own."""
    own = push.not_before if push else None
    if own is not None and (seen.waits_until is None or own > seen.waits_until):
        return NOT_REACHED
    return seen.waits_because


def _contact_problem(row: Row[Any]) -> PushCause | None:
    if (row.contact_status or ACTIVE_CONTACT) == ACTIVE_CONTACT:
        return None
    if row.merged_to:
        return PushCause.CONTACT_MERGED
    if row.contact_status == "ARCHIVED":
        return PushCause.CONTACT_ARCHIVED
    return PushCause.CONTACT_GONE


def _held_by(row: Row[Any]) -> PushCause | None:
    push: XeroFilePush | None = row.XeroFilePush
    if push is not None and push.status == PushStatus.ASSOCIATED:
        return None
    return _contact_problem(row)


def _push(push: XeroFilePush, next_attempt_at: datetime | None) -> PushRow:
    return PushRow(
        id=push.id,
        status=push.status,
        cause=PushCause(push.cause) if push.cause else None,
        error=push.error,
        retry_count=push.retry_count,
        xero_file_id=push.xero_file_id,
        xero_folder_id=push.xero_folder_id,
        folder_name=push.moved_to_folder or push.folder_name,
        file_name=push.file_name,
        next_attempt_at=next_attempt_at,
        pushed_at=push.pushed_at,
        read_back_at=push.read_back_at,
        is_looking=push.outcome_unknown,
    )


def _ahead(session: AnySession, seen: Shown, push: XeroFilePush | None) -> int:
    if push is None or push.status != PushStatus.PENDING:
        return 0
    return (
        session.scalar(
            select(func.count())
            .select_from(XeroFilePush)
            .where(
                XeroFilePush.xero_connection_id == seen.id,
                or_(
                    XeroFilePush.status.in_([PushStatus.PENDING, PushStatus.UPLOADING]),
                    and_(XeroFilePush.status == PushStatus.UPLOADED, XeroFilePush.cause.is_(None)),
                ),
                XeroFilePush.created_at < push.created_at,
            )
        )
        or 0
    )


def _events(session: AnySession, push: XeroFilePush | None) -> tuple[EventRow, ...]:
    if push is None:
        return ()
    found = session.scalars(
        select(PushEvent)
        .where(PushEvent.push_id == push.id)
        .order_by(PushEvent.id.desc())
        .limit(EVENTS_SHOWN)
    )
    return tuple(
        EventRow(e.id, e.at, e.kind, e.sentence, e.attempt, dict(e.details or {})) for e in found
    )
