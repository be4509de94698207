"""Organisation, contacts and contact groups."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pytest

from dashboard.simulator.accounting_json import CONTACT_FIELDS
from dashboard.simulator.admin import perform
from dashboard.simulator.records import Contact
from dashboard.simulator.seed_cast import LONG_NAME
from tests.dashboard.simulator.caller import CONTACTS, Caller
from tests.dashboard.simulator.conftest import NOON

GROUPS = "/api.xro/2.0/ContactGroups"
ONLY_WHEN_PAGED = {"ContactGroups", "ContactPersons"}
DATE = re.compile(r"/Date\(\d+\+0000\)/")


def named(app: Caller, name: str) -> Contact:
    """Return the active contact of that name."""
    found = app.world.main.active_contact_named(name)
    assert found
    return found


def shown(app: Caller) -> int:
    """Return how many contacts a list shows without includeArchived."""
    return sum(contact.status != "ARCHIVED" for contact in app.world.main.contacts.values())


def do(app: Caller, action: str, contact: Contact, **more: str) -> None:
    """Do something to a contact inside Xero."""
    details = {"tenant_id": app.tenant_id, "contact_id": contact.contact_id} | more
    perform(app.world, action, details)


class TestFormat:
    @pytest.mark.parametrize("accept", ["", "*/*", "application/xml", "text/html"])
    def test_xml_is_what_one_gets_without_asking_for_json(self, app: Caller, accept: str) -> None:
        answer = app.get(CONTACTS, query_string={"page": 1}, headers={"Accept": accept})
        assert answer.mimetype == "text/xml"
        root = ElementTree.fromstring(answer.data)  # noqa: S314 - our own answer
        assert root.tag == "Response"
        assert root.findtext("Status") == "OK"
        contacts = root.findall("Contacts/Contact")
        assert len(contacts) == 100
        assert contacts[0].findtext("UpdatedDateUTC", "").startswith("20")
        assert len(contacts[0].findall("Phones/Phone")) == 4

    def test_the_envelope(self, app: Caller) -> None:
        payload = app.get(CONTACTS, query_string={"page": 1}).get_json()
        assert list(payload) == [
            "Id",
            "Status",
            "ProviderName",
            "DateTimeUTC",
            "pagination",
            "Contacts",
        ]
        assert payload["ProviderName"] == "Dashboard under test"
        assert payload["DateTimeUTC"] == f"/Date({int(NOON.timestamp()) * 1000})/"

    def test_errors_come_in_the_format_that_was_asked_for(self, app: Caller) -> None:
        query = {"where": "Nonsense==1"}
        as_json = app.get(CONTACTS, query_string=query)
        assert as_json.status_code == 400
        assert as_json.get_json()["ErrorNumber"] == 16
        assert as_json.get_json()["Type"] == "QueryParseException"
        as_xml = app.get(CONTACTS, query_string=query, headers={"Accept": ""})
        error = ElementTree.fromstring(as_xml.data)  # noqa: S314 - our own answer
        assert error.findtext("ErrorNumber") == "16"


class TestOrganisation:
    def test_it_is_a_list_of_one_whose_id_is_the_tenant(self, app: Caller) -> None:
        [row] = app.get("/api.xro/2.0/Organisation").get_json()["Organisations"]
        assert row["OrganisationID"] == app.tenant_id
        assert row["OrganisationType"] == "ACCOUNTING_PRACTICE"
        assert (row["FinancialYearEndDay"], row["FinancialYearEndMonth"]) == (31, 3)
        assert row["CountryCode"] == "GB"
        assert DATE.fullmatch(row["CreatedDateUTC"])


class TestPaging:
    def test_without_a_page_everything_comes_at_once_and_without_details(self, app: Caller) -> None:
        payload = app.get(CONTACTS).get_json()
        assert "pagination" not in payload
        assert len(payload["Contacts"]) == shown(app)
        for row in payload["Contacts"]:
            assert not ONLY_WHEN_PAGED & set(row)
            assert {"Addresses", "Phones", "IsCustomer", "IsSupplier"} <= set(row)

    def test_a_page_size_alone_does_not_page(self, app: Caller) -> None:
        assert len(app.contacts(pageSize=5)) == shown(app)

    def test_pages_have_a_hundred_contacts_with_details_and_say_how_many_there_are(
        self, app: Caller
    ) -> None:
        payload = app.get(CONTACTS, query_string={"page": 4}).get_json()
        assert payload["pagination"] == {
            "page": 4,
            "pageSize": 100,
            "pageCount": 4,
            "itemCount": shown(app),
        }
        assert len(payload["Contacts"]) == shown(app) - 300
        for row in payload["Contacts"]:
            assert set(row) >= ONLY_WHEN_PAGED

    @pytest.mark.parametrize(("asked", "given"), [(0, 1), (-5, 1), (5000, 1000), (250, 250)])
    def test_a_page_size_out_of_range_is_clamped(self, app: Caller, asked: int, given: int) -> None:
        query = {"page": 1, "pageSize": asked}
        payload = app.get(CONTACTS, query_string=query).get_json()
        assert payload["pagination"]["pageSize"] == given
        assert len(payload["Contacts"]) == min(given, shown(app))

    def test_a_page_past_the_end_is_empty(self, app: Caller) -> None:
        answer = app.get(CONTACTS, query_string={"page": 99})
        assert (answer.status_code, answer.get_json()["Contacts"]) == (200, [])

    @pytest.mark.parametrize("query", [{"page": "x"}, {"page": 1, "pageSize": "many"}])
    def test_a_page_that_is_no_number_is_400(self, app: Caller, query: dict[str, Any]) -> None:
        assert app.get(CONTACTS, query_string=query).status_code == 400

    def test_pages_together_are_the_whole_list_once(self, app: Caller) -> None:
        seen: list[str] = []
        for page in range(1, 5):
            rows = app.contacts(page=page, order="ContactID", includeArchived="true")
            seen += [row["ContactID"] for row in rows]
        assert len(seen) == len(set(seen)) == 320
        assert seen == sorted(seen)

    def test_a_contact_edited_during_a_scan_in_default_order_makes_one_skip(
        self, app: Caller
    ) -> None:
        first = app.contacts(page=1)
        do(app, "edit_contact", app.world.main.contacts[first[0]["ContactID"]], phone="1")
        seen = {row["ContactID"] for row in first}
        for page in range(2, 5):
            seen |= {row["ContactID"] for row in app.contacts(page=page)}
        assert len(seen) == shown(app) - 1

    def test_a_summary_is_paged_and_bare(self, app: Caller) -> None:
        payload = app.get(CONTACTS, query_string={"summaryOnly": "true"}).get_json()
        assert payload["pagination"]["page"] == 1
        for row in payload["Contacts"]:
            assert not (
                ONLY_WHEN_PAGED | {"Addresses", "IsCustomer", "IsSupplier", "MergedToContactID"}
            ) & set(row)
            assert "Phones" in row


class TestFields:
    def test_dates_carry_milliseconds_and_offset(self, app: Caller) -> None:
        assert all(DATE.fullmatch(row["UpdatedDateUTC"]) for row in app.contacts())

    def test_all_four_phones_are_listed_always(self, app: Caller) -> None:
        for row in app.contacts(page=1):
            kinds = [phone["PhoneType"] for phone in row["Phones"]]
            assert kinds == ["DDI", "DEFAULT", "FAX", "MOBILE"]

    def test_empty_numbers_are_absent_rather_than_empty(self, app: Caller) -> None:
        [row] = app.contacts(where='Name=="Bob Fairweather"')
        assert not {"CompanyNumber", "TaxNumber", "FirstName"} & set(row)

    def test_odd_names_arrive_whole(self, app: Caller) -> None:
        names = {row["Name"] for row in app.contacts()}
        odd = {LONG_NAME, "مريم الحسيني", "Tŷ Gwyn Holidays Cyf", "R & D & Sons Haulage Limited"}
        assert odd <= names

    def test_groups_come_with_pages(self, app: Caller) -> None:
        rows = app.contacts(page=1, where='Name=="Thornbury Joinery Limited"')
        groups = {group["Name"] for group in rows[0]["ContactGroups"]}
        assert groups == {"VAT clients", "Payroll", "Year end March"}

    def test_sensitive_fields_are_there_to_be_left_alone(self, app: Caller) -> None:
        [row] = app.contacts(page=1, where='Name=="Avon Office Supplies Ltd"')
        assert row["BankAccountDetails"]
        assert row["XeroNetworkKey"]


class TestArchive:
    def test_archived_contacts_are_hidden_unless_asked_for(self, app: Caller) -> None:
        assert {row["ContactStatus"] for row in app.contacts()} == {"ACTIVE", "GDPRREQUEST"}
        everyone = app.contacts(includeArchived="true")
        archived = [row for row in everyone if row["ContactStatus"] == "ARCHIVED"]
        assert len(everyone) == 320
        assert len(archived) == 320 - shown(app)

    def test_archiving_hides_from_an_incremental_read_without_include_archived(
        self, app: Caller
    ) -> None:
        contact = named(app, "Wei Zhang")
        do(app, "archive_contact", contact)
        headers = {"If-Modified-Since": "2026-04-07T12:00:00"}
        assert app.get(CONTACTS, headers=headers).get_json()["Contacts"] == []
        query = {"includeArchived": "true", "page": 1}
        rows = app.get(CONTACTS, headers=headers, query_string=query).get_json()["Contacts"]
        assert [row["ContactID"] for row in rows] == [contact.contact_id]

    def test_a_merged_contact_points_to_its_survivor_on_pages_only(self, app: Caller) -> None:
        loser, survivor = named(app, "Jon Smythe"), named(app, "John Smith")
        do(app, "merge_contact", loser, into=survivor.contact_id)
        query = {"IDs": loser.contact_id, "includeArchived": "true"}
        [bare] = app.contacts(**query)
        [full] = app.contacts(**query, page=1)
        assert bare["ContactStatus"] == full["ContactStatus"] == "ARCHIVED"
        assert "MergedToContactID" not in bare
        assert full["MergedToContactID"] == survivor.contact_id

    def test_an_erased_contact_has_no_person_in_it(self, app: Caller) -> None:
        contact = named(app, "José Núñez")
        do(app, "erase_contact", contact)
        [row] = app.get(f"{CONTACTS}/{contact.contact_id}").get_json()["Contacts"]
        assert row["ContactStatus"] == "GDPRREQUEST"
        assert row["EmailAddress"] == ""
        assert "Núñez" not in str(row)


class TestModifiedSince:
    @pytest.mark.parametrize(
        "since",
        [
            "2026-04-07T12:00:00",
            "2026-04-07T12:00:00Z",
            "2026-04-07T12:00:00.0000000",
            "2026-04-07T13:00:00+01:00",
            "Tue, 07 Apr 2026 12:00:00 GMT",
        ],
    )
    def test_every_form_that_clients_send_is_understood(self, app: Caller, since: str) -> None:
        contact = named(app, "Wei Zhang")
        app.world.shift_clock(0.4)
        do(app, "edit_contact", contact, email="wei@example.com")
        rows = app.get(CONTACTS, headers={"If-Modified-Since": since}).get_json()["Contacts"]
        assert [row["EmailAddress"] for row in rows] == ["wei@example.com"]

    def test_seconds_count_and_fractions_do_not(self, app: Caller) -> None:
        do(app, "edit_contact", named(app, "Wei Zhang"), email="wei@example.com")
        headers = {"If-Modified-Since": "2026-04-07T12:00:00.900"}
        assert len(app.get(CONTACTS, headers=headers).get_json()["Contacts"]) == 1
        headers = {"If-Modified-Since": "2026-04-07T12:00:01"}
        assert app.get(CONTACTS, headers=headers).get_json()["Contacts"] == []

    @pytest.mark.parametrize("since", ["/Date(1503348544227+0000)/", "yesterday", "2026-13-01"])
    def test_what_is_no_date_is_400(self, app: Caller, since: str) -> None:
        assert app.get(CONTACTS, headers={"If-Modified-Since": since}).status_code == 400

    def test_no_news_can_be_304(self, app: Caller) -> None:
        app.world.options.unchanged_as_304 = True
        answer = app.get(CONTACTS, headers={"If-Modified-Since": "2026-04-07T12:00:00"})
        assert (answer.status_code, answer.data) == (304, b"")

    def test_a_move_between_groups_is_no_change(self, app: Caller) -> None:
        do(app, "add_to_group", named(app, "Wei Zhang"), group="VIP")
        headers = {"If-Modified-Since": "2026-04-07T12:00:00"}
        assert app.get(CONTACTS, headers=headers).get_json()["Contacts"] == []


class TestQueries:
    @pytest.mark.parametrize(
        ("where", "count"),
        [
            ('Name=="thornbury joinery LIMITED"', 1),
            ('Name="Jose Nunez"', 1),
            ('EmailAddress=="the.hendersons@example.com"', 4),
            ('EmailAddress=="the.hendersons@example.com" AND Name=="Peter Henderson"', 1),
            ('Name=="Wei Zhang" OR Name=="John Smith"', 2),
            ('Name.StartsWith("Kestrel Properties")', 6),
            ('(Name.Contains("henderson") && IsCustomer==true) || Name=="Wei Zhang"', 5),
            ('ContactStatus=="GDPRREQUEST"', 1),
            ("UpdatedDateUTC>=DateTime(2026,04,07)", 0),
        ],
    )
    def test_where_filters(self, app: Caller, where: str, count: int) -> None:
        assert len(app.contacts(where=where)) == count

    def test_where_compares_dates_and_flags(self, app: Caller) -> None:
        assert len(app.contacts(where="UpdatedDateUTC<DateTime(2026,04,08)")) == shown(app)
        rows = app.contacts(where="IsCustomer==false AND IsSupplier==false")
        assert rows
        assert not any(row["IsCustomer"] or row["IsSupplier"] for row in rows)

    def test_where_reads_guids(self, app: Caller) -> None:
        contact = named(app, "Wei Zhang")
        [row] = app.contacts(where=f'ContactID==Guid("{contact.contact_id}")')
        assert row["Name"] == "Wei Zhang"

    @pytest.mark.parametrize(
        "where",
        [
            "Nonsense",
            'Colour=="red"',
            'Name=="open',
            'Name=="a" AND',
            '(Name=="a"',
            'Name=="a" Name=="b"',
            'Name.Sounds("a")',
            "Name.Contains(1)",
            "Name=red",
            "UpdatedDateUTC>=DateTime(2026)",
            "UpdatedDateUTC>=5",
            "Name==; DROP",
        ],
    )
    def test_nonsense_is_error_sixteen(self, app: Caller, where: str) -> None:
        answer = app.get(CONTACTS, query_string={"where": where})
        assert (answer.status_code, answer.get_json()["ErrorNumber"]) == (400, 16)

    def test_the_default_order_is_oldest_change_first(self, app: Caller) -> None:
        dates = [int(re.sub(r"\D", "", row["UpdatedDateUTC"][:-7])) for row in app.contacts()]
        assert dates == sorted(dates)

    @pytest.mark.parametrize("field", CONTACT_FIELDS)
    def test_every_field_can_order(self, app: Caller, field: str) -> None:
        up = [row["ContactID"] for row in app.contacts(order=f"{field}, ContactID")]
        down = [row["ContactID"] for row in app.contacts(order=f"{field} DESC, ContactID DESC")]
        assert up == down[::-1]

    @pytest.mark.parametrize("order", ["Shoe size", "Name SIDEWAYS", "Name,,Name"])
    def test_an_order_that_makes_no_sense_is_error_sixteen(self, app: Caller, order: str) -> None:
        answer = app.get(CONTACTS, query_string={"order": order})
        assert (answer.status_code, answer.get_json()["ErrorNumber"]) == (400, 16)

    def test_ids_pick_contacts(self, app: Caller) -> None:
        wanted = {named(app, "Wei Zhang").contact_id, named(app, "John Smith").contact_id}
        rows = app.contacts(IDs=",".join(wanted))
        assert {row["ContactID"] for row in rows} == wanted

    @pytest.mark.parametrize("term", ["BRONTË", "zoe.bw@", "90214470"])
    def test_search_looks_into_names_addresses_and_numbers(self, app: Caller, term: str) -> None:
        assert len(app.contacts(searchTerm=term)) == 1


class TestSingleContact:
    def test_it_has_everything_and_attachments_too(self, app: Caller) -> None:
        contact = named(app, "Thornbury Joinery Limited")
        payload = app.get(f"{CONTACTS}/{contact.contact_id}").get_json()
        assert "pagination" not in payload
        [row] = payload["Contacts"]
        assert {"ContactGroups", "ContactPersons", "Attachments", "Addresses"} <= set(row)

    def test_it_can_be_named_by_its_number(self, app: Caller) -> None:
        contact = next(c for c in app.world.main.contacts.values() if c.contact_number)
        [row] = app.get(f"{CONTACTS}/{contact.contact_number}").get_json()["Contacts"]
        assert row["ContactID"] == contact.contact_id

    def test_an_unknown_one_is_404_in_words(self, app: Caller) -> None:
        answer = app.get(f"{CONTACTS}/00000000-0000-0000-0000-000000000000")
        assert answer.status_code == 404
        assert answer.text == "The resource you're looking for cannot be found"
        assert answer.mimetype == "text/html"

    def test_writing_is_not_implemented(self, caller: Caller) -> None:
        caller.let_in(scope="accounting.contacts")
        answer = caller.call("POST", CONTACTS, json={"Name": "New"})
        assert answer.status_code == 501


class TestGroups:
    def test_the_list_has_live_groups_without_members(self, app: Caller) -> None:
        rows = app.get(GROUPS).get_json()["ContactGroups"]
        assert "Old price list" not in {row["Name"] for row in rows}
        assert {row["Status"] for row in rows} == {"ACTIVE"}
        assert all(row["Contacts"] == [] for row in rows)
        assert [row["Name"] for row in rows] == sorted(row["Name"] for row in rows)

    def test_one_group_has_its_members(self, app: Caller) -> None:
        query = {"where": 'Name=="Landlords"'}
        [group] = app.get(GROUPS, query_string=query).get_json()["ContactGroups"]
        [full] = app.get(f"{GROUPS}/{group['ContactGroupID']}").get_json()["ContactGroups"]
        names = {member["Name"] for member in full["Contacts"]}
        assert {"Kestrel Properties (No. 1) Limited", "Anna and Piotr Kowalski"} <= names

    def test_a_deleted_group_is_404(self, app: Caller) -> None:
        gone = next(g for g in app.world.main.groups.values() if g.status == "DELETED")
        assert app.get(f"{GROUPS}/{gone.group_id}").status_code == 404


class TestClockOfTheEnvelope:
    def test_it_follows_the_simulator(self, app: Caller) -> None:
        app.world.shift_clock(60)
        expected = int((NOON + timedelta(seconds=60)).timestamp() * 1000)
        assert app.get(GROUPS).get_json()["DateTimeUTC"] == f"/Date({expected})/"
