"""What people do with forms: errors lead to their field, a busy button waits, a session ends."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import Office, seat, sign_in
from tests.browser.installation import Installation

# Lets the page believe that its post is on its way, for ever.
COUNT_POSTS = """
() => {
  window.posts = 0;
  document.addEventListener("submit", (event) => {
    if (!event.defaultPrevented) window.posts += 1;
    event.preventDefault();
  });
}
"""

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def context(
    chromium: Browser, installation: Installation, office: Office
) -> Iterator[BrowserContext]:
    """A signed-in browser."""
    with seat(chromium) as (context, _watch):
        page = context.new_page()
        sign_in(page, installation.origin, office.admin)
        page.close()
        yield context


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """An empty page of that browser."""
    page = context.new_page()
    yield page
    page.close()


class TestErrors:
    @pytest.mark.fact(63)
    def test_a_wrong_password_keeps_the_email(
        self, chromium: Browser, installation: Installation
    ) -> None:
        with seat(chromium) as (context, _watch):
            page = context.new_page()
            page.goto(f"{installation.origin}/sign-in")
            page.get_by_label("Email").fill("nobody@nowhere.example")
            page.get_by_label("Password", exact=True).fill("not the password")
            page.get_by_role("button", name="Sign in").click()
            summary = page.get_by_role("alert")
            expect(summary).to_contain_text("Check your email and password.")
            expect(summary).to_be_focused()
            expect(page).to_have_title("Error: Sign in – chase.md")
            expect(page.get_by_label("Email")).to_have_value("nobody@nowhere.example")

    @pytest.mark.fact(63)
    def test_the_summary_has_the_focus_and_leads_to_the_field(
        self, page: Page, installation: Installation
    ) -> None:
        page.goto(f"{installation.origin}/clients/new")
        page.get_by_label("Name").fill("Ada Ltd")
        page.get_by_label("Email").fill("no address")
        page.get_by_role("button", name="Add client").click()
        summary = page.get_by_role("alert")
        expect(summary).to_be_focused()
        expect(summary).to_contain_text("There is a problem")
        expect(page).to_have_title(re.compile(r"^(\(\d+\) )?Error: Add a client – chase\.md$"))
        sentence = summary.get_by_role("link").inner_text()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        field = page.get_by_label("Email")
        expect(field).to_be_focused()
        expect(field).to_have_value("no address")
        expect(field).to_have_accessible_description(sentence)
        expect(page.get_by_label("Name")).to_have_value("Ada Ltd")


class TestWhileBusy:
    @pytest.mark.fact(64)
    def test_a_button_says_so_keeps_the_focus_and_posts_once(
        self, page: Page, installation: Installation
    ) -> None:
        page.goto(f"{installation.origin}/settings")
        page.evaluate(COUNT_POSTS)
        button = page.get_by_role("button", name="Check now")
        button.focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")
        busy = page.get_by_role("button", name="Checking…")
        expect(busy).to_have_attribute("aria-busy", "true")
        expect(busy).to_be_focused()
        expect(page.locator(":disabled")).to_have_count(0)
        assert page.evaluate("window.posts") == 1

    @pytest.mark.fact(64)
    def test_after_a_post_by_script_the_focus_stays(
        self, page: Page, installation: Installation
    ) -> None:
        page.goto(f"{installation.origin}/import?type=&match=new&per=25")
        skip = page.get_by_label("Skip").first
        skip.focus()
        with page.expect_response(lambda answer: "/decisions/" in answer.url):
            page.keyboard.press("Space")
        expect(skip).to_be_checked()
        expect(skip).to_be_focused()
        expect(page.locator(":disabled")).to_have_count(0)


class TestEndOfTheSession:
    @pytest.mark.fact(73)
    def test_an_action_leads_to_signing_in_and_back(
        self, chromium: Browser, installation: Installation, office: Office
    ) -> None:
        with seat(chromium) as (context, _watch):
            page = context.new_page()
            sign_in(page, installation.origin, office.admin)
            page.goto(f"{installation.origin}/import?type=&match=new&per=25")
            address = page.url
            context.clear_cookies()
            page.locator("[data-tick]").first.click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
            page.get_by_label("Email").fill(office.admin.email)
            page.get_by_label("Password", exact=True).fill(office.admin.password)
            page.get_by_role("button", name="Sign in").click()
            expect(page).to_have_url(address)
            context.clear_cookies()
            page.get_by_role("button", name="Read again").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
            expect(page).to_have_url(re.compile(r"next=(/|%2F)import"))
