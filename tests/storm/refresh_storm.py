"""Thousands of refreshes by processes that collide on purpose, with and without kills.

    python -m tests.storm.refresh_storm                       everything, with its default counts
    python -m tests.storm.refresh_storm --database postgresql --refreshes 10000 --strict
    python -m tests.storm.refresh_storm --database sqlite --grace --kill-share 0.1

Eight processes share fifty connections through the product's own custody, with real commits. Half
of the time all of them want the same connection at once; a fifth of the identity server's answers
take three times as long. The counts are the server's own. Without kills a strict server must never
have to refuse. With kills (a tenth of the refreshes, SIGKILL from outside at any moment) the server
accepts a replaced token for 30 minutes, as Xero does, and time runs twenty times as fast, so that
leases of the dead end soon. A refresher with a Redis lock that is shorter than the slow answers
must turn red.
"""

from __future__ import annotations

import argparse
import logging
import mmap
import os
import random
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import requests
from sqlalchemy import select

from dashboard.database import db
from dashboard.models import ConnectionStatus, XeroConnection
from dashboard.queries import due
from dashboard.secret import Secret
from dashboard.services.token_custody import AccessLost, TokenCustody
from dashboard.xero import TokenSet, XeroError
from dashboard.xero.deadline import TOTAL_SECONDS
from tests.storm.installation import (
    DATABASES,
    Identity,
    Installation,
    Pace,
    calls_end_after,
    connected,
    custody,
    forked,
    identity_server,
    installation,
    warm_up,
)
from tests.storm.naive import RedisLock
from tests.storm.report import Report, turned_red, verdict

MEDIAN = 0.02
NAIVE_TTL = 2 * MEDIAN
# Product seconds that a token lives; it is due at half of them.
LIFE = 1
GRACE = timedelta(minutes=30)
KILL_PACE = 20.0
LONGEST_FUSE = 0.15
LOOK_EVERY = 0.02
HOT_SECONDS = 0.1
FULL = {"postgresql": 10_000, "sqlite": 1_000}
NAIVE_REFRESHES = 400


@dataclass(frozen=True, slots=True)
class Plan:
    """One run."""

    database: str
    refreshes: int
    kill_share: float
    grace: bool
    processes: int = 8
    connections: int = 50
    naive: bool = False
    seed: int = 1
    minutes: float = 60.0
    database_url: str | None = None

    @property
    def pace(self) -> float:
        """How much faster than real time the product's time runs."""
        return KILL_PACE if self.kill_share else 1.0

    @property
    def title(self) -> str:
        """What the run is called in the table."""
        who = "Redis lock" if self.naive else "custody"
        rule = "30 minutes of grace" if self.grace else "strict"
        return f"refresh storm: {who}, {self.database}, {rule}, kills {self.kill_share:.0%}"


class Board:
    """Numbers that survive the process that wrote them: memory shared with every child."""

    _SLOT = struct.Struct("qqqqqq")
    NAMES = ("at_work", "done", "met", "waited", "unanswered", "lost")

    def __init__(self, slots: int) -> None:
        self._memory = mmap.mmap(-1, 8 + slots * self._SLOT.size)
        self._slots = slots

    @property
    def is_over(self) -> bool:
        """Whether everybody should stop."""
        return self._memory[0] == 1

    def end(self) -> None:
        """Ask everybody to stop."""
        self._memory[0] = 1

    def note(self, slot: int, **changes: int) -> None:
        """Set `at_work`, and add to the others."""
        values = self._read(slot)
        for name, change in changes.items():
            values[name] = change if name == "at_work" else values[name] + change
        self._SLOT.pack_into(self._memory, self._offset(slot), *values.values())

    def is_at_work(self, slot: int) -> bool:
        """Whether the process in *slot* is in the middle of something."""
        return self._read(slot)["at_work"] == 1

    def total(self, name: str) -> int:
        """Return the sum over all slots."""
        return sum(self._read(slot)[name] for slot in range(self._slots))

    def _read(self, slot: int) -> dict[str, int]:
        values = self._SLOT.unpack_from(self._memory, self._offset(slot))
        return dict(zip(self.NAMES, values, strict=True))

    def _offset(self, slot: int) -> int:
        return 8 + slot * self._SLOT.size


@dataclass
class Worker:
    """What one child process does until it is killed or the storm is over."""

    plan: Plan
    pace: Pace
    made: Installation
    identity: Identity
    connections: list[UUID]
    board: Board
    slot: int
    chance: random.Random

    def run(self) -> None:
        """Work in this process, which was just forked."""
        with self.made.as_child(), calls_end_after(TOTAL_SECONDS / self.plan.pace):
            self._work()

    def _work(self) -> None:
        store = custody(self.pace, self._pause)
        naive = RedisLock(self.pace, self.made.redis_url, NAIVE_TTL) if self.plan.naive else None
        while not self.board.is_over:
            connection_id = self._wanted()
            self.board.note(self.slot, at_work=1)
            try:
                if naive is not None:
                    naive.refresh(connection_id, _version_of(connection_id))
                else:
                    self._refresh(store, connection_id)
            except AccessLost:
                self.board.note(self.slot, at_work=0, lost=1)
            except XeroError as problem:
                waited = type(problem).__name__ == "XeroMustWait"
                self.board.note(self.slot, at_work=0, waited=waited, unanswered=not waited)
            else:
                self.board.note(self.slot, at_work=0, done=1)

    def _pause(self, seconds: float) -> None:
        self.board.note(self.slot, met=1)
        self.pace.pause(seconds)

    def _wanted(self) -> UUID:
        """Return a connection: every second time the one that everybody wants at this moment."""
        if self.chance.random() < 0.5:
            return self.chance.choice(self.connections)
        return self.connections[int(time.monotonic() / HOT_SECONDS) % len(self.connections)]

    def _refresh(self, store: TokenCustody, connection_id: UUID) -> None:
        """Come in by one of the three ways: a call, a refused call, the sweep."""
        way = self.chance.random()
        if way < 0.4:
            access, _version = store.access(connection_id)
            self._call(access)
        elif way < 0.8:
            store.refresh(connection_id, _version_of(connection_id))
            db.session.rollback()
        else:
            named = due.connections_to_refresh(db.session, self.pace.now())
            if named:
                found = self.chance.choice(list(named))
                version = store.due_version(found)
                if version is not None:
                    store.refresh(found, version)
            db.session.rollback()

    def _call(self, access: Secret) -> None:
        if self.chance.random() < 0.2:
            headers = {"Authorization": f"Bearer {access.reveal()}"}
            requests.get(f"{self.identity.url}/call", headers=headers, timeout=30)


def _version_of(connection_id: UUID) -> int:
    db.session.rollback()
    wanted = select(XeroConnection.token_version).where(XeroConnection.id == connection_id)
    version: int = db.session.execute(wanted).scalar_one()
    db.session.rollback()
    return version


@dataclass
class Crew:
    """The children, each in its slot; whoever is killed is replaced."""

    start: Callable[[int], int]
    board: Board
    pids: dict[int, int] = field(default_factory=dict)
    kills: int = 0
    kills_at_work: int = 0
    broken: int = 0
    _fuses: list[tuple[float, int]] = field(default_factory=list)

    def fill(self, slots: int) -> None:
        """Start one process per slot."""
        for slot in range(slots):
            self.pids[slot] = self.start(slot)

    def light(self, slot: int, seconds: float) -> None:
        """Have the process in *slot* killed after *seconds*."""
        self._fuses.append((time.monotonic() + seconds, slot))

    @property
    def condemned(self) -> int:
        """How many kills have been ordered so far."""
        return self.kills + len(self._fuses)

    def tend(self) -> None:
        """Kill whose time has come and replace whoever is gone."""
        now = time.monotonic()
        burnt = [slot for moment, slot in self._fuses if moment <= now]
        self._fuses = [fuse for fuse in self._fuses if fuse[0] > now]
        for slot in burnt:
            self.kills_at_work += self.board.is_at_work(slot)
            self.kills += 1
            os.kill(self.pids[slot], signal.SIGKILL)
            os.waitpid(self.pids[slot], 0)
            self.board.note(slot, at_work=0)
            self.pids[slot] = self.start(slot)
        for slot, pid in self.pids.items():
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self.broken += status != 0
                self.pids[slot] = self.start(slot)

    def leave(self, seconds: float) -> None:
        """Wait for everybody to stop by themselves, and end who does not."""
        until = time.monotonic() + seconds
        for pid in self.pids.values():
            while not os.waitpid(pid, os.WNOHANG)[0]:
                if time.monotonic() > until:
                    self.broken += 1
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                    break
                time.sleep(LOOK_EVERY)


def run(plan: Plan) -> Report:
    """Let the storm pass and return what it left."""
    report = Report(plan.title)
    grace = GRACE.total_seconds() / plan.pace if plan.grace else 0.0
    options = ["--grace", str(grace), "--median", str(MEDIAN), "--expires-in", str(LIFE)]
    with (
        identity_server(*options, "--seed", str(plan.seed)) as identity,
        installation(plan.database, identity.url, database_url=plan.database_url) as made,
    ):
        logging.getLogger("dashboard").setLevel(logging.CRITICAL)
        pace = Pace(plan.pace, datetime.now(UTC))
        with made.inside():
            connections = [_new_connection(identity, pace) for _ in range(plan.connections)]
            warm_up(pace, connections[0])
        began = time.monotonic()
        crew, board = _weather(plan, pace, made, identity, connections)
        seconds = time.monotonic() - began
        # What the storm did is counted before the look at what it left.
        counts = identity.counts()
        with made.inside():
            dead = [one for one in connections if not _is_alive(one, pace, identity)]
    report.facts = {
        "refreshes (rotations at the server)": counts["rotations"],
        "refused with invalid_grant": counts["refused"],
        "dead connections": f"{len(dead)} of {plan.connections}",
        "two refreshes of one connection at once": counts["overlaps"],
        "repeated with the replaced token": counts["repeats"],
        "kills (in the middle of something)": f"{crew.kills} ({crew.kills_at_work})",
        "looks at one that another was refreshing": board.total("met"),
        "told to wait for another worker": board.total("waited"),
        "calls without an answer": board.total("unanswered"),
        "calls with the access token (unknown ones)": f"{counts['calls']} ({counts['strangers']})",
        "seconds (refreshes per second)": f"{seconds:.0f} ({counts['rotations'] / seconds:.0f})",
    }
    reached = plan.naive or counts["rotations"] >= plan.refreshes
    report.expect(reached, "the storm did not reach its number")
    report.expect(not dead, f"{len(dead)} connections are dead")
    report.expect(board.total("lost") == 0, "a worker was told that access is lost")
    report.expect(counts["refused"] == 0, f"the server refused {counts['refused']} times")
    report.expect(counts["strangers"] == 0, "a call was made with an unknown access token")
    report.expect(plan.naive or board.total("met") > 0, "no two workers met at a connection")
    report.expect(crew.broken == 0, f"{crew.broken} processes ended by themselves")
    if not plan.kill_share:
        report.expect(counts["overlaps"] == 0, "two refreshed one connection at once")
    else:
        report.every_kind_was_injected(
            {"kill": crew.kills_at_work, "answer lost after rotation": counts["repeats"]}
        )
        enough = crew.kills >= plan.kill_share * plan.refreshes * 0.9
        report.expect(enough, f"only {crew.kills} processes were killed")
    return report


def _new_connection(identity: Identity, pace: Pace) -> UUID:
    tokens = TokenSet(
        access=Secret("access.0.none"),
        refresh=identity.new_grant(),
        expires_in=LIFE,
        scopes=("offline_access",),
    )
    return connected(tokens, pace, age=timedelta(seconds=LIFE))


def _weather(
    plan: Plan, pace: Pace, made: Installation, identity: Identity, connections: list[UUID]
) -> tuple[Crew, Board]:
    board = Board(plan.processes)
    chance = random.Random(plan.seed)  # noqa: S311 - who is killed when is no secret

    def start(slot: int) -> int:
        dice = random.Random(chance.getrandbits(64))  # noqa: S311
        return forked(Worker(plan, pace, made, identity, connections, board, slot, dice).run)

    crew = Crew(start, board)
    ends_at = time.monotonic() + plan.minutes * 60
    crew.fill(plan.processes)
    try:
        while (reached := identity.counts())["rotations"] < plan.refreshes:
            if time.monotonic() > ends_at or _is_settled(plan, reached, board):
                break
            while crew.condemned < plan.kill_share * reached["rotations"]:
                crew.light(chance.randrange(plan.processes), chance.uniform(0, LONGEST_FUSE))
            crew.tend()
            time.sleep(LOOK_EVERY)
    finally:
        board.end()
        crew.leave(60)
    return crew, board


def _is_settled(plan: Plan, reached: dict[str, int], board: Board) -> bool:
    """Whether nothing more is to be learnt: a naive run in which nearly everything is dead."""
    return plan.naive and reached["refused"] >= plan.connections // 2


def _is_alive(connection_id: UUID, pace: Pace, identity: Identity) -> bool:
    """Whether the connection refreshes once more within a minute and holds the newest token."""
    store = custody(pace)
    until = pace.monotonic() + 60
    while True:
        try:
            connection = store.refresh(connection_id, _version_of(connection_id))
            secret = store.refresh_secret(connection)
            status = connection.status
        except AccessLost:
            return False
        except XeroError:
            # The lease of somebody who was killed at the end has to run out first.
            if pace.monotonic() > until:
                return False
        else:
            db.session.rollback()
            is_newest = secret is not None and identity.is_good(secret)
            return status == ConnectionStatus.ACTIVE and is_newest


@contextmanager
def _printed(plan: Plan) -> Iterator[None]:
    print(f"running {plan.title} ...", flush=True)
    yield


def everything(refreshes: dict[str, int] | None = None) -> Iterator[Report]:
    """Run the naive one, then strict without kills and with grace and kills, on both databases."""
    naive = Plan("postgresql", NAIVE_REFRESHES, kill_share=0, grace=False, naive=True)
    with _printed(naive):
        yield turned_red(run(naive))
    for database, count in (refreshes or FULL).items():
        for kill_share, grace in ((0.0, False), (0.1, True)):
            plan = Plan(database, count, kill_share, grace)
            with _printed(plan):
                yield run(plan)


def main(arguments: list[str] | None = None) -> int:
    """Run what the arguments say; with none of them, everything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", choices=DATABASES, help="one run on this database only")
    parser.add_argument("--database-url", help="a migrated database to use")
    parser.add_argument("--refreshes", type=int, default=1_000)
    parser.add_argument("--kill-share", type=float, default=0.0, help="kills per refresh")
    rule = parser.add_mutually_exclusive_group()
    rule.add_argument("--grace", action="store_true", help="30 minutes for a replaced token")
    rule.add_argument("--strict", action="store_true", help="a token works once (the default)")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    if given.database is None:
        return verdict(list(everything()))
    asked = Plan(
        database=given.database,
        refreshes=given.refreshes,
        kill_share=given.kill_share,
        grace=given.grace,
        processes=given.processes,
        connections=given.connections,
        seed=given.seed,
        database_url=given.database_url,
    )
    naive = replace(asked, refreshes=NAIVE_REFRESHES, kill_share=0.0, grace=False, naive=True)
    return verdict([turned_red(run(naive)), run(asked)])


if __name__ == "__main__":
    sys.exit(main())
