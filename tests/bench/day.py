"""A day of ten thousand practices in minutes: the governor's own scripts under a clock of ours.

What is simulated is time, Xero and the workers; the decisions are the product's: the two Lua
scripts in a real Redis, the practices' phases, the timetable's sweeps and how far they look ahead,
the scheduler's ticks, the queue's order and the turns. Sweeps every five seconds set a poke for
each turn that comes soon; a tick in each second gives those whose moment has come.
Some pokes are lost, and some callers killed: the sweeps find both. Some practices have a backlog of
documents at ten o'clock, some more than a day's calls. An exact judge looks at every arrival.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import redis

from dashboard.rules.phase import CONTACT_SYNC_EVERY, HEALTH_EVERY, first_slot
from dashboard.services.connection_truth import NOTE_EVERY
from dashboard.services.push_claims import LEASE as PUSH_LEASE
from dashboard.services.run_lease import LEASE as RUN_LEASE
from dashboard.services.turn import Turn
from dashboard.xero.errors import XeroMustWait
from dashboard.xero.governor import Governor, Limits, Priority
from jobs.file_push import SLICE_SECONDS
from jobs.scheduler import TICK_AFTER, TICK_SECONDS
from jobs.sweeping import AHEAD
from jobs.timetable import TIMETABLE
from tests.bench.simulated_xero import ExactJudge
from tests.storm.report import Report, verdict
from tests.support.servers import embedded_redis
from tests.support.virtual_redis import MICROSECONDS, START, VirtualRedis

MORNING = datetime(2026, 11, 22, tzinfo=UTC)
SWEEPS = {sweep.name: sweep.seconds for sweep in TIMETABLE}
SLOWEST_START, LONGEST_UNSEEN, BUSIEST, FAIREST = 30.0, 5.0, 2.5, 0.99
# Of few practices two that come in one second already are many times the mean.
ENOUGH_FOR_A_MEAN = 5_000
CALLS_OF_A_DOCUMENT = 3
REPLACED_AFTER = 1.0
LONGEST_CALL = 20.0

Steps = Generator[float, None, None]


@dataclass(slots=True)
class Practice:
    """One practice, its organisation, and what it waits for."""

    id: UUID
    tenant_id: str
    documents: int = 0
    filed: int = 0
    is_loaded: bool = False
    parked: bool = False
    last_sync: float | None = None
    sync_due: float = 0.0
    check_due: float = 0.0
    waits_until: float = 0.0
    leased_until: float = 0.0
    last_good_call: float = 0.0


# Who waits for what, the first turn first.
Waiting = list[tuple[float, int, Practice]]


@dataclass
class Findings:
    """What is measured beside the judge's findings."""

    syncs: int = 0
    worst_start: float = 0.0
    earliest_start: float = math.inf
    longest_unseen: float = 0.0
    lost: int = 0
    syncs_that_waited: int = 0
    begun: Counter[int] = field(default_factory=Counter)
    by_the_clock: Counter[int] = field(default_factory=Counter)
    killed: int = 0
    waits: Counter[str] = field(default_factory=Counter)
    parked: int = 0
    jain: float = 0.0


def _nothing() -> None:
    pass


class Died(Exception):
    """The worker was killed in the middle of a call."""


class Day:
    """The whole simulation: events in the order of their moments."""

    def __init__(self, options: argparse.Namespace, client: redis.Redis) -> None:
        self.options = options
        self.chance = random.Random(options.seed)  # noqa: S311 - the same day again
        self.redis = VirtualRedis(client)
        self.governor = Governor(
            self.redis,  # type: ignore[arg-type]
            Limits(),
            jitter=self.chance.random,
            new_slot_id=self._next_id,
        )
        # Nobody looks at what a release answers.
        self.governor._release = self.governor._release.without_waiting  # type: ignore[attr-defined]
        self.judge = ExactJudge(Limits())
        self.found = Findings()
        self.queue: deque[tuple[str, Practice]] = deque()
        self.queued: set[tuple[str, UUID]] = set()
        self.idle = options.workers
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._due: dict[str, Waiting] = {"sync": [], "check": []}
        self._later: dict[str, Waiting] = {"sync": [], "check": []}
        self._lost: dict[str, Waiting] = {"sync": [], "check": []}
        self.practices = [self._practice() for _ in range(options.practices)]
        self.loaded = self.practices[: options.loaded]
        self.heavy = self.practices[options.loaded : options.loaded + options.heavy]

    # -- time -----------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        return self.redis.seconds

    def clock(self) -> datetime:
        return MORNING + timedelta(seconds=self.now)

    def at(self, moment: float, what: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._events, (moment, self._number, what))

    def run(self) -> None:
        ends_at = self.options.hours * 3600.0
        self._every(TICK_SECONDS, self._give_later_pokes)
        self._every(SWEEPS["xero-contact-sync"], partial(self._sweep_ahead, "sync"))
        self._every(SWEEPS["xero-health-check"], partial(self._sweep_ahead, "check"))
        self._every(SWEEPS["xero-file-push"], self._sweep_pushes)
        backlog_at = self.options.backlog_at * 3600.0
        self.at(backlog_at, self._load)
        self.at(backlog_at + self.options.compare_after, self._compare)
        while self._events:
            moment, _, what = heapq.heappop(self._events)
            if moment > ends_at:
                return
            self.redis.now = START + round(moment * MICROSECONDS)
            what()

    # -- the queue ------------------------------------------------------------------------------

    def _every(self, seconds: float, what: Callable[[], None]) -> None:
        def once() -> None:
            what()
            self.at(self.now + seconds, once)

        self.at(TICK_AFTER, once)

    def _sweep_pushes(self) -> None:
        found = [one for one in self.loaded + self.heavy if one.documents > 0]
        free = [one for one in found if max(one.waits_until, one.leased_until) <= self.now]
        for practice in sorted(free, key=lambda one: one.last_good_call):
            self.poke("push", practice)

    def _sweep_ahead(self, kind: str) -> None:
        """Poke whose turn came, and set a poke for whose turn comes soon; some of these get lost.

        What is named is not named again before its next turn, unless its poke was lost.
        """
        for turn, practice in _come(self._lost[kind], self.now):
            self._poke_late(kind, practice, turn)
        for turn, practice in _come(self._due[kind], self.now + AHEAD.total_seconds()):
            if turn <= self.now:
                self._poke_late(kind, practice, turn)
            elif self.chance.random() < self.options.lost:
                self.found.lost += 1
                self._wait(self._lost[kind], turn, practice)
            else:
                self._wait(self._later[kind], turn, practice)

    def _poke_late(self, kind: str, practice: Practice, turn: float) -> None:
        self.found.longest_unseen = max(self.found.longest_unseen, self.now - turn)
        self.poke(kind, practice)

    def _give_later_pokes(self) -> None:
        for kind, waiting in self._later.items():
            for _, practice in _come(waiting, self.now):
                self.poke(kind, practice)

    def due(self, kind: str, practice: Practice, moment: float) -> None:
        self._wait(self._due[kind], moment, practice)

    def _wait(self, waiting: Waiting, turn: float, practice: Practice) -> None:
        self._number += 1
        heapq.heappush(waiting, (turn, self._number, practice))

    def poke(self, kind: str, practice: Practice) -> None:
        if (kind, practice.id) in self.queued:
            return
        self.queued.add((kind, practice.id))
        if kind == "push":
            self.queue.append((kind, practice))
        else:
            self.queue.appendleft((kind, practice))
        self._hand_out()

    def _hand_out(self) -> None:
        while self.idle and self.queue:
            kind, practice = self.queue.popleft()
            self.queued.remove((kind, practice.id))
            self.idle -= 1
            jobs = {"sync": self._sync, "check": self._check, "push": self._push}
            self._go_on(jobs[kind](practice))

    def _go_on(self, steps: Steps) -> None:
        try:
            pause = next(steps)
        except StopIteration:
            self._freed()
        except Died:
            self.at(self.now + REPLACED_AFTER, self._freed)
        else:
            self.at(self.now + pause, lambda: self._go_on(steps))

    def _freed(self) -> None:
        self.idle += 1
        self._hand_out()

    # -- jobs -----------------------------------------------------------------------------------

    def _call(
        self, tenant_id: str | None, priority: Priority, on_grant: Callable[[], None] = _nothing
    ) -> Steps:
        """Take the steps of one call; raises `XeroMustWait`, or `Died`."""
        slot = self.governor.acquire(tenant_id, priority)
        on_grant()
        if priority is Priority.SYNC:
            self.found.by_the_clock[int(self.now)] += 1
        takes = self._duration()
        arrives = takes * self.chance.random()
        if self.chance.random() < self.options.killed:
            self.at(self.now + arrives, lambda: self._seen_of_the_dead(tenant_id))
            self.found.killed += 1
            raise Died
        yield arrives
        headers = self.judge.arrive(tenant_id, self.now)
        yield takes - arrives
        self.judge.leave(tenant_id)
        self.governor.release(slot, status=200, headers=headers)

    def _seen_of_the_dead(self, tenant_id: str | None) -> None:
        self.judge.arrive(tenant_id, self.now)
        self.judge.leave(tenant_id)

    def _sync(self, practice: Practice) -> Steps:
        try:
            pages = 2 if self.chance.random() < self.options.second_pages else 1
            for page in range(pages):
                began = partial(self._started, practice) if page == 0 else _nothing
                yield from self._call(practice.tenant_id, Priority.SYNC, began)
        except XeroMustWait as wait:
            self.found.waits[f"sync, {wait.reason}"] += 1
            self.found.syncs_that_waited += 1
            practice.parked = True
            self.due("sync", practice, self.now + wait.seconds)
            return
        except Died:
            self.due("sync", practice, self.now + RUN_LEASE.total_seconds())
            raise
        practice.sync_due = self._next_slot(practice, CONTACT_SYNC_EVERY)
        self.due("sync", practice, practice.sync_due)

    def _started(self, practice: Practice) -> None:
        """Measure against the turn; a sync that Xero's limits held up has its own figure."""
        self.found.begun[int(self.now)] += 1
        if not practice.parked and practice.last_sync != practice.sync_due:
            self.found.syncs += 1
            late = self.now - practice.sync_due
            self.found.worst_start = max(self.found.worst_start, late)
            self.found.earliest_start = min(self.found.earliest_start, late)
        practice.last_sync, practice.parked = practice.sync_due, False

    def _check(self, practice: Practice) -> Steps:
        try:
            yield from self._call(None, Priority.SYNC)
            yield from self._call(practice.tenant_id, Priority.SYNC)
        except XeroMustWait as wait:
            self.found.waits[f"check, {wait.reason}"] += 1
            self.due("check", practice, self.now + wait.seconds)
            return
        except Died:
            self.due("check", practice, self._next_slot(practice, HEALTH_EVERY))
            raise
        self.due("check", practice, self._next_slot(practice, HEALTH_EVERY))

    def _push(self, practice: Practice) -> Steps:
        if max(practice.waits_until, practice.leased_until) > self.now:
            return
        turn = Turn(self.clock, timedelta(seconds=SLICE_SECONDS), lambda: bool(self.queue))
        try:
            while practice.documents > 0 and not turn.is_over():
                practice.leased_until = self.now + PUSH_LEASE.total_seconds()
                for _ in range(CALLS_OF_A_DOCUMENT):
                    yield from self._call(practice.tenant_id, Priority.PUSH)
                if self.now - practice.last_good_call > NOTE_EVERY.total_seconds():
                    practice.last_good_call = self.now
                practice.documents -= 1
                practice.filed += 1
        except XeroMustWait as wait:
            self.found.waits[f"documents, {wait.reason}"] += 1
            self.found.parked += wait.reason == "day"
            practice.waits_until = self.now + wait.seconds
        practice.leased_until = 0.0
        if practice.documents > 0 and practice.waits_until <= self.now:
            self.poke("push", practice)

    # -- the day --------------------------------------------------------------------------------

    def _practice(self) -> Practice:
        id = UUID(int=self.chance.getrandbits(128), version=4)
        practice = Practice(id=id, tenant_id=str(id))
        practice.sync_due = self._next_slot(practice, CONTACT_SYNC_EVERY)
        self.due("sync", practice, practice.sync_due)
        self.due("check", practice, self._next_slot(practice, HEALTH_EVERY))
        return practice

    def _next_slot(self, practice: Practice, period: timedelta) -> float:
        return (first_slot(practice.id, period, self.clock()) - MORNING).total_seconds()

    def _load(self) -> None:
        for practice in self.loaded:
            practice.documents = self.options.documents
        for practice in self.heavy:
            practice.documents = Limits().day

    def _compare(self) -> None:
        """Compare practices that had the same to do while all of them still had some of it."""
        filed = [practice.filed for practice in self.loaded]
        squares = len(filed) * sum(count**2 for count in filed)
        self.found.jain = sum(filed) ** 2 / squares if squares else 0.0

    def _duration(self) -> float:
        # One call in a thousand takes long.
        if self.chance.random() < 0.001:
            return self.chance.uniform(0.5, LONGEST_CALL)
        return self.chance.uniform(0.05, 0.5)

    def _next_id(self) -> str:
        self._number += 1
        return f"{self._number:x}"


def report_of(day: Day, took: float) -> Report:
    """Return what the day showed."""
    found, judge, options = day.found, day.judge, day.options
    report = Report(f"{options.practices} practices, {options.workers} workers, {options.hours} h")
    mean, busiest = _load(found.begun, options.hours)
    calls, busiest_calls = _load(found.by_the_clock, options.hours)
    report.facts["calls, of them by the clock"] = f"{judge.calls}, {found.by_the_clock.total()}"
    report.facts["over the limit: minute, day, app, at once"] = ", ".join(
        str(judge.over[name]) for name in ("minute", "day", "app minute", "at once")
    )
    report.facts["fullest minute, day, app, most at once"] = ", ".join(
        str(judge.fullest[name]) for name in ("minute", "day", "app minute", "at once")
    )
    report.facts["syncs on their turn"] = found.syncs
    report.facts["after their turn: earliest, latest start"] = (
        f"{found.earliest_start:.1f} s, {found.worst_start:.1f} s"
    )
    report.facts["pokes lost; longest until a sweep saw it"] = (
        f"{found.lost}, {found.longest_unseen:.1f} s"
    )
    report.facts["syncs that Xero's limits held up"] = found.syncs_that_waited
    report.facts["syncs in the busiest second, by the mean"] = f"{busiest:.2f} (mean {mean:.1f})"
    report.facts["the same of calls, checks included"] = f"{busiest_calls:.2f} (mean {calls:.1f})"
    report.facts["syncs, as a part of the app's minute"] = f"{mean * 60 / 10_000:.1%}"
    report.facts["Jain index of equally loaded practices"] = f"{found.jain:.4f}"
    report.facts["callers killed"] = found.killed
    report.facts["waits"] = dict(found.waits)
    report.facts["times that a full day parked a practice"] = found.parked
    report.facts["this took"] = f"{took:.0f} s, {options.hours * 3600 / took:.0f} times real time"
    report.expect(judge.calls > 0, "nobody called")
    report.expect(not judge.over, f"over the limit: {dict(judge.over)}")
    report.expect(
        found.worst_start <= SLOWEST_START, f"a sync began {found.worst_start:.0f} s late"
    )
    report.expect(found.earliest_start >= 0, "a sync began before its turn")
    report.expect(
        found.longest_unseen <= LONGEST_UNSEEN,
        f"no sweep saw for {found.longest_unseen:.1f} s whose turn had come",
    )
    if options.practices >= ENOUGH_FOR_A_MEAN:
        report.expect(busiest <= BUSIEST, f"the busiest second has {busiest:.2f} times the mean")
    report.expect(found.jain >= FAIREST, f"the Jain index is {found.jain:.4f}")
    if options.killed:
        report.expect(found.killed > 0, "nobody was killed")
    if options.lost:
        report.expect(found.lost > 0, "no poke was lost")
    if options.heavy and options.hours >= 14:
        report.expect(found.parked > 0, "no full day parked a practice")
    return report


def _come(waiting: Waiting, until: float) -> Iterator[tuple[float, Practice]]:
    """Take those whose turn comes by *until*, the first one first."""
    while waiting and waiting[0][0] <= until:
        turn, _, practice = heapq.heappop(waiting)
        yield turn, practice


def _load(counts: Counter[int], hours: float) -> tuple[float, float]:
    """Return the mean of a second, and the busiest second as a multiple of it."""
    seconds = range(int(CONTACT_SYNC_EVERY.total_seconds()), int(hours * 3600))
    loads = [counts[second] for second in seconds]
    mean = sum(loads) / len(loads)
    return mean, max(loads) / mean


def main(arguments: list[str] | None = None) -> int:
    """Simulate; return 0 if all goals were met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--practices", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--loaded", type=int, default=200, help="practices with equal backlogs")
    parser.add_argument("--documents", type=int, default=400, help="of each of these")
    parser.add_argument("--heavy", type=int, default=10, help="with more than a day's documents")
    parser.add_argument("--backlog-at", type=float, default=10.0, metavar="HOUR")
    parser.add_argument("--compare-after", type=float, default=1200.0, metavar="SECONDS")
    parser.add_argument("--second-pages", type=float, default=0.02)
    parser.add_argument("--killed", type=float, default=0.01, help="part of calls")
    parser.add_argument("--lost", type=float, default=0.01, help="part of the pokes for later")
    parser.add_argument("--seed", type=int, default=4)
    options = parser.parse_args(arguments)
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="chase-bench-") as folder,
        embedded_redis(Path(folder) / "redis") as url,
        redis.Redis.from_url(url) as client,
    ):
        # What is counted here is thrown away: writing it down would only take time.
        client.config_set("appendonly", "no")
        day = Day(options, client)
        day.run()
    return verdict([report_of(day, time.monotonic() - began)])


if __name__ == "__main__":
    sys.exit(main())
