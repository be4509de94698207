"""A worker is killed at every write of a refresh; another one must put it right within a minute.

    python -m tests.storm.refresh_kills                       both databases, every write
    python -m tests.storm.refresh_kills --database sqlite     one of them
    python -m tests.storm.refresh_kills --named               at every named step instead of write
    python -m tests.storm.refresh_kills --way due             one way into a refresh only

A child process performs one refresh: because it is due, because a call needs fresh access, or
because Xero answered a call with 401. SIGKILL meets it just before its first write (to the
database or to Xero), the next child before its second, and so on until one comes through unharmed.
After each kill a second worker does what the product does: it sweeps every ten seconds and
refreshes what is due, while an injected clock passes the lease of the dead. `--named` kills without
strace, at each statement, commit and exchange, in a few seconds. A refresher that takes the
connection off the list before it begins must turn red.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from dashboard import wiring
from dashboard.database import db
from dashboard.models import ConnectionStatus, XeroConnection
from dashboard.queries import due
from dashboard.rules.phase import is_refresh_due
from dashboard.secret import Secret
from dashboard.services.token_custody import AccessLost
from dashboard.xero import TokenSet, XeroError
from tests.storm import strace
from tests.storm.installation import (
    DATABASES,
    Identity,
    Installation,
    Pace,
    connected,
    custody,
    identity_server,
    installation,
    warm_up,
)
from tests.storm.killing import KILLED, child_killed_at
from tests.storm.naive import TakenOffTheList
from tests.storm.report import Report, turned_red, verdict

LIFE = 1800
SWEEP_SECONDS = 10
MUST_RECOVER_IN = 60
MOST_POINTS = 400

# How old the tokens are when the refresh begins. A refused call may come long before their turn:
# then nobody would look at the connection for many minutes if the intent were not written down.
AGES = {
    "due": timedelta(minutes=26),
    "needed by a call": timedelta(minutes=26),
    "refused by Xero": timedelta(minutes=1),
}


@dataclass(frozen=True, slots=True)
class Trial:
    """One child and what became of its connection."""

    point: int
    was_killed: bool
    recovered_after: int | None
    old_token_repeated: bool


@dataclass
class Scene:
    """One installation, its identity server, and the product's time as the second worker has it."""

    made: Installation
    identity: Identity
    pace: Pace
    naive: bool
    named: bool
    later: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        """Return the product's time for the second worker."""
        return self.pace.now() + self.later

    def prepare(self) -> None:
        """Do what is done only once in a process."""
        with self.made.inside():
            warm_up(self.pace, self._new_connection(AGES["due"]))

    def trial(self, way: str, point: int) -> Trial:
        """Kill one child at its *point*-th write and let the second worker come."""
        self.later = timedelta()
        before = self.identity.counts()
        with self.made.inside():
            connection_id = self._new_connection(AGES[way])
        ended = child_killed_at(
            self.made, lambda: self._refresh(way, connection_id), point, named=self.named
        )
        with self.made.inside():
            recovered_after = self._recovery(connection_id)
        after = self.identity.counts()
        return Trial(
            point=point,
            was_killed=ended == KILLED,
            recovered_after=recovered_after,
            old_token_repeated=after["repeats"] > before["repeats"],
        )

    def _new_connection(self, age: timedelta) -> UUID:
        tokens = TokenSet(
            access=Secret("access.0.none"),
            refresh=self.identity.new_grant(),
            expires_in=LIFE,
            scopes=("offline_access",),
        )
        return connected(tokens, self.pace, age=age)

    def _refresh(self, way: str, connection_id: UUID) -> None:
        if self.naive:
            TakenOffTheList(self.pace).refresh_if_due(connection_id)
        elif way == "due":
            wiring.xero_auth().refresh_if_due(connection_id)
        elif way == "needed by a call":
            custody(self.pace).access(connection_id)
        else:
            custody(self.pace).refresh(connection_id, 1)

    def _recovery(self, connection_id: UUID) -> int | None:
        """Return after how many seconds the connection was well again; None if it never was."""
        for seconds in range(0, MUST_RECOVER_IN + 1, SWEEP_SECONDS):
            self.later = timedelta(seconds=seconds)
            if self._is_well(connection_id):
                return seconds
            named = due.connections_to_refresh(db.session, self.now())
            db.session.rollback()
            if connection_id in named:
                self._second_worker(connection_id)
                if self._is_well(connection_id):
                    return seconds
        return None

    def _second_worker(self, connection_id: UUID) -> None:
        with _clock_of_the_product(self.now):
            try:
                wiring.xero_auth().refresh_if_due(connection_id)
            except (AccessLost, XeroError) as problem:
                db.session.rollback()
                print(f"  the second worker met {type(problem).__name__}: {problem}", flush=True)

    def _is_well(self, connection_id: UUID) -> bool:
        """Whether nobody holds a lease and Xero would take the stored token again.

        Either the tokens are new, or the refresh had not begun and is not due.
        """
        db.session.rollback()
        connection = db.session.get_one(XeroConnection, connection_id, populate_existing=True)
        secret = custody(self.pace).refresh_secret(connection)
        due_at = connection.refresh_due_at
        waits_its_turn = due_at is not None and not is_refresh_due(due_at, self.now())
        untouched = waits_its_turn and connection.refresh_started_at is None
        done = connection.token_version > 1 or untouched
        free = connection.refresh_lease_owner is None
        active = connection.status == ConnectionStatus.ACTIVE
        db.session.rollback()
        return done and free and active and secret is not None and self.identity.is_good(secret)


@contextmanager
def _clock_of_the_product(now: Callable[[], datetime]) -> Iterator[None]:
    real = wiring.shared_clock
    wiring.shared_clock = now
    try:
        yield
    finally:
        wiring.shared_clock = real


def run(
    database: str,
    ways: Iterable[str],
    *,
    named: bool,
    naive: bool = False,
    database_url: str | None = None,
) -> Report:
    """Kill at every point of these ways and return what was found."""
    what = "step" if named else "write"
    who = "taken off the list first" if naive else "custody"
    report = Report(f"refresh kills: {who}, {database}, before every {what}")
    with (
        identity_server("--grace", "1800", "--median", "0.002", "--expires-in", str(LIFE)) as asked,
        installation(database, asked.url, database_url=database_url) as made,
    ):
        scene = Scene(made, asked, Pace(1.0, datetime.now(UTC)), naive, named)
        scene.prepare()
        trials: list[Trial] = []
        began = time.monotonic()
        for way in ways:
            found = list(_until_unharmed(scene, way))
            report.facts[f"points of a refresh that is {way}"] = len(found)
            trials += found
        refused = asked.counts()["refused"]
    recovered = [trial for trial in trials if trial.recovered_after is not None]
    at_once = sum(trial.recovered_after == 0 for trial in recovered)
    repeats = sum(trial.old_token_repeated for trial in trials)
    longest = max((trial.recovered_after or 0 for trial in recovered), default=0)
    report.facts |= {
        "killed": len(trials),
        "recovered within 60 s": f"{len(recovered)} ({_share(len(recovered), len(trials))})",
        "of these at the first look": at_once,
        "of these with the replaced token": repeats,
        "longest recovery in the product's seconds": longest,
        "refused with invalid_grant": refused,
        "seconds": f"{time.monotonic() - began:.0f}",
    }
    left = [trial.point for trial in trials if trial.recovered_after is None]
    report.expect(not left, f"not recovered after a kill at point {left[:10]}")
    report.expect(longest <= MUST_RECOVER_IN, "a recovery took too long")
    report.every_kind_was_injected({"kill": len(trials), "answer lost after rotation": repeats})
    return report


def _until_unharmed(scene: Scene, way: str) -> Iterator[Trial]:
    for point in range(1, MOST_POINTS):
        trial = scene.trial(way, point)
        if not trial.was_killed:
            if trial.recovered_after != 0:
                raise AssertionError(f"Nobody was killed at point {point}, and it is not well.")
            return
        yield trial
    raise AssertionError(f"After {MOST_POINTS} points still nobody had come through.")


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "none"


def main(arguments: list[str] | None = None) -> int:
    """Run what the arguments say; with none of them, every write on both databases."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", choices=DATABASES, help="on this database only")
    parser.add_argument("--database-url", help="a migrated database to use")
    parser.add_argument("--way", choices=AGES, help="this way into a refresh only")
    parser.add_argument("--named", action="store_true", help="at named steps, without strace")
    given = parser.parse_args(arguments)
    if not given.named:
        try:
            strace.ensure()
        except strace.StraceMissing as missing:
            sys.stderr.write(f"{missing}\n")
            return 1
    databases = [given.database] if given.database else list(DATABASES)
    url = given.database_url
    ways = [given.way] if given.way else list(AGES)
    reports = [turned_red(run(databases[0], ["due"], named=True, naive=True, database_url=url))]
    reports += [run(each, ways, named=given.named, database_url=url) for each in databases]
    return verdict(reports)


if __name__ == "__main__":
    sys.exit(main())
