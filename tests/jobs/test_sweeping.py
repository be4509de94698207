from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from types import ModuleType

import pytest
import redis
from flask import Flask
from sqlalchemy import text

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    DocumentStatus,
    Practice,
    PushStatus,
    RunKind,
    SyncRun,
    XeroConnection,
    XeroFilePush,
)
from jobs import (
    alert_check,
    alert_mail,
    contact_sync,
    file_check,
    file_push,
    file_retry,
    health_check,
    token_refresh,
)
from jobs.queue import FUNCTIONS, JsonQueue, poke_whose_turn_came
from jobs.timetable import CLOCK_SWEEP_SECONDS
from tests import factories

PAST = utcnow() - timedelta(minutes=1)
SOON = PAST + timedelta(minutes=2)


@pytest.fixture
def queue(app: Flask) -> JsonQueue:
    return JsonQueue(connection=app.extensions["redis"])


@pytest.fixture
def connection(practice: Practice) -> XeroConnection:
    return factories.make_connection(practice)


def make_push(connection: XeroConnection, **values: object) -> None:
    client = factories.make_client(db.session.get_one(Practice, connection.practice_id))
    factories.make_mapping(connection, client, "a-contact")
    document = factories.make_document(client, status=DocumentStatus.ACCEPTED)
    db.session.add(
        XeroFilePush(
            practice_id=connection.practice_id,
            xero_connection_id=connection.id,
            document_id=document.id,
            client_id=client.id,
            content_sha256="0" * 64,
            size=1,
            **values,
        )
    )
    db.session.commit()


def queued(queue: JsonQueue) -> list[tuple[str, str]]:
    return [(job.func_name, job.args[0]) for job in queue.jobs]


class TestSweeps:
    @pytest.mark.parametrize(
        "sweeper",
        [
            token_refresh,
            contact_sync,
            file_check,
            file_push,
            file_retry,
            health_check,
            alert_check,
            alert_mail,
        ],
    )
    def test_nothing_due_queues_nothing(
        self, queue: JsonQueue, connection: XeroConnection, sweeper: ModuleType
    ) -> None:
        sweeper.sweep()
        assert queued(queue) == []

    @pytest.mark.parametrize(
        ("sweeper", "column", "kind"),
        [
            (token_refresh, "refresh_due_at", "token-refresh"),
            (health_check, "health_due_at", "health-check"),
        ],
    )
    def test_a_due_connection_is_queued_by_its_own_id(
        self,
        queue: JsonQueue,
        connection: XeroConnection,
        sweeper: ModuleType,
        column: str,
        kind: str,
    ) -> None:
        setattr(connection, column, PAST)
        db.session.commit()
        sweeper.sweep()
        assert queued(queue) == [(FUNCTIONS[kind], str(connection.id))]

    def test_due_contacts_are_queued_by_their_practice(
        self, queue: JsonQueue, connection: XeroConnection
    ) -> None:
        connection.sync_due_at = PAST
        db.session.commit()
        contact_sync.sweep()
        assert queued(queue) == [(FUNCTIONS["contact-sync"], str(connection.practice_id))]

    def test_an_import_that_nobody_works_on_is_found_too(
        self, queue: JsonQueue, connection: XeroConnection
    ) -> None:
        db.session.add(
            SyncRun(
                practice_id=connection.practice_id,
                xero_connection_id=connection.id,
                kind=RunKind.IMPORT,
            )
        )
        db.session.commit()
        contact_sync.sweep()
        assert queued(queue) == [(FUNCTIONS["contact-import"], str(connection.practice_id))]

    def test_a_document_whose_poke_was_lost_is_found(
        self, queue: JsonQueue, connection: XeroConnection
    ) -> None:
        make_push(connection)
        file_push.sweep()
        assert queued(queue) == [(FUNCTIONS["file-push"], str(connection.practice_id))]

    def test_a_failed_push_with_tries_left_is_retried(
        self, queue: JsonQueue, connection: XeroConnection
    ) -> None:
        make_push(connection, status=PushStatus.FAILED, not_before=PAST)
        file_retry.sweep()
        practice_id = str(connection.practice_id)
        assert queued(queue) == [(FUNCTIONS["file-retry"], practice_id)]
        file_retry.retry_practice(practice_id)
        assert (FUNCTIONS["file-push"], practice_id) in queued(queue)

    def test_sweeping_again_queues_nothing_twice(
        self, queue: JsonQueue, connection: XeroConnection
    ) -> None:
        make_push(connection)
        for _ in range(3):
            file_push.sweep()
        assert queue.count == 1

    def test_a_sweep_does_not_wait_for_a_writer(
        self, queue: JsonQueue, connection: XeroConnection
    ) -> None:
        make_push(connection)
        practice_id = str(connection.practice_id)
        db.session.rollback()
        with db.engine.connect() as writer:
            writer.execute(text("UPDATE practices SET name = 'another name'"))
            file_push.sweep()
            writer.rollback()
        assert queued(queue) == [(FUNCTIONS["file-push"], practice_id)]

    @pytest.mark.parametrize("sweeper", [file_push, contact_sync])
    def test_with_redis_down_it_ends_quietly(
        self,
        app: Flask,
        connection: XeroConnection,
        monkeypatch: pytest.MonkeyPatch,
        sweeper: ModuleType,
    ) -> None:
        make_push(connection)
        connection.sync_due_at = SOON
        db.session.commit()
        nobody = redis.Redis.from_url("unix:///nowhere/at/all.sock")
        monkeypatch.setitem(app.extensions, "redis", nobody)
        sweeper.sweep()


class TestByTheClock:
    """What comes to every practice: each at its own turn, however seldom anybody sweeps."""

    @pytest.fixture
    def sweep_began(self, monkeypatch: pytest.MonkeyPatch) -> datetime:
        """A moment at which every sweep of the test looks."""
        began = utcnow().replace(microsecond=0)
        monkeypatch.setattr("jobs.sweeping.utcnow", lambda: began)
        return began

    @pytest.mark.parametrize(
        ("sweeper", "column"), [(contact_sync, "sync_due_at"), (health_check, "health_due_at")]
    )
    def test_what_comes_between_two_sweeps_does_not_go_in_one_second(
        self,
        app: Flask,
        queue: JsonQueue,
        sweep_began: datetime,
        sweeper: ModuleType,
        column: str,
    ) -> None:
        for second in range(1, CLOCK_SWEEP_SECONDS + 1):
            turn = sweep_began + timedelta(seconds=second)
            factories.make_connection(factories.make_practice(), **{column: turn})
        sweeper.sweep()
        went = Counter[int]()
        for second in range(CLOCK_SWEEP_SECONDS + 1):
            waiting = queue.count
            poke_whose_turn_came(queue.connection, sweep_began + timedelta(seconds=second))
            went[second] = queue.count - waiting
        assert went == {0: 0} | dict.fromkeys(range(1, CLOCK_SWEEP_SECONDS + 1), 1)

    def test_a_sweep_that_comes_late_by_a_whole_turn_has_been_made_up_for(
        self, queue: JsonQueue, connection: XeroConnection, sweep_began: datetime
    ) -> None:
        turn = sweep_began + timedelta(seconds=2 * CLOCK_SWEEP_SECONDS)
        connection.sync_due_at = turn
        db.session.commit()
        contact_sync.sweep()
        poke_whose_turn_came(queue.connection, turn)
        assert queued(queue) == [(FUNCTIONS["contact-sync"], str(connection.practice_id))]

    def test_a_lost_poke_is_made_good_by_the_next_sweep(
        self, queue: JsonQueue, connection: XeroConnection, sweep_began: datetime
    ) -> None:
        connection.sync_due_at = sweep_began
        db.session.commit()
        contact_sync.sweep()
        queue.connection.flushall()
        contact_sync.sweep()
        assert queued(queue) == [(FUNCTIONS["contact-sync"], str(connection.practice_id))]

    def test_what_several_sweeps_name_is_poked_once(
        self, queue: JsonQueue, connection: XeroConnection, sweep_began: datetime
    ) -> None:
        turn = sweep_began + timedelta(seconds=1)
        connection.health_due_at = turn
        db.session.commit()
        for _ in range(3):
            health_check.sweep()
            poke_whose_turn_came(queue.connection, turn)
        assert queued(queue) == [(FUNCTIONS["health-check"], str(connection.id))]
