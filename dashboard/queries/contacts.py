"""Contacts as the import preview shows them: rows, counts, groups and what is ticked.

Everything is read from the mirror of the practice's current connection; no call goes to Xero. A
practice that is not connected has no contacts: pages are empty and counts are zero. What a contact
is (linked, cannot be imported, skipped) is worked out here and never stored, so it is never stale.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, case, func, select, true, tuple_

from dashboard.database import AnySession
from dashboard.models import (
    Client,
    ConnectionStatus,
    DraftDecision,
    ImportDraft,
    Tag,
    TagSource,
    User,
    XeroConnection,
    XeroContact,
    XeroContactMapping,
)
from dashboard.models.contact_standing import Standing, fits, group_elements, standing
from dashboard.queries.keyset import Cursor, after_name
from dashboard.rules.preview_filter import PreviewFilter

NO_FILTER = PreviewFilter()
AnySelect: TypeAlias = Select[*tuple[Any, ...]]
AnyRow: TypeAlias = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A client that a contact may be. `reasons` are sentences that name fields; score is 0 to 1.

    `taken_by` is the name of the contact that holds this client, if another one does: then it
    cannot be chosen.
    """

    client_id: UUID
    client_name: str
    reasons: tuple[str, ...]
    score: float
    taken_by: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What will happen to a contact if it is imported.

    `action` is create, link or skip, or None while undecided. `is_explicit` is False for the
    suggestion that holds until somebody decides. `is_contested`: another contact would be linked to
    the same client, so both are left out until one of the decisions is changed.
    """

    action: str | None
    client_id: UUID | None = None
    client_name: str | None = None
    is_explicit: bool = False
    is_contested: bool = False
    decided_by: str | None = None
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """One contact of the preview.

    `match` is one of `rules.preview_filter.MATCH_WORDS`. `kinds` are the words Customer and
    Supplier, both, one or none. `reason` is the sentence that explains the match word (for
    possible and exact: the best candidate's first reason; for unavailable: why). `linked_client`
    is set exactly when `match` is linked. `can_tick` is False for linked and unavailable contacts.
    """

    xero_contact_id: str
    name: str
    email: str | None
    groups: tuple[str, ...]
    kinds: tuple[str, ...]
    match: str
    reason: str
    candidates: tuple[Candidate, ...]
    decision: Decision
    selected: bool
    can_tick: bool
    linked_client_id: UUID | None = None
    linked_client_name: str | None = None


@dataclass(frozen=True, slots=True)
class PreviewPage:
    """A page of the preview in the order of names.

    `total` counts all rows of the filter. `next_cursor` is what to hand back for the rows after
    these (None at the end); it works alike for pages by cursor and by number.
    """

    rows: tuple[PreviewRow, ...]
    next_cursor: Cursor | None
    total: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How many contacts have each match word."""

    new: int = 0
    exact: int = 0
    possible: int = 0
    clash: int = 0
    linked: int = 0
    unavailable: int = 0
    skipped: int = 0

    @property
    def all(self) -> int:
        """All contacts."""
        return (
            self.new
            + self.exact
            + self.possible
            + self.clash
            + self.linked
            + self.unavailable
            + self.skipped
        )


@dataclass(frozen=True, slots=True)
class Group:
    """A contact group of the organisation and how many contacts of the mirror are in it."""

    name: str
    contacts: int


@dataclass(frozen=True, slots=True)
class Selection:
    """What is ticked in the open draft: in all, of those not shown by the filter, and undecided.

    `create`, `link` and `skip` count ticked contacts by what will happen to them; together with
    `undecided` they add up to `selected`. Linked or unavailable contacts are never counted.
    """

    selected: int = 0
    hidden: int = 0
    undecided: int = 0
    create: int = 0
    link: int = 0
    skip: int = 0
    create_without_email: int = 0

    @property
    def to_import(self) -> int:
        """How many contacts the import would create or link."""
        return self.create + self.link


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft of an import; `run_id` is the run that it has become, None while it is open."""

    id: UUID
    connection_id: UUID
    run_id: UUID | None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the practice stands: its current connection and that connection's open draft."""

    connection_id: UUID
    draft_id: UUID | None

    @property
    def standing(self) -> Standing:
        return standing(self.connection_id, self.draft_id)


def draft(session: AnySession, practice_id: UUID, draft_id: UUID) -> Draft | None:
    """Return a draft of the practice, open or not; None for one that is not its own."""
    found = session.execute(
        select(ImportDraft.id, ImportDraft.xero_connection_id, ImportDraft.run_id).where(
            ImportDraft.practice_id == practice_id, ImportDraft.id == draft_id
        )
    ).one_or_none()
    return Draft(*found) if found else None


def preview(
    session: AnySession,
    practice_id: UUID,
    wanted: PreviewFilter = NO_FILTER,
    *,
    limit: int = 50,
    cursor: Cursor | None = None,
    page: int | None = None,
) -> PreviewPage:
    """Return the contacts that fit *wanted*, after *cursor* or as page number *page* (from 1).

    Four queries, however many rows. Raises `UnknownCursor` for a cursor that was not made here.
    """
    place = _place(session, practice_id)
    if place is None:
        return PreviewPage((), None, 0)
    stands = place.standing
    condition = fits(session, wanted, stands)
    total = session.scalar(
        select(func.count()).select_from(stands.source).where(stands.belongs, condition)
    )
    statement = _rows(stands).where(condition).order_by(XeroContact.sort_name, XeroContact.id)
    if cursor is not None:
        seen = after_name(cursor)
        statement = statement.where(tuple_(XeroContact.sort_name, XeroContact.id) > tuple_(*seen))
    elif page is not None:
        statement = statement.offset((max(page, 1) - 1) * limit)
    found = session.execute(statement.limit(limit + 1)).all()
    shown = found[:limit]
    more = len(found) > limit
    return PreviewPage(
        rows=_preview_rows(session, place, shown),
        next_cursor={"name": shown[-1].sort_name, "id": str(shown[-1].id)} if more else None,
        total=total or 0,
    )


def preview_row(session: AnySession, practice_id: UUID, xero_contact_id: str) -> PreviewRow | None:
    """Return one contact as the preview shows it (after a tick or a decision), or None."""
    place = _place(session, practice_id)
    if place is None:
        return None
    found = session.execute(
        _rows(place.standing).where(XeroContact.xero_contact_id == xero_contact_id)
    ).all()
    return next(iter(_preview_rows(session, place, found)), None)


def counts(session: AnySession, practice_id: UUID, wanted: PreviewFilter = NO_FILTER) -> Counts:
    """Return the counts per match word of what *wanted* leaves, its own `match` ignored (tabs)."""
    place = _place(session, practice_id)
    if place is None:
        return Counts()
    stands = place.standing
    words = (
        select(stands.match.label("word"))
        .select_from(stands.source)
        .where(stands.belongs, fits(session, wanted.without_match(), stands))
        .subquery()
    )
    found = session.execute(select(words.c.word, func.count()).group_by(words.c.word))
    return Counts(**{row[0]: row[1] for row in found})


def groups(session: AnySession, practice_id: UUID) -> tuple[Group, ...]:
    """Return the contact groups of the mirror by name, for the filter and the future tags."""
    place = _place(session, practice_id)
    if place is None:
        return ()
    elements, _, name = group_elements(session)
    members = (
        select(name.label("name"))
        .select_from(XeroContact)
        .join(elements, true())
        .where(XeroContact.xero_connection_id == place.connection_id)
        .subquery()
    )
    found = session.execute(
        select(members.c.name, func.count()).group_by(members.c.name).order_by(members.c.name)
    )
    return tuple(Group(group_name, number) for group_name, number in found)


def selection(
    session: AnySession, practice_id: UUID, wanted: PreviewFilter = NO_FILTER
) -> Selection:
    """Return what is ticked in the open draft; `hidden` counts what *wanted* does not show."""
    place = _place(session, practice_id)
    if place is None or place.draft_id is None:
        return Selection()
    stands = place.standing
    ticked = (
        select(
            case((stands.contested, None), else_=stands.action).label("action"),
            fits(session, wanted, stands).label("is_shown"),
            XeroContact.email.is_(None).label("without_email"),
        )
        .select_from(stands.source)
        .where(stands.belongs, DraftDecision.selected, stands.can_tick)
        .subquery()
    )
    found = session.execute(
        select(
            func.count().label("selected"),
            _how_many(~ticked.c.is_shown).label("hidden"),
            _how_many(ticked.c.action.is_(None)).label("undecided"),
            _how_many(ticked.c.action == "create").label("create"),
            _how_many(ticked.c.action == "link").label("link"),
            _how_many(ticked.c.action == "skip").label("skip"),
            _how_many((ticked.c.action == "create") & ticked.c.without_email).label(
                "create_without_email"
            ),
        )
    ).one()
    return Selection(**found._mapping)


def tags_to_come(session: AnySession, practice_id: UUID) -> tuple[str, ...]:
    """Return the groups of ticked contacts that an import would make new tags of, by name.

    A tag follows its group by id, so that a group which was renamed in Xero is nothing new.
    """
    place = _place(session, practice_id)
    if place is None or place.draft_id is None:
        return ()
    stands = place.standing
    ticked = (
        select(XeroContact.id)
        .select_from(stands.source)
        .where(
            stands.belongs,
            DraftDecision.selected,
            stands.can_tick,
            stands.decided,
            stands.action != "skip",
        )
    )
    elements, group_id, name = group_elements(session)
    known = select(Tag.xero_group_id).where(
        Tag.practice_id == practice_id,
        Tag.source == TagSource.XERO,
        Tag.xero_group_id.is_not(None),
    )
    members = (
        select(group_id.label("group_id"), name.label("name"))
        .select_from(XeroContact)
        .join(elements, true())
        .where(XeroContact.id.in_(ticked))
        .subquery()
    )
    # A contact that was read before a group was renamed still has the old name.
    one_name = func.min(members.c.name)
    found = session.scalars(
        select(one_name)
        .where(members.c.group_id.not_in(known))
        .group_by(members.c.group_id)
        .order_by(one_name)
    )
    return tuple(found)


def link_choices(
    session: AnySession, practice_id: UUID, q: str, *, limit: int = 20
) -> tuple[PreviewRow, ...]:
    """Return the contacts that *q* finds, for linking a client by hand; taken ones are `linked`."""
    return preview(session, practice_id, PreviewFilter(q=q), limit=limit).rows


def _place(session: AnySession, practice_id: UUID) -> _Place | None:
    found = session.execute(
        select(XeroConnection.id, ImportDraft.id)
        .outerjoin(
            ImportDraft,
            (ImportDraft.xero_connection_id == XeroConnection.id) & ImportDraft.run_id.is_(None),
        )
        .where(
            XeroConnection.practice_id == practice_id,
            XeroConnection.status != ConnectionStatus.DISCONNECTED,
        )
    ).first()
    return _Place(*found) if found else None


def _how_many(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _rows(stands: Standing) -> AnySelect:
    return (
        select(
            XeroContact.id,
            XeroContact.sort_name,
            XeroContact.xero_contact_id,
            XeroContact.name,
            XeroContact.email,
            XeroContact.groups,
            XeroContact.is_customer,
            XeroContact.is_supplier,
            XeroContact.contact_status,
            XeroContact.candidates,
            stands.match.label("match"),
            stands.contested.label("is_contested"),
            stands.can_tick.label("can_tick"),
            stands.selected.label("selected"),
            stands.action.label("action"),
            stands.client_id.label("aim"),
            DraftDecision.action.label("explicit_action"),
            DraftDecision.updated_at.label("decided_at"),
            User.name.label("decided_by"),
            XeroContactMapping.client_id.label("linked_client_id"),
        )
        .select_from(stands.source.outerjoin(User, User.id == DraftDecision.decided_by_id))
        .where(stands.belongs)
    )


@dataclass(frozen=True, slots=True)
class _KnownClient:
    name: str
    contact_id: str | None
    contact_name: str | None


def _preview_rows(
    session: AnySession, place: _Place, found: Sequence[AnyRow]
) -> tuple[PreviewRow, ...]:
    clients = _known_clients(session, place.connection_id, _clients_named_in(found))
    return tuple(_preview_row(row, clients) for row in found)


def _clients_named_in(found: Sequence[AnyRow]) -> set[UUID]:
    named = {UUID(candidate["client_id"]) for row in found for candidate in row.candidates}
    named |= {row.aim for row in found if row.aim}
    return named | {row.linked_client_id for row in found if row.linked_client_id}


def _known_clients(
    session: AnySession, connection_id: UUID, client_ids: Iterable[UUID]
) -> dict[UUID, _KnownClient]:
    found = session.execute(
        select(
            Client.id,
            Client.name,
            XeroContactMapping.xero_contact_id,
            XeroContactMapping.xero_contact_name,
        )
        .outerjoin(
            XeroContactMapping,
            (XeroContactMapping.client_id == Client.id)
            & (XeroContactMapping.xero_connection_id == connection_id),
        )
        .where(Client.id.in_(client_ids))
    )
    return {row[0]: _KnownClient(row[1], row[2], row[3]) for row in found}


def _preview_row(row: AnyRow, clients: dict[UUID, _KnownClient]) -> PreviewRow:
    candidates = tuple(_candidates(row, clients)) if row.can_tick else ()
    linked = clients.get(row.linked_client_id)
    aim = clients.get(row.aim)
    return PreviewRow(
        xero_contact_id=row.xero_contact_id,
        name=row.name,
        email=row.email,
        groups=tuple(group["name"] for group in row.groups),
        kinds=_kinds(row),
        match=row.match,
        reason=_reason(row, candidates, linked, aim),
        candidates=candidates,
        decision=Decision(
            action=row.action if row.can_tick else None,
            client_id=row.aim if row.can_tick else None,
            client_name=aim.name if aim else None,
            is_explicit=row.explicit_action is not None,
            is_contested=row.is_contested,
            decided_by=row.decided_by,
            decided_at=row.decided_at if row.explicit_action else None,
        ),
        selected=row.selected,
        can_tick=row.can_tick,
        linked_client_id=row.linked_client_id,
        linked_client_name=linked.name if linked else None,
    )


def _candidates(row: AnyRow, clients: dict[UUID, _KnownClient]) -> Iterable[Candidate]:
    """Yield the stored candidates that still exist; a client deleted since is left out."""
    for stored in row.candidates:
        client_id = UUID(stored["client_id"])
        client = clients.get(client_id)
        if client is None:
            continue
        taken = client.contact_id not in {None, row.xero_contact_id}
        yield Candidate(
            client_id=client_id,
            client_name=client.name,
            reasons=tuple(stored["reasons"]),
            score=stored["score"],
            taken_by=(client.contact_name or "another contact") if taken else None,
        )


def _kinds(row: AnyRow) -> tuple[str, ...]:
    words = (("Customer", row.is_customer), ("Supplier", row.is_supplier))
    return tuple(word for word, holds in words if holds)


def _reason(
    row: AnyRow,
    candidates: tuple[Candidate, ...],
    linked: _KnownClient | None,
    aim: _KnownClient | None,
) -> str:
    if row.match == "linked":
        return f"Linked to {linked.name}." if linked else "Linked to a client."
    if row.match == "unavailable":
        return _why_unavailable(row)
    if row.is_contested and aim:
        return f"Another contact in this list would be linked to {aim.name} too."
    if row.match == "skipped":
        return "Skipped in an earlier import."
    if candidates:
        best = candidates[0]
        return f"{best.client_name}: {'. '.join(best.reasons)}."
    return _why_new(row)


def _why_unavailable(row: AnyRow) -> str:
    if not row.name:
        return "The contact has no name in Xero."
    if row.contact_status == "GDPRREQUEST":
        return "The contact was erased in Xero on a data protection request."
    return "The contact is archived in Xero."


def _why_new(row: AnyRow) -> str:
    if row.email:
        return "No client has this name or email."
    return "No client has this name. No email to compare."
