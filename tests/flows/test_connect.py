"""From the Connect button to a true connection, and every way in which it comes to nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.models import ConnectionStatus, OAuthAttempt, Practice, User, XeroConnection
from dashboard.simulator import World
from dashboard.xero import REQUIRED_SCOPES
from tests import factories
from tests.support.browser import Browser
from tests.support.pretend_xero import give_consent

API = "/api/integrations/xero"


def start(browser: Browser) -> str:
    answer = browser.send_json("POST", f"{API}/connect")
    assert answer.status_code == 200, answer.text
    url: str = answer.json["authorization_url"]
    return url


def come_back(browser: Browser, address: str) -> str:
    """Follow the way back from Xero; return where the person ends."""
    parts = urlsplit(address)
    answer = browser.get(f"{parts.path}?{parts.query}", headers={"Accept": "text/html"})
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def connect(browser: Browser, world: World, organisation: str | None = None) -> str:
    return come_back(browser, give_consent(world, start(browser), organisation))


def words_of(browser: Browser, place: str) -> str:
    return browser.get(place).text


def connection_of(session: Session, user: User) -> XeroConnection | None:
    session.rollback()
    return session.scalar(
        select(XeroConnection).where(
            XeroConnection.practice_id == user.practice_id,
            XeroConnection.status != ConnectionStatus.DISCONNECTED,
        )
    )


class TestConnecting:
    def test_the_request_asks_for_exactly_what_is_needed(self, browser: Browser) -> None:
        query = parse_qs(urlsplit(start(browser)).query)
        assert query["scope"] == [" ".join(REQUIRED_SCOPES)]
        assert query["response_type"] == ["code"]
        assert query["redirect_uri"] == ["http://localhost:8000/api/integrations/xero/callback"]
        assert len(query["state"][0]) >= 32
        assert len(query["nonce"][0]) >= 32

    def test_a_form_post_goes_to_xero(self, browser: Browser, xero_url: str) -> None:
        answer = browser.post(f"{API}/connect")
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith(f"{xero_url}/identity/connect/authorize?")

    def test_consent_becomes_a_connection_named_on_the_page(
        self, browser: Browser, world: World
    ) -> None:
        place = connect(browser, world)
        assert place.endswith("/settings?xero=connected")
        page = words_of(browser, place)
        assert f"Connected to {world.main.name}." in page
        status = browser.get_json(f"{API}/status")
        assert status["status"] == "active"
        assert status["organisation"] == {
            "name": world.main.name,
            "tenant_id": world.main.tenant_id,
        }
        assert status["token_expires_at"].endswith("Z")
        assert status["last_error"] is None

    def test_the_message_is_told_once(self, browser: Browser, world: World) -> None:
        place = connect(browser, world)
        assert "Is this the right organisation?" in words_of(browser, place)
        assert "Is this the right organisation?" not in words_of(browser, place)

    def test_tokens_are_stored_as_ciphertext_only(
        self, browser: Browser, world: World, admin: User, session: Session
    ) -> None:
        connect(browser, world)
        connection = connection_of(session, admin)
        assert connection is not None
        assert connection.access_token_encrypted
        assert connection.refresh_token_encrypted
        assert "eyJ" not in connection.access_token_encrypted
        assert connection.xero_connection_id
        assert connection.xero_userid
        assert connection.connected_by_id == admin.id

    def test_contacts_are_due_to_be_read_at_once(self, browser: Browser, world: World) -> None:
        connect(browser, world)
        [run] = browser.get_json(f"{API}/sync-history")["items"]
        assert run["kind"] == "contact_sync"
        assert run["status"] == "waiting"

    def test_connecting_twice_keeps_one_connection(
        self, browser: Browser, world: World, session: Session
    ) -> None:
        connect(browser, world)
        connect(browser, world)
        session.rollback()
        assert len(session.scalars(select(XeroConnection)).all()) == 1


class TestRefusedConsent:
    def test_a_cancelled_consent_changes_nothing(self, browser: Browser, world: World) -> None:
        place = come_back(browser, give_consent(world, start(browser), cancel=True))
        assert "You did not give access. Nothing has changed. Try again." in words_of(
            browser, place
        )
        assert browser.get_json(f"{API}/status")["status"] == "not_connected"

    @pytest.mark.parametrize("accepted", ["*/*", "application/json"])
    def test_cancelling_is_no_error_whatever_is_asked_for(
        self, browser: Browser, world: World, accepted: str
    ) -> None:
        parts = urlsplit(give_consent(world, start(browser), cancel=True))
        answer = browser.get(f"{parts.path}?{parts.query}", headers={"Accept": accepted})
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith("/settings")

    def test_a_forged_state_is_refused(self, browser: Browser, world: World) -> None:
        start(browser)
        place = come_back(browser, "http://localhost:8000" + f"{API}/callback?code=x&state=forged")
        assert "too old to accept" in words_of(browser, place)
        assert browser.get_json(f"{API}/status")["status"] == "not_connected"

    def test_a_missing_state_is_refused(self, browser: Browser) -> None:
        place = come_back(browser, f"http://localhost:8000{API}/callback?code=x")
        assert "too old to accept" in words_of(browser, place)

    def test_a_state_is_good_once(self, browser: Browser, world: World) -> None:
        address = give_consent(world, start(browser))
        come_back(browser, address)
        place = come_back(browser, address)
        assert "too old to accept" in words_of(browser, place)
        assert browser.get_json(f"{API}/status")["status"] == "active"

    def test_another_browser_of_the_same_person_cannot_use_the_state(
        self, browser: Browser, browser_of: Callable[[User], Browser], admin: User, world: World
    ) -> None:
        address = give_consent(world, start(browser))
        other = browser_of(admin)
        place = come_back(other, address)
        assert "too old to accept" in words_of(other, place)

    def test_another_practice_cannot_use_the_state(
        self, browser: Browser, browser_of: Callable[[User], Browser], stranger: User, world: World
    ) -> None:
        address = give_consent(world, start(browser))
        other = browser_of(stranger)
        place = come_back(other, address)
        assert "too old to accept" in words_of(other, place)
        assert other.get_json(f"{API}/status")["status"] == "not_connected"

    def test_an_old_state_is_refused(
        self, browser: Browser, world: World, session: Session
    ) -> None:
        address = give_consent(world, start(browser))
        attempt = session.scalars(select(OAuthAttempt)).one()
        attempt.expires_at = utcnow() - timedelta(seconds=1)
        session.commit()
        assert "too old to accept" in words_of(browser, come_back(browser, address))

    def test_a_code_that_xero_refuses_saves_nothing(self, browser: Browser, world: World) -> None:
        address = give_consent(world, start(browser))
        parts = urlsplit(address)
        state = parse_qs(parts.query)["state"][0]
        place = come_back(browser, f"http://localhost:8000{API}/callback?code=no&state={state}")
        assert "Nothing was saved" in words_of(browser, place)
        assert browser.get_json(f"{API}/status")["status"] == "not_connected"

    def test_an_organisation_of_another_practice_is_refused(
        self, browser: Browser, browser_of: Callable[[User], Browser], stranger: User, world: World
    ) -> None:
        other = browser_of(stranger)
        connect(other, world)
        place = connect(browser, world)
        assert "already connected to another practice" in words_of(browser, place)
        assert browser.get_json(f"{API}/status")["status"] == "not_connected"
        assert other.get_json(f"{API}/status")["status"] == "active"

    def test_staff_may_not_connect(
        self, browser_of: Callable[[User], Browser], colleague: User
    ) -> None:
        staff = browser_of(colleague)
        assert staff.send_json("POST", f"{API}/connect").status_code == 403
        page = staff.get("/settings").text
        assert "Only practice admins can connect Xero." in page
        assert "Connect to Xero</button>" not in page

    def test_nobody_may_connect(self, visitor: FlaskClient) -> None:
        answer = visitor.post(f"{API}/connect", headers={"Accept": "application/json"})
        assert answer.status_code in {401, 403}


class TestChoosing:
    @pytest.fixture
    def several(self, world: World) -> World:
        world.app.bulk_connections = True
        return world

    def test_leaving_the_connected_organisation_asks_first(
        self, browser: Browser, world: World
    ) -> None:
        names = [each.name for each in world.state.organisations.values()]
        first, second = names[0], names[1]
        connect(browser, world, first)
        place = connect(browser, world, second)
        assert "choice=" in place
        page = words_of(browser, place)
        assert "Choose one organisation for this practice" in page
        assert browser.get_json(f"{API}/status")["organisation"]["name"] == first
        chosen = world.organisation(second)
        choice_id = parse_qs(urlsplit(place).query)["choice"][0]
        answer = browser.post(f"/settings/choose/{choice_id}", {"tenant_id": chosen.tenant_id})
        assert answer.status_code == 303
        assert browser.get_json(f"{API}/status")["organisation"]["name"] == second

    def test_a_stranger_cannot_use_the_choice(
        self,
        browser: Browser,
        browser_of: Callable[[User], Browser],
        stranger: User,
        world: World,
    ) -> None:
        names = [each.name for each in world.state.organisations.values()]
        connect(browser, world, names[0])
        place = connect(browser, world, names[1])
        choice_id = parse_qs(urlsplit(place).query)["choice"][0]
        tenant_id = world.organisation(names[1]).tenant_id
        other = browser_of(stranger)
        other.post(f"/settings/choose/{choice_id}", {"tenant_id": tenant_id})
        assert other.get_json(f"{API}/status")["status"] == "not_connected"


class TestDisconnecting:
    def test_the_question_has_true_numbers_and_does_nothing(
        self, browser: Browser, world: World, practice: Practice
    ) -> None:
        connect(browser, world)
        document = factories.make_document(factories.make_client(practice))
        browser.send_json("POST", f"/api/documents/{document.id}/accept")
        page = browser.get("/settings/disconnect").text
        assert f"Disconnect {world.main.name}?" in page
        assert "1 waiting document " in page
        assert "1 client," in page
        assert browser.get_json(f"{API}/status")["status"] == "active"

    def test_it_ends_here_and_at_xero(
        self, browser: Browser, world: World, session: Session
    ) -> None:
        connect(browser, world)
        answer = browser.send_json("POST", f"{API}/disconnect", {"remove_links": False})
        assert answer.status_code == 200
        assert answer.json["confirmed_by_xero"] is True
        assert browser.get_json(f"{API}/status")["status"] == "disconnected"
        session.rollback()
        [connection] = session.scalars(select(XeroConnection)).all()
        assert connection.access_token_encrypted is None
        assert connection.refresh_token_encrypted is None
        assert connection.previous_refresh_token_encrypted is None
        user_id = next(iter(world.state.users))
        assert world.live_connection(user_id, world.main.tenant_id) is None

    def test_it_always_succeeds_on_our_side(
        self, browser: Browser, world: World, app: Flask
    ) -> None:
        connect(browser, world)
        for path in ("/connections", "/connect/"):
            world.faults.arm("503-maintenance", path=path, times=50)
        answer = browser.send_json("POST", f"{API}/disconnect")
        assert answer.status_code == 200
        assert answer.json["confirmed_by_xero"] is False
        assert "remove chase.md in Xero under Settings, Connected apps" in answer.json["message"]
        assert browser.get_json(f"{API}/status")["status"] == "disconnected"

    def test_reconnecting_uses_the_same_row_again(
        self, browser: Browser, world: World, admin: User, session: Session
    ) -> None:
        connect(browser, world)
        before = connection_of(session, admin)
        assert before is not None
        kept = before.id
        browser.send_json("POST", f"{API}/disconnect")
        connect(browser, world)
        after = connection_of(session, admin)
        assert after is not None
        assert after.id == kept
        assert after.status == ConnectionStatus.ACTIVE

    def test_a_shared_grant_is_not_revoked(
        self,
        browser: Browser,
        browser_of: Callable[[User], Browser],
        stranger: User,
        world: World,
        session: Session,
    ) -> None:
        user = next(u for u in world.state.users.values() if len(u.tenant_ids) > 1)
        names = [world.state.organisations[t].name for t in user.tenant_ids]
        other = browser_of(stranger)
        connect(browser, world, names[0])
        connect(other, world, names[1])
        browser.send_json("POST", f"{API}/disconnect")
        connection = connection_of(session, stranger)
        assert connection is not None
        wiring.xero_auth().refresh_token(connection.id)
        assert other.get_json(f"{API}/status")["status"] == "active"
