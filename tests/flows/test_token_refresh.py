"""Tokens are refreshed once, however many ask, and a refusal is believed only when it is true."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import Alert, AlertCause, ConnectionStatus, User, XeroConnection
from dashboard.services.refusals import ConnectionNotUsable
from dashboard.simulator import World
from dashboard.xero import Priority, XeroError, XeroMustWait
from dashboard.xero.deadline import DeadlineAdapter
from tests.flows.test_connect import API, connect
from tests.support.browser import Browser


@pytest.fixture
def connection(browser: Browser, world: World, session: Session) -> XeroConnection:
    """A connection made by a real consent."""
    connect(browser, world)
    session.rollback()
    found = session.scalars(select(XeroConnection)).one()
    session.refresh(found)
    return found


@pytest.fixture
def expired(connection: XeroConnection, session: Session) -> XeroConnection:
    """Its access token has run out."""
    session.execute(update(XeroConnection).values(token_expires_at=utcnow() - timedelta(seconds=1)))
    session.commit()
    return connection


def rotations(world: World) -> int:
    return sum(call.path == "/connect/token" and call.status == 200 for call in world.calls.last())


def status_of(session: Session) -> ConnectionStatus:
    session.rollback()
    return session.scalars(select(XeroConnection)).one().status


class TestRefreshing:
    def test_a_call_refreshes_first_when_little_life_is_left(
        self, expired: XeroConnection, world: World, session: Session
    ) -> None:
        practice_id, before = expired.practice_id, expired.token_version
        with wiring.xero_auth().calling(practice_id, Priority.PERSON) as call:
            assert call.xero.accounting.organisation().name == world.main.name
        session.rollback()
        after = session.scalars(select(XeroConnection)).one()
        assert after.token_version == before + 1
        assert after.token_expires_at is not None
        assert after.token_expires_at > utcnow() + timedelta(minutes=20)
        assert after.refresh_lease_owner is None

    def test_eight_at_once_refresh_once(
        self, app: Flask, expired: XeroConnection, world: World
    ) -> None:
        practice_id, before = expired.practice_id, rotations(world)
        db.session.remove()
        together = threading.Barrier(8)

        def call(_number: int) -> str:
            with app.app_context():
                together.wait()
                with wiring.xero_auth().calling(practice_id, Priority.PERSON) as call:
                    return call.xero.tenant_id

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(call, range(8))) == {world.main.tenant_id}
        assert rotations(world) - before == 1

    def test_a_401_in_the_middle_is_cured_once(
        self, connection: XeroConnection, world: World
    ) -> None:
        world.faults.arm("401-expired", path="/api.xro/")
        with wiring.xero_auth().calling(connection.practice_id, Priority.PERSON) as call:
            assert call.xero.accounting.organisation().name == world.main.name

    def test_each_further_401_of_a_long_work_is_cured_too(
        self, connection: XeroConnection, world: World, session: Session
    ) -> None:
        with wiring.xero_auth().calling(connection.practice_id, Priority.SYNC) as call:
            for _ in range(3):
                world.faults.arm("401-expired", path="/api.xro/")
                assert call.xero.accounting.organisation().name == world.main.name
        assert status_of(session) == ConnectionStatus.ACTIVE

    def test_a_second_401_is_no_verdict_on_tokens_that_another_worker_replaced(
        self,
        connection: XeroConnection,
        world: World,
        session: Session,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        practice_id, adapter = connection.practice_id, wiring.outside().transport.adapter
        world.faults.arm("401-expired", path="/api.xro/", times=2)
        send, before = adapter.send, rotations(world)

        def overtaken(*details: Any, **more: Any) -> Any:
            """Let another worker refresh while the second refusal is on its way."""
            answer = send(*details, **more)
            if answer.status_code == 401 and rotations(world) == before + 1:
                session.execute(
                    update(XeroConnection).values(token_version=XeroConnection.token_version + 1)
                )
                session.commit()
            return answer

        monkeypatch.setattr(adapter, "send", overtaken)
        with (
            pytest.raises(XeroError),
            wiring.xero_auth().calling(practice_id, Priority.PERSON) as call,
        ):
            call.xero.accounting.organisation()
        assert world.faults.injected["401-expired"] == 2
        assert status_of(session) == ConnectionStatus.ACTIVE

    def test_a_second_401_on_the_newest_tokens_is_a_verdict(
        self, connection: XeroConnection, world: World, session: Session
    ) -> None:
        world.faults.arm("401-expired", path="/api.xro/", times=2)
        with (
            pytest.raises(ConnectionNotUsable),
            wiring.xero_auth().calling(connection.practice_id, Priority.PERSON) as call,
        ):
            call.xero.accounting.organisation()
        assert status_of(session) == ConnectionStatus.TOKEN_EXPIRED

    def test_a_lost_answer_is_repeated_with_the_old_token(
        self, expired: XeroConnection, world: World
    ) -> None:
        practice_id = expired.practice_id
        world.faults.arm("store-then-reset", path="/connect/token")
        auth = wiring.xero_auth()
        with pytest.raises(XeroError), auth.calling(practice_id, Priority.PERSON):
            pytest.fail("nothing can be called without access")
        with auth.calling(practice_id, Priority.PERSON) as call:
            assert call.xero.accounting.organisation().name == world.main.name

    def test_a_lease_of_a_dead_worker_runs_out(
        self, expired: XeroConnection, world: World, session: Session
    ) -> None:
        session.execute(
            update(XeroConnection).values(
                refresh_lease_owner="dead", refresh_lease_until=utcnow() - timedelta(seconds=1)
            )
        )
        session.commit()
        with wiring.xero_auth().calling(expired.practice_id, Priority.PERSON) as call:
            assert call.xero.accounting.organisation().name == world.main.name


class TestTransactions:
    def test_none_is_open_while_xero_is_asked(
        self, browser: Browser, world: World, session: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send, paths = DeadlineAdapter.send, set()

        def watched(adapter: DeadlineAdapter, request: Any, *details: Any, **more: Any) -> Any:
            assert not db.session().in_transaction(), request.url
            paths.add(urlsplit(request.url).path)
            return send(adapter, request, *details, **more)

        monkeypatch.setattr(DeadlineAdapter, "send", watched)
        connect(browser, world)
        practice_id = session.scalars(select(XeroConnection.practice_id)).one()
        connection_id = session.scalars(select(XeroConnection.id)).one()
        session.rollback()
        wiring.xero_sync().sync_contacts(practice_id)
        wiring.xero_auth().refresh_token(connection_id)
        wiring.xero_auth().check_health(connection_id)
        wiring.xero_auth().disconnect(practice_id)
        assert {"/connect/token", "/connections", "/api.xro/2.0/Contacts"} <= paths
        assert "/connect/revocation" in paths


class TestTrouble:
    @pytest.mark.parametrize(
        "fault", ["503-maintenance", "500-html", "500-json", "200-html", "reset", "half-body"]
    )
    def test_it_never_ends_the_connection(
        self, expired: XeroConnection, world: World, session: Session, fault: str
    ) -> None:
        practice_id = expired.practice_id
        world.faults.arm(fault, path="/connect/token")
        auth = wiring.xero_auth()
        with pytest.raises(XeroError), auth.calling(practice_id, Priority.PERSON):
            pytest.fail("nothing can be called without access")
        assert status_of(session) == ConnectionStatus.ACTIVE
        with auth.calling(practice_id, Priority.PERSON) as call:
            assert call.xero.accounting.organisation().name == world.main.name

    def test_our_own_secret_being_refused_is_not_the_practices_fault(
        self, expired: XeroConnection, world: World, session: Session
    ) -> None:
        world.faults.arm("invalid_client")
        auth = wiring.xero_auth()
        with (
            pytest.raises(XeroError),
            auth.calling(expired.practice_id, Priority.PERSON),
        ):
            pytest.fail("nothing can be called without access")
        assert status_of(session) == ConnectionStatus.ACTIVE
        connection = session.scalars(select(XeroConnection)).one()
        # No call worked, so the connection must not look healthier than it is.
        assert connection.consecutive_errors == 1
        assert connection.last_error == "Xero does not accept this installation’s app."

    @pytest.mark.parametrize(
        ("fault", "asked", "paused"),
        [
            ("429-concurrent", 0, 2),
            ("429-minute", 0, 60),
            ("429-minute", 7, 7),
            ("429-day", 10_000_000, 86_400),
        ],
    )
    def test_a_limit_pauses_as_long_as_it_is_worth(
        self, connection: XeroConnection, world: World, fault: str, asked: int, paused: float
    ) -> None:
        world.faults.arm(fault, path="/api.xro/", retry_after=asked)
        with (
            pytest.raises(XeroMustWait) as waiting,
            wiring.xero_auth().calling(connection.practice_id, Priority.PERSON) as call,
        ):
            call.xero.accounting.organisation()
        assert waiting.value.seconds == pytest.approx(paused, abs=2)

    def test_a_true_refusal_is_on_every_page(
        self, browser: Browser, expired: XeroConnection, world: World, session: Session
    ) -> None:
        practice_id = expired.practice_id
        world.faults.arm("invalid_grant", times=5)
        auth, before = wiring.xero_auth(), len(world.calls.last())
        with (
            pytest.raises(ConnectionNotUsable),
            auth.calling(practice_id, Priority.PERSON),
        ):
            pytest.fail("nothing can be called without access")
        assert len(world.calls.last()) - before == 1
        assert status_of(session) == ConnectionStatus.TOKEN_EXPIRED
        with (
            pytest.raises(ConnectionNotUsable),
            auth.calling(practice_id, Priority.PERSON),
        ):
            pytest.fail("nothing is asked again")
        assert len(world.calls.last()) - before == 1
        alert = session.scalars(select(Alert).where(Alert.closed_at.is_(None))).one()
        assert alert.cause == AlertCause.RECONNECT_NEEDED
        assert browser.get_json(f"{API}/status")["status"] == "token_expired"
        for path in ("/settings", "/documents", "/clients", "/"):
            page = browser.get(path).text
            assert "Reconnect needed" in page
            assert ">Connected<" not in page

    def test_staff_read_whom_to_ask(
        self,
        browser_of: Callable[[User], Browser],
        colleague: User,
        admin: User,
        expired: XeroConnection,
        world: World,
    ) -> None:
        name = admin.name
        world.faults.arm("invalid_grant")
        with (
            pytest.raises(ConnectionNotUsable),
            wiring.xero_auth().calling(expired.practice_id, Priority.PERSON),
        ):
            pytest.fail("nothing can be called without access")
        page = browser_of(colleague).get("/settings").text
        assert f"Only practice admins can reconnect Xero. Ask {name}." in page
        assert "Reconnect to Xero</button>" not in page

    def test_reconnecting_closes_the_alert(
        self, browser: Browser, expired: XeroConnection, world: World, session: Session
    ) -> None:
        world.faults.arm("invalid_grant")
        with (
            pytest.raises(ConnectionNotUsable),
            wiring.xero_auth().calling(expired.practice_id, Priority.PERSON),
        ):
            pytest.fail("nothing can be called without access")
        connect(browser, world)
        assert status_of(session) == ConnectionStatus.ACTIVE
        assert session.scalars(select(Alert).where(Alert.closed_at.is_(None))).all() == []


class TestHealth:
    def test_a_removal_inside_xero_is_noticed(
        self, browser: Browser, connection: XeroConnection, world: World, session: Session
    ) -> None:
        connection_id = connection.id
        for held in world.state.connections.values():
            held.disconnected_at = world.clock.now()
        with pytest.raises(ConnectionNotUsable):
            wiring.xero_auth().check_health(connection_id)
        assert status_of(session) == ConnectionStatus.DISCONNECTED
        page = browser.get("/").text
        assert "Someone removed chase.md under Connected apps in Xero." in page

    def test_a_403_is_told_from_a_removal_by_asking(
        self, connection: XeroConnection, world: World, session: Session
    ) -> None:
        world.faults.arm("403-disconnected", path="/api.xro/")
        with (
            pytest.raises(XeroError),
            wiring.xero_auth().calling(connection.practice_id, Priority.PERSON) as call,
        ):
            call.xero.accounting.organisation()
        assert status_of(session) == ConnectionStatus.ERROR
        wiring.xero_auth().check_health(connection.id)
        assert status_of(session) == ConnectionStatus.ACTIVE

    def test_check_now_says_what_it_found(self, browser: Browser, world: World) -> None:
        connect(browser, world)
        answer = browser.post("/settings/check")
        assert answer.status_code == 303
        assert "The connection works." in browser.get("/settings").text
