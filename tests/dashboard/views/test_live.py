"""What a poll costs while nothing changes, and that it notices when something does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from flask import url_for
from sqlalchemy import delete, update
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    Alert,
    AlertCause,
    Client,
    ClientDocument,
    ConnectionStatus,
    DocumentStatus,
    ImportDraft,
    Practice,
    RunKind,
    RunStatus,
    SyncRun,
    User,
    XeroConnection,
    XeroContact,
    XeroFilePush,
)
from tests import factories
from tests.support.browser import Browser
from tests.support.statements import counted

SCRIPT = {"HX-Request": "true"}
MOST_BYTES = 250


@dataclass(frozen=True)
class Office:
    """A connected practice with a document on its way and a run at work."""

    connection: XeroConnection
    document: ClientDocument
    push: XeroFilePush
    run: SyncRun
    draft: ImportDraft
    admin: User

    def page_of(self, panel: str) -> str:
        """Return the address of the page that holds a panel."""
        return {
            "frame": "/alerts",
            "card": "/settings",
            "calls": "/settings",
            "run": f"/sync-history/{self.run.id}",
            "history": "/sync-history",
            "document": f"/documents/{self.document.id}",
            "documents": "/documents",
            "reading": f"/import/{self.draft.id}",
        }[panel]


ADDRESSES = {
    "frame": "/panels/frame",
    "card": "/settings/panels/connection",
    "calls": "/settings/panels/calls",
    "run": "/panels/progress",
    "history": "/sync-history/panels/badges",
    "document": "/panels/push",
    "documents": "/documents/panels/badges",
    "reading": "/panels/reading/",
}

# Addresses that name nothing: everybody gets their own practice's.
OWN = ("frame", "card", "calls")


@pytest.fixture
def office(practice: Practice, admin: User, session: Session) -> Office:
    """A practice in which every panel is live."""
    connection = factories.make_connection(practice, last_sync_at=utcnow(), matched_at=utcnow())
    client = factories.make_client(practice)
    contact = factories.make_contact(connection)
    factories.make_mapping(connection, client, contact.xero_contact_id)
    document = factories.make_document(
        client, status=DocumentStatus.ACCEPTED, decided_at=utcnow(), decided_by_id=admin.id
    )
    push = factories.make_push(connection, document)
    run = SyncRun(
        practice_id=practice.id,
        xero_connection_id=connection.id,
        kind=RunKind.CONTACT_SYNC,
        status=RunStatus.RUNNING,
        started_by_id=admin.id,
        started_at=utcnow(),
    )
    draft = ImportDraft(practice_id=practice.id, xero_connection_id=connection.id)
    session.add_all([run, draft])
    session.commit()
    return Office(connection, document, push, run, draft, admin)


def poll_of(browser: Browser, office: Office, panel: str) -> str:
    """Return the address that the panel on its page asks next."""
    page = browser.get(office.page_of(panel)).text
    asked = [unescape(found) for found in re.findall(r'hx-get="([^"]+)"', page)]
    return next(each for each in asked if ADDRESSES[panel] in each)


def ask(browser: Browser, address: str) -> TestResponse:
    return browser.get(address, headers=SCRIPT)


@pytest.fixture(params=ADDRESSES)
def panel(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each live panel in turn."""
    return request.param


class TestUnchanged:
    def test_it_is_one_query_and_a_few_bytes(
        self, browser: Browser, office: Office, panel: str
    ) -> None:
        address = poll_of(browser, office, panel)
        with counted(db.engine) as statements:
            answer = ask(browser, address)
        assert (answer.status_code, answer.data) == (204, b"")
        assert len(statements) == 1, statements
        assert "Set-Cookie" not in answer.headers
        # Date and Connection are the server's own.
        head = "HTTP/1.1 204 NO CONTENT\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\nConnection: close"
        lines = [head, *(f"{name}: {value}" for name, value in answer.headers), "", ""]
        assert len("\r\n".join(lines)) <= MOST_BYTES

    @pytest.mark.parametrize("panel", [panel for panel in ADDRESSES if panel not in OWN])
    def test_nobody_else_is_told_so(
        self,
        browser: Browser,
        browser_of: Callable[[User], Browser],
        stranger: User,
        office: Office,
        panel: str,
    ) -> None:
        address = poll_of(browser, office, panel)
        assert ask(browser_of(stranger), address).status_code != 204

    def test_whoever_is_gone_has_to_sign_in(
        self, browser_of: Callable[[User], Browser], colleague: User, office: Office, panel: str
    ) -> None:
        browser = browser_of(colleague)
        address = poll_of(browser, office, panel)
        db.session.execute(delete(User).where(User.id == colleague.id))
        db.session.commit()
        answer = ask(browser, address)
        assert (answer.status_code, answer.headers["HX-Trigger"]) == (401, "session-ended")


def change(row: Any, **values: Any) -> None:
    kind = type(row)
    db.session.execute(update(kind).where(kind.id == row.id).values(**values))
    db.session.commit()


def open_alert(office: Office) -> None:
    values = {"cause": AlertCause.RECONNECT_NEEDED, "tone": "danger", "title": "T", "text": "W."}
    db.session.add(Alert(practice_id=office.connection.practice_id, **values))
    db.session.commit()


LATER, EARLIER = timedelta(minutes=5), timedelta(hours=3)
NEWS: dict[str, tuple[str, Callable[[Office], None]]] = {
    "the connection broke: header": (
        "frame",
        lambda o: change(o.connection, status=ConnectionStatus.TOKEN_EXPIRED),
    ),
    "the connection broke: card": (
        "card",
        lambda o: change(o.connection, status=ConnectionStatus.TOKEN_EXPIRED),
    ),
    "the connection broke: list": (
        "documents",
        lambda o: change(o.connection, status=ConnectionStatus.TOKEN_EXPIRED),
    ),
    "an alert opened": ("frame", open_alert),
    "two hours without a good call": (
        "frame",
        lambda o: change(
            o.connection,
            last_good_call_at=utcnow() - EARLIER,
            updated_at=XeroConnection.updated_at,
        ),
    ),
    "Xero asked to wait: header": (
        "frame",
        lambda o: change(o.connection, waits_until=utcnow() + LATER, waits_because="minute"),
    ),
    "Xero asked to wait: document": (
        "document",
        lambda o: change(o.connection, waits_until=utcnow() + LATER, waits_because="minute"),
    ),
    "a document was filed: card": ("card", lambda o: change(o.push, error="x")),
    "a document was filed: page": ("document", lambda o: change(o.push, error="x")),
    "a document was filed: list": ("documents", lambda o: change(o.push, error="x")),
    "its contact was archived": (
        "document",
        lambda o: change(db.session.query(XeroContact).one(), contact_status="ARCHIVED"),
    ),
    "sending was switched off": (
        "document",
        lambda o: change(o.connection, push_documents_to_xero=False),
    ),
    "the run went on: page": ("run", lambda o: change(o.run, done=5)),
    "the run went on: history": ("history", lambda o: change(o.run, done=5)),
    "the run went on: preview": ("reading", lambda o: change(o.run, done=5)),
    "the run went on: card": ("card", lambda o: change(o.run, done=5)),
}


class TestOpenedDirectly:
    @pytest.mark.fact(38)
    def test_it_leads_to_its_page(self, browser: Browser, office: Office, panel: str) -> None:
        answer = browser.get(poll_of(browser, office, panel))
        assert answer.status_code == 303
        page = browser.get(answer.headers["Location"])
        assert page.status_code == 200
        assert "<h1" in page.text

    @pytest.mark.fact(38)
    def test_no_fragment_is_forgotten(self, browser: Browser, office: Office) -> None:
        rules = browser.http.application.url_map.iter_rules()
        known = {"draft_id": office.draft.id, "run_id": office.run.id}
        known["document_id"] = office.document.id
        panels = [rule for rule in rules if "/panels/" in rule.rule]
        assert len(panels) >= len(ADDRESSES)
        for rule in panels:
            with browser.http.application.test_request_context():
                path = url_for(rule.endpoint, **{name: known[name] for name in rule.arguments})
            answer = browser.get(path)
            assert answer.status_code == 303, path
            assert "/panels/" not in answer.headers["Location"]


class TestNews:
    @pytest.mark.parametrize("news", NEWS)
    def test_it_is_brought(self, browser: Browser, office: Office, news: str) -> None:
        panel, happen = NEWS[news]
        address = poll_of(browser, office, panel)
        happen(office)
        answer = ask(browser, address)
        assert answer.status_code == 200
        assert answer.data

    def test_a_moment_that_comes_is_news(
        self, browser: Browser, office: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        change(office.connection, waits_until=utcnow() + LATER, waits_because="minute")
        address = poll_of(browser, office, "document")
        assert ask(browser, address).status_code == 204
        later = utcnow() + 2 * LATER
        for room in ("queries.stamps", "views.documents", "views.push_view"):
            monkeypatch.setattr(f"dashboard.{room}.utcnow", lambda: later)
        assert ask(browser, address).status_code == 200

    def test_a_new_document_is_offered_and_not_pushed_into_the_list(
        self, browser: Browser, office: Office
    ) -> None:
        address = poll_of(browser, office, "documents")
        client = db.session.get_one(Client, office.document.client_id)
        factories.make_document(client, file_name="brand-new.pdf")
        text = ask(browser, address).text
        assert '1 new document. <a href="/documents">Show it</a>' in text
        assert "brand-new.pdf" not in text
        again = next(unescape(each) for each in re.findall(r'hx-get="([^"]+)"', text))
        assert ask(browser, again).status_code == 204
