"""From the Connect button to a true connection, and every way in which it comes to nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.models import (
    Alert,
    ConnectionStatus,
    OAuthAttempt,
    Practice,
    User,
    XeroConnection,
)
from dashboard.simulator import World
from dashboard.simulator.records import Organisation
from dashboard.xero import REQUIRED_SCOPES
from tests import factories
from tests.support.browser import Browser
from tests.support.pretend_xero import give_consent

API = "/api/integrations/xero"
CALLBACK = f"http://localhost:8000{API}/callback"
NOT_FINISHED = "Xero did not finish the connection. Nothing was saved. Try again."
APP_LIMIT = (
    "Xero says this app cannot connect more organisations now. We have been told. Nothing to do on"
    " your side."
)


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


def state_of(browser: Browser) -> str:
    """Begin a consent and return the state that Xero would bring back."""
    return parse_qs(urlsplit(start(browser)).query)["state"][0]


@contextmanager
def only_for_another(world: World, organisation: Organisation, user_id: str) -> Iterator[None]:
    """Let everybody but this person into the organisation for a while, so that another consents."""
    before = {each.user_id: list(each.tenant_ids) for each in world.state.users.values()}
    for each in world.state.users.values():
        if each.user_id == user_id:
            each.tenant_ids.remove(organisation.tenant_id)
        elif organisation.tenant_id not in each.tenant_ids:
            each.tenant_ids.append(organisation.tenant_id)
    yield
    for each in world.state.users.values():
        each.tenant_ids[:] = before[each.user_id]


def remove_in_xero(world: World) -> None:
    """Take the app out under Connected apps."""
    for held in world.state.connections.values():
        held.disconnected_at = world.clock.now()


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
        assert not connection.access_token_encrypted.startswith("eyJ")
        assert connection.refresh_token_encrypted not in world.state.refresh_tokens
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

    @pytest.mark.fact(43)
    @pytest.mark.parametrize(
        ("error", "description", "sentence"),
        [
            ("access_denied", "", "You did not give access. Nothing has changed. Try again."),
            ("server_error", "", "Xero did not finish the connection. Nothing was saved. Try"),
            ("something_new", "?", "Xero did not finish the connection. Nothing was saved. Try"),
            ("connection_limit_reached", "", APP_LIMIT),
            (
                "access_denied",
                "The app has reached its limit of connected organisations",
                APP_LIMIT,
            ),
            ("invalid_scope", "", "Xero does not accept this installation’s app."),
        ],
        ids=["cancelled", "server error", "unknown", "limit by code", "limit by words", "app"],
    )
    def test_each_error_of_xero_has_its_own_words(
        self,
        *,
        browser: Browser,
        world: World,
        caplog: pytest.LogCaptureFixture,
        error: str,
        description: str,
        sentence: str,
    ) -> None:
        query = {"error": error, "error_description": description, "state": state_of(browser)}
        before = len(world.calls.last())
        page = words_of(browser, come_back(browser, f"{CALLBACK}?{urlencode(query)}"))
        assert sentence in page
        assert len(world.calls.last()) == before
        told = [record for record in caplog.records if record.levelname == "ERROR"]
        assert bool(told) == ("We have been told." in page)

    def test_an_error_without_our_state_is_refused(self, browser: Browser, world: World) -> None:
        start(browser)
        place = come_back(browser, f"{CALLBACK}?error=access_denied&state=forged")
        assert "too old to accept" in words_of(browser, place)

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

    @pytest.mark.parametrize("code", ["no", ""])
    def test_a_code_that_xero_refuses_saves_nothing(
        self, browser: Browser, world: World, code: str
    ) -> None:
        place = come_back(browser, f"{CALLBACK}?code={code}&state={state_of(browser)}")
        assert NOT_FINISHED in words_of(browser, place)
        assert browser.get_json(f"{API}/status")["status"] == "not_connected"

    def test_a_code_is_good_once_even_with_a_state_of_its_own(
        self, browser: Browser, world: World
    ) -> None:
        address = give_consent(world, start(browser))
        come_back(browser, address)
        code = parse_qs(urlsplit(address).query)["code"][0]
        place = come_back(browser, f"{CALLBACK}?code={code}&state={state_of(browser)}")
        assert NOT_FINISHED in words_of(browser, place)
        assert browser.get_json(f"{API}/status")["status"] == "active"

    @pytest.mark.parametrize(
        ("fault", "path"),
        [
            ("503-maintenance", "/connections"),
            ("reset", "/connections"),
            ("200-html", "/.well-known/openid-configuration/jwks"),
        ],
        ids=["list", "no list", "keys"],
    )
    def test_what_breaks_after_the_exchange_leaves_nothing_here_or_there(
        self, browser: Browser, world: World, session: Session, fault: str, path: str
    ) -> None:
        world.faults.arm(fault, path=path, times=3)
        place = connect(browser, world)
        assert NOT_FINISHED in words_of(browser, place)
        assert world.faults.injected[fault] > 0
        assert browser.get_json(f"{API}/status")["status"] == "not_connected"
        session.rollback()
        assert session.scalars(select(XeroConnection)).all() == []
        assert all(not each.is_live for each in world.state.connections.values())
        assert world.state.refresh_tokens == {}

    @pytest.mark.parametrize("hours", [-24, 24], ids=["ahead", "behind"])
    def test_a_clock_that_is_off_is_named(
        self, browser: Browser, world: World, caplog: pytest.LogCaptureFixture, hours: int
    ) -> None:
        world.shift_clock(hours * 3600)
        page = words_of(browser, connect(browser, world))
        assert "This installation’s clock is off: it says " in page
        assert f"Xero says {world.clock.now():%d %b %Y, }" in page
        assert browser.get_json(f"{API}/status")["status"] == "not_connected"
        assert [record.levelname for record in caplog.records].count("ERROR") == 1
        assert world.state.refresh_tokens == {}

    def test_an_organisation_of_another_practice_is_refused(
        self, browser: Browser, browser_of: Callable[[User], Browser], stranger: User, world: World
    ) -> None:
        other = browser_of(stranger)
        connect(other, world)
        place = connect(browser, world)
        assert (
            "This organisation is already connected to another practice. Contact support."
            in words_of(browser, place)
        )
        assert browser.get_json(f"{API}/status")["status"] == "not_connected"
        # The other practice's connection and its grant are the same person's, and they live.
        other.post("/settings/check")
        assert other.get_json(f"{API}/status")["status"] == "active"
        assert "Checked just now. The connection works." in other.get("/settings").text

    def test_a_second_persons_consent_to_a_held_organisation_is_given_back(
        self, browser: Browser, browser_of: Callable[[User], Browser], stranger: User, world: World
    ) -> None:
        other = browser_of(stranger)
        connect(other, world)
        [first] = world.state.connections.values()
        with only_for_another(world, world.main, first.user_id):
            place = connect(browser, world)
        assert "already connected to another practice" in words_of(browser, place)
        live = [each.user_id for each in world.state.connections.values() if each.is_live]
        assert live == [first.user_id]
        other.post("/settings/check")
        assert "The connection works." in other.get("/settings").text

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


class TestPermissions:
    def test_without_files_it_connects_and_says_what_is_missing(
        self, browser: Browser, world: World, session: Session
    ) -> None:
        world.options.withheld_scopes = "files"
        page = words_of(browser, connect(browser, world))
        assert (
            "Connected, but without permission to add files. Documents will not be sent until you"
            " allow it." in page
        )
        assert "Permission needed" in page
        assert "We need one more permission: Add files to Xero." in page
        assert "Allow in Xero" in page
        world.options.withheld_scopes = ""
        page = words_of(browser, connect(browser, world))
        assert "Permission needed" not in page
        assert session.scalars(select(Alert).where(Alert.closed_at.is_(None))).all() == []


class TestDisconnecting:
    @pytest.mark.fact(46)
    def test_the_question_has_true_numbers_and_does_nothing(
        self, browser: Browser, world: World, practice: Practice
    ) -> None:
        connect(browser, world)
        document = factories.make_document(factories.make_client(practice))
        browser.send_json("POST", f"/api/documents/{document.id}/accept")
        page = browser.get("/settings/disconnect").text
        assert f"Disconnect {world.main.name}?" in page
        assert "From now on:</strong> 1 waiting document will not be sent." in page
        assert "Contact changes will not be read." in page
        assert "What stays:</strong> your 1 client and its documents." in page
        assert browser.get_json(f"{API}/status")["status"] == "active"

    def test_it_ends_here_and_at_xero(
        self, browser: Browser, world: World, session: Session
    ) -> None:
        connect(browser, world)
        answer = browser.send_json("POST", f"{API}/disconnect", {"remove_links": False})
        assert answer.status_code == 200
        assert answer.json["confirmed_by_xero"] is True
        assert re.fullmatch(
            rf"Disconnected from {re.escape(world.main.name)} at \d\d:\d\d(?: \w+)?\."
            r" Access was revoked and our copy deleted\.",
            answer.json["message"],
        )
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
        assert answer.json["message"] == (
            "Our copy of the access is deleted and nothing more will be sent. Xero did not confirm."
            " To be sure, remove chase.md in Xero under Settings, Connected apps."
        )
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
