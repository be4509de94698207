from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import redis
from flask import Flask

from dashboard.app import create_app
from dashboard.clock import utcnow
from dashboard.config import Settings
from jobs.queue import (
    FUNCTIONS,
    JsonQueue,
    poke,
    poke_all,
    poke_later,
    poke_whose_turn_came,
    workers_alive,
)
from tests.support.servers import embedded_redis

PRACTICE = "6f1f9a52-7f6c-4c57-9a52-1f1f9a527f6c"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with embedded_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def connection(server: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server) as connection:
        connection.flushall()
        yield connection


@pytest.fixture
def queue(connection: redis.Redis) -> Iterator[JsonQueue]:
    with app_with(connection).app_context():
        yield JsonQueue(connection=connection)


def app_with(connection: redis.Redis) -> Flask:
    app = Flask(__name__)
    app.extensions |= {"redis": connection, "redis_for_nudges": connection}
    return app


class TestPoke:
    def test_it_queues_a_job_that_carries_the_id_alone(self, queue: JsonQueue) -> None:
        assert poke("file-push", PRACTICE)
        (job,) = queue.jobs
        assert (job.func_name, job.args, job.kwargs) == (FUNCTIONS["file-push"], [PRACTICE], {})

    def test_the_job_travels_as_json(self, queue: JsonQueue, connection: redis.Redis) -> None:
        poke("contact-sync", uuid4())
        assert queue.jobs[0].data.startswith(b'["jobs.contact_sync.sync_practice"')

    def test_an_id_that_still_waits_is_not_queued_twice(self, queue: JsonQueue) -> None:
        assert [poke("file-push", PRACTICE) for _ in range(5)] == [True] * 5
        assert queue.count == 1

    def test_kinds_and_ids_are_told_apart(self, queue: JsonQueue) -> None:
        poke("file-push", PRACTICE)
        poke("contact-sync", PRACTICE)
        poke("file-push", uuid4())
        assert queue.count == 3

    def test_a_job_that_was_taken_makes_room_for_the_next(
        self, queue: JsonQueue, connection: redis.Redis
    ) -> None:
        poke("file-push", PRACTICE)
        # What a worker does first; a killed one leaves the job's record behind, "queued" for ever.
        connection.lmove(queue.key, queue.intermediate_queue_key)
        poke("file-push", PRACTICE)
        assert queue.count == 1

    def test_it_queues_anew_after_redis_lost_everything(
        self, queue: JsonQueue, connection: redis.Redis
    ) -> None:
        poke("file-push", PRACTICE)
        connection.flushall()
        poke("file-push", PRACTICE)
        assert queue.count == 1

    def test_a_thousand_ids_are_queued_once_each(self, queue: JsonQueue) -> None:
        ids = [uuid4() for _ in range(1000)]
        assert poke_all("token-refresh", ids) == 1000
        assert poke_all("token-refresh", ids) == 1000
        assert queue.count == 1000
        assert {job.args[0] for job in queue.jobs} == {str(id) for id in ids}

    def test_what_comes_by_the_clock_goes_first(self, queue: JsonQueue) -> None:
        poke("file-push", PRACTICE)
        poke_all("contact-sync", [PRACTICE], at_front=True)
        assert [job.func_name for job in queue.jobs] == [
            FUNCTIONS["contact-sync"],
            FUNCTIONS["file-push"],
        ]


class TestPokeLater:
    def test_it_waits_for_its_moment_and_comes_once(self, queue: JsonQueue) -> None:
        turn = utcnow()
        poke_later("contact-sync", {UUID(PRACTICE): turn})
        poke_later("contact-sync", {UUID(PRACTICE): turn})
        poke_whose_turn_came(queue.connection, turn - timedelta(milliseconds=1))
        assert queue.count == 0
        poke_whose_turn_came(queue.connection, turn)
        assert [(job.func_name, job.args) for job in queue.jobs] == [
            (FUNCTIONS["contact-sync"], [PRACTICE])
        ]
        queue.empty()
        poke_whose_turn_came(queue.connection, turn)
        assert queue.count == 0

    def test_it_may_be_moved(self, queue: JsonQueue) -> None:
        turn = utcnow()
        poke_later("health-check", {UUID(PRACTICE): turn})
        poke_later("health-check", {UUID(PRACTICE): turn + timedelta(seconds=1)})
        poke_whose_turn_came(queue.connection, turn)
        assert queue.count == 0

    def test_an_id_that_still_waits_is_not_queued_twice(self, queue: JsonQueue) -> None:
        poke("contact-sync", PRACTICE)
        poke_later("contact-sync", {UUID(PRACTICE): utcnow()})
        poke_whose_turn_came(queue.connection, utcnow())
        assert queue.count == 1


class TestRedisDown:
    def test_a_poke_says_so_in_one_line_and_raises_nothing(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = app_with(redis.Redis.from_url(f"unix://{tmp_path}/nobody.sock"))
        with app.app_context(), caplog.at_level(logging.WARNING, logger="jobs.queue"):
            assert not poke("file-push", PRACTICE)
        assert len(caplog.records) == 1
        assert "the sweeps will find the rows" in caplog.text

    def test_nobody_waits_for_one_that_takes_the_poke_and_is_silent(
        self, settings: Settings
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            app = create_app(replace(settings, redis_url=f"redis://127.0.0.1:{port}/0"))
            with app.app_context():
                assert not poke("file-push", PRACTICE)
                # The second person does not wait at all: nobody asks once more so soon.
                silent.setblocking(False)
                asked = silent.accept()[0]
                assert not poke("file-push", PRACTICE)
                with asked, pytest.raises(BlockingIOError):
                    silent.accept()
            for patience in (
                app.extensions["redis_for_nudges"].get_connection_kwargs(),
                app.extensions["redis_for_pages"].get_connection_kwargs(),
                app.config["RATELIMIT_STORAGE_OPTIONS"],
            ):
                # The usual calls to Redis end after two seconds.
                assert patience["socket_timeout"] <= 0.5
                assert patience["retry"].get_retries() == 0


class TestWorkersAlive:
    @pytest.mark.parametrize(
        ("age", "state", "alive"),
        [(5, "idle", 1), (60, "idle", 0), (60, "busy", 1), (1000, "busy", 0)],
    )
    def test_a_worker_is_alive_while_its_silence_can_be_explained(
        self, queue: JsonQueue, connection: redis.Redis, age: int, state: str, alive: int
    ) -> None:
        beat = (utcnow() - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        connection.hset("rq:worker:a", mapping={"last_heartbeat": beat, "state": state})
        connection.sadd("rq:workers:chase", "rq:worker:a")
        assert workers_alive() == alive

    def test_one_whose_record_ran_out_does_not_count(
        self, queue: JsonQueue, connection: redis.Redis
    ) -> None:
        connection.sadd("rq:workers:chase", "rq:worker:gone")
        assert workers_alive() == 0
