"""How soon documents are filed: at once, in a backlog, without Redis, and after all workers died.

`python -m tests.bench.filing --help`. gunicorn, workers and the scheduler run as in production, on
PostgreSQL and in real time. The pretend Xero keeps Xero's limits and takes its time for each call.
Four rounds, each with practices of its own:

* idle: one document after another is accepted over HTTP; how long until it is filed?
* backlog: more documents than Xero allows in some minutes; how much of what it allows is used?
* without Redis: it ends, or answers no more, while people accept; how long do they wait?
* killed: SIGKILL meets every worker in the middle; how soon is each document worked on again?
"""

from __future__ import annotations

import argparse
import base64
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import quantiles
from uuid import UUID

import flask_migrate
from flask import Flask
from sqlalchemy import and_, or_, select

from dashboard.app import create_app
from dashboard.clock import utcnow
from dashboard.config import Settings
from dashboard.database import db
from dashboard.embedded import EmbeddedRedis, free_port, start_redis
from dashboard.models import Practice, PushStatus, Role, XeroFilePush
from dashboard.rules.call_budget import CALLS_PER_DOCUMENT
from dashboard.xero import Limits
from dashboard.xero.governor import Reserve
from jobs.queue import poke
from tests import factories
from tests.storm.filing import Firm, Paper, Xero, accept, new_firm, receive, xero_server
from tests.storm.installation import Pace
from tests.storm.report import Report, verdict
from tests.support import servers
from tests.support.json_person import JsonPerson

LOOK_EVERY = 0.02
LONGEST_WAIT = 300.0
IDLE_GOAL, BACKLOG_GOAL, ACCEPT_GOAL, AGAIN_GOAL = 5.0, 0.95, 0.3, 30.0
MINUTE = 60.0
REPLACEMENT_AFTER = 2.0
# What documents may use of the minute: people's reserve is not theirs.
ALLOWED = Limits().minute - int(Limits().minute * Reserve().minute)


@dataclass
class Office:
    """A running installation with its Xero, and the practices of one round."""

    app: Flask
    environment: dict[str, str]
    xero: Xero
    pace: Pace
    redis: EmbeddedRedis
    workers: list[servers.Running] = field(default_factory=list)

    def firms(self, count: int) -> list[Firm]:
        """Return new practices, each connected to an organisation of its own."""
        with self.inside():
            return [new_firm(self.xero, self.pace, clients=1) for _ in range(count)]

    def person_of(self, firm: Firm) -> JsonPerson:
        """Return somebody of the practice who has signed in."""
        with self.inside():
            practice = db.session.get_one(Practice, firm.practice_id)
            email = factories.make_user(practice, role=Role.ADMIN).email
        return JsonPerson(self.environment["PUBLIC_URL"], email, factories.PASSWORD)

    def received(self, firms: Sequence[Firm], count: int) -> list[Paper]:
        """Store so many documents, one practice after the other."""
        with self.inside():
            return [
                receive(firms[number % len(firms)], number // len(firms)) for number in range(count)
            ]

    def accepted(self, papers: Iterable[Paper]) -> None:
        """Accept documents, and ask a worker to come."""
        with self.inside():
            for paper in papers:
                accept(paper)
                poke("file-push", paper.firm.practice_id)

    def wait_until(self, ready: Callable[[], bool], seconds: float = LONGEST_WAIT) -> float:
        """Wait for what the database has to say, and return for how long."""
        began = time.monotonic()
        while True:
            with self.inside():
                if ready():
                    return time.monotonic() - began
            if time.monotonic() - began > seconds:
                raise AssertionError(f"After {seconds:g} s: {self.workers[-1].said()[-3000:]}")
            time.sleep(LOOK_EVERY)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Read and write as the product does."""
        with self.app.app_context():
            yield
            db.session.remove()


@contextmanager
def office(workers: int, answer_after: float) -> Iterator[tuple[Office, ExitStack]]:
    """Run everything; what the stack is given ends with it."""
    pace, port = Pace(1.0, datetime.now(UTC)), free_port()
    with tempfile.TemporaryDirectory(prefix="chase-bench-") as place, ExitStack() as stack:
        folder = Path(place)
        redis = start_redis(folder / "redis")
        stack.callback(redis.stop)
        server = stack.enter_context(servers.embedded_postgres())
        database_url = stack.enter_context(servers.new_database(server))
        options = ("--limited", "--answer-after", str(answer_after))
        xero = stack.enter_context(xero_server(pace, *options, lag=0.0))
        environment = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis.url,
            "SECRET_KEY": "s" * 40,
            "TOKEN_MASTER_KEYS": "1:" + base64.b64encode(b"k" * 32).decode(),
            "XERO_CLIENT_ID": "demo-client",
            "XERO_CLIENT_SECRET": "demo-secret",
            "XERO_LOGIN_URL": xero.url,
            "XERO_IDENTITY_URL": xero.url,
            "XERO_API_URL": xero.url,
            "PUBLIC_URL": f"http://localhost:{port}",
            "DOCUMENT_STORE_URL": f"file://{folder / 'documents'}",
        }
        made = Office(
            create_app(Settings.from_environment(environment)), environment, xero, pace, redis
        )
        _be_quiet()
        with made.inside():
            flask_migrate.upgrade()
        stack.callback(_let_go, made)
        stack.enter_context(servers.web(environment))
        stack.enter_context(servers.scheduler(environment))
        made.workers = [stack.enter_context(servers.worker(environment)) for _ in range(workers)]
        for worker in made.workers:
            _wait_for_start(worker)
        yield made, stack


def _be_quiet() -> None:
    for name in ("dashboard", "jobs", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _let_go(made: Office) -> None:
    with made.app.app_context():
        db.engine.dispose()


def _wait_for_start(worker: servers.Running) -> None:
    worker.wait_until(lambda: "worker started" in worker.said())


# -- the rounds ------------------------------------------------------------------------------------


def idle(made: Office, count: int) -> Report:
    """Accept one document after the other and wait until each is filed."""
    firms = made.firms(min(count, 6))
    people = {firm: made.person_of(firm) for firm in firms}
    waits = []
    for paper in made.received(firms, count):
        began = utcnow()
        people[paper.firm].send(f"/api/documents/{paper.document_id}/accept")
        made.wait_until(partial(_all_filed, [paper]))
        with made.inside():
            waits.append((_filed_at([paper])[0] - began).total_seconds())
    report = Report(f"idle: {count} documents, one at a time")
    report.facts["accepted to filed, p50 / p95 / longest"] = (
        f"{_percentile(waits, 50):.2f} / {_percentile(waits, 95):.2f} / {max(waits):.2f} s"
    )
    report.facts["the goal"] = f"p95 under {IDLE_GOAL:g} s"
    report.expect(_percentile(waits, 95) < IDLE_GOAL, "documents were filed too late")
    return report


def backlog(made: Office, minutes: int) -> Report:
    """Give one practice more than Xero allows in *minutes*, and see how much of it is used."""
    [firm] = made.firms(1)
    calls_wanted = ALLOWED * minutes
    papers = made.received([firm], calls_wanted // CALLS_PER_DOCUMENT + 10)
    made.accepted(papers)
    made.wait_until(
        lambda: len(made.xero.calls(firm.tenant_id)) > calls_wanted, MINUTE * (minutes + 2)
    )
    calls = made.xero.calls(firm.tenant_id)
    began_at, over_at = calls[0][0], calls[calls_wanted][0]
    with made.inside():
        filed = sum(at < over_at for at in _filed_at(papers))
    pace = filed / ((over_at - began_at) / timedelta(minutes=1))
    limit = ALLOWED / CALLS_PER_DOCUMENT
    refused = sum(status == 429 for _, status in calls)
    report = Report(f"backlog: one practice, until the calls of {minutes} minutes were made")
    report.facts["calls a minute: Xero's limit less the reserve"] = ALLOWED
    report.facts["calls a document, as made"] = f"{calls_wanted / filed:.2f}"
    report.facts["documents a minute, at best"] = f"{limit:.1f}"
    report.facts["documents a minute, filed"] = f"{pace:.1f}"
    report.facts["used of the limit"] = f"{pace / limit:.1%}"
    report.facts["answers of 429"] = refused
    report.expect(pace / limit >= BACKLOG_GOAL, f"less than {BACKLOG_GOAL:.0%} of the limit")
    report.expect(refused == 0, f"{refused} calls were answered with 429")
    return report


def without_redis(made: Office, stack: ExitStack, count: int, *, frozen: bool) -> Report:
    """Accept documents over HTTP while Redis is away; they are filed once it is back."""
    firms = made.firms(6)
    people = {firm: made.person_of(firm) for firm in firms}
    papers = made.received(firms, count)
    os.kill(made.redis.process.pid, signal.SIGSTOP if frozen else signal.SIGKILL)
    waits = []
    for paper in papers:
        began = time.monotonic()
        people[paper.firm].send(f"/api/documents/{paper.document_id}/accept")
        waits.append(time.monotonic() - began)
    with made.inside():
        early = len(_filed_at(papers))
    if frozen:
        os.kill(made.redis.process.pid, signal.SIGCONT)
    else:
        made.redis.process.wait()
        stack.enter_context(servers.revived_redis(made.redis.url))
    filed_after = made.wait_until(partial(_all_filed, papers))
    what = "answers no more" if frozen else "is gone, and comes back empty"
    report = Report(f"without Redis: {count} documents accepted over HTTP while it {what}")
    report.facts["answer to Accept, p50 / p99 / longest"] = " / ".join(
        f"{each * 1000:.0f} ms"
        for each in (_percentile(waits, 50), _percentile(waits, 99), max(waits))
    )
    report.facts["the goal"] = f"p99 under {ACCEPT_GOAL * 1000:.0f} ms"
    report.facts["all of them filed, after its return"] = f"{filed_after:.1f} s"
    report.expect(_percentile(waits, 99) < ACCEPT_GOAL, "people waited too long")
    report.expect(early == 0, f"{early} documents were filed without the limiter")
    return report


def killed(made: Office, stack: ExitStack, rounds: int) -> Report:
    """Kill every worker in the middle, *rounds* times, and let new ones come."""
    again: list[float] = []
    in_the_middle = twice = 0
    for _ in range(rounds):
        firms = made.firms(4)
        papers = made.received(firms, 12)
        made.accepted(papers)
        made.wait_until(partial(_anything_held, papers))
        for worker in made.workers:
            worker.process.kill()
            worker.process.wait()
        with made.inside():
            dead, left = _held(papers), _unfinished(papers)
        in_the_middle += len(dead)
        time.sleep(REPLACEMENT_AFTER)
        began = time.monotonic()
        made.workers = [stack.enter_context(servers.worker(made.environment)) for _ in made.workers]
        while left:
            with made.inside():
                found = _worked_on(left, set(dead.values()))
            again += [time.monotonic() - began] * len(found)
            left -= found
            if time.monotonic() - began > LONGEST_WAIT:
                raise AssertionError(made.workers[-1].said()[-3000:])
            time.sleep(LOOK_EVERY)
        made.wait_until(partial(_all_filed, papers))
        twice += _twice_in_xero(made, firms)
    report = Report(f"killed: every worker by SIGKILL, {rounds} times")
    report.facts["documents in their hands / waiting behind these"] = (
        f"{in_the_middle} / {len(again) - in_the_middle}"
    )
    report.facts["worked on again after a worker's start, p50 / longest"] = (
        f"{_percentile(again, 50):.1f} / {max(again):.1f} s"
    )
    report.facts["the goal"] = f"at most {AGAIN_GOAL:g} s"
    report.facts["documents twice in Xero"] = twice
    report.expect(in_the_middle >= rounds, "nobody was killed in the middle of something")
    report.expect(max(again) <= AGAIN_GOAL, "documents waited too long")
    report.expect(twice == 0, f"{twice} documents are twice in Xero")
    return report


# -- what the rows say -----------------------------------------------------------------------------


def _of(papers: Iterable[Paper]) -> list[UUID]:
    return [paper.document_id for paper in papers]


def _filed_at(papers: Iterable[Paper]) -> list[datetime]:
    found = db.session.scalars(
        select(XeroFilePush.pushed_at).where(
            XeroFilePush.document_id.in_(_of(papers)),
            XeroFilePush.status == PushStatus.ASSOCIATED,
        )
    )
    return [moment for moment in found if moment is not None]


def _all_filed(papers: Sequence[Paper]) -> bool:
    return len(_filed_at(papers)) == len(papers)


def _held(papers: Iterable[Paper]) -> dict[UUID, str]:
    """Return the documents that a worker holds, and its name."""
    rows = db.session.execute(
        select(XeroFilePush.document_id, XeroFilePush.lease_owner).where(
            XeroFilePush.document_id.in_(_of(papers)), XeroFilePush.lease_owner.is_not(None)
        )
    )
    return {document_id: owner for document_id, owner in rows if owner is not None}


def _anything_held(papers: Iterable[Paper]) -> bool:
    return bool(_held(papers))


def _unfinished(papers: Iterable[Paper]) -> set[UUID]:
    return set(
        db.session.scalars(
            select(XeroFilePush.document_id).where(
                XeroFilePush.document_id.in_(_of(papers)),
                XeroFilePush.status != PushStatus.ASSOCIATED,
            )
        )
    )


def _worked_on(document_ids: set[UUID], dead: set[str]) -> set[UUID]:
    """Return those that a living worker holds, or has finished."""
    return set(
        db.session.scalars(
            select(XeroFilePush.document_id).where(
                XeroFilePush.document_id.in_(document_ids),
                or_(
                    XeroFilePush.status == PushStatus.ASSOCIATED,
                    and_(
                        XeroFilePush.lease_owner.is_not(None),
                        XeroFilePush.lease_owner.not_in(dead),
                    ),
                ),
            )
        )
    )


def _twice_in_xero(made: Office, firms: Iterable[Firm]) -> int:
    """Return how many files Xero has twice."""
    count = 0
    for firm in firms:
        hashes = [file["sha256"] for file in made.xero.files(firm.tenant_id)["files"]]
        count += len(hashes) - len(set(hashes))
    return count


def _percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def main(arguments: list[str] | None = None) -> int:
    """Run the rounds that were asked for; return 0 if all goals were met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--idle", type=int, default=60, help="documents accepted one by one")
    parser.add_argument("--minutes", type=int, default=3, help="of the backlog; 0 leaves it out")
    parser.add_argument("--accepts", type=int, default=120, help="documents, while Redis is away")
    parser.add_argument("--kills", type=int, default=5, help="of all workers; 0 leaves them out")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--answer-after", type=float, default=0.3, help="seconds, of Xero's Files")
    given = parser.parse_args(arguments)
    reports = []
    with office(given.workers, given.answer_after) as (made, stack):
        if given.idle:
            reports.append(idle(made, given.idle))
        if given.minutes:
            reports.append(backlog(made, given.minutes))
        if given.accepts:
            reports.append(without_redis(made, stack, given.accepts, frozen=True))
            reports.append(without_redis(made, stack, given.accepts, frozen=False))
        if given.kills:
            reports.append(killed(made, stack, given.kills))
    return verdict(reports)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
