"""Rotate master keys while rotators are killed, workers refresh, and readers open tokens.

    python -m tests.storm.key_rotation_kills --connections 10000 --random-kills 30

A rotation is timed first. Then rotators are killed with SIGKILL at every commit of a batch, once
just before and once just after it, and at moments at random, while one process refreshes tokens as
workers do and two open values at random without a pause. After each rotation that came to its end
nothing may be left on the old key; at the end every row must open with the newest key alone and
hold exactly the tokens of its version. A rotation that marks a row before its values are written
must fail the same checks.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from uuid import UUID

from flask_migrate import upgrade
from sqlalchemy import Connection, Engine, delete, event, update
from sqlalchemy.orm import Session

from dashboard.app import create_app
from dashboard.clock import utcnow
from dashboard.config import MasterKey, Settings
from dashboard.crypto import TokenCipher, TokenPlace, TokenUnreadable
from dashboard.database import db, reading_only
from dashboard.models import KeyCheck, Practice, PracticeSalt, XeroConnection
from dashboard.secret import Secret
from dashboard.services.key_checks import KeyChecks
from dashboard.services.key_rotation import BATCH, KeyRotation
from dashboard.services.locked_values import CONNECTIONS, LockedRow, rows_after
from tests.storm.installation import DATABASES
from tests.storm.report import Report, turned_red, verdict
from tests.support import servers, vault
from tests.support.vault import connection_id_of, master_key

FORK = multiprocessing.get_context("fork")
READERS = 2
READ_PAUSE = 0.001
REFRESH_PAUSE = 0.01
LONGEST_SECONDS = 1200.0
SHORTEST_LIFE = 0.05
TENTH = 10
NAIVE_CONNECTIONS = 8
BEFORE, AFTER, AT_RANDOM = "just before a commit", "just after a commit", "at random"

Rotator = Callable[[Session, Sequence[MasterKey], int], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, and to what.

    The engine keeps no connection, so that forked processes share nothing of it but what it has
    learnt to say.
    """

    database_url: str
    engine: Engine
    connections: int
    batch: int
    random_kills: int
    by_command: bool
    dice: random.Random


def product(session: Session, keys: Sequence[MasterKey], batch: int) -> None:
    """Rotate as the product does."""
    cipher = TokenCipher(keys)
    checks = KeyChecks(session=session, cipher=cipher, clock=utcnow)
    KeyRotation(session=session, cipher=cipher, checks=checks, clock=utcnow, batch=batch).rotate()


def naive(session: Session, keys: Sequence[MasterKey], _batch: int) -> None:
    """Rotate as one would at first: mark the row, then write value by value, comparing nothing."""
    cipher = TokenCipher(keys)
    old = XeroConnection.key_id != cipher.newest_key_id
    while rows := rows_after(session, CONNECTIONS, old, None, 1):
        [row] = rows
        assert row.salt is not None
        by_id = update(XeroConnection).where(XeroConnection.id == row.row_id)
        session.execute(by_id.values(key_id=cipher.newest_key_id))
        session.commit()
        for column, stored in row.values.items():
            if stored is not None:
                anew = cipher.relock(stored, row.salt, row.place_of(CONNECTIONS, column))
                session.execute(by_id.values({column: anew}))
                session.commit()


class Storm:
    """One vault, the processes around it, and rotations to and fro between two keys."""

    def __init__(
        self, title: str, plan: Plan, keys: tuple[MasterKey, MasterKey], rotator: Rotator
    ) -> None:
        self.plan = plan
        self.report = Report(title)
        self.kills: Counter[str] = Counter()
        self.ends = 0
        self.refreshes = 0
        self._keys = {key.key_id: key for key in keys}
        self._rotator = rotator
        self._stop = FORK.Event()
        self._at_work = False
        # Which key refreshers shall lock with, and which one theirs last was.
        self._wanted = FORK.Value("i", keys[0].key_id)
        self._used = FORK.Value("i", keys[0].key_id)
        self._counts = {name: FORK.Value("q", 0) for name in ("reads", "failed reads", "refreshes")}

    @contextmanager
    def company(self, *, refreshing: bool = True) -> Iterator[None]:
        """Readers at work, and one that refreshes."""
        others = [FORK.Process(target=self._read_on, daemon=True) for _ in range(READERS)]
        if refreshing:
            others.append(FORK.Process(target=self._refresh_on, daemon=True))
        for other in others:
            other.start()
        self._at_work = refreshing
        try:
            yield
        finally:
            self._at_work = False
            self._stop.set()
            for other in others:
                other.join(30)
                self.report.expect(
                    other.exitcode == 0, f"a reader or refresher ended with {other.exitcode}"
                )
                other.kill()
            self.refreshes = self._counts["refreshes"].value
            reads, failed = (self._counts[name].value for name in ("reads", "failed reads"))
            self.report.facts |= {
                "reads meanwhile": f"{reads:,}",
                "failed reads": failed,
                "refreshes meanwhile": f"{self.refreshes:,}",
            }
            self.report.expect(failed == 0, f"{failed} failed reads")

    def sweep_boundaries(self, newest: int, sides: Sequence[str] = (BEFORE, AFTER)) -> None:
        """Rotate to *newest*, killed at the next commit again and again, on each of its sides."""
        self.turn_to(newest)
        for number in range(LIMIT_OF_RUNS):
            if self._run(newest, side=sides[number % len(sides)]) == 0:
                self._check_end(newest)
                return
        self.report.expect(False, "the rotation came to no end")

    def sweep_at_random(self, newest: int, longest: float) -> int:
        """Rotate to and fro, killed at moments at random; return the key of the last turn."""
        self.turn_to(newest)
        for _number in range(LIMIT_OF_RUNS):
            if self.kills[AT_RANDOM] >= self.plan.random_kills:
                break
            if self._run(newest, seconds=self.plan.dice.uniform(0, longest)) == 0:
                self._check_end(newest)
                newest = next(key for key in self._keys if key != newest)
                self.turn_to(newest)
        return newest

    def break_off(self, newest: int) -> None:
        """Rotate to *newest* and die after the first batch."""
        self.turn_to(newest)
        self._run(newest, side=AFTER)

    def finish(self, newest: int) -> tuple[float, float]:
        """Rotate to *newest* undisturbed, in this process; return the seconds and its own work."""
        self.turn_to(newest)
        started, worked = time.monotonic(), time.process_time()
        with self._session() as session:
            self._rotator(session, _ordered(self._keys, newest), self.plan.batch)
        return time.monotonic() - started, time.process_time() - worked

    def turn_to(self, newest: int) -> None:
        """Make *newest* the key that refreshers lock with, and wait until they do."""
        self._wanted.value = newest
        if self._at_work:
            self._wait_for(lambda: bool(self._used.value == newest))

    def check_rows(self, newest: int) -> None:
        """Every row opens with *newest* alone and holds the tokens of its version."""
        cipher = TokenCipher([self._keys[newest]])
        rows, versions = 0, 0
        with self._session() as session:
            for row in _all_rows(session):
                rows += 1
                versions += row.version - 1
                wrong = _what_is_wrong(cipher, row)
                self.report.expect(not wrong, f"connection {row.row_id}: {wrong}")
            checks = KeyChecks(session=session, cipher=cipher, clock=utcnow)
            problems = checks.examine().problems
        self.report.expect(not problems, " ".join(problems))
        self.report.expect(rows == self.plan.connections, f"{rows} rows of {self.plan.connections}")
        self.report.expect(
            versions == self.refreshes,
            f"{self.refreshes} refreshes, but the rows tell of {versions}",
        )

    def _check_end(self, newest: int) -> None:
        self.ends += 1
        with self._session() as session:
            cipher = TokenCipher(_ordered(self._keys, newest))
            by_key = KeyChecks(session=session, cipher=cipher, clock=utcnow).examine().by_key
        left = sum(count for key, count in by_key.items() if key != newest)
        self.report.expect(left == 0, f"{left} values left behind by a rotation to key {newest}")

    def _run(self, newest: int, *, side: str = "", seconds: float | None = None) -> int:
        """Rotate in a process of its own; return 0 when it came to its end, else it was killed."""
        process = FORK.Process(target=self._rotate, args=(newest, side), daemon=True)
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            # It may have come to its end in the last moment.
            side = AT_RANDOM
        return self._counted(process, side)

    def _counted(self, process: BaseProcess, side: str) -> int:
        if process.exitcode == -signal.SIGKILL:
            self.kills[side] += 1
        else:
            self.report.expect(process.exitcode == 0, f"a rotation ended with {process.exitcode}")
        return process.exitcode or 0

    def _rotate(self, newest: int, side: str) -> None:
        with self._session() as session:
            if side:
                _die_at_commit(session, side)
            self._rotator(session, _ordered(self._keys, newest), self.plan.batch)

    def _read_on(self) -> None:
        cipher, dice = TokenCipher(list(self._keys.values())), random.Random(os.getpid())  # noqa: S311 - dice
        reading_only.set(True)
        with self._session() as session:
            while self._goes_on():
                row_id = connection_id_of(dice.randrange(self.plan.connections))
                row = _row(session, row_id)
                session.rollback()
                time.sleep(READ_PAUSE)
                self._count("reads")
                if row is None or _what_is_wrong(cipher, row):
                    self._count("failed reads")

    def _count(self, name: str) -> None:
        with self._counts[name].get_lock():
            self._counts[name].value += 1

    def _refresh_on(self) -> None:
        dice = random.Random(os.getpid())  # noqa: S311 - dice
        with self._session() as session:
            while self._goes_on():
                self._used.value = newest = self._wanted.value
                row = _row(session, connection_id_of(dice.randrange(self.plan.connections)))
                session.rollback()
                if row is not None and self._refreshed(session, row, self._keys[newest]):
                    self._count("refreshes")
                time.sleep(dice.uniform(0, REFRESH_PAUSE))

    def _refreshed(self, session: Session, row: LockedRow, key: MasterKey) -> bool:
        """Give *row* the tokens of its next version, as the product's refresher writes them."""
        assert row.salt is not None
        version = row.version + 1
        values = vault.locked_values(
            TokenCipher([key]), row.practice_id, row.row_id, row.salt, version
        )
        written = session.execute(
            update(XeroConnection)
            .where(XeroConnection.id == row.row_id, XeroConnection.token_version == row.version)
            .values(**values)
        )
        session.commit()
        return bool(written.rowcount)  # type: ignore[attr-defined]

    def _goes_on(self) -> bool:
        return not self._stop.is_set() and os.getppid() == PARENT

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + 30
        while not condition():
            if time.monotonic() > until:
                raise TimeoutError("The refresher does not answer.")
            time.sleep(0.001)

    def _session(self) -> Session:
        return Session(self.plan.engine)


PARENT = os.getpid()
LIMIT_OF_RUNS = 2000


def _ordered(keys: dict[int, MasterKey], newest: int) -> list[MasterKey]:
    return sorted(keys.values(), key=lambda key: key.key_id != newest)


def _die_at_commit(session: Session, side: str) -> None:
    """Kill this process at the first commit of a transaction that wrote values."""
    engine: Any = session.get_bind()
    wrote = False

    def note(_c: Connection, _cursor: Any, statement: str, *_more: Any) -> None:
        nonlocal wrote
        wrote = wrote or statement.startswith("UPDATE")

    def die(*_anything: Any) -> None:
        if wrote:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(engine, "after_cursor_execute", note)
    if side == BEFORE:
        event.listen(engine, "commit", die)
    else:
        event.listen(session, "after_commit", die)


def _row(session: Session, row_id: UUID) -> LockedRow | None:
    wanted = XeroConnection.id == row_id
    return next(iter(rows_after(session, CONNECTIONS, wanted, None, 1)), None)


def _all_rows(session: Session) -> Iterator[LockedRow]:
    after: UUID | None = None
    while rows := rows_after(session, CONNECTIONS, XeroConnection.id.is_not(None), after, BATCH):
        yield from rows
        after = rows[-1].row_id


def _what_is_wrong(cipher: TokenCipher, row: LockedRow) -> str:
    if row.salt is None:
        return "no salt"
    for column, stored in row.values.items():
        if stored is None:
            continue
        place: TokenPlace = row.place_of(CONNECTIONS, column)
        try:
            if cipher.open(stored, row.salt, place) != vault.token_of(
                row.row_id, place.column, row.version
            ):
                return f"{column} holds another token"
        except TokenUnreadable as problem:
            return f"{column}: {problem}"
    return ""


def _empty_and_fill(plan: Plan, key: MasterKey, *, with_previous: bool) -> None:
    with Session(plan.engine) as session:
        for table in (XeroConnection, PracticeSalt, Practice, KeyCheck):
            session.execute(delete(table))
        session.commit()
        vault.fill(session, TokenCipher([key]), plan.connections, with_previous=with_previous)


def storm(plan: Plan) -> Report:
    """Storm the product's rotation."""
    first, second, third = master_key(1), master_key(2), master_key(3)
    _empty_and_fill(plan, first, with_previous=False)
    values = 2 * plan.connections
    seconds, work = Storm("", plan, (second, first), product).finish(2)

    run = Storm("the product's rotation of master keys", plan, (second, third), product)
    report = run.report
    report.facts["values rotated undisturbed"] = f"{values:,}"
    report.facts["seconds, values a second"] = f"{seconds:.2f}, {values / seconds:,.0f}"
    report.facts["seconds of this machine's work for us"] = f"{work:.2f}"
    with run.company():
        run.sweep_boundaries(3)
        old = run.sweep_at_random(2, max(SHORTEST_LIFE, seconds * 1.2))
        newest = 5 - old
        run.finish(old)
        run.break_off(newest)
        if plan.by_command:
            # The operator's own command brings a rotation that broke off to its end.
            _command(plan, _ordered({2: second, 3: third}, newest), report)
        else:
            run.finish(newest)
    run.check_rows(newest)
    report.facts |= {f"killed {kind}": run.kills[kind] for kind in (BEFORE, AFTER, AT_RANDOM)}
    report.facts["rotations that came to their end"] = run.ends
    report.facts["left on an old key, that key removed"] = 0 if not report.broken else "see below"
    report.every_kind_was_injected({kind: run.kills[kind] for kind in (BEFORE, AFTER, AT_RANDOM)})
    report.every_kind_was_injected({"refresh": run.refreshes, "end of a rotation": run.ends})
    return report


def storm_naive(plan: Plan) -> Report:
    """Storm the naive rotation; what goes wrong is what the harness is able to see."""
    first, second = master_key(1), master_key(2)
    few = replace(plan, connections=NAIVE_CONNECTIONS)
    _empty_and_fill(few, first, with_previous=True)
    run = Storm("a rotation that marks a row before it writes", few, (first, second), naive)
    # A refresh would mend what this rotation leaves behind.
    with run.company(refreshing=False):
        run.sweep_boundaries(2, (AFTER,))
    run.check_rows(2)
    return turned_red(run.report)


def _command(plan: Plan, keys: Sequence[MasterKey], report: Report) -> None:
    """Run `flask keys rotate` and note what it says."""
    environment = {
        "DATABASE_URL": plan.database_url,
        "REDIS_URL": "redis://localhost:1/0",
        "SECRET_KEY": "k" * 40,
        "TOKEN_MASTER_KEYS": vault.keys_in_settings(keys),
        "XERO_CLIENT_ID": "storm",
        "XERO_CLIENT_SECRET": "storm",
        "FLASK_SKIP_DOTENV": "1",
        "PATH": os.environ.get("PATH", ""),
    }
    done = subprocess.run(
        [sys.executable, "-m", "flask", "keys", "rotate"],
        cwd=servers.PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_SECONDS,
    )
    said = [line for line in done.stdout.splitlines() if "locked anew" in line]
    report.facts["flask keys rotate, after a kill"] = said[0] if said else "nothing"
    report.expect(done.returncode == 0, f"the command ended with {done.returncode}: {done.stderr}")


def _new_database(stack: ExitStack, kind: str) -> str:
    if kind == "postgresql":
        server = stack.enter_context(servers.embedded_postgres())
        url = stack.enter_context(servers.new_database(server))
    else:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="chase-storm-"))
        url = f"sqlite:///{Path(folder) / 'storm.sqlite3'}"
    app = create_app(
        Settings(
            database_url=url,
            redis_url="redis://localhost:1/0",
            secret_key=Secret("k" * 40),
            token_master_keys=(master_key(1),),
            xero_client_id="storm",
            xero_client_secret=Secret("storm"),
        )
    )
    with app.app_context():
        upgrade()
        db.session.remove()
        db.engine.dispose()
    return url


def main(arguments: list[str] | None = None) -> int:
    """Run what the arguments say; with none of them at full count on PostgreSQL, a tenth on SQLite.

    Returns 0 if nothing went wrong.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", choices=DATABASES, help="on this database only")
    parser.add_argument("--database-url", help="a migrated database to use; it is emptied")
    parser.add_argument("--connections", type=int, default=10_000, help="two values in each")
    parser.add_argument("--batch", type=int, default=BATCH, help="rows in a transaction")
    parser.add_argument("--random-kills", type=int, default=30)
    parser.add_argument("--in-process", action="store_true", help="without the flask command")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    given = parser.parse_args(arguments)
    reports: list[Report] = []
    for database in [given.database] if given.database else DATABASES:
        share = 1 if given.database or database == "postgresql" else TENTH
        with ExitStack() as stack:
            url = given.database_url or _new_database(stack, database)
            plan = Plan(
                url,
                vault.own_engine(url),
                given.connections // share,
                given.batch // share,
                given.random_kills,
                not given.in_process,
                random.Random(given.seed),  # noqa: S311 - dice
            )
            if not reports:
                reports.append(storm_naive(plan))
            reports.append(storm(plan))
            reports[-1].facts["database, seed"] = f"{database}, {given.seed}"
    return verdict(reports)


if __name__ == "__main__":
    sys.exit(main())
