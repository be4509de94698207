"""Compares another organisation's contacts with the practice's clients before it is connected."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from uuid import UUID

from sqlalchemy import exists, func, or_, select

from dashboard.database import AnySession
from dashboard.models import XeroConnection, XeroContact, XeroContactMapping
from dashboard.rules.contact_matching import (
    ClientIndex,
    MatchAddress,
    MatchRecord,
    match_contacts,
)
from dashboard.rules.organisation_change import Comparison
from dashboard.services.match_records import FAX, client_records
from dashboard.xero import Contact, XeroClient, XeroError
from dashboard.xero.types import ACTIVE

logger = logging.getLogger(__name__)

MOST_PAGES = 5
# A person waits for this: a page is begun only while a slow one would still end in 15 seconds.
BEGIN_WITHIN_SECONDS = 9.0
EXACT = "exact"


class OrganisationComparison:
    """Counts how many contacts are clients: of an organisation at Xero, and of one we know."""

    def __init__(
        self, *, session: AnySession, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._session = session
        self._monotonic = monotonic

    def compare(
        self, practice_id: UUID, xero: XeroClient, left_tenant_id: str
    ) -> Comparison | None:
        """Return how the organisation behind *xero* compares with the one that is left.

        Reads at most 5,000 contacts, of which one counts that is linked to a client from before or
        is an exact match. None when Xero did not answer in time. Commits.
        """
        clients = client_records(self._session, practice_id)
        linked = self._linked(practice_id, xero.tenant_id)
        matched_before = self._matched_before(practice_id, left_tenant_id)
        # No transaction stays open while Xero is asked.
        self._session.commit()
        try:
            contacts, is_whole = self._read(xero)
        except XeroError as problem:
            logger.warning("practice %s: the contacts were not compared: %s", practice_id, problem)
            return None
        found = match_contacts(map(_record, contacts), ClientIndex.build(clients))
        matching = sum(
            contact.contact_id in linked or found[contact.contact_id].word == EXACT
            for contact in contacts
        )
        return Comparison(matching, len(contacts), is_whole, matched_before)

    def _read(self, xero: XeroClient) -> tuple[list[Contact], bool]:
        """Return the active contacts, and whether these are all of them."""
        began_at, contacts = self._monotonic(), list[Contact]()
        for number in range(1, MOST_PAGES + 1):
            page = xero.accounting.contacts_page(number, include_archived=False)
            contacts += [each for each in page.contacts if each.status == ACTIVE and each.name]
            if page.is_last:
                return contacts, True
            if self._monotonic() - began_at > BEGIN_WITHIN_SECONDS:
                break
        return contacts, False

    def _linked(self, practice_id: UUID, tenant_id: str) -> frozenset[str]:
        return frozenset(
            self._session.scalars(
                select(XeroContactMapping.xero_contact_id)
                .join(XeroConnection, XeroConnection.id == XeroContactMapping.xero_connection_id)
                .where(
                    XeroConnection.practice_id == practice_id,
                    XeroConnection.xero_tenant_id == tenant_id,
                )
            )
        )

    def _matched_before(self, practice_id: UUID, tenant_id: str) -> int | None:
        """Return how many contacts of the mirror are linked or exact; None without a mirror."""
        is_linked = exists().where(
            XeroContactMapping.xero_connection_id == XeroContact.xero_connection_id,
            XeroContactMapping.xero_contact_id == XeroContact.xero_contact_id,
        )
        of_the_mirror = (
            select(func.count())
            .select_from(XeroContact)
            .join(XeroConnection, XeroConnection.id == XeroContact.xero_connection_id)
            .where(
                XeroConnection.practice_id == practice_id,
                XeroConnection.xero_tenant_id == tenant_id,
                XeroContact.contact_status == ACTIVE,
            )
        )
        if not self._session.scalar(of_the_mirror):
            return None
        matched = of_the_mirror.where(or_(is_linked, XeroContact.match == EXACT))
        return self._session.scalar(matched) or 0


def _record(contact: Contact) -> MatchRecord:
    return MatchRecord(
        key=contact.contact_id,
        name=contact.name,
        first_name=contact.first_name or "",
        last_name=contact.last_name or "",
        emails=(contact.email,) if contact.email else (),
        phones=tuple(phone.number for phone in contact.phones if phone.kind != FAX),
        addresses=tuple(_addresses(contact)),
        tax_number=contact.tax_number or "",
        company_number=contact.company_number or "",
    )


def _addresses(contact: Contact) -> Iterator[MatchAddress]:
    for address in contact.addresses:
        lines = [*address.lines, "", ""]
        yield MatchAddress(
            line1=lines[0],
            line2=lines[1],
            city=address.city or "",
            region=address.region or "",
            postal_code=address.postal_code or "",
            country=address.country or "",
        )
