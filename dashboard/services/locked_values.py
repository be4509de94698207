"""Where locked values stand in the database, which master key each names, and how to read many.

Every column that holds a locked value is on a shelf here: what is not on one would stay behind on
an old key, so a test compares the shelves with the models. The key of a value is read from its
first letters, in the statement: counting ten thousand rows opens none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Table, and_, func, literal, or_, select

from dashboard.crypto import BEGINNING, TokenPlace, beginnings, key_id_at
from dashboard.database import AnySession
from dashboard.models import OAuthAttempt, PracticeSalt, XeroConnection
from dashboard.services.token_custody import ACCESS, CODE_VERIFIER, NONCE, PREVIOUS, REFRESH


@dataclass(frozen=True, slots=True)
class Shelf:
    """A table with locked values: its columns and the name under which each was locked.

    `version` is what the lock binds beside the row, `key_id` the column in which a row itself says
    which key it is locked with, if there is one.
    """

    table: Table
    names: Mapping[str, str]
    version: ColumnElement[int]
    key_id: ColumnElement[Any] | None = None


@dataclass(frozen=True, slots=True)
class LockedRow:
    """The locked values of one row as they were read, and what opens them: no salt, no opening."""

    row_id: UUID
    practice_id: UUID
    version: int
    salt: bytes | None
    values: Mapping[str, str | None]

    def place_of(self, shelf: Shelf, column: str) -> TokenPlace:
        """Return what the value in *column* is bound to."""
        return TokenPlace(self.practice_id, self.row_id, shelf.names[column], self.version)


def _table(model: type[Any]) -> Table:
    return cast(Table, model.__table__)


CONNECTIONS = Shelf(
    _table(XeroConnection),
    {
        "access_token_encrypted": ACCESS,
        "refresh_token_encrypted": REFRESH,
        "previous_refresh_token_encrypted": PREVIOUS,
    },
    version=_table(XeroConnection).c.token_version,
    key_id=_table(XeroConnection).c.key_id,
)
ATTEMPTS = Shelf(
    _table(OAuthAttempt),
    {
        "nonce_encrypted": NONCE,
        "code_verifier_encrypted": CODE_VERIFIER,
        "access_token_encrypted": ACCESS,
        "refresh_token_encrypted": REFRESH,
    },
    version=literal(0),
)
SHELVES = (CONNECTIONS, ATTEMPTS)


def count_by_key(session: AnySession, known: Collection[int]) -> dict[int, int]:
    """Return how many values are locked with each master key; *known* are ids that ever were keys.

    The first letters of a damaged value may name any key at all: an id that is not known counts
    only where the row says the same.
    """
    by_key: Counter[int] = Counter()
    for shelf in SHELVES:
        for column in shelf.names:
            for row_says, letters, count in _beginnings_in(session, shelf, column):
                key_id = key_id_at(letters)
                if key_id is not None and (key_id in known or key_id == row_says):
                    by_key[key_id] += count
    return dict(by_key)


def _beginnings_in(
    session: AnySession, shelf: Shelf, column: str
) -> list[tuple[int | None, str, int]]:
    """Return what rows say of their key, what their values begin with, and how many do."""
    value = shelf.table.c[column]
    start = func.substr(value, 1, BEGINNING)
    if shelf.key_id is None:
        bare = select(start, func.count()).where(value.is_not(None)).group_by(start)
        return [(None, letters, count) for letters, count in session.execute(bare)]
    both = select(shelf.key_id, start, func.count()).where(value.is_not(None))
    return [
        (row_says, letters, count)
        for row_says, letters, count in session.execute(both.group_by(shelf.key_id, start))
    ]


def on_another_key(shelf: Shelf, key_id: int) -> ColumnElement[bool]:
    """Return the condition that a row holds a value that is not locked with *key_id*."""
    return or_(
        *(
            and_(
                shelf.table.c[column].is_not(None),
                func.substr(shelf.table.c[column], 1, BEGINNING).not_in(beginnings(key_id)),
            )
            for column in shelf.names
        )
    )


def on_key(shelf: Shelf, key_id: int) -> ColumnElement[bool]:
    """Return the condition that a row holds a value that is locked with *key_id*."""
    return or_(
        *(
            func.substr(shelf.table.c[column], 1, BEGINNING).in_(beginnings(key_id))
            for column in shelf.names
        )
    )


def rows_after(
    session: AnySession,
    shelf: Shelf,
    wanted: ColumnElement[bool],
    after: UUID | None,
    limit: int,
) -> list[LockedRow]:
    """Return up to *limit* rows in the order of their ids, each with its practice's salt."""
    table = shelf.table
    statement = (
        select(
            table.c.id,
            table.c.practice_id,
            shelf.version,
            PracticeSalt.salt,
            *(table.c[column] for column in shelf.names),
        )
        .outerjoin_from(table, PracticeSalt, PracticeSalt.practice_id == table.c.practice_id)
        .where(wanted)
        .order_by(table.c.id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(table.c.id > after)
    return [
        LockedRow(row_id, practice_id, version, salt, dict(zip(shelf.names, values, strict=True)))
        for row_id, practice_id, version, salt, *values in session.execute(statement)
    ]
