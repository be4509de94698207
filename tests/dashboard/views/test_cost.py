"""How many queries a page may cost: five beyond the frame, however many rows it shows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import DocumentStatus, Practice, PushStatus, User, XeroConnection
from tests import factories
from tests.support.browser import Browser
from tests.support.statements import counted

# Who asks, the pill, the alerts.
FRAME = 3
BEYOND = 5
PAGES = (
    "/",
    "/settings",
    "/settings/disconnect",
    "/sync-history",
    "/documents",
    "/documents?tab=attention",
    "/documents/retry?cause=refused",
    "/documents?q=p60&type=P60&year=2025-26",
    "/alerts",
    "/alerts?state=closed",
)


@pytest.fixture
def connection(practice: Practice) -> XeroConnection:
    """The practice's connection."""
    return factories.make_connection(practice, last_sync_at=utcnow(), matched_at=utcnow())


def add_documents(practice: Practice, connection: XeroConnection, number: int) -> None:
    for _ in range(number):
        client = factories.make_client(practice)
        contact = factories.make_contact(connection)
        factories.make_mapping(connection, client, contact.xero_contact_id)
        for stuck in ({}, {"status": PushStatus.FAILED, "cause": "refused"}):
            document = factories.make_document(
                client, status=DocumentStatus.ACCEPTED, decided_at=utcnow()
            )
            factories.make_push(connection, document, **stuck)


def cost(browser: Browser, page: str) -> int:
    with counted(db.engine) as statements:
        answer = browser.get(page)
    assert answer.status_code == 200
    assert len(statements) <= FRAME + BEYOND, statements
    return len(statements)


@pytest.mark.parametrize("page", PAGES)
def test_it_is_five_beyond_the_frame_however_many_rows(
    browser_of: Callable[[User], Browser],
    admin: User,
    practice: Practice,
    connection: XeroConnection,
    page: str,
) -> None:
    browser = browser_of(admin)
    add_documents(practice, connection, 1)
    few = cost(browser, page)
    add_documents(practice, connection, 6)
    assert cost(browser, page) == few
