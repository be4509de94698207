"""Sync, history, preview and import as JSON."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    Client,
    ConnectionStatus,
    ImportDraft,
    Practice,
    RunKind,
    RunStatus,
    SyncRun,
    User,
    XeroConnection,
    XeroContact,
)
from tests import factories
from tests.support.browser import Browser

XERO = "/api/integrations/xero"
RUN_KEYS = {
    "id",
    "kind",
    "status",
    "total",
    "done",
    "created",
    "linked",
    "updated",
    "skipped",
    "problems",
    "error",
    "started_at",
    "finished_at",
}

UNREADABLE: list[object] = [
    {},
    [],
    {"decisions": [], "accept_suggestions": []},
    {"decisions": []},
    {"decisions": {}},
    {"decisions": ["x"]},
    {"decisions": [{"xero_contact_id": str(uuid4()), "action": "merge"}]},
    {"decisions": [{"xero_contact_id": str(uuid4()), "action": []}]},
    {"decisions": [{"xero_contact_id": "7", "action": "create"}]},
    {"decisions": [{"xero_contact_id": 7, "action": "create"}]},
    {"decisions": [{"action": "create"}]},
    {"decisions": [{"xero_contact_id": str(uuid4()), "action": "link"}]},
    {"decisions": [{"xero_contact_id": str(uuid4()), "action": "link", "client_id": "7"}]},
    {
        "decisions": [
            {
                "xero_contact_id": str(uuid4()),
                "action": "create",
                "client_id": str(uuid4()),
            }
        ]
    },
    {"decisions": [{"xero_contact_id": str(uuid4()), "action": "create"}] * 2},
    {"accept_suggestions": []},
    {"accept_suggestions": "new"},
    {"accept_suggestions": ["possible"]},
    {"accept_suggestions": [["new"]]},
]


@pytest.fixture
def connection(practice: Practice) -> XeroConnection:
    """A connection whose contacts have been read."""
    return factories.make_connection(practice, last_sync_at=utcnow())


@pytest.fixture
def rob(practice: Practice) -> Client:
    """A client whose contact in Xero has the same name and e-mail."""
    return factories.make_client(practice, name="Robert Smith", email="rob@smith.example")


@pytest.fixture
def exact(connection: XeroConnection, rob: Client) -> XeroContact:
    """The contact that is surely Rob."""
    return factories.make_contact(
        connection,
        name="Robert Smith",
        email="rob@smith.example",
        groups=[{"id": "g1", "name": "VAT clients"}],
    )


@pytest.fixture
def new(connection: XeroConnection) -> XeroContact:
    """A contact that no client is."""
    return factories.make_contact(connection, name="Yarrow Stores", is_supplier=True)


def make_run(connection: XeroConnection, **values: Any) -> SyncRun:
    """Return a stored run."""
    given = {
        "kind": RunKind.CONTACT_SYNC,
        "status": RunStatus.FINISHED,
        "progress": {},
        "started_at": utcnow(),
        "finished_at": utcnow(),
    }
    run = SyncRun(
        practice_id=connection.practice_id, xero_connection_id=connection.id, **{**given, **values}
    )
    db.session.add(run)
    db.session.commit()
    return run


class TestSync:
    def test_it_answers_202_with_the_run_in_progress(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        first = browser.send_json("POST", f"{XERO}/sync")
        second = browser.send_json("POST", f"{XERO}/sync")
        assert first.status_code == second.status_code == 202
        assert set(first.json) == RUN_KEYS
        assert (first.json["kind"], first.json["status"]) == ("contact_sync", "waiting")
        assert second.json["id"] == first.json["id"]

    def test_without_a_connection_it_says_so(self, browser: Browser) -> None:
        answer = browser.send_json("POST", f"{XERO}/sync")
        assert (answer.status_code, answer.json["code"]) == (409, "not_connected")

    def test_a_connection_to_renew_says_so(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        connection.status = ConnectionStatus.TOKEN_EXPIRED
        db.session.commit()
        answer = browser.send_json("POST", f"{XERO}/sync")
        assert (answer.status_code, answer.json["code"]) == (409, "connection_not_usable")

    def test_a_visitor_must_sign_in(self, visitor: FlaskClient) -> None:
        assert visitor.get(f"{XERO}/sync-history").status_code == 401


class TestHistory:
    def test_runs_come_newest_first_in_pages(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        now = utcnow()
        ids = [
            str(make_run(connection, created_at=now - timedelta(minutes=number)).id)
            for number in range(3)
        ]
        first = browser.get_json(f"{XERO}/sync-history?limit=2")
        rest = browser.get_json(f"{XERO}/sync-history?limit=2&cursor={first['next']}")
        assert [run["id"] for run in first["items"] + rest["items"]] == ids
        assert rest["next"] is None

    def test_a_run_has_its_numbers_and_moments(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        run = make_run(connection, total=3, done=3, updated=1, started_by_id=None)
        answer = browser.get_json(f"{XERO}/runs/{run.id}")
        assert set(answer) == RUN_KEYS
        assert (answer["total"], answer["done"], answer["updated"]) == (3, 3, 1)
        assert answer["finished_at"].endswith("Z")

    def test_a_broken_question_is_refused(self, browser: Browser) -> None:
        odd = ("limit=%C2%B2", "limit=" + "9" * 5000)
        for query in (*odd, "limit=0", "limit=501", "cursor=x", "cursor=e30", "kind=x", "status=x"):
            answer = browser.get(f"{XERO}/sync-history?{query}")
            assert answer.status_code == 422, query
            assert answer.mimetype == "application/problem+json"


class TestPreview:
    def test_contacts_come_with_counts_candidates_and_decisions(
        self, browser: Browser, exact: XeroContact, new: XeroContact, rob: Client
    ) -> None:
        answer = browser.get_json(f"{XERO}/import-preview")
        assert answer["total"] == 2
        assert answer["counts"] == {
            "new": 1,
            "exact": 1,
            "possible": 0,
            "clash": 0,
            "linked": 0,
            "unavailable": 0,
        }
        first, second = answer["items"]
        assert first["xero_contact_id"] == exact.xero_contact_id
        assert first["groups"] == ["VAT clients"]
        assert first["match"] == "exact"
        assert first["candidates"][0]["client_id"] == str(rob.id)
        assert first["candidates"][0]["client_name"] == "Robert Smith"
        assert first["candidates"][0]["score"] >= 0.9
        assert first["candidates"][0]["reasons"]
        assert first["decision"] == {"action": "link", "client_id": str(rob.id)}
        assert second["decision"] == {"action": "create", "client_id": None}
        assert answer["next"] is None

    def test_a_client_added_just_now_is_a_candidate(
        self, browser: Browser, new: XeroContact
    ) -> None:
        assert browser.get_json(f"{XERO}/import-preview")["items"][0]["match"] == "new"
        browser.send_json("POST", "/api/clients", {"name": "Yarrow Stores"})
        assert browser.get_json(f"{XERO}/import-preview")["items"][0]["candidates"]

    def test_filters_and_pages_hold_together(
        self, browser: Browser, exact: XeroContact, new: XeroContact
    ) -> None:
        one = browser.get_json(f"{XERO}/import-preview?match=new")
        assert [item["name"] for item in one["items"]] == ["Yarrow Stores"]
        assert one["counts"]["exact"] == 1
        first = browser.get_json(f"{XERO}/import-preview?limit=1")
        rest = browser.get_json(f"{XERO}/import-preview?limit=1&cursor={first['next']}")
        names = [item["name"] for item in first["items"] + rest["items"]]
        assert names == ["Robert Smith", "Yarrow Stores"]

    def test_a_broken_question_is_refused(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        for query in ("match=sure", "type=friend", "limit=900", "cursor=e30"):
            assert browser.get(f"{XERO}/import-preview?{query}").status_code == 422, query

    def test_without_a_connection_it_says_so(self, browser: Browser) -> None:
        assert browser.get(f"{XERO}/import-preview").json["code"] == "not_connected"


class TestImport:
    def test_decisions_become_a_run(
        self,
        browser: Browser,
        practice: Practice,
        exact: XeroContact,
        new: XeroContact,
        rob: Client,
    ) -> None:
        body = {
            "decisions": [
                {
                    "xero_contact_id": exact.xero_contact_id,
                    "action": "link",
                    "client_id": str(rob.id),
                },
                {"xero_contact_id": new.xero_contact_id, "action": "create"},
            ]
        }
        answer = browser.send_json("POST", f"{XERO}/import", body)
        assert answer.status_code == 202
        assert (answer.json["kind"], answer.json["total"]) == ("import", 2)
        wiring.xero_sync().import_contacts(practice.id)
        run = browser.get_json(f"{XERO}/runs/{answer.json['id']}")
        assert (run["status"], run["created"], run["linked"]) == ("finished", 1, 1)
        tagged = browser.get_json(f"/api/clients/{rob.id}")
        assert tagged["xero_contact_id"] == exact.xero_contact_id
        assert tagged["tags"] == ["VAT clients"]

    def test_suggestions_are_accepted_by_their_words(
        self, browser: Browser, practice: Practice, exact: XeroContact, new: XeroContact
    ) -> None:
        browser.get_json(f"{XERO}/import-preview")
        answer = browser.send_json("POST", f"{XERO}/import", {"accept_suggestions": ["new"]})
        assert answer.status_code == 202
        wiring.xero_sync().import_contacts(practice.id)
        run = browser.get_json(f"{XERO}/runs/{answer.json['id']}")
        assert (run["created"], run["linked"]) == (1, 0)

    def test_what_cannot_be_understood_is_refused_whole(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        for body in UNREADABLE:
            answer = browser.send_json("POST", f"{XERO}/import", body)
            assert answer.status_code == 422, body
            assert answer.json["detail"], body
        assert db.session.scalars(select(SyncRun)).all() == []

    def test_too_many_decisions_are_refused(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        one = {"xero_contact_id": str(uuid4()), "action": "create"}
        answer = browser.send_json("POST", f"{XERO}/import", {"decisions": [one] * 10_001})
        assert answer.status_code == 422
        assert "10,000" in answer.json["detail"]


class TestStranger:
    def test_our_run_looks_as_if_it_never_was(
        self, browser_of: Callable[[User], Browser], stranger: User, connection: XeroConnection
    ) -> None:
        run = make_run(connection)
        browser = browser_of(stranger)
        ours = browser.get(f"{XERO}/runs/{run.id}")
        nobodys = browser.get(f"{XERO}/runs/{uuid4()}")
        assert (ours.status_code, ours.data) == (404, nobodys.data)
        assert browser.get_json(f"{XERO}/sync-history")["items"] == []

    def test_our_client_cannot_be_linked(
        self,
        browser_of: Callable[[User], Browser],
        stranger: User,
        connection: XeroConnection,
        rob: Client,
    ) -> None:
        theirs = factories.make_connection(db.session.get_one(Practice, stranger.practice_id))
        contact = factories.make_contact(theirs, name="Somebody")
        decision = {
            "xero_contact_id": contact.xero_contact_id,
            "action": "link",
            "client_id": str(rob.id),
        }
        browser = browser_of(stranger)
        answer = browser.send_json("POST", f"{XERO}/import", {"decisions": [decision]})
        wiring.xero_sync().import_contacts(stranger.practice_id)
        assert db.session.get_one(Client, rob.id, populate_existing=True).xero_contact_id is None
        if answer.status_code == 202:
            run = browser.get_json(f"{XERO}/runs/{answer.json['id']}")
            assert (run["linked"], run["problems"]) == (0, 1)

    def test_a_malformed_id_is_not_found(self, browser: Browser) -> None:
        assert browser.get(f"{XERO}/runs/7").status_code == 404


def test_a_preview_keeps_one_open_draft(browser: Browser, connection: XeroConnection) -> None:
    for _ in range(2):
        browser.get_json(f"{XERO}/import-preview")
    assert len(db.session.scalars(select(ImportDraft)).all()) == 1
