"""The settings page and its JSON."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    ConnectionStatus,
    DocumentStatus,
    Practice,
    PushStatus,
    User,
    XeroConnection,
    XeroFilePush,
)
from dashboard.queries import connections
from dashboard.rules.connection_sentences import REMOVED_IN_XERO
from dashboard.views.filters import Place, near_time
from dashboard.xero import REQUIRED_SCOPES
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
        changes = {"auto_sync_contacts": False, "create_year_folders": True, "xero_folder_id": None}
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

    def test_the_example_is_made_of_the_last_document(
        self, browser: Browser, connection: XeroConnection, practice: Practice
    ) -> None:
        assert "chase.md / Hartley and Co_P60_2025-26.pdf" in browser.get("/settings").text
        client = factories.make_client(practice, name="Ödön & Sons Ltd.")
        factories.make_document(
            client,
            document_type="VAT return",
            extension="xlsx",
            status=DocumentStatus.ACCEPTED,
            decided_at=utcnow(),
        )
        name = "Odon and Sons Ltd_VAT return_2025-26.xlsx"
        assert f"chase.md / {name}" in browser.get("/settings").text
        ticked = browser.get(
            "/settings/panels/example?create_year_folders=1", headers={"HX-Request": "true"}
        )
        assert f"chase.md 2025-26 / {name}" in ticked.text

    def test_a_chosen_folder_that_is_gone_is_said(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        connection.missing_folder_name = "Accountant"
        db.session.commit()
        assert "The folder “Accountant” is no longer in Xero." in browser.get("/settings").text

    def test_the_form_saves_what_is_ticked(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        browser.post("/settings/preferences", {"auto_sync_contacts": "1"})
        settings = browser.get_json(f"{API}/status")["settings"]
        assert settings["auto_sync_contacts"] is True
        assert settings["push_documents_to_xero"] is False
        assert "Preferences saved." in browser.get("/settings").text

    def test_turned_off_sending_says_how_many_documents_that_holds_up(
        self, browser: Browser, connection: XeroConnection, practice: Practice
    ) -> None:
        waiting_document(connection, practice)
        browser.post("/settings/preferences", {"push_documents_to_xero": "1"})
        assert "until you turn sending on again" not in browser.get("/settings").text
        browser.post("/settings/preferences")
        assert (
            "Preferences saved. 1 waiting document stays on hold until you turn sending on again."
            in browser.get("/settings").text
        )

    def test_the_form_saves_who_wins_and_when_to_ask(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        choices = {"edited_fields": "xero", "brake_percent": "50"}
        browser.post("/settings/preferences", choices)
        db.session.refresh(connection)
        assert (connection.edited_fields, connection.brake_percent) == ("xero", 50)
        wrong = {"edited_fields": "nobody", "brake_percent": "50"}
        assert browser.post("/settings/preferences", wrong).status_code == 422
        assert browser.post("/settings/preferences", {"brake_percent": "0"}).status_code == 422

    def test_staff_only_read_them(
        self,
        browser_of: Callable[[User], Browser],
        admin: User,
        colleague: User,
        connection: XeroConnection,
    ) -> None:
        staff = browser_of(colleague)
        assert staff.send_json("PATCH", f"{API}/settings", {}).status_code == 403
        refused = staff.post("/settings/preferences")
        assert refused.status_code == 403
        assert "Only practice admins can do this. Ask Priya." in refused.text
        page = staff.get("/settings").text
        assert "Save preferences" not in page
        assert "Disconnect from Xero" not in page


NOW = utcnow()
SOON = NOW + timedelta(hours=5)
ON_22_NOV = datetime(2025, 11, 22, 13, 50, tzinfo=UTC)
STATES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "connected": ({}, "Connected", "Last checked {now}, worked", "Check now"),
    "silent for hours": (
        {"last_good_call_at": ON_22_NOV, "health_due_at": NOW},
        "Not confirmed",
        "No good answer from Xero since 13:50 on 22 Nov 2025. Next check {now}.",
        "Check now",
    ),
    "one error": (
        {"consecutive_errors": 1, "last_error_at": NOW, "last_error": "Xero did not answer."},
        "Not confirmed",
        "Last checked {now}, did not work",
        "Check now",
    ),
    "slow down": (
        {"waits_until": SOON, "waits_because": "minute"},
        "Waiting for Xero",
        "Xero asked us to slow down. Carries on at {soon}. Nothing is lost.",
        "Check now",
    ),
    "our own limiter": (
        {"waits_until": SOON, "waits_because": "limiter-unavailable"},
        "Waiting for Xero",
        "We cannot count our calls to Xero right now, so we make none. Carries on at {soon}."
        " Nothing is lost.",
        "Check now",
    ),
    "daily limit": (
        {"waits_until": SOON, "waits_because": "day"},
        "Waiting for Xero",
        "Xero’s daily limit for this organisation is used up. Reading and filing carry on at about"
        " {soon}. 1 document is waiting.",
        "Check now",
    ),
    "permission": (
        {"scopes": [scope for scope in REQUIRED_SCOPES if scope != "files"]},
        "Permission needed",
        "We need one more permission: Add files to Xero. 1 document waits for it and is sent once"
        " it is allowed.",
        "Allow in Xero",
    ),
    "expired": (
        {"status": ConnectionStatus.TOKEN_EXPIRED, "last_error_at": ON_22_NOV},
        "Reconnect needed",
        "Reconnect needed. Xero stopped accepting our access on 22 Nov 2025 at 13:50. Nothing is"
        " lost: 1 document is on hold and will be sent after reconnecting.",
        "Reconnect to Xero",
    ),
    "problem": (
        {
            "status": ConnectionStatus.ERROR,
            "last_error": "The organisation's subscription has ended.",
            "last_error_status": 403,
            "last_error_reference": "correlation-7",
        },
        "Problem",
        "We cannot use the connection: Xero says “The organisation's subscription has ended”."
        " Nothing is lost: 1 document is on hold and will be sent when Xero lets us in again.",
        "Reconnect to Xero",
    ),
    "removed in Xero": (
        {
            "status": ConnectionStatus.DISCONNECTED,
            "disconnected_at": ON_22_NOV,
            "last_error": REMOVED_IN_XERO,
            "last_error_at": ON_22_NOV,
        },
        "Disconnected",
        "Someone removed chase.md under Connected apps in Xero on 22 Nov 2025. Nothing is lost: 1"
        " document is on hold and will be sent after connecting Demo Company (UK) again.",
        "Connect to Xero",
    ),
    "disconnected here": (
        {"status": ConnectionStatus.DISCONNECTED, "disconnected_at": ON_22_NOV},
        "Disconnected",
        "Disconnected on 22 Nov 2025 at 13:50. What was imported and filed stays as it is. Links to"
        " the contacts of Demo Company (UK) are kept: connecting it again picks up where you left"
        " off. 1 document is on hold and will be sent then.",
        "Connect to Xero",
    ),
}


def text_of(html: str) -> str:
    """Return what a person reads of a piece of HTML, with single spaces."""
    return " ".join(unescape(re.sub(r"<[^>]+>", "", re.sub(r"</d[td]>|</p>", " ", html))).split())


def clock(moment: datetime) -> str:
    return near_time(moment, Place(ZoneInfo("Europe/London"), utcnow()))


class TestWords:
    @pytest.mark.parametrize("name", STATES)
    def test_each_state_has_its_own(
        self, browser: Browser, practice: Practice, session: Session, name: str
    ) -> None:
        values, word, sentence, action = STATES[name]
        connection = factories.make_connection(practice, **{"last_good_call_at": NOW, **values})
        waiting_document(connection, practice)
        page = browser.get("/settings").text
        card = page[page.index('id="connection"') : page.index("</section>")]
        expected = sentence.format(now=clock(NOW), soon=clock(SOON))
        assert expected in text_of(card)
        assert f'<span class="pill-word">{word}</span>' in card
        actions = page[page.index('id="connection-actions"') :]
        assert action in actions[: actions.index("</div>")]
        if word != "Connected":
            assert ">Connected<" not in page

    def test_links_that_were_removed_are_not_said_to_be_kept(
        self, browser: Browser, practice: Practice
    ) -> None:
        factories.make_connection(practice, **STATES["disconnected here"][0])
        page = text_of(browser.get("/settings").text)
        assert "What was imported and filed stays as it is. Organisation" in page

    def test_xeros_own_words_stand_in_the_details(
        self, browser: Browser, practice: Practice
    ) -> None:
        factories.make_connection(practice, **STATES["problem"][0], last_error_at=ON_22_NOV)
        page = browser.get("/settings").text
        details = text_of(page[page.index('<details class="technical"') :])
        for words in (
            "What went wrong The organisation's subscription has ended.",
            "HTTP status 403",
            "Reference correlation-7",
            "Time 22 November 2025, 13:50:00 GMT",
        ):
            assert words in details

    def test_access_renews_itself_and_its_end_is_a_detail(
        self, browser: Browser, practice: Practice
    ) -> None:
        factories.make_connection(
            practice,
            token_last_refreshed_at=NOW,
            refresh_due_at=SOON,
        )
        page = text_of(browser.get("/settings").text)
        assert f"Access renews itself. Last renewed {clock(NOW)}, next by {clock(SOON)}." in page
        assert "Access token good until" in page
        assert "Days since the last renewal 0 of 60" in page

    @pytest.mark.parametrize("name", ["permission", "expired", "problem", "removed in Xero"])
    def test_staff_read_the_same_fact_and_whom_to_ask(
        self,
        *,
        browser_of: Callable[[User], Browser],
        admin: User,
        colleague: User,
        practice: Practice,
        name: str,
    ) -> None:
        values, word, _, action = STATES[name]
        factories.make_connection(practice, **{"last_good_call_at": NOW, **values})
        page = browser_of(colleague).get("/settings").text
        assert word in page
        assert f"Ask {admin.name}." in page
        assert f">{action}</span></button>" not in page or action == "Check now"

    def test_todays_filings_are_counted_apart(
        self, browser: Browser, practice: Practice, session: Session
    ) -> None:
        connection = factories.make_connection(practice)
        for days in (0, 0, 3):
            push = waiting_document(connection, practice)
            push.status = PushStatus.ASSOCIATED
            push.pushed_at = utcnow() - timedelta(days=days)
        session.commit()
        assert "Documents 2 filed today" in text_of(browser.get("/settings").text)


def waiting_document(connection: XeroConnection, practice: Practice) -> XeroFilePush:
    """Make an accepted document of a linked client that waits to be sent."""
    client = factories.make_client(practice)
    factories.make_mapping(connection, client, str(uuid4()))
    document = factories.make_document(client, status=DocumentStatus.ACCEPTED, decided_at=NOW)
    return factories.make_push(connection, document)


class TestPanel:
    PATH = "/settings/panels/connection"

    def ask(self, browser: Browser, query: str = "") -> TestResponse:
        return browser.get(f"{self.PATH}?{query}", headers={"HX-Request": "true"})

    def query(self, browser: Browser) -> str:
        asked_next = self.ask(browser).text.split('hx-get="')[1].split('"')[0]
        return unescape(asked_next.partition("?")[2])

    def test_another_state_brings_its_action_and_is_announced(
        self, browser: Browser, connection: XeroConnection, session: Session
    ) -> None:
        seen = self.query(browser)
        connection.status = ConnectionStatus.TOKEN_EXPIRED
        session.commit()
        answer = self.ask(browser, seen).text
        assert 'id="connection-actions" class="actions" hx-swap-oob="true"' in answer
        assert "Reconnect to Xero" in answer
        assert '<p id="live" hx-swap-oob="innerHTML">Xero: Reconnect needed.</p>' in answer

    def test_other_figures_leave_the_buttons_alone(
        self, browser: Browser, practice: Practice, connection: XeroConnection
    ) -> None:
        seen = self.query(browser)
        waiting_document(connection, practice)
        answer = self.ask(browser, seen)
        assert answer.status_code == 200
        assert "hx-swap-oob" not in answer.text


class TestOurOwnTrouble:
    @pytest.mark.parametrize("path", ["/settings", "/settings/panels/connection"])
    @pytest.mark.fact(42)
    def test_it_is_never_called_not_connected(
        self,
        browser: Browser,
        connection: XeroConnection,
        monkeypatch: pytest.MonkeyPatch,
        path: str,
    ) -> None:
        def fail(*_anything: object) -> None:
            raise OperationalError("SELECT", {}, Exception("canceling statement due to timeout"))

        monkeypatch.setattr(connections, "summary", fail)
        answer = browser.get(path, headers={"HX-Request": "true"} if "panels" in path else {})
        assert answer.status_code == 200
        assert "Connection details are not available right now." in answer.text
        assert "Not connected" not in answer.text
        assert "every 30s" in answer.text
