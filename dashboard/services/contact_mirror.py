"""The mirror of Xero's contacts: a page in, what changed written, and what it was before."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import Select, String, and_, func, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from dashboard.database import AnySession, insert_for
from dashboard.models import XeroConnection, XeroContact
from dashboard.rules.client_fields import Values, main_phone
from dashboard.rules.contact_text import cleaned, search_text, sort_name
from dashboard.xero.types import ACTIVE, GDPR_REQUEST, Address, Contact


@dataclass(frozen=True, slots=True)
class MirrorChange:
    """A contact that differs from what the mirror held.

    `before`: the fields that a client shares, and `contact_status`, as they were; None if it is
    new.
    """

    contact: Mapping[str, Any]
    before: Values | None

    @property
    def contact_id(self) -> str:
        """Xero's id of the contact."""
        return str(self.contact["xero_contact_id"])


def shared_fields(contact: Mapping[str, Any]) -> Values:
    """Return the fields that a client takes from a row of the mirror."""
    return {
        "name": contact["name"] or None,
        "email": contact["email"],
        "phone": cleaned(main_phone(contact["phones"])),
        "company_number": contact["company_number"],
        "tax_number": contact["tax_number"],
    }


def write_page(
    session: AnySession,
    *,
    practice_id: UUID,
    connection_id: UUID,
    contacts: Sequence[Contact],
    now: datetime,
) -> list[MirrorChange]:
    """Bring the mirror up to date with one page; return what was new or different, in its order.

    Rows that say the same are not written. Four statements, or one when nothing changed; part of
    the caller's transaction.
    """
    contacts = [_forgotten(each) if each.status == GDPR_REQUEST else each for each in contacts]
    hashes = {contact.contact_id: _content_hash(contact) for contact in contacts}
    known = _known_hashes(session, connection_id, list(hashes))
    rows = {
        contact.contact_id: _row(contact, hashes[contact.contact_id])
        for contact in contacts
        if known.get(contact.contact_id) != hashes[contact.contact_id]
    }
    if not rows:
        return []
    held = _held(session, connection_id, [each for each in rows if each in known])
    changes = [MirrorChange(row, _before(held.get(each))) for each, row in rows.items()]
    keys = {
        "practice_id": practice_id,
        "xero_connection_id": connection_id,
        "read_at": now,
        "revision": _next_revision(session, connection_id),
    }
    _upsert(session, [{"id": uuid4(), **keys, **change.contact} for change in changes])
    return changes


def active_contacts(session: AnySession, connection_id: UUID) -> int:
    """Return how many contacts of the mirror are not archived or erased in Xero."""
    return (
        session.scalar(
            select(func.count())
            .select_from(XeroContact)
            .where(
                XeroContact.xero_connection_id == connection_id,
                XeroContact.contact_status == ACTIVE,
            )
        )
        or 0
    )


def _next_revision(session: AnySession, connection_id: UUID) -> int:
    revision: int = session.execute(
        update(XeroConnection)
        .where(XeroConnection.id == connection_id)
        .values(contacts_revision=XeroConnection.contacts_revision + 1)
        .returning(XeroConnection.contacts_revision)
        .execution_options(synchronize_session=False)
    ).scalar_one()
    return revision


def _known_hashes(
    session: AnySession, connection_id: UUID, contact_ids: Sequence[str]
) -> dict[str, str]:
    wanted = select(XeroContact.xero_contact_id, XeroContact.content_hash)
    found = session.execute(_looked_up(session, wanted, connection_id, contact_ids))
    return {row[0]: row[1] for row in found}


def _held(
    session: AnySession, connection_id: UUID, contact_ids: Sequence[str]
) -> dict[str, Mapping[str, Any]]:
    if not contact_ids:
        return {}
    wanted = select(
        XeroContact.xero_contact_id,
        XeroContact.contact_status,
        XeroContact.name,
        XeroContact.email,
        XeroContact.phones,
        XeroContact.company_number,
        XeroContact.tax_number,
    )
    found = session.execute(_looked_up(session, wanted, connection_id, contact_ids))
    return {row.xero_contact_id: cast("Mapping[str, Any]", row._mapping) for row in found}


def _looked_up(
    session: AnySession,
    wanted: Select[*tuple[Any, ...]],
    connection_id: UUID,
    contact_ids: Sequence[str],
) -> Select[*tuple[Any, ...]]:
    """Return *wanted* of the contacts with these ids, each looked up by itself."""
    of_connection = XeroContact.xero_connection_id == connection_id
    if session.get_bind().dialect.name == "sqlite":
        return wanted.where(of_connection, XeroContact.xero_contact_id.in_(contact_ids))
    # In a table that it does not know yet, PostgreSQL takes a connection's contacts for few and
    # reads all of them for a list of ids: at a first reading once for every page.
    asked = (
        func.unnest(literal(list(contact_ids), ARRAY(String)))
        .table_valued("id", name="asked")
        .render_derived()
    )
    return wanted.select_from(asked).join(
        XeroContact, and_(of_connection, XeroContact.xero_contact_id == asked.c.id)
    )


def _before(held: Mapping[str, Any] | None) -> Values | None:
    if held is None:
        return None
    return {**shared_fields(held), "contact_status": held["contact_status"]}


def _upsert(session: AnySession, rows: list[dict[str, Any]]) -> None:
    table: Any = XeroContact.__table__
    statement = insert_for(session)(table)
    written = {
        name: statement.excluded[name]
        for name in rows[0]
        if name not in {"id", "practice_id", "xero_connection_id", "xero_contact_id"}
    }
    # Through the mapped class, rows with other empty columns would become statements of their own.
    session.connection().execute(
        statement.on_conflict_do_update(
            index_elements=[table.c.xero_connection_id, table.c.xero_contact_id],
            set_=written,
            where=table.c.content_hash != statement.excluded.content_hash,
        ),
        rows,
    )


def _content_hash(contact: Contact) -> str:
    """Return what is the same exactly while a contact says the same.

    When it was changed is left out, because Xero moves that for matters that we do not read, and
    so are its persons, who are not kept.
    """
    kept = msgspec.structs.replace(contact, updated_at=None, persons=())
    return hashlib.sha256(msgspec.json.encode(kept)).hexdigest()


def _forgotten(contact: Contact) -> Contact:
    """Return what is kept of a person who asked Xero to be erased: that there was one."""
    return Contact(
        contact_id=contact.contact_id,
        name=contact.name,
        status=contact.status,
        merged_to_contact_id=contact.merged_to_contact_id,
        updated_at=contact.updated_at,
    )


def _row(contact: Contact, content_hash: str) -> dict[str, Any]:
    name = cleaned(contact.name) or ""
    first_name, last_name = cleaned(contact.first_name), cleaned(contact.last_name)
    email = cleaned(contact.email)
    tax_number, company_number = cleaned(contact.tax_number), cleaned(contact.company_number)
    return {
        "xero_contact_id": contact.contact_id,
        "name": name,
        "first_name": first_name,
        "last_name": last_name,
        "email": email,
        "phones": [
            {"kind": phone.kind, "number": cleaned(phone.number) or ""} for phone in contact.phones
        ],
        "addresses": [_address(address) for address in contact.addresses],
        "tax_number": tax_number,
        "company_number": company_number,
        "contact_status": contact.status,
        "is_supplier": contact.is_supplier,
        "is_customer": contact.is_customer,
        "groups": [
            {"id": group.id, "name": cleaned(group.name)}
            for group in contact.groups
            if cleaned(group.name)
        ],
        "merged_to_contact_id": contact.merged_to_contact_id,
        "sort_name": sort_name(name),
        "search_text": search_text(
            name, first_name, last_name, email, company_number, tax_number, contact.account_number
        ),
        "content_hash": content_hash,
        "xero_updated_at": contact.updated_at,
    }


def _address(address: Address) -> dict[str, Any]:
    return {
        "kind": address.kind,
        "lines": [line for line in map(cleaned, address.lines) if line],
        "city": cleaned(address.city),
        "region": cleaned(address.region),
        "postal_code": cleaned(address.postal_code),
        "country": cleaned(address.country),
    }
