"""Contacts at scale: sync, detection and import, each beside the limit of the same store.

    python -m tests.bench.contacts                            100,000 x 100,000 on both databases
    python -m tests.bench.contacts --size 10000 --database sqlite
    python -m tests.bench.contacts --steps sync,resync        some of the steps only

Pages come from files as Xero's JSON and pass through the real client types; nothing waits for
Xero. The limit is a SQLAlchemy Core upsert (insertmanyvalues, a commit for each 1,000) of the same
rows into the same store, measured in the same run. Each step runs in a process of its own; memory
is what that process grew by at its peak. Exits with 1 if an unchanged re-sync wrote any row again.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from flask_migrate import upgrade
from sqlalchemy import Connection, Engine, create_engine, func, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from dashboard.app import create_app
from dashboard.clock import utcnow
from dashboard.config import Settings
from dashboard.database import db, prepare_engine
from dashboard.models import (
    Client,
    ConnectionStatus,
    Practice,
    SyncRun,
    SyncRunItem,
    XeroConnection,
    XeroContact,
    XeroContactMapping,
)
from dashboard.secret import Secret
from dashboard.services.alerts import AlertService
from dashboard.services.contact_matches import ContactMatches
from dashboard.services.contact_sync import ContactSync
from dashboard.services.sync_brake import SyncBrake
from dashboard.services.xero_sync import XeroSyncService
from tests.support import servers, vault
from tests.support.contact_feed import Book, Feed, in_portions

DATABASES = ("postgresql", "sqlite")
STEPS = ("sync", "resync", "detect", "changes", "import")
FORK = multiprocessing.get_context("fork")
AT_ONCE = 1_000
CHANGED = 100
WATCHED = ("xero_contacts", "clients", "xero_contact_mappings")
MEGABYTE = 1024.0


@dataclass(frozen=True, slots=True)
class Measured:
    """One step: how long it took, over how many rows, and what its process grew by."""

    rows: int
    seconds: float
    megabytes: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """One database with a practice whose contacts and clients are the book's."""

    kind: str
    engine: Engine
    folder: Path
    practice_id: UUID
    connection_id: UUID
    size: int
    book: Book

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Yield a session as a worker has one."""
        with Session(self.engine, expire_on_commit=True) as session:
            yield session

    @property
    def feed(self) -> Feed:
        """The pages as they lie in the folder."""
        return Feed(self.folder, self.connection_id)


class NoMatches(ContactMatches):
    """Leaves the comparing to a step of its own."""

    def is_stale(self, connection_id: UUID) -> bool:
        """Never."""
        return False

    def rematch(self, practice_id: UUID, connection_id: UUID) -> int:
        """Compare nothing."""
        return 0


# -- steps ----------------------------------------------------------------------------------------


def sync(place: Place) -> int:
    """Read all pages; return how many contacts were read."""
    with place.session() as session:
        return _sync(session, place, NoMatches(session=session, clock=utcnow))


def detect(place: Place) -> int:
    """Compare what is unlinked; return how many contacts that were."""
    with place.session() as session:
        ContactMatches(session=session, clock=utcnow).rematch(
            place.practice_id, place.connection_id
        )
        return place.size


def changes(place: Place) -> int:
    """Read and compare a few changes."""
    with place.session() as session:
        return _sync(session, place, ContactMatches(session=session, clock=utcnow))


def start_import(place: Place) -> int:
    """Make the run that imports everything that is new or an exact match."""
    with place.session() as session:
        run = _service(session, place).accept_suggestions(place.practice_id, None, ["new", "exact"])
        return run.total or 0


def perform_import(place: Place) -> int:
    """Carry it out; return how many contacts it held."""
    with place.session() as session:
        service = _service(session, place)
        while (result := service.import_contacts(place.practice_id)).goes_on:
            pass
        return result.done


def _sync(session: Session, place: Place, matches: ContactMatches) -> int:
    session.execute(XeroConnection.__table__.update().values(sync_due_at=utcnow()))
    session.commit()
    performer = ContactSync(
        session=session,
        auth=place.feed,  # type: ignore[arg-type]  # the one method of it that is called
        matches=matches,
        brake=SyncBrake(
            session=session, alerts=AlertService(session=session, clock=utcnow), clock=utcnow
        ),
        clock=utcnow,
        owner="bench",
        should_stop=lambda: False,
        others_wait=lambda: False,
    )
    while (result := performer.perform(place.practice_id)).goes_on:
        pass
    return result.done


def _service(session: Session, place: Place) -> XeroSyncService:
    return XeroSyncService(
        session=session,
        auth=place.feed,  # type: ignore[arg-type]  # imports call nothing
        alerts=AlertService(session=session, clock=utcnow),
        clock=utcnow,
        owner="bench",
        should_stop=lambda: False,
    )


# -- limits ---------------------------------------------------------------------------------------


def upsert_contacts(place: Place) -> int:
    """Upsert the contacts of the mirror, as they are, into a table like it."""
    return _upsert_copy(place, XeroContact.__table__, "xero_connection_id", "xero_contact_id")


def upsert_imported(place: Place) -> int:
    """Upsert what the import wrote: clients, links, and an item for each contact."""
    _upsert_copy(place, Client.__table__, "id", only=Client.xero_contact_id.is_not(None))
    _upsert_copy(place, XeroContactMapping.__table__, "xero_connection_id", "xero_contact_id")
    return _upsert_copy(place, SyncRunItem.__table__, "run_id", "xero_contact_id")


def _upsert_copy(place: Place, table: Any, *keys: str, only: Any = None) -> int:
    """Take the rows out, and time putting them back: `TIMED` holds the seconds of that alone."""
    insert_of = sqlite.insert if place.kind == "sqlite" else postgresql.insert
    written = 0
    with place.engine.connect() as connection:
        wanted = select(table) if only is None else select(table).where(only)
        rows = [dict(row._mapping) for row in connection.execute(wanted)]
        connection.rollback()
        with _emptied(connection, table, rows):
            for portion in in_portions(rows, AT_ONCE):
                began = time.perf_counter()
                statement: Any = insert_of(table)
                names = [name for name in portion[0] if name not in {"id", *keys}]
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=list(keys),
                        set_={name: statement.excluded[name] for name in names},
                    ),
                    portion,
                )
                connection.commit()
                TIMED[0] += time.perf_counter() - began
                written += len(portion)
    return written


TIMED = [0.0]


@contextmanager
def _emptied(connection: Connection, table: Any, rows: list[Any]) -> Iterator[None]:
    """Give *rows* a place: the table itself without them, its references asleep meanwhile."""
    if connection.dialect.name == "sqlite":
        # Inside a transaction SQLite would not hear it.
        connection.connection.driver_connection.execute("PRAGMA foreign_keys = OFF")
    else:
        connection.exec_driver_sql("SET session_replication_role = replica")
    for portion in in_portions([row["id"] for row in rows], AT_ONCE):
        connection.execute(table.delete().where(table.c.id.in_(portion)))
    connection.commit()
    yield


# -- running --------------------------------------------------------------------------------------


def measured(place: Place, step: Callable[[Place], int], *, timed_inside: bool = False) -> Measured:
    """Return what a step took in a process of its own."""
    ours, theirs = FORK.Pipe()

    def work() -> None:
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")
        before = _kilobytes("VmRSS")
        TIMED[0] = 0.0
        kept = replace(place, engine=_kept_connections(place.engine))
        began = time.perf_counter()
        rows = step(kept)
        seconds = TIMED[0] if timed_inside else time.perf_counter() - began
        theirs.send((rows, seconds, (_kilobytes("VmHWM") - before) / MEGABYTE))

    process = FORK.Process(target=work, daemon=True)
    process.start()
    theirs.close()
    try:
        found = ours.recv()
    except EOFError:
        raise SystemExit(f"The step {step.__name__} broke off.") from None
    process.join()
    return Measured(*found)


def _kept_connections(engine: Engine) -> Engine:
    """Return an engine as the product's: on SQLite the last one to close writes the log back."""
    kept = create_engine(engine.url)
    prepare_engine(kept)
    return kept


def _kilobytes(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise KeyError(name)


def run(place: Place, steps: Iterable[str]) -> dict[str, Measured]:
    """Do the steps in their order and return what each took, limits included."""
    wanted, found = set(steps), {}
    contacts = range(place.size)
    place.feed.hold(place.book.contact(number) for number in contacts)
    found["sync"] = measured(place, sync)
    found["limit of sync"] = measured(place, upsert_contacts, timed_inside=True)
    if "resync" in wanted:
        writes = Writes(place.engine)
        again = measured(place, sync)
        found["unchanged re-sync"] = replace(again, note=f"{writes.count()} rows written again")
    if wanted & {"detect", "changes", "import"}:
        found["detection"] = measured(place, detect)
    if "changes" in wanted:
        edited = (place.book.contact(n, Name=f"Renamed {n} Ltd") for n in range(CHANGED))
        place.feed.hold(edited)
        found[f"sync and detection of {CHANGED}"] = measured(place, changes)
    if "import" in wanted:
        found["starting the import"] = measured(place, start_import)
        found["import"] = measured(place, perform_import)
        found["limit of import"] = measured(place, upsert_imported, timed_inside=True)
    return found


class Writes:
    """Counts the rows of contacts, clients and links that are written from now on."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._by_triggers = engine.dialect.name == "sqlite"
        with engine.begin() as connection:
            if self._by_triggers:
                connection.execute(text("CREATE TABLE bench_writes (n INTEGER)"))
                for table, event in product(WATCHED, ("INSERT", "UPDATE", "DELETE")):
                    connection.exec_driver_sql(
                        f"CREATE TRIGGER bench_{table}_{event} AFTER {event} ON {table}"  # noqa: S608
                        " BEGIN INSERT INTO bench_writes VALUES (1); END"
                    )
            self._before = self._versions(connection)

    def count(self) -> int:
        """Return how many there were, and count no more."""
        with self._engine.begin() as connection:
            written = len(self._versions(connection) - self._before)
            if self._by_triggers:
                for table, event in product(WATCHED, ("INSERT", "UPDATE", "DELETE")):
                    connection.exec_driver_sql(f"DROP TRIGGER bench_{table}_{event}")
                connection.execute(text("DROP TABLE bench_writes"))
        return written

    def _versions(self, connection: Connection) -> set[Any]:
        if self._by_triggers:
            return set(connection.execute(text("SELECT rowid FROM bench_writes")))
        # Where a row lies changes with every version of it.
        return {
            (table, *row)
            for table in WATCHED
            for row in connection.execute(text(f"SELECT ctid::text, xmin::text FROM {table}"))  # noqa: S608
        }


def filled(kind: str, database_url: str, folder: Path, size: int) -> Place:
    """Return a place with *size* clients and no contacts yet."""
    engine, book = vault.own_engine(database_url), Book()
    now = utcnow()
    with Session(engine) as session:
        practice = Practice(name="A practice", clients_changed_at=now)
        session.add(practice)
        session.flush()
        connection = XeroConnection(
            practice_id=practice.id, xero_tenant_id=str(uuid4()), status=ConnectionStatus.ACTIVE
        )
        session.add(connection)
        session.flush()
        practice_id, connection_id = practice.id, connection.id
        for numbers in in_portions(range(size)):
            rows = [
                {"practice_id": practice_id, "created_at": now, "updated_at": now}
                | book.client(number)
                for number in numbers
            ]
            session.execute(insert(Client), rows)
        session.commit()
    return Place(kind, engine, folder, practice_id, connection_id, size, book)


def check(place: Place, found: dict[str, Measured]) -> list[str]:
    """Return what is wrong with what the steps left behind."""
    wrong = []
    again = found.get("unchanged re-sync")
    if again is not None and not again.note.startswith("0 "):
        wrong.append(f"the unchanged re-sync: {again.note}")
    with place.session() as session:
        held = session.scalar(select(func.count()).select_from(XeroContact))
        if held != place.size:
            wrong.append(f"the mirror holds {held} contacts, not {place.size}")
        run_id = session.scalar(select(SyncRun.id).where(SyncRun.kind == "import"))
        if run_id is not None:
            mapped = session.scalar(select(func.count()).select_from(XeroContactMapping))
            total = session.scalar(select(SyncRun.total).where(SyncRun.id == run_id))
            if mapped != total:
                wrong.append(f"{mapped} links after an import of {total}")
    return wrong


def show(place: Place, found: dict[str, Measured]) -> None:
    """Print the table."""
    print(f"\n{place.kind}, {place.size:,} contacts x {place.size:,} clients")
    print(f"  {'':<32}{'seconds':>9}{'rows/s':>10}{'MB grown':>10}  x limit")
    for name, step in found.items():
        limit = found.get(f"limit of {name}")
        ratio = f"{step.seconds / limit.seconds:.2f}" if limit and limit.seconds else ""
        rate = step.rows / step.seconds if step.seconds else 0
        print(
            f"  {name:<32}{step.seconds:>9.2f}{rate:>10,.0f}{step.megabytes:>10.0f}  {ratio}"
            f"{'  ' if ratio and step.note else ''}{step.note}",
            flush=True,
        )


@contextmanager
def migrated(kind: str, folder: Path) -> Iterator[str]:
    """Yield the URL of a migrated database of this kind."""
    with ExitStack() as stack:
        if kind == "sqlite":
            url = f"sqlite:///{folder / 'bench.sqlite3'}"
        else:
            url = stack.enter_context(
                servers.new_database(stack.enter_context(servers.embedded_postgres()))
            )
        app = create_app(
            Settings(
                database_url=url,
                redis_url="redis://localhost:1/0",
                secret_key=Secret("k" * 40),
                token_master_keys=(vault.master_key(1),),
                xero_client_id="bench",
                xero_client_secret=Secret("bench"),
            )
        )
        with app.app_context():
            upgrade()
            db.session.remove()
            db.engine.dispose()
        yield url


def main(arguments: list[str] | None = None) -> int:
    """Run what the arguments say; return 0 if nothing is wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=100_000, help="contacts, and as many clients")
    parser.add_argument("--database", choices=DATABASES, help="on this database only")
    parser.add_argument("--database-url", help="a migrated database to use")
    parser.add_argument("--steps", default=",".join(STEPS), help=f"of {', '.join(STEPS)}")
    given = parser.parse_args(arguments)
    wrong: list[str] = []
    for kind in [given.database] if given.database else DATABASES:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chase-bench-")))
            url = given.database_url or stack.enter_context(migrated(kind, folder))
            place = filled(kind, url, folder, given.size)
            found = run(place, given.steps.split(","))
            show(place, found)
            wrong += check(place, found)
    for sentence in wrong:
        print(f"  WRONG: {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
