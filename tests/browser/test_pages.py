"""Every page in every look: readable for all, nothing sideways, nothing inline, nothing loud."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import product
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Office, seat, sign_in
from tests.browser.installation import Installation
from tests.browser.watch import Watch

WIDTHS = (1280, 320)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Without it every rule that a page keeps comes back with all its elements.
ONLY_VIOLATIONS = {"resultTypes": ["violations"]}
PAGES = {
    "overview": "/",
    "settings": "/settings",
    "disconnect": "/settings/disconnect",
    "folder": "/settings/folder",
    "import": "/import/{draft_id}?per=25",
    "possible matches": "/import/{draft_id}?match=possible",
    "review": "/import/{draft_id}/review",
    "sync history": "/sync-history?all=1",
    "run": "/sync-history/{run_id}",
    "undo": "/sync-history/{run_id}/undo",
    "documents": "/documents",
    "documents needing attention": "/documents?tab=attention",
    "retry documents": "/documents/retry?cause=refused",
    "filed document": "/documents/{filed_id}",
    "failed document": "/documents/{failed_id}",
    "received document": "/documents/{received_id}",
    "choose a client": "/documents/new",
    "add a document": "/documents/new?client_id={client_id}",
    "clients": "/clients",
    "add a client": "/clients/new",
    "client": "/clients/{client_id}",
    "link a client": "/clients/{client_id}/link",
    "alerts": "/alerts",
    "closed alerts": "/alerts?state=closed",
    "no such page": "/no-such-page",
}
BEFORE_CONNECTING = ("/", "/settings", "/import", "/sync-history", "/documents", "/clients")

pytestmark = pytest.mark.timeout(180)


@dataclass(frozen=True, slots=True)
class Visitor:
    """A page to look at things with, and what watches it."""

    page: Page
    watch: Watch
    origin: str

    def open(self, path: str) -> str:
        """Go to *path* and return its HTML as the server sent it."""
        self.watch.forget()
        answer = self.page.goto(self.origin + path)
        assert answer is not None
        return answer.text()


@pytest.fixture(scope="module")
def visitor(chromium: Browser, installation: Installation, office: Office) -> Iterator[Visitor]:
    """Somebody of the practice in which everything has happened."""
    with seat(chromium) as (context, watch):
        page = context.new_page()
        sign_in(page, installation.origin, office.admin)
        yield Visitor(page, watch, installation.origin)


@pytest.fixture(scope="module")
def newcomer(chromium: Browser, installation: Installation) -> Iterator[Visitor]:
    """Somebody of a practice that has not begun."""
    person = installation.new_practice("Day One", "dora@dayone.example")
    with seat(chromium) as (context, watch):
        page = context.new_page()
        sign_in(page, installation.origin, person)
        yield Visitor(page, watch, installation.origin)


@pytest.fixture(scope="module")
def stranger(chromium: Browser, installation: Installation) -> Iterator[Visitor]:
    """Somebody who is not signed in."""
    with seat(chromium) as (context, watch):
        yield Visitor(context.new_page(), watch, installation.origin)


@pytest.fixture(scope="module")
def addresses(office: Office) -> dict[str, str]:
    """The ids that stand in addresses."""
    draft = office.person.http.get(f"{office.person.origin}/import", timeout=20)
    names = ("run_id", "filed_id", "failed_id", "received_id", "client_id")
    return {
        "draft_id": draft.url.partition("?")[0].rpartition("/")[2],
        **{name: getattr(office, name) for name in names},
    }


class TestPage:
    @pytest.mark.parametrize("name", PAGES)
    def test_is_good_in_every_look(
        self, visitor: Visitor, addresses: dict[str, str], name: str
    ) -> None:
        look_at(visitor, PAGES[name].format(**addresses))

    @pytest.mark.parametrize("path", BEFORE_CONNECTING)
    def test_is_good_before_connecting(self, newcomer: Visitor, path: str) -> None:
        look_at(newcomer, path)

    def test_sign_in_is_good_in_every_look(self, stranger: Visitor) -> None:
        look_at(stranger, "/sign-in")

    @pytest.mark.fact(63)
    def test_a_wrong_password_is_said_on_a_good_page(self, stranger: Visitor) -> None:
        stranger.open("/sign-in")
        page = stranger.page
        page.get_by_label("Email").fill("nobody@nowhere.example")
        page.get_by_label("Password", exact=True).fill("not the password")
        page.get_by_role("button", name="Sign in").click()
        summary = page.get_by_role("alert")
        expect(summary).to_contain_text("Check your email and password.")
        expect(summary).to_be_focused()
        expect(page).to_have_title("Error: Sign in – chase.md")
        expect(page.get_by_label("Email")).to_have_value("nobody@nowhere.example")
        look_over(page)


def look_at(visitor: Visitor, path: str) -> None:
    """Open *path* and fail on whatever is wrong with it in any look."""
    assert inline_parts(visitor.open(path)) == []
    look_over(visitor.page)
    if path == PAGES["no such page"]:
        visitor.watch.forget_missing_page()
    assert visitor.watch.troubles == []


def look_over(page: Page) -> None:
    """Fail on whatever is wrong with the page that is open, in any look."""
    assert page.locator("h1").count() == 1
    for width, scheme in product(WIDTHS, SCHEMES):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert page.evaluate(SIDEWAYS) <= 0, f"{width} px: the page scrolls sideways"
        found = Axe().run(page, options=ONLY_VIOLATIONS)
        assert found.violations_count == 0, f"{width} {scheme}\n{found.generate_report()}"


class _InlineParts(HTMLParser):
    """Collects what the content policy would refuse: inline scripts, styles and handlers."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _value in attrs]
        if tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(f"<{tag}>")
        self.found += [f"<{tag} {name}>" for name in names if name == "style" or name[:2] == "on"]


def inline_parts(html: str) -> list[str]:
    """Return the inline scripts, styles and handlers of a page."""
    reader = _InlineParts()
    reader.feed(html)
    return reader.found
