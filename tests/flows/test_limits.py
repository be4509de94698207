"""Xero's limits and the limiter's own troubles, from the queue to Xero and back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from flask import Flask, current_app
from sqlalchemy import select

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.config import Settings
from dashboard.database import db
from dashboard.embedded import EmbeddedRedis, start_redis
from dashboard.models import Alert, AlertCause, PushStatus
from dashboard.simulator import App, LimitRules, World, build_world
from dashboard.xero import Limits, Priority, Spans, WaitReason, XeroMustWait
from jobs import file_push
from jobs.queue import workers_alive
from jobs.stopping import Stopping
from jobs.worker import ChaseWorker
from tests import factories
from tests.dashboard.services.filing import CALLBACK, Filing, make_filing, roomy
from tests.support import servers

MINUTE = 1.5
WAIT_SECONDS = 60.0


@pytest.fixture
def rules() -> LimitRules:
    """What the pretend Xero allows; a test changes it before anybody calls."""
    return LimitRules(minute=100_000, day=100_000)


@pytest.fixture
def world(rules: LimitRules) -> World:
    app = App(client_id="demo-client", client_secret="demo-secret", redirect_uris=(CALLBACK,))
    return build_world(app=app, contact_count=12, limit_rules=rules)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return roomy(settings)


@pytest.fixture
def filings(app: Flask, world: World) -> list[Filing]:
    """Two practices, each connected to an organisation of its own, with a client."""
    made = []
    for number, organisation in enumerate(list(world.state.organisations.values())[:2]):
        practice = factories.make_practice(name=f"Practice {number}")
        admin = factories.make_user(practice)
        store = wiring.outside().store
        made.append(make_filing(practice, admin, world, store, organisation.name))
    wiring.outside().governor._memory = wiring.outside().notes
    return made


def work(filing: Filing) -> None:
    """Sweep once and do all that is due, as a worker does."""
    db.session.rollback()
    file_push.sweep()
    own = redis.Redis.from_url(wiring.settings().redis_url)
    ChaseWorker(
        current_app._get_current_object(),  # type: ignore[attr-defined]
        own,
        Stopping(leave=lambda _code: None),
    ).serve(burst=True)
    own.close()
    db.session.rollback()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_over(filing: Filing) -> bool:
    until = filing.connection.waits_until
    db.session.rollback()
    return until is None or until <= utcnow()


def calls_to(filing: Filing) -> int:
    tenant_id = filing.connection.xero_tenant_id
    return sum(1 for call in filing.world.calls.last() if call.tenant_id == tenant_id)


def statuses(filing: Filing) -> list[PushStatus]:
    found = [push.status for push in filing.pushes()]
    # On SQLite an open transaction would keep a worker out.
    db.session.rollback()
    return found


class TestRedisLosesItsData:
    def test_no_call_is_one_too_many_and_all_goes_on_after_a_minute(
        self, filings: list[Filing], rules: LimitRules
    ) -> None:
        filing = filings[0]
        client = filing.client()
        rules.minute_seconds = MINUTE
        filing.world.limits.reset()
        filing.accepted(client)
        work(filing)
        # Xero's minute is full to the last call: one more would be a 429.
        rules.minute = calls_to(filing)
        governor = wiring.outside().governor
        governor._limits, governor._spans = Limits(minute=rules.minute), Spans(minute=MINUTE)
        filing.accepted(client)
        with redis.Redis.from_url(wiring.settings().redis_url) as connection:
            connection.flushall()
        calls = calls_to(filing)
        work(filing)
        assert calls_to(filing) == calls
        assert filing.connection.waits_because == WaitReason.SAFE_START
        assert statuses(filing) == [PushStatus.ASSOCIATED, PushStatus.PENDING]
        wait_for(lambda: is_over(filing))
        work(filing)
        assert statuses(filing) == [PushStatus.ASSOCIATED] * 2
        assert filing.world.limits.refused.total() == 0


class TestRedisIsAway:
    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[EmbeddedRedis]:
        server = start_redis(tmp_path / "redis")
        yield server
        server.stop()

    @pytest.fixture
    def settings(self, settings: Settings, server: EmbeddedRedis) -> Settings:
        return replace(settings, redis_url=server.url)

    def test_documents_are_accepted_and_filed_when_it_is_back(
        self, filings: list[Filing], server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        filing = filings[0]
        client = filing.client()
        filing.accepted(client)
        work(filing)
        monkeypatch.setattr("dashboard.xero.governor._UNAVAILABLE_WAIT", 0.1)
        server.process.kill()
        server.process.wait()
        calls = calls_to(filing)
        first, second = filing.accepted(client), filing.accepted(client)
        file_push.sweep()
        file_push.push_practice(str(filing.practice.id))
        assert calls_to(filing) == calls
        assert filing.connection.waits_because == WaitReason.LIMITER_UNAVAILABLE
        assert statuses(filing)[1:] == [PushStatus.PENDING] * 2
        with servers.revived_redis(server.url):
            wait_for(lambda: is_over(filing))
            # What Redis knew of the last minute is lost: it is waited for, and nothing else.
            wiring.outside().governor._spans = Spans(minute=MINUTE)
            work(filing)
            assert calls_to(filing) == calls
            wait_for(lambda: is_over(filing))
            work(filing)
        assert filing.is_filed_once(first)
        assert filing.is_filed_once(second)


class TestRetryAfter:
    def test_the_one_is_left_alone_and_the_other_is_served(self, filings: list[Filing]) -> None:
        slowed, other = filings
        waiting = slowed.accepted(slowed.client())
        filed = other.accepted(other.client())
        slowed.world.faults.arm("429-minute", path="/files.xro/", retry_after=5)
        work(slowed)
        with pytest.raises(XeroMustWait):
            wiring.outside().governor.acquire(slowed.organisation.tenant_id, Priority.PERSON)
        calls = calls_to(slowed)
        work(other)
        assert other.is_filed_once(filed)
        assert calls_to(slowed) == calls
        wait_for(lambda: is_over(slowed))
        work(slowed)
        assert slowed.is_filed_once(waiting)
        assert slowed.world.faults.injected["429-minute"] == 1

    @pytest.mark.fact(49)
    def test_the_next_call_follows_within_six_seconds_by_itself(
        self, filings: list[Filing], settings: Settings, rules: LimitRules
    ) -> None:
        slowed, seconds = filings[0], 3
        slowed.world.faults.arm("429-minute", path="/files.xro/", retry_after=seconds)
        with (
            servers.worker(environment_of(settings)) as worker,
            servers.scheduler(environment_of(settings)),
        ):
            worker.wait_until(lambda: workers_alive() == 1)
            slowed.accepted(slowed.client())
            wait_for(lambda: statuses(slowed) == [PushStatus.ASSOCIATED])
        tenant_id = slowed.connection.xero_tenant_id
        moments = [(c.status, c.at) for c in slowed.world.calls.last() if c.tenant_id == tenant_id]
        [asked] = [at for status, at in moments if status == 429]
        after = min((at - asked).total_seconds() for _, at in moments if at > asked)
        assert seconds <= after <= seconds + 6


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the settings as a process of its own reads them."""
    key = settings.token_master_keys[0]
    return {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "SECRET_KEY": settings.secret_key.reveal(),
        "TOKEN_MASTER_KEYS": f"{key.key_id}:{key.key.reveal()}",
        "XERO_CLIENT_ID": settings.xero_client_id,
        "XERO_CLIENT_SECRET": settings.xero_client_secret.reveal(),
        "XERO_LOGIN_URL": settings.xero_login_url,
        "XERO_IDENTITY_URL": settings.xero_identity_url,
        "XERO_API_URL": settings.xero_api_url,
        "DOCUMENT_STORE_URL": settings.document_store_url,
        "RECONCILE_LAG": "0",
    }


class TestDayLimit:
    def test_it_parks_the_practice_and_lets_it_go_on_the_next_day(
        self, filings: list[Filing], rules: LimitRules
    ) -> None:
        filing, other = filings
        governor = wiring.outside().governor
        rules.day, rules.day_seconds = 12, 6.0
        filing.world.limits.reset()
        governor._limits = Limits(minute=100_000, day=12)
        governor._spans = Spans(minute=60.0, day=6.0, lease=0.5)
        client = filing.client()
        ids = [filing.accepted(client) for _ in range(8)]
        work(filing)
        parked = filing.connection
        assert parked.waits_because == WaitReason.DAY
        assert parked.waits_until is not None
        assert parked.waits_until > datetime.now(UTC)
        filed = statuses(filing).count(PushStatus.ASSOCIATED)
        assert 0 < filed < len(ids)
        assert alert_is_open(filing)
        # A tenth of the day is left to people, and others are not parked.
        slot = governor.acquire(filing.organisation.tenant_id, Priority.PERSON)
        governor.release(slot, sent=False)
        calls = calls_to(filing)
        work(filing)
        assert calls_to(filing) == calls
        assert other.is_filed_once(served(other))
        for _ in range(8):
            wait_for(lambda: is_over(filing))
            work(filing)
            if statuses(filing) == [PushStatus.ASSOCIATED] * len(ids):
                break
        assert all(filing.is_filed_once(document_id) for document_id in ids)
        assert not alert_is_open(filing)


def served(filing: Filing) -> object:
    document_id = filing.accepted(filing.client())
    work(filing)
    return document_id


def alert_is_open(filing: Filing) -> bool:
    db.session.rollback()
    found = db.session.scalar(
        select(Alert.id).where(
            Alert.practice_id == filing.practice.id,
            Alert.cause == AlertCause.DAY_LIMIT,
            Alert.closed_at.is_(None),
        )
    )
    return found is not None
