"""The main job with the keyboard alone: Tab reaches every control, and its own keys use it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import seat
from tests.browser.installation import Installation, Person
from tests.browser.papers import pdf
from tests.browser.watch import Watch

ORGANISATION = "Demo Company (UK)"
MOST_STOPS = 200
HAS_FOCUS = "element => element === document.activeElement"

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def watched(chromium: Browser) -> Iterator[tuple[Page, Watch]]:
    """A page, and what watches its browser."""
    with seat(chromium) as (context, watch):
        yield context.new_page(), watch


class TestKeyboard:
    def test_from_signing_in_to_leaving(
        self, installation: Installation, watched: tuple[Page, Watch]
    ) -> None:
        page, watch = watched
        person = installation.new_practice("Keys Only", "kim@keys.example")
        page.goto(installation.origin)
        self.sign_in(page, person)
        self.connect(page)
        self.import_one(page)
        self.file_a_document(page)
        self.disconnect(page)
        assert watch.troubles == []

    def sign_in(self, page: Page, person: Person) -> None:
        reach(page.get_by_label("Email"))
        page.keyboard.type(person.email)
        reach(page.get_by_label("Password", exact=True))
        page.keyboard.type(person.password)
        page.keyboard.press("Enter")
        expect(page.get_by_role("navigation", name="Main")).to_be_visible()

    def connect(self, page: Page) -> None:
        go(page, "Xero")
        press(page.get_by_role("button", name="Connect to Xero"))
        choice = page.get_by_label(ORGANISATION).first
        choices = page.locator(f"[name={choice.get_attribute('name')}]")
        reach(choices.first)
        page.keyboard.press("Space")
        while not choice.is_checked():
            page.keyboard.press("ArrowDown")
        press(page.get_by_role("button", name="Allow access"))
        expect(page.get_by_text(f"Connected to {ORGANISATION}.")).to_be_visible()
        expect(page.locator("#connection")).to_contain_text(re.compile(r"read \d\d:\d\d · \d"))

    def import_one(self, page: Page) -> None:
        go(page, "Import")
        matches = page.get_by_role("navigation", name="Contacts by match")
        press(matches.get_by_role("link", name=re.compile("^New")))
        name = page.locator("#contacts tbody th bdi").first.inner_text()
        reach(page.get_by_label("Search"))
        page.keyboard.type(name)
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("q="))
        reach(page.get_by_role("checkbox", name=f"Select {name}", exact=True).first)
        page.keyboard.press("Space")
        press(page.get_by_role("link", name="Review import of 1 contact"))
        press(page.get_by_role("button", name="Import 1 contact"))
        expect(page.locator("#run-progress")).to_contain_text("Import finished")

    def file_a_document(self, page: Page) -> None:
        go(page, "Documents")
        press(page.get_by_role("link", name="Add a document").first)
        press(page.locator(".client-list a").first)
        reach(page.get_by_label("Type"))
        page.keyboard.type("P60")
        file = page.get_by_label("File")
        reach(file)
        # The dialog behind it is the browser's own.
        file.set_input_files(
            {"name": "scan.pdf", "mimeType": "application/pdf", "buffer": pdf("P60")}
        )
        press(page.get_by_role("button", name="Add document"))
        press(page.get_by_role("button", name="Accept"))
        expect(page.locator("#push-word")).to_have_text("Filed in Xero")

    def disconnect(self, page: Page) -> None:
        go(page, "Xero")
        press(page.get_by_role("link", name="Disconnect from Xero"))
        press(page.get_by_role("button", name="Disconnect from Xero"))
        expect(page.locator("#frame-connection")).to_have_text("Disconnected")


def go(page: Page, name: str) -> None:
    """Open a page by the navigation."""
    press(page.get_by_role("navigation", name="Main").get_by_role("link", name=name))


def press(control: Locator) -> None:
    """Reach a button or a link and press Enter."""
    reach(control)
    control.page.keyboard.press("Enter")


def reach(control: Locator) -> None:
    """Press Tab until *control* has the focus."""
    expect(control).to_be_visible()
    for _ in range(MOST_STOPS):
        if control.evaluate(HAS_FOCUS):
            return
        control.page.keyboard.press("Tab")
    raise AssertionError(f"{control} was not reached with the keyboard")
