"""A worker is killed at every step of a contact check, an import or an undo; another finishes it.

    python -m tests.storm.contact_kills                        both databases, every step
    python -m tests.storm.contact_kills --database sqlite      one of them
    python -m tests.storm.contact_kills --work import          a check, an import or an undo only
    python -m tests.storm.contact_kills --every 7              every seventh step only

A child process does the work. SIGKILL meets it at its first step (before and after each statement,
and around each commit), the next child at its second, and so on until one comes through unharmed;
so every page and every chunk is met on both sides of its commit. After each kill the sweeps' own
question names the work as soon as the lease of the dead is over, and a second worker does it. Then
nothing may be there twice, nothing may be missing, and the run's figures must be those of the work;
after an undo every row is what it was before the import, value by value. A check that notes a page
as read before it keeps it, an import that makes a client before it ticks the contact off, and an
undo that ticks off before it takes back, must all turn red.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, select

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    Client,
    ConnectionStatus,
    ItemOutcome,
    Practice,
    RunKind,
    RunStatus,
    SyncRun,
    SyncRunItem,
    XeroConnection,
    XeroContact,
    XeroContactMapping,
    client_tags,
)
from dashboard.queries import due
from dashboard.services import client_plans, contact_import, run_undo
from dashboard.services.alerts import AlertService
from dashboard.services.contact_matches import ContactMatches
from dashboard.services.contact_mirror import shared_fields
from dashboard.services.run_lease import LEASE
from dashboard.services.sync_brake import SyncBrake
from dashboard.services.xero_sync import XeroSyncService
from tests.storm.import_to_undo import Rows, differences, one_of_everything, rows_of
from tests.storm.installation import DATABASES, Installation, forked, installation
from tests.storm.killing import dying_at_step
from tests.storm.naive import MadeBeforeTicked, ReadBeforeKept, TickedBeforeTaken
from tests.storm.report import Report, turned_red, verdict
from tests.support.contact_feed import Book, Feed

CONTACTS = 24
LINKED = 8
PAGE_SIZE = 6
CHUNK = 5
NAIVE_EVERY = 7
MOST_POINTS = 2_000
MOST_TURNS = 50
KILLED = -signal.SIGKILL
KINDS = {"check": RunKind.CONTACT_SYNC, "import": RunKind.IMPORT, "undo": RunKind.UNDO}
WORKS = tuple(KINDS)


@dataclass(frozen=True, slots=True)
class Case:
    """A practice whose work waits to be done; `before` are its rows as an undo must leave them."""

    practice_id: UUID
    connection_id: UUID
    before: Rows


class Scene:
    """One installation with a feed of contacts, and workers of which one may die."""

    def __init__(self, made: Installation, folder: Path, work: str, *, naive: bool) -> None:
        self._made = made
        self._folder = folder
        self._work = work
        self._naive = naive
        self._book = Book()
        self._later = timedelta()
        # Small pieces, so that each kind of edge comes several times.
        contact_import.CHUNK = client_plans.AT_ONCE = run_undo.CHUNK = CHUNK

    def trial(self, point: int) -> tuple[bool, list[str]]:
        """Kill one child at its *point*-th step; return whether it was, and what is wrong then."""
        self._later = timedelta()
        with self._made.inside():
            case = self._prepared()
        ended = self._child(case, point)
        with self._made.inside():
            wrong = self._finished(case) or self._what_is_wrong(case)
        if ended not in (0, KILLED):
            wrong = [f"the worker ended with {ended}", *wrong]
        return ended == KILLED, [f"{each} (killed at step {point})" for each in wrong]

    # -- before -------------------------------------------------------------------------------

    def _prepared(self) -> Case:
        """Return a practice with some linked clients, whose contacts have changed since."""
        practice = Practice(name="A practice")
        db.session.add(practice)
        db.session.flush()
        connection = XeroConnection(
            practice_id=practice.id,
            xero_tenant_id=str(uuid4()),
            status=ConnectionStatus.ACTIVE,
            sync_due_at=utcnow(),
            brake_percent=100,
            scopes=["accounting.contacts.read"],
        )
        db.session.add(connection)
        db.session.flush()
        case = Case(practice.id, connection.id, {})
        db.session.commit()
        self._hold(case, range(LINKED), edited=False)
        self._perform(case, "check")
        self._link_all(case)
        self._hold(case, range(CONTACTS), edited=True)
        connection = db.session.get_one(XeroConnection, case.connection_id)
        connection.sync_due_at = utcnow()
        db.session.commit()
        if self._work != "check":
            self._perform(case, "check")
        if self._work == "import":
            self._service(case).accept_suggestions(case.practice_id, None, ["new", "exact"])
        return self._imported(case) if self._work == "undo" else case

    def _imported(self, case: Case) -> Case:
        """Do an import and have its undo wait; return the case with the rows of before."""
        free = [self._book.contact_id(number) for number in range(LINKED, CONTACTS)]
        decisions = one_of_everything(case.practice_id, case.connection_id, free)
        before = rows_of(case.practice_id)
        run_id = self._service(case).start_import(case.practice_id, None, decisions).id
        self._perform(case, "import")
        assert differences(before, rows_of(case.practice_id)) > len(free)
        self._service(case).start_undo(case.practice_id, None, run_id)
        return replace(case, before=before)

    def _hold(self, case: Case, numbers: Sequence[int], *, edited: bool) -> None:
        changes = {
            number: {"EmailAddress": f"new{number}@xero.example"} if edited else {}
            for number in range(LINKED)
        }
        contacts = (self._book.contact(number, **changes.get(number, {})) for number in numbers)
        self._feed(case).hold(contacts, PAGE_SIZE)

    def _link_all(self, case: Case) -> None:
        contacts = db.session.scalars(
            select(XeroContact).where(XeroContact.xero_connection_id == case.connection_id)
        ).all()
        for contact in contacts:
            fields: Any = {
                name: getattr(contact, name)
                for name in ("name", "email", "phones", "company_number", "tax_number")
            }
            client = Client(
                practice_id=case.practice_id,
                xero_contact_id=contact.xero_contact_id,
                **shared_fields(fields),
            )
            db.session.add(client)
            db.session.flush()
            db.session.add(
                XeroContactMapping(
                    practice_id=case.practice_id,
                    client_id=client.id,
                    xero_connection_id=case.connection_id,
                    xero_contact_id=contact.xero_contact_id,
                    xero_contact_name=contact.name,
                )
            )
        db.session.commit()

    # -- working ------------------------------------------------------------------------------

    def _child(self, case: Case, point: int) -> int:
        def work() -> None:
            with self._made.as_child(), dying_at_step(point):
                if self._naive:
                    self._perform_naively(case)
                else:
                    self._perform(case, self._work)
                # Leaving is no part of the work: not even the session is closed.
                os._exit(0)

        _, status = os.waitpid(forked(work), 0)
        return os.waitstatus_to_exitcode(status)

    def _perform(self, case: Case, work: str) -> None:
        """Do the work, turn after turn, as long as it goes on."""
        service = self._service(case)
        performing: dict[str, Callable[[UUID], Any]] = {
            "check": service.sync_contacts,
            "import": service.import_contacts,
            "undo": service.undo,
        }
        perform = performing[work]
        for _ in range(MOST_TURNS):
            if not perform(case.practice_id).goes_on:
                return

    def _perform_naively(self, case: Case) -> None:
        if self._work == "check":
            alerts = AlertService(session=db.session, clock=self._now)
            ReadBeforeKept(
                session=db.session,
                auth=self._feed(case),  # type: ignore[arg-type]  # as in the product's service
                matches=ContactMatches(session=db.session, clock=self._now),
                brake=SyncBrake(session=db.session, alerts=alerts, clock=self._now),
                clock=self._now,
                owner=f"worker {os.getpid()}",
                should_stop=lambda: False,
                others_wait=lambda: False,
                page_size=PAGE_SIZE,
            ).perform(case.practice_id)
        elif self._work == "import":
            MadeBeforeTicked(case.connection_id).import_contacts(case.practice_id)
        else:
            TickedBeforeTaken(
                session=db.session,
                matches=ContactMatches(session=db.session, clock=self._now),
                clock=self._now,
                owner=f"worker {os.getpid()}",
                should_stop=lambda: False,
                others_wait=lambda: False,
            ).perform(case.practice_id)

    def _finished(self, case: Case) -> list[str]:
        """Let a second worker do what the sweeps name; return what went wrong, if anything."""
        kind = KINDS[self._work]
        asks = due.practices_to_sync if self._work == "check" else due.imports_to_run
        for turn in range(MOST_TURNS):
            self._later = turn * LEASE / 2
            named = asks(db.session(), self._now())
            db.session.rollback()
            if case.practice_id in named:
                if self._naive and self._work != "check":
                    self._perform_naively(case)
                else:
                    self._perform(case, self._work)
            run = self._run(case, kind)
            if run is not None and run.status.is_final:
                return [] if run.status == RunStatus.FINISHED else [f"the run {run.status}"]
        return ["nobody finished it"]

    def _service(self, case: Case) -> XeroSyncService:
        return XeroSyncService(
            session=db.session,
            auth=self._feed(case),  # type: ignore[arg-type]  # the one method of it that is called
            alerts=AlertService(session=db.session, clock=self._now),
            clock=self._now,
            owner=f"worker {os.getpid()}",
            should_stop=lambda: False,
            page_size=PAGE_SIZE,
        )

    def _feed(self, case: Case) -> Feed:
        return Feed(self._folder, case.connection_id)

    def _now(self) -> Any:
        return utcnow() + self._later

    # -- after --------------------------------------------------------------------------------

    def _run(self, case: Case, kind: RunKind) -> SyncRun | None:
        db.session.rollback()
        return db.session.scalars(
            select(SyncRun)
            .where(SyncRun.practice_id == case.practice_id, SyncRun.kind == kind)
            .order_by(SyncRun.created_at.desc())
            .limit(1)
            .execution_options(populate_existing=True)
        ).first()

    def _what_is_wrong(self, case: Case) -> list[str]:
        """Return what is there twice, is missing, or is told otherwise than it is."""
        if self._work == "undo":
            return _told(
                {
                    "rows are not as before the import": differences(
                        case.before, rows_of(case.practice_id)
                    ),
                    "figures of the run are wrong": self._wrong_figures(case),
                }
            )
        wanted = {self._book.contact_id(number) for number in range(CONTACTS)}
        mirror = self._all(XeroContact.xero_contact_id, XeroContact.xero_connection_id, case)
        links = self._all(
            XeroContactMapping.xero_contact_id, XeroContactMapping.xero_connection_id, case
        )
        stale = db.session.scalar(
            select(func.count())
            .select_from(XeroContactMapping)
            .join(Client, Client.id == XeroContactMapping.client_id)
            .join(XeroContact, XeroContact.xero_contact_id == XeroContactMapping.xero_contact_id)
            .where(
                XeroContactMapping.xero_connection_id == case.connection_id,
                XeroContact.xero_connection_id == case.connection_id,
                Client.email.is_distinct_from(XeroContact.email),
            )
        )
        clients = db.session.scalar(
            select(func.count()).select_from(Client).where(Client.practice_id == case.practice_id)
        )
        expected = CONTACTS if self._work == "import" else LINKED
        found = {
            "contacts are missing in the mirror": len(wanted - set(mirror)),
            "contacts are there twice": len(mirror) - len(set(mirror)),
            "clients too many": (clients or 0) - expected,
            "links are missing": expected - len(set(links)),
            "clients have not followed Xero": stale or 0,
            "tags are wrong": self._wrong_tags(case),
            "figures of the run are wrong": self._wrong_figures(case),
        }
        return _told(found)

    def _all(self, column: Any, connection: Any, case: Case) -> list[str]:
        return list(db.session.scalars(select(column).where(connection == case.connection_id)))

    def _wrong_tags(self, case: Case) -> int:
        """Return how many clients have more or fewer tags than their contact has groups."""
        tagged: Counter[UUID] = Counter(
            db.session.scalars(
                select(client_tags.c.client_id)
                .join(Client, Client.id == client_tags.c.client_id)
                .where(Client.practice_id == case.practice_id)
            )
        )
        rows = db.session.execute(
            select(XeroContactMapping.client_id, XeroContact.groups)
            .join(
                XeroContact,
                (XeroContact.xero_connection_id == XeroContactMapping.xero_connection_id)
                & (XeroContact.xero_contact_id == XeroContactMapping.xero_contact_id),
            )
            .where(XeroContactMapping.xero_connection_id == case.connection_id)
        )
        return sum(tagged[client_id] != len(groups) for client_id, groups in rows)

    def _wrong_figures(self, case: Case) -> int:
        run = self._run(case, KINDS[self._work])
        assert run is not None
        items = Counter(
            db.session.scalars(select(SyncRunItem.outcome).where(SyncRunItem.run_id == run.id))
        )
        if self._work == "check":
            expected = (CONTACTS, CONTACTS, LINKED, 0)
            told = (run.total, run.done, run.updated, run.created)
            return int(told != expected or items != {ItemOutcome.UPDATED: LINKED})
        made = CONTACTS - LINKED
        if self._work == "undo":
            told = (run.total, run.done, run.updated, run.skipped)
            return int(told != (made, made, made, 0) or items != {ItemOutcome.UNDONE: made})
        told = (run.total, run.done, run.updated, run.created)
        return int(told != (made, made, 0, made) or items != {ItemOutcome.CREATED: made})


def _told(found: dict[str, int]) -> list[str]:
    return [f"{number} {what}" for what, number in found.items() if number]


def run(
    database: str, work: str, *, every: int, naive: bool = False, database_url: str | None = None
) -> Report:
    """Kill at every point of this work and return what was found."""
    who = "naive" if naive else "the product"
    report = Report(f"contact kills: {work}, {who}, {database}")
    began = time.monotonic()
    killed, wrong = 0, list[str]()
    with (
        installation(database, database_url=database_url) as made,
        tempfile.TemporaryDirectory(prefix="chase-feed-") as folder,
    ):
        scene = Scene(made, Path(folder), work, naive=naive)
        for point in range(1, MOST_POINTS, every):
            was_killed, found = scene.trial(point)
            wrong += found
            if not was_killed:
                break
            killed += 1
            if naive and wrong:
                # Seen: that is all that is wanted of it.
                break
        else:
            wrong.append(f"After {MOST_POINTS} points still nobody had come through.")
    report.facts |= {
        "killed": killed,
        "pages, or chunks, in each trial": CONTACTS // PAGE_SIZE
        if work == "check"
        else -(-(CONTACTS - LINKED) // CHUNK),
        "kills after which anything was wrong": len({each.rpartition("(")[2] for each in wrong}),
        "seconds": f"{time.monotonic() - began:.0f}",
    }
    for sentence in wrong[:10]:
        report.expect(False, sentence)
    report.checked += killed + 1 - min(len(wrong), 10)
    report.every_kind_was_injected({"kill": killed})
    return report


def main(arguments: list[str] | None = None) -> int:
    """Run what the arguments say; with none of them, every step on both databases."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", choices=DATABASES, help="on this database only")
    parser.add_argument("--database-url", help="a migrated database to use")
    parser.add_argument("--work", choices=WORKS, help="this work only")
    parser.add_argument("--every", type=int, default=1, help="kill at every so many steps")
    given = parser.parse_args(arguments)
    databases = [given.database] if given.database else list(DATABASES)
    works = [given.work] if given.work else list(WORKS)
    url = given.database_url
    reports = [
        turned_red(run(databases[0], work, every=NAIVE_EVERY, naive=True, database_url=url))
        for work in works
    ]
    reports += [
        run(database, work, every=given.every, database_url=url)
        for database in databases
        for work in works
    ]
    return verdict(reports)


if __name__ == "__main__":
    sys.exit(main())
