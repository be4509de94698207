"""Clients and contacts as the duplicate detector takes them, read from our tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, select

from dashboard.database import AnySession
from dashboard.models import Client, XeroContact, XeroContactMapping
from dashboard.rules.contact_matching import MatchAddress, MatchRecord
from dashboard.xero.types import ACTIVE

READ_AT_ONCE = 2_000
ASK_AT_ONCE = 500
FAX = "FAX"

CONTACT_COLUMNS = (
    XeroContact.id,
    XeroContact.xero_contact_id,
    XeroContact.name,
    XeroContact.first_name,
    XeroContact.last_name,
    XeroContact.email,
    XeroContact.phones,
    XeroContact.addresses,
    XeroContact.tax_number,
    XeroContact.company_number,
    XeroContact.match,
    XeroContact.candidates,
)


@dataclass(frozen=True, slots=True)
class HeldContact:
    """A contact to compare: its row, what the detector compares, and the answer it has now."""

    row_id: UUID
    record: MatchRecord
    word: str
    candidates: list[Any]


def client_records(
    session: AnySession, practice_id: UUID, only: Iterable[UUID] | None = None
) -> tuple[MatchRecord, ...]:
    """Return the practice's clients, or *only* those, by their ids, which are the keys."""
    statement = select(
        Client.id,
        Client.name,
        Client.email,
        Client.phone,
        Client.tax_number,
        Client.company_number,
    ).where(Client.practice_id == practice_id)
    records = (
        MatchRecord(
            key=str(row.id),
            name=row.name,
            emails=_some(row.email),
            phones=_some(row.phone),
            tax_number=row.tax_number or "",
            company_number=row.company_number or "",
        )
        for condition in portions(Client.id, only)
        for row in session.execute(statement.where(*condition))
    )
    return tuple(sorted(records, key=lambda record: record.key))


def held_contacts(
    session: AnySession, connection_id: UUID, only: Iterable[UUID] | None = None
) -> Iterator[HeldContact]:
    """Yield the active contacts of a connection, or *only* those rows; keys are Xero's ids."""
    statement = select(*CONTACT_COLUMNS).where(*can_be_compared(connection_id))
    for condition in portions(XeroContact.id, only):
        found = session.execute(
            statement.where(*condition), execution_options={"yield_per": READ_AT_ONCE}
        )
        for row in found:
            yield HeldContact(row.id, _contact_record(row), row.match, row.candidates)


def can_be_compared(connection_id: UUID) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of contacts that may be anybody: active, with a name."""
    return (
        XeroContact.xero_connection_id == connection_id,
        XeroContact.contact_status == ACTIVE,
        XeroContact.name != "",
    )


def is_unlinked() -> ColumnElement[bool]:
    """Return the condition that a contact is no client's."""
    return ~exists().where(
        XeroContactMapping.xero_connection_id == XeroContact.xero_connection_id,
        XeroContactMapping.xero_contact_id == XeroContact.xero_contact_id,
    )


def unlinked_contacts(session: AnySession, connection_id: UUID) -> set[UUID]:
    """Return the rows of all contacts to compare that are no client's."""
    wanted = select(XeroContact.id).where(*can_be_compared(connection_id), is_unlinked())
    return set(session.scalars(wanted))


def portions(column: Any, only: Iterable[UUID] | None) -> Iterator[tuple[ColumnElement[bool], ...]]:
    """Yield conditions that together ask for *only* these; None asks for all."""
    if only is None:
        yield ()
        return
    rest = iter(only)
    while portion := list(islice(rest, ASK_AT_ONCE)):
        yield (column.in_(portion),)


def _contact_record(row: Any) -> MatchRecord:
    return MatchRecord(
        key=row.xero_contact_id,
        name=row.name,
        first_name=row.first_name or "",
        last_name=row.last_name or "",
        emails=_some(row.email),
        phones=tuple(
            phone["number"] for phone in row.phones if phone["number"] and phone["kind"] != FAX
        ),
        addresses=tuple(_addresses(row.addresses)),
        tax_number=row.tax_number or "",
        company_number=row.company_number or "",
    )


def _addresses(stored: Sequence[Mapping[str, Any]]) -> Iterable[MatchAddress]:
    for address in stored:
        lines = [*address["lines"], "", ""]
        yield MatchAddress(
            line1=lines[0],
            line2=lines[1],
            city=address["city"] or "",
            region=address["region"] or "",
            postal_code=address["postal_code"] or "",
            country=address["country"] or "",
        )


def _some(value: str | None) -> tuple[str, ...]:
    return (value,) if value else ()
