"""What is wrong with an installation, in sentences; and what is so wrong that nothing may start."""

from __future__ import annotations

import logging
import sys
from typing import NoReturn, cast

import fsspec
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.config import PROJECT, Settings, SettingsError
from dashboard.database import db
from dashboard.mail import MailDoor, MailServerTrouble
from dashboard.queries.alerts import mail_trouble

logger = logging.getLogger(__name__)

# gunicorn tries again and again with another worker unless one ends with just this status.
WILL_NEVER_START = 3


def findings(app: Flask) -> list[str]:
    """Return one sentence for each thing that is wrong; an empty list means that all is well."""
    return [*_database(), *_redis(app), *_document_store(app), *_mail()]


def check_master_keys(app: Flask) -> None:
    """Raise `SettingsError` when stored tokens need a master key that is missing or has changed.

    Nothing is known, and nothing raised, while the database does not answer or has no tables yet.
    """
    with app.app_context():
        checks = wiring.key_checks()
        try:
            report = checks.examine()
            if not report.problems:
                checks.seal(report)
        except SQLAlchemyError as problem:
            logger.info("the master keys were not checked: %s", type(problem).__name__)
            return
        finally:
            db.session.remove()
            # A server that loads the app once and then forks must not share this connection.
            db.engine.dispose()
    if report.problems:
        raise SettingsError(report.problems)


def refuse_to_start(wrong: SettingsError) -> NoReturn:
    """Say what is wrong, a line for each sentence, and end so that nobody tries again."""
    for sentence in wrong.problems:
        sys.stderr.write(f"{sentence}\n")
    sys.exit(WILL_NEVER_START)


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
    report = wiring.key_checks().examine()
    return [
        *report.problems,
        *(
            f"{count:,} stored values are still locked with master key {key}:"
            " run `flask keys rotate`."
            for key, count in report.left_behind.items()
        ),
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


def _mail() -> list[str]:
    door = wiring.mail_door()
    if door is None:
        return []
    return [*_mail_server(door), *_mail_kept_back()]


def _mail_server(door: MailDoor) -> list[str]:
    try:
        door.check()
    except MailServerTrouble as trouble:
        said = f" It said: {trouble.said}" if trouble.said else ""
        return [f"{trouble.sentence} Check SMTP_URL and MAIL_FROM.{said}"]
    return []


def _mail_kept_back() -> list[str]:
    try:
        trouble = mail_trouble(db.session, utcnow())
    except SQLAlchemyError:
        # Said already, of the database.
        return []
    if trouble is None:
        return []
    return [
        f"Emails could not be sent since {trouble.since:%d %B %Y, %H:%M} UTC:"
        f" {trouble.waiting:,} wait, {trouble.refused:,} were refused for good."
        f" The last reason: {trouble.error}"
    ]
