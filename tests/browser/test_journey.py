"""The main job in a browser: connect, read, import, file, and look it up in the pretend Xero."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, Response, expect

from dashboard.demo_data import PRACTICE
from tests.browser.conftest import UPLOADS, seat, sign_in
from tests.browser.installation import Installation
from tests.browser.papers import pdf
from tests.browser.watch import Watch

ORGANISATION = "Harbourside Accountants LLP"
CONTACTS = "/api.xro/2.0/Contacts"

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def watched(chromium: Browser) -> Iterator[tuple[Page, Watch]]:
    """A page, and what watches its browser."""
    with seat(chromium) as (context, watch):
        yield context.new_page(), watch


class TestJourney:
    @pytest.mark.fact(72)
    def test_from_signing_in_to_a_file_in_xero(
        self, installation: Installation, watched: tuple[Page, Watch]
    ) -> None:
        page, watch = watched
        sign_in(page, installation.origin, installation.admin)
        expect(page.get_by_role("heading", level=1)).to_have_text(PRACTICE)
        self.connect(installation, page)
        self.watch_contacts_being_read(page)
        name = self.choose_contacts(page)
        self.import_them(page)
        self.see_clients_with_tags(page, name)
        file_name = self.file_a_document(installation, page, name)
        self.see_what_happened(page)
        self.look_in_xero(installation, page, file_name, name)
        assert watch.troubles == []

    def connect(self, installation: Installation, page: Page) -> None:
        page.get_by_role("navigation", name="Main").get_by_role("link", name="Xero").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Connect chase.md to Xero")
        # Reading takes a moment, so that it can be watched.
        installation.arm("slow", "GET", CONTACTS, seconds=3)
        page.get_by_role("button", name="Connect to Xero").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("chase.md wants access")
        page.get_by_role("group", name="Amira Patel").get_by_label(ORGANISATION).check()
        page.get_by_role("button", name="Allow access").click()
        expect(page).to_have_url(re.compile(re.escape(installation.origin) + "/settings"))
        expect(page.get_by_text(f"Connected to {ORGANISATION}.")).to_be_visible()
        expect(page.locator("#frame-connection")).to_have_text("Connected")
        expect(page.locator("#connection-word")).to_have_text("Connected")
        expect(page.locator("#connection")).to_contain_text(ORGANISATION)

    def watch_contacts_being_read(self, page: Page) -> None:
        stay(page)
        panel = page.locator("#connection")
        expect(panel).to_contain_text("Reading contacts from Xero")
        expect(panel).to_contain_text(re.compile(r"read \d\d:\d\d · \d{3}"))
        expect(panel).not_to_contain_text("Reading contacts from Xero")
        assert stayed(page)

    def choose_contacts(self, page: Page) -> str:
        page.get_by_role("link", name="Yes, continue to import").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Import contacts from Xero")
        for match in ("Exact match", "Possible match", "Clash", "New"):
            assert count_of(self.tab(page, match)) > 0, match
        name = self.tick_all_new(page)
        exact = self.tick_exact(page)
        self.decide_a_possible_one(page)
        page.get_by_role("link", name=re.compile("Review import of")).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Review the import")
        assert fact(page, "Link to existing clients") == f"{exact + 1}"
        assert fact(page, "Undecided") == "0"
        return name

    def tick_all_new(self, page: Page) -> str:
        self.tab(page, "New").click()
        with_groups = page.locator("#contacts tbody tr").filter(
            has=page.locator("td:nth-child(3) .second-line")
        )
        name = with_groups.first.get_by_role("rowheader").locator("bdi").first.inner_text()
        with_groups.first.get_by_role("checkbox").check()
        expect(page.locator("#selected")).to_contain_text("1 selected")
        page.get_by_role("button", name=re.compile(r"Select all \d+ that match")).click()
        expect(page.locator("#selected")).to_contain_text(re.compile(r"\d{3} selected"))
        return name

    def tick_exact(self, page: Page) -> int:
        before = selected(page)
        self.tab(page, "Exact match").click()
        everyone = page.get_by_label(re.compile(r"Select all \d+ on this page"))
        expect(everyone).not_to_be_checked()
        exact = page.locator("#contacts tbody [data-tick]").count()
        everyone.check()
        expect(page.locator("#selected")).to_contain_text(f"{before + exact} selected")
        return exact

    def decide_a_possible_one(self, page: Page) -> None:
        before = selected(page)
        self.tab(page, "Possible match").click()
        row = page.locator("#contacts tbody tr").filter(has=page.locator("[data-tick]")).first
        expect(row).to_contain_text("Possible match")
        assert row.locator("input[type=radio]:checked").count() == 0
        with page.expect_response(lambda answer: "/decisions" in answer.url) as sent:
            row.get_by_role("radio", name=re.compile("^Link to")).first.check()
        assert sent.value.ok
        row.get_by_role("checkbox").check()
        expect(page.locator("#selected")).to_contain_text(f"{before + 1} selected")

    def tab(self, page: Page, match: str) -> Locator:
        tabs = page.get_by_role("navigation", name="Contacts by match")
        return tabs.get_by_role("link", name=re.compile(rf"^{match}\s+[\d,]+$"))

    def import_them(self, page: Page) -> None:
        polls: list[int] = []
        page.on("response", lambda answer: note_poll(answer, "/panels/progress", polls))
        page.get_by_role("button", name=re.compile(r"Import \d+ contacts")).click()
        expect(page).to_have_url(re.compile("/sync-history/"))
        stay(page)
        panel = page.locator("#run-progress")
        expect(panel).to_contain_text("Import finished")
        expect(panel.locator(".pill")).to_have_text("Finished")
        expect(page.get_by_role("link", name="See new clients")).to_be_visible()
        assert stayed(page)
        assert 200 in polls, "The panel never changed while it was watched"

    def see_clients_with_tags(self, page: Page, name: str) -> None:
        page.get_by_role("navigation", name="Main").get_by_role("link", name="Clients").click()
        page.get_by_label("Search").fill(name)
        page.get_by_role("button", name="Apply").click()
        row = page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))
        expect(row).to_contain_text("Linked")
        expect(row.get_by_role("list", name="Tags")).to_contain_text("from Xero")
        row.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)

    def file_a_document(self, installation: Installation, page: Page, name: str) -> str:
        page.get_by_role("link", name="Add a document").click()
        page.get_by_label("Type").fill("P60")
        page.get_by_label("Tax year").fill("2025-26")
        page.get_by_label("File").set_input_files(
            {"name": "scan 1.pdf", "mimeType": "application/pdf", "buffer": pdf("P60 of a client")}
        )
        page.get_by_role("button", name="Add document").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(f"P60 2025-26, {name}")
        word = page.locator("#push-word")
        expect(word).to_have_text("Not sent yet")
        installation.arm("slow", "POST", UPLOADS, seconds=3)
        page.get_by_role("button", name="Accept").click()
        expect(word).to_have_text(re.compile("Waiting|Uploading|Linking to contact"))
        stay(page)
        expect(word).to_have_text("Filed in Xero")
        assert stayed(page)
        assert fact(page, "Folder") == "chase.md"
        assert fact(page, "Contact") == name
        return fact(page, "File name in Xero")

    def see_what_happened(self, page: Page) -> None:
        page.get_by_role("navigation", name="Main").get_by_role("link", name="Sync history").click()
        for kind in ("Import", "Contact check"):
            row = page.locator("#runs tbody tr").filter(has_text=kind).first
            expect(row).to_contain_text("Finished")

    def look_in_xero(
        self, installation: Installation, page: Page, file_name: str, name: str
    ) -> None:
        page.goto(f"{installation.xero}/simulator/")
        page.get_by_role("link", name=f"{ORGANISATION}: files").click()
        folder = page.get_by_role("region", name="Files in chase.md")
        row = folder.get_by_role("row").filter(has=page.get_by_role("link", name=file_name))
        expect(row.get_by_role("link", name=name, exact=True)).to_be_visible()
        row.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("listitem").filter(has_text=file_name)).to_contain_text("chase.md")


def count_of(tab: Locator) -> int:
    """Return the figure of a tab."""
    return int(tab.locator(".count").inner_text().replace(",", ""))


def selected(page: Page) -> int:
    """Return how many contacts are ticked."""
    found = re.match(r"([\d,]+) selected", page.locator("#selected").inner_text())
    assert found
    return int(found[1].replace(",", ""))


def fact(page: Page, name: str) -> str:
    """Return the value that stands beside *name*."""
    facts = page.locator(".fact").filter(has=page.locator("dt", has_text=re.compile(f"^{name}$")))
    return facts.locator("dd").inner_text()


def note_poll(answer: Response, path: str, statuses: list[int]) -> None:
    """Note the status of an answer to the panel at *path*."""
    if path in answer.url:
        statuses.append(answer.status)


def stay(page: Page) -> None:
    """Mark the page as it is, to see later that it was not loaded again."""
    page.evaluate("document.documentElement.dataset.mark = 'still here'")


def stayed(page: Page) -> bool:
    """Tell whether the page that `stay()` marked is still the same."""
    return page.locator("html").get_attribute("data-mark") == "still here"
