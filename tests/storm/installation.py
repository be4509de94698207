"""What every harness stands on: a database, settings, an app for forked processes, a Xero to ask.

The process that calls this stays single-threaded and holds no connection open while it forks, so
that its children begin like new processes, without the second that importing everything takes.
"""

from __future__ import annotations

import base64
import http.client
import json
import logging
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID, uuid4

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import update

from dashboard import wiring
from dashboard.app import create_app
from dashboard.config import MasterKey, Settings
from dashboard.database import database_time, db
from dashboard.embedded import die_with_parent, free_port
from dashboard.models import ConnectionStatus, Practice, XeroConnection
from dashboard.secret import Secret
from dashboard.services.alerts import AlertService
from dashboard.services.connection_truth import ConnectionTruth
from dashboard.services.token_custody import TokenCustody
from dashboard.xero import TokenSet, Transport
from tests.support import servers

DATABASES = ("postgresql", "sqlite")
NOBODY = "http://localhost:1"
LONGEST_PAUSE = 0.01


class Identity:
    """The identity server's other side: what only a harness may ask it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def new_grant(self) -> Secret:
        """Return the refresh token of a new grant."""
        return Secret(self._asked("POST", "/test/grants")["refresh_token"])

    def is_good(self, token: Secret) -> bool:
        """Tell whether a refresh with *token* would be granted now."""
        good: bool = self._asked("POST", "/test/good", token=token.reveal())["good"]
        return good

    def counts(self) -> dict[str, int]:
        """Return what the server counted."""
        return self._asked("GET", "/test/counts")

    def _asked(self, method: str, path: str, **sent: str) -> dict[str, Any]:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        try:
            connection.request(method, path, urlencode(sent))
            answered: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return answered


@contextmanager
def identity_server(*options: str) -> Iterator[Identity]:
    """Run an identity server of our own with these options of its command."""
    port = free_port()
    command = [sys.executable, "-m", "tests.storm.identity_server", "--port", str(port), *options]
    with servers.running(command, {}) as server:
        url = f"http://127.0.0.1:{port}"
        server.wait_until(lambda: servers.answers(url))
        yield Identity(url)


@dataclass(frozen=True, slots=True)
class Installation:
    """A migrated database and the app on it."""

    app: Flask
    redis_url: str

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Work in this process for a while; no connection is left open behind it."""
        with self.app.app_context():
            try:
                yield
            finally:
                db.session.remove()
                db.engine.dispose()

    @contextmanager
    def as_child(self) -> Iterator[None]:
        """Work in a process that was just forked: with connections of its own."""
        with self.app.app_context():
            db.engine.dispose(close=False)
            yield
            db.session.remove()


def forked(work: Callable[[], None]) -> int:
    """Do *work* in a child that ends with us; return its process id. It exits with 0 or 1."""
    ask_to_end_with_us = die_with_parent()
    pid = os.fork()
    if pid:
        return pid
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if ask_to_end_with_us:
        ask_to_end_with_us()
    code = 1
    try:
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - told to the parent by the exit code
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        # Nothing that belongs to the parent may be tidied up here.
        os._exit(code)


@contextmanager
def installation(
    database: str,
    identity_url: str = NOBODY,
    *,
    database_url: str | None = None,
    server_url: str | None = None,
    **settings: Any,
) -> Iterator[Installation]:
    """Make an installation on a server of this kind, or on a migrated database that is given.

    *server_url* is a PostgreSQL server to make the database on. It has master keys and a Redis of
    its own; *settings* are further fields of `Settings`.
    """
    # Whoever is asked to end in the middle of it still leaves nothing behind.
    signal.signal(signal.SIGTERM, _leave)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chase-storm-")))
        redis_url = stack.enter_context(servers.embedded_redis(folder / "redis"))
        url = database_url or _new_database(stack, database, folder, server_url)
        app = create_app(
            Settings(
                database_url=url,
                redis_url=redis_url,
                secret_key=Secret("k" * 40),
                token_master_keys=(MasterKey(1, Secret(base64.b64encode(b"m" * 32).decode())),),
                xero_client_id="demo-client",
                xero_client_secret=Secret("demo-secret"),
                xero_login_url=identity_url,
                xero_identity_url=identity_url,
                xero_api_url=identity_url,
                document_store_url=f"file://{folder / 'documents'}",
                **settings,
            )
        )
        # What workers say about every lost race would bury the table.
        logging.getLogger("dashboard").setLevel(logging.ERROR)
        made = Installation(app, redis_url)
        with made.inside():
            if database_url is None:
                upgrade()
            # Nothing of an earlier run on a database that was given is due or held any more.
            over = {"status": ConnectionStatus.DISCONNECTED, "refresh_due_at": None}
            db.session.execute(update(XeroConnection).values(**over))
            db.session.commit()
        yield made


def _leave(_signum: int, _frame: FrameType | None) -> None:
    sys.exit(128 + signal.SIGTERM)


def _new_database(stack: ExitStack, database: str, folder: Path, server_url: str | None) -> str:
    if database == "sqlite":
        return f"sqlite:///{folder / 'storm.sqlite3'}"
    server = server_url or stack.enter_context(servers.embedded_postgres())
    url = stack.enter_context(servers.new_database(server))
    # On a busy machine a new process may wait long for its connection; that is no finding.
    return f"{url}{'&' if '?' in url else '?'}connect_timeout=60"


@contextmanager
def calls_end_after(seconds: float) -> Iterator[None]:
    """Let the calls to Xero of this process take so long at most, instead of twenty seconds."""
    world = wiring.outside()
    usual, usual_sending = world.transport, world.sending_transport
    hasty = Transport(
        world.governor,
        wiring.settings().xero_api_url,
        total_seconds=seconds,
        on_exchange=world.notes.note,
    )
    world.transport = world.sending_transport = world.oauth._transport = hasty
    try:
        yield
    finally:
        world.transport = world.oauth._transport = usual
        world.sending_transport = usual_sending
        hasty.close()


@dataclass(frozen=True, slots=True)
class Pace:
    """How much faster than the real one the product's time runs, in every process alike.

    Leases of 30 seconds and time-outs of 20 then pass in a fraction; `began_at` is the moment that
    both times share.
    """

    factor: float
    began_at: datetime

    def now(self) -> datetime:
        """Return the product's time: the database's, sped up."""
        return self.began_at + (database_time(db.session) - self.began_at) * self.factor

    def local_now(self) -> datetime:
        """Return the product's time by this machine's clock, without asking the database."""
        return self.began_at + (datetime.now(UTC) - self.began_at) * self.factor

    def monotonic(self) -> float:
        """Return the product's stopwatch."""
        return time.monotonic() * self.factor

    def pause(self, seconds: float) -> None:
        """Sleep for *seconds* of the product's time, or less, for more collisions."""
        time.sleep(min(seconds / self.factor, LONGEST_PAUSE))


def custody(pace: Pace, pause: Callable[[float], None] | None = None) -> TokenCustody:
    """Return the real custody of this process, at *pace*."""
    world = wiring.outside()
    alerts = AlertService(session=db.session, clock=pace.now)
    return TokenCustody(
        session=db.session,
        oauth=world.oauth,
        cipher=world.cipher,
        truth=ConnectionTruth(session=db.session, alerts=alerts, clock=pace.now),
        clock=pace.now,
        pause=pause or pace.pause,
        owner=wiring.owner(),
        monotonic=pace.monotonic,
    )


def warm_up(pace: Pace, connection_id: UUID) -> None:
    """Refresh once here, so that children inherit what is loaded and compiled at the first time."""
    custody(pace).refresh(connection_id, 1)
    db.session.rollback()


def connected(tokens: TokenSet, pace: Pace, *, age: timedelta = timedelta()) -> UUID:
    """Store an active connection of a new practice with *tokens* of this *age*; return its id."""
    session = db.session
    practice = Practice(name="A practice")
    session.add(practice)
    session.flush()
    connection = XeroConnection(
        id=uuid4(),
        practice_id=practice.id,
        xero_tenant_id=str(uuid4()),
        xero_org_name="Demo Company (UK)",
        status=ConnectionStatus.ACTIVE,
        token_version=0,
    )
    columns = custody(pace).columns_for(connection, tokens, pace.now() - age)
    for name, value in columns.items():
        setattr(connection, name, value)
    session.add(connection)
    connection_id = connection.id
    session.commit()
    return connection_id
