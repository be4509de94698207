"""The nouns of the tests: an app on a fresh database, a pretend Xero, people with browsers.

`TEST_DATABASE=postgresql` runs the same tests on PostgreSQL; without it they run on SQLite.
"""

from __future__ import annotations

import base64
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import upgrade
from redis import Redis
from sqlalchemy.orm import Session, scoped_session

from dashboard import wiring
from dashboard.app import create_app
from dashboard.config import MasterKey, Settings
from dashboard.database import db
from dashboard.models import Practice, Role, User
from dashboard.secret import Secret
from dashboard.simulator import App, World, build_world
from tests import factories
from tests.support.browser import Browser, FreshClient
from tests.support.databases import Databases
from tests.support.pretend_xero import served
from tests.support.servers import embedded_postgres, embedded_redis, new_database
from tests.support.worked_out_once import WorkedOutOnce, builders_of_addresses

# A busy machine is no defect: nothing may fail because one example took long.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")

NO_XERO = "http://localhost:1"
CALLBACK = "http://localhost:8000/api/integrations/xero/callback"
ON_POSTGRESQL = os.environ.get("TEST_DATABASE") == "postgresql"


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of our own."""
    with embedded_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="session")
def make_database(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[ExitStack], str]]:
    """Makes a migrated database and returns its URL; a copy of one that was migrated once."""
    if ON_POSTGRESQL:
        with (
            embedded_postgres() as server,
            new_database(server) as template,
            ExitStack() as copies,
        ):
            _migrate(template)
            databases = Databases(server, template, copies)
            yield lambda stack: stack.enter_context(databases.lent())
        return
    template_file = tmp_path_factory.mktemp("template") / "migrated.sqlite3"
    _migrate(f"sqlite:///{template_file}")

    def copy(_stack: ExitStack) -> str:
        file = tmp_path_factory.mktemp("database") / "test.sqlite3"
        shutil.copy(template_file, file)
        return f"sqlite:///{file}"

    yield copy


@pytest.fixture
def database_url(make_database: Callable[[ExitStack], str]) -> Iterator[str]:
    """A fresh, migrated database."""
    with ExitStack() as stack:
        yield make_database(stack)


@pytest.fixture(scope="session")
def seeded() -> bytes:
    """What a pretend Xero knows at first, worked out once for all tests."""
    app = App(client_id="demo-client", client_secret="demo-secret", redirect_uris=(CALLBACK,))
    return pickle.dumps(build_world(app=app).state)


@pytest.fixture
def world(seeded: bytes) -> World:
    """What the pretend Xero knows."""
    return World(pickle.loads(seeded))  # noqa: S301 - from a few lines above


@pytest.fixture
def xero_url(world: World) -> Iterator[str]:
    """Where the pretend Xero answers."""
    with served(world) as url:
        yield url


@pytest.fixture
def empty_redis(redis_url: str) -> str:
    """Our Redis with nothing in it, whatever the test before left there."""
    with Redis.from_url(redis_url) as connection:
        connection.flushall()
    return redis_url


@pytest.fixture
def settings(
    request: pytest.FixtureRequest, database_url: str, empty_redis: str, tmp_path: Path
) -> Settings:
    """Settings of an installation for one test; Xero is there for those who look at its world."""
    looks_at_xero = {"world", "xero_url"} & set(request.fixturenames)
    xero_url = request.getfixturevalue("xero_url") if looks_at_xero else NO_XERO
    return make_settings(
        database_url=database_url,
        redis_url=empty_redis,
        xero_login_url=xero_url,
        xero_identity_url=xero_url,
        xero_api_url=xero_url,
        document_store_url=f"file://{tmp_path / 'documents'}",
        reconcile_lag=0.0,
    )


@pytest.fixture(scope="session", autouse=True)
def _address_builders() -> Iterator[None]:
    """The builders of addresses, compiled once for all apps of the run."""
    with builders_of_addresses():
        yield


@pytest.fixture(scope="session")
def worked_out_once(tmp_path_factory: pytest.TempPathFactory) -> WorkedOutOnce:
    """Templates and SQL, compiled once for all apps of the run."""
    return WorkedOutOnce(tmp_path_factory.mktemp("templates"))


@pytest.fixture
def app(settings: Settings, worked_out_once: WorkedOutOnce) -> Iterator[Flask]:
    """The app."""
    app = create_app(settings)
    worked_out_once.share_with(app)
    app.config["TESTING"] = True
    app.test_client_class = FreshClient
    # On a busy machine Redis may take longer than people are made to wait for it.
    for name in ("redis_for_nudges", "redis_for_pages"):
        app.extensions[name] = app.extensions["redis"]
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()
        wiring.outside().transport.close()
        app.extensions["redis"].close()


@pytest.fixture
def session(app: Flask) -> scoped_session[Session]:
    """The database session of the test's app context."""
    return db.session


@pytest.fixture
def practice(app: Flask) -> Practice:
    """Our practice."""
    return factories.make_practice(name="Hartley Accounting")


@pytest.fixture
def admin(practice: Practice) -> User:
    """An admin of our practice."""
    return factories.make_user(practice, email="priya@hartley.example", role=Role.ADMIN)


@pytest.fixture
def colleague(practice: Practice) -> User:
    """A member of staff of our practice."""
    return factories.make_user(practice, email="tom@hartley.example", role=Role.STAFF)


@pytest.fixture
def stranger(app: Flask) -> User:
    """An admin of another practice, who must never see anything of ours."""
    other = factories.make_practice(name="Other Practice")
    return factories.make_user(other, email="eve@other.example", role=Role.ADMIN)


@pytest.fixture
def browser_of(app: Flask) -> Callable[[User], Browser]:
    """Gives a signed-in browser to a person."""

    def signed_in(user: User) -> Browser:
        browser = Browser(app.test_client())
        browser.enter_as(user)
        return browser

    return signed_in


@pytest.fixture
def browser(browser_of: Callable[[User], Browser], admin: User) -> Browser:
    """The admin's browser."""
    return browser_of(admin)


@pytest.fixture
def visitor(app: Flask) -> FlaskClient:
    """A browser of nobody."""
    return app.test_client()


def make_settings(**changes: object) -> Settings:
    """Return complete settings with *changes*."""
    values: dict[str, object] = {
        "database_url": "sqlite://",
        "redis_url": "redis://localhost:1/0",
        "secret_key": Secret("k" * 40),
        "token_master_keys": (MasterKey(1, Secret(base64.b64encode(b"m" * 32).decode())),),
        "xero_client_id": "demo-client",
        "xero_client_secret": Secret("demo-secret"),
    }
    return Settings(**{**values, **changes})  # type: ignore[arg-type]


def _migrate(database_url: str) -> None:
    app = create_app(make_settings(database_url=database_url))
    with app.app_context():
        upgrade()
        db.engine.dispose()
