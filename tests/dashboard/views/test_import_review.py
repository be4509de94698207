"""The review of an import: what contact groups become."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import select

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import Client, GroupChoice, Practice, SyncRun, Tag, User, XeroConnection
from dashboard.services.import_drafts import open_draft
from tests import factories
from tests.support.browser import Browser

VAT = {"id": "g-vat", "name": "VAT clients"}
OLD = {"id": "g-old", "name": "zz old list"}


@pytest.fixture
def connection(practice: Practice) -> XeroConnection:
    """A connection whose contacts have been read and compared."""
    return factories.make_connection(practice, last_sync_at=utcnow(), matched_at=utcnow())


@pytest.fixture
def review(practice: Practice, connection: XeroConnection, admin: User) -> str:
    """The address of a draft with one ticked contact in two groups."""
    contact = factories.make_contact(connection, name="Ada Ltd", groups=[VAT, OLD])
    factories.make_contact(connection, name="Bob", groups=[{"id": "g-no", "name": "Nobody"}])
    draft = open_draft(db.session, practice.id, connection.id, utcnow())
    contact_ids = [contact.xero_contact_id]
    wiring.import_drafts().tick(practice.id, admin.id, draft.id, contact_ids, True)
    return f"/import/{draft.id}"


def asked(vat: str = "VAT clients", old: str = "zz old list", **more: str) -> dict[str, object]:
    """Return the form as a browser sends it."""
    return {"group": ["g-vat", "g-old"], "tag-g-vat": vat, "tag-g-old": old, **more}


def imported(browser: Browser, practice: Practice, answer_location: str) -> list[str]:
    """Do the import that was started; return the tags of the client that it made."""
    wiring.xero_sync().import_contacts(practice.id)
    run_id = UUID(answer_location.rpartition("/")[2])
    assert db.session.get_one(SyncRun, run_id, populate_existing=True).created == 1
    client_id = db.session.scalar(select(Client.id).where(Client.name == "Ada Ltd"))
    tags: list[str] = browser.get_json(f"/api/clients/{client_id}")["tags"]
    return tags


class TestGroups:
    def test_those_of_ticked_contacts_can_be_renamed_and_left_out(
        self, browser: Browser, practice: Practice, review: str
    ) -> None:
        text = browser.get(f"{review}/review").text
        assert "2, from contact groups" in text
        assert "Nobody" not in text
        saved = browser.post(
            f"{review}/groups", asked(vat="VAT  registered", **{"leave-g-old": "1"})
        )
        assert saved.status_code == 303
        text = browser.get(f"{review}/review").text
        assert 'value="VAT registered"' in text
        assert "1 group left out" in text
        # What was typed without pressing Save is meant as well.
        started = browser.post(f"{review}/start", asked(vat="VAT & duties", **{"leave-g-old": "1"}))
        assert imported(browser, practice, started.headers["Location"]) == ["VAT & duties"]

    def test_a_choice_can_be_taken_back(
        self, browser: Browser, practice: Practice, review: str
    ) -> None:
        browser.post(f"{review}/groups", asked(vat="Other", **{"leave-g-old": "1"}))
        started = browser.post(f"{review}/start", asked())
        assert db.session.scalars(select(GroupChoice)).all() == []
        tags = imported(browser, practice, started.headers["Location"])
        assert tags == ["VAT clients", "zz old list"]

    def test_the_choice_outlives_what_xero_says_later(
        self, browser: Browser, practice: Practice, review: str, connection: XeroConnection
    ) -> None:
        started = browser.post(f"{review}/start", asked(vat="Ours", **{"leave-g-old": "1"}))
        imported(browser, practice, started.headers["Location"])
        browser.post("/clients", {"name": "Cleo"})
        cleo = db.session.scalars(select(Client).where(Client.name == "Cleo")).one()
        renamed = [{"id": "g-vat", "name": "VAT clients 2027"}, OLD]
        contact = factories.make_contact(connection, name="Cleo", groups=renamed)
        browser.post(f"/clients/{cleo.id}/link", {"contact_id": contact.xero_contact_id})
        assert browser.get_json(f"/api/clients/{cleo.id}")["tags"] == ["Ours"]

    @pytest.mark.parametrize(
        ("way", "form", "sentence"),
        [
            ("groups", asked(vat=" "), "A tag needs a name."),
            ("start", asked(vat="x" * 256), "A tag’s name has at most 255 characters."),
            ("groups", asked(vat="PRIORITY"), "Another tag is called “PRIORITY” already."),
            ("start", asked(vat="One", old="one"), "Another tag is called “one” already."),
        ],
    )
    def test_a_name_that_cannot_be_is_said_and_nothing_typed_is_lost(  # noqa: PLR0917 - cases
        self,
        browser: Browser,
        practice: Practice,
        review: str,
        way: str,
        form: dict[str, object],
        sentence: str,
    ) -> None:
        factories.make_tag(practice, "Priority")
        answer = browser.post(f"{review}/{way}", form)
        assert answer.status_code == 422
        assert answer.text.count(sentence) == 2
        assert f'value="{form["tag-g-vat"]}"' in answer.text
        assert db.session.scalars(select(SyncRun)).all() == []
        assert db.session.scalars(select(GroupChoice)).all() == []

    def test_ids_that_are_no_groups_of_ours_and_strangers_are_not_found(
        self, browser: Browser, review: str, stranger: User
    ) -> None:
        theirs = factories.make_connection(stranger.practice)
        factories.make_contact(theirs, groups=[{"id": "g-theirs", "name": "Theirs"}])
        form = {"group": "g-theirs", "tag-g-theirs": "Mine"}
        assert browser.post(f"{review}/groups", form).status_code == 404
        assert db.session.scalars(select(GroupChoice)).all() == []
        other = open_draft(db.session, stranger.practice_id, theirs.id, utcnow())
        assert browser.post(f"/import/{other.id}/groups", asked()).status_code == 404


def test_a_tag_of_a_group_keeps_its_mark(browser: Browser, practice: Practice, review: str) -> None:
    """A group whose own name is taken by a tag of ours is told apart, not refused."""
    factories.make_tag(practice, "VAT clients")
    started = browser.post(f"{review}/start", asked(**{"leave-g-old": "1"}))
    tags = imported(browser, practice, started.headers["Location"])
    assert tags == ["VAT clients (Xero)"]
    assert db.session.scalar(select(Tag.name).where(Tag.xero_group_id == "g-vat")) == tags[0]
