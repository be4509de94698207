"""What Xero's answers mean for a connection, and what is written down about it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.models import Alert, AlertCause, ConnectionStatus, XeroConnection
from dashboard.queries import due
from dashboard.rules.connection_sentences import look_again_after
from dashboard.rules.phase import HEALTH_EVERY, HEALTH_HOLD, first_slot
from dashboard.services.refusals import ConnectionNotUsable, NotConnected
from dashboard.simulator import World
from dashboard.simulator.admin import perform
from dashboard.xero import (
    Priority,
    XeroError,
    XeroForbidden,
    XeroMustWait,
    XeroNoAnswer,
    XeroUnauthorised,
    XeroUnavailable,
)
from tests.flows.test_connect import connect, remove_in_xero
from tests.support.browser import Browser
from tests.support.dying import killed

ORGANISATION = "/api.xro/2.0/Organisation"
HEADER = "/panels/frame"
REMOVED = "Someone removed chase.md under Connected apps in Xero."


@pytest.fixture
def connection(browser: Browser, world: World, session: Session) -> XeroConnection:
    """A connection made by a real consent."""
    connect(browser, world)
    return now_of(session)


def now_of(session: Session) -> XeroConnection:
    session.rollback()
    return session.scalars(select(XeroConnection).execution_options(populate_existing=True)).one()


def open_alerts(session: Session) -> list[AlertCause]:
    session.rollback()
    return list(session.scalars(select(Alert.cause).where(Alert.closed_at.is_(None))))


def call(connection: XeroConnection) -> None:
    """Read the organisation, as somebody who has business with Xero does."""
    practice_id = connection.practice_id
    with wiring.xero_auth().calling(practice_id, Priority.PERSON) as called:
        called.xero.accounting.organisation()


def take_role(world: World, action: str = "remove_role") -> None:
    """Take the person who connected out of the organisation, or let them in again."""
    [held] = world.state.connections.values()
    perform(world, action, {"user_id": held.user_id, "tenant_id": held.tenant_id})


class TestUnauthorised:
    @pytest.mark.parametrize("path", [ORGANISATION, "/connections"])
    def test_once_is_cured_with_fresh_access(
        self, connection: XeroConnection, world: World, session: Session, path: str
    ) -> None:
        before = connection.token_version
        world.faults.arm("401-expired", path=path)
        wiring.xero_auth().check_health(connection.id)
        after = now_of(session)
        assert (after.status, after.token_version) == (ConnectionStatus.ACTIVE, before + 1)

    @pytest.mark.parametrize("path", [ORGANISATION, "/connections"])
    def test_twice_means_that_a_person_must_reconnect(
        self, connection: XeroConnection, world: World, session: Session, path: str
    ) -> None:
        world.faults.arm("401-expired", path=path, times=2)
        auth = wiring.xero_auth()
        with pytest.raises(ConnectionNotUsable, match="stopped accepting our access"):
            auth.check_health(connection.id)
        after = now_of(session)
        assert after.status == ConnectionStatus.TOKEN_EXPIRED
        assert after.last_error == "Xero stopped accepting our access."
        assert after.last_error_at is not None
        assert open_alerts(session) == [AlertCause.RECONNECT_NEEDED]
        before = len(world.calls.last())
        for ask in (
            lambda: auth.check_health(after.id),
            lambda: call(after),
            lambda: auth.refresh_token(after.id),
        ):
            with suppress(ConnectionNotUsable):
                ask()
        assert len(world.calls.last()) == before
        later = utcnow() + timedelta(days=2)
        assert list(due.connections_to_check(session, later)) == []
        assert due.connections_to_refresh(session, later) == []

    def test_access_that_was_replaced_meanwhile_proves_nothing(
        self, connection: XeroConnection, session: Session
    ) -> None:
        connection_id, practice_id = connection.id, connection.practice_id
        auth = wiring.xero_auth()

        def ask() -> None:
            with auth.calling(practice_id, Priority.PERSON):
                auth.refresh_token(connection_id)
                raise XeroUnauthorised("the old one")

        with pytest.raises(XeroNoAnswer) as caught:
            ask()
        assert not caught.value.maybe_sent
        assert now_of(session).status == ConnectionStatus.ACTIVE

    def test_a_permission_that_is_known_to_be_missing_is_no_news(
        self, browser: Browser, world: World, session: Session
    ) -> None:
        world.options.withheld_scopes = "files"
        connect(browser, world)
        found = now_of(session)
        with (
            pytest.raises(XeroUnauthorised),
            wiring.xero_auth().calling(found.practice_id, Priority.PERSON) as called,
        ):
            called.xero.files.folders()
        assert now_of(session).status == ConnectionStatus.ACTIVE
        assert open_alerts(session) == [AlertCause.PERMISSION_NEEDED]


class TestForbidden:
    def test_an_organisation_that_is_gone_was_disconnected_inside_xero(
        self, browser: Browser, connection: XeroConnection, world: World, session: Session
    ) -> None:
        remove_in_xero(world)
        with pytest.raises(ConnectionNotUsable, match="Someone removed chase"):
            call(connection)
        after = now_of(session)
        assert after.status == ConnectionStatus.DISCONNECTED
        assert after.last_error == REMOVED
        assert after.last_error_at is not None
        assert after.access_token_encrypted is None
        assert after.refresh_token_encrypted is None
        assert open_alerts(session) == [AlertCause.DISCONNECTED_IN_XERO]
        # Nothing of the grant is left at Xero either.
        assert world.state.refresh_tokens == {}
        assert browser.get_json("/api/integrations/xero/status")["last_error"] == REMOVED
        with pytest.raises(NotConnected):
            call(after)

    def test_one_that_is_listed_is_a_problem_told_in_xeros_words(
        self, connection: XeroConnection, world: World, session: Session
    ) -> None:
        take_role(world)
        with pytest.raises(XeroForbidden):
            call(connection)
        after = now_of(session)
        assert after.status == ConnectionStatus.ERROR
        assert after.last_error == "AuthenticationUnsuccessful"
        assert after.last_error_status == 403
        assert after.last_error_reference
        assert after.refresh_token_encrypted is not None
        assert open_alerts(session) == [AlertCause.CONNECTION_PROBLEM]

    @pytest.mark.parametrize("fault", ["503-maintenance", "reset", "200-html", "401-expired"])
    def test_without_the_list_nothing_is_believed(
        self, connection: XeroConnection, world: World, session: Session, fault: str
    ) -> None:
        """A single 401 of the list is cured; with any other trouble we cannot know."""
        world.faults.arm("403-disconnected", path=ORGANISATION)
        world.faults.arm(fault, path="/connections", times=1 if fault == "401-expired" else 2)
        with pytest.raises(XeroError):
            call(connection)
        after = now_of(session)
        if fault == "401-expired":
            assert after.status == ConnectionStatus.ERROR
        else:
            assert after.status == ConnectionStatus.ACTIVE
            assert after.consecutive_errors == 1
        assert world.faults.injected[fault] > 0

    def test_a_limit_in_between_is_a_limit(
        self, connection: XeroConnection, world: World, session: Session
    ) -> None:
        world.faults.arm("403-disconnected", path=ORGANISATION)
        world.faults.arm("429-app-minute", path="/connections", retry_after=9)
        with pytest.raises(XeroMustWait):
            call(connection)
        after = now_of(session)
        assert (after.status, after.waits_because) == (ConnectionStatus.ACTIVE, "app-minute")


class TestRecovery:
    def test_it_is_looked_at_again_soon_and_then_less_often(
        self, connection: XeroConnection, world: World, session: Session
    ) -> None:
        take_role(world)
        auth = wiring.xero_auth()
        with pytest.raises(XeroForbidden):
            call(connection)
        for errors in range(2, 7):
            with pytest.raises(XeroForbidden):
                auth.check_health(connection.id)
            found = now_of(session)
            assert found.consecutive_errors == errors
            assert found.health_due_at is not None
            # Its hourly turn may come sooner.
            assert found.health_due_at <= utcnow() + look_again_after(errors)

    def test_it_recovers_by_itself(
        self, connection: XeroConnection, world: World, session: Session
    ) -> None:
        take_role(world)
        with pytest.raises(XeroForbidden):
            call(connection)
        take_role(world, "restore_role")
        soon = utcnow() + timedelta(seconds=61)
        assert list(due.connections_to_check(session, soon)) == [connection.id]
        wiring.xero_auth().check_health(connection.id)
        after = now_of(session)
        assert after.status == ConnectionStatus.ACTIVE
        assert (after.last_error, after.last_error_status) == (None, None)
        assert open_alerts(session) == []

    def test_a_doubled_bell_checks_once_and_nothing_before_its_time(
        self, connection: XeroConnection, world: World, session: Session
    ) -> None:
        auth, connection_id = wiring.xero_auth(), connection.id
        made = len(world.calls.last())
        for due_at, calls in ((utcnow() + timedelta(minutes=1), 0), (utcnow(), 2)):
            now_of(session).health_due_at = due_at
            session.commit()
            auth.check_if_due(connection_id)
            auth.check_if_due(connection_id)
            assert len(world.calls.last()) == made + calls

    def test_a_check_that_nobody_ended_is_made_again_after_a_moment(
        self, connection: XeroConnection, session: Session
    ) -> None:
        connection_id = connection.id
        connection.health_due_at = began = utcnow()
        session.commit()

        def check(die: Callable[..., None]) -> None:
            wiring.outside().transport.adapter.send = die  # type: ignore[method-assign]
            wiring.xero_auth().check_if_due(connection_id)

        killed(check)
        now = utcnow()
        assert due.connections_to_check(session(), began + HEALTH_HOLD) == {}
        assert list(due.connections_to_check(session(), now + HEALTH_HOLD)) == [connection_id]

    @pytest.mark.parametrize("status", [ConnectionStatus.ACTIVE, ConnectionStatus.DISCONNECTED])
    def test_two_workers_make_one_check_and_then_it_is_the_practices_own_turn(
        self,
        connection: XeroConnection,
        world: World,
        session: Session,
        monkeypatch: pytest.MonkeyPatch,
        status: ConnectionStatus,
    ) -> None:
        connection_id, practice_id = connection.id, connection.practice_id
        connection.status, connection.health_due_at = status, utcnow()
        session.commit()
        adapter = wiring.outside().transport.adapter
        send, others = adapter.send, []

        def send_while_another_asks(*details: Any, **more: Any) -> Any:
            before = len(world.calls.last())
            wiring.xero_auth().check_if_due(connection_id)
            others.append(len(world.calls.last()) - before)
            return send(*details, **more)

        monkeypatch.setattr(adapter, "send", send_while_another_asks)
        began = utcnow()
        wiring.xero_auth().check_if_due(connection_id)
        assert others == [0, 0]
        turns = [first_slot(practice_id, HEALTH_EVERY, at) for at in (began, utcnow())]
        assert now_of(session).health_due_at in turns

    def test_trouble_of_files_alone_is_over_when_files_answers(
        self, connection: XeroConnection, world: World, session: Session
    ) -> None:
        auth = wiring.xero_auth()
        world.faults.arm("403-disconnected", path="/files.xro/", times=2)
        with (
            pytest.raises(XeroForbidden),
            auth.calling(connection.practice_id, Priority.PUSH) as called,
        ):
            called.xero.files.folders()
        with pytest.raises(XeroForbidden):
            auth.check_health(connection.id)
        assert now_of(session).status == ConnectionStatus.ERROR
        auth.check_health(connection.id)
        assert now_of(session).status == ConnectionStatus.ACTIVE

    @pytest.mark.parametrize("fault", ["503-maintenance", "500-html", "reset"])
    def test_an_outage_is_doubt_and_ends_with_the_next_good_answer(
        self, connection: XeroConnection, world: World, session: Session, fault: str
    ) -> None:
        world.faults.arm(fault, path=ORGANISATION, times=2 if fault == "reset" else 1)
        with pytest.raises(XeroError):
            call(connection)
        found = now_of(session)
        assert (found.status, found.consecutive_errors) == (ConnectionStatus.ACTIVE, 1)
        assert found.last_error is not None
        assert found.last_error.startswith("Xero did not answer properly.")
        assert found.health_due_at is not None
        assert found.health_due_at <= utcnow() + timedelta(seconds=61)
        world.faults.clear()
        wiring.xero_auth().check_health(found.id)
        after = now_of(session)
        assert (after.consecutive_errors, after.last_error) == (0, None)


class TestLeaving:
    def test_revoking_is_enough_when_deleting_does_not_work(
        self, browser: Browser, connection: XeroConnection, world: World, session: Session
    ) -> None:
        world.faults.arm("503-maintenance", method="DELETE", path="/connections")
        result = wiring.xero_auth().disconnect(connection.practice_id)
        assert result.confirmed_by_xero
        assert world.state.refresh_tokens == {}
        after = now_of(session)
        assert (after.status, after.last_error) == (ConnectionStatus.DISCONNECTED, None)

    def test_what_was_left_half_way_is_finished(
        self, connection: XeroConnection, world: World, session: Session
    ) -> None:
        connection.status = ConnectionStatus.DISCONNECTED
        connection.health_due_at = utcnow()
        session.commit()
        assert list(due.connections_to_check(session, utcnow())) == [connection.id]
        wiring.xero_auth().check_health(connection.id)
        assert now_of(session).refresh_token_encrypted is None
        assert world.state.refresh_tokens == {}

    def test_an_error_that_comes_late_does_not_speak_of_xero_any_more(
        self, connection: XeroConnection, session: Session
    ) -> None:
        """What a call meets after somebody disconnected here says nothing about the connection."""
        practice_id = connection.practice_id

        def ask() -> None:
            with wiring.xero_auth().calling(practice_id, Priority.PERSON):
                wiring.xero_auth().disconnect(practice_id)
                raise XeroUnavailable("too late")

        with pytest.raises(XeroError):
            ask()
        assert now_of(session).last_error is None


class TestShownSoon:
    def test_a_revocation_is_in_the_header_with_the_next_poll(
        self, browser: Browser, connection: XeroConnection, world: World, session: Session
    ) -> None:
        """Every page's header asks once a minute; what it has seen is out of date at once."""
        header = browser.get(HEADER, headers={"HX-Request": "true"}).text
        assert "every 60s" in header
        seen = header.split("seen=")[1].split('"')[0]
        [held] = world.state.connections.values()
        perform(world, "revoke_user", {"user_id": held.user_id})
        connection.token_expires_at = utcnow() - timedelta(seconds=1)
        session.commit()
        with pytest.raises(ConnectionNotUsable):
            call(connection)
        answer = browser.get(f"{HEADER}?seen={seen}", headers={"HX-Request": "true"})
        assert answer.status_code == 200
        assert "Reconnect needed" in answer.text


def test_a_persons_check_may_use_what_background_work_leaves(
    connection: XeroConnection, browser: Browser, session: Session
) -> None:
    governor = wiring.outside().governor
    tenant_id, practice_id = connection.xero_tenant_id, connection.practice_id
    session.rollback()
    while True:
        try:
            slot = governor.acquire(tenant_id, Priority.PUSH)
        except XeroMustWait:
            break
        governor.release(slot, status=200, headers={})
    with (
        pytest.raises(XeroMustWait),
        wiring.xero_auth().calling(practice_id, Priority.PUSH) as called,
    ):
        called.xero.files.folders()
    browser.post("/settings/check")
    assert "Checked just now. The connection works." in browser.get("/settings").text
    # Background work still waits: the call came out of what is kept for people.
    assert now_of(session).waits_because == "minute"


def test_a_persons_call_does_not_end_a_used_up_day_and_a_workers_does(
    connection: XeroConnection, session: Session
) -> None:
    connection_id, truth = connection.id, wiring.xero_auth()._truth
    session.rollback()
    truth.must_wait(connection_id, 3600, "day")
    truth.good_call(connection_id, from_reserve=True)
    assert now_of(session).waits_because == "day"
    assert open_alerts(session) == [AlertCause.DAY_LIMIT]
    truth.good_call(connection_id)
    assert now_of(session).waits_until is None
    assert open_alerts(session) == []
