"""Retrying many documents: what it will meet is said before, what it met is said after."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, scoped_session

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    Client,
    DocumentStatus,
    Practice,
    PushEvent,
    PushStatus,
    XeroConnection,
    XeroFilePush,
)
from tests import factories
from tests.support.browser import Browser

Sessions = scoped_session[Session]
DOWN = {"status": PushStatus.FAILED, "cause": "xero_down", "error": "Xero had a problem."}


@pytest.fixture
def connection(practice: Practice) -> XeroConnection:
    return factories.make_connection(practice)


@pytest.fixture
def client(practice: Practice, connection: XeroConnection) -> Client:
    client = factories.make_client(practice, name="Hartley & Co Ltd")
    factories.make_mapping(connection, client, "c-1")
    return client


def another_client(client: Client) -> Client:
    return factories.make_client(db.session.get_one(Practice, client.practice_id))


def stuck(connection: XeroConnection, client: Client, count: int = 1, **values: Any) -> list[str]:
    """Store documents whose push waits for a person, and return their ids."""
    ids = []
    for _ in range(count):
        document = factories.make_document(
            client, status=DocumentStatus.ACCEPTED, decided_at=utcnow()
        )
        factories.make_push(connection, document, **{**DOWN, **values})
        ids.append(str(document.id))
    return ids


def seen(browser: Browser, path: str) -> str:
    """Return the page's words, with single spaces."""
    return " ".join(unescape(browser.get(path).text).split())


def retried(browser: Browser, **fields: Any) -> str:
    """Press the button and return the page that it leads to."""
    answer = browser.post("/documents/retry", fields)
    assert answer.status_code == 303
    return seen(browser, answer.headers["Location"])


def counts(session: Sessions) -> tuple[int, int]:
    """Return how many pushes are back in line, and how often somebody asked for it."""
    pending = select(func.count()).where(XeroFilePush.status == PushStatus.PENDING)
    asked = select(func.count()).where(PushEvent.kind == "retry")
    found = session.scalar(pending) or 0, session.scalar(asked) or 0
    session.rollback()
    return found


class TestByCause:
    @pytest.mark.fact(57)
    def test_both_numbers_and_the_reason_are_said_before_and_after(
        self, browser: Browser, session: Sessions, connection: XeroConnection, client: Client
    ) -> None:
        stuck(connection, client, 4)
        stuck(connection, another_client(client), 2)
        page = seen(browser, "/documents?tab=attention")
        assert "Xero had a problem of its own each time we tried" in page
        assert "Retry 4 documents" in page
        before = seen(browser, "/documents/retry?cause=xero_down")
        assert "Retry 4 of 6 documents?" in before
        assert "2 cannot be retried: their client has no Xero contact." in before
        assert "/clients?xero=unlinked&attention=1" in before
        assert "Retrying them takes about 8 calls to Xero and is done about" in before
        assert counts(session) == (0, 0)
        after = retried(browser, cause="xero_down")
        assert "Retry started for 4." in after
        assert "2 cannot be retried: their client has no Xero contact." in after
        assert counts(session) == (4, 4)

    def test_pressed_twice_it_is_done_once(
        self, browser: Browser, session: Sessions, connection: XeroConnection, client: Client
    ) -> None:
        stuck(connection, client, 3)
        retried(browser, cause="xero_down")
        again = retried(browser, cause="xero_down")
        assert "Nothing is left to retry here" in again
        assert counts(session) == (3, 3)
        assert "Nothing is left to retry here" in seen(browser, "/documents/retry?cause=xero_down")

    def test_only_what_the_filters_leave_is_retried(
        self, browser: Browser, session: Sessions, connection: XeroConnection, client: Client
    ) -> None:
        stuck(connection, client, 2)
        other = another_client(client)
        factories.make_mapping(connection, other, "c-2")
        stuck(connection, other, 3)
        assert "Retry 2 documents?" in seen(
            browser, f"/documents/retry?cause=xero_down&client={client.id}"
        )
        assert "Retry started for 2." in retried(browser, cause="xero_down", client=client.id)
        assert counts(session) == (2, 2)

    def test_a_file_in_xero_is_only_put_on_its_contact(
        self, browser: Browser, session: Sessions, connection: XeroConnection, client: Client
    ) -> None:
        stuck(
            connection, client, 2, status=PushStatus.UPLOADED, cause="refused", xero_file_id="f-1"
        )
        assert "Put 2 on their contacts" in seen(browser, "/documents?tab=attention")
        before = seen(browser, "/documents/retry?cause=not_on_contact")
        assert "Each file is in Xero already and is only put on its contact" in before
        retried(browser, cause="not_on_contact")
        statuses = session.scalars(select(XeroFilePush.status)).all()
        assert statuses == [PushStatus.UPLOADED] * 2
        assert session.scalars(select(XeroFilePush.cause)).all() == [None, None]

    def test_what_no_retry_mends_has_no_button(
        self, browser: Browser, connection: XeroConnection, client: Client
    ) -> None:
        stuck(connection, client, cause="too_large")
        page = seen(browser, "/documents?tab=attention")
        assert "The file is larger than Xero takes" in page
        assert "/documents/retry?cause" not in page
        before = seen(browser, "/documents/retry?cause=too_large")
        assert "None of these documents can be retried" in before
        assert "1 cannot be retried: its file is larger than Xero takes." in before

    def test_an_unknown_cause_is_no_page(self, browser: Browser, client: Client) -> None:
        assert browser.get("/documents/retry?cause=nonsense").status_code == 404
        assert browser.post("/documents/retry", {"cause": "nonsense"}).status_code == 404

    def test_while_sending_is_off_it_says_when_they_go(
        self, browser: Browser, session: Sessions, connection: XeroConnection, client: Client
    ) -> None:
        stuck(connection, client)
        connection.push_documents_to_xero = False
        session.commit()
        assert "so they wait until it is turned on" in seen(
            browser, "/documents/retry?cause=xero_down"
        )


class TestTicked:
    def test_only_what_a_retry_mends_can_be_ticked(
        self, browser: Browser, connection: XeroConnection, client: Client
    ) -> None:
        hopeless = stuck(connection, client, cause="too_large")
        page = browser.get("/documents?tab=attention").text
        assert 'name="ticked"' not in page
        assert "Retry the ticked documents" not in page
        [mendable] = stuck(connection, client)
        page = browser.get("/documents?tab=attention").text
        assert re.findall(r'name="ticked" value="([^"]+)"', page) == [mendable]
        assert "Retry the ticked documents" in page
        # A page that was opened before still gets its answer.
        after = retried(browser, ticked=[*hopeless, mendable])
        assert "Retry started for 1." in after
        assert "1 cannot be retried: its file is larger than Xero takes." in after

    def test_each_of_them_is_accounted_for(
        self, browser: Browser, session: Sessions, connection: XeroConnection, client: Client
    ) -> None:
        ids = stuck(connection, client, 2)
        ids += stuck(connection, another_client(client))
        ids += stuck(connection, client, status=PushStatus.ASSOCIATED, cause=None)
        ids += [str(factories.make_document(client).id), "no id"]
        page = retried(browser, ticked=ids)
        assert "Retry started for 2." in page
        assert "1 cannot be retried: its client has no Xero contact." in page
        assert "1 needs no retry: it is on its way or filed." in page
        assert "1 was never sent, so there is nothing to retry." in page
        assert counts(session) == (2, 2)

    def test_nothing_ticked(self, browser: Browser, client: Client) -> None:
        assert "No document was ticked." in retried(browser)

    def test_a_strangers_documents_are_not_found(
        self, browser: Browser, session: Sessions, connection: XeroConnection, client: Client
    ) -> None:
        theirs = factories.make_practice()
        other = factories.make_connection(theirs)
        their_client = factories.make_client(theirs)
        factories.make_mapping(other, their_client, "c-9")
        ids = stuck(other, their_client)
        assert "No document was ticked." in retried(browser, ticked=ids)
        assert counts(session) == (0, 0)

    def test_one_that_a_worker_has_is_left_alone(
        self, browser: Browser, session: Sessions, connection: XeroConnection, client: Client
    ) -> None:
        ids = stuck(connection, client, lease_owner="somebody", lease_until=utcnow())
        assert "1 needs no retry" in retried(browser, ticked=ids)
        assert counts(session) == (0, 0)
