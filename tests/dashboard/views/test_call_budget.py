"""Calls to Xero on the pages: what is left, what spent it, what work costs, with Redis away."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    CallPurpose,
    DocumentStatus,
    Practice,
    PushStatus,
    User,
    XeroCalls,
    XeroConnection,
    XeroFilePush,
)
from dashboard.models.xero_calls import full_hour
from dashboard.rules.waiting_sentences import NOT_COUNTED
from dashboard.xero import Priority, XeroMustWait
from tests import factories
from tests.support.browser import Browser

PANEL = "/settings/panels/calls"
HTMX = {"HX-Request": "true"}
RESTS = "Nothing is sent to Xero or read from it right now."


@pytest.fixture
def connection(practice: Practice) -> XeroConnection:
    return factories.make_connection(practice, last_sync_at=utcnow(), last_sync_contact_count=40)


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def spend(connection: XeroConnection, calls: int) -> None:
    """Make calls that took no time and got no answer worth reading."""
    governor, tenant_id = wiring.outside().governor, connection.xero_tenant_id
    db.session.rollback()
    for _ in range(calls):
        slot = governor.acquire(tenant_id, Priority.PERSON)
        governor.release(slot, status=200, headers={})


def note(session: Session, connection: XeroConnection, purpose: CallPurpose, calls: int) -> None:
    session.add(
        XeroCalls(
            xero_tenant_id=connection.xero_tenant_id,
            hour=full_hour(utcnow()),
            purpose=purpose,
            calls=calls,
            bytes_sent=2_000_000,
            bytes_received=3000,
            last_at=utcnow(),
        )
    )
    session.commit()


def a_document(practice: Practice, connection: XeroConnection, *, pushed: bool) -> None:
    client = factories.make_client(practice)
    factories.make_mapping(connection, client, f"c-{client.id}")
    document = factories.make_document(client, status=DocumentStatus.ACCEPTED, decided_at=utcnow())
    if pushed:
        factories._saved(
            XeroFilePush(
                practice_id=practice.id,
                xero_connection_id=connection.id,
                document_id=document.id,
                client_id=client.id,
                content_sha256=document.content_sha256,
                size=document.size,
                status=PushStatus.PENDING,
            )
        )


class TestCard:
    def test_it_says_what_is_left_and_what_the_rest_was_for(
        self, browser: Browser, session: Session, connection: XeroConnection
    ) -> None:
        spend(connection, 3)
        note(session, connection, CallPurpose.SYNC, 1234)
        note(session, connection, CallPurpose.CHECK, 1)
        page = browser.get("/settings").text
        words = text_of(page)
        assert "57 of 60 calls left" in words
        assert "4,997 of 5,000 calls left" in words
        assert "Reading contacts 1,234 calls" in words
        assert "Filing documents 0 calls" in words
        assert "Checking the connection 1 call " in words
        assert "Data 4 MB sent, 6 kB received" in words
        assert '<meter id="calls-day" min="0" max="5000" value="3"' in page

    def test_its_poll_answers_only_when_it_reads_differently(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        page = browser.get("/settings").text
        [url] = [unescape(each) for each in re.findall(rf'hx-get="({PANEL}[^"]+)"', page)]
        assert browser.get(url, headers=HTMX).status_code == 204
        spend(connection, 1)
        changed = browser.get(url, headers=HTMX)
        assert "59 of 60 calls left" in changed.text
        # Figures are not read out.
        assert 'id="live"' not in changed.text
        assert browser.get(url).status_code == 303

    def test_a_limit_that_is_reached_is_told_and_said_aloud(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        page = browser.get("/settings").text
        [url] = [unescape(each) for each in re.findall(rf'hx-get="({PANEL}[^"]+)"', page)]
        spend(connection, 55)
        with pytest.raises(XeroMustWait):
            wiring.outside().governor.acquire(connection.xero_tenant_id, Priority.SYNC)
        words = text_of(browser.get(url, headers=HTMX).text)
        assert "The calls of this minute are used up. Reading and filing carry on at about" in words
        assert "The calls of this minute are used up. Carries on at" in words

    def test_the_longer_of_two_waits_counts(
        self, browser: Browser, session: Session, connection: XeroConnection
    ) -> None:
        until = (utcnow() + timedelta(hours=3)).replace(microsecond=0)
        connection.waits_until, connection.waits_because = until, "minute"
        session.commit()
        assert "Xero asked us to slow down. Reading and filing carry on" in text_of(
            browser.get("/settings").text
        )
        calls = browser.get_json("/api/integrations/xero/status")["calls"]
        assert datetime.fromisoformat(calls["resumes_at"]) == until
        connection.waits_until = datetime(2020, 1, 1, tzinfo=UTC)
        session.commit()
        assert browser.get_json("/api/integrations/xero/status")["calls"]["resumes_at"] is None

    def test_a_day_that_xero_calls_used_up_is_used_up(
        self, browser: Browser, session: Session, connection: XeroConnection
    ) -> None:
        connection.waits_until = utcnow() + timedelta(hours=3)
        connection.waits_because = "day"
        session.commit()
        words = text_of(browser.get("/settings").text)
        assert "0 of 5,000 calls left" in words
        assert "limit for this organisation is used up. Reading and filing carry on at" in words
        status = browser.get_json("/api/integrations/xero/status")
        assert status["calls"]["day_remaining"] == 0

    def test_documents_on_the_way_have_a_cost_and_an_end(
        self, browser: Browser, practice: Practice, connection: XeroConnection
    ) -> None:
        for _ in range(3):
            a_document(practice, connection, pushed=True)
        words = text_of(browser.get("/settings").text)
        assert (
            "Waiting now 3 documents. Sending them takes about 6 calls to Xero and is done" in words
        )

    def test_without_a_connection_there_is_no_card(self, browser: Browser, admin: User) -> None:
        assert "Calls to Xero" not in browser.get("/settings").text
        assert browser.get(PANEL, headers=HTMX).status_code == 204


class TestCosts:
    def test_reading_contacts(self, browser: Browser, connection: XeroConnection) -> None:
        sentence = "takes about 1 call to Xero and is done about"
        assert f"A contact check {sentence}" in browser.get("/sync-history").text
        assert f"Reading {sentence}" in browser.get(browser.get("/import").location).text

    def test_reading_for_the_first_time(
        self, browser: Browser, session: Session, connection: XeroConnection
    ) -> None:
        connection.last_sync_at = connection.last_sync_contact_count = None
        session.commit()
        assert (
            "A contact check takes a call to Xero for every 1,000 contacts."
            in browser.get("/sync-history").text
        )

    def test_sending_and_retrying_documents(
        self, browser: Browser, session: Session, practice: Practice, connection: XeroConnection
    ) -> None:
        for _ in range(2):
            a_document(practice, connection, pushed=False)
        page = browser.get("/documents").text
        assert "Sending them takes about 4 calls to Xero and is done about" in page
        a_document(practice, connection, pushed=True)
        push = session.query(XeroFilePush).one()
        push.status, push.cause, push.error = PushStatus.FAILED, "refused", "No."
        session.commit()
        page = browser.get("/documents/retry?cause=refused").text
        assert "Retrying it takes about 2 calls to Xero and is done about" in page


def take_redis_away(app: Flask) -> None:
    """Let the app's Redis be at an address where nobody answers."""
    app.extensions["redis"].connection_pool.disconnect()
    dead = Redis.from_url("redis://localhost:1/0", socket_connect_timeout=0.2)
    app.extensions["redis"].connection_pool = dead.connection_pool


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("/", RESTS),
        ("/settings", NOT_COUNTED),
        ("/sync-history", NOT_COUNTED),
        ("/api/integrations/xero/status", NOT_COUNTED),
    ],
)
def test_no_page_waits_for_redis_with_the_patience_of_a_worker(  # noqa: PLR0917 - cases
    app: Flask,
    browser: Browser,
    connection: XeroConnection,
    monkeypatch: pytest.MonkeyPatch,
    page: str,
    words: str,
) -> None:
    def asked(*_details: object, **_more: object) -> None:
        raise AssertionError("whoever opens this page waits for seconds")

    monkeypatch.setattr(app.extensions["redis"], "execute_command", asked)
    app.extensions["redis_for_pages"] = Redis.from_url("redis://localhost:1/0")
    assert words in unescape(browser.get(page).text)


def test_the_header_tells_an_open_page_that_all_work_rests(
    app: Flask, browser: Browser, connection: XeroConnection
) -> None:
    def poll(html: str) -> TestResponse:
        [url] = re.findall(r'hx-get="(/panels/frame[^"]+)"', html)
        return browser.get(unescape(url), headers=HTMX)

    page = browser.get("/documents").text
    assert poll(page).status_code == 204
    take_redis_away(app)
    told = poll(page)
    assert RESTS in told.text
    assert poll(told.text).status_code == 204


class TestRedisAway:
    @pytest.fixture(autouse=True)
    def _without_redis(self, app: Flask, connection: XeroConnection) -> None:
        take_redis_away(app)

    @pytest.mark.parametrize(
        "path", ["/", "/settings", "/documents", "/sync-history", "/clients", "/alerts"]
    )
    def test_every_page_says_that_all_work_rests(self, browser: Browser, path: str) -> None:
        answer = browser.get(path)
        assert answer.status_code == 200
        assert RESTS in answer.text

    def test_the_card_says_that_nobody_can_count(self, browser: Browser) -> None:
        for answer in (browser.get("/settings"), browser.get(PANEL, headers=HTMX)):
            assert answer.status_code == 200
            assert f"{NOT_COUNTED} Nothing is lost" in answer.text
            assert "<meter" not in answer.text

    def test_the_status_is_answered_without_figures(self, browser: Browser) -> None:
        assert browser.get_json("/api/integrations/xero/status")["calls"] == {
            "minute_remaining": None,
            "day_remaining": None,
            "resumes_at": None,
            "problem": NOT_COUNTED,
        }

    def test_what_a_person_asks_for_is_kept(
        self, browser: Browser, practice: Practice, connection: XeroConnection
    ) -> None:
        answer = browser.post("/sync-history/contact-check")
        assert answer.status_code == 303
        assert "Waiting to start." in browser.get(answer.location).text
