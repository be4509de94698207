"""Live panels: silent while nothing changes, done when nothing can, still when paused."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect
from playwright.sync_api import TimeoutError as NothingCame

from tests.browser.conftest import Office, seat, sign_in
from tests.browser.installation import Installation
from tests.browser.watch import Watch

POLLS = 3
QUIET_MILLISECONDS = 5_000
ASK_NOW = "document.body.dispatchEvent(new CustomEvent('live:now'))"
# A refusal and "nothing changed" show nothing; what did change is settled a moment after it came.
ASK_AND_WAIT = """
path => new Promise((answered) => {
  const hear = (event) => {
    const request = event.detail.xhr;
    const isSettled = event.type === "htmx:afterSettle";
    if (!request?.responseURL.includes(path) || (request.status === 200) !== isSettled) return;
    for (const name of names) document.removeEventListener(name, hear);
    answered(request.status);
  };
  const names = ["htmx:afterRequest", "htmx:afterSettle"];
  for (const name of names) document.addEventListener(name, hear);
  document.body.dispatchEvent(new CustomEvent("live:now"));
})
"""
# htmx itself marks the element that asks with a class; everything else counts.
COUNT_CHANGES = """
panel => {
  window.changes = 0;
  const counts = (record) => record.target !== panel || record.attributeName !== "class";
  new MutationObserver((records) => { window.changes += records.filter(counts).length; }).observe(
    panel, { attributes: true, characterData: true, childList: true, subtree: true });
}
"""

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def context(
    chromium: Browser, installation: Installation, office: Office
) -> Iterator[BrowserContext]:
    """A signed-in browser in which nothing goes wrong."""
    with seat(chromium) as (context, watch):
        page = context.new_page()
        sign_in(page, installation.origin, office.admin)
        page.close()
        yield context
        assert_calm(watch)


def assert_calm(watch: Watch) -> None:
    """Fail when anything went wrong in the browser."""
    assert watch.troubles == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """An empty page of that browser."""
    return context.new_page()


def poll(page: Page, path: str) -> int:
    """Let the panels ask at once; return the status that the one at *path* got, once it shows."""
    status: int = page.evaluate(ASK_AND_WAIT, path)
    return status


def asks_for_a_panel(request: Request) -> bool:
    """Tell whether a panel asks for itself."""
    return "/panels/" in request.url


class TestUnchangedPanel:
    @pytest.mark.fact(5)
    def test_is_answered_204_and_changes_nothing(
        self, page: Page, installation: Installation
    ) -> None:
        page.goto(f"{installation.origin}/settings")
        panel = page.locator("#connection")
        statuses = [poll(page, "/settings/panels/connection") for _ in range(POLLS)]
        panel.evaluate(COUNT_CHANGES)
        statuses += [poll(page, "/settings/panels/connection") for _ in range(POLLS)]
        assert set(statuses[POLLS:]) == {204}
        assert page.evaluate("window.changes") == 0
        expect(panel).to_have_attribute("data-poll", "")

    @pytest.mark.fact(14)
    def test_a_poll_keeps_focus_and_open_details(
        self, page: Page, installation: Installation
    ) -> None:
        page.goto(f"{installation.origin}/settings")
        page.get_by_text("Technical details").click()
        page.get_by_label("A folder for each tax year").focus()
        assert poll(page, "/settings/panels/connection") in {200, 204}
        expect(page.get_by_label("A folder for each tax year")).to_be_focused()
        expect(page.locator("#technical-details")).to_have_attribute("open", "")


class TestFinalState:
    @pytest.mark.parametrize("what", ["document", "run"])
    def test_nothing_asks_any_more(
        self, page: Page, installation: Installation, office: Office, what: str
    ) -> None:
        path, panel_id = {
            "document": (f"/documents/{office.filed_id}", "#push"),
            "run": (f"/sync-history/{office.run_id}", "#run-progress"),
        }[what]
        page.goto(f"{installation.origin}{path}")
        panel = page.locator(panel_id)
        for attribute in ("hx-get", "hx-trigger", "data-poll"):
            assert panel.get_attribute(attribute) is None
        # The header asks once a minute; of the page's own panels nothing may come.
        with (
            pytest.raises(NothingCame),
            page.expect_request(
                lambda request: asks_for_a_panel(request) and path in request.url,
                timeout=QUIET_MILLISECONDS,
            ),
        ):
            page.evaluate(ASK_NOW)


class TestPause:
    @pytest.mark.fact(7, 8)
    def test_it_stops_all_polls_and_lasts(
        self, context: BrowserContext, page: Page, installation: Installation
    ) -> None:
        page.goto(f"{installation.origin}/settings")
        page.get_by_role("button", name="Pause live updates").click()
        pause = page.get_by_role("button", name="Pause live updates")
        expect(pause).to_have_attribute("aria-pressed", "true")
        expect(page.locator("[hx-trigger*=every], [data-poll]")).to_have_count(0)
        expect(page.locator("#connection").get_by_role("link", name="Refresh")).to_be_visible()
        another = context.new_page()
        another.goto(f"{installation.origin}/settings")
        expect(another.locator("html")).to_have_attribute("data-live", "paused")
        with (
            pytest.raises(NothingCame),
            another.expect_request(asks_for_a_panel, timeout=QUIET_MILLISECONDS),
        ):
            another.evaluate(ASK_NOW)
        pause.click()
        expect(page.locator("#connection")).to_have_attribute("hx-trigger", re.compile("every 30s"))


class TestEndOfTheSession:
    @pytest.mark.fact(73)
    def test_one_banner_appears_and_polling_ends(
        self, chromium: Browser, installation: Installation, office: Office
    ) -> None:
        with seat(chromium) as (context, _watch):
            page = context.new_page()
            sign_in(page, installation.origin, office.admin)
            page.goto(f"{installation.origin}/settings")
            context.clear_cookies()
            assert poll(page, "/settings/panels/connection") == 401
            banner = page.get_by_role("alert")
            expect(banner).to_contain_text("You have been signed out.")
            expect(page.locator("#connection")).to_contain_text("Organisation")
            expect(page.get_by_label("Password", exact=True)).to_have_count(0)
            banner.get_by_role("link", name="Sign in").click()
            expect(page).to_have_url(re.compile(r"/sign-in\?next=(/|%2F)settings"))
