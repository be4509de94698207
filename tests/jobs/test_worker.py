from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask
from rq.executions import Execution
from sqlalchemy.orm import Session

from dashboard.clock import utcnow
from dashboard.config import Settings
from dashboard.embedded import start_redis
from dashboard.models import ConnectionStatus, Practice
from dashboard.services.refusals import NotConnected
from jobs.queue import JsonQueue, workers_alive
from jobs.stopping import GRACE_SECONDS, Stopping
from jobs.worker import ChaseWorker
from tests import factories
from tests.support.servers import Running, revived_redis, worker


@pytest.fixture
def connection(app: Flask, settings: Settings) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(settings.redis_url) as connection:
        yield connection


@pytest.fixture
def queue(connection: redis.Redis) -> JsonQueue:
    return JsonQueue(connection=connection)


@pytest.fixture
def running_worker(environment: dict[str, str], app: Flask) -> Iterator[Running]:
    with worker(environment) as process:
        process.wait_until(lambda: workers_alive() == 1)
        yield process


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class TestBurst:
    @pytest.fixture
    def chase_worker(self, app: Flask, settings: Settings) -> ChaseWorker:
        own = redis.Redis.from_url(settings.redis_url)
        return ChaseWorker(app, own, Stopping(leave=lambda _code: None))

    def test_it_performs_what_waits_and_ends(
        self, chase_worker: ChaseWorker, queue: JsonQueue, tmp_path: Path
    ) -> None:
        for name in ("a", "b"):
            queue.enqueue("tests.jobs.slow_jobs.writes", str(tmp_path / name))
        chase_worker.serve(burst=True)
        assert (tmp_path / "a").exists()
        assert (tmp_path / "b").exists()
        assert queue.count == 0

    def test_the_command_needs_no_poke_and_no_scheduler(
        self, environment: dict[str, str], practice: Practice, session: Session
    ) -> None:
        connection = factories.make_connection(
            practice, status=ConnectionStatus.DISCONNECTED, health_due_at=utcnow()
        )
        connection.refresh_token_encrypted = "a token that nobody has erased yet"
        session.commit()
        with worker(environment, "--burst") as process:
            process.wait_until(lambda: process.process.poll() == 0)
        session.rollback()
        session.refresh(connection)
        assert connection.refresh_token_encrypted is None

    def test_finished_jobs_leave_nothing_in_redis(
        self,
        chase_worker: ChaseWorker,
        queue: JsonQueue,
        connection: redis.Redis,
        tmp_path: Path,
    ) -> None:
        queue.enqueue("tests.jobs.slow_jobs.writes", str(tmp_path / "a"), result_ttl=0)
        chase_worker.serve(burst=True)
        assert connection.keys("rq:job:*") == []

    def test_an_unforeseen_error_is_logged_with_its_traceback(
        self, chase_worker: ChaseWorker, queue: JsonQueue, caplog: pytest.LogCaptureFixture
    ) -> None:
        queue.enqueue("tests.jobs.slow_jobs.writes", "/nowhere/at/all", description="a job")
        with caplog.at_level(logging.INFO, logger="jobs.worker"):
            chase_worker.serve(burst=True)
        assert "a job failed" in caplog.text
        assert "FileNotFoundError" in caplog.text

    def test_what_a_service_already_wrote_on_the_row_is_one_quiet_line(
        self,
        chase_worker: ChaseWorker,
        queue: JsonQueue,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        job = queue.enqueue("tests.jobs.slow_jobs.writes", "x", description="a job")
        with caplog.at_level(logging.INFO, logger="jobs.worker"):
            chase_worker.handle_exception(job, NotConnected, NotConnected(), None)
        (record,) = caplog.records
        assert (record.getMessage(), record.exc_info) == ("a job ended early: NotConnected", None)

    def test_a_queue_that_forgot_a_job_which_is_done_is_no_failure_of_the_job(
        self,
        chase_worker: ChaseWorker,
        queue: JsonQueue,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        queue.enqueue("tests.jobs.slow_jobs.writes", str(tmp_path / "done"), description="a job")
        fetch = Execution.fetch

        def lost(*given: Any, **more: Any) -> Execution:
            queue.connection.flushall()
            return fetch(*given, **more)

        monkeypatch.setattr(Execution, "fetch", lost)
        with caplog.at_level(logging.WARNING, logger="jobs.worker"):
            chase_worker.serve(burst=True)
        assert (tmp_path / "done").exists()
        assert "the queue lost its record of a job: Execution" in caplog.text
        assert "a job failed" not in caplog.text


class TestProcess:
    def test_an_idle_one_ends_at_once(self, running_worker: Running) -> None:
        running_worker.stop()
        assert running_worker.process.returncode == 0

    def test_a_job_that_listens_is_stopped_in_good_order(
        self, running_worker: Running, queue: JsonQueue, tmp_path: Path
    ) -> None:
        began = tmp_path / "began"
        queue.enqueue("tests.jobs.slow_jobs.listens", str(began))
        wait_for(began.exists)
        running_worker.stop()
        assert running_worker.process.returncode == 0
        assert began.read_text() == "stopped in good order"
        assert workers_alive() == 0

    def test_a_job_that_does_not_listen_is_cut_off_in_time(
        self, running_worker: Running, queue: JsonQueue, tmp_path: Path
    ) -> None:
        began = tmp_path / "began"
        queue.enqueue("tests.jobs.slow_jobs.does_not_listen", str(began))
        wait_for(began.exists)
        # The clock of the ten seconds is the machine's: here it may be a slow one.
        assert running_worker.stop(seconds=30) > GRACE_SECONDS - 1
        assert GRACE_SECONDS <= 8

    def test_it_introduces_itself_again_when_redis_lost_everything(
        self,
        running_worker: Running,
        connection: redis.Redis,
        queue: JsonQueue,
        tmp_path: Path,
    ) -> None:
        connection.flushall()
        assert workers_alive() == 0
        queue.enqueue("tests.jobs.slow_jobs.writes", str(tmp_path / "done"))
        wait_for((tmp_path / "done").exists)
        wait_for(lambda: workers_alive() == 1)

    def test_it_works_on_when_redis_was_away_and_comes_back_empty(
        self, environment: dict[str, str], tmp_path: Path
    ) -> None:
        server = start_redis(tmp_path / "redis")
        try:
            with worker({**environment, "REDIS_URL": server.url}) as process:
                with redis.Redis.from_url(server.url) as connection:
                    process.wait_until(lambda: connection.scard("rq:workers:chase") == 1)
                server.process.kill()
                server.process.wait()
                # What it says depends on where in its round it notices.
                process.wait_until(lambda: "Redis" in process.said())
                with revived_redis(server.url), redis.Redis.from_url(server.url) as revived:
                    queue = JsonQueue(connection=revived)
                    queue.enqueue("tests.jobs.slow_jobs.writes", str(tmp_path / "done"))
                    wait_for((tmp_path / "done").exists)
                    process.stop()
        finally:
            server.stop()
