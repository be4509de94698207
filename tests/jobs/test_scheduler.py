from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Event

import pytest
import redis

from dashboard.clock import utcnow
from dashboard.embedded import start_redis
from jobs.queue import LATER_KEY, JsonJob, JsonQueue
from jobs.scheduler import SweepScheduler, _until_next_tick
from jobs.timetable import SWEEP_TIMEOUT_SECONDS, TIMETABLE
from tests.support import servers
from tests.support.servers import embedded_redis, revived_redis

NAMES = {sweep.name for sweep in TIMETABLE}


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
def scheduler(connection: redis.Redis) -> SweepScheduler:
    return SweepScheduler(connection)


@pytest.fixture
def queue(connection: redis.Redis) -> JsonQueue:
    return JsonQueue(connection=connection)


def make_due(connection: redis.Redis) -> None:
    """Let the next time of every sweep be now."""
    for name in NAMES:
        connection.zadd("rq:scheduler:scheduled_jobs", {name: time.time() - 1}, xx=True)


class TestTimetable:
    def test_it_holds_the_jobs_under_their_names(self) -> None:
        assert {
            "xero-token-refresh",
            "xero-contact-sync",
            "xero-file-push",
            "xero-file-retry",
            "xero-file-check",
            "xero-health-check",
            "alert-check",
            "alert-mail",
        } == NAMES

    def test_the_first_tick_queues_every_sweep_once(
        self, scheduler: SweepScheduler, queue: JsonQueue
    ) -> None:
        assert scheduler.tick()
        assert sorted(queue.job_ids) == sorted(NAMES)

    def test_a_second_installation_changes_nothing(
        self, scheduler: SweepScheduler, connection: redis.Redis
    ) -> None:
        scheduler.tick()
        before = connection.zrange("rq:scheduler:scheduled_jobs", 0, -1, withscores=True)
        SweepScheduler(connection).tick()
        after = connection.zrange("rq:scheduler:scheduled_jobs", 0, -1, withscores=True)
        assert before == after

    def test_it_comes_back_by_itself_when_redis_lost_it(
        self, scheduler: SweepScheduler, queue: JsonQueue, connection: redis.Redis
    ) -> None:
        scheduler.tick()
        connection.flushall()
        scheduler.tick()
        assert sorted(queue.job_ids) == sorted(NAMES)

    def test_a_row_without_its_job_is_written_again(
        self, scheduler: SweepScheduler, connection: redis.Redis
    ) -> None:
        scheduler.tick()
        connection.delete("rq:job:xero-file-push")
        scheduler.tick()
        job = JsonJob.fetch("xero-file-push", connection=connection)
        assert job.func_name == "jobs.file_push.sweep"

    def test_rows_of_an_older_version_are_replaced_or_removed(
        self, scheduler: SweepScheduler, connection: redis.Redis
    ) -> None:
        for name, function in (("xero-file-push", "jobs.old.sweep"), ("xero-gone", "jobs.old")):
            scheduler.schedule(utcnow().replace(tzinfo=None), function, interval=99, id=name)
        scheduler.tick()
        listed = connection.zrange("rq:scheduler:scheduled_jobs", 0, -1)
        assert {name.decode() for name in listed} == NAMES
        job = JsonJob.fetch("xero-file-push", connection=connection)
        assert (job.func_name, job.meta["interval"]) == ("jobs.file_push.sweep", 5)


class TestNoStacking:
    def test_a_sweep_that_still_waits_is_not_queued_again(
        self, scheduler: SweepScheduler, queue: JsonQueue, connection: redis.Redis
    ) -> None:
        for _ in range(5):
            scheduler.tick()
            make_due(connection)
        assert sorted(queue.job_ids) == sorted(NAMES)

    def test_its_next_time_moves_on_nevertheless(
        self, scheduler: SweepScheduler, connection: redis.Redis
    ) -> None:
        scheduler.tick()
        make_due(connection)
        before = int(time.time())
        scheduler.tick()
        next_time = connection.zscore("rq:scheduler:scheduled_jobs", "xero-file-push")
        assert next_time is not None
        assert before <= next_time - 5 <= time.time()

    def test_a_sweep_that_runs_is_not_queued_again(
        self, scheduler: SweepScheduler, queue: JsonQueue, connection: redis.Redis
    ) -> None:
        scheduler.tick()
        self.take_all(queue, connection, seconds_ago=SWEEP_TIMEOUT_SECONDS // 2)
        make_due(connection)
        scheduler.tick()
        assert queue.count == 0

    def test_one_that_a_killed_worker_left_running_is_queued_after_its_time_out(
        self, scheduler: SweepScheduler, queue: JsonQueue, connection: redis.Redis
    ) -> None:
        scheduler.tick()
        self.take_all(queue, connection, seconds_ago=SWEEP_TIMEOUT_SECONDS + 1)
        make_due(connection)
        scheduler.tick()
        assert sorted(queue.job_ids) == sorted(NAMES)

    def test_one_that_a_killed_worker_took_and_never_began_is_queued_again(
        self, scheduler: SweepScheduler, queue: JsonQueue, connection: redis.Redis
    ) -> None:
        scheduler.tick()
        for _ in NAMES:
            connection.lmove(queue.key, queue.intermediate_queue_key)
        make_due(connection)
        scheduler.tick()
        assert sorted(queue.job_ids) == sorted(NAMES)

    def take_all(self, queue: JsonQueue, connection: redis.Redis, seconds_ago: int) -> None:
        """Leave every job as a worker would that began it *seconds_ago*."""
        began = utcnow() - timedelta(seconds=seconds_ago)
        for job in queue.jobs:
            with connection.pipeline() as pipeline:
                job.prepare_for_execution("a-worker", pipeline=pipeline)
                pipeline.hset(job.key, "started_at", began.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
                pipeline.lrem(queue.key, 1, job.id)
                pipeline.execute()


class TestPokesForLater:
    def test_a_tick_gives_those_whose_turn_came_and_keeps_the_others(
        self, scheduler: SweepScheduler, queue: JsonQueue, connection: redis.Redis
    ) -> None:
        connection.zadd(
            LATER_KEY, {"contact-sync:now": time.time(), "contact-sync:later": time.time() + 60}
        )
        scheduler.tick()
        assert [job.args for job in queue.jobs if job.args] == [["now"]]
        assert connection.zrange(LATER_KEY, 0, -1) == [b"contact-sync:later"]

    @pytest.mark.parametrize(
        ("seconds", "wait"), [(7.1, 1.0), (7.2, 0.9), (8.0, 0.1), (8.09, 0.01)]
    )
    def test_ticks_come_soon_after_every_turn(self, seconds: float, wait: float) -> None:
        assert _until_next_tick(seconds) == pytest.approx(wait)


class TestSeveralSchedulers:
    def test_one_leads_while_another_holds_the_lock(
        self, scheduler: SweepScheduler, connection: redis.Redis
    ) -> None:
        assert scheduler.acquire_lock()
        assert not SweepScheduler(connection).tick()

    def test_the_lock_of_a_killed_one_runs_out_in_seconds(
        self, scheduler: SweepScheduler, connection: redis.Redis
    ) -> None:
        scheduler.acquire_lock()
        assert 0 < connection.ttl(scheduler.scheduler_lock_key) <= 3

    def test_nobody_gives_back_the_lock_of_another(
        self, scheduler: SweepScheduler, connection: redis.Redis
    ) -> None:
        scheduler.acquire_lock()
        connection.set(scheduler.scheduler_lock_key, "another", ex=3)
        scheduler.remove_lock()
        assert connection.get(scheduler.scheduler_lock_key) == b"another"


class Leaving(Event):
    """Told to leave after some waits, during each of which something may happen."""

    def __init__(self, *happens: Callable[[], object]) -> None:
        super().__init__()
        self._happens = list(happens)
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Let the next thing happen instead of waiting; after the last one it is time to leave."""
        self.waited.append(timeout or 0.0)
        self._happens.pop(0)()
        if not self._happens:
            self.set()
        return self.is_set()


def nothing() -> None:
    pass


class TestLosingRedis:
    def test_it_goes_on_when_redis_comes_back_empty(self, tmp_path: Path) -> None:
        server = start_redis(tmp_path / "redis")
        connection = redis.Redis.from_url(server.url)

        def kill() -> None:
            server.process.kill()
            server.process.wait()

        try:
            with ExitStack() as stack:
                revive = partial(stack.enter_context, revived_redis(server.url))
                leaving = Leaving(kill, nothing, revive, nothing)
                SweepScheduler(connection).serve(leaving)
                assert sorted(JsonQueue(connection=connection).job_ids) == sorted(NAMES)
            steady, *backed_off, last = leaving.waited
            assert backed_off == [1.0, 2.0]
            assert 0 < steady <= 1
            assert 0 < last <= 1
        finally:
            connection.close()
            server.stop()


class TestProcess:
    def test_it_rings_the_sweeps_and_ends_at_once_when_told_to(
        self, environment: dict[str, str]
    ) -> None:
        with (
            servers.scheduler(environment) as process,
            redis.Redis.from_url(environment["REDIS_URL"]) as connection,
        ):
            queue = JsonQueue(connection=connection)
            process.wait_until(lambda: sorted(queue.job_ids) == sorted(NAMES))
            process.stop()
            assert process.process.returncode == 0
