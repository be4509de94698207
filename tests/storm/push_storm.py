"""Thousands of documents on their way to Xero while everything around them breaks.

    python -m tests.storm.push_storm                         3,000 on PostgreSQL, 300 on SQLite
    python -m tests.storm.push_storm --pushes 3000
    python -m tests.storm.push_storm --database sqlite --pushes 100

Real workers take the documents of twelve practices from the real queue. Xero stores files and then
answers 500, hangs or resets; it fails without storing, forgets idempotency keys, and lists new
files up to `RECONCILE_LAG` late. Workers are killed with SIGKILL and frozen beyond their leases,
Redis is flushed, PostgreSQL crashes and comes back. Time runs ten times as fast for the product
and for Xero, so that leases and retries pass. When every row is terminal the weather clears, a
person presses Retry where that is what the page asks for, and the judge compares what was accepted
with the pretend Xero's own store. The usual job body (upload, associate, mark done; try again
after an error) must turn red.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from uuid import UUID

import redis
from sqlalchemy.exc import OperationalError

from dashboard import wiring
from dashboard.database import db
from dashboard.services.push_results import DrainResult
from dashboard.services.xero_files import XeroFileService
from jobs import file_push, file_retry, worker
from jobs.queue import poke
from tests.storm.filing import (
    LAG,
    NO_LIMITS,
    Firm,
    Paper,
    Xero,
    accept,
    at_pace,
    count_pushes,
    forget_earlier_runs,
    hasty_calls,
    is_terminal,
    judge,
    lines_of_kind,
    new_firm,
    receive,
    retry_as_a_person,
    xero_server,
)
from tests.storm.installation import DATABASES, Installation, Pace, forked, installation
from tests.storm.naive import UploadThenMark
from tests.storm.refresh_storm import Board, Crew
from tests.storm.report import Report, turned_red, verdict
from tests.storm.xero_server import SHARES
from tests.support import servers

PACE = 10.0
# Twice the lease, in the product's seconds: whoever wakes up again owns nothing any more.
FROZEN_SECONDS = 40.0
FIRMS = 12
CLIENTS = 5
SWEEP_EVERY = 0.4
LOOK_EVERY = 0.02
AT_ONCE = 10
BACKLOG = 400
LONGEST_FUSE = 1.5
FULL = {"postgresql": 3_000, "sqlite": 300}
NAIVE_PUSHES = 150
NAIVE_MINUTES = 0.25
HOUR = 60.0
ROUNDS_OF_RETRY = 6


@dataclass(frozen=True, slots=True)
class Plan:
    """One run: how many documents, and how much of what happens to them."""

    database: str
    pushes: int
    kill_share: float = 0.1
    freeze_share: float = 0.01
    flush_every: int = 400
    crash_every: int = 700
    processes: int = 6
    pace: float = PACE
    naive: bool = False
    seed: int = 1
    minutes: float = HOUR
    database_url: str | None = None

    @property
    def crashes_database(self) -> bool:
        """Whether the database is ours to crash, and a server."""
        return self.database == "postgresql" and self.database_url is None

    @property
    def title(self) -> str:
        """What the run is called in the table."""
        who = "upload, associate, mark" if self.naive else "the product"
        return f"push storm: {who}, {self.database}, {self.pushes} documents"


class WatchedFiles:
    """The service, or the naive one, telling the board when it is at work."""

    def __init__(self, files: XeroFileService | UploadThenMark, board: Board, slot: int) -> None:
        self._files = files
        self._board = board
        self._slot = slot

    def drain(self, practice_id: UUID, seconds: float) -> DrainResult:
        """Drain, visibly."""
        self._board.note(self._slot, at_work=1)
        try:
            return self._files.drain(practice_id, seconds)
        finally:
            self._board.note(self._slot, at_work=0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)


@dataclass
class Storm:
    """One storm over one installation."""

    plan: Plan
    pace: Pace
    made: Installation
    xero: Xero
    server: servers.PostgresServer | None
    papers: Sequence[Paper]
    board: Board = field(init=False)
    crew: Crew = field(init=False)
    freezers: list[int] = field(default_factory=list)
    freezes: int = 0
    flushes: int = 0
    crashes: int = 0
    needed_a_person: int = 0
    accepted: int = 0
    unfinished: int = 0
    has_shown_itself: bool = False
    broken_accepts: int = 0
    _swept_at: float = 0.0

    def __post_init__(self) -> None:
        self.board = Board(self.plan.processes)
        self.crew = Crew(self._start, self.board)
        self._dice = random.Random(self.plan.seed)  # noqa: S311 - who is killed is no secret

    # -- a worker ------------------------------------------------------------------------------

    def _start(self, slot: int) -> int:
        return forked(lambda: self._work(slot))

    def _work(self, slot: int) -> None:
        def files() -> Any:
            real = UploadThenMark() if self.plan.naive else build()
            return WatchedFiles(real, self.board, slot)

        build = wiring.xero_files
        told = worker.ChaseWorker.handle_exception

        def handle(self_: worker.ChaseWorker, job: Any, *exc_info: Any) -> None:
            # The database that is away explains itself; nothing else may break a job.
            problem = exc_info[1]
            is_expected = isinstance(problem, OperationalError)
            if is_expected or self.plan.naive or not worker.came_from_the_job(problem):
                return
            self.board.note(slot, lost=1)
            traceback.print_exception(*exc_info)
            told(self_, job, *exc_info)

        with (
            self.made.as_child(),
            hasty_calls(self.pace),
            patch.object(wiring, "xero_files", files),
            patch.object(worker.ChaseWorker, "handle_exception", handle),
        ):
            worker.run(self.made.app)

    # -- what happens --------------------------------------------------------------------------

    def pass_over(self) -> float:
        """Let it rage until every document is accepted and every row terminal; return seconds."""
        began = time.monotonic()
        waiting = list(reversed(self.papers))
        self.crew.fill(self.plan.processes)
        self.xero.weather(bad=True)
        while waiting or self.unfinished:
            if time.monotonic() - began > self.plan.minutes * 60 or self.has_shown_itself:
                break
            if self.unfinished < BACKLOG:
                self._accept_some(waiting)
            self._strike(len(self.papers))
            self._tend()
        self.xero.weather(bad=False)
        return time.monotonic() - began

    def clear_up(self) -> None:
        """Have a person press Retry where a page asks for it, until there is nothing to press."""
        for _ in range(0 if self.plan.naive else ROUNDS_OF_RETRY):
            with self.made.inside():
                stuck = retry_as_a_person()
            self.needed_a_person += stuck
            if not stuck:
                break
            self._wait_until_settled()
        for freezer in self.freezers:
            os.waitpid(freezer, 0)
        for pid in self.crew.pids.values():
            os.kill(pid, signal.SIGTERM)
        self.crew.leave(30)

    def _wait_until_settled(self) -> None:
        until = time.monotonic() + 120
        self.unfinished = 1
        while self.unfinished and time.monotonic() < until:
            self._tend()

    def _accept_some(self, waiting: list[Paper]) -> None:
        """Accept a handful; whoever met a broken database does it again later."""
        with self.made.inside():
            for _ in range(min(len(waiting), AT_ONCE)):
                paper = waiting.pop()
                try:
                    accept(paper)
                    # Pressed twice, as people do.
                    accept(paper)
                except OperationalError:
                    db.session.rollback()
                    self.broken_accepts += 1
                    waiting.insert(0, paper)
                else:
                    poke("file-push", paper.firm.practice_id)
                    self.accepted += 1
                    self.unfinished += 1

    def _strike(self, count: int) -> None:
        """Kill, freeze, flush and crash in step with what is done."""
        plan, done = self.plan, self.accepted - self.unfinished
        slot = self._dice.randrange(plan.processes)
        fuse = self._dice.uniform(0, LONGEST_FUSE)
        busy = [slot for slot in self.crew.pids if self.board.is_at_work(slot)]
        if busy and not self.crew.kills_at_work:
            # Among few documents chance may meet idle workers only: one kill is aimed.
            self.crew.light(self._dice.choice(busy), 0)
        elif self.crew.condemned < plan.kill_share * done:
            self.crew.light(slot, fuse)
        elif self.freezes < plan.freeze_share * done:
            pid, seconds = self.crew.pids[slot], FROZEN_SECONDS / plan.pace
            self.freezers.append(forked(lambda: _freeze(pid, seconds)))
            self.freezes += 1
        if (self.flushes + 1) * min(plan.flush_every, count // 3) <= done:
            self.flushes += 1
            with redis.Redis.from_url(self.made.redis_url) as connection:
                connection.flushall()
        if self.server and (self.crashes + 1) * min(plan.crash_every, count // 3) <= done:
            self.crashes += 1
            self.server.crash()
            self.server.start()

    def _tend(self) -> None:
        self.crew.tend()
        if time.monotonic() - self._swept_at > SWEEP_EVERY:
            self._swept_at = time.monotonic()
            with self.made.inside():
                file_push.sweep()
                file_retry.sweep()
                self.unfinished = count_pushes(~is_terminal())
                if self.plan.naive:
                    self.has_shown_itself = bool(judge(self.xero, self.papers).duplicates)
        time.sleep(LOOK_EVERY)


def _freeze(pid: int, seconds: float) -> None:
    """Stop a process for a while; in a child, because the frozen one may hold what we wait for."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(pid, signal.SIGCONT)


def run(plan: Plan) -> Report:
    """Let the storm pass and return what it left."""
    report = Report(plan.title)
    pace = Pace(plan.pace, datetime.now(UTC))
    with ExitStack() as stack:
        server = None
        if plan.crashes_database:
            server = stack.enter_context(servers.postgres_server(durable=True))
        xero = stack.enter_context(xero_server(pace, lag=LAG, seed=plan.seed))
        stack.enter_context(at_pace(pace))
        made = stack.enter_context(
            installation(
                plan.database,
                xero.url,
                database_url=plan.database_url,
                server_url=server.url if server else None,
                reconcile_lag=LAG,
                **NO_LIMITS,
            )
        )
        _be_quiet()
        with made.inside():
            papers = _papers(plan, xero, pace)
        storm = Storm(plan, pace, made, xero, server, papers)
        try:
            seconds = storm.pass_over()
            with made.inside():
                unfinished = count_pushes(~is_terminal())
                facts = _facts(storm, seconds)
            storm.clear_up()
        finally:
            _end(storm)
        with made.inside():
            found = judge(xero, papers)
        injected = xero.injected()
    report.facts = facts | {"Retry pressed by a person": storm.needed_a_person}
    report.facts |= {f"  {kind}": injected[kind] for kind in sorted(injected)}
    if plan.naive:
        # It may lose documents because it was not given the time; twice in Xero is its own doing.
        report.expect(not found.duplicates, f"{len(found.duplicates)} documents twice in Xero")
        return report
    found.tell(report)
    report.expect(storm.accepted == len(papers), "not every document was accepted")
    report.expect(unfinished == 0, f"{unfinished} rows were not terminal when the storm ended")
    report.expect(storm.board.total("lost") == 0, "a job broke off with an error of its own")
    _expect_a_storm(storm, injected, report)
    return report


def _be_quiet() -> None:
    # What workers say about every failure would bury the table.
    for name in ("dashboard", "jobs", "rq"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _papers(plan: Plan, xero: Xero, pace: Pace) -> list[Paper]:
    forget_earlier_runs()
    firms: list[Firm] = [new_firm(xero, pace, CLIENTS) for _ in range(FIRMS)]
    papers = [receive(firms[number % FIRMS], number // FIRMS) for number in range(plan.pushes)]
    db.session.remove()
    return papers


def _facts(storm: Storm, seconds: float) -> dict[str, object]:
    crew = storm.crew
    return {
        "documents accepted (broken off and repeated)": (
            f"{storm.accepted} ({storm.broken_accepts})"
        ),
        "seconds (documents per second)": f"{seconds:.0f} ({storm.accepted / seconds:.1f})",
        "workers killed (in the middle of something)": f"{crew.kills} ({crew.kills_at_work})",
        "workers frozen beyond their leases": storm.freezes,
        "Redis flushed": storm.flushes,
        "PostgreSQL crashed": storm.crashes,
        "pushes taken over from the dead": lines_of_kind("broke_off"),
        "found in Xero after no answer": lines_of_kind("found"),
    }


def _expect_a_storm(storm: Storm, injected: dict[str, int], report: Report) -> None:
    plan = storm.plan
    kinds = [*SHARES, "keys forgotten"]
    if plan.pushes >= FULL["sqlite"]:
        report.every_kind_was_injected({kind: injected.get(kind, 0) for kind in kinds})
        report.expect(storm.freezes > 0, "nobody was frozen")
    report.expect(sum(injected.values()) > plan.pushes // 10, "the weather was too good")
    report.expect(storm.crew.kills_at_work > 0, "nobody was killed in the middle of something")
    report.expect(storm.flushes > 0, "Redis was never flushed")
    report.expect(storm.crashes > 0 or not plan.crashes_database, "PostgreSQL never crashed")


def _end(storm: Storm) -> None:
    for pid in storm.crew.pids.values():
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            continue


def main(arguments: list[str] | None = None) -> int:
    """Run what the arguments say; with none of them, the full counts on both databases."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", choices=DATABASES, help="on this database only")
    parser.add_argument("--database-url", help="a migrated database to use")
    parser.add_argument("--pushes", type=int, help="how many; a tenth of them on SQLite")
    parser.add_argument("--pace", type=float, default=PACE, help="how much faster time runs")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    counts = dict(FULL)
    if given.pushes:
        counts = {"postgresql": given.pushes, "sqlite": max(given.pushes // 10, 1)}
    if given.database:
        counts = {given.database: given.pushes or FULL[given.database]}
    first = next(iter(counts))
    naive = Plan(
        first,
        min(NAIVE_PUSHES, counts[first]),
        pace=given.pace,
        naive=True,
        seed=given.seed,
        minutes=NAIVE_MINUTES,
        database_url=given.database_url,
    )
    print(f"running {naive.title} ...", flush=True)
    reports = [turned_red(run(naive))]
    for database, count in counts.items():
        plan = replace(naive, database=database, pushes=count, naive=False, minutes=HOUR)
        print(f"running {plan.title} ...", flush=True)
        reports.append(run(plan))
        # Each takes many minutes: whoever is asked to end has at least told what it knew.
        reports[-1].show()
    return verdict(reports)


if __name__ == "__main__":
    sys.exit(main())
