"""The import preview's first page over many contacts: queries, server time and weight.

    python -m tests.bench.preview [--contacts 10000] [--tries 7] [--database URL]

Prints a table: one line for each filter, tab, order and page, each line the median of the tries,
and the worst of each column below. The queries are those beyond the frame (person, pill, alerts);
`cpu ms` is what this process worked, which a busy machine changes least (on PostgreSQL the server's
own work is not in it); the weight is the HTML as it is and compressed. Without a database a fresh
SQLite file is used; a PostgreSQL URL must name an empty database.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from uuid import UUID

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import insert, text

from dashboard.app import create_app
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    Client,
    DraftDecision,
    ImportDraft,
    Role,
    XeroContact,
    XeroContactMapping,
)
from dashboard.rules.preview_filter import MATCH_WORDS, SORTS
from tests import factories
from tests.bench import many_rows
from tests.bench.many_rows import Ground
from tests.conftest import make_settings
from tests.support.browser import Browser, FreshClient
from tests.support.servers import embedded_redis
from tests.support.statements import counted

FRAME_QUERIES = 3
LOOKS = (
    ("first page, preset", ""),
    ("every type", "?type="),
    *((f"only {kind}", f"?type={kind}") for kind in ("customer", "supplier", "neither")),
    *((f"tab {word}", f"?match={word}&type=") for word in MATCH_WORDS),
    ("search", "?q=smith"),
    ("search, nothing found", "?q=zzzzzz"),
    ("group", "?group=Group+02&type="),
    ("selected", "?selected=1&type="),
    *((f"in the order {order}", f"?sort={order}&type=") for order in SORTS),
    ("last page", "?page=9999&type="),
    ("last page of selected", "?page=9999&type=&selected=1"),
    ("group, search, possible", "?match=possible&q=a&group=Group+01"),
    ("25 rows", "?per=25&type="),
    ("100 rows", "?per=100&type="),
)
HEAD = (
    ("look" + " " * 24, 28),
    *((words, 9) for words in ("queries", "ms", "cpu ms", "html kB", "gzip kB", "rows")),
)


def main(given: list[str] | None = None) -> int:
    """Fill a database and print the table; return 0."""
    arguments = _parser().parse_args(given)
    with tempfile.TemporaryDirectory() as folder, embedded_redis(Path(folder) / "redis") as redis:
        url = arguments.database or f"sqlite:///{Path(folder) / 'bench.sqlite3'}"
        app = create_app(make_settings(database_url=url, redis_url=redis))
        app.config["TESTING"] = True
        app.test_client_class = FreshClient
        with app.app_context():
            upgrade()
            draft_id, browser = _filled(app, arguments.contacts)
            print(f"{arguments.contacts:,} contacts, {url.partition(':')[0]}")
            print("".join(f"{words:>{width}}" for words, width in HEAD))
            found = []
            for name, query in LOOKS:
                found.append(_figures(browser, f"/import/{draft_id}{query}", arguments.tries))
                print(_line(name, found[-1]), flush=True)
            print(_line("the worst", tuple(map(max, zip(*found, strict=True)))))
            db.session.remove()
            db.engine.dispose()
            app.extensions["redis"].close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--contacts", type=int, default=10_000)
    parser.add_argument("--tries", type=int, default=7)
    parser.add_argument("--database")
    return parser


def _line(name: str, figures: tuple[float, ...]) -> str:
    return f"{name:28}" + "".join(
        f"{figure:>9.{digits}f}" for figure, digits in zip(figures, (0, 1, 1, 1, 1, 0), strict=True)
    )


def _figures(browser: Browser, address: str, tries: int) -> tuple[float, ...]:
    """Return what one look costs, in the order of HEAD."""
    browser.get(address)
    seconds: list[float] = []
    busy: list[float] = []
    with counted(db.engine) as statements:
        for _ in range(tries):
            began, worked = time.perf_counter(), time.process_time()
            answer = browser.get(address)
            seconds.append(time.perf_counter() - began)
            busy.append(time.process_time() - worked)
    assert answer.status_code == 200, answer.text
    html = answer.get_data()
    return (
        len(statements) / tries - FRAME_QUERIES,
        1000 * median(seconds),
        1000 * median(busy),
        len(html) / 1000,
        len(gzip.compress(html)) / 1000,
        html.count(b"<tr id="),
    )


def _filled(app: Flask, number: int) -> tuple[UUID, Browser]:
    """Return a draft over so many contacts, some ticked and decided, and an admin's browser."""
    practice = factories.make_practice()
    admin = factories.make_user(practice, email="admin@bench.example", role=Role.ADMIN)
    now = utcnow()
    connection = factories.make_connection(practice, last_sync_at=now, matched_at=now)
    on = Ground(practice.id, connection.id, admin.id, now)
    ours = many_rows.clients(on, number // 2)
    theirs = many_rows.contacts(on, number, ours)
    linked = zip(ours[::20], theirs[::20], strict=False)
    db.session.execute(insert(Client), ours)
    db.session.execute(insert(XeroContact), theirs)
    db.session.execute(insert(XeroContactMapping), many_rows.links(on, linked))
    draft = ImportDraft(practice_id=practice.id, xero_connection_id=connection.id)
    db.session.add(draft)
    db.session.flush()
    db.session.execute(insert(DraftDecision), many_rows.decisions(on, draft.id, theirs))
    draft_id = draft.id
    db.session.commit()
    if db.engine.dialect.name == "postgresql":
        db.session.execute(text("ANALYZE"))
        db.session.commit()
    browser = Browser(app.test_client())
    browser.enter_as(admin)
    return draft_id, browser


if __name__ == "__main__":
    sys.exit(main())
