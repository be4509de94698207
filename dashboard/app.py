"""create_app: settings, extensions, pages and commands become one Flask app."""

from __future__ import annotations

import logging
import os
from datetime import timedelta
from typing import Any

import structlog
from flask import Flask
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import make_url
from whitenoise import WhiteNoise

from dashboard import cli, gallery, views
from dashboard.assets import drop_stale_copies
from dashboard.config import PROJECT, Settings
from dashboard.database import db, prepare_engine
from dashboard.extensions import babel, compress, csrf, htmx, limiter, login_manager, migrate

IDLE_HOURS = 8
REDIS_SECONDS = 2.0
# Somebody waits for the page while a worker is nudged; a nudge that is lost does no harm.
NUDGE_SECONDS = 0.15
# Longer: a page must not say that Redis is away because it was busy for a moment.
PAGE_SECONDS = 0.5
DATABASE_SECONDS = 5


def create_app(settings: Settings | None = None) -> Flask:
    """Return the app. Without *settings* they are read from the environment."""
    settings = settings or Settings.from_environment(os.environ)
    app = Flask(
        "dashboard",
        root_path=str(PROJECT),
        template_folder=str(PROJECT / "templates"),
        static_folder=str(PROJECT / "static"),
    )
    app.config.from_mapping(_flask_settings(settings))
    # First of all, because the check of form tokens already reads the whole form.
    views.guards.refuse_what_is_too_large(app)
    _fill_extensions(app, settings)
    views.register(app)
    cli.register(app)
    if settings.gallery:
        gallery.register(app)
    drop_stale_copies(PROJECT / "static")
    app.wsgi_app = WhiteNoise(  # type: ignore[method-assign]  # the documented way to wrap
        app.wsgi_app,
        root=str(PROJECT / "static"),
        prefix="static/",
        # Every address of a static file carries the content's hash, so it never changes.
        immutable_file_test=lambda _path, _url: True,
    )
    return app


def start_logging() -> None:
    """Write log lines as `time level logger message`, ids only, to standard error."""
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        foreign_pre_chain=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
        ],
    )
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _flask_settings(settings: Settings) -> dict[str, object]:
    secure = settings.is_https
    return {
        "SETTINGS": settings,
        "SECRET_KEY": settings.secret_key.reveal(),
        "SQLALCHEMY_DATABASE_URI": settings.database_url,
        "SQLALCHEMY_ENGINE_OPTIONS": _engine_options(settings),
        "SESSION_COOKIE_NAME": "__Host-chase" if secure else "chase",
        "SESSION_COOKIE_SECURE": secure,
        "SESSION_COOKIE_HTTPONLY": True,
        # Lax, not Strict: the way back from Xero is a link from another site.
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_REFRESH_EACH_REQUEST": False,
        "PERMANENT_SESSION_LIFETIME": timedelta(hours=IDLE_HOURS),
        # People sit on these pages all day: a form is good as long as the session is.
        "WTF_CSRF_TIME_LIMIT": None,
        "WTF_CSRF_HEADERS": ["X-CSRFToken"],
        "MAX_CONTENT_LENGTH": 12_000_000,
        "RATELIMIT_STORAGE_URI": settings.redis_url if _limits_uri_ok(settings) else "memory://",
        "RATELIMIT_STORAGE_OPTIONS": _patience(PAGE_SECONDS),
        "RATELIMIT_IN_MEMORY_FALLBACK_ENABLED": True,
        "RATELIMIT_KEY_PREFIX": "chase",
        # Pages only: documents come as they are, and static files have their copies on disk.
        "COMPRESS_MIMETYPES": ["text/html", "application/json", "text/csv"],
        "COMPRESS_ALGORITHM": ["br", "gzip"],
        "COMPRESS_STREAMS": False,
        "BABEL_DEFAULT_LOCALE": "en_GB",
        "BABEL_DEFAULT_TIMEZONE": "UTC",
    }


def _engine_options(settings: Settings) -> dict[str, object]:
    options: dict[str, object] = {}
    url = make_url(settings.database_url)
    if url.get_backend_name() == "postgresql" and "connect_timeout" not in url.query:
        # Without it a start waits for minutes on a host that swallows packets.
        options["connect_args"] = {"connect_timeout": DATABASE_SECONDS}
    return options


def _limits_uri_ok(settings: Settings) -> bool:
    return settings.redis_url.startswith(("redis://", "rediss://"))


def _fill_extensions(app: Flask, settings: Settings) -> None:
    db.init_app(app)
    with app.app_context():
        prepare_engine(db.engine)
    migrate.init_app(app, db, directory=str(PROJECT / "migrations"))
    login_manager.init_app(app)
    csrf.init_app(app)
    htmx.init_app(app)
    babel.init_app(app, locale_selector=views.locale, timezone_selector=views.time_zone)
    limiter.init_app(app)
    compress.init_app(app)
    app.extensions["redis"] = _redis(settings, REDIS_SECONDS)
    app.extensions["redis_for_nudges"] = _redis(settings, NUDGE_SECONDS)
    app.extensions["redis_for_pages"] = _redis(settings, PAGE_SECONDS)


def _redis(settings: Settings, seconds: float) -> Redis:
    return Redis.from_url(settings.redis_url, **_patience(seconds))


def _patience(seconds: float) -> dict[str, Any]:
    return {
        "socket_connect_timeout": seconds,
        "socket_timeout": seconds,
        # Redis is a nudge and a limiter: when it is away, callers decide at once what to do.
        "retry": Retry(NoBackoff(), 0),
    }
