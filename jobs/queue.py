"""The only door to RQ: one queue, JSON, and a poke that may fail without harm.

A poke for later is a kind, an id and a moment in one sorted set; the scheduler looks there every
second. Setting it twice moves it, and losing it costs one sweep.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import redis
from flask import current_app
from rq.job import Job
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.utils import utcparse
from rq.worker_registration import get_keys

from dashboard.clock import utcnow

logger = logging.getLogger(__name__)

QUEUE_NAME = "chase"
SPARED_UNTIL = "redis_spared_until"
# As long as it takes until a sweep finds what nobody was nudged for.
SPARED_SECONDS = 5.0
LATER_KEY = "chase:poked-later"
JOB_SECONDS = 120
# Comparing 100,000 contacts with as many clients takes minutes on a small machine.
LONG_JOB_SECONDS = 900
LONG_JOBS = frozenset({"contact-sync", "contact-import"})
MARKER_SECONDS = 3600
FAILURE_SECONDS = 3600
SILENCE_SECONDS = 30

FUNCTIONS = {
    "token-refresh": "jobs.token_refresh.refresh_token",
    "contact-sync": "jobs.contact_sync.sync_practice",
    "contact-import": "jobs.contact_import.import_practice",
    "file-push": "jobs.file_push.push_practice",
    "file-retry": "jobs.file_retry.retry_practice",
    "file-check": "jobs.file_check.check_files",
    "health-check": "jobs.health_check.check_connection",
    "consent-return": "jobs.health_check.give_back_consent",
    "alert-check": "jobs.alert_check.check_practice",
    "alert-mail": "jobs.alert_mail.send_due",
}


class JsonJob(Job):
    """An RQ job that travels as JSON: unpickling what lies in Redis would be running it."""

    def __init__(
        self, id: str | None = None, connection: Any = None, _serializer: Any = None, **_more: Any
    ) -> None:
        super().__init__(id=id, connection=connection, serializer=JSONSerializer)


class JsonQueue(Queue):
    """The queue of `JsonJob`s."""

    job_class = JsonJob

    def __init__(self, name: str = QUEUE_NAME, connection: Any = None, **more: Any) -> None:
        super().__init__(name, connection, **{**more, "serializer": JSONSerializer})


def poke(kind: str, id: UUID | str) -> bool:
    """Ask a worker to look after *id*; return whether the nudge lies in the queue.

    Never raises because of Redis, and hardly waits for one that hangs: the row that the caller
    committed is found by the next sweep. Call it after the commit, never before.
    """
    # Who has just met a Redis that hangs does not let the next person wait for it as well.
    if time.monotonic() < current_app.extensions.get(SPARED_UNTIL, 0.0):
        return False
    is_taken = _poked(_redis("redis_for_nudges"), kind, [str(id)], at_front=False) == 1
    if not is_taken:
        current_app.extensions[SPARED_UNTIL] = time.monotonic() + SPARED_SECONDS
    return is_taken


def poke_all(kind: str, ids: Iterable[UUID | str], *, at_front: bool = False) -> int:
    """Poke for each of *ids*; return how many nudges lie in the queue when it is done.

    *at_front* is for what is short and comes by the clock. An id that still waits there is not
    queued a second time. Two callers at once may queue it twice, which costs one look at the
    database.
    """
    wanted = [str(id) for id in ids]
    return _poked(_redis(), kind, wanted, at_front=at_front) if wanted else 0


def poke_later(kind: str, turns: Mapping[UUID, datetime]) -> None:
    """Let each id be poked at the moment of its turn, never before; the last word on it counts.

    Never raises because of Redis, as with `poke`.
    """
    if not turns:
        return
    moments = {f"{kind}:{id}": turn.timestamp() for id, turn in turns.items()}
    try:
        _redis().zadd(LATER_KEY, moments)
    except redis.RedisError as problem:
        _log_not_taken(kind, len(turns), problem)


def poke_whose_turn_came(connection: redis.Redis, now: datetime) -> None:
    """Queue what was to be poked later and whose moment has come; raises `redis.RedisError`.

    Whoever dies in the middle loses these pokes, and the next sweep makes them anew.
    """
    with connection.pipeline() as pipeline:
        pipeline.zrangebyscore(LATER_KEY, "-inf", now.timestamp())
        pipeline.zremrangebyscore(LATER_KEY, "-inf", now.timestamp())
        taken: list[bytes] = pipeline.execute()[0]
    by_kind: defaultdict[str, list[str]] = defaultdict(list)
    for entry in taken:
        kind, _, id = entry.decode().partition(":")
        by_kind[kind].append(id)
    for kind, ids in by_kind.items():
        _enqueue_missing(connection, kind, ids, at_front=True)


def others_wait() -> bool:
    """Tell whether anything waits in the queue; with Redis down nothing can."""
    connection = _redis()
    try:
        return bool(connection.llen(JsonQueue(connection=connection).key))
    except redis.RedisError:
        return False


def workers_alive(now: datetime | None = None) -> int:
    """Return how many workers gave a sign of life lately; raises `redis.RedisError`."""
    connection, moment = _redis(), now or utcnow()
    keys = sorted(get_keys(JsonQueue(connection=connection)))
    with connection.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.hmget(key, "last_heartbeat", "state")
        signs: list[tuple[bytes | None, bytes | None]] = pipeline.execute()
    return sum(1 for beat, state in signs if beat is not None and _is_alive(beat, state, moment))


def _log_not_taken(kind: str, count: int, problem: redis.RedisError) -> None:
    logger.warning(
        "Redis did not take %s pokes of kind %s (%s); the sweeps will find the rows",
        count,
        kind,
        type(problem).__name__,
    )


def _poked(connection: redis.Redis, kind: str, wanted: list[str], *, at_front: bool) -> int:
    try:
        _enqueue_missing(connection, kind, wanted, at_front)
    except redis.RedisError as problem:
        _log_not_taken(kind, len(wanted), problem)
        return 0
    return len(wanted)


def _enqueue_missing(connection: redis.Redis, kind: str, ids: list[str], at_front: bool) -> None:
    queue = JsonQueue(connection=connection)
    markers = [_marker(kind, id) for id in ids]
    remembered: list[bytes | None] = connection.mget(markers)  # type: ignore[assignment]
    waiting = _waiting(connection, queue.key, remembered)
    missing = [
        (id, marker)
        for id, marker, job_id in zip(ids, markers, remembered, strict=True)
        if job_id not in waiting
    ]
    if not missing:
        return
    with connection.pipeline() as pipeline:
        jobs = []
        for id, marker in missing:
            job_id = uuid4().hex
            pipeline.set(marker, job_id, ex=MARKER_SECONDS)
            jobs.append(
                JsonQueue.prepare_data(
                    FUNCTIONS[kind],
                    args=(id,),
                    kwargs={},
                    timeout=LONG_JOB_SECONDS if kind in LONG_JOBS else JOB_SECONDS,
                    result_ttl=0,
                    failure_ttl=FAILURE_SECONDS,
                    description=f"{kind} {id}",
                    job_id=job_id,
                    at_front=at_front,
                )
            )
        queue.enqueue_many(jobs, pipeline=pipeline)
        pipeline.execute()


def _waiting(
    connection: redis.Redis, queue_key: str, remembered: list[bytes | None]
) -> frozenset[bytes]:
    """Return those of the remembered job ids that truly lie in the list.

    A job's own status cannot tell: a job that a killed worker took stays "queued" for ever.
    """
    known = [job_id for job_id in remembered if job_id is not None]
    if not known:
        return frozenset()
    if len(known) == 1:
        found = connection.lpos(queue_key, known[0].decode()) is not None
        return frozenset(known) if found else frozenset()
    listed: list[bytes] = connection.lrange(queue_key, 0, -1)  # type: ignore[assignment]
    return frozenset(listed)


def _marker(kind: str, id: str) -> str:
    return f"chase:poked:{kind}:{id}"


def _is_alive(beat: bytes, state: bytes | None, now: datetime) -> bool:
    # A worker is silent while it performs a job.
    longest = SILENCE_SECONDS + (LONG_JOB_SECONDS if state == b"busy" else 0)
    return (now - utcparse(beat.decode())).total_seconds() <= longest


def _redis(name: str = "redis") -> redis.Redis:
    connection: redis.Redis = current_app.extensions[name]
    return connection
