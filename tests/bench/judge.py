"""A server that does nothing but judge: was this call one too many, at the moment it arrived?

    python -m tests.bench.judge --port 8123 --judging rolling --window 6 --seconds 0.05

It counts by itself what Xero might count, and knows nothing of the product. Each answer comes
*seconds* after the arrival. `GET /report` tells what was seen.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from typing import Protocol

GRAINS = 60


class Count(Protocol):
    """One way of counting an organisation's minute."""

    def left(self, now: float) -> int:
        """Return how many calls more are allowed at *now*."""

    def add(self, now: float) -> None:
        """Count a call that is allowed."""


class Rolling:
    """Every window of this length, wherever it begins, holds at most the limit."""

    def __init__(self, limit: int, window: float) -> None:
        self._limit = limit
        self._window = window
        self._seen: deque[float] = deque()

    def left(self, now: float) -> int:
        while self._seen and self._seen[0] <= now - self._window:
            self._seen.popleft()
        return self._limit - len(self._seen)

    def add(self, now: float) -> None:
        self._seen.append(now)


class Fixed:
    """Windows follow one another, from a moment that no caller knows."""

    def __init__(self, limit: int, window: float) -> None:
        self._limit = limit
        self._window = window
        self._offset = random.SystemRandom().random() * window
        self._current, self._used = 0, 0

    def left(self, now: float) -> int:
        current = math.floor((now + self._offset) / self._window)
        if current != self._current:
            self._current, self._used = current, 0
        return self._limit - self._used

    def add(self, now: float) -> None:
        self._used += 1


class Bucket:
    """A bucket of tokens that fills up at a steady rate."""

    def __init__(self, limit: int, window: float) -> None:
        self._limit = limit
        self._rate = limit / window
        self._tokens, self._filled_at = float(limit), 0.0

    def left(self, now: float) -> int:
        added = (now - self._filled_at) * self._rate if self._filled_at else 0.0
        self._tokens = min(self._tokens + added, float(self._limit))
        self._filled_at = now
        return int(self._tokens)

    def add(self, now: float) -> None:
        self._tokens -= 1


class Grained:
    """A rolling window that knows moments only to a sixtieth of it: to the second of a minute."""

    def __init__(self, limit: int, window: float) -> None:
        self._limit = limit
        self._grain = window / GRAINS
        self._seen: deque[int] = deque()

    def left(self, now: float) -> int:
        oldest = math.floor(now / self._grain) - GRAINS
        while self._seen and self._seen[0] <= oldest:
            self._seen.popleft()
        return self._limit - len(self._seen)

    def add(self, now: float) -> None:
        self._seen.append(math.floor(now / self._grain))


JUDGINGS: dict[str, type[Rolling] | type[Fixed] | type[Bucket] | type[Grained]] = {
    "rolling": Rolling,
    "fixed": Fixed,
    "bucket": Bucket,
    "grained": Grained,
}


@dataclass
class Organisation:
    """What was seen of one organisation."""

    minute: Count
    under_way: int = 0
    peak: int = 0
    arrivals: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)


class Court:
    """All organisations, by the path of the request."""

    def __init__(self, judging: str, limit: int, window: float, concurrent: int) -> None:
        self._concurrent = concurrent
        self.organisations: dict[str, Organisation] = defaultdict(
            lambda: Organisation(JUDGINGS[judging](limit, window))
        )

    def arrive(self, name: str) -> tuple[Organisation, str]:
        """Judge a call; return its organisation and the limit that it breaks, or ''."""
        now = time.monotonic()
        one = self.organisations[name]
        problem = "concurrent" if one.under_way >= self._concurrent else ""
        problem = problem or ("minute" if one.minute.left(now) < 1 else "")
        if problem:
            one.refused[problem] += 1
        else:
            one.minute.add(now)
            one.arrivals.append(now)
        one.under_way += 1
        one.peak = max(one.peak, one.under_way)
        return one, problem

    def report(self) -> bytes:
        """Return what was seen as JSON."""
        return json.dumps(
            {
                name: {"arrivals": one.arrivals, "refused": one.refused, "peak": one.peak}
                for name, one in self.organisations.items()
            }
        ).encode()


class Connection(asyncio.Protocol):
    """One caller: requests without bodies, one after the other."""

    def __init__(self, court: Court, seconds: float) -> None:
        self._court = court
        self._seconds = seconds
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            self._requested(head.split(b" ", 2)[1].decode().lstrip("/"))

    def _requested(self, name: str) -> None:
        if name == "report":
            self._answer(200, [], self._court.report())
            return
        one, problem = self._court.arrive(name)
        asyncio.get_running_loop().call_later(self._seconds, self._leave, one, problem)

    def _leave(self, one: Organisation, problem: str) -> None:
        one.under_way -= 1
        headers = [f"X-MinLimit-Remaining: {max(one.minute.left(time.monotonic()), 0)}"]
        if problem:
            headers += [f"X-Rate-Limit-Problem: {problem}", "Retry-After: 1"]
        self._answer(429 if problem else 200, headers, b"")

    def _answer(self, status: int, headers: list[str], body: bytes) -> None:
        if self._transport.is_closing():
            return
        lines = [f"HTTP/1.1 {status} -", f"Content-Length: {len(body)}", *headers, "", ""]
        self._transport.write("\r\n".join(lines).encode() + body)


async def serve(options: argparse.Namespace) -> None:
    """Answer until we are killed."""
    court = Court(options.judging, options.limit, options.window, options.concurrent)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(court, options.seconds), "127.0.0.1", options.port
    )
    await server.serve_forever()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--judging", choices=JUDGINGS, default="rolling")
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--concurrent", type=int, default=5)
    parser.add_argument("--window", type=float, default=6.0)
    parser.add_argument("--seconds", type=float, default=0.05)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
