"""Clients in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    Client,
    ConnectionStatus,
    ContactTwins,
    DocumentStatus,
    ItemOutcome,
    Practice,
    RunKind,
    RunStatus,
    SyncRun,
    SyncRunItem,
    Tag,
    TagSource,
    User,
    XeroConnection,
    XeroContact,
    XeroContactMapping,
)
from dashboard.services.group_tags import follow_groups
from tests import factories
from tests.support.browser import Browser


@pytest.fixture
def connection(practice: Practice) -> XeroConnection:
    """A connection whose contacts have been read."""
    return factories.make_connection(practice, last_sync_at=utcnow())


@pytest.fixture
def ada(practice: Practice) -> Client:
    """A client."""
    return factories.make_client(practice, name="Ada Ltd", email="ada@example.com")


@pytest.fixture
def contact(connection: XeroConnection) -> XeroContact:
    """Ada's contact in Xero."""
    return factories.make_contact(connection, name="Ada Limited", email="office@ada.example")


def linked_to(client: Client) -> str | None:
    """Return the contact that a client is linked to in the database."""
    return db.session.scalar(
        select(XeroContactMapping.xero_contact_id).where(XeroContactMapping.client_id == client.id)
    )


class TestList:
    def test_no_clients_yet_is_said_with_both_ways_on(self, browser: Browser) -> None:
        text = browser.get("/clients").text
        assert "No clients yet." in text
        assert 'href="/import"' in text
        assert 'href="/clients/new"' in text

    def test_a_client_shows_tags_and_link(
        self, browser: Browser, practice: Practice, connection: XeroConnection, ada: Client
    ) -> None:
        ada.tags.append(Tag(practice_id=practice.id, name="VAT clients", source=TagSource.XERO))
        db.session.commit()
        text = browser.get("/clients").text
        assert "VAT clients" in text
        assert "from Xero" in text
        assert "Not linked" in text

    def test_filters_narrow_the_list(
        self,
        browser: Browser,
        practice: Practice,
        connection: XeroConnection,
        ada: Client,
        contact: XeroContact,
    ) -> None:
        factories.make_client(practice, name="Bea Ltd")
        factories.make_mapping(connection, ada, contact.xero_contact_id)
        for query, found, hidden in (
            ("q=bea", "Bea Ltd", "Ada Ltd"),
            ("xero=linked", "Ada Ltd", "Bea Ltd"),
            ("xero=unlinked", "Bea Ltd", "Ada Ltd"),
        ):
            text = browser.get(f"/clients?{query}").text
            assert found in text, query
            assert hidden not in text, query
        assert "No clients match these filters." in browser.get("/clients?q=nobody").text
        assert browser.get("/clients?xero=maybe").status_code == 422


class TestAdding:
    def test_a_client_is_added_and_shown(self, browser: Browser) -> None:
        answer = browser.post("/clients", {"name": "Ada Ltd", "email": "ada@example.com"})
        assert answer.status_code == 303
        text = browser.get(answer.headers["Location"]).text
        assert "<h1>Ada Ltd</h1>" in text
        assert "ada@example.com" in text

    @pytest.mark.parametrize(
        ("fields", "at"),
        [
            ({"name": "", "phone": "020 7946 0018"}, "name"),
            ({"name": "Ada", "email": "nowhere", "phone": "020 7946 0018"}, "email"),
        ],
    )
    def test_a_wrong_field_is_said_and_nothing_typed_is_lost(
        self, browser: Browser, fields: dict[str, Any], at: str
    ) -> None:
        answer = browser.post("/clients", fields)
        assert answer.status_code == 422
        assert "<title>Error: Add a client" in answer.text
        assert f'href="#{at}"' in answer.text
        assert 'value="020 7946 0018"' in answer.text
        assert db.session.scalars(select(Client)).all() == []

    def test_a_post_without_the_token_is_refused(self, browser: Browser) -> None:
        assert browser.http.post("/clients", data={"name": "Ada"}).status_code == 403


class TestOne:
    def test_a_linked_client_shows_how_xero_differs(
        self, browser: Browser, connection: XeroConnection, ada: Client, contact: XeroContact
    ) -> None:
        factories.make_mapping(connection, ada, contact.xero_contact_id)
        text = browser.get(f"/clients/{ada.id}").text
        assert "Xero has another email: <strong><bdi>office@ada.example</bdi></strong>" in text
        assert "Change link" in text
        assert "Unlink" in text

    def test_what_runs_did_to_it_is_told_field_by_field(
        self, browser: Browser, connection: XeroConnection, ada: Client, admin: User
    ) -> None:
        assert "What contact checks and imports did" not in browser.get(f"/clients/{ada.id}").text
        common = {"practice_id": ada.practice_id, "xero_connection_id": connection.id}
        run = SyncRun(**common, kind=RunKind.CONTACT_SYNC, status=RunStatus.FINISHED)
        db.session.add(run)
        db.session.flush()
        changes = {"email": {"before": None, "after": "<b>@x.example"}}
        given = {"run_id": run.id, "practice_id": ada.practice_id, "action": "update"}
        for outcome in (ItemOutcome.UPDATED, ItemOutcome.WAITING):
            db.session.add(
                SyncRunItem(
                    **given,
                    xero_contact_id=outcome,
                    contact_name="Ada",
                    client_id=ada.id,
                    outcome=outcome,
                    changes=changes,
                )
            )
        db.session.commit()
        text = browser.get(f"/clients/{ada.id}").text
        assert text.count(f'<a href="/sync-history/{run.id}">Contact check</a>') == 1
        assert "Email: nothing became <bdi>&lt;b&gt;@x.example</bdi>." in text

    def test_an_archived_contact_is_told(
        self, browser: Browser, connection: XeroConnection, ada: Client, contact: XeroContact
    ) -> None:
        factories.make_mapping(connection, ada, contact.xero_contact_id)
        contact.contact_status = "ARCHIVED"
        db.session.commit()
        text = browser.get(f"/clients/{ada.id}").text
        assert "Contact archived" in text
        assert "The contact is archived in Xero." in text

    def test_an_unlinked_client_reads_what_that_means(
        self, browser: Browser, connection: XeroConnection, ada: Client
    ) -> None:
        text = browser.get(f"/clients/{ada.id}").text
        assert "cannot be filed in Xero until it is linked" in text
        assert f"/clients/{ada.id}/link" in text

    def test_its_documents_are_listed(self, browser: Browser, ada: Client) -> None:
        document = factories.make_document(ada, file_name="payslip.pdf")
        text = browser.get(f"/clients/{ada.id}").text
        title = re.search(rf'<a href="/documents/{document.id}">(.*?)</a>(.*?)</th>', text)
        assert title
        words = [re.sub(r"<[^>]+>", "", part) for part in title.groups()]
        assert words == ["P60 2025-26", "payslip.pdf"]
        assert "1 document · 0 filed" in text

    def test_documents_that_wait_for_a_link_are_counted(
        self, browser: Browser, connection: XeroConnection, ada: Client
    ) -> None:
        factories.make_document(ada, status=DocumentStatus.ACCEPTED, decided_at=utcnow())
        text = re.sub(r"\s+", " ", browser.get(f"/clients/{ada.id}").text)
        assert "1 document · 0 filed in Xero · 1 needs attention" in text
        assert '<td class="numeric">1</td>' in browser.get("/clients").text

    def test_a_name_made_of_markup_is_text(self, browser: Browser, practice: Practice) -> None:
        client = factories.make_client(practice, name="<img src=x onerror=alert(1)>")
        assert "<img" not in browser.get(f"/clients/{client.id}").text
        assert "<img" not in browser.get("/clients").text


class TestEditing:
    def test_fields_are_changed_and_a_wrong_one_is_said_at_its_field(
        self, browser: Browser, ada: Client
    ) -> None:
        path = f"/clients/{ada.id}/edit"
        assert 'value="ada@example.com"' in browser.get(path).text
        wrong = browser.post(path, {"name": "", "phone": "020 7946 0018"})
        assert wrong.status_code == 422
        assert 'value="020 7946 0018"' in wrong.text
        browser.post(path, {"name": "Ada & Sons", "email": "", "phone": "1"})
        db.session.refresh(ada)
        assert (ada.name, ada.email, ada.phone) == ("Ada & Sons", None, "1")

    def test_a_strangers_client_is_not_found(
        self, browser_of: Callable[[User], Browser], stranger: User, ada: Client
    ) -> None:
        other = browser_of(stranger)
        assert other.get(f"/clients/{ada.id}/edit").status_code == 404
        assert other.post(f"/clients/{ada.id}/edit", {"name": "Eve"}).status_code == 404
        choice = {"field": "email", "keep": "xero"}
        assert other.post(f"/clients/{ada.id}/differences", choice).status_code == 404


class TestTags:
    @pytest.fixture
    def group(self, practice: Practice, ada: Client) -> Tag:
        """A tag of Ada's that follows a contact group."""
        tag = factories.make_tag(practice, "VAT clients", source=TagSource.XERO, xero_group_id="g1")
        factories.put_tag(tag, ada)
        return tag

    def tags_of(self, browser: Browser, client: Client) -> list[str]:
        found: list[str] = browser.get_json(f"/api/clients/{client.id}")["tags"]
        return found

    def test_one_is_added_offered_to_others_and_gone_with_its_last_client(
        self, browser: Browser, practice: Practice, ada: Client
    ) -> None:
        bob = factories.make_client(practice, name="Bob")
        page = f"/clients/{ada.id}"
        assert browser.post(f"{page}/tags", {"tag": "  Key   account "}).status_code == 303
        # The same word in other letters is the same tag.
        browser.post(f"/clients/{bob.id}/tags", {"tag": "key ACCOUNT"})
        browser.post(f"/clients/{bob.id}/tags", {"tag": "Paper"})
        assert self.tags_of(browser, ada) == ["Key account"]
        assert self.tags_of(browser, bob) == ["Key account", "Paper"]
        text = browser.get(page).text
        assert 'aria-label="Remove tag Key account"' in text
        assert '<option value="Paper">' in text
        assert '<option value="Key account">' not in text
        for _twice in range(2):
            assert browser.post(f"{page}/tags/remove", {"tag": "Key account"}).status_code == 303
        assert self.tags_of(browser, ada) == []
        browser.post(f"/clients/{bob.id}/tags/remove", {"tag": "Key account"})
        assert db.session.scalars(select(Tag.name)).all() == ["Paper"]

    def test_those_from_xero_are_shown_and_left_alone(
        self, browser: Browser, ada: Client, group: Tag
    ) -> None:
        page = f"/clients/{ada.id}"
        text = browser.get(page).text
        assert "from Xero" in text
        assert "Remove tag" not in text
        answer = browser.post(f"{page}/tags", {"tag": "vat CLIENTS"})
        assert answer.status_code == 422
        assert "“VAT clients” follows a contact group in Xero." in answer.text
        browser.post(f"{page}/tags/remove", {"tag": "VAT clients"})
        assert self.tags_of(browser, ada) == ["VAT clients"]

    @pytest.fixture
    def grouped(self, connection: XeroConnection, contact: XeroContact, group: Tag) -> XeroContact:
        """Ada's contact, in the group that the tag follows."""
        contact.groups = [{"id": "g1", "name": "VAT clients"}]
        db.session.commit()
        return contact

    def checked(self, practice: Practice, ada: Client, contact: XeroContact, name: str) -> None:
        """Let a contact check find the group under this name."""
        contact.groups = [{"id": "g1", "name": name}]
        follow_groups(db.session, practice.id, {ada.id: contact.groups}, utcnow())
        db.session.commit()

    def test_one_from_xero_gets_a_name_of_its_own_that_stays_until_it_is_taken_back(
        self, browser: Browser, practice: Practice, ada: Client, grouped: XeroContact
    ) -> None:
        page = "/clients/tag-name?tag=VAT+clients"
        assert page in browser.get(f"/clients/{ada.id}").text
        assert page in browser.get("/clients?tag=VAT+clients").text
        assert "Xero calls “<bdi>VAT clients</bdi>”" in browser.get(page).text
        form = {"group": "g1", "tag": "VAT clients", "name": " Registered  for VAT"}
        renamed = browser.post("/clients/tag-name", form)
        assert renamed.headers["Location"] == "/clients?tag=Registered+for+VAT"
        assert self.tags_of(browser, ada) == ["Registered for VAT"]
        self.checked(practice, ada, grouped, "VAT clients 2027")
        assert self.tags_of(browser, ada) == ["Registered for VAT"]
        browser.post("/clients/tag-name", {"group": "g1", "name": "VAT clients 2027"})
        assert self.tags_of(browser, ada) == ["VAT clients 2027"]
        self.checked(practice, ada, grouped, "VAT clients 2028")
        assert self.tags_of(browser, ada) == ["VAT clients 2028"]

    def test_going_by_xeros_name_again_meets_a_tag_of_ours_that_has_it(
        self, browser: Browser, practice: Practice, ada: Client, grouped: XeroContact
    ) -> None:
        browser.post("/clients/tag-name", {"group": "g1", "name": "Other"})
        factories.make_tag(practice, "VAT clients")
        browser.post("/clients/tag-name", {"group": "g1", "name": "VAT clients"})
        assert self.tags_of(browser, ada) == ["VAT clients (Xero)"]

    @pytest.mark.parametrize(
        ("name", "sentence"),
        [(" ", "A tag needs a name."), ("PAPER", "Another tag is called “PAPER” already.")],
    )
    def test_a_name_that_cannot_be_is_said_at_the_field(
        self, browser: Browser, practice: Practice, grouped: XeroContact, name: str, sentence: str
    ) -> None:
        factories.make_tag(practice, "Paper")
        form = {"group": "g1", "tag": "VAT clients", "name": name}
        answer = browser.post("/clients/tag-name", form)
        assert answer.status_code == 422
        assert "<title>Error: Rename the tag VAT clients" in answer.text
        assert answer.text.count(sentence) == 2
        assert f'value="{name}"' in answer.text

    def test_only_admins_rename_and_only_their_own(
        self,
        browser_of: Callable[[User], Browser],
        colleague: User,
        stranger: User,
        grouped: XeroContact,
    ) -> None:
        factories.make_connection(stranger.practice)
        page = "/clients/tag-name?tag=VAT+clients"
        for person, status in ((colleague, 403), (stranger, 404)):
            other = browser_of(person)
            assert page not in other.get("/clients?tag=VAT+clients").text
            assert other.get(page).status_code == status
            form = {"group": "g1", "name": "Mine"}
            assert other.post("/clients/tag-name", form).status_code == status

    def test_a_group_that_is_no_tag_yet_is_not_found(
        self, browser: Browser, ada: Client, grouped: XeroContact
    ) -> None:
        grouped.groups = [{"id": "g2", "name": "No tag yet"}]
        db.session.commit()
        form = {"group": "g2", "name": "Mine"}
        assert browser.post("/clients/tag-name", form).status_code == 404
        # What no contact is in any more cannot be renamed either.
        assert browser.get("/clients/tag-name?tag=VAT+clients").status_code == 404
        assert self.tags_of(browser, ada) == ["VAT clients"]

    @pytest.mark.parametrize(
        ("word", "sentence"),
        [(" ", "A tag needs a word."), ("x" * 61, "The tag is 61 characters long.")],
    )
    def test_what_cannot_be_one_is_said_at_the_field(
        self, browser: Browser, ada: Client, word: str, sentence: str
    ) -> None:
        answer = browser.post(f"/clients/{ada.id}/tags", {"tag": word})
        assert answer.status_code == 422
        assert "<title>Error: Ada Ltd" in answer.text
        assert answer.text.count(sentence) == 2

    def test_another_practices_client_is_not_found(self, browser: Browser, stranger: User) -> None:
        theirs = factories.make_client(stranger.practice)
        for path in ("tags", "tags/remove"):
            for client_id in (theirs.id, uuid4()):
                answer = browser.post(f"/clients/{client_id}/{path}", {"tag": "Mine"})
                assert answer.status_code == 404


class TestDifferences:
    @pytest.fixture
    def linked(self, connection: XeroConnection, ada: Client, contact: XeroContact) -> Client:
        """Ada with a contact that has another name and email."""
        factories.make_mapping(connection, ada, contact.xero_contact_id)
        return ada

    def choose(self, browser: Browser, client: Client, field: str, keep: str) -> int:
        answer = browser.post(f"/clients/{client.id}/differences", {"field": field, "keep": keep})
        db.session.refresh(client)
        return answer.status_code

    def test_xeros_value_is_taken(self, browser: Browser, linked: Client) -> None:
        assert self.choose(browser, linked, "email", "xero") == 303
        assert (linked.email, linked.name) == ("office@ada.example", "Ada Ltd")
        assert 'id="differs-email"' not in browser.get(f"/clients/{linked.id}").text

    def test_ours_is_kept_until_xero_changes_again(
        self, browser: Browser, linked: Client, contact: XeroContact
    ) -> None:
        self.choose(browser, linked, "email", "ours")
        assert linked.email == "ada@example.com"
        assert "We keep ours." in browser.get(f"/clients/{linked.id}").text
        contact.email = "third@ada.example"
        db.session.commit()
        text = browser.get(f"/clients/{linked.id}").text
        assert "third@ada.example" in text
        assert "We keep ours." not in text

    @pytest.mark.parametrize(
        ("field", "keep"), [("id", "xero"), ("practice_id", "ours"), ("email", "both")]
    )
    def test_a_choice_without_sense_is_refused(
        self, browser: Browser, linked: Client, field: str, keep: str
    ) -> None:
        assert self.choose(browser, linked, field, keep) == 422

    def test_a_contact_that_was_archived_meanwhile_teaches_nothing(
        self, browser: Browser, linked: Client, contact: XeroContact
    ) -> None:
        contact.contact_status = "ARCHIVED"
        db.session.commit()
        assert self.choose(browser, linked, "email", "xero") == 409
        assert linked.email == "ada@example.com"


class TestInXeroTwice:
    def test_pairs_are_shown_with_reasons_and_whose_they_are(
        self, browser: Browser, connection: XeroConnection, ada: Client, contact: XeroContact
    ) -> None:
        assert "No contact seems to be in Xero twice." in browser.get("/clients/in-xero-twice").text
        twin = factories.make_contact(connection, name="ADA <Ltd>", email="office@ada.example")
        factories.make_mapping(connection, ada, contact.xero_contact_id)
        wiring.xero_sync().rematch(ada.practice_id)
        text = browser.get("/clients/in-xero-twice").text
        assert "1 pair" in text
        assert "ADA &lt;Ltd&gt;" in text
        assert f'linked to <a href="/clients/{ada.id}">' in text
        assert "email" in text.partition('<p class="reason">')[2]
        twin.contact_status = "ARCHIVED"
        db.session.commit()
        assert "No contact seems to be in Xero twice." in browser.get("/clients/in-xero-twice").text

    def test_a_pair_that_was_told_apart_is_not_shown_again_until_it_is_taken_back(
        self, browser: Browser, connection: XeroConnection, contact: XeroContact
    ) -> None:
        page = "/clients/in-xero-twice"
        twin = factories.make_contact(connection, name="Ada Limited", email=contact.email)
        wiring.xero_sync().rematch(connection.practice_id)
        preview = browser.get("/import").headers["Location"]
        assert "May be in Xero twice" in browser.get(preview).text
        pair = {"pair": f"{twin.xero_contact_id} {contact.xero_contact_id}"}
        for _twice in range(2):
            assert browser.post(page, {**pair, "word": "apart"}).headers["Location"] == page
        # Neither another comparison nor an archived and restored contact brings it back.
        for status in ("ACTIVE", "ARCHIVED", "ACTIVE"):
            twin.contact_status = status
            connection.contacts_revision += 1
            twin.revision = connection.contacts_revision
            db.session.commit()
            wiring.xero_sync().rematch(connection.practice_id)
        assert "No contact seems to be in Xero twice." in browser.get(page).text
        assert "May be in Xero twice" not in browser.get(preview).text
        told = browser.get(f"{page}?show=apart").text
        assert "Told apart by <bdi>Priya</bdi>" in told
        browser.post(page, {**pair, "word": "same"})
        assert "1 pair" in browser.get(page).text

    def test_a_stranger_sees_nothing_of_it(
        self,
        browser_of: Callable[[User], Browser],
        stranger: User,
        practice: Practice,
        connection: XeroConnection,
    ) -> None:
        for _ in range(2):
            factories.make_contact(connection, name="Ada Ltd", email="office@ada.example")
        wiring.xero_sync().rematch(practice.id)
        page, theirs = "/clients/in-xero-twice", browser_of(stranger)
        assert "Ada Ltd" not in theirs.get(page).text
        factories.make_connection(stranger.practice)
        ours = db.session.scalars(select(XeroContact.xero_contact_id)).all()
        for pair in (" ".join(ours), "", "a b c"):
            assert theirs.post(page, {"pair": pair, "word": "apart"}).status_code == 404
        assert db.session.scalars(select(ContactTwins.apart_at)).all() == [None]


class TestLinking:
    def test_contacts_are_found_by_the_clients_name(
        self, browser: Browser, ada: Client, contact: XeroContact
    ) -> None:
        wiring.xero_sync().rematch(ada.practice_id)
        text = browser.get(f"/clients/{ada.id}/link").text
        assert "Ada Limited" in text
        assert contact.xero_contact_id in text

    def test_a_contact_that_is_another_clients_invites_no_link(
        self, browser: Browser, practice: Practice, connection: XeroConnection, ada: Client
    ) -> None:
        factories.make_client(practice, name="Ada Stone", email="ada@stone.example")
        factories.make_contact(connection, name="Ada Stone", email="ada@stone.example")
        wiring.xero_sync().rematch(practice.id)
        theirs = browser.get(f"/clients/{ada.id}/link?q=Stone").text
        assert "Looks like <bdi>Ada Stone</bdi>." in theirs
        assert "Exact match" not in theirs
        stone = db.session.scalars(select(Client.id).where(Client.name == "Ada Stone")).one()
        assert "Exact match" in browser.get(f"/clients/{stone}/link?q=Stone").text

    def test_a_contact_is_linked_and_another_chosen_later(
        self, browser: Browser, connection: XeroConnection, ada: Client, contact: XeroContact
    ) -> None:
        other = factories.make_contact(connection, name="Ada Holdings")
        for one in (contact, other):
            answer = browser.post(f"/clients/{ada.id}/link", {"contact_id": one.xero_contact_id})
            assert answer.headers["Location"] == f"/clients/{ada.id}"
            assert linked_to(ada) == one.xero_contact_id

    def test_who_linked_it_is_told_if_anybody_knows(
        self,
        browser: Browser,
        admin: User,
        connection: XeroConnection,
        ada: Client,
        contact: XeroContact,
    ) -> None:
        mapping = factories.make_mapping(connection, ada, contact.xero_contact_id)
        page = f"/clients/{ada.id}"
        assert "<bdi>Ada Limited</bdi></strong> since <time" in browser.get(page).text
        db.session.delete(mapping)
        db.session.commit()
        browser.post(f"{page}/link", {"contact_id": contact.xero_contact_id})
        assert f"by <bdi>{admin.name}</bdi> on <time" in browser.get(page).text

    def test_a_taken_contact_is_shown_as_taken_and_refused(
        self,
        browser: Browser,
        practice: Practice,
        connection: XeroConnection,
        ada: Client,
        contact: XeroContact,
    ) -> None:
        other = factories.make_client(practice, name="Bea Ltd")
        factories.make_mapping(connection, other, contact.xero_contact_id)
        page = f"/clients/{ada.id}/link"
        assert "Taken by" in browser.get(page).text
        answer = browser.post(
            page,
            {"contact_id": contact.xero_contact_id},
            headers={"Referer": f"http://localhost{page}"},
        )
        assert answer.headers["Location"].endswith(page)
        assert "already linked to Bea Ltd" in browser.get(page).text
        assert linked_to(ada) is None

    def test_unlinking_is_asked_about_first(
        self, browser: Browser, connection: XeroConnection, ada: Client, contact: XeroContact
    ) -> None:
        factories.make_mapping(connection, ada, contact.xero_contact_id)
        page = f"/clients/{ada.id}/unlink"
        assert "New documents of" in browser.get(page).text
        assert linked_to(ada) == contact.xero_contact_id
        browser.post(page)
        assert linked_to(ada) is None

    def test_without_a_connection_there_is_nothing_to_link(
        self, browser: Browser, connection: XeroConnection, ada: Client
    ) -> None:
        connection.status = ConnectionStatus.DISCONNECTED
        db.session.commit()
        assert "Connect Xero to link this client" in browser.get(f"/clients/{ada.id}/link").text


class TestStranger:
    def test_a_stranger_meets_what_does_not_exist(
        self, browser_of: Callable[[User], Browser], stranger: User, ada: Client
    ) -> None:
        browser = browser_of(stranger)
        for path in ("", "/link", "/unlink"):
            ours = browser.get(f"/clients/{ada.id}{path}")
            nobodys = browser.get(f"/clients/{uuid4()}{path}")
            assert (ours.status_code, nobodys.status_code) == (404, 404)
            assert ours.text.replace(str(ada.id), "").count("Ada") == 0
        for path in ("/link", "/unlink"):
            assert browser.post(f"/clients/{ada.id}{path}", {"contact_id": "x"}).status_code == 404
        assert "Ada Ltd" not in browser.get("/clients").text
