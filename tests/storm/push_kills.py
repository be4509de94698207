"""A worker is killed at every write of one push; another one must bring the document in, once.

    python -m tests.storm.push_kills                       both databases, every write
    python -m tests.storm.push_kills --database sqlite     one of them
    python -m tests.storm.push_kills --named               at every named step instead of write
    python -m tests.storm.push_kills --way "the first"     one way only

A child process files one document: the first of an organisation, for which the folder is made; a
later one; or one whose upload got no answer, so that it is looked for. SIGKILL meets it just before
its first write (to the database or to Xero), the next child before its second, and so on until one
comes through unharmed. After each kill a second worker does what the product does: it sweeps every
five seconds, while clocks are put forward. The document must be worked on again within 30 seconds,
and in the end be in Xero exactly once, in its folder and on its contact. The usual job body must
turn red.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from dashboard import wiring
from dashboard.database import db
from dashboard.models import PushStatus, XeroFilePush
from dashboard.queries import due
from dashboard.services.push_results import DrainResult
from dashboard.xero import XeroError
from tests.storm import strace
from tests.storm.filing import (
    LAG,
    NO_LIMITS,
    Firm,
    Paper,
    Xero,
    accept,
    at_pace,
    count_pushes,
    judge,
    new_firm,
    receive,
    xero_server,
)
from tests.storm.installation import DATABASES, Installation, Pace, installation
from tests.storm.killing import KILLED, child_killed_at
from tests.storm.naive import UploadThenMark
from tests.storm.report import Report, turned_red, verdict

SWEEP_SECONDS = 5
MUST_GO_ON_IN = 30
MUST_BE_FILED_IN = 600
SLICE_SECONDS = 20.0
MOST_POINTS = 600
NAIVE_EVERY = 4
UPLOADS = "/files.xro/1.0/Files/"
FIRST, LATER, UNANSWERED = "the first", "a later one", "one that got no answer"
WAYS = (FIRST, LATER, UNANSWERED)


@dataclass(frozen=True, slots=True)
class Trial:
    """One child, and after how many seconds its document was worked on again, and filed."""

    point: int
    was_killed: bool
    went_on_after: int | None
    filed_after: int | None


@dataclass
class Scene:
    """One installation, its Xero, and the product's time, which is put forward."""

    made: Installation
    xero: Xero
    pace: Pace
    naive: bool
    named: bool
    later: int = 0
    papers: list[Paper] = field(default_factory=list)

    def now(self) -> datetime:
        """Return the product's time."""
        return self.pace.local_now() + timedelta(seconds=self.later)

    def trial(self, way: str, point: int) -> Trial:
        """Kill one child at its *point*-th write and let the second worker come."""
        self._put_forward(-self.later)
        with self.made.inside():
            paper = self._prepared(way)
        self.papers.append(paper)
        firm = paper.firm
        ended = child_killed_at(self.made, lambda: self._drain(firm), point, named=self.named)
        with self.made.inside():
            went_on, filed = self._recovery(paper)
        return Trial(point, ended == KILLED, went_on, filed)

    def _prepared(self, way: str) -> Paper:
        firm = new_firm(self.xero, self.pace, clients=1)
        if way != FIRST:
            before = receive(firm, 0)
            accept(before)
            self._drain(firm)
            self.papers.append(before)
        paper = receive(firm, 1)
        accept(paper)
        if way == UNANSWERED:
            self.xero.arm("store-then-reset", method="POST", path=UPLOADS)
            self._drain(firm)
            # Late enough for a look, and for Xero to list it.
            self._put_forward(60)
        return paper

    def _drain(self, firm: Firm) -> DrainResult:
        files = UploadThenMark() if self.naive else wiring.xero_files()
        return files.drain(firm.practice_id, SLICE_SECONDS)

    def _recovery(self, paper: Paper) -> tuple[int | None, int | None]:
        """Return when the document was worked on again, and when it was filed, in seconds."""
        went_on = None
        for seconds in range(0, MUST_BE_FILED_IN, SWEEP_SECONDS):
            if self._is_filed(paper):
                return went_on, seconds
            named = due.practices_to_push(db.session, self.now())
            db.session.rollback()
            if paper.firm.practice_id in named and self._second_worker(paper.firm):
                went_on = seconds if went_on is None else went_on
                if self._is_filed(paper):
                    return went_on, seconds
            self._put_forward(SWEEP_SECONDS)
        return went_on, None

    def _second_worker(self, firm: Firm) -> bool:
        """Whether it found something to do."""
        try:
            done = self._drain(firm)
        except XeroError as problem:
            db.session.rollback()
            print(f"  the second worker met {type(problem).__name__}: {problem}", flush=True)
            return False
        return done.filed + done.failed + done.waiting > 0

    def _is_filed(self, paper: Paper) -> bool:
        this = XeroFilePush.document_id == paper.document_id
        return bool(count_pushes(this & (XeroFilePush.status == PushStatus.ASSOCIATED)))

    def _put_forward(self, seconds: int) -> None:
        if seconds:
            self.later += seconds
            self.xero.let_pass(seconds)


def run(
    database: str,
    ways: Iterable[str],
    *,
    named: bool,
    every: int = 1,
    naive: bool = False,
    database_url: str | None = None,
) -> Report:
    """Kill at every point of these ways and return what was found."""
    what = "step" if named else "write"
    who = "upload, associate, mark" if naive else "the product"
    report = Report(f"push kills: {who}, {database}, before every {what}")
    pace = Pace(1.0, datetime.now(UTC))
    trials: list[Trial] = []
    began = time.monotonic()
    with (
        xero_server(pace) as xero,
        installation(
            database, xero.url, database_url=database_url, reconcile_lag=LAG, **NO_LIMITS
        ) as made,
    ):
        xero.list_late(LAG)
        scene = Scene(made, xero, pace, naive, named)
        with at_pace(pace, scene.now):
            for way in ways:
                found = list(_until_unharmed(scene, way, every))
                report.facts[f"points of filing {way}"] = len(found) * every
                trials += found
            with made.inside():
                judged = judge(xero, scene.papers)
    judged.tell(report)
    _tell(report, trials)
    report.facts["seconds"] = f"{time.monotonic() - began:.0f}"
    return report


def _tell(report: Report, trials: Sequence[Trial]) -> None:
    went_on = [trial.went_on_after or 0 for trial in trials]
    filed = [trial.filed_after for trial in trials if trial.filed_after is not None]
    report.facts |= {
        "killed": len(trials),
        "worked on again within, at most (seconds)": max(went_on, default=0),
        "filed within, at most (seconds)": max(filed, default=0),
    }
    late = [trial.point for trial in trials if (trial.went_on_after or 0) > MUST_GO_ON_IN]
    never = [trial.point for trial in trials if trial.filed_after is None]
    report.expect(not late, f"worked on again too late after a kill at point {late[:10]}")
    report.expect(not never, f"never filed after a kill at point {never[:10]}")
    report.every_kind_was_injected({"kill": len(trials)})


def _until_unharmed(scene: Scene, way: str, every: int) -> Iterator[Trial]:
    for point in range(1, MOST_POINTS, every):
        trial = scene.trial(way, point)
        if not trial.was_killed:
            if trial.filed_after != 0 and not scene.naive:
                raise AssertionError(f"Nobody was killed at point {point}, and it is not filed.")
            return
        yield trial
    raise AssertionError(f"After {MOST_POINTS} points still nobody had come through.")


def main(arguments: list[str] | None = None) -> int:
    """Run what the arguments say; with none of them, every write on both databases."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", choices=DATABASES, help="on this database only")
    parser.add_argument("--database-url", help="a migrated database to use")
    parser.add_argument("--way", choices=WAYS, help="this way only")
    parser.add_argument("--named", action="store_true", help="at named steps, without strace")
    parser.add_argument("--every", type=int, default=1, help="only every so many points")
    given = parser.parse_args(arguments)
    if not given.named:
        try:
            strace.ensure()
        except strace.StraceMissing as missing:
            sys.stderr.write(f"{missing}\n")
            return 1
    databases = [given.database] if given.database else list(DATABASES)
    url, every = given.database_url, given.every
    ways = [given.way] if given.way else list(WAYS)
    few = min(every, NAIVE_EVERY)
    naive = run(databases[0], [LATER], named=True, every=few, naive=True, database_url=url)
    reports = [turned_red(naive)]
    reports += [
        run(each, ways, named=given.named, every=every, database_url=url) for each in databases
    ]
    return verdict(reports)


if __name__ == "__main__":
    sys.exit(main())
