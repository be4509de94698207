"""The documents pages and their JSON."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from dashboard.clock import utcnow
from dashboard.models import (
    Client,
    ClientDocument,
    ConnectionStatus,
    Practice,
    PushStatus,
    User,
    XeroConnection,
    XeroFilePush,
)
from dashboard.queries.due import practices_to_push
from tests import factories
from tests.support.browser import Browser

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
FIELDS = {
    "id",
    "client_id",
    "document_type",
    "tax_year",
    "file_name",
    "status",
    "scan_status",
    "push",
}
PUSH_FIELDS = {
    "status",
    "xero_file_id",
    "xero_folder_id",
    "file_name",
    "retry_count",
    "error",
    "next_attempt_at",
    "pushed_at",
}
LONDON = ZoneInfo("Europe/London")
SCRIPT = {"HX-Request": "true"}


@pytest.fixture
def client(practice: Practice) -> Client:
    """A client that is linked to a contact of a connected organisation."""
    connection = factories.make_connection(practice)
    client = factories.make_client(practice, name="Hartley & Co Ltd")
    contact = factories.make_contact(connection, name="Hartley & Co Ltd")
    factories.make_mapping(connection, client, contact.xero_contact_id)
    return client


@pytest.fixture
def document(client: Client) -> ClientDocument:
    """A document of that client, not yet looked at."""
    return factories.make_document(client)


def sent(browser: Browser, client: Client, **fields: Any) -> Any:
    given = {"client_id": str(client.id), "document_type": "P60", "tax_year": "2025-26", **fields}
    return browser.http.post(
        "/api/documents",
        data={**given, "file": (io.BytesIO(PDF), "my scan.pdf")},
        headers={"Accept": "application/json", "X-CSRFToken": browser.csrf_token},
    )


class TestJson:
    def test_a_document_is_received(self, browser: Browser, client: Client) -> None:
        answer = sent(browser, client)
        assert answer.status_code == 201
        assert set(answer.json) == FIELDS
        assert answer.json["push"] is None
        assert answer.json["status"] == "received"
        assert answer.json["scan_status"] == "not_scanned"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("document_type", ""),
            ("document_type", "x" * 61),
            ("tax_year", "x" * 21),
            ("client_id", "no id"),
        ],
    )
    def test_bad_fields_are_named(
        self, browser: Browser, client: Client, field: str, value: str
    ) -> None:
        answer = sent(browser, client, **{field: value})
        assert answer.status_code == 422
        assert answer.json["field"] == field
        assert answer.json["detail"].strip()

    def test_accepting_promises_the_push_in_the_same_answer(
        self, browser: Browser, document: ClientDocument
    ) -> None:
        path = f"/api/documents/{document.id}/accept"
        first = browser.send_json("POST", path)
        assert first.status_code == 200
        assert set(first.json["push"]) == PUSH_FIELDS
        assert first.json["push"]["status"] == "pending"
        assert first.json["status"] == "accepted"
        assert browser.send_json("POST", path).json == first.json

    def test_without_a_connection_nothing_is_promised(
        self, browser: Browser, practice: Practice
    ) -> None:
        document = factories.make_document(factories.make_client(practice))
        answer = browser.send_json("POST", f"/api/documents/{document.id}/accept")
        assert answer.json["status"] == "accepted"
        assert answer.json["push"] is None
        page = browser.get(f"/documents/{document.id}").text
        assert "Xero is not connected, so this document is not sent." in page
        assert f"/documents/{document.id}/accept" not in page

    def test_after_a_disconnection_the_promise_is_held_until_reconnecting(
        self, browser: Browser, document: ClientDocument, session: Session
    ) -> None:
        session.execute(
            update(XeroConnection).values(
                status=ConnectionStatus.DISCONNECTED, disconnected_at=utcnow()
            )
        )
        session.commit()
        path = f"/api/documents/{document.id}"
        answer = browser.send_json("POST", f"{path}/accept")
        assert answer.json["push"]["status"] == "pending"
        assert answer.json["push"]["next_attempt_at"] is None
        assert "On hold" in browser.get(f"/documents/{document.id}").text
        assert practices_to_push(session, utcnow()) == []
        session.execute(update(XeroConnection).values(status=ConnectionStatus.ACTIVE))
        session.commit()
        assert practices_to_push(session, utcnow()) == [document.practice_id]

    def test_rejecting(self, browser: Browser, document: ClientDocument) -> None:
        answer = browser.send_json("POST", f"/api/documents/{document.id}/reject")
        assert answer.status_code == 200
        assert answer.json["status"] == "rejected"

    def test_retrying_what_failed(
        self, browser: Browser, document: ClientDocument, session: Session
    ) -> None:
        path = f"/api/documents/{document.id}"
        browser.send_json("POST", f"{path}/accept")
        session.execute(
            update(XeroFilePush).values(status=PushStatus.FAILED, cause="refused", error="No.")
        )
        session.commit()
        answer = browser.send_json("POST", f"{path}/retry")
        assert answer.status_code == 202
        assert answer.json["push"]["status"] == "pending"
        assert answer.json["push"]["error"] is None

    def test_the_list_goes_on_at_its_cursor(self, browser: Browser, client: Client) -> None:
        ids = {str(factories.make_document(client).id) for _ in range(5)}
        seen: list[str] = []
        cursor = ""
        while True:
            page = browser.get_json(f"/api/documents?limit=2&cursor={cursor}")
            seen += [row["id"] for row in page["items"]]
            if page["next"] is None:
                break
            cursor = page["next"]
        assert len(seen) == 5
        assert set(seen) == ids

    @pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "cursor=!", "tab=none"])
    def test_a_bad_query_is_refused_in_a_sentence(
        self, browser: Browser, client: Client, query: str
    ) -> None:
        answer = browser.get(f"/api/documents?{query}", headers={"Accept": "application/json"})
        assert answer.status_code == 422
        assert answer.content_type == "application/problem+json"


class TestPage:
    def test_a_document_is_on_its_own_page_with_its_way_to_xero(
        self, browser: Browser, document: ClientDocument
    ) -> None:
        page = unescape(browser.get(f"/documents/{document.id}").text)
        assert "P60 2025-26, Hartley & Co Ltd" in page
        assert "Not sent yet" in page
        assert "Switched off in this installation" in page
        answer = browser.post(f"/documents/{document.id}/accept")
        assert answer.status_code == 303
        page = unescape(browser.get(f"/documents/{document.id}").text)
        assert "Waiting" in page
        assert 'hx-trigger="every 2s, live:now from:body"' in page

    def test_a_final_panel_asks_no_more(
        self, browser: Browser, document: ClientDocument, session: Session
    ) -> None:
        browser.send_json("POST", f"/api/documents/{document.id}/accept")
        session.execute(update(XeroFilePush).values(status=PushStatus.ASSOCIATED))
        session.commit()
        panel = browser.get(f"/documents/{document.id}/panels/push", headers=SCRIPT).text
        assert "Filed in Xero" in panel
        assert "hx-get" not in panel
        assert "hx-trigger" not in panel
        assert "data-poll" not in panel

    def test_a_panel_opened_by_hand_leads_to_its_page(
        self, browser: Browser, document: ClientDocument
    ) -> None:
        answer = browser.get(f"/documents/{document.id}/panels/push")
        assert answer.status_code == 303
        assert answer.headers["Location"] == f"/documents/{document.id}"

    @pytest.mark.fact(52)
    def test_uploaded_is_never_shown_as_filed(
        self, browser: Browser, document: ClientDocument, session: Session
    ) -> None:
        browser.send_json("POST", f"/api/documents/{document.id}/accept")
        session.execute(
            update(XeroFilePush).values(
                status=PushStatus.UPLOADED, xero_file_id="f", cause="refused", error="No."
            )
        )
        session.commit()
        page = browser.get(f"/documents/{document.id}").text
        assert "In Xero, not on contact" in page
        assert "Filed in Xero" not in page
        assert "Put on contact" in page

    def test_what_to_do_is_said_beside_its_button(
        self, browser: Browser, document: ClientDocument, session: Session
    ) -> None:
        browser.send_json("POST", f"/api/documents/{document.id}/accept")
        session.execute(update(XeroFilePush).values(status=PushStatus.FAILED, cause="permission"))
        session.commit()
        page = browser.get(f"/documents/{document.id}").text
        assert "Reconnect as someone who can." in page
        assert "Reconnect to Xero" in page

    @pytest.mark.fact(55)
    def test_the_attempt_and_the_next_time_are_those_of_the_row(
        self, browser: Browser, document: ClientDocument, session: Session
    ) -> None:
        browser.send_json("POST", f"/api/documents/{document.id}/accept")
        next_at = utcnow().replace(second=0, microsecond=0) + timedelta(minutes=5)
        session.execute(
            update(XeroFilePush).values(
                status=PushStatus.FAILED, cause="xero_down", retry_count=1, not_before=next_at
            )
        )
        session.commit()
        page = browser.get(f"/documents/{document.id}").text
        assert "Trying again" in page
        assert "Attempt 2 of 4 did not work" in page
        assert re.search(rf"Next at (\w+ )?{next_at.astimezone(LONDON):%H:%M}\.", page)
        assert "We try up to 4 times" in page

    def test_the_list_shows_tabs_with_counts(
        self, browser: Browser, document: ClientDocument
    ) -> None:
        page = browser.get("/documents").text
        assert "Needs attention" in page
        assert f"/documents/{document.id}" in page
        assert browser.get("/documents?tab=nonsense").status_code == 404

    def test_an_empty_practice_is_told_what_to_do(self, browser: Browser) -> None:
        assert "No documents yet." in browser.get("/documents").text

    @pytest.mark.fact(76)
    def test_markup_in_a_name_is_text(self, browser: Browser, practice: Practice) -> None:
        client = factories.make_client(practice, name="<img src=x onerror=alert(1)>")
        document = factories.make_document(client, file_name="<b>.pdf")
        for path in (f"/documents/{document.id}", "/documents", "/", f"/clients/{client.id}"):
            page = browser.get(path).text
            assert "<img src=x" not in page
            assert "&lt;img src=x" in page

    def test_documents_of_the_time_before_xero_are_offered_and_sent_on_request(
        self, browser: Browser, practice: Practice, session: Session
    ) -> None:
        document = factories.make_document(factories.make_client(practice))
        browser.send_json("POST", f"/api/documents/{document.id}/accept")
        factories.make_connection(practice)
        assert "accepted before Xero was connected" in browser.get("/documents").text
        assert "Send to Xero" in browser.get(f"/documents/{document.id}").text
        assert session.scalars(select(XeroFilePush)).all() == []
        browser.post(f"/documents/{document.id}/send")
        session.rollback()
        assert len(session.scalars(select(XeroFilePush)).all()) == 1


class TestStaff:
    def test_they_may_accept(
        self,
        browser_of: Callable[[User], Browser],
        colleague: User,
        document: ClientDocument,
    ) -> None:
        staff = browser_of(colleague)
        assert staff.send_json("POST", f"/api/documents/{document.id}/accept").status_code == 200
