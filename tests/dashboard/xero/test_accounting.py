"""Contacts and the organisation, as the official examples and live answers write them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses

from dashboard.xero.client import XeroClient
from dashboard.xero.errors import XeroNotFound, XeroRejected, XeroUnavailable
from dashboard.xero.types import Address, ContactGroup, ContactPerson, Phone

CONTACTS = "https://api.xero.test/api.xro/2.0/Contacts"
ORGANISATION = "https://api.xero.test/api.xro/2.0/Organisation"
GROUPS = "https://api.xero.test/api.xro/2.0/ContactGroups"
CONTACT_ID = "5cc8cf28-567e-4d43-b287-687cfcaec47c"

FULL = {
    "ContactID": CONTACT_ID,
    "ContactStatus": "ACTIVE",
    "Name": "Katherine Warren",
    "FirstName": "Katherine",
    "LastName": "Warren",
    "CompanyNumber": "Number123",
    "TaxNumber": "12-345",
    "AccountNumber": "A1",
    "EmailAddress": "kat@example.com",
    "BankAccountDetails": "SECRET-BANK-ACCOUNT",
    "BatchPayments": {"BankAccountNumber": "SECRET-BANK-ACCOUNT"},
    "XeroNetworkKey": "SECRET-NETWORK-KEY",
    "Addresses": [
        {"AddressType": "STREET", "City": "", "Region": "", "PostalCode": "", "Country": ""},
        {
            "AddressType": "POBOX",
            "AddressLine1": "PO 1",
            "City": "Palo Alto",
            "PostalCode": "94020",
        },
    ],
    "Phones": [
        {"PhoneType": "DDI", "PhoneNumber": "", "PhoneAreaCode": "", "PhoneCountryCode": ""},
        {"PhoneType": "DEFAULT", "PhoneNumber": "847-1294", "PhoneAreaCode": "(626)"},
        {"PhoneType": "FAX", "PhoneNumber": "1"},
        {
            "PhoneType": "MOBILE",
            "PhoneNumber": "555",
            "PhoneAreaCode": "21",
            "PhoneCountryCode": "64",
        },
    ],
    "UpdatedDateUTC": "/Date(1503348544227+0000)/",
    "ContactGroups": [{"ContactGroupID": "d7a8", "Name": "VIP", "Status": "ACTIVE"}],
    "IsSupplier": False,
    "IsCustomer": True,
    "ContactPersons": [{"FirstName": "Sue", "LastName": "Li", "EmailAddress": "sue@example.com"}],
    "HasAttachments": False,
    "HasValidationErrors": False,
}


def envelope(*contacts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "Id": "04e9",
        "Status": "OK",
        "ProviderName": "chase.md",
        "DateTimeUTC": "/Date(1551399323399)/",
        "Contacts": list(contacts),
        **more,
    }


def pagination(page: int, page_count: int, item_count: int = 0) -> dict[str, Any]:
    numbers = {"page": page, "pageSize": 2, "pageCount": page_count, "itemCount": item_count}
    return {"pagination": numbers}


def query(call: responses.Call) -> dict[str, str]:
    parts = urlsplit(call.request.url or "")
    return {name: values[0] for name, values in parse_qs(parts.query).items()}


class TestOneContact:
    @responses.activate
    def test_every_field_that_we_use_is_read(self, xero: XeroClient):
        responses.get(f"{CONTACTS}/{CONTACT_ID}", json=envelope(FULL))
        contact = xero.accounting.contact(CONTACT_ID)
        assert (contact.contact_id, contact.name) == (CONTACT_ID, "Katherine Warren")
        assert (contact.first_name, contact.last_name) == ("Katherine", "Warren")
        assert contact.email == "kat@example.com"
        assert contact.phones == (
            Phone("DEFAULT", "(626) 847-1294"),
            Phone("FAX", "1"),
            Phone("MOBILE", "+64 21 555"),
        )
        assert contact.phone == "(626) 847-1294"
        assert contact.addresses == (Address("POBOX", ("PO 1",), "Palo Alto", None, "94020", None),)
        assert (contact.tax_number, contact.company_number) == ("12-345", "Number123")
        assert contact.account_number == "A1"
        assert (contact.status, contact.is_supplier, contact.is_customer) == ("ACTIVE", False, True)
        assert contact.groups == (ContactGroup("d7a8", "VIP"),)
        assert contact.persons == (ContactPerson("Sue", "Li", "sue@example.com"),)
        assert contact.merged_to_contact_id is None
        assert contact.updated_at == datetime(2017, 8, 21, 20, 49, 4, 227000, UTC)

    @responses.activate
    def test_what_we_must_not_hold_is_not_held(self, xero: XeroClient):
        responses.get(f"{CONTACTS}/{CONTACT_ID}", json=envelope(FULL))
        assert "SECRET" not in repr(xero.accounting.contact(CONTACT_ID))

    @responses.activate
    def test_a_contact_may_have_next_to_nothing(self, xero: XeroClient):
        responses.get(f"{CONTACTS}/{CONTACT_ID}", json=envelope({"ContactID": CONTACT_ID}))
        contact = xero.accounting.contact(CONTACT_ID)
        assert (contact.name, contact.email, contact.phone, contact.status) == (
            "",
            None,
            None,
            "ACTIVE",
        )

    @responses.activate
    @pytest.mark.parametrize("empty", [None, "", "   "])
    def test_nothing_is_written_in_many_ways(self, xero: XeroClient, empty: str | None):
        wire = {**dict.fromkeys(FULL, empty), "ContactID": CONTACT_ID}
        for name in ("Addresses", "Phones", "ContactGroups", "ContactPersons"):
            wire[name] = None
        responses.get(f"{CONTACTS}/{CONTACT_ID}", json=envelope(wire))
        contact = xero.accounting.contact(CONTACT_ID)
        assert (contact.first_name, contact.email, contact.tax_number) == (None, None, None)
        assert contact.updated_at is None

    @responses.activate
    def test_values_of_another_type_are_read_too(self, xero: XeroClient):
        wire = {
            "ContactID": CONTACT_ID,
            "Name": 42,
            "TaxNumber": 123456789,
            "IsSupplier": "true",
            "IsCustomer": "false",
            "Phones": [{"PhoneType": "DEFAULT", "PhoneNumber": 5551234, "PhoneCountryCode": 1}],
            "TaxNumbeType": "a typo of Xero's own",
        }
        responses.get(f"{CONTACTS}/{CONTACT_ID}", json=envelope(wire))
        contact = xero.accounting.contact(CONTACT_ID)
        assert (contact.name, contact.tax_number) == ("42", "123456789")
        assert (contact.is_supplier, contact.is_customer) == (True, False)
        assert contact.phone == "+1 5551234"

    @responses.activate
    def test_without_its_own_address_the_first_persons_counts(self, xero: XeroClient):
        persons = [{"FirstName": "A"}, {"EmailAddress": "b@x.test"}, {"EmailAddress": "c@x.test"}]
        wire = {"ContactID": CONTACT_ID, "EmailAddress": "", "ContactPersons": persons}
        responses.get(f"{CONTACTS}/{CONTACT_ID}", json=envelope(wire))
        assert xero.accounting.contact(CONTACT_ID).email == "b@x.test"

    @responses.activate
    def test_a_merged_contact_names_its_survivor(self, xero: XeroClient):
        wire = {**FULL, "ContactStatus": "ARCHIVED", "MergedToContactID": "winner"}
        responses.get(f"{CONTACTS}/{CONTACT_ID}", json=envelope(wire))
        contact = xero.accounting.contact(CONTACT_ID)
        assert (contact.status, contact.merged_to_contact_id) == ("ARCHIVED", "winner")

    @responses.activate
    def test_an_unknown_contact_is_not_found(self, xero: XeroClient):
        responses.get(f"{CONTACTS}/nobody", status=404, body="The resource you're looking for")
        responses.get(f"{CONTACTS}/nothing", json=envelope())
        for contact_id in ("nobody", "nothing"):
            with pytest.raises(XeroNotFound):
                xero.accounting.contact(contact_id)


class TestPages:
    @responses.activate
    def test_a_full_read_asks_in_an_order_that_no_edit_changes(self, xero: XeroClient):
        responses.get(CONTACTS, json=envelope(FULL, **pagination(1, 3, 5)))
        page = xero.accounting.contacts_page(1)
        assert query(responses.calls[0]) == {
            "page": "1",
            "pageSize": "1000",
            "order": "ContactID",
            "includeArchived": "true",
        }
        assert "If-Modified-Since" not in responses.calls[0].request.headers
        assert (page.page, page.page_count, page.item_count) == (1, 3, 5)
        assert page.server_time == datetime(2019, 3, 1, 0, 15, 23, 399000, UTC)
        assert page.is_last is False

    @responses.activate
    def test_an_incremental_read_says_since_when_in_utc(self, xero: XeroClient):
        responses.get(CONTACTS, json=envelope())
        local = datetime(2025, 7, 1, 12, 30, 15, 999999, timezone(timedelta(hours=12)))
        xero.accounting.contacts_page(2, 100, local)
        sent = responses.calls[0].request
        assert sent.headers["If-Modified-Since"] == "2025-07-01T00:30:15"
        assert query(responses.calls[0])["includeArchived"] == "true"

    def test_a_moment_without_a_zone_is_never_sent(self, xero: XeroClient):
        with pytest.raises(ValueError, match="zone"):
            xero.accounting.contacts_page(1, 100, datetime(2025, 7, 1))  # noqa: DTZ001

    @responses.activate
    def test_nothing_changed_is_an_empty_page(self, xero: XeroClient):
        date = {"Date": "Fri, 01 Mar 2019 00:15:23 GMT"}
        responses.get(CONTACTS, status=304, headers=date)
        page = xero.accounting.contacts_page(1, 100, datetime(2025, 7, 1, tzinfo=UTC))
        assert (page.contacts, page.is_last) == ((), True)
        assert page.server_time == datetime(2019, 3, 1, 0, 15, 23, tzinfo=UTC)

    @responses.activate
    def test_all_pages_are_handed_out_as_contacts(self, xero: XeroClient):
        for number in (1, 2, 3):
            people = [{"ContactID": f"{number}-{n}"} for n in range(2 if number < 3 else 1)]
            responses.get(
                CONTACTS,
                json=envelope(*people, **pagination(number, 3)),
                match=[
                    responses.matchers.query_param_matcher(
                        {"page": str(number), "pageSize": "2"}, strict_match=False
                    )
                ],
            )
        ids = [contact.contact_id for contact in xero.accounting.contacts(page_size=2)]
        assert ids == ["1-0", "1-1", "2-0", "2-1", "3-0"]
        assert len(responses.calls) == 3

    @responses.activate
    @pytest.mark.parametrize(("received", "is_last"), [(0, True), (1, True), (2, False)])
    def test_without_a_page_count_a_page_that_is_not_full_is_the_last(
        self, xero: XeroClient, received: int, is_last: bool
    ):
        people = [{"ContactID": str(n)} for n in range(received)]
        responses.get(CONTACTS, json=envelope(*people))
        assert xero.accounting.contacts_page(1, 2).is_last is is_last

    @responses.activate
    def test_an_empty_page_ends_the_reading_whatever_the_count_says(self, xero: XeroClient):
        responses.get(CONTACTS, json=envelope(**pagination(1, 99)))
        assert list(xero.accounting.contacts()) == []
        assert len(responses.calls) == 1

    @responses.activate
    def test_a_contact_without_an_id_is_left_out_and_said(self, xero: XeroClient, caplog):
        responses.get(CONTACTS, json=envelope({"Name": "nobody"}, {"ContactID": "1"}))
        page = xero.accounting.contacts_page(1, 2)
        assert [contact.contact_id for contact in page.contacts] == ["1"]
        assert "1 contacts came without an id" in caplog.text

    @responses.activate
    @pytest.mark.parametrize(
        "body", [{"Contacts": {"not": "a list"}}, [], {"Contacts": [[1]]}, {"Contacts": ["x"]}]
    )
    def test_an_unknown_shape_is_no_data(self, xero: XeroClient, body: Any):
        responses.get(CONTACTS, json=body)
        with pytest.raises(XeroUnavailable):
            xero.accounting.contacts_page(1)

    @responses.activate
    def test_escaped_slashes_are_the_same_date(self, xero: XeroClient):
        body = json.dumps(envelope(FULL)).replace("/Date", "\\/Date")
        responses.get(CONTACTS, body=body)
        assert xero.accounting.contacts_page(1).contacts[0].updated_at is not None

    @responses.activate
    def test_too_many_contacts_for_a_filter_are_a_refusal(self, xero: XeroClient):
        problem = {"ErrorNumber": 16, "Type": "QueryParseException", "Message": "Too many"}
        responses.get(CONTACTS, status=400, json=problem)
        with pytest.raises(XeroRejected, match="Too many"):
            xero.accounting.contacts_page(1)


class TestGroups:
    @responses.activate
    def test_groups_have_an_id_and_a_name(self, xero: XeroClient):
        listed = [{"ContactGroupID": "g1", "Name": "VIP", "Contacts": []}, {"Name": "no id"}]
        responses.get(GROUPS, json={"ContactGroups": listed})
        assert xero.accounting.contact_groups() == (ContactGroup("g1", "VIP"),)


class TestOrganisation:
    @responses.activate
    def test_the_organisation_is_read_without_its_key(self, xero: XeroClient):
        listed = {
            "OrganisationID": "o1",
            "APIKey": "SECRET",
            "Name": "Demo",
            "LegalName": "Demo Ltd",
            "ShortCode": "!mBdtL",
            "CountryCode": "NZ",
            "BaseCurrency": "NZD",
            "Class": "DEMO",
            "OrganisationType": "ACCOUNTING_PRACTICE",
            "OrganisationStatus": "ACTIVE",
            "Timezone": "NEWZEALANDSTANDARDTIME",
            "FinancialYearEndDay": 31,
            "FinancialYearEndMonth": "3",
        }
        responses.get(ORGANISATION, json={"Organisations": [listed]})
        organisation = xero.accounting.organisation()
        assert (organisation.name, organisation.short_code) == ("Demo", "!mBdtL")
        assert (organisation.organisation_id, organisation.class_) == ("o1", "DEMO")
        assert (
            organisation.financial_year_end_day,
            organisation.financial_year_end_month,
        ) == (31, 3)
        assert "SECRET" not in repr(organisation)

    @responses.activate
    @pytest.mark.parametrize("body", [{}, {"Organisations": []}, {"Organisations": None}])
    def test_an_answer_without_it_is_no_answer_to_build_on(self, xero: XeroClient, body: Any):
        responses.get(ORGANISATION, json=body)
        with pytest.raises(XeroUnavailable):
            xero.accounting.organisation()
