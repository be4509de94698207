"""A thousand people look at live panels: what their polls cost beside a route that does nothing.

`python -m tests.bench.viewers --help`. gunicorn serves the product on PostgreSQL. Each viewer is a
kept-alive connection with a session of its own that asks every 2 s for the progress of its
practice's run. The same viewers first ask the bare route, in the same run and at the same pace.
Then one run after another moves on, and each of its viewers notes when the page shows it.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from uuid import UUID

import flask_migrate
from flask import Flask
from sqlalchemy import insert, update

from dashboard.app import create_app
from dashboard.clock import utcnow
from dashboard.config import Settings
from dashboard.database import db
from dashboard.embedded import free_port
from dashboard.models import Role, RunKind, RunStatus, SyncRun
from dashboard.queries.stamps import runs_stamp
from tests import factories
from tests.support import servers

EVERY_SECONDS = 2.0
JITTER = 0.15
TICKS = os.sysconf("SC_CLK_TCK")
SEEN = re.compile(rb"seen=(\d+)")
UNCHANGED = b"204"


@dataclass(frozen=True)
class Seat:
    """One viewer: a session, the run it looks at, and what the page said of it when it opened."""

    cookie: str
    run_id: UUID
    seen: str


@dataclass
class Measured:
    """What the viewers of one round met; seconds, bytes, and processor seconds of the server."""

    title: str
    waits: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    until_seen: list[float] = field(default_factory=list)
    largest_unchanged: int = 0
    lasted: float = 0.0
    processor: float = 0.0

    @property
    def cores(self) -> float:
        """How many cores the web server kept busy."""
        return self.processor / self.lasted

    def show(self) -> None:
        """Print the round."""
        each = self.processor / len(self.waits) * 1000
        load = " ".join(f"{one:.1f}" for one in os.getloadavg())
        print(f"\n{self.title}  (load {load})")
        lines = {
            "answers": dict(self.statuses),
            "answers a second": f"{len(self.waits) / self.lasted:.0f}",
            "p50 / p99": " / ".join(f"{_percentile(self.waits, p):.1f} ms" for p in (50, 99)),
            "web server": f"{self.cores:.2f} cores, {each:.2f} ms an answer",
        }
        if self.largest_unchanged:
            lines["largest unchanged answer"] = f"{self.largest_unchanged} bytes"
        if len(self.until_seen) > 1:
            seen = f"{_percentile(self.until_seen, 95) / 1000:.2f} s of {len(self.until_seen)}"
            lines["change to visible, p95"] = seen
        for name, value in lines.items():
            print(f"  {name:<32}{value}")


class Hall:
    """All viewers, and what they see."""

    def __init__(self, port: int, seats: list[Seat]) -> None:
        self._port = port
        self._seats = seats
        self._changed_at: dict[UUID, float] = {}

    async def watch(self, title: str, seconds: float, *, bare: bool, warm_up: float) -> Measured:
        """Let everybody look for *seconds* after a warm-up; a bare look asks for nothing."""
        found = Measured(title)
        self._measuring = False
        viewers = [asyncio.create_task(self._look(seat, found, bare)) for seat in self._seats]
        await asyncio.sleep(warm_up)
        self._measuring, began, spent = True, time.monotonic(), _processor_seconds(self._port)
        await asyncio.sleep(seconds)
        found.lasted = time.monotonic() - began
        found.processor = _processor_seconds(self._port) - spent
        self._measuring = False
        for viewer in viewers:
            viewer.cancel()
        ended = await asyncio.gather(*viewers, return_exceptions=True)
        found.statuses.update(
            type(end).__name__ for end in ended if not isinstance(end, asyncio.CancelledError)
        )
        return found

    def note_change(self, run_id: UUID) -> None:
        """Note that a run has just moved on."""
        self._changed_at[run_id] = time.monotonic()

    async def _look(self, seat: Seat, found: Measured, bare: bool) -> None:
        # People come at any moment, not all at once.
        await asyncio.sleep(random.uniform(0, EVERY_SECONDS))
        panel = f"/sync-history/{seat.run_id}/panels/progress"
        seen = seat.seen.encode()
        async with _connected(self._port) as (reader, writer):
            while True:
                path = "/bare" if bare else f"{panel}?seen={seen.decode()}&heard=0.0"
                asked_at = time.monotonic()
                writer.write(_request(path, seat.cookie))
                status, size, body = await _answer(reader)
                answered_at = time.monotonic()
                if self._measuring:
                    found.waits.append(answered_at - asked_at)
                    found.statuses[status.decode()] += 1
                if status == UNCHANGED:
                    found.largest_unchanged = max(found.largest_unchanged, size)
                elif news := SEEN.search(body):
                    seen = news[1]
                    changed_at = self._changed_at.get(seat.run_id)
                    if self._measuring and changed_at is not None:
                        found.until_seen.append(answered_at - changed_at)
                pause = EVERY_SECONDS * random.uniform(1 - JITTER, 1 + JITTER)
                await asyncio.sleep(max(0.0, asked_at + pause - time.monotonic()))


@asynccontextmanager
async def _connected(
    port: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


def _request(path: str, cookie: str) -> bytes:
    lines = (f"GET {path} HTTP/1.1", "Host: localhost", "HX-Request: true", f"Cookie: {cookie}")
    return "\r\n".join((*lines, "", "")).encode()


async def _answer(reader: asyncio.StreamReader) -> tuple[bytes, int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    body = await reader.readexactly(int(length[1])) if length else b""
    return head[9:12], len(head) + len(body), body


def _percentile(seconds: list[float], percent: int) -> float:
    return quantiles(seconds, n=100)[percent - 1] * 1000


def _processor_seconds(port: int) -> float:
    """Return the processor time of the web server's processes so far: the master and its workers.

    They are the ones with our port in their command line (`proc(5)`, fields 14 and 15).
    """
    wanted, total = f"127.0.0.1:{port}".encode(), 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted not in (folder / "cmdline").read_bytes():
                continue
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def prepared(app: Flask, practices: int, viewers: int) -> list[Seat]:
    """Make practices with a running run each, and the viewers' sessions."""
    began_at = utcnow()
    runs: list[tuple[UUID, UUID]] = []
    for number in range(practices):
        practice = factories.make_practice(name=f"Practice {number}")
        admin = factories.make_user(practice, email=f"a{number}@example.com", role=Role.ADMIN)
        connection = factories.make_connection(practice)
        run_id = db.session.scalar(
            insert(SyncRun)
            .values(
                practice_id=practice.id,
                xero_connection_id=connection.id,
                kind=RunKind.CONTACT_SYNC,
                status=RunStatus.RUNNING,
                started_at=began_at,
                updated_at=began_at,
                total=1000,
            )
            .returning(SyncRun.id)
        )
        assert run_id is not None
        runs.append((admin.id, run_id))
    db.session.commit()
    signed = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    now = utcnow().timestamp()
    seats = []
    for number in range(viewers):
        user_id, run_id = runs[number % practices]
        session = {"_user_id": str(user_id), "_fresh": True, "browser_key": "b" * 43}
        session |= {"signed_in_at": now, "seen_at": now, "_permanent": True}
        name = app.config["SESSION_COOKIE_NAME"]
        seats.append(Seat(f"{name}={signed.dumps(session)}", run_id, runs_stamp([began_at])))
    return seats


async def moving(app: Flask, hall: Hall, runs: list[UUID], every: float) -> None:
    """Let one run after another move on, for ever."""

    def move(run_id: UUID) -> None:
        with app.app_context(), db.engine.begin() as connection:
            connection.execute(
                update(SyncRun)
                .where(SyncRun.id == run_id)
                .values(done=SyncRun.done + 1, updated_at=utcnow())
            )

    while True:
        run_id = random.choice(runs)
        await asyncio.to_thread(move, run_id)
        hall.note_change(run_id)
        await asyncio.sleep(every)


@contextmanager
def served(workers: int, threads: int) -> Iterator[tuple[Flask, int]]:
    """Run the product, with the bare route, on a fresh PostgreSQL database."""
    with tempfile.TemporaryDirectory() as place:
        folder, port = Path(place), free_port()
        with (
            servers.embedded_postgres() as server,
            servers.new_database(server) as database_url,
            servers.embedded_redis(folder / "redis") as redis_url,
        ):
            environment = {
                "DATABASE_URL": database_url,
                "REDIS_URL": redis_url,
                "SECRET_KEY": "s" * 40,
                "TOKEN_MASTER_KEYS": "1:" + base64.b64encode(b"k" * 32).decode(),
                "XERO_CLIENT_ID": "bench",
                "XERO_CLIENT_SECRET": "bench-secret",
                "PUBLIC_URL": f"http://localhost:{port}",
                "DOCUMENT_STORE_URL": f"file://{folder / 'documents'}",
            }
            app = create_app(Settings.from_environment(environment))
            with app.app_context():
                flask_migrate.upgrade()
            command = [sys.executable, "-m", "gunicorn", "tests.bench.bare:app"]
            command += ["--workers", str(workers), "--threads", str(threads)]
            command += ["--keep-alive", "30", "--no-control-socket"]
            command += ["--bind", f"127.0.0.1:{port}"]
            with servers.running(command, environment) as web:
                web.wait_until(lambda: servers.answers(f"http://127.0.0.1:{port}/healthz"))
                yield app, port
            with app.app_context():
                db.engine.dispose()


async def measured(app: Flask, port: int, seats: list[Seat], options: argparse.Namespace) -> None:
    """Print the bare round, the round in which nothing changes, and the one with changes."""
    hall = Hall(port, seats)
    rounds = {"a bare 204": True, "unchanged panels": False}
    found = []
    for title, bare in rounds.items():
        found.append(await hall.watch(title, options.seconds, bare=bare, warm_up=options.warm_up))
        found[-1].show()
    mover = asyncio.create_task(
        moving(app, hall, sorted({seat.run_id for seat in seats}), options.change_every)
    )
    title = f"a run moves on every {options.change_every:g} s"
    changing = await hall.watch(title, options.seconds, bare=False, warm_up=options.warm_up)
    mover.cancel()
    changing.show()
    bare_cores, cores = found[0].cores, found[1].cores
    print(f"\nunchanged polls : bare route   {cores / bare_cores:.2f} times the processor time")


def main(arguments: list[str]) -> int:
    """Run the rounds; return 0, or 1 if any answer was not 200 or 204."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--viewers", type=int, default=1000)
    parser.add_argument("--practices", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--warm-up", type=float, default=6)
    parser.add_argument("--change-every", type=float, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=8)
    options = parser.parse_args(arguments)
    with served(options.workers, options.threads) as (app, port):
        with app.app_context():
            seats = prepared(app, options.practices, options.viewers)
            db.session.remove()
        asyncio.run(measured(app, port, seats, options))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
