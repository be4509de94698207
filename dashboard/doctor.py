"""What is wrong with an installation, in sentences."""

from __future__ import annotations

from typing import cast

import fsspec
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from dashboard.config import PROJECT, Settings
from dashboard.database import db
from dashboard.models import XeroConnection
from dashboard.wiring import outside


def findings(app: Flask) -> list[str]:
    """Return one sentence for each thing that is wrong; an empty list means that all is well."""
    return [*_database(), *_redis(app), *_document_store(app)]


def _database() -> list[str]:
    try:
        with db.engine.connect() as connection:
            at = MigrationContext.configure(connection).get_current_revision()
        head = ScriptDirectory(str(PROJECT / "migrations")).get_current_head()
        if at != head:
            return ["The database is not up to date: run `flask db upgrade`."]
        return _keys()
    except SQLAlchemyError as problem:
        return [f"The database does not answer ({type(problem).__name__}): check DATABASE_URL."]


def _keys() -> list[str]:
    used = db.session.scalars(
        select(XeroConnection.key_id).where(XeroConnection.access_token_encrypted.is_not(None))
    )
    cipher = outside().cipher
    missing = sorted({key for key in used if key is not None and not cipher.knows(key)})
    return [
        f"Stored tokens need master key {key}: list it in TOKEN_MASTER_KEYS." for key in missing
    ]


def _redis(app: Flask) -> list[str]:
    try:
        cast(Redis, app.extensions["redis"]).ping()
    except RedisError:
        return ["Redis does not answer: check REDIS_URL. Accepting documents works without it."]
    return []


def _document_store(app: Flask) -> list[str]:
    url = cast(Settings, app.config["SETTINGS"]).document_store_url
    try:
        fsspec.url_to_fs(url)
    except (ImportError, ValueError, OSError) as problem:
        return [f"The document store cannot be used ({problem}): check DOCUMENT_STORE_URL."]
    return []
