"""The Accounting API, as far as we use it: the organisation, its contacts and their groups.

Source: https://developer.xero.com/documentation/api/accounting/contacts and the official
`xero_accounting.yaml`. Everything here only reads.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from http import HTTPStatus
from itertools import count

import msgspec

from dashboard.xero.answers import Answer, decode
from dashboard.xero.door import TenantDoor
from dashboard.xero.errors import XeroNotFound, XeroUnavailable
from dashboard.xero.transport import segment
from dashboard.xero.types import (
    ACTIVE,
    Address,
    Contact,
    ContactGroup,
    ContactPerson,
    ContactsPage,
    Organisation,
    Phone,
)
from dashboard.xero.wire_dates import header_moment, moment
from dashboard.xero.wire_dates import modified_since as modified_since_header
from dashboard.xero.wire_values import WireDecoder, text

logger = logging.getLogger(__name__)

ROOT = "/api.xro/2.0"
# Xero's largest page; larger numbers are cut down to it.
PAGE_SIZE = 1000


class _Wire(msgspec.Struct, rename="pascal", gc=False):
    """What the decoder makes of Xero's objects; whatever is not declared is skipped.

    Bank details, batch payments and network keys are in the answers and never become a value here.
    """


class _Organisation(_Wire):
    organisation_id: str | None = msgspec.field(default=None, name="OrganisationID")
    name: str | None = None
    legal_name: str | None = None
    short_code: str | None = None
    country_code: str | None = None
    base_currency: str | None = None
    class_: str | None = msgspec.field(default=None, name="Class")
    organisation_type: str | None = None
    organisation_status: str | None = None
    timezone: str | None = None
    financial_year_end_day: int | None = None
    financial_year_end_month: int | None = None


class _Organisations(_Wire):
    organisations: list[_Organisation] | None = None


class _Phone(_Wire):
    phone_type: str | None = None
    phone_number: str | None = None
    phone_area_code: str | None = None
    phone_country_code: str | None = None


class _Address(_Wire):
    address_type: str | None = None
    address_line1: str | None = None
    address_line2: str | None = None
    address_line3: str | None = None
    address_line4: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: str | None = None


class _Person(_Wire):
    first_name: str | None = None
    last_name: str | None = None
    email_address: str | None = None


class _Group(_Wire):
    contact_group_id: str | None = msgspec.field(default=None, name="ContactGroupID")
    name: str | None = None


class _Contact(_Wire):
    contact_id: str | None = msgspec.field(default=None, name="ContactID")
    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email_address: str | None = None
    phones: list[_Phone] | None = None
    addresses: list[_Address] | None = None
    tax_number: str | None = None
    company_number: str | None = None
    account_number: str | None = None
    contact_status: str | None = None
    is_supplier: bool | None = None
    is_customer: bool | None = None
    contact_groups: list[_Group] | None = None
    contact_persons: list[_Person] | None = None
    merged_to_contact_id: str | None = msgspec.field(default=None, name="MergedToContactID")
    updated_at: str | None = msgspec.field(default=None, name="UpdatedDateUTC")


class _Pagination(msgspec.Struct, rename="camel"):
    page_count: int | None = None
    item_count: int | None = None


class _Contacts(_Wire):
    contacts: list[_Contact] | None = None
    pagination: _Pagination | None = msgspec.field(default=None, name="pagination")
    server_time: str | None = msgspec.field(default=None, name="DateTimeUTC")


class _Groups(_Wire):
    contact_groups: list[_Group] | None = None


_ORGANISATIONS = WireDecoder(_Organisations)
_CONTACTS = WireDecoder(_Contacts)
_GROUPS = WireDecoder(_Groups)


class AccountingApi:
    """Reads the organisation, its contacts and its contact groups."""

    def __init__(self, door: TenantDoor) -> None:
        self._door = door

    def organisation(self) -> Organisation:
        """Return the organisation itself; Xero does not count this call's bytes."""
        found = decode(self._door.get(f"{ROOT}/Organisation"), _ORGANISATIONS).organisations
        if not found:
            raise XeroUnavailable("Xero answered without the organisation.", status=HTTPStatus.OK)
        return _organisation(found[0])

    def contacts_page(
        self,
        page: int,
        page_size: int = PAGE_SIZE,
        modified_since: datetime | None = None,
        include_archived: bool = True,
    ) -> ContactsPage:
        """Return one page (from 1) of the contacts, those changed since a moment or all.

        Without archived ones an archiving goes unnoticed, and so does a merge. Pages go by
        ContactID: in Xero's default order a contact that is edited meanwhile moves to the end, and
        the one that takes its place is never seen.
        """
        query = {
            "page": str(page),
            "pageSize": str(page_size),
            "order": "ContactID",
            "includeArchived": "true" if include_archived else "false",
        }
        headers = {}
        if modified_since is not None:
            headers["If-Modified-Since"] = modified_since_header(modified_since)
        answer = self._door.get(f"{ROOT}/Contacts", query=query, headers=headers)
        return _contacts_page(answer, page, page_size)

    def contact_pages(
        self,
        modified_since: datetime | None = None,
        include_archived: bool = True,
        page_size: int = PAGE_SIZE,
    ) -> Iterator[ContactsPage]:
        """Yield the pages of `contacts_page`; the clock of the first is the next checkpoint."""
        for number in count(1):
            page = self.contacts_page(number, page_size, modified_since, include_archived)
            yield page
            if page.is_last:
                return

    def contacts(
        self,
        modified_since: datetime | None = None,
        include_archived: bool = True,
        page_size: int = PAGE_SIZE,
    ) -> Iterator[Contact]:
        """Yield every contact, or every one changed since a moment, holding one page at a time."""
        for page in self.contact_pages(modified_since, include_archived, page_size):
            yield from page.contacts

    def contact(self, contact_id: str) -> Contact:
        """Return one contact with groups and persons, or raise `XeroNotFound`."""
        answer = self._door.get(f"{ROOT}/Contacts/{segment(contact_id)}")
        found = _contacts(decode(answer, _CONTACTS).contacts)
        if not found:
            raise XeroNotFound("Xero does not know this contact.", status=answer.status)
        return found[0]

    def contact_groups(self) -> tuple[ContactGroup, ...]:
        """Return the active groups; their members come with the contacts."""
        answer = self._door.get(f"{ROOT}/ContactGroups")
        return _groups(decode(answer, _GROUPS).contact_groups)


def _contacts_page(answer: Answer, page: int, page_size: int) -> ContactsPage:
    if answer.status == HTTPStatus.NOT_MODIFIED:
        served_at = header_moment(answer.headers.get("Date"))
        return ContactsPage((), page, None, None, served_at, is_last=True)
    wire = decode(answer, _CONTACTS)
    received = len(wire.contacts or ())
    page_count = wire.pagination.page_count if wire.pagination else None
    is_last = page >= page_count if page_count is not None else received < page_size
    return ContactsPage(
        contacts=_contacts(wire.contacts),
        page=page,
        page_count=page_count,
        item_count=wire.pagination.item_count if wire.pagination else None,
        server_time=moment(wire.server_time) or header_moment(answer.headers.get("Date")),
        # An empty page ends the reading whatever the page count says, or it might never end.
        is_last=is_last or received == 0,
    )


def _contacts(wires: list[_Contact] | None) -> tuple[Contact, ...]:
    contacts = tuple([_contact(wire) for wire in wires or () if wire.contact_id])
    if wires and len(contacts) < len(wires):
        logger.warning(
            "%s contacts came without an id and were left out", len(wires) - len(contacts)
        )
    return contacts


def _contact(wire: _Contact) -> Contact:
    persons = tuple([_person(person) for person in wire.contact_persons or ()])
    email = text(wire.email_address)
    if email is None and persons:
        email = next((person.email for person in persons if person.email), None)
    return Contact(
        contact_id=wire.contact_id or "",
        name=text(wire.name) or "",
        first_name=text(wire.first_name),
        last_name=text(wire.last_name),
        email=email,
        phones=_phones(wire.phones) if wire.phones else (),
        addresses=_addresses(wire.addresses) if wire.addresses else (),
        tax_number=text(wire.tax_number),
        company_number=text(wire.company_number),
        account_number=text(wire.account_number),
        status=wire.contact_status or ACTIVE,
        is_supplier=bool(wire.is_supplier),
        is_customer=bool(wire.is_customer),
        groups=_groups(wire.contact_groups) if wire.contact_groups else (),
        persons=persons,
        merged_to_contact_id=wire.merged_to_contact_id or None,
        updated_at=moment(wire.updated_at),
    )


def _person(wire: _Person) -> ContactPerson:
    return ContactPerson(text(wire.first_name), text(wire.last_name), text(wire.email_address))


def _phones(wires: list[_Phone]) -> tuple[Phone, ...]:
    """Return the numbers that are there: Xero lists all four kinds, most of them blank."""
    phones = []
    for wire in wires:
        number = text(wire.phone_number)
        if number is not None:
            country, area = wire.phone_country_code, wire.phone_area_code
            if area:
                number = f"{area.strip()} {number}"
            if country:
                number = f"{'+' if country.isdecimal() else ''}{country.strip()} {number}"
            phones.append(Phone(wire.phone_type or "DEFAULT", number.strip()))
    return tuple(phones)


def _addresses(wires: list[_Address]) -> tuple[Address, ...]:
    addresses = []
    for wire in wires:
        lines = _lines(wire)
        city, region = text(wire.city), text(wire.region)
        postal_code, country = text(wire.postal_code), text(wire.country)
        if lines or city or region or postal_code or country:
            kind = wire.address_type or "STREET"
            addresses.append(Address(kind, lines, city, region, postal_code, country))
    return tuple(addresses)


def _lines(wire: _Address) -> tuple[str, ...]:
    written = (wire.address_line1, wire.address_line2, wire.address_line3, wire.address_line4)
    return tuple([line for value in written if value and (line := value.strip())])


def _groups(wires: list[_Group] | None) -> tuple[ContactGroup, ...]:
    return tuple(
        [
            ContactGroup(wire.contact_group_id, text(wire.name) or "")
            for wire in wires or ()
            if wire.contact_group_id
        ]
    )


def _organisation(wire: _Organisation) -> Organisation:
    return Organisation(
        organisation_id=text(wire.organisation_id),
        name=text(wire.name),
        legal_name=text(wire.legal_name),
        short_code=text(wire.short_code),
        country_code=text(wire.country_code),
        base_currency=text(wire.base_currency),
        class_=text(wire.class_),
        organisation_type=text(wire.organisation_type),
        status=text(wire.organisation_status),
        timezone=text(wire.timezone),
        financial_year_end_day=wire.financial_year_end_day,
        financial_year_end_month=wire.financial_year_end_month,
    )
