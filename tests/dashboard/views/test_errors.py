"""Pages of refusals: what they say, and where they lead."""

from __future__ import annotations

import pytest

from tests.support.browser import Browser

OURS = "http://localhost"
BACK = "Back to the page you came from"


class TestTheWayOn:
    def refused(self, browser: Browser, referrer: str) -> str:
        """Return the page that answers a post without its token."""
        return browser.http.post("/documents/retry", headers={"Referer": referrer}).text

    def test_it_leads_back_to_our_page(self, browser: Browser) -> None:
        page = self.refused(browser, f"{OURS}/documents?tab=attention&q=a%22b")
        assert f'<a href="{OURS}/documents?tab=attention&amp;q=a%22b">{BACK}</a>' in page
        assert "Open it again and try again." in page

    @pytest.mark.parametrize(
        "referrer", ["", "http://localhost.evil.example/", "https://evil.example/", "javascript:x"]
    )
    def test_it_never_leads_elsewhere(self, browser: Browser, referrer: str) -> None:
        page = self.refused(browser, referrer)
        assert '<a href="/">Go to the overview</a>' in page
        assert BACK not in page

    def test_it_does_not_lead_to_itself(self, browser: Browser) -> None:
        page = browser.get("/nothing-here", headers={"Referer": f"{OURS}/nothing-here"}).text
        assert BACK not in page


def test_a_file_that_is_too_large_is_told_the_limit(browser: Browser) -> None:
    answer = browser.http.post("/documents", environ_overrides={"CONTENT_LENGTH": "13000000"})
    assert answer.status_code == 413
    assert "The file was not saved. Xero takes files up to 10 MB." in answer.text
