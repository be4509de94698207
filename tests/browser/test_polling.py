"""Live panels: silent while nothing changes, done when nothing can, still when paused."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import update

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import User, XeroConnection
from tests.browser.conftest import Office, seat, sign_in
from tests.browser.installation import Installation
from tests.browser.watch import Watch

POLLS = 3
QUIET_MILLISECONDS = 300_000
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
    def test_a_poll_with_news_keeps_focus_open_details_and_marked_text(
        self, page: Page, installation: Installation, office: Office
    ) -> None:
        page.goto(f"{installation.origin}/settings")
        page.get_by_text("Technical details").click()
        page.get_by_label("A folder for each tax year").focus()
        page.evaluate("getSelection().selectAllChildren(document.querySelector('h1'))")
        marked = page.evaluate("String(getSelection())")
        with installation.app.app_context():
            practice = db.session.query(User).filter_by(email=office.admin.email).one().practice_id
            db.session.execute(
                update(XeroConnection)
                .where(XeroConnection.practice_id == practice)
                .values(updated_at=utcnow())
            )
            db.session.commit()
            db.session.remove()
        assert poll(page, "/settings/panels/connection") == 200
        expect(page.get_by_label("A folder for each tax year")).to_be_focused()
        expect(page.locator("#technical-details")).to_have_attribute("open", "")
        assert page.evaluate("String(getSelection())") == marked != ""


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
        another.clock.install()
        asked: list[str] = []
        another.on("request", lambda request: asked.append(request.url))
        another.goto(f"{installation.origin}/settings")
        expect(another.locator("html")).to_have_attribute("data-live", "paused")
        another.evaluate(ASK_NOW)
        another.clock.run_for(QUIET_MILLISECONDS)
        another.reload()
        expect(another.locator("html")).to_have_attribute("data-live", "paused")
        assert [url for url in asked if "/panels/" in url] == []
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
