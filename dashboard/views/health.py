"""For machines: is the process up, and can it do its work."""

from __future__ import annotations

from typing import cast

from flask import Blueprint, Response, current_app, jsonify
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from dashboard.database import db
from jobs.queue import workers_alive

pages = Blueprint("health", __name__)

UNKNOWN = "unknown: Redis does not answer"


@pages.get("/healthz")
def healthz() -> Response:
    """The process is up."""
    return jsonify(status="ok")


@pages.get("/readyz")
def readyz() -> Response:
    """Database, Redis and workers: each `ok` or what is wrong; 503 unless all are ok."""
    redis = _redis()
    workers = _workers() if redis == "ok" else UNKNOWN
    parts = {"database": _database(), "redis": redis, "workers": workers}
    ready = all(state == "ok" for state in parts.values())
    answer = jsonify(status="ok" if ready else "not ready", **parts)
    answer.status_code = 200 if ready else 503
    return answer


def _database() -> str:
    try:
        db.session.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return "does not answer"
    return "ok"


def _redis() -> str:
    try:
        cast(Redis, current_app.extensions["redis"]).ping()
    except RedisError:
        return "does not answer"
    return "ok"


def _workers() -> str:
    try:
        alive = workers_alive()
    except RedisError:
        return UNKNOWN
    return "ok" if alive else "no worker is running: start one with `flask worker`"
