"""A job that must wait gives the practice back with a moment, committed, whatever the reason."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
import redis
from flask import Flask

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.config import Settings
from dashboard.database import db
from dashboard.models import Practice, PushStatus, RunStatus, SyncRun, User, XeroConnection
from dashboard.queries import due
from dashboard.simulator import World
from dashboard.xero import Priority, WaitReason, XeroMustWait
from jobs import contact_sync, file_push, health_check
from jobs.queue import LATER_KEY, JsonQueue
from tests.dashboard.services.filing import Filing, make_filing, roomy, roomy_world

Cause = Callable[[Filing, pytest.MonkeyPatch], None]


@pytest.fixture
def world() -> World:
    return roomy_world()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return roomy(settings)


@pytest.fixture
def filing(practice: Practice, admin: User, world: World) -> Filing:
    filing = make_filing(practice, admin, world, wiring.outside().store)
    filing.accepted(filing.client())
    return filing


@pytest.fixture
def queue(app: Flask) -> JsonQueue:
    return JsonQueue(connection=app.extensions["redis"])


def answers_429(problem: str, retry_after: int) -> Cause:
    def arm(filing: Filing, _patch: pytest.MonkeyPatch) -> None:
        filing.world.faults.arm(f"429-{problem}", retry_after=retry_after)

    return arm


def leaves_nothing(**limits: int) -> Cause:
    """Let the organisation have used up one of our own counts."""

    def use_up(filing: Filing, patch: pytest.MonkeyPatch) -> None:
        governor = wiring.outside().governor
        patch.setattr(governor, "_limits", type(governor._limits)(**limits))
        with suppress(XeroMustWait):
            for _ in range(2):
                slot = governor.acquire(filing.organisation.tenant_id, Priority.TOKEN)
                governor.release(slot, status=200)

    return use_up


def redis_is_away(_filing: Filing, patch: pytest.MonkeyPatch) -> None:
    nobody = redis.Redis.from_url("unix:///nowhere/at/all.sock")
    for name in ("_acquire", "_release"):
        script = getattr(wiring.outside().governor, name)
        patch.setattr(script, "registered_client", nobody)


@dataclass(frozen=True)
class Wait:
    """A reason to wait: what brings it about, how it reads on the row, how long it lasts."""

    cause: Cause
    reason: str
    seconds: float


WAITS = {
    "429 minute": Wait(answers_429("minute", 40), "minute", 40.5),
    "429 day": Wait(answers_429("day", 7200), "day", 7200.5),
    "429 day, no end named": Wait(answers_429("day", 0), "day", 3600),
    "429 concurrent": Wait(answers_429("concurrent", 0), "concurrent", 2),
    "429 app": Wait(answers_429("app-minute", 30), "app-minute", 30.5),
    "our minute": Wait(leaves_nothing(minute=2), WaitReason.MINUTE, 60),
    "our day": Wait(leaves_nothing(day=2), WaitReason.DAY, 90_000),
    "our app minute": Wait(leaves_nothing(app_minute=2), WaitReason.APP_MINUTE, 60),
    "no limiter": Wait(redis_is_away, WaitReason.LIMITER_UNAVAILABLE, 5),
}


def about(moment: datetime | None, seconds: float) -> bool:
    assert moment is not None
    # Our day is counted in hours: its end is known to the hour.
    slack = 3_700 if seconds > 80_000 else 4
    return abs((moment - utcnow()).total_seconds() - seconds) <= slack


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
class TestEveryReason:
    def test_documents_are_given_back(
        self,
        filing: Filing,
        queue: JsonQueue,
        monkeypatch: pytest.MonkeyPatch,
        wait: Wait,
    ) -> None:
        wait.cause(filing, monkeypatch)
        file_push.push_practice(str(filing.practice.id))
        connection = filing.connection
        assert connection.waits_because == wait.reason
        assert about(connection.waits_until, wait.seconds)
        assert (connection.push_lease_owner, connection.push_lease_until) == (None, None)
        [push] = filing.pushes()
        assert (push.status, push.lease_owner, push.retry_count) == (PushStatus.PENDING, None, 0)
        # Nobody takes it up before its time, and nothing lies in the queue for it.
        made = len(filing.world.calls.last())
        file_push.sweep()
        file_push.push_practice(str(filing.practice.id))
        assert queue.count == 0
        assert len(filing.world.calls.last()) == made
        moment = connection.waits_until + timedelta(seconds=1)
        assert list(due.practices_to_push(db.session(), moment)) == [filing.practice.id]
        if wait.reason != WaitReason.LIMITER_UNAVAILABLE:
            # Whoever asks again at that very moment loses nothing of Xero's minute.
            turn = queue.connection.zscore(LATER_KEY, f"file-push:{filing.practice.id}")
            assert turn == pytest.approx(connection.waits_until.timestamp(), abs=0.001)

    def test_contacts_are_given_back(
        self,
        filing: Filing,
        queue: JsonQueue,
        monkeypatch: pytest.MonkeyPatch,
        wait: Wait,
    ) -> None:
        wiring.xero_sync().request_sync(filing.practice.id, None)
        wait.cause(filing, monkeypatch)
        contact_sync.sync_practice(str(filing.practice.id))
        made = len(filing.world.calls.last())
        run = db.session.query(SyncRun).one()
        assert (run.status, run.lease_owner) == (RunStatus.WAITING_FOR_XERO, None)
        assert about(run.not_before, wait.seconds)
        moment = run.not_before + timedelta(seconds=1)
        db.session.rollback()
        contact_sync.sweep()
        contact_sync.sync_practice(str(filing.practice.id))
        assert queue.count == 0
        assert len(filing.world.calls.last()) == made
        assert list(due.practices_to_sync(db.session(), moment)) == [filing.practice.id]

    def test_a_check_is_made_after_the_wait_and_not_an_hour_later(
        self,
        filing: Filing,
        monkeypatch: pytest.MonkeyPatch,
        wait: Wait,
    ) -> None:
        wait.cause(filing, monkeypatch)
        connection_id = filing.connection.id
        filing.connection.health_due_at = utcnow()
        db.session.commit()
        with pytest.raises(XeroMustWait):
            health_check.check_connection(str(connection_id))
        assert about(filing.connection.health_due_at, wait.seconds)


class TestWhoWaits:
    def test_contacts_that_leave_the_reserve_alone_do_not_stop_documents(
        self, filing: Filing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        leaves_nothing(minute=12)(filing, monkeypatch)
        governor = wiring.outside().governor
        for _ in range(8):
            slot = governor.acquire(filing.organisation.tenant_id, Priority.TOKEN)
            governor.release(slot, status=200)
        wiring.xero_sync().request_sync(filing.practice.id, None)
        contact_sync.sync_practice(str(filing.practice.id))
        assert db.session.query(SyncRun).one().status == RunStatus.WAITING_FOR_XERO
        db.session.rollback()
        assert filing.connection.waits_until is None
        assert list(due.practices_to_push(db.session(), utcnow())) == [filing.practice.id]

    def test_a_short_wait_does_not_cut_a_long_one(self, filing: Filing) -> None:
        connection: XeroConnection = filing.connection
        truth = wiring.xero_auth()._truth
        truth.must_wait(connection.id, 3600, "day")
        truth.must_wait(connection.id, 5, WaitReason.LIMITER_UNAVAILABLE)
        assert about(filing.connection.waits_until, 3600)
        assert filing.connection.waits_because == "day"
