"""A running installation, a Chromium, and people at their browsers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser import installation as installations
from tests.browser.installation import Installation, Person
from tests.browser.papers import pdf
from tests.browser.watch import Watch
from tests.support import chromium as chromiums
from tests.support.json_person import JsonPerson

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MILLISECONDS = 30_000
QUAYSIDE = "Quayside Payroll Bureau Limited"
UPLOADS = "/files.xro/1.0/Files"


@dataclass(frozen=True, slots=True)
class Office:
    """A connected practice in which everything has happened once."""

    admin: Person
    person: JsonPerson
    run_id: str
    client_id: str
    filed_id: str
    failed_id: str
    received_id: str


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Web server, worker, scheduler, pretend Xero and Redis, with the demo's data."""
    with installations.running(tmp_path_factory.mktemp("installation")) as found:
        yield found


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser program; a missing one fails the tests with a sentence."""
    path = chromiums.find()
    assert path is not None, chromiums.SENTENCE
    expect.set_options(timeout=WAIT_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def seat(chromium: Browser, **options: Any) -> Iterator[tuple[BrowserContext, Watch]]:
    """Yield a fresh browser, cookies and all, and what watches it."""
    context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    context.set_default_timeout(WAIT_MILLISECONDS)
    try:
        yield context, Watch(context)
    finally:
        context.close()


def sign_in(page: Page, origin: str, person: Person) -> None:
    """Come from the front page through the form."""
    page.goto(origin)
    page.get_by_label("Email").fill(person.email)
    page.get_by_label("Password", exact=True).fill(person.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()


@pytest.fixture(scope="session")
def office(installation: Installation) -> Office:
    """A practice connected to Quayside, with an import, and a document in each state."""
    admin = installation.new_practice("Quay & Co", "olive@quay.example")
    person = JsonPerson(installation.origin, admin.email, admin.password)
    installation.connect(person, QUAYSIDE)
    rows = person.ask(f"{installations.INTEGRATION}/import-preview", match="new", limit=500)[
        "items"
    ]
    imported = [
        {"xero_contact_id": row["xero_contact_id"], "action": "create"} for row in rows[:12]
    ]
    # Somebody who has a contact's address under another name: a possible match.
    other = next(row for row in rows[12:] if row["email"])
    person.send("/api/clients", {"name": "Wilhelmina Quartz", "email": other["email"]})
    run = person.finished(
        person.send(f"{installations.INTEGRATION}/import", {"decisions": imported})
    )
    clients = person.ask("/api/clients", limit=500)["items"]
    client = next(each for each in clients if each["xero_contact_id"] and each["tags"])
    filed, failed, received = (
        add_document(person, client["id"], words) for words in ("P60", "Accounts", "Payslip")
    )
    person.send(f"/api/documents/{filed}/accept")
    wait_for_push(person, filed, "associated")
    installation.arm("400-array", "POST", UPLOADS)
    person.send(f"/api/documents/{failed}/accept")
    wait_for_push(person, failed, "failed")
    return Office(admin, person, run["id"], client["id"], filed, failed, received)


def add_document(person: JsonPerson, client_id: str, document_type: str) -> str:
    """Upload a document of a client and return its id."""
    fields = {"client_id": client_id, "document_type": document_type, "tax_year": "2025-26"}
    file = ("scan.pdf", pdf(document_type), "application/pdf")
    document_id: str = person.send("/api/documents", data=fields, files={"file": file})["id"]
    return document_id


def wait_for_push(person: JsonPerson, document_id: str, status: str) -> None:
    """Wait until a document is there on its way to Xero."""
    person.wait_for(
        lambda: person.ask(f"/api/documents/{document_id}"),
        lambda said: said["push"]["status"] == status,
    )
