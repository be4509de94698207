"""A contact beside the client that it may be, and other clients that it could be linked to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, and_, cast, exists, func, or_, select

from dashboard.database import AnySession
from dashboard.models import Client, DraftDecision, XeroContact, XeroContactMapping
from dashboard.models.contact_standing import IMPORTABLE
from dashboard.queries.import_places import Place
from dashboard.rules import field_comparison as compare
from dashboard.rules.field_comparison import ComparedField, compared, only_in_xero

FOUND_AT_ONCE = 20
FAX = "FAX"


@dataclass(frozen=True, slots=True)
class FoundClient:
    """A client that a person looked for; `taken_by` is the contact that it is linked to."""

    id: UUID
    name: str
    email: str | None
    taken_by: str | None


@dataclass(frozen=True, slots=True)
class Rival:
    """Another contact that points to the same client."""

    xero_contact_id: str
    name: str
    email: str | None


def fields(
    session: AnySession, place: Place, practice_id: UUID, contact_id: str, client_id: UUID | None
) -> list[ComparedField] | None:
    """Return the fields of a contact beside those of a client of the practice.

    Fields that both sides leave empty are left out. None for a contact that is not in the mirror or
    a client that is not the practice's; without a client its side stays empty.
    """
    found = session.execute(
        select(XeroContact, Client)
        .outerjoin(Client, and_(Client.id == client_id, Client.practice_id == practice_id))
        .where(
            XeroContact.xero_connection_id == place.connection_id,
            XeroContact.xero_contact_id == contact_id,
        )
        .execution_options(populate_existing=True)
    ).first()
    if found is None or (client_id is not None and found.Client is None):
        return None
    return [one for one in _fields(found.XeroContact, found.Client) if one.theirs or one.ours]


def rivals(
    session: AnySession, place: Place, contact_id: str, client_id: UUID
) -> tuple[Rival, ...]:
    """Return the other free contacts that would be linked to a client, or may be it, by name.

    One query: those that somebody decided to link to it, and those that clash over it.
    """
    decided = select(DraftDecision.xero_contact_id).where(
        DraftDecision.draft_id == place.draft_id,
        DraftDecision.action == "link",
        DraftDecision.client_id == client_id,
    )
    clashes = XeroContact.match.in_(["clash", "exact"]) & cast(
        XeroContact.candidates, Text
    ).contains(str(client_id))
    found = session.execute(
        select(XeroContact.xero_contact_id, XeroContact.name, XeroContact.email)
        .where(
            XeroContact.xero_connection_id == place.connection_id,
            XeroContact.xero_contact_id != contact_id,
            XeroContact.contact_status == IMPORTABLE,
            clashes | XeroContact.xero_contact_id.in_(decided),
            ~exists().where(
                XeroContactMapping.xero_connection_id == XeroContact.xero_connection_id,
                XeroContactMapping.xero_contact_id == XeroContact.xero_contact_id,
            ),
        )
        .order_by(XeroContact.sort_name, XeroContact.id)
        .limit(FOUND_AT_ONCE)
    )
    return tuple(Rival(*row) for row in found)


def clients_found(
    session: AnySession, place: Place, practice_id: UUID, needle: str
) -> tuple[FoundClient, ...]:
    """Return the first clients whose name, e-mail or numbers hold the text, by name."""
    columns = (Client.name, Client.email, Client.company_number, Client.tax_number)
    holds = or_(*(column.icontains(needle, autoescape=True) for column in columns))
    return _clients(session, place, practice_id, holds)


def client(
    session: AnySession, place: Place, practice_id: UUID, client_id: UUID
) -> FoundClient | None:
    """Return a client of the practice with the contact that it is linked to; None if not its."""
    found = _clients(session, place, practice_id, Client.id == client_id)
    return found[0] if found else None


def _clients(
    session: AnySession, place: Place, practice_id: UUID, wanted: ColumnElement[bool]
) -> tuple[FoundClient, ...]:
    taken_by = func.coalesce(XeroContactMapping.xero_contact_name, "another contact")
    found = session.execute(
        select(Client.id, Client.name, Client.email, taken_by, XeroContactMapping.id)
        .outerjoin(
            XeroContactMapping,
            (XeroContactMapping.client_id == Client.id)
            & (XeroContactMapping.xero_connection_id == place.connection_id),
        )
        .where(Client.practice_id == practice_id, wanted)
        .order_by(Client.name, Client.id)
        .limit(FOUND_AT_ONCE)
    )
    return tuple(
        FoundClient(client_id, name, email, holder if mapping else None)
        for client_id, name, email, holder, mapping in found
    )


def _fields(contact: XeroContact, client: Client | None) -> Iterable[ComparedField]:
    numbers = [one["number"] for one in contact.phones if one["kind"] != FAX]
    for label, field, theirs, tidied in (
        ("Name", "name", [contact.name], compare.name),
        ("Email", "email", [contact.email], compare.email),
        ("Phone", "phone", numbers, compare.phone),
        ("Company number", "company_number", [contact.company_number], compare.number),
        ("Tax number", "tax_number", [contact.tax_number], compare.number),
    ):
        yield compared(label, theirs, getattr(client, field) if client else None, tidied)
    person = " ".join(part for part in (contact.first_name, contact.last_name) if part)
    yield only_in_xero("Contact person", person)
    yield only_in_xero("Address", *(_address(one) for one in contact.addresses))
    yield only_in_xero("Groups", ", ".join(group["name"] for group in contact.groups))


def _address(address: Mapping[str, Any]) -> str:
    parts = [*address["lines"], *(address[name] for name in ("city", "region", "postal_code"))]
    return ", ".join(part for part in parts if part)
