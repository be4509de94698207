"""Connections that keep a total time, seen from below; `test_transport.py` sees them from above."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest
import requests

from dashboard.xero.deadline import DeadlineAdapter
from dashboard.xero.errors import XeroNoAnswer

# Many times what the tests below wait for, whatever else the machine does.
LONG = 20.0
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def says(data: bytes):
    return lambda connection: connection.sendall(data)


def session_with(adapter: DeadlineAdapter) -> requests.Session:
    session = requests.Session()
    session.mount("http://", adapter)
    return session


class TestTotalTime:
    def test_a_request_may_shorten_it(self, odd_server):
        odd_server.script(lambda _connection: None)
        began_at = time.monotonic()
        with session_with(DeadlineAdapter(total=2 * LONG)) as session, pytest.raises(XeroNoAnswer):
            session.get(odd_server.url, timeout=0.2)
        assert time.monotonic() - began_at < LONG

    def test_a_request_cannot_lengthen_it(self, odd_server):
        odd_server.script(lambda _connection: None)
        began_at = time.monotonic()
        with session_with(DeadlineAdapter(total=0.2)) as session, pytest.raises(XeroNoAnswer):
            session.get(odd_server.url, timeout=2 * LONG)
        assert time.monotonic() - began_at < LONG

    def test_an_upload_that_is_not_taken_ends_too(self):
        # The server accepts and never reads, so the sending itself stands still.
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"http://127.0.0.1:{server.getsockname()[1]}"
            began_at = time.monotonic()
            adapter = DeadlineAdapter(total=0.4)
            with session_with(adapter) as session, pytest.raises(XeroNoAnswer) as caught:
                session.post(url, data=b"x" * 20_000_000)
        assert time.monotonic() - began_at < LONG
        assert caught.value.maybe_sent is True

    def test_the_time_to_connect_does_not_limit_the_sending(self, odd_server):
        odd_server.script(says(REPLY))
        adapter = DeadlineAdapter(total=5, connect=0.05)
        with session_with(adapter) as session:
            answer = session.post(odd_server.url, data=b"x" * 5_000_000)
        assert answer.json() == {}

    def test_no_watch_stays_behind(self, odd_server):
        odd_server.script(says(REPLY), says(REPLY))
        with session_with(DeadlineAdapter(total=30)) as session:
            for _ in range(2):
                session.get(odd_server.url)
        watches = [t for t in threading.enumerate() if isinstance(t, threading.Timer)]
        for watch in watches:
            watch.join(timeout=2)
        assert not any(watch.is_alive() for watch in watches)


class TestFork:
    def test_a_child_does_not_use_its_parents_connections(self, odd_server):
        odd_server.script(*[says(REPLY)] * 2)
        adapter = DeadlineAdapter(total=5)
        with session_with(adapter) as session:
            session.get(odd_server.url)
            parents_pools = adapter.poolmanager
            # A fork of this very process, without forking a process full of threads.
            adapter._process = os.getpid() + 1
            session.get(odd_server.url)
            assert adapter.poolmanager is not parents_pools
            parents_pools.clear()
        assert odd_server.connections == 2
