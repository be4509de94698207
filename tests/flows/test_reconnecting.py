"""Documents wait while Xero cannot be used, and go by themselves once it can be used again."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.models import (
    Client,
    ConnectionStatus,
    Practice,
    RunKind,
    RunStatus,
    SyncRun,
    User,
    XeroConnection,
    XeroContactMapping,
)
from dashboard.queries import due
from dashboard.simulator import World
from jobs import file_push
from tests import factories
from tests.flows.test_connect import API, connect, remove_in_xero
from tests.support.browser import Browser

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


@pytest.fixture
def client(browser: Browser, world: World, practice: Practice, session: Session) -> Client:
    """A client that is linked to a contact of the connected organisation."""
    connect(browser, world)
    return linked_client(world, practice, session)


def linked_client(world: World, practice: Practice, session: Session) -> Client:
    connection = session.scalars(select(XeroConnection)).one()
    contact = next(each for each in world.main.contacts.values() if each.status == "ACTIVE")
    client = factories.make_client(practice, name=contact.name)
    factories.make_mapping(connection, client, contact.contact_id)
    return client


def accepted(browser: Browser, client: Client) -> str:
    """Upload a document for the client, accept it, and return its id."""
    fields = {
        "client_id": str(client.id),
        "document_type": "P60",
        "tax_year": "2025-26",
        "file": (io.BytesIO(PDF), "p60.pdf", "application/pdf"),
    }
    answer = browser.http.post(
        "/api/documents",
        data=fields,
        headers={"Accept": "application/json", "X-CSRFToken": browser.csrf_token},
    )
    assert answer.status_code == 201, answer.text
    assert answer.json is not None
    document_id: str = answer.json["id"]
    browser.send_json("POST", f"/api/documents/{document_id}/accept")
    return document_id


def push_what_is_due(session: Session) -> None:
    """Do what the next sweep would have a worker do."""
    for practice_id in due.practices_to_push(session, utcnow() + timedelta(minutes=1)):
        session.rollback()
        file_push.push_practice(str(practice_id))


def push_status(browser: Browser, document_id: str) -> str:
    status: str = browser.get_json(f"/api/documents/{document_id}")["push"]["status"]
    return status


def calls_to_files(world: World) -> int:
    return sum(call.path.startswith("/files.xro/") for call in world.calls.last())


class TestHolding:
    @pytest.mark.parametrize("how", ["disconnected here", "removed in Xero", "expired"])
    @pytest.mark.fact(56)
    def test_documents_wait_and_go_by_themselves_after_reconnecting(
        self,
        *,
        browser: Browser,
        world: World,
        client: Client,
        session: Session,
        how: str,
    ) -> None:
        before = accepted(browser, client)
        if how == "disconnected here":
            browser.send_json("POST", f"{API}/disconnect")
        elif how == "removed in Xero":
            remove_in_xero(world)
            browser.post("/settings/check")
        else:
            session.execute(update(XeroConnection).values(status=ConnectionStatus.TOKEN_EXPIRED))
            session.commit()
        during = accepted(browser, client)
        push_what_is_due(session)
        assert calls_to_files(world) == 0
        for document_id in (before, during):
            assert push_status(browser, document_id) == "pending"
            page = browser.get(f"/documents/{document_id}").text
            assert "On hold" in page
            assert "Waiting for Xero to be reconnected. Nothing is lost." in page
        connect(browser, world)
        push_what_is_due(session)
        for document_id in (before, during):
            assert push_status(browser, document_id) == "associated"
        assert len(world.files_in("chase.md")) == 2

    def test_documents_wait_for_the_permission_to_add_files(
        self,
        *,
        browser: Browser,
        browser_of: Callable[[User], Browser],
        colleague: User,
        practice: Practice,
        world: World,
        session: Session,
    ) -> None:
        world.options.withheld_scopes = "files"
        connect(browser, world)
        document_id = accepted(browser, linked_client(world, practice, session))
        assert due.practices_to_push(session, utcnow() + timedelta(minutes=1)) == []
        session.rollback()
        # Whoever tries nevertheless does not get as far as Xero.
        wiring.xero_files().drain(practice.id, 5)
        assert calls_to_files(world) == 0
        page = browser.get(f"/documents/{document_id}").text
        assert "On hold" in page
        assert "Waiting for the permission to add files in Xero. Nothing is lost." in page
        assert "Allow in Xero" in page
        page = browser_of(colleague).get(f"/documents/{document_id}").text
        assert "to allow it." in page
        assert "Allow in Xero" not in page
        page = browser.get("/settings").text
        assert "1 document waits for it and is sent once it is allowed." in page
        world.options.withheld_scopes = ""
        connect(browser, world)
        push_what_is_due(session)
        assert push_status(browser, document_id) == "associated"


class TestLeaving:
    def test_queued_work_stops(
        self, browser: Browser, world: World, client: Client, session: Session
    ) -> None:
        accepted(browser, client)
        connection = session.scalars(select(XeroConnection)).one()
        session.add(
            SyncRun(
                practice_id=client.practice_id,
                xero_connection_id=connection.id,
                kind=RunKind.IMPORT,
                status=RunStatus.RUNNING,
                total=1516,
                done=640,
            )
        )
        session.commit()
        page = browser.get("/settings/disconnect").text
        assert (
            "An import is running (640 of 1,516). It will stop after the current contact." in page
        )
        browser.post("/settings/disconnect")
        session.rollback()
        assert {run.status for run in session.scalars(select(SyncRun))} == {RunStatus.CANCELLED}
        later = utcnow() + timedelta(days=1)
        assert due.practices_to_push(session, later) == []
        assert list(due.practices_to_sync(session, later)) == []
        assert due.imports_to_run(session, later) == []
        assert list(due.connections_to_check(session, later)) == []
        assert due.connections_to_refresh(session, later) == []

    def test_removing_the_links_asks_for_the_name(
        self, browser: Browser, world: World, client: Client, session: Session
    ) -> None:
        name = world.main.name
        asked = browser.post("/settings/disconnect", {"remove_links": "1"})
        assert asked.status_code == 200
        assert f"Type {name} to go on" in asked.text
        wrong = browser.post("/settings/disconnect", {"remove_links": "1", "typed_name": "x"})
        assert wrong.status_code == 422
        assert "That is not the organisation&#39;s name." in wrong.text
        assert browser.get_json(f"{API}/status")["status"] == "active"
        browser.post("/settings/disconnect", {"remove_links": "1", "typed_name": f" {name} "})
        page = browser.get("/settings").text
        assert f"Disconnected from {name} at " in page
        session.rollback()
        assert session.scalars(select(XeroContactMapping)).all() == []
        session.refresh(client)
        assert client.xero_contact_id is None
        # Without links there is nothing to ask about, wherever the practice goes next.
        other = next(each for each in world.state.organisations.values() if each.name != name)
        assert connect(browser, world, other.name).endswith("/settings?xero=connected")
