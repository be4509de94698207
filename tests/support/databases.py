"""Databases on a PostgreSQL server, each lent to one test after another.

To copy the template for each test takes twenty times as long as to empty what the test filled.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg

from tests.support.servers import new_database, plain

# Emptied by deleting, a table keeps its size: what held more is thrown away.
MOST_ROWS = 2_000

END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"


class Databases:
    """Copies of the database *template*, made when all that exist are lent."""

    def __init__(self, server_url: str, template: str, stack: ExitStack) -> None:
        self._server_url = server_url
        self._template = template
        self._stack = stack
        self._free: list[str] = []
        with psycopg.connect(plain(template)) as connection:
            self._tables = connection.execute(TABLES).fetchall()
        self._delete_all = "; ".join(
            f'DELETE FROM "{table}"'  # noqa: S608 - our own names
            for (table,) in self._tables
            if table != "alembic_version"
        )

    @contextmanager
    def lent(self) -> Iterator[str]:
        """Yield the URL of a database in which nobody has stored anything."""
        url = self._free.pop() if self._free else self._new()
        yield url
        if self._emptied(url):
            self._free.append(url)

    def _new(self) -> str:
        return self._stack.enter_context(new_database(self._server_url, template=self._template))

    def _emptied(self, url: str) -> bool:
        """Delete what a test stored; return whether the database is as good as new."""
        with psycopg.connect(plain(url)) as connection:
            connection.execute(END_OTHERS)
            if connection.execute(TABLES).fetchall() != self._tables:
                return False
            # Without the foreign keys' checks the order does not matter.
            connection.execute("SET session_replication_role = replica")
            deleting = connection.execute(self._delete_all)
            rows = deleting.rowcount
            while deleting.nextset():
                rows += deleting.rowcount
        return rows <= MOST_ROWS
