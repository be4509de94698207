"""The settings page and its JSON."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from dashboard.clock import utcnow
from dashboard.models import ConnectionStatus, Practice, User, XeroConnection
from tests import factories
from tests.support.browser import Browser

API = "/api/integrations/xero"


@pytest.fixture
def connection(practice: Practice) -> XeroConnection:
    return factories.make_connection(practice)


class TestStatus:
    def test_without_a_connection(self, browser: Browser) -> None:
        status = browser.get_json(f"{API}/status")
        assert status == {
            "status": "not_connected",
            "organisation": None,
            "token_expires_at": None,
            "last_sync_at": None,
            "last_sync_contact_count": None,
            "last_error": None,
            "settings": {
                "auto_sync_contacts": True,
                "push_documents_to_xero": True,
                "xero_folder_id": None,
                "create_year_folders": False,
            },
            "calls": {"minute_remaining": None, "day_remaining": None, "resumes_at": None},
        }

    def test_with_one(self, browser: Browser, connection: XeroConnection) -> None:
        status = browser.get_json(f"{API}/status")
        assert status["status"] == "active"
        assert status["organisation"]["name"] == "Demo Company (UK)"
        assert status["calls"]["minute_remaining"] == 60
        assert status["calls"]["day_remaining"] == 5000


class TestPreferences:
    def test_they_change_by_json(self, browser: Browser, connection: XeroConnection) -> None:
        changes = {"auto_sync_contacts": False, "create_year_folders": True, "xero_folder_id": "f"}
        answer = browser.send_json("PATCH", f"{API}/settings", changes)
        assert answer.status_code == 200
        assert answer.json["settings"] == {**changes, "push_documents_to_xero": True}

    @pytest.mark.parametrize(
        "changes",
        [{"auto_sync_contacts": "yes"}, {"nonsense": True}, {"xero_folder_id": 5}],
    )
    def test_a_bad_value_changes_nothing(
        self, browser: Browser, connection: XeroConnection, changes: dict[str, Any]
    ) -> None:
        answer = browser.send_json(
            "PATCH", f"{API}/settings", {"create_year_folders": True, **changes}
        )
        assert answer.status_code == 422
        assert answer.json["field"] in changes
        assert browser.get_json(f"{API}/status")["settings"]["create_year_folders"] is False

    def test_without_a_connection_there_is_nothing_to_set(self, browser: Browser) -> None:
        answer = browser.send_json("PATCH", f"{API}/settings", {"create_year_folders": True})
        assert answer.status_code == 409
        assert answer.json["code"] == "not_connected"

    def test_the_form_saves_what_is_ticked(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        browser.post("/settings/preferences", {"auto_sync_contacts": "1"})
        settings = browser.get_json(f"{API}/status")["settings"]
        assert settings["auto_sync_contacts"] is True
        assert settings["push_documents_to_xero"] is False
        assert "Preferences saved." in browser.get("/settings").text

    def test_staff_only_read_them(
        self, browser_of: Callable[[User], Browser], colleague: User, connection: XeroConnection
    ) -> None:
        staff = browser_of(colleague)
        assert staff.send_json("PATCH", f"{API}/settings", {}).status_code == 403
        assert staff.post("/settings/preferences").status_code == 403
        page = staff.get("/settings").text
        assert "Save preferences" not in page
        assert "Disconnect from Xero" not in page


class TestWords:
    @pytest.mark.parametrize(
        ("values", "word", "sentence"),
        [
            ({}, "Connected", "Last checked"),
            (
                {"last_good_call_at": utcnow() - timedelta(hours=3)},
                "Not confirmed",
                "No good answer",
            ),
            ({"consecutive_errors": 1}, "Not confirmed", "No good answer"),
            (
                {"waits_until": utcnow() + timedelta(hours=1), "waits_because": "minute"},
                "Waiting for Xero",
                "Xero asked us to slow down.",
            ),
            (
                {"waits_until": utcnow() + timedelta(hours=1), "waits_because": "day"},
                "Waiting for Xero",
                "daily limit",
            ),
            ({"scopes": ["openid"]}, "Permission needed", "Documents cannot be sent to Xero."),
            ({"status": ConnectionStatus.TOKEN_EXPIRED}, "Reconnect needed", "Nothing is lost"),
            (
                {"status": ConnectionStatus.ERROR, "last_error": "The trial has ended."},
                "Problem",
                "The trial has ended.",
            ),
            ({"status": ConnectionStatus.DISCONNECTED}, "Disconnected", "picks up where you left"),
        ],
    )
    def test_each_state_has_its_own(
        self,
        browser: Browser,
        practice: Practice,
        values: dict[str, Any],
        word: str,
        sentence: str,
    ) -> None:
        factories.make_connection(practice, **values)
        page = browser.get("/settings").text
        assert word in page
        assert sentence in page
        if word != "Connected":
            assert ">Connected<" not in page

    def test_the_panel_answers_204_while_nothing_changed(
        self, browser: Browser, connection: XeroConnection, session: Session
    ) -> None:
        path = "/settings/panels/connection"
        panel = browser.get(path, headers={"HX-Request": "true"}).text
        seen = panel.split("seen=")[1].split('"')[0]
        answer = browser.get(f"{path}?seen={seen}", headers={"HX-Request": "true"})
        assert answer.status_code == 204
