"""The same job with JavaScript switched off: plain links, plain forms, and Refresh."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import UPLOADS, seat, sign_in
from tests.browser.installation import Installation
from tests.browser.papers import pdf
from tests.browser.watch import Watch

ORGANISATION = "Demo Company (UK)"
REFRESH_SECONDS = 60.0
READ = re.compile(r"read (today )?\d\d:\d\d · \d")

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def watched(chromium: Browser) -> Iterator[tuple[Page, Watch]]:
    """A page without script, and what watches its browser."""
    with seat(chromium, java_script_enabled=False) as (context, watch):
        yield context.new_page(), watch


class TestWithoutScript:
    @pytest.mark.fact(45, 54, 71)
    def test_connect_import_file_and_disconnect(
        self, installation: Installation, watched: tuple[Page, Watch]
    ) -> None:
        page, watch = watched
        person = installation.new_practice("Plain & Simple", "petra@plain.example")
        sign_in(page, installation.origin, person)
        contact = next(
            each
            for each in installation.organisation(ORGANISATION)["contacts"]
            if each["ContactStatus"] == "ACTIVE" and each.get("EmailAddress")
        )
        self.add_a_client(page, contact["EmailAddress"])
        self.connect(page)
        self.import_some(page, contact["Name"])
        self.file_a_document(installation, page)
        self.disconnect(page)
        assert watch.troubles == []

    def add_a_client(self, page: Page, email: str) -> None:
        self.go(page, "Clients")
        page.get_by_role("link", name="Add a client", exact=True).click()
        page.get_by_label("Name").fill("Wilhelmina Quartz")
        page.get_by_label("Email").fill(email)
        page.get_by_role("button", name="Add client").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Wilhelmina Quartz")

    def connect(self, page: Page) -> None:
        self.go(page, "Xero")
        page.get_by_role("button", name="Connect to Xero").click()
        page.get_by_label(ORGANISATION).first.check()
        page.get_by_role("button", name="Allow access").click()
        expect(page.get_by_text(f"Connected to {ORGANISATION}.")).to_be_visible()
        refresh_until(page, lambda: READ.search(page.locator("#connection").inner_text()))

    def import_some(self, page: Page, name: str) -> None:
        self.go(page, "Import")
        page.get_by_label("Type").select_option("")
        page.get_by_role("button", name="Apply", exact=True).first.click()
        matches = page.get_by_role("navigation", name="Contacts by match")
        matches.get_by_role("link", name=re.compile("^Possible match")).click()
        row = page.get_by_role("row").filter(
            has=page.get_by_role("rowheader", name=re.compile(re.escape(name)))
        )
        row.get_by_label(re.compile("^Link to")).check()
        row.get_by_role("checkbox").check()
        page.get_by_role("button", name="Save ticks on this page").first.click()
        expect(page.locator("#selected")).to_contain_text("1 selected")
        page.get_by_role("link", name="Review import of 1 contact").click()
        page.get_by_role("button", name="Import 1 contact").click()
        expect(page).to_have_url(re.compile("/sync-history/"))
        refresh_until(page, lambda: "Finished" in page.locator("#run-progress").inner_text())
        expect(page.locator("#run-progress")).to_contain_text("1 linked")

    def file_a_document(self, installation: Installation, page: Page) -> None:
        self.go(page, "Documents")
        page.get_by_role("link", name="Add a document").first.click()
        page.get_by_role("link", name="Wilhelmina Quartz").click()
        page.get_by_label("Type").fill("Bank statement")
        page.get_by_label("File").set_input_files(
            {"name": "october.pdf", "mimeType": "application/pdf", "buffer": pdf("October")}
        )
        page.get_by_role("button", name="Add document").click()
        installation.arm("400-array", "POST", UPLOADS)
        page.get_by_role("button", name="Accept").click()
        word, panel = page.locator("#push-word"), page.locator("#push")
        refresh_until(page, lambda: word.inner_text() == "Needs attention")
        expect(panel.locator(".panel-body > p").first).to_contain_text("Xero refused the file.")
        page.get_by_role("button", name="Retry").click()
        refresh_until(page, lambda: word.inner_text() == "Filed in Xero")
        expect(panel.locator(".panel-body > p").first).not_to_contain_text("refused")
        expect(page.locator("#banner > .banner")).to_have_count(0)
        expect(panel.get_by_role("list", name="Timeline")).to_contain_text("Xero refused the file.")

    def disconnect(self, page: Page) -> None:
        self.go(page, "Xero")
        page.get_by_role("link", name="Disconnect from Xero").click()
        expect(page.get_by_text("the 1 file already in Xero")).to_be_visible()
        page.get_by_role("button", name="Disconnect from Xero").click()
        expect(page.locator("#frame-connection")).to_have_text("Disconnected")

    def go(self, page: Page, name: str) -> None:
        page.get_by_role("navigation", name="Main").get_by_role("link", name=name).click()


def refresh_until(page: Page, good: Callable[[], object]) -> None:
    """Press Refresh as a person would, until *good*; each press waits for its page."""
    deadline = time.monotonic() + REFRESH_SECONDS
    while not good():
        assert time.monotonic() < deadline, page.locator("main").inner_text()
        page.get_by_role("link", name="Refresh").first.click()
