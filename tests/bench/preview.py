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
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID, uuid4

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import event, insert, text

from dashboard.app import create_app
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    Client,
    DraftDecision,
    ImportDraft,
    Practice,
    Role,
    XeroConnection,
    XeroContact,
    XeroContactMapping,
)
from dashboard.rules.preview_filter import MATCH_WORDS, SORTS
from tests import factories
from tests.conftest import make_settings
from tests.support.browser import Browser, FreshClient
from tests.support.servers import embedded_redis

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
FIRST = ("Robert", "Aoife", "Željka", "Mohammed", "Priya", "Wei", "Nuala", "Tomás")
LAST = ("Smith", "O'Brien", "Šarić", "Khan", "Patel", "Zhang", "Byrne", "da Silva")
TRADES = ("Joinery", "Stores", "Bakery", "Plumbing", "Holdings", "Farm", "Design", "Transport")


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
    with _counted() as statements:
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


@contextmanager
def _counted() -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")):
            statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def _filled(app: Flask, number: int) -> tuple[UUID, Browser]:
    """Return a draft over so many contacts, some ticked and decided, and an admin's browser."""
    practice = factories.make_practice()
    admin = factories.make_user(practice, email="admin@bench.example", role=Role.ADMIN)
    now = utcnow()
    connection = factories.make_connection(practice, last_sync_at=now, matched_at=now)
    dice = random.Random(7)  # noqa: S311 - the same contacts each time
    clients = _clients(practice, number // 2, now)
    contacts = [_contact(connection, clients, at, dice, now) for at in range(number)]
    db.session.execute(insert(Client), clients)
    db.session.execute(insert(XeroContact), contacts)
    db.session.execute(insert(XeroContactMapping), _mappings(connection, clients, contacts, now))
    draft = ImportDraft(practice_id=practice.id, xero_connection_id=connection.id)
    db.session.add(draft)
    db.session.flush()
    db.session.execute(
        insert(DraftDecision),
        [
            {
                "draft_id": draft.id,
                "xero_contact_id": one["xero_contact_id"],
                "selected": True,
                "action": "skip" if at % 7 == 0 else None,
                "decided_by_id": admin.id if at % 7 == 0 else None,
            }
            for at, one in enumerate(contacts)
            if at % 3 == 0
        ],
    )
    draft_id = draft.id
    db.session.commit()
    if db.engine.dialect.name == "postgresql":
        db.session.execute(text("ANALYZE"))
        db.session.commit()
    browser = Browser(app.test_client())
    browser.enter_as(admin)
    return draft_id, browser


def _clients(practice: Practice, number: int, now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "id": uuid4(),
            "practice_id": practice.id,
            "name": f"{_person(at)} {TRADES[at % 8]} {at}",
            "created_at": now,
            "updated_at": now,
        }
        for at in range(number)
    ]


def _contact(
    connection: XeroConnection,
    clients: list[dict[str, Any]],
    at: int,
    dice: random.Random,
    now: datetime,
) -> dict[str, Any]:
    word = dice.choices(("new", "exact", "possible", "clash"), (60, 25, 12, 3))[0]
    meant = {"new": 0, "exact": 1, "possible": 1, "clash": 2}[word]
    name = f"{_person(at * 5)} {TRADES[at % 8]} {at}"
    email = f"contact{at}@bench.example" if at % 4 else None
    return {
        "id": uuid4(),
        "practice_id": connection.practice_id,
        "xero_connection_id": connection.id,
        "xero_contact_id": str(uuid4()),
        "name": name,
        "email": email,
        "phones": [{"kind": "DEFAULT", "number": f"020 7946 {at:05d}"}],
        "addresses": [],
        "contact_status": "ACTIVE" if at % 50 else "ARCHIVED",
        "is_supplier": at % 3 == 0,
        "is_customer": at % 4 != 0,
        "groups": [{"id": f"g{n}", "name": f"Group {n:02d}"} for n in range(at % 4)],
        "content_hash": f"{at:064d}",
        "sort_name": name.casefold(),
        "search_text": f"{name} {email or ''}".casefold(),
        "match": word,
        "candidates": [
            {
                "client_id": str(clients[(at + n) % len(clients)]["id"]),
                "score": 0.95 if word == "exact" else 0.7,
                "reasons": [f"Same email {email}", "Ltd and Limited ignored"],
            }
            for n in range(meant)
        ],
        "read_at": now,
    }


def _mappings(
    connection: XeroConnection,
    clients: list[dict[str, Any]],
    contacts: list[dict[str, Any]],
    now: datetime,
) -> list[dict[str, Any]]:
    return [
        {
            "practice_id": connection.practice_id,
            "client_id": client["id"],
            "xero_connection_id": connection.id,
            "xero_contact_id": contact["xero_contact_id"],
            "xero_contact_name": contact["name"],
            "last_synced_at": now,
        }
        for client, contact in zip(clients[::20], contacts[::20], strict=False)
    ]


def _person(at: int) -> str:
    return f"{FIRST[at % 8]} {LAST[at // 8 % 8]}"


if __name__ == "__main__":
    sys.exit(main())
