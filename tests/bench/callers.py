"""Real processes that call the judge as fast as a limiter lets them."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import redis

from dashboard.embedded import free_port
from dashboard.xero.errors import XeroMustWait
from dashboard.xero.governor import CallMemory, Governor, Limits, Priority, Reserve, Slot, Spans
from tests.bench.naive_limiters import FixedCounter, StampedAtSend
from tests.storm.installation import forked
from tests.support import servers

LIMITS = Limits()
START_SECONDS = 1.0
LONGEST_SLEEP = 0.5


class Limiter(Protocol):
    """What a caller asks."""

    def acquire(self, tenant_id: str, priority: Priority) -> Slot:
        """Return a slot, or raise `XeroMustWait`."""

    def release(self, slot: Slot, *, status: int, headers: Mapping[str, str]) -> None:
        """Give it back."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run: who calls what, for how long, and what goes wrong."""

    limiter: str = "governor"
    judging: str = "rolling"
    window: float = 6.0
    seconds: float = 36.0
    answer_after: float = 0.05
    killed: float = 0.0
    callers: int = 24
    organisations: int = 3

    @property
    def spans(self) -> Spans:
        """The windows; the lease is half of a minute, as in the product."""
        return Spans(minute=self.window, lease=self.window / 2)


def limiter_of(plan: Plan, client: redis.Redis, memory: CallMemory | None = None) -> Limiter:
    """Return the limiter of one process."""
    if plan.limiter == "fixed counter":
        return FixedCounter(client, LIMITS, plan.spans)
    if plan.limiter == "stamped at send":
        return StampedAtSend(client, LIMITS, plan.spans)
    return Governor(  # type: ignore[return-value]
        client, LIMITS, memory=memory, reserve=Reserve.nothing(), spans=plan.spans
    )


class Wire:
    """One kept-alive connection to the judge, as cheap as it can be."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, name: str) -> None:
        """Send a request."""
        self._socket.sendall(f"GET /{name} HTTP/1.1\r\n\r\n".encode())

    def answer(self) -> tuple[int, dict[str, str]]:
        """Return status and headers of the answer, which has no body."""
        received = b""
        while not received.endswith(b"\r\n\r\n"):
            received += self._socket.recv(4096)
        first, *lines = received.decode().strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        return int(first.split(" ")[1]), headers


@dataclass(frozen=True, slots=True)
class Seen:
    """What the judge saw of one organisation."""

    arrivals: list[float]
    refused: dict[str, int]
    peak: int

    def used(self, plan: Plan, began_at: float) -> float:
        """Return the part of the allowed calls that arrived in the run's whole windows."""
        windows = int(plan.seconds / plan.window)
        ends_at = began_at + windows * plan.window
        arrived = sum(1 for moment in self.arrivals if moment < ends_at)
        return arrived / (windows * LIMITS.minute)

    def pace(self, plan: Plan) -> float:
        """Return how soon the call number 61 comes after each first one, as a part of the limit."""
        later = zip(self.arrivals, self.arrivals[LIMITS.minute :], strict=False)
        spans = [second - first for first, second in later]
        return plan.window * len(spans) / sum(spans) if spans else 0.0


@contextmanager
def judge(plan: Plan) -> Iterator[int]:
    """Run a judge; yield its port."""
    port = free_port()
    options = ["--judging", plan.judging, "--window", str(plan.window)]
    options += ["--seconds", str(plan.answer_after), "--port", str(port)]
    command = [sys.executable, "-m", "tests.bench.judge", *options]
    with servers.running(command, {}) as server:
        server.wait_until(lambda: servers.answers(f"http://127.0.0.1:{port}/report"))
        yield port


def seen_by(port: int) -> dict[str, Seen]:
    """Return what the judge on *port* saw, by organisation."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/report")
        report: dict[str, Any] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return {name: Seen(**facts) for name, facts in report.items()}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run."""

    began_at: float
    seen: dict[str, Seen]
    killed: int

    @property
    def refused(self) -> int:
        """How many calls were answered with 429."""
        return sum(sum(one.refused.values()) for one in self.seen.values())


def run(
    plan: Plan,
    folder: Path,
    *,
    memory: Callable[[], CallMemory] | None = None,
    meanwhile: Callable[[float, str], None] | None = None,
) -> Outcome:
    """Let the callers call; those that are killed are replaced.

    *memory* makes each process's memory; *meanwhile* is called with the moment of the beginning and
    Redis's address, in a process of its own.
    """
    with servers.embedded_redis(folder) as url, judge(plan) as port:
        began_at = time.monotonic() + START_SECONDS

        def call(number: int) -> None:
            with redis.Redis.from_url(url) as client:
                limiter = limiter_of(plan, client, memory() if memory else None)
                _call(plan, limiter, number, began_at, port)

        living = {forked(lambda n=n: call(n)): n for n in range(plan.callers)}  # type: ignore[misc]
        if meanwhile is not None:
            living[forked(lambda: meanwhile(began_at, url))] = -1
        killed, failed = 0, 0
        while living:
            pid, status = os.wait()
            if pid not in living:
                # A server that was asked to end in the middle of the run.
                continue
            number = living.pop(pid)
            if os.WIFSIGNALED(status):
                killed += 1
                living[forked(lambda n=number: call(n))] = number  # type: ignore[misc]
            elif status:
                failed += 1
        if failed:
            raise AssertionError(f"{failed} callers failed.")
        return Outcome(began_at, seen_by(port), killed)


def _call(plan: Plan, limiter: Limiter, number: int, began_at: float, port: int) -> None:
    wire, ends_at = Wire(port), began_at + plan.seconds
    name = f"organisation-{number % plan.organisations}"
    chance = random.SystemRandom().random
    time.sleep(max(began_at - time.monotonic(), 0.0))
    while time.monotonic() < ends_at:
        try:
            slot = limiter.acquire(name, Priority.PERSON)
        except XeroMustWait as wait:
            time.sleep(min(wait.seconds, LONGEST_SLEEP, max(ends_at - time.monotonic(), 0.0)))
            continue
        wire.send(name)
        if chance() < plan.killed:
            os.kill(os.getpid(), signal.SIGKILL)
        status, headers = wire.answer()
        limiter.release(slot, status=status, headers=headers)
