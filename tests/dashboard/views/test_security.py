"""Headers, cookies, and how a page looks to this browser."""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import Practice
from dashboard.services.import_drafts import open_draft
from dashboard.views import guards
from dashboard.views.security import content_policy
from tests import factories
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


def posting_addresses(app: Flask) -> Iterator[tuple[str, str]]:
    """Return method and address of every route that changes something."""
    with app.test_request_context():
        for rule in app.url_map.iter_rules():
            ids = {name: uuid4() for name in rule.arguments}
            for method in sorted((rule.methods or set()) - guards.SAFE_METHODS):
                yield method, url_for(rule.endpoint, **ids)


class TestFormToken:
    @pytest.mark.fact(74)
    @pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}], ids=["form", "script"])
    def test_without_it_every_post_is_refused_in_words(
        self, app: Flask, browser: Browser, headers: dict[str, str]
    ) -> None:
        found = list(posting_addresses(app))
        assert len(found) > 30
        for method, path in found:
            answer = browser.http.open(path, method=method, headers=headers)
            assert answer.status_code == 403, path
            words = answer.json["detail"] if path.startswith("/api/") else answer.text
            assert "The form token is missing" in words or "This page was open too long." in words

    @pytest.mark.fact(74)
    def test_a_form_and_a_script_each_bring_it_in_their_way(self, browser: Browser) -> None:
        header = {"HX-Request": "true", "X-CSRFToken": browser.csrf_token}
        by_script = browser.http.post("/clients", data={"name": "By script"}, headers=header)
        assert (
            browser.post("/clients", {"name": "By form"}).status_code,
            by_script.status_code,
        ) == (
            303,
            303,
        )
        assert len(browser.get_json("/api/clients")["items"]) == 2

    @pytest.mark.fact(75)
    def test_a_tick_is_saved_on_a_page_that_was_open_for_two_hours(
        self, browser: Browser, practice: Practice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connection = factories.make_connection(practice, last_sync_at=utcnow(), matched_at=utcnow())
        contact = factories.make_contact(connection)
        draft = open_draft(db.session, practice.id, connection.id, utcnow())
        page = browser.get(f"/import/{draft.id}?type=").text
        token = re.search(r'<meta name="csrf-token" content="([^"]+)"', page)
        assert token
        later, much_later = utcnow() + timedelta(hours=2), time.time() + 7200
        monkeypatch.setattr("dashboard.views.guards.utcnow", lambda: later)
        # The one clock by which tokens and sessions are signed.
        monkeypatch.setattr("itsdangerous.timed.time", SimpleNamespace(time=lambda: much_later))
        answer = browser.http.post(
            f"/import/{draft.id}/ticks?type=",
            data={"shown": contact.xero_contact_id, "ticked": contact.xero_contact_id},
            headers={"HX-Request": "true", "X-CSRFToken": token[1]},
        )
        assert answer.status_code == 200
        assert "<strong>1 selected</strong>" in answer.text


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
