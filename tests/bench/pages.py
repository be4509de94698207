"""Every page over very many rows: queries, server time, and weight with a cold cache.

    python -m tests.bench.pages [--rows 100000] [--small 200] [--database postgresql] [--tries 5]

Fills one practice with so many clients, contacts and documents, and beside it a small one, and
opens everything that answers to GET. Prints a line for each: queries beyond the frame (person,
pill, alerts), the same over the small practice, milliseconds (the median of the tries, on this
machine), HTML as it is, and all that goes over the wire for somebody who comes for the first time:
heads and compressed bodies of the page, and of the style sheets, scripts and images that it refers
to. `rows` are those of tables, `nodes` all elements. Returns 1 if a page or panel needs more than
five queries or 150 kB, or if anything, JSON too, needs more queries than over the small practice.
Times are printed and not judged.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from statistics import median
from urllib.parse import urljoin

import brotli
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from dashboard.app import create_app
from dashboard.assets import ensure_compressed
from dashboard.config import PROJECT
from dashboard.database import db
from dashboard.models import User
from dashboard.queries import alerts, connections
from tests.bench.page_looks import LEFT_OUT, NO_PAGES, Look, Practice, fill, forgotten
from tests.conftest import make_settings
from tests.support.browser import Browser, FreshClient
from tests.support.servers import embedded_postgres, embedded_redis, new_database
from tests.support.statements import counted

MOST_QUERIES = 5
MOST_KILOBYTES = 150
# Every browser of today takes Brotli.
AS_BROWSERS_ASK = {"Accept-Encoding": "gzip, br"}
AS_POLLS_ASK = {"HX-Request": "true"}
REFERENCES = {"link": "href", "script": "src", "img": "src", "source": "src"}
LOADED_LINKS = {"stylesheet", "icon"}
IN_STYLE_SHEETS = re.compile(r"""url\((?!["']?data:)["']?([^"')]+)|@import ["']([^"']+)""")
NAMES = 62
HEAD = (
    *(("queries", 9), ("small", 7), ("ms", 8), ("html kB", 9), ("wire kB", 9)),
    *(("rows", 6), ("nodes", 7)),
)


class Elements(HTMLParser):
    """Counts a page's elements and notes what it lets a browser load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows = self.nodes = 0
        self.loads: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of one element."""
        self.nodes += 1
        self.rows += tag == "tr"
        given = dict(attrs)
        address = given.get(REFERENCES.get(tag, "")) or ""
        is_loaded = tag != "link" or given.get("rel") in LOADED_LINKS
        if address and is_loaded and not address.startswith("data:"):
            self.loads.append(address)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one look costs; kilobytes are thousands of bytes."""

    queries: int
    milliseconds: float
    html: float
    wire: float
    rows: int
    nodes: int


class Reader:
    """Somebody who opens the addresses of one practice, and notes what each costs."""

    def __init__(self, app: Flask, practice: Practice) -> None:
        self.practice = practice
        self._stranger = Browser(app.test_client())
        self._browser = Browser(app.test_client())
        self._browser.enter_as(practice.admin)
        self._frame = _frame_statements(practice.admin)
        self._assets: dict[str, float] = {}

    def cost(self, look: Look, tries: int) -> Cost:
        """Return what a look costs; fails unless it shows what it should."""
        heads = AS_BROWSERS_ASK | (AS_POLLS_ASK if look.is_panel else {})
        browser = self._stranger if look.endpoint == "sign_in.page" else self._browser
        seconds = []
        for _ in range(tries):
            with counted(db.engine) as statements:
                began = time.perf_counter()
                answer = browser.get(look.address, headers=heads, buffered=True)
                seconds.append(time.perf_counter() - began)
        expected = 303 if look.endpoint in NO_PAGES else 200
        assert answer.status_code == expected, f"{look.address}: {answer.status}"
        html = _unpacked(answer)
        elements = Elements(html.decode() if answer.mimetype == "text/html" else "")
        return Cost(
            queries=(Counter(statements) - self._frame).total(),
            milliseconds=1000 * median(seconds),
            html=len(html) / 1000,
            wire=_kilobytes(answer)
            + sum(self._asset(look.address, address) for address in set(elements.loads)),
            rows=elements.rows,
            nodes=elements.nodes,
        )

    def _asset(self, page: str, address: str) -> float:
        """Return what a file weighs, with the files that it refers to itself."""
        address = urljoin(page, address)
        if address not in self._assets:
            got = self._stranger.get(address, headers=AS_BROWSERS_ASK, buffered=True)
            assert got.status_code == 200, f"{address}: {got.status}"  # noqa: PLR2004
            sheet = _unpacked(got).decode() if got.mimetype == "text/css" else ""
            more = {one or other for one, other in IN_STYLE_SHEETS.findall(sheet)}
            rest = sum(self._asset(address, each) for each in more)
            self._assets[address] = _kilobytes(got) + rest
        return self._assets[address]


def _kilobytes(answer: TestResponse) -> float:
    heads = sum(len(name) + len(value) + 4 for name, value in answer.headers)
    return (heads + len(answer.get_data())) / 1000


def _unpacked(answer: TestResponse) -> bytes:
    content = answer.get_data()
    return brotli.decompress(content) if answer.content_encoding == "br" else content


def _frame_statements(person: User) -> Counter[str]:
    """Return what the frame of a page asks: for the person, the pill and the alerts."""
    user_id, practice_id = person.id, person.practice_id
    viewer = alerts.Viewer(user_id, person.is_admin)
    # Another transaction could not begin beside this one on SQLite.
    db.session.rollback()
    with Session(db.engine) as session, counted(db.engine) as statements:
        session.get(User, user_id)
        connections.summary(session, practice_id)
        alerts.open_alerts(session, practice_id, viewer)
    return Counter(statements)


def measured(app: Flask, big: Practice, small: Practice, tries: int) -> list[str]:
    """Print the table; return what is wrong, as sentences."""
    wrong = [f"{endpoint} is on no list of page_looks.py" for endpoint in forgotten(app)]
    reader, reader_of_few = Reader(app, big), Reader(app, small)
    print(f"{'':<{NAMES}}" + "".join(f"{words:>{width}}" for words, width in HEAD))
    looks = list(zip(big.looks(app), small.looks(app), strict=True))
    for look, over_few in looks:
        if not look.is_file:
            cost, few = reader.cost(look, tries), reader_of_few.cost(over_few, 1)
            print(_line(look, cost, few.queries), flush=True)
            wrong += _verdicts(look, cost, few.queries)
    print("\nfiles, written portion by portion and not judged")
    for look, over_few in looks:
        if look.is_file:
            few = reader_of_few.cost(over_few, 1)
            print(_line(look, reader.cost(look, 1), few.queries), flush=True)
    print("\nnot opened")
    for endpoint, reason in LEFT_OUT.items():
        print(f"{endpoint:<{NAMES}}  {reason}")
    return wrong


def _line(look: Look, cost: Cost, over_few: int) -> str:
    return (
        f"{look.name:<{NAMES}}{cost.queries:>9}{over_few:>7}{cost.milliseconds:>8.1f}"
        f"{cost.html:>9.1f}{cost.wire:>9.1f}{cost.rows:>6}{cost.nodes:>7}"
    )


def _verdicts(look: Look, cost: Cost, over_few: int) -> Iterator[str]:
    if look.is_page and cost.queries > MOST_QUERIES:
        yield f"{look.name}: {cost.queries} queries beyond the frame"
    if cost.queries > over_few:
        yield f"{look.name}: {cost.queries} queries, over few rows {over_few}"
    if cost.wire > MOST_KILOBYTES:
        yield f"{look.name}: {cost.wire:.0f} kB with a cold cache"


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    """Yield the URL of an empty database of this kind, or the URL that was given instead."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'bench.sqlite3'}"
    elif kind == "postgresql":
        with embedded_postgres() as server, new_database(server) as url:
            yield url
    else:
        yield kind


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill a database and print the table; return 0 if nothing is wrong."""
    given = _parser().parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chase-bench-")))
        redis = stack.enter_context(embedded_redis(folder / "redis"))
        url = stack.enter_context(_database(given.database, folder))
        # What `make setup` leaves behind, and looked for when the app is made.
        ensure_compressed(PROJECT / "static")
        app = create_app(make_settings(database_url=url, redis_url=redis))
        app.config["TESTING"] = True
        app.test_client_class = FreshClient
        with app.app_context():
            upgrade()
            small = fill(given.small, "small@bench.example")
            big = fill(given.rows, "big@bench.example")
            db.session.execute(text("ANALYZE"))
            db.session.commit()
            kind = given.database.partition("+")[0].partition(":")[0]
            print(f"{given.rows:,} clients, contacts and documents; {kind}")
            wrong = measured(app, big, small, given.tries)
            db.session.remove()
            db.engine.dispose()
            app.extensions["redis"].close()
    for sentence in wrong:
        print(f"  WRONG: {sentence}")
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000, help="of each kind")
    parser.add_argument(
        "--small", type=int, default=200, help="of each kind, in the small practice"
    )
    parser.add_argument(
        "--database", default="postgresql", help="or sqlite, or the URL of an empty one"
    )
    parser.add_argument("--tries", type=int, default=5)
    return parser


if __name__ == "__main__":
    sys.exit(main())
