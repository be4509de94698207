"""`flask demo`: the whole product on one machine, with a pretend Xero and people to sign in as.

Everything it keeps lies in `instance/demo` (or in `DEMO_FOLDER`). It reads none of the person's own
settings, so that a demo can never reach a real Xero. The port is part of the address that is
registered with Xero, so it is fixed; `PORT` chooses another.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import FrameType

import click
import flask_migrate

from dashboard.config import CALLBACK_PATH, INSTANCE, KEY_BYTES, Settings
from dashboard.demo_data import SignIn, load
from dashboard.demo_processes import Command, Crew, DemoFailed
from dashboard.embedded import ServerDidNotStart, free_port, start_redis

FOLDER = Path(os.environ.get("DEMO_FOLDER") or INSTANCE / "demo").absolute()
DEFAULT_PORT = 8000
SIMULATOR_PORT = 8001
LOOPBACK = "127.0.0.1"
START_SECONDS = 60.0
WORKERS = 2
APP_NAME = "chase.md"
OPTIONS_WITH_A_VALUE = frozenset({"-A", "--app", "-e", "--env-file"})
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Leave(BaseException):
    """Somebody asked us to end. Not an `Exception`: nothing on the way may keep it."""


def is_asked_for(arguments: Sequence[str]) -> bool:
    """Tell whether *arguments*, the process's own, are those of `flask demo`."""
    words = iter(arguments[1:])
    for word in words:
        if word in OPTIONS_WITH_A_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return word == "demo"
    return False


def settings() -> Settings:
    """Return the settings of the process that loads the demo data and starts the others."""
    # This process never speaks to Redis; those it starts are told where it is.
    return Settings.from_environment(_environment(f"unix://{FOLDER}/redis.sock", SIMULATOR_PORT))


def run() -> None:
    """Run the demo until Ctrl-C; exits 1 with one sentence when it cannot."""
    try:
        _leave_on_signals()
        with _alone():
            _run()
    except _Leave:
        click.echo(f"\nStopped. Everything is kept in {FOLDER}.")
    except (DemoFailed, ServerDidNotStart) as problem:
        raise click.ClickException(str(problem)) from problem


def _run() -> None:
    port = _port()
    _refuse_a_taken_port(port)
    simulator_port = _free_or(SIMULATOR_PORT)
    redis = start_redis(FOLDER / "redis")
    try:
        crew = Crew(_environment(redis.url, simulator_port))
        try:
            _start_all(crew, port, simulator_port)
        finally:
            # Those who work first, so that they can hand back their work; then what they lean on.
            crew.stop("web", "worker", "scheduler")
            crew.stop()
    finally:
        redis.stop()


def _start_all(crew: Crew, port: int, simulator_port: int) -> None:
    origin, xero = f"http://localhost:{port}", f"http://localhost:{simulator_port}"
    crew.start(_simulator(simulator_port, origin))
    click.echo("Preparing the database and the demo data ...")
    flask_migrate.upgrade()
    people = load(_keys()["passwords"], FOLDER / "data-loaded")
    crew.wait_until("The Xero simulator", lambda: _answers(f"{xero}/simulator/"), START_SECONDS)
    crew.start(_web(port))
    crew.start(Command("worker", _python("flask", "worker"), may_restart=True))
    crew.start(Command("scheduler", _python("flask", "scheduler"), may_restart=True))
    crew.wait_until("The web server", lambda: _answers(f"{origin}/healthz"), START_SECONDS)
    click.echo(_welcome(origin, xero, people))
    crew.serve()


def _simulator(port: int, origin: str) -> Command:
    return Command(
        "xero",
        _python(
            "dashboard.simulator.serve",
            *("--host", LOOPBACK, "--port", str(port), "--state", str(FOLDER / "xero.json")),
            *("--client-id", _keys()["XERO_CLIENT_ID"], "--app-name", APP_NAME),
            *("--redirect-uri", origin + CALLBACK_PATH),
        ),
    )


def _web(port: int) -> Command:
    return Command(
        "web",
        _python(
            "gunicorn",
            *("wsgi:app", "--bind", f"{LOOPBACK}:{port}", "--log-level", "warning"),
            *("--worker-class", "gthread", "--workers", str(WORKERS), "--threads", "4"),
            *("--graceful-timeout", "3", "--no-control-socket"),
        ),
    )


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


def _welcome(origin: str, xero: str, people: Sequence[SignIn]) -> str:
    width = max(len(person.email) for person in people)
    sign_ins = "\n".join(
        f"    {person.role:<7}{person.email:<{width}}   {person.password}" for person in people
    )
    return f"""
  The dashboard is at   {origin}

  Sign in as
{sign_ins}

  The pretend Xero is at {xero}/simulator/ (its files and contacts, and faults to try)

  Ctrl-C stops everything.
"""


def _environment(redis_url: str, simulator_port: int) -> dict[str, str]:
    keys, xero = _keys(), f"http://localhost:{simulator_port}"
    return {
        "DATABASE_URL": f"sqlite:///{FOLDER / 'chase.sqlite3'}",
        "REDIS_URL": redis_url,
        "SECRET_KEY": keys["SECRET_KEY"],
        "TOKEN_MASTER_KEYS": keys["TOKEN_MASTER_KEYS"],
        "XERO_CLIENT_ID": keys["XERO_CLIENT_ID"],
        "XERO_CLIENT_SECRET": keys["XERO_CLIENT_SECRET"],
        "SIMULATOR_CLIENT_SECRET": keys["XERO_CLIENT_SECRET"],
        "XERO_LOGIN_URL": xero,
        "XERO_IDENTITY_URL": xero,
        "XERO_API_URL": xero,
        "PUBLIC_URL": f"http://localhost:{_port()}",
        "DOCUMENT_STORE_URL": f"file://{FOLDER / 'documents'}",
        "FLASK_APP": "wsgi",
        # A person's own .env file must not reach the demo.
        "FLASK_SKIP_DOTENV": "1",
        "PYTHONUNBUFFERED": "1",
    }


@cache
def _keys() -> dict[str, str]:
    """Return the demo's secrets, made at the first start and kept."""
    file = FOLDER / "keys.json"
    with suppress(FileNotFoundError):
        kept: dict[str, str] = json.loads(file.read_text())
        return kept
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = {
        "SECRET_KEY": secrets.token_hex(32),
        "TOKEN_MASTER_KEYS": "1:" + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode(),
        "XERO_CLIENT_ID": secrets.token_hex(16).upper(),
        "XERO_CLIENT_SECRET": secrets.token_urlsafe(36),
        "passwords": secrets.token_hex(4),
    }
    whole = file.with_suffix(".new")
    whole.touch(mode=0o600)
    whole.write_text(json.dumps(made, indent=1))
    whole.replace(file)
    return made


def _port() -> int:
    given = os.environ.get("PORT", "").strip()
    return int(given) if given.isdigit() else DEFAULT_PORT


def _refuse_a_taken_port(port: int) -> None:
    if not _is_free(port):
        raise DemoFailed(
            f"Port {port} is in use by another program: end it, or choose another port with"
            f" `PORT={port + 80} make demo`."
        )


def _free_or(port: int) -> int:
    return port if port != _port() and _is_free(port) else free_port()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do it; otherwise a port that was in use a minute ago counts as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    with socket.socket() as caller:
        return caller.connect_ex((LOOPBACK, port)) != 0


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own http address
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the demo's folder: two demos in it would take each other's data."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as held:
            raise DemoFailed(f"The demo is already running in {FOLDER}.") from held
        yield


def _leave_on_signals() -> None:
    def leave(_number: int, _frame: FrameType | None) -> None:
        # Once is enough: what follows is the orderly end, and nothing should interrupt it.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise _Leave

    for number in SIGNALS:
        signal.signal(number, leave)
