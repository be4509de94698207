"""Contacts as the import preview shows them, row by row.

Everything is read from the mirror of the practice's current connection; no call goes to Xero. A
practice that is not connected has no contacts. What a contact is (linked, cannot be imported,
skipped) is worked out here and never stored, so it is never stale. `where` is a practice, or its
place if the caller has looked that up already.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, case, or_, select, tuple_

from dashboard.database import AnySession
from dashboard.models import (
    Client,
    ContactTwins,
    DraftDecision,
    User,
    XeroContact,
    XeroContactMapping,
)
from dashboard.models.contact_standing import IMPORTABLE, Standing, asks_how_it_stands, fits
from dashboard.queries.import_places import Place, Where, place_of
from dashboard.queries.keyset import Cursor, after_name
from dashboard.rules.preview_filter import BY_NAME, PreviewFilter

NO_FILTER = PreviewFilter()
ORDERS: Mapping[str, tuple[ColumnElement[Any], ...]] = {
    BY_NAME: (XeroContact.sort_name.asc(), XeroContact.id.asc()),
    "-name": (XeroContact.sort_name.desc(), XeroContact.id.desc()),
    "email": (
        XeroContact.email.is_(None).asc(),
        XeroContact.email.asc(),
        XeroContact.sort_name.asc(),
        XeroContact.id.asc(),
    ),
    "changed": (XeroContact.xero_updated_at.desc().nulls_last(), XeroContact.id.asc()),
}
NAME_ORDERS = (BY_NAME, "-name")
# So many rows in the order of an index are passed over quickly.
NEAR = 1_000
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
    `changed_at` is when the contact changed in Xero, if that was after it was decided or ticked;
    `twin` the name of another contact that may be the same in Xero.
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
    changed_at: datetime | None = None
    twin: str | None = None


@dataclass(frozen=True, slots=True)
class PreviewPage:
    """A page of the preview.

    `next_cursor` is what to hand back for the rows after these, None at the end and for every order
    but that of names.
    """

    rows: tuple[PreviewRow, ...]
    next_cursor: Cursor | None


def preview(  # noqa: PLR0913 - what a list can be asked, each by its name
    session: AnySession,
    where: Where,
    wanted: PreviewFilter = NO_FILTER,
    *,
    limit: int = 50,
    cursor: Cursor | None = None,
    page: int | None = None,
    sort: str = BY_NAME,
) -> PreviewPage:
    """Return the contacts that fit *wanted*, after *cursor* or as page number *page* (from 1).

    *sort* is one of `preview_filter.SORTS`; a cursor goes with the order of names alone. Two
    queries, however many rows, and a third for a practice whose place is not known. Raises
    `UnknownCursor` for a cursor that was not made here.
    """
    place = place_of(session, where)
    if place is None:
        return PreviewPage((), None)
    stands, order = place.standing, ORDERS[sort]
    passed_over = (max(page or 1, 1) - 1) * limit
    is_near = sort in NAME_ORDERS and passed_over <= NEAR
    columns = _rows(stands) if is_near else _keys(stands, wanted)
    statement = columns.where(fits(session, wanted, stands)).order_by(*order).limit(limit + 1)
    if cursor is not None:
        seen = after_name(cursor)
        statement = statement.where(tuple_(XeroContact.sort_name, XeroContact.id) > tuple_(*seen))
    elif passed_over:
        statement = statement.offset(passed_over)
    if not is_near:
        # Wide rows are fetched for the page alone; what is sorted and passed over are keys.
        statement = _rows(stands).where(XeroContact.id.in_(statement)).order_by(*order)
    found = session.execute(statement).all()
    shown = found[:limit]
    goes_on = len(found) > limit and sort == BY_NAME
    return PreviewPage(
        rows=_preview_rows(session, place, shown),
        next_cursor={"name": shown[-1].sort_name, "id": str(shown[-1].id)} if goes_on else None,
    )


def preview_rows(
    session: AnySession, where: Where, contact_ids: Iterable[str]
) -> dict[str, PreviewRow]:
    """Return some contacts as the preview shows them (after a decision), by their id in Xero."""
    place = place_of(session, where)
    if place is None:
        return {}
    found = session.execute(
        _rows(place.standing).where(XeroContact.xero_contact_id.in_(list(contact_ids)))
    ).all()
    return {row.xero_contact_id: row for row in _preview_rows(session, place, found)}


def preview_row(session: AnySession, where: Where, xero_contact_id: str) -> PreviewRow | None:
    """Return one contact as the preview shows it, or None."""
    return preview_rows(session, where, [xero_contact_id]).get(xero_contact_id)


def contested_ids(session: AnySession, place: Place) -> set[str]:
    """Return the contacts that aim at a client which another contact aims at too."""
    stands = place.standing
    found = session.scalars(
        select(XeroContact.xero_contact_id)
        .select_from(stands.source)
        .where(stands.belongs, stands.contested)
    )
    return set(found)


def link_choices(
    session: AnySession, connection_id: UUID, q: str, *, limit: int = 20
) -> tuple[PreviewRow, ...]:
    """Return the contacts that *q* finds, for linking a client by hand; taken ones are `linked`.

    Two queries; what somebody decided in a draft is left aside.
    """
    return preview(session, Place(connection_id, None), PreviewFilter(q=q), limit=limit).rows


def _keys(stands: Standing, wanted: PreviewFilter) -> AnySelect:
    source = stands.source if asks_how_it_stands(wanted) else XeroContact
    return select(XeroContact.id).select_from(source).where(stands.belongs).correlate(None)


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
            stands.chosen.label("chosen"),
            DraftDecision.updated_at.label("decided_at"),
            XeroContact.xero_updated_at,
            User.name.label("decided_by"),
            XeroContactMapping.client_id.label("linked_client_id"),
            _twin_name().label("twin"),
        )
        .select_from(stands.source.outerjoin(User, User.id == DraftDecision.decided_by_id))
        .where(stands.belongs)
    )


def _twin_name() -> ColumnElement[str]:
    """Return the name of the likeliest other contact that may be the same one in Xero."""
    other = XeroContact.__table__.alias("other")
    is_first = ContactTwins.first_contact_id == XeroContact.xero_contact_id
    is_second = ContactTwins.second_contact_id == XeroContact.xero_contact_id
    other_id = case((is_first, ContactTwins.second_contact_id), else_=ContactTwins.first_contact_id)
    return (
        select(other.c.name)
        .select_from(ContactTwins)
        .join(
            other,
            and_(
                other.c.xero_connection_id == ContactTwins.xero_connection_id,
                other.c.xero_contact_id == other_id,
            ),
        )
        .where(
            ContactTwins.xero_connection_id == XeroContact.xero_connection_id,
            or_(is_first, is_second),
            ContactTwins.apart_at.is_(None),
            other.c.contact_status == IMPORTABLE,
        )
        .order_by(ContactTwins.score.desc(), other.c.name)
        .limit(1)
        .correlate(XeroContact)
        .scalar_subquery()
    )


@dataclass(frozen=True, slots=True)
class _KnownClient:
    name: str
    contact_id: str | None
    contact_name: str | None


def _preview_rows(
    session: AnySession, place: Place, found: Sequence[AnyRow]
) -> tuple[PreviewRow, ...]:
    clients = _known_clients(session, place.connection_id, _clients_named_in(found))
    return tuple(_preview_row(row, clients) for row in found)


def _clients_named_in(found: Sequence[AnyRow]) -> set[UUID]:
    named = {UUID(candidate["client_id"]) for row in found for candidate in row.candidates}
    named |= {row.aim for row in found if row.aim}
    return named | {row.linked_client_id for row in found if row.linked_client_id}


def _known_clients(
    session: AnySession, connection_id: UUID, client_ids: Collection[UUID]
) -> dict[UUID, _KnownClient]:
    if not client_ids:
        return {}
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
            is_explicit=row.chosen is not None,
            is_contested=row.is_contested,
            decided_by=row.decided_by if row.chosen else None,
            decided_at=row.decided_at if row.chosen else None,
        ),
        selected=row.selected,
        can_tick=row.can_tick,
        linked_client_id=row.linked_client_id,
        linked_client_name=linked.name if linked else None,
        changed_at=_changed_since(row),
        twin=row.twin,
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


def _changed_since(row: AnyRow) -> datetime | None:
    is_prepared = row.selected or row.chosen is not None
    changed_at: datetime | None = row.xero_updated_at
    return changed_at if is_prepared and changed_at and changed_at > row.decided_at else None


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
