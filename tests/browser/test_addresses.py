"""Where one is stands in the address: it can be shared, and Back leads to it again."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.conftest import Office, seat, sign_in
from tests.browser.installation import Installation

STORED = "[...Object.keys(localStorage), ...Object.keys(sessionStorage)]"

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def context(
    chromium: Browser, installation: Installation, office: Office
) -> Iterator[BrowserContext]:
    """A signed-in browser in which nothing goes wrong."""
    with seat(chromium) as (context, watch):
        page = context.new_page()
        sign_in(page, installation.origin, office.admin)
        page.close()
        yield context
        assert watch.troubles == []


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """An empty page of that browser."""
    page = context.new_page()
    yield page
    page.close()


def apply(page: Page, label: str) -> None:
    """Press Apply in the form of filters with this name."""
    page.get_by_role("search", name=label).get_by_role("button", name="Apply").click()


def rows(page: Page, table: str) -> Locator:
    """Return the rows of a table."""
    return page.locator(f"#{table} tbody tr")


class TestPreview:
    @pytest.mark.fact(34, 35, 36, 37, 39)
    def test_filters_pages_and_tabs_are_in_the_address_and_back_restores_them(
        self, context: BrowserContext, page: Page, installation: Installation
    ) -> None:
        page.goto(f"{installation.origin}/import?type=&per=25")
        pages = page.get_by_role("navigation", name="Pages of contacts")
        pages.get_by_role("link", name="Page 2", exact=True).click()
        expect(page).to_have_title(re.compile(r"Import contacts \(page 2 of \d+\) – chase\.md$"))
        caption = page.locator("#contacts caption")
        second_page = caption.inner_text()

        page.get_by_label("Search").fill("a")
        page.get_by_label("Type").select_option("customer")
        page.get_by_label("Order").select_option("-name")
        apply(page, "Filter contacts")
        expect(page).to_have_url(re.compile(r"q=a&sort=-name&per=25$"))
        expect(page).to_have_title(re.compile(r"Import contacts( \(page 1 of \d+\))? – chase\.md$"))
        expect(caption).not_to_have_text(second_page)
        filtered, first = caption.inner_text(), rows(page, "contacts").first.inner_text()
        self.is_the_same_for_somebody_else(context, page, filtered, first)

        tabs = page.get_by_role("navigation", name="Contacts by match")
        tabs.get_by_role("link", name=re.compile("^New")).click()
        expect(page).to_have_url(re.compile("match=new"))
        page.go_back()
        expect(caption).to_have_text(filtered)
        expect(page.get_by_label("Search")).to_have_value("a")
        expect(page.get_by_label("Type")).to_have_value("customer")
        expect(page.get_by_label("Order")).to_have_value("-name")
        assert rows(page, "contacts").first.inner_text() == first
        page.go_back()
        expect(caption).to_have_text(second_page)
        expect(page.get_by_label("Search")).to_have_value("")
        assert page.evaluate(STORED) == []

    def is_the_same_for_somebody_else(
        self, context: BrowserContext, page: Page, caption: str, first: str
    ) -> None:
        fresh = context.new_page()
        fresh.goto(page.url)
        expect(fresh.locator("#contacts caption")).to_have_text(caption)
        expect(fresh.get_by_label("Type")).to_have_value("customer")
        assert rows(fresh, "contacts").first.inner_text() == first
        fresh.close()


class TestLists:
    @pytest.mark.fact(34, 35, 36)
    @pytest.mark.parametrize(
        ("path", "search", "label", "value", "table"),
        [
            ("/documents", "Filter documents", "Type", "P60", "documents"),
            ("/clients", "Filter clients", "Xero contact", "linked", "clients"),
            ("/sync-history", "Filter the sync history", "Kind", "import", "runs"),
        ],
    )
    def test_a_filter_is_in_the_address_and_back_takes_it_away(
        self,
        *,
        page: Page,
        installation: Installation,
        path: str,
        search: str,
        label: str,
        value: str,
        table: str,
    ) -> None:
        page.goto(f"{installation.origin}{path}")
        everything = rows(page, table).all_inner_texts()
        page.get_by_label(label, exact=True).select_option(value)
        apply(page, search)
        expect(page).to_have_url(re.compile(f"={value}"))
        few = rows(page, table).all_inner_texts()
        assert len(few) < len(everything)
        page.reload()
        assert rows(page, table).all_inner_texts() == few
        expect(page.get_by_label(label, exact=True)).to_have_value(value)
        page.go_back()
        expect(page).to_have_url(f"{installation.origin}{path}")
        assert rows(page, table).all_inner_texts() == everything
        expect(page.get_by_label(label, exact=True)).to_have_value("")
