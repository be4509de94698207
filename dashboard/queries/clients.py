"""Clients: the list with its filters, one client with its Xero contact, and the tags."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, exists, func, or_, select, tuple_

from dashboard.database import AnySession
from dashboard.models import (
    Client,
    Tag,
    TagSource,
    User,
    XeroConnection,
    XeroContact,
    XeroContactMapping,
    client_tags,
)
from dashboard.models.contact_standing import group_names
from dashboard.queries import documents
from dashboard.queries.document_states import Shown, shown_connection
from dashboard.queries.keyset import Cursor, after_name
from dashboard.rules.client_fields import FIELDS, main_phone

ACTIVE_CONTACT = "ACTIVE"
AnySelect: TypeAlias = Select[*tuple[Any, ...]]
AnyRow: TypeAlias = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class TagRow:
    """A tag; `from_xero` marks one that follows a contact group."""

    name: str
    from_xero: bool


@dataclass(frozen=True, slots=True)
class GroupTag:
    """A tag that follows a contact group, and what Xero calls that group."""

    name: str
    group_id: str
    group_name: str


@dataclass(frozen=True, slots=True)
class LinkedContact:
    """The Xero contact that is this client, in the current connection.

    `status` is ACTIVE, ARCHIVED or GDPRREQUEST; None while the mirror has not read the contact.
    `merged_to` is the id of the contact that it was merged into. `linked_by` is who decided that
    they are the same, None if nobody knows or the match was automatic. `kept`: fields in which ours
    stays, with what Xero had then.
    """

    xero_contact_id: str
    name: str | None
    status: str | None
    merged_to: str | None
    email: str | None
    phone: str | None
    company_number: str | None
    tax_number: str | None
    linked_at: datetime
    linked_by: str | None
    read_at: datetime | None
    kept: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlainClient:
    """A client's own fields and its contact.

    `xero_contact_id` and `contact` speak of the current connection only: links of an organisation
    that the practice left are not shown.
    """

    id: UUID
    name: str
    email: str | None
    phone: str | None
    company_number: str | None
    tax_number: str | None
    xero_contact_id: str | None
    contact: LinkedContact | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ClientRow(PlainClient):
    """A client in the list.

    `documents_needing_attention` is what the list of documents counts under "Needs attention" for
    this client.
    """

    tags: tuple[TagRow, ...]
    documents_needing_attention: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A field in which client and contact differ; either side may be None.

    `is_kept`: somebody said that ours stays, and Xero has had the same since.
    """

    field: str
    ours: str | None
    in_xero: str | None
    is_kept: bool = False


@dataclass(frozen=True, slots=True)
class ClientDetail:
    """One client, with how it differs from its contact and how many documents are filed.

    `other_tags` are the practice's own tags that it does not have.
    """

    client: ClientRow
    differences: tuple[Difference, ...]
    documents: int
    documents_filed: int
    other_tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NamedClient:
    """A client to choose from a list."""

    id: UUID
    name: str
    email: str | None


@dataclass(frozen=True, slots=True)
class ClientPage:
    """Clients in the order of their names. `total` counts all of the filter."""

    rows: tuple[ClientRow, ...]
    next_cursor: Cursor | None
    total: int


def page(  # noqa: PLR0913 - what a list can be asked, each by its name
    session: AnySession,
    practice_id: UUID,
    *,
    q: str = "",
    tag: str = "",
    linked: bool | None = None,
    archived: bool = False,
    attention: bool = False,
    limit: int = 50,
    cursor: Cursor | None = None,
    shown: Shown | None = None,
) -> ClientPage:
    """Return one page of clients by name; five queries, however many rows.

    Here and below, *shown* saves the first query where the connection has been read already. Each
    word of `q` is looked for in name and e-mail, `tag` is a tag's name, `linked` whether the
    client has a Xero contact; `archived` leaves those whose contact was archived or erased, and
    `attention` those with a document that needs a person. Raises `UnknownCursor` for a cursor that
    was not made here.
    """
    seen = shown or shown_connection(session, practice_id)
    wanted = _wanted(practice_id, seen.id, q, tag, linked)
    if archived:
        wanted.append(Client.id.in_(_with_lost_contacts(seen.id)))
    if attention:
        wanted.append(Client.id.in_(documents.clients_needing_attention(practice_id, seen)))
    total = session.scalar(select(func.count()).select_from(Client).where(*wanted))
    statement = _rows(seen.id).where(*wanted).order_by(Client.name, Client.id)
    if cursor is not None:
        last_seen = after_name(cursor)
        statement = statement.where(tuple_(Client.name, Client.id) > tuple_(*last_seen))
    found = session.execute(statement.limit(limit + 1)).all()
    chosen = found[:limit]
    last = chosen[-1].Client if len(found) > limit else None
    ids = [row.Client.id for row in chosen]
    tagged = _tags_of(session, ids)
    attention_of = documents.needing_attention(session, practice_id, ids, shown=seen)
    return ClientPage(
        rows=tuple(
            _client_row(
                row, tuple(tagged.get(row.Client.id, ())), attention_of.get(row.Client.id, 0)
            )
            for row in chosen
        ),
        next_cursor={"name": last.name, "id": str(last.id)} if last else None,
        total=total or 0,
    )


def one(
    session: AnySession, practice_id: UUID, client_id: UUID, *, shown: Shown | None = None
) -> ClientDetail | None:
    """Return one client of the practice, or None: another practice's client is not found.

    Four queries.
    """
    seen = shown or shown_connection(session, practice_id)
    found = _found(session, practice_id, client_id, seen)
    if found is None:
        return None
    counts = documents.counts(session, practice_id, client_id=client_id, shown=seen)
    held, others = _tags_of_one(session, practice_id, client_id)
    client = _client_row(found, held, counts.attention)
    return ClientDetail(client, _differences(client), counts.all, counts.filed, others)


def plain(
    session: AnySession, practice_id: UUID, client_id: UUID, *, shown: Shown
) -> PlainClient | None:
    """Return the fields and the contact of one client of the practice, or None; one query."""
    found = _found(session, practice_id, client_id, shown)
    return PlainClient(**_plain_fields(found)) if found else None


def tags(session: AnySession, practice_id: UUID) -> tuple[TagRow, ...]:
    """Return the tags of the practice by name, those in use and those that are not."""
    found = session.execute(
        select(Tag.name, Tag.source).where(Tag.practice_id == practice_id).order_by(Tag.name)
    )
    return tuple(TagRow(name, source == TagSource.XERO) for name, source in found)


def group_tag(
    session: AnySession, practice_id: UUID, name: str, *, shown: Shown
) -> GroupTag | None:
    """Return the tag of this name if it follows a group that contacts are in; two queries."""
    group_id = session.scalar(
        select(Tag.xero_group_id).where(
            Tag.practice_id == practice_id, Tag.name == name, Tag.source == TagSource.XERO
        )
    )
    groups = group_names(session, shown.id) if group_id else {}
    return GroupTag(name, group_id, groups[group_id]) if group_id in groups else None


def names(
    session: AnySession, practice_id: UUID, q: str = "", *, limit: int = 20
) -> tuple[NamedClient, ...]:
    """Return clients whose name or e-mail holds *q*, for choosing one; one query."""
    found = session.execute(
        select(Client.id, Client.name, Client.email)
        .where(Client.practice_id == practice_id, *_found_by(q))
        .order_by(Client.name, Client.id)
        .limit(limit)
    )
    return tuple(NamedClient(*row) for row in found)


def _wanted(
    practice_id: UUID, connection_id: UUID, q: str, tag: str, linked: bool | None
) -> list[ColumnElement[bool]]:
    conditions = [Client.practice_id == practice_id, *_found_by(q)]
    if tag:
        conditions.append(Client.tags.any(Tag.name == tag))
    if linked is not None:
        is_linked = Client.id.in_(
            select(XeroContactMapping.client_id)
            .where(XeroContactMapping.xero_connection_id == connection_id)
            .correlate(None)
        )
        conditions.append(is_linked if linked else ~is_linked)
    return conditions


def _with_lost_contacts(connection_id: UUID) -> Select[UUID]:
    return (
        select(XeroContactMapping.client_id)
        .join(
            XeroContact,
            and_(
                XeroContact.xero_connection_id == XeroContactMapping.xero_connection_id,
                XeroContact.xero_contact_id == XeroContactMapping.xero_contact_id,
            ),
        )
        .where(
            XeroContactMapping.xero_connection_id == connection_id,
            XeroContact.contact_status != ACTIVE_CONTACT,
        )
    )


def _found_by(q: str) -> list[ColumnElement[bool]]:
    return [
        or_(
            Client.name.icontains(term, autoescape=True),
            Client.email.icontains(term, autoescape=True),
        )
        for term in q.split()
    ]


def _rows(connection_id: UUID) -> AnySelect:
    return (
        select(
            Client,
            XeroContactMapping,
            XeroContact,
            XeroConnection.last_sync_at,
            User.name.label("linked_by"),
        )
        .outerjoin(
            XeroContactMapping,
            and_(
                XeroContactMapping.client_id == Client.id,
                XeroContactMapping.xero_connection_id == connection_id,
            ),
        )
        .outerjoin(
            XeroContact,
            and_(
                XeroContact.xero_connection_id == connection_id,
                XeroContact.xero_contact_id == XeroContactMapping.xero_contact_id,
            ),
        )
        .outerjoin(XeroConnection, XeroConnection.id == connection_id)
        .outerjoin(User, User.id == XeroContactMapping.linked_by_id)
        .execution_options(populate_existing=True)
    )


def _tags_of(session: AnySession, client_ids: Collection[UUID]) -> dict[UUID, list[TagRow]]:
    found = session.execute(
        select(client_tags.c.client_id, Tag.name, Tag.source)
        .join(Tag, Tag.id == client_tags.c.tag_id)
        .where(client_tags.c.client_id.in_(client_ids))
        .order_by(Tag.name)
    )
    tagged: dict[UUID, list[TagRow]] = {}
    for client_id, name, source in found:
        tagged.setdefault(client_id, []).append(TagRow(name, source == TagSource.XERO))
    return tagged


def _tags_of_one(
    session: AnySession, practice_id: UUID, client_id: UUID
) -> tuple[tuple[TagRow, ...], tuple[str, ...]]:
    """Return a client's tags, and the names of the practice's own tags that it has not."""
    has = exists().where(client_tags.c.client_id == client_id, client_tags.c.tag_id == Tag.id)
    found = session.execute(
        select(Tag.name, Tag.source, has)
        .where(Tag.practice_id == practice_id, or_(has, Tag.source == TagSource.OWN))
        .order_by(Tag.name)
    ).all()
    held = tuple(
        TagRow(name, source == TagSource.XERO) for name, source, is_held in found if is_held
    )
    return held, tuple(name for name, _, is_held in found if not is_held)


def _found(session: AnySession, practice_id: UUID, client_id: UUID, seen: Shown) -> AnyRow | None:
    mine = (Client.practice_id == practice_id, Client.id == client_id)
    return session.execute(_rows(seen.id).where(*mine)).first()


def _client_row(row: AnyRow, tagged: tuple[TagRow, ...], attention: int) -> ClientRow:
    return ClientRow(**_plain_fields(row), tags=tagged, documents_needing_attention=attention)


def _plain_fields(row: AnyRow) -> dict[str, Any]:
    client: Client = row.Client
    contact = _linked_contact(row)
    own = ("id", *FIELDS, "created_at", "updated_at")
    return {
        **{name: getattr(client, name) for name in own},
        "xero_contact_id": contact.xero_contact_id if contact else None,
        "contact": contact,
    }


def _linked_contact(row: AnyRow) -> LinkedContact | None:
    mapping: XeroContactMapping | None = row.XeroContactMapping
    if mapping is None:
        return None
    contact: XeroContact | None = row.XeroContact
    if contact is None:
        return LinkedContact(
            xero_contact_id=mapping.xero_contact_id,
            name=mapping.xero_contact_name,
            status=None,
            merged_to=None,
            email=None,
            phone=None,
            company_number=None,
            tax_number=None,
            linked_at=mapping.created_at,
            linked_by=row.linked_by,
            read_at=None,
        )
    return LinkedContact(
        xero_contact_id=contact.xero_contact_id,
        name=contact.name,
        status=contact.contact_status,
        merged_to=contact.merged_to_contact_id,
        email=contact.email,
        phone=main_phone(contact.phones),
        company_number=contact.company_number,
        tax_number=contact.tax_number,
        linked_at=mapping.created_at,
        linked_by=row.linked_by,
        read_at=row.last_sync_at or contact.read_at,
        kept=mapping.kept,
    )


def _differences(client: ClientRow) -> tuple[Difference, ...]:
    contact = client.contact
    if contact is None or contact.status != ACTIVE_CONTACT:
        return ()
    pairs = ((name, getattr(client, name), getattr(contact, name)) for name in FIELDS)
    return tuple(
        Difference(
            name,
            ours or None,
            in_xero or None,
            name in contact.kept and contact.kept[name] == (in_xero or None),
        )
        for name, ours, in_xero in pairs
        if (ours or None) != (in_xero or None)
    )
