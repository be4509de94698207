"""Headers, cookies, and how a page looks to this browser."""

from __future__ import annotations

import gzip

import pytest
from flask.testing import FlaskClient

from dashboard.views.security import content_policy
from tests.conftest import make_settings
from tests.support.browser import Browser

PAGES = ["/", "/settings", "/documents", "/clients", "/alerts", "/sync-history", "/nothing-here"]


class TestHeaders:
    @pytest.mark.parametrize("path", PAGES)
    def test_every_page_has_the_strict_policy(self, browser: Browser, path: str) -> None:
        headers = browser.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"

    def test_forms_may_lead_to_xero_and_nowhere_else(self) -> None:
        policy = content_policy(make_settings())
        assert "form-action 'self' https://login.xero.com;" in policy

    def test_pages_travel_compressed(self, browser: Browser) -> None:
        plain, packed = (
            browser.get("/settings", headers={"Accept-Encoding": encoding})
            for encoding in ("identity", "gzip")
        )
        assert packed.headers["Content-Encoding"] == "gzip"
        assert len(packed.data) < len(plain.data) / 3
        assert "</html>" in gzip.decompress(packed.data).decode()

    def test_json_carries_no_page_policy(self, browser: Browser) -> None:
        answer = browser.get("/api/clients", headers={"Accept": "application/json"})
        assert "Content-Security-Policy" not in answer.headers

    def test_every_page_carries_a_token_and_nothing_inline(self, browser: Browser) -> None:
        page = browser.get("/settings").text
        assert '<meta name="csrf-token" content="' in page
        assert " style=" not in page
        assert "<style" not in page


class TestPreferences:
    def test_a_look_is_kept_in_a_cookie(self, browser: Browser) -> None:
        answer = browser.post("/preferences", {"scheme": "dark", "next": "/documents"})
        assert answer.status_code == 303
        assert answer.headers["Location"] == "/documents"
        assert 'data-scheme="dark"' in browser.get("/").text

    def test_an_unknown_look_is_ignored(self, browser: Browser) -> None:
        browser.post("/preferences", {"scheme": "<b>"})
        assert 'data-scheme="system"' in browser.get("/").text

    def test_a_paused_page_has_no_triggers(self, browser: Browser) -> None:
        browser.post("/preferences", {"live": "paused"})
        page = browser.get("/settings").text
        assert "hx-trigger" not in page
        assert 'aria-pressed="true"' in page


class TestHealth:
    def test_up_needs_nothing(self, visitor: FlaskClient) -> None:
        assert visitor.get("/healthz").json == {"status": "ok"}

    def test_ready_needs_a_worker(self, visitor: FlaskClient) -> None:
        answer = visitor.get("/readyz")
        assert answer.status_code == 503
        assert answer.json["database"] == answer.json["redis"] == "ok"
        assert "flask worker" in answer.json["workers"]
