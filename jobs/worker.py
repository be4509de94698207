"""`flask worker`: takes jobs from the one queue and performs each inside the app."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import redis
from flask import Flask
from rq.executions import Execution
from rq.job import Job
from rq.queue import Queue
from rq.utils import import_attribute
from rq.worker import SimpleWorker
from rq.worker_registration import register

from dashboard import wiring
from dashboard.services.refusals import Refusal
from dashboard.xero.errors import XeroError
from jobs.queue import JsonJob, JsonQueue, others_wait
from jobs.stopping import StopNow, Stopping
from jobs.timetable import TIMETABLE

logger = logging.getLogger(__name__)

LISTEN_SECONDS = 5
RQ_LISTENS_SHORTER_BY = 15
MAINTENANCE_SECONDS = 30
REDIS_SECONDS = 5.0
FIRST_BACK_OFF_SECONDS = 0.5
LONGEST_BACK_OFF_SECONDS = 5.0

SWEEPS = frozenset(sweep.name for sweep in TIMETABLE)


class ChaseWorker(SimpleWorker):
    """An RQ worker on our one queue: app context around each job, its own loop, quiet log.

    One queue only: RQ hands a job over safely for workers of a single queue, and loses jobs of
    killed workers that listen to several. It does not listen to RQ's remote commands.
    """

    job_class: type[Job] = JsonJob
    queue_class: type[Queue] = JsonQueue
    log_result_lifespan = False
    max_connection_wait_time = LONGEST_BACK_OFF_SECONDS

    def __init__(self, app: Flask, connection: redis.Redis, stopping: Stopping) -> None:
        super().__init__(
            [JsonQueue(connection=connection)],
            name=f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}",
            connection=connection,
            maintenance_interval=MAINTENANCE_SECONDS,
            worker_ttl=LISTEN_SECONDS + RQ_LISTENS_SHORTER_BY,
            default_result_ttl=0,
            log_job_description=False,
            serializer="json",
        )
        self._app = app
        self._stopping = stopping

    def serve(self, *, burst: bool) -> None:
        """Perform jobs until asked to stop, or in a burst until the queue is empty.

        Raises `redis.RedisError` when Redis is lost in the middle of something.
        """
        self.register_birth()  # type: ignore[no-untyped-call]
        try:
            while not self._stopping():
                found = self.dequeue_job_and_maintain_ttl(None if burst else LISTEN_SECONDS)
                if found is None:
                    return
                self.execute_job(*found)
        finally:
            self._leave_register()

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Perform *job* to its end, or until it sees that we were asked to stop."""
        started = time.monotonic()
        with self._stopping.work():
            super().execute_job(job, queue)
        if job.id not in SWEEPS:
            logger.info("%s took %.2f s", job.description, time.monotonic() - started)

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Perform *job* in an app context of its own; its database session ends with it."""
        with self._app.app_context():
            return super().perform_job(job, queue, execution)

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Log what a job raised: what services already wrote on the row is no surprise."""
        problem = exc_info[1]
        if isinstance(problem, Refusal | XeroError):
            logger.info("%s ended early: %s", job.description, type(problem).__name__)
        elif came_from_the_job(problem):
            logger.error("%s failed", job.description, exc_info=exc_info)
        else:
            logger.warning("the queue lost its record of %s: %s", job.description, problem)

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Tell Redis that we are alive, and introduce ourselves again if it lost its data."""
        super().heartbeat(timeout, pipeline)
        if pipeline is None and not self.connection.sismember(self.redis_workers_keys, self.key):
            self.connection.hset(self.key, mapping=self.serialize())
            register(self)

    def _leave_register(self) -> None:
        try:
            self.register_death()  # type: ignore[no-untyped-call]
        except redis.RedisError:
            # Redis forgets us by itself when our heartbeat stays away.
            logger.info("left without a word: Redis does not answer")


def came_from_the_job(problem: BaseException) -> bool:
    """Tell whether *problem* was raised while the job ran, and not by RQ around it.

    When Redis loses its data, RQ misses its records of a job that has just done its work.
    """
    frames = traceback.walk_tb(problem.__traceback__)
    return any(frame.f_code is Job.perform.__code__ for frame, _line in frames)


def run(app: Flask, burst: bool = False, sleep: Callable[[float], None] = time.sleep) -> None:
    """Run a worker until SIGTERM or Ctrl-C; with *burst* until nothing that was due is left.

    A burst sweeps first, so that it needs no scheduler and no poke that arrived.

    Ends within 10 seconds of the signal, whatever the job does. A lost Redis is waited for; in a
    burst it ends the process with exit code 1.
    """
    logging.getLogger("rq.worker").setLevel(logging.WARNING)
    stopping = Stopping()
    with app.app_context():
        wiring.outside().should_stop = stopping
        wiring.outside().others_wait = others_wait
        if burst:
            _sweep_once()
    stopping.listen()
    logger.info("worker started")
    with suppress(StopNow):
        _serve_through_losses(app, stopping, burst, sleep)
    logger.info("worker stopped")


def _sweep_once() -> None:
    for sweep in TIMETABLE:
        import_attribute(sweep.function)()


def _serve_through_losses(
    app: Flask, stopping: Stopping, burst: bool, sleep: Callable[[float], None]
) -> None:
    back_off = FIRST_BACK_OFF_SECONDS
    while not stopping():
        began = time.monotonic()
        try:
            ChaseWorker(app, _connect(app), stopping).serve(burst=burst)
        except redis.RedisError as problem:
            if time.monotonic() - began > LONGEST_BACK_OFF_SECONDS:
                back_off = FIRST_BACK_OFF_SECONDS
            if back_off == FIRST_BACK_OFF_SECONDS:
                logger.warning("Redis does not answer (%s); trying again", problem)
            if burst:
                sys.exit(1)
        else:
            return
        sleep(back_off)
        back_off = min(LONGEST_BACK_OFF_SECONDS, back_off * 2)


def _connect(app: Flask) -> redis.Redis:
    # A client of its own: RQ lengthens the time-outs of the client it is given.
    return redis.Redis.from_url(
        app.config["SETTINGS"].redis_url, socket_connect_timeout=REDIS_SECONDS
    )
