"""One refresh at a time, whoever dies, stalls, loses a race or has a wrong clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests
import responses
from flask import Flask
from sqlalchemy import select, update

from dashboard import database, wiring
from dashboard.clock import utcnow
from dashboard.database import database_time, db
from dashboard.models import ConnectionStatus, Practice, XeroConnection
from dashboard.rules.phase import REFRESH_LEASE, refresh_turn
from dashboard.secret import Secret
from dashboard.services.alerts import AlertService
from dashboard.services.connection_truth import ConnectionTruth
from dashboard.services.token_custody import AccessLost, TokenCustody
from dashboard.xero import TokenSet, XeroError, XeroMustWait, XeroNoAnswer
from tests.conftest import NO_XERO, ON_POSTGRESQL

TOKEN_URL = f"{NO_XERO}/connect/token"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
OLD, NEW = Secret("old access"), Secret("new access")

Answer = tuple[int, dict[str, str], str]
GRANTED: Answer = (
    200,
    {},
    '{"access_token": "new access", "refresh_token": "new refresh", "expires_in": 1800,'
    ' "token_type": "Bearer", "scope": "offline_access"}',
)
REFUSED: Answer = (400, {}, '{"error": "invalid_grant"}')
BROKEN: Answer = (503, {}, "The Xero API is temporarily unavailable")


@dataclass
class Desk:
    """A custody whose time and whose Xero the test holds in its hand."""

    connection_id: UUID
    practice_id: UUID
    now: datetime = NOON
    ticks: float = 0.0
    pauses: int = 0
    during_call: Callable[[], None] = lambda: None
    during_pause: Callable[[], None] = lambda: None
    answers: list[Answer | Exception] = field(default_factory=lambda: [GRANTED])
    asked: list[str] = field(default_factory=list)

    def custody(self, clock: Callable[[], datetime] | None = None) -> TokenCustody:
        alerts = AlertService(session=db.session, clock=lambda: self.now)
        return TokenCustody(
            session=db.session,
            oauth=wiring.outside().oauth,
            cipher=wiring.outside().cipher,
            truth=ConnectionTruth(session=db.session, alerts=alerts, clock=lambda: self.now),
            clock=clock or (lambda: self.now),
            pause=self._pause,
            owner="we",
            monotonic=lambda: self.ticks,
        )

    def refresh(self) -> XeroConnection:
        return self.custody().refresh(self.connection_id, 1)

    def change(self, **values: Any) -> None:
        """Change the row as another worker would: in a transaction of its own."""
        db.session.rollback()
        with db.engine.begin() as other:
            other.execute(
                update(XeroConnection)
                .where(XeroConnection.id == self.connection_id)
                .values(**values)
            )

    @property
    def row(self) -> Any:
        """The row as it is committed."""
        db.session.rollback()
        with db.engine.connect() as other:
            wanted = select(XeroConnection.__table__).where(XeroConnection.id == self.connection_id)
            return other.execute(wanted).one()

    def held_by_another(self, until: timedelta = REFRESH_LEASE) -> None:
        self.change(refresh_lease_owner="another", refresh_lease_until=self.now + until)

    def other_finishes(self) -> None:
        """Let another worker store the next version."""
        self.change(
            token_version=2,
            refresh_lease_owner=None,
            refresh_lease_until=None,
            token_expires_at=self.now + 30 * MINUTE,
        )

    def answer(self, request: requests.PreparedRequest) -> Answer:
        assert not db.session().in_transaction(), "a transaction is open while Xero is asked"
        self.asked.append(str(request.body))
        self.during_call()
        said = self.answers.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    def _pause(self, seconds: float) -> None:
        assert not db.session().in_transaction(), (
            "a transaction is open while others are waited for"
        )
        self.ticks += seconds
        self.pauses += 1
        self.during_pause()


@pytest.fixture
def desk(app: Flask, practice: Practice) -> Iterator[Desk]:
    """A connection whose tokens are 26 minutes old and live for four more."""
    practice_id = practice.id
    connection = XeroConnection(
        id=uuid4(), practice_id=practice_id, xero_tenant_id="tenant", token_version=0
    )
    desk = Desk(connection.id, practice_id)
    tokens = TokenSet(access=OLD, refresh=Secret("old refresh"), expires_in=1800, scopes=())
    columns = desk.custody().columns_for(connection, tokens, NOON - 26 * MINUTE)
    for name, value in columns.items():
        setattr(connection, name, value)
    connection.status = ConnectionStatus.ACTIVE
    db.session.add(connection)
    db.session.commit()
    with responses.RequestsMock() as xero:
        xero.assert_all_requests_are_fired = False
        xero.add_callback(responses.POST, TOKEN_URL, callback=desk.answer)
        yield desk


class TestRefreshing:
    def test_the_intent_is_committed_before_xero_is_asked(self, desk: Desk) -> None:
        seen = []
        desk.during_call = lambda: seen.append(desk.row)
        desk.refresh()
        [row] = seen
        assert row.refresh_lease_owner.startswith("we#")
        assert row.refresh_lease_until == NOON + REFRESH_LEASE
        # Should we die now, the sweep finds a row that is due once the lease is over.
        assert row.refresh_started_at == row.refresh_due_at == NOON

    def test_new_tokens_are_stored_with_their_turn_and_the_one_they_replaced(
        self, desk: Desk
    ) -> None:
        connection = desk.refresh()
        db.session.rollback()
        row = desk.row
        assert (row.token_version, row.refresh_lease_owner, row.refresh_started_at) == (
            2,
            None,
            None,
        )
        assert row.token_expires_at == NOON + 30 * MINUTE
        assert row.refresh_due_at == refresh_turn(desk.practice_id, NOON, NOON + 30 * MINUTE)
        assert row.previous_refresh_token_until == NOON + 30 * MINUTE
        assert desk.custody().refresh_secret(connection) == Secret("new refresh")

    def test_each_lease_has_an_owner_of_its_own(self, desk: Desk) -> None:
        seen = []
        desk.during_call = lambda: seen.append(desk.row.refresh_lease_owner)
        desk.answers = [BROKEN, BROKEN]
        for _ in range(2):
            with pytest.raises(XeroError):
                desk.refresh()
        assert len(set(seen)) == 2

    def test_a_doubled_bell_does_nothing(self, desk: Desk) -> None:
        custody = desk.custody()
        version = custody.due_version(desk.connection_id)
        assert version == 1
        for _ in range(2):
            custody.refresh(desk.connection_id, version)
        assert len(desk.asked) == 1
        assert custody.due_version(desk.connection_id) is None


class TestFailing:
    @pytest.mark.parametrize(
        ("said", "minutes"),
        [
            (BROKEN, 1),
            ((500, {}, "<html>"), 1),
            ((200, {"Content-Type": "text/html"}, "<html>"), 1),
            ((429, {}, ""), 1),
            ((429, {"Retry-After": "7"}, ""), 1),
            ((429, {"Retry-After": "300"}, ""), 5),
            ((429, {"Retry-After": "86400"}, ""), 25),
            ((400, {}, '{"error": "invalid_client"}'), 1),
            (requests.ConnectionError("reset"), 1),
            (requests.Timeout("slow"), 1),
        ],
        ids=["503", "500", "page", "429", "429-7s", "429-5m", "429-1d", "app", "reset", "time-out"],
    )
    def test_it_is_tried_again_later_and_changes_nothing_else(
        self, desk: Desk, said: Answer | Exception, minutes: int
    ) -> None:
        desk.answers = [said]
        with pytest.raises(XeroError):
            desk.refresh()
        row = desk.row
        assert (row.status, row.token_version) == (ConnectionStatus.ACTIVE, 1)
        assert (row.refresh_lease_owner, row.refresh_lease_until) == (None, None)
        assert row.refresh_due_at == NOON + minutes * MINUTE

    def test_what_is_left_of_the_old_access_serves_meanwhile(self, desk: Desk) -> None:
        desk.answers = [BROKEN, BROKEN]
        for _ in range(3):
            assert desk.custody().access(desk.connection_id) == (OLD, 1)
        # Within the minute nobody asks again.
        assert len(desk.asked) == 1
        desk.now += MINUTE
        assert desk.custody().access(desk.connection_id) == (OLD, 1)
        assert len(desk.asked) == 2

    def test_without_life_left_the_call_is_known_not_to_have_been_made(self, desk: Desk) -> None:
        desk.now += 3.5 * MINUTE
        desk.answers = [BROKEN]
        with pytest.raises(XeroNoAnswer) as silence:
            desk.custody().access(desk.connection_id)
        assert silence.value.maybe_sent is False

    def test_a_worker_that_is_stopped_gives_the_lease_back(self, desk: Desk) -> None:
        def stop() -> None:
            raise KeyboardInterrupt

        desk.during_call = stop
        with pytest.raises(KeyboardInterrupt):
            desk.refresh()
        assert desk.row.refresh_lease_owner is None
        assert desk.row.refresh_due_at == NOON + MINUTE


class TestRefusal:
    def test_one_is_believed_and_not_repeated(self, desk: Desk) -> None:
        desk.answers = [REFUSED]
        with pytest.raises(AccessLost):
            desk.refresh()
        assert desk.row.status == ConnectionStatus.TOKEN_EXPIRED
        with pytest.raises(AccessLost):
            desk.refresh()
        assert len(desk.asked) == 1

    def test_after_the_lease_went_to_another_it_means_nothing(self, desk: Desk) -> None:
        desk.during_call = desk.held_by_another
        desk.during_pause = desk.other_finishes
        desk.answers = [REFUSED]
        assert desk.refresh().token_version == 2
        assert desk.row.status == ConnectionStatus.ACTIVE

    def test_after_a_reconnection_it_means_nothing(self, desk: Desk) -> None:
        desk.during_call = desk.other_finishes
        desk.answers = [REFUSED]
        assert desk.refresh().token_version == 2
        assert desk.row.status == ConnectionStatus.ACTIVE

    def test_after_a_disconnection_it_stays_disconnected(self, desk: Desk) -> None:
        desk.during_call = lambda: desk.change(status=ConnectionStatus.DISCONNECTED)
        desk.answers = [REFUSED]
        with pytest.raises(AccessLost):
            desk.refresh()
        assert desk.row.status == ConnectionStatus.DISCONNECTED


class TestLosingTheLease:
    def test_whoever_lost_it_overwrites_nothing(self, desk: Desk) -> None:
        desk.during_call = desk.held_by_another
        desk.during_pause = desk.other_finishes
        before = desk.row.refresh_token_encrypted
        assert desk.refresh().token_version == 2
        assert desk.row.refresh_token_encrypted == before

    def test_tokens_that_were_erased_meanwhile_stay_erased(self, desk: Desk) -> None:
        erased = {
            "status": ConnectionStatus.DISCONNECTED,
            "access_token_encrypted": None,
            "refresh_token_encrypted": None,
            "token_version": 2,
        }
        desk.during_call = lambda: desk.change(**erased)
        with pytest.raises(AccessLost):
            desk.refresh()
        assert desk.row.refresh_token_encrypted is None
        assert desk.row.status == ConnectionStatus.DISCONNECTED

    @pytest.mark.parametrize(("ticks", "seconds"), [(6, 0), (0, 6)], ids=["stalled", "asleep"])
    def test_whoever_was_held_up_after_taking_it_does_not_begin(
        self, desk: Desk, ticks: float, seconds: float
    ) -> None:
        custody = desk.custody()
        salt_of = custody.salt_of

        def slow_salt(practice_id: UUID) -> bytes:
            desk.ticks += ticks
            desk.now += timedelta(seconds=seconds)
            return salt_of(practice_id)

        custody.salt_of = slow_salt  # type: ignore[method-assign]
        with pytest.raises(XeroMustWait):
            custody.refresh(desk.connection_id, 1)
        assert desk.asked == []
        assert desk.row.refresh_lease_owner is None


class TestWaitingForAnother:
    def test_the_winners_tokens_serve_all(self, desk: Desk) -> None:
        desk.held_by_another()
        desk.during_pause = desk.other_finishes
        assert desk.refresh().token_version == 2
        assert desk.asked == []

    def test_it_has_an_end(self, desk: Desk) -> None:
        desk.held_by_another()
        with pytest.raises(XeroMustWait):
            desk.refresh()
        assert desk.asked == []
        assert desk.ticks == pytest.approx(25, abs=1)

    def test_a_failure_of_the_other_is_not_repeated_at_once(self, desk: Desk) -> None:
        desk.held_by_another()
        desk.during_pause = lambda: desk.change(refresh_lease_owner=None, refresh_lease_until=None)
        with pytest.raises(XeroMustWait):
            desk.refresh()
        assert desk.asked == []

    def test_a_lease_of_a_dead_worker_runs_out(self, desk: Desk) -> None:
        desk.held_by_another()
        desk.now += REFRESH_LEASE
        assert desk.refresh().token_version == 2
        assert len(desk.asked) == 1


class TestClocks:
    def test_one_that_is_put_back_makes_nobody_wait_for_ever(self, desk: Desk) -> None:
        desk.held_by_another()
        desk.now -= DAY
        # The holder may be in the middle of it: it keeps a whole lease from now on.
        with pytest.raises(XeroMustWait):
            desk.refresh()
        assert desk.asked == []
        assert desk.row.refresh_lease_until == desk.now + REFRESH_LEASE
        desk.now += REFRESH_LEASE
        assert desk.refresh().token_version == 2

    def test_tokens_from_the_future_are_due_and_not_trusted(self, desk: Desk) -> None:
        desk.refresh()
        desk.now -= DAY
        custody = desk.custody()
        assert custody.due_version(desk.connection_id) == 2
        desk.answers = [GRANTED]
        assert custody.access(desk.connection_id) == (NEW, 3)
        assert desk.row.token_expires_at == desk.now + 30 * MINUTE

    @pytest.mark.parametrize("off", [DAY, -DAY], ids=["ahead", "behind"])
    @pytest.mark.skipif(not ON_POSTGRESQL, reason="SQLite has no clock of its own")
    def test_this_machines_own_does_not_matter(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch, off: timedelta
    ) -> None:
        for module in (wiring, database):
            monkeypatch.setattr(module, "utcnow", lambda: utcnow() + off)
        auth, custody = wiring.xero_auth(), desk.custody(wiring.shared_clock)
        now = database_time(db.session)
        desk.change(refresh_due_at=now + 10 * MINUTE)
        auth.refresh_if_due(desk.connection_id)
        # Another machine is at it: its lease is neither stolen nor waited for until tomorrow.
        held = {"refresh_lease_owner": "another", "refresh_lease_until": now + REFRESH_LEASE}
        desk.change(refresh_due_at=now - MINUTE, **held)
        with pytest.raises(XeroMustWait):
            custody.refresh(desk.connection_id, 1)
        assert desk.asked == []
        desk.change(refresh_lease_owner=None, refresh_lease_until=now)
        auth.refresh_if_due(desk.connection_id)
        assert len(desk.asked) == 1
        row = desk.row
        assert row.status == ConnectionStatus.ACTIVE
        assert abs(row.token_expires_at - now - 30 * MINUTE) < MINUTE
        assert now < row.refresh_due_at <= now + 26 * MINUTE


class TestOtherVerdicts:
    def test_a_second_401_is_no_verdict_while_somebody_refreshes(self, desk: Desk) -> None:
        alerts = AlertService(session=db.session, clock=lambda: NOON)
        truth = ConnectionTruth(session=db.session, alerts=alerts, clock=lambda: NOON)
        desk.held_by_another()
        assert truth.access_lost(desk.connection_id, 1) is False
        desk.other_finishes()
        assert truth.access_lost(desk.connection_id, 1) is False
        assert desk.row.status == ConnectionStatus.ACTIVE
        assert truth.access_lost(desk.connection_id, 2) is True
        assert desk.row.status == ConnectionStatus.TOKEN_EXPIRED
