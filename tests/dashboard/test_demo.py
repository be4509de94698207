from __future__ import annotations

import os
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard import demo
from dashboard.embedded import free_port
from tests.support.servers import Running, running

DEMO = [sys.executable, "-m", "flask", "--app", "wsgi", "demo"]


class TestIsAskedFor:
    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (["/usr/bin/flask", "demo"], True),
            (["flask", "--app", "wsgi", "demo"], True),
            (["flask", "-A", "wsgi", "--debug", "demo"], True),
            (["flask", "worker"], False),
            (["flask"], False),
            (["gunicorn", "wsgi:app"], False),
            (["flask", "--app", "demo", "worker"], False),
            (["flask", "practice", "create", "demo"], False),
        ],
    )
    def test_only_the_command_itself_counts(self, arguments: list[str], expected: bool) -> None:
        assert demo.is_asked_for(arguments) is expected


@pytest.mark.skipif(sys.platform != "linux", reason="looks for left-over processes in /proc")
class TestRun:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "demo"

    @pytest.fixture
    def port(self) -> int:
        return free_port()

    @pytest.fixture
    def the_demo(self, folder: Path, port: int) -> Iterator[Running]:
        environment = {
            "DEMO_FOLDER": str(folder),
            "PORT": str(port),
            # What a person may have lying around must not reach the demo.
            "DATABASE_URL": "sqlite:////nowhere/at/all.sqlite3",
            "XERO_API_URL": "https://api.xero.com",
        }
        with running(DEMO, environment) as process:
            process.wait_until(lambda: "Ctrl-C stops everything" in process.said(), seconds=110)
            yield process

    def test_it_serves_everything_and_leaves_nothing_running(
        self, the_demo: Running, folder: Path, port: int
    ) -> None:
        origin = f"http://localhost:{port}"
        with urllib.request.urlopen(f"{origin}/sign-in", timeout=10) as page:
            assert b"password" in page.read()
        wait_until_ready(origin)
        assert "hannah.hartley@hartleyfinch.example" in the_demo.said()
        started = processes_of(folder)
        assert len(started) > 5

        the_demo.process.send_signal(signal.SIGINT)
        assert the_demo.process.wait(20) == 0
        assert processes_of(folder) == {}

    def test_a_killed_demo_takes_its_processes_along(self, the_demo: Running, folder: Path) -> None:
        the_demo.process.kill()
        the_demo.process.wait()
        deadline = time.monotonic() + 20
        while processes_of(folder):
            assert time.monotonic() < deadline, processes_of(folder)
            time.sleep(0.1)

    def test_a_taken_port_is_one_sentence(self, folder: Path, port: int) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", port))
            other.listen()
            with running(DEMO, {"DEMO_FOLDER": str(folder), "PORT": str(port)}) as process:
                assert process.process.wait(40) == 1
                said = process.said()
        assert said.startswith(f"Error: Port {port} is in use by another program")
        assert said.count("\n") == 1


def wait_until_ready(origin: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(f"{origin}/readyz", timeout=5):
                return
        except urllib.error.HTTPError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def processes_of(folder: Path) -> dict[int, str]:
    """Return the living processes that were told of *folder*, with their command lines."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            told = str(folder).encode() in (entry / "environ").read_bytes()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if told or str(folder) in command:
            found[int(entry.name)] = command
    return found
