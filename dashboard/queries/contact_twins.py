"""Contacts that may be in Xero twice, as the page shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from dashboard.database import AnySession
from dashboard.models import (
    Client,
    ConnectionStatus,
    ContactTwins,
    User,
    XeroConnection,
    XeroContact,
    XeroContactMapping,
)

ACTIVE = "ACTIVE"


@dataclass(frozen=True, slots=True)
class Twin:
    """One of the two contacts, and the client that it is, if it is one."""

    xero_contact_id: str
    name: str
    email: str | None
    client_id: UUID | None
    client_name: str | None


@dataclass(frozen=True, slots=True)
class TwinRow:
    """Two contacts that may be the same; `reasons` are sentences, `score` is 0 to 1.

    `apart_at` is when somebody, `apart_by`, said that they are not the same.
    """

    first: Twin
    second: Twin
    reasons: tuple[str, ...]
    score: float
    apart_at: datetime | None = None
    apart_by: str | None = None


@dataclass(frozen=True, slots=True)
class TwinPage:
    """The likeliest pairs of those asked for, and how many there are of both kinds."""

    rows: tuple[TwinRow, ...]
    same: int
    apart: int


def page(
    session: AnySession, practice_id: UUID, *, apart: bool = False, limit: int = 200
) -> TwinPage:
    """Return the likeliest pairs of the current connection; two queries.

    With *apart* those that somebody told apart. Pairs of which one was archived since are not
    shown.
    """
    first, second = aliased(XeroContact), aliased(XeroContact)
    first_link, second_link = aliased(XeroContactMapping), aliased(XeroContactMapping)
    first_client, second_client = aliased(Client), aliased(Client)
    pairs = (
        select(ContactTwins.id)
        .join(XeroConnection, XeroConnection.id == ContactTwins.xero_connection_id)
        .where(
            ContactTwins.practice_id == practice_id,
            XeroConnection.status != ConnectionStatus.DISCONNECTED,
            first.contact_status == ACTIVE,
            second.contact_status == ACTIVE,
        )
    )
    for contact, key in (
        (first, ContactTwins.first_contact_id),
        (second, ContactTwins.second_contact_id),
    ):
        pairs = pairs.join(
            contact,
            (contact.xero_connection_id == ContactTwins.xero_connection_id)
            & (contact.xero_contact_id == key),
        )
    both = pairs.with_only_columns(ContactTwins.apart_at, maintain_column_froms=True).subquery()
    total, told = session.execute(select(func.count(), func.count(both.c.apart_at))).one()
    is_told = ContactTwins.apart_at.is_not(None)
    shown = (
        pairs.with_only_columns(
            ContactTwins,
            first,
            second,
            first_client,
            second_client,
            User.name,
            maintain_column_froms=True,
        )
        .outerjoin(User, User.id == ContactTwins.apart_by_id)
        .where(is_told if apart else ~is_told)
    )
    for contact, link, client in (
        (first, first_link, first_client),
        (second, second_link, second_client),
    ):
        shown = shown.outerjoin(
            link,
            (link.xero_connection_id == contact.xero_connection_id)
            & (link.xero_contact_id == contact.xero_contact_id),
        ).outerjoin(client, client.id == link.client_id)
    found = session.execute(
        shown.order_by(ContactTwins.score.desc(), first.sort_name, ContactTwins.id).limit(limit)
    )
    rows = tuple(
        TwinRow(
            _twin(one, ours),
            _twin(other, theirs),
            tuple(pair.reasons),
            pair.score / 1_000,
            apart_at=pair.apart_at,
            apart_by=person,
        )
        for pair, one, other, ours, theirs, person in found
    )
    return TwinPage(rows, total - told, told)


def _twin(contact: XeroContact, client: Client | None) -> Twin:
    return Twin(
        xero_contact_id=contact.xero_contact_id,
        name=contact.name,
        email=contact.email,
        client_id=client.id if client else None,
        client_name=client.name if client else None,
    )
