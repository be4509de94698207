"""`flask scheduler`: keeps the timetable in Redis and rings each sweep when its time has come.

It also gives the pokes that a sweep set for later.

Several may run: a lock in Redis lets one at a time look at the timetable, and when that one is
killed another follows within seconds.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from datetime import timedelta
from threading import Event
from types import FrameType
from typing import Any
from uuid import uuid4

import redis
from flask import Flask
from rq.job import JobStatus
from rq_scheduler import Scheduler

from dashboard.clock import utcnow
from jobs import timetable
from jobs.queue import QUEUE_NAME, JsonJob, JsonQueue, poke_whose_turn_came
from jobs.timetable import SWEEP_TIMEOUT_SECONDS

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
TICK_AFTER = 0.1
LOCK_SECONDS = 3
REDIS_SECONDS = 5.0
LONGEST_BACK_OFF_SECONDS = 5.0

# Only the holder may give the lock back: ours may have run out and be another's by now.
RELEASE = """
if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end
return 0
"""


class SweepScheduler(Scheduler):  # type: ignore[misc]  # the library has no types
    """rq-scheduler, with the four things that a sweep needs and it lacks.

    A sweep that still waits or runs is not queued again; jobs travel as JSON; losing Redis, or
    Redis losing its data, ends nothing; and the lock can only be given back by its holder.
    """

    job_class = JsonJob
    queue_class = JsonQueue

    def __init__(self, connection: redis.Redis, *, name: str | None = None) -> None:
        super().__init__(
            QUEUE_NAME,
            connection=connection,
            interval=TICK_SECONDS,
            name=name or f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}",
        )
        self._release = connection.register_script(RELEASE)

    def tick(self) -> bool:
        """Repair the timetable and queue what is due; return whether it was our turn."""
        if not self.acquire_lock():
            return False
        try:
            written = timetable.install(self, utcnow())
            if written:
                logger.info("the timetable has %s new rows", len(written))
            self.enqueue_jobs()
            poke_whose_turn_came(self.connection, utcnow())
        finally:
            self.remove_lock()
        return True

    def serve(self, leaving: Event) -> None:
        """Tick once in each second until *leaving* is set, through any loss of Redis."""
        failures = 0
        while not leaving.is_set():
            try:
                self.tick()
            except redis.RedisError as problem:
                failures += 1
                if failures == 1:
                    logger.warning("Redis does not answer (%s); trying again", problem)
                leaving.wait(min(LONGEST_BACK_OFF_SECONDS, TICK_SECONDS * 0.5 * 2**failures))
                continue
            if failures:
                logger.info("Redis answers again")
                failures = 0
            leaving.wait(_until_next_tick(time.time()))

    def enqueue_job(self, job: JsonJob) -> None:
        """Queue *job*, unless its last turn is not over yet; set its next time in any case."""
        if not self._is_waiting(job) and not self._is_running(job):
            super().enqueue_job(job)
            return
        next_time = utcnow() + timedelta(seconds=job.meta["interval"])
        self.connection.zadd(self.scheduled_jobs_key, {job.id: int(next_time.timestamp())})

    def acquire_lock(self) -> bool:
        """Take the right to look at the timetable, for a few seconds at most."""
        self._lock_acquired = bool(
            self.connection.set(self.scheduler_lock_key, self.name, ex=LOCK_SECONDS, nx=True)
        )
        return self._lock_acquired

    def remove_lock(self) -> None:
        """Give that right back."""
        if self._lock_acquired:
            self._lock_acquired = False
            self._release(keys=[self.scheduler_lock_key], args=[self.name])

    def _is_waiting(self, job: JsonJob) -> bool:
        # The list itself is asked: a job that a killed worker took says "queued" for ever.
        return self.connection.lpos(self.get_queue_for_job(job).key, job.id) is not None

    def _is_running(self, job: JsonJob) -> bool:
        if job.get_status(refresh=False) != JobStatus.STARTED or job.started_at is None:
            return False
        # A killed worker leaves its sweep "started"; after the sweep's time-out nobody runs it.
        return utcnow() - job.started_at < timedelta(seconds=SWEEP_TIMEOUT_SECONDS)


def _until_next_tick(seconds: float) -> float:
    """Return how long to wait at *seconds* for the next moment to tick, just after a whole second.

    Turns come at whole seconds. A tick soon after each of them, by the clock and not by the length
    of the tick before, never lets two seconds' turns go at once.
    """
    return TICK_SECONDS - (seconds - TICK_AFTER) % TICK_SECONDS


def run(app: Flask) -> None:
    """Run a scheduler until SIGTERM or Ctrl-C."""
    settings = app.config["SETTINGS"]
    connection = redis.Redis.from_url(
        settings.redis_url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
    )
    leaving = Event()

    def leave(_signum: int, _frame: FrameType | None) -> Any:
        # The exception ends a call that waits; where it is swallowed (in a destructor, say), the
        # loop still sees the event.
        leaving.set()
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    logger.info("scheduler started")
    try:
        SweepScheduler(connection).serve(leaving)
    finally:
        logger.info("scheduler stopped")
