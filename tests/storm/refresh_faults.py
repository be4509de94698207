"""A thousand troubles of Xero, the way to it and the clock: none of them may end a connection.

    python -m tests.storm.refresh_faults                      1,000 on PostgreSQL, 100 on SQLite
    python -m tests.storm.refresh_faults --database sqlite --faults 1000

Each fault meets either the refresh of due tokens or a call, through the product's own service and
custody, against the simulator on a real wire: 5xx as JSON, page and plain text, time-outs with the
work done or not, pages where data was due, 429 with and without a time, resets, half bodies, names
that do not resolve, one 401, and this machine's clock a day ahead or behind. After each the
connection must still be `active` and serve the next call. Every twenty-fifth time the consent is
really revoked: then the first refused call must say so, with nothing asked again. A refresher that
takes any failure for the end must turn red.
"""

from __future__ import annotations

import argparse
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle, islice
from typing import Any
from unittest.mock import patch
from uuid import UUID

from redis import Redis
from sqlalchemy import delete, update

from dashboard import clock, database, wiring
from dashboard.database import db
from dashboard.models import ConnectionStatus, Practice, Role, XeroCalls, XeroConnection
from dashboard.secret import Secret
from dashboard.services.refusals import ConnectionNotUsable, Refusal
from dashboard.simulator import App, World, build_world, grants
from dashboard.xero import Priority, TokenSet, XeroError
from tests import factories
from tests.storm.installation import (
    DATABASES,
    Installation,
    Pace,
    calls_end_after,
    connected,
    custody,
    installation,
)
from tests.storm.naive import AnyFailureIsTheEnd
from tests.storm.report import Report, turned_red, verdict
from tests.support.browser import Browser, FreshClient
from tests.support.pretend_xero import CALLBACK, granted, served

TOKEN_PATH = "/connect/token"
CALL_PATH = "/api.xro/"
# How long a call may take, instead of twenty seconds, while it runs out of time on purpose.
PATIENCE = 0.3
REVOKE_EVERY = 25
FULL = {"postgresql": 1_000, "sqlite": 100}
DAY = timedelta(days=1)
# Beyond what a run needs: how limits are kept is another harness's matter.
PLENTY = 10_000


# Brings a trouble on for calls below a path, as long as the returned context lasts.
Trouble = Callable[..., AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One trouble: its name, whether a refresh or a call meets it, and how it is brought on."""

    name: str
    meets: str
    inject: Trouble


@dataclass
class Scene:
    """One installation, its pretend Xero and the connection that everything happens to."""

    made: Installation
    world: World
    report: Report
    connection_id: UUID
    practice_id: UUID
    pace: Pace
    naive: bool
    injected: Counter[str]
    falsely_ended: int = 0
    not_served_again: int = 0
    revoked: int = 0
    told_at_once: int = 0

    def meet(self, number: int, fault: Fault) -> None:
        """Let one fault happen, look at what it did, and see that life goes on."""
        if fault.meets == "refresh":
            self._make_due()
        with fault.inject(self):
            self._try(fault, by_sweep=number % 2 == 0)
        self.world.faults.clear()
        if self._status() != ConnectionStatus.ACTIVE:
            self.falsely_ended += 1
            self._connect_again()
            return
        self._let_waits_pass()
        self._make_due()
        try:
            self._call()
        except (Refusal, XeroError) as problem:
            db.session.rollback()
            self.not_served_again += 1
            print(f"  after {fault.name}: {type(problem).__name__}: {problem}", flush=True)
        if self._status() != ConnectionStatus.ACTIVE:
            self.falsely_ended += 1
            self._connect_again()

    def revoke(self) -> None:
        """Take the consent away for good: the first refused call must say so."""
        self._let_waits_pass()
        grants.forget_user(self.world, self._user_id())
        self._make_due()
        asked_before = self._token_calls()
        try:
            self._call()
        except ConnectionNotUsable:
            said_so = self._status() == ConnectionStatus.TOKEN_EXPIRED
            self.told_at_once += said_so and self._token_calls() == asked_before + 1
        self.revoked += 1
        db.session.rollback()

    def page_says(self, words: str) -> bool:
        """Tell whether the settings page of the practice's admin holds *words*."""
        practice = db.session.get_one(Practice, self.practice_id)
        admin = factories.make_user(practice, role=Role.ADMIN)
        self.made.app.test_client_class = FreshClient
        browser = Browser(self.made.app.test_client())
        browser.enter_as(admin)
        return words in browser.get("/settings").text

    def connect_again(self) -> None:
        """Give the connection a new consent, as reconnecting does."""
        self._connect_again()

    def _try(self, fault: Fault, *, by_sweep: bool) -> None:
        try:
            if self.naive:
                AnyFailureIsTheEnd(self.pace).refresh_if_due(self.connection_id)
            elif fault.meets == "refresh" and by_sweep:
                wiring.xero_auth().refresh_if_due(self.connection_id)
            else:
                self._call()
        except (Refusal, XeroError):
            db.session.rollback()

    def _call(self) -> None:
        with wiring.xero_auth().calling(self.practice_id, Priority.PERSON) as call:
            call.xero.accounting.organisation()

    def _make_due(self) -> None:
        past = wiring.shared_clock() - timedelta(seconds=1)
        self._change(token_expires_at=past, refresh_due_at=past)

    def _change(self, **values: Any) -> None:
        db.session.execute(
            update(XeroConnection).where(XeroConnection.id == self.connection_id).values(**values)
        )
        db.session.commit()

    def _status(self) -> ConnectionStatus:
        db.session.rollback()
        connection = db.session.get_one(XeroConnection, self.connection_id, populate_existing=True)
        status = connection.status
        db.session.rollback()
        return status

    def _let_waits_pass(self) -> None:
        with Redis.from_url(self.made.redis_url) as redis:
            for key in redis.scan_iter("xero:*block"):
                redis.delete(key)

    def _token_calls(self) -> int:
        return len(self.world.calls.last(path=TOKEN_PATH))

    def _user_id(self) -> str:
        tenant_id = self.world.main.tenant_id
        return next(u.user_id for u in self.world.state.users.values() if tenant_id in u.tenant_ids)

    def _connect_again(self) -> None:
        connection = db.session.get_one(XeroConnection, self.connection_id)
        now = wiring.shared_clock()
        columns = custody(self.pace).columns_for(connection, consent(self.world), now)
        self._change(status=ConnectionStatus.ACTIVE, **columns)


def consent(world: World) -> TokenSet:
    """Return the tokens of a new consent to the main organisation."""
    tenant_id = world.main.tenant_id
    user = next(u for u in world.state.users.values() if tenant_id in u.tenant_ids)
    body = granted(world, user.user_id, tenant_id, "http://localhost")
    return TokenSet(
        access=Secret(body["access_token"]),
        refresh=Secret(body["refresh_token"]),
        expires_in=body["expires_in"],
        scopes=tuple(body["scope"].split()),
    )


# -- how each trouble is brought on ---------------------------------------------------------------


def _from_xero(kind: str, **details: Any) -> Trouble:
    @contextmanager
    def armed(scene: Scene, *, path: str) -> Iterator[None]:
        before = scene.world.faults.injected[kind]
        scene.world.faults.arm(kind, path=path, **details)
        yield
        scene.injected[kind] += scene.world.faults.injected[kind] - before

    return armed


def _out_of_time(kind: str) -> Trouble:
    trouble = _from_xero(kind, seconds=3 * PATIENCE)

    @contextmanager
    def hasty(scene: Scene, *, path: str) -> Iterator[None]:
        with calls_end_after(PATIENCE), trouble(scene, path=path):
            yield

    return hasty


@contextmanager
def _name_does_not_resolve(scene: Scene, *, path: str) -> Iterator[None]:
    def unknown(*_where: Any, **_how: Any) -> Any:
        scene.injected["unknown host"] += 1
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    # A connection that is still open would need no name.
    wiring.outside().transport.close()
    with patch.object(socket, "getaddrinfo", unknown):
        yield


def _clock_off(by: timedelta) -> Trouble:
    def wrong_now() -> datetime:
        return clock.utcnow() + by

    @contextmanager
    def off(scene: Scene, *, path: str) -> Iterator[None]:
        # All that reads this machine's clock for tokens, leases and turns.
        with patch.object(wiring, "utcnow", wrong_now), patch.object(database, "utcnow", wrong_now):
            yield
        scene.injected[f"clock off by {by.days:+d} day"] += 1

    return off


TROUBLES: dict[str, Trouble] = {
    "500 JSON": _from_xero("500-json"),
    "500 page": _from_xero("500-html"),
    "500 after the work was done": _from_xero("store-then-500"),
    "503 plain text": _from_xero("503-maintenance"),
    "503 plain text, temporarily": _from_xero("503-temporarily"),
    "200 page": _from_xero("200-html"),
    "time-out before the work": _out_of_time("slow"),
    "time-out after the work": _out_of_time("store-then-hang"),
    "429 with a time": _from_xero("429-minute", retry_after=7),
    "429 without a time": _from_xero("429-concurrent"),
    "429 of the day": _from_xero("429-day", retry_after=3600),
    "429 of the app": _from_xero("429-app-minute", retry_after=0),
    "reset": _from_xero("reset"),
    "reset after the work": _from_xero("store-then-reset"),
    "half a body": _from_xero("half-body"),
    "unknown host": _name_does_not_resolve,
    "clock a day ahead": _clock_off(DAY),
    "clock a day behind": _clock_off(-DAY),
}
ONLY_CALLS: dict[str, Trouble] = {"401 once": _from_xero("401-expired")}


def _faults() -> list[Fault]:
    """Return every trouble of every kind of exchange."""
    kinds = (("refresh", TOKEN_PATH, TROUBLES), ("call", CALL_PATH, TROUBLES | ONLY_CALLS))
    return [
        Fault(f"{name}, met by a {meets}", meets, partial(trouble, path=path))
        for meets, path, troubles in kinds
        for name, trouble in troubles.items()
    ]


def run(
    database: str, faults: int, *, naive: bool = False, database_url: str | None = None
) -> Report:
    """Let *faults* faults happen, one after another, and return what became of the connection."""
    who = "any failure is the end" if naive else "custody and service"
    report = Report(f"refresh faults: {who}, {database}")
    world = _new_world()
    limits = {
        "xero_minute_limit": PLENTY,
        "xero_concurrent_limit": PLENTY,
        "xero_day_limit": PLENTY,
        "xero_app_minute_limit": PLENTY,
    }
    with (
        served(world) as url,
        installation(database, url, database_url=database_url, **limits) as made,
        made.inside(),
    ):
        # An earlier run may have left its rows; this pretend Xero is new, nobody has called it yet.
        db.session.execute(delete(XeroCalls))
        db.session.commit()
        scene = _new_scene(made, world, report, naive=naive)
        began = time.monotonic()
        chosen = [one for one in _faults() if one.meets == "refresh" or not naive]
        for number, fault in enumerate(islice(cycle(chosen), faults), start=1):
            scene.meet(number, fault)
            if number % REVOKE_EVERY == 0 and not naive:
                scene.revoke()
                on_the_page = scene.page_says("Reconnect needed")
                report.expect(on_the_page, "a revoked consent is not on the page")
                scene.connect_again()
        seconds = time.monotonic() - began
        wiring.outside().transport.close()
    report.facts = {
        "faults (kinds)": f"{faults} ({len(chosen)})",
        "connections falsely ended": scene.falsely_ended,
        "connections that did not serve the next call": scene.not_served_again,
        "true revocations": scene.revoked,
        "of these told at the first refused call": scene.told_at_once,
        "seconds": f"{seconds:.0f}",
    }
    report.facts |= {f"  {kind}": count for kind, count in sorted(scene.injected.items())}
    report.expect(scene.falsely_ended == 0, f"{scene.falsely_ended} times falsely ended")
    report.expect(scene.not_served_again == 0, "a connection did not serve again")
    report.expect(scene.told_at_once == scene.revoked, "a revocation was not told at once")
    if not naive:
        expected = _kinds() if faults >= len(chosen) else ()
        report.every_kind_was_injected({kind: scene.injected[kind] for kind in expected})
        report.expect(faults < REVOKE_EVERY or scene.revoked > 0, "nothing was ever revoked")
    return report


def _kinds() -> list[str]:
    return [
        *("500-json", "500-html", "store-then-500", "503-maintenance", "503-temporarily"),
        *("200-html", "slow", "store-then-hang", "429-minute", "429-concurrent", "429-day"),
        *("429-app-minute", "reset", "store-then-reset", "half-body", "unknown host"),
        *("clock off by +1 day", "clock off by -1 day", "401-expired"),
    ]


def _new_world() -> World:
    app = App(client_id="demo-client", client_secret="demo-secret", redirect_uris=(CALLBACK,))
    world = build_world(app=app)
    rules = world.limits.rules
    rules.minute = rules.concurrent = rules.day = rules.app_minute = PLENTY
    return world


def _new_scene(made: Installation, world: World, report: Report, *, naive: bool) -> Scene:
    pace = Pace(1.0, datetime.now(UTC))
    connection_id = connected(consent(world), pace)
    connection = db.session.get_one(XeroConnection, connection_id)
    connection.xero_tenant_id = world.main.tenant_id
    practice_id = connection.practice_id
    db.session.commit()
    return Scene(made, world, report, connection_id, practice_id, pace, naive, injected=Counter())


def main(arguments: list[str] | None = None) -> int:
    """Run what the arguments say; with none of them, the full counts on both databases."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", choices=DATABASES, help="on this database only")
    parser.add_argument("--database-url", help="a migrated database to use")
    parser.add_argument("--faults", type=int, help="how many")
    given = parser.parse_args(arguments)
    counts = {given.database: FULL[given.database]} if given.database else FULL
    reports = [turned_red(run(next(iter(counts)), 20, naive=True, database_url=given.database_url))]
    reports += [
        run(name, given.faults or count, database_url=given.database_url)
        for name, count in counts.items()
    ]
    return verdict(reports)


if __name__ == "__main__":
    sys.exit(main())
