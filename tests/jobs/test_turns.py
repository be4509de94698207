"""Practices are served in turn: one with a great many documents does not make the others wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import redis
from flask import Flask
from sqlalchemy import select

from dashboard import wiring
from dashboard.config import Settings
from dashboard.database import db
from dashboard.models import PushStatus, RunKind, RunStatus, SyncRun, XeroFilePush
from dashboard.services import turn
from dashboard.services.turn import Turn
from dashboard.simulator import World
from jobs import contact_sync, file_push
from jobs.queue import FUNCTIONS, JsonQueue, others_wait, poke
from jobs.stopping import Stopping
from jobs.worker import ChaseWorker
from tests import factories
from tests.dashboard.services.filing import Filing, make_filing, roomy, roomy_world

MANY = 12


@pytest.fixture
def world() -> World:
    return roomy_world()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return roomy(settings)


@pytest.fixture
def worker(app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> ChaseWorker:
    """A worker of this process; while others wait a turn is one document long."""
    monkeypatch.setattr(turn, "WHILE_OTHERS_WAIT", timedelta())
    monkeypatch.setattr(wiring.outside(), "others_wait", others_wait)
    own = redis.Redis.from_url(settings.redis_url)
    return ChaseWorker(app, own, Stopping(leave=lambda _code: None))


@pytest.fixture
def queue(app: Flask) -> JsonQueue:
    return JsonQueue(connection=app.extensions["redis"])


def filing_of(number: int, world: World) -> Filing:
    """Return a new practice, connected to the world's organisation of this *number*."""
    practice = factories.make_practice(name=f"Practice {number}")
    admin = factories.make_user(practice)
    name = list(world.state.organisations.values())[number].name
    return make_filing(practice, admin, world, wiring.outside().store, name)


class TestDocuments:
    def test_one_with_many_documents_lets_the_others_pass(
        self, worker: ChaseWorker, world: World
    ) -> None:
        first, *others = (filing_of(number, world) for number in range(3))
        many = first.client()
        for _ in range(MANY):
            first.accepted(many)
        for other in others:
            other.accepted(other.client())
        file_push.sweep()
        worker.serve(burst=True)
        db.session.rollback()
        order = db.session.execute(
            select(XeroFilePush.practice_id, XeroFilePush.status).order_by(XeroFilePush.pushed_at)
        ).all()
        assert [status for _, status in order] == [PushStatus.ASSOCIATED] * (MANY + 2)
        # The queue goes round: each had its turn before anybody had a second one.
        assert {practice_id for practice_id, _ in order[:3]} == {
            filing.practice.id for filing in (first, *others)
        }

    def test_alone_it_keeps_the_worker(
        self, worker: ChaseWorker, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        filing = filing_of(0, world)
        client = filing.client()
        for _ in range(3):
            filing.accepted(client)
        turns: list[int] = []
        drain = type(filing.files()).drain

        def counted(*given: object) -> object:
            result = drain(*given)
            turns.append(result.filed)
            return result

        monkeypatch.setattr(type(filing.files()), "drain", counted)
        file_push.sweep()
        worker.serve(burst=True)
        assert turns == [3]


class TestContacts:
    def test_a_long_sync_makes_room_and_is_queued_again(
        self, world: World, queue: JsonQueue, worker: ChaseWorker
    ) -> None:
        filing = filing_of(0, world)
        practice_id = str(filing.practice.id)
        poke("file-push", practice_id)
        wiring.xero_sync().request_sync(filing.practice.id, None)
        service = wiring.xero_sync()
        service._sync._page_size = 5
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(wiring, "xero_sync", lambda: service)
            contact_sync.sync_practice(practice_id)
            run = db.session.scalars(select(SyncRun)).one()
            assert (run.kind, run.status, run.done) == (RunKind.CONTACT_SYNC, RunStatus.RUNNING, 5)
            assert run.lease_owner is None
            db.session.rollback()
            assert [job.func_name for job in queue.jobs] == [
                FUNCTIONS["file-push"],
                FUNCTIONS["contact-sync"],
            ]
            worker.serve(burst=True)
        db.session.rollback()
        assert db.session.scalars(select(SyncRun)).one().status == RunStatus.FINISHED


class TestTurn:
    def test_it_lasts_long_while_nobody_waits_and_a_moment_otherwise(self) -> None:
        now = datetime(2026, 11, 22, tzinfo=UTC)
        waiting = False
        one = Turn(lambda: now, timedelta(seconds=20), lambda: waiting)
        assert not one.is_over()
        now += timedelta(seconds=2)
        assert not one.is_over()
        waiting = True
        assert one.is_over()
        waiting = False
        now += timedelta(seconds=18)
        assert one.is_over()

    def test_whoever_had_to_wait_for_the_database_still_does_one_piece(self) -> None:
        now = datetime(2026, 11, 22, tzinfo=UTC)
        assert not Turn(lambda: now, timedelta(), lambda: True).is_over()

    def test_without_redis_nobody_can_wait(
        self, app: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nobody = redis.Redis.from_url("unix:///nowhere/at/all.sock")
        monkeypatch.setitem(app.extensions, "redis", nobody)
        assert not others_wait()
