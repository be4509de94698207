"""Rotation of master keys: every stored value locked anew with the newest one, while all runs.

Read a batch, lock its values anew with no transaction open, write them in one short transaction
that compares each value with what was read: a refresh that came in between wins, and its tokens are
locked with the newest key already. Nothing is remembered but the rows themselves, so a rotation may
be killed anywhere and started again, or run twice at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Boolean, Update, bindparam, case, delete, update

from dashboard.crypto import (
    BEGINNING,
    TokenCipher,
    TokenUnreadable,
    beginnings,
    key_id_at,
)
from dashboard.database import AnySession, reading_only
from dashboard.models import OAuthAttempt
from dashboard.services.key_checks import KeyChecks
from dashboard.services.locked_values import (
    CONNECTIONS,
    SHELVES,
    LockedRow,
    Shelf,
    on_another_key,
    rows_after,
)
from dashboard.services.rotation_report import Rotation, Unopened

BATCH = 500
# A row that changed under our hands is looked at again; the bound ends a quarrel with a process
# that still locks with an older key.
MOST_ROUNDS = 10


class NewestKeyWrong(Exception):
    """The newest listed key is not the one that its id stands for: nothing may be locked with it.

    The message says so in a sentence for the operator.
    """


@dataclass(frozen=True, slots=True)
class _Change:
    """A row as it was read, and its values locked anew; what did not open stays what it was."""

    row: LockedRow
    values: Mapping[str, str | None]
    relocked: int
    unopened: tuple[Unopened, ...]


class KeyRotation:
    """Locks every stored value with the newest master key."""

    def __init__(
        self,
        *,
        session: AnySession,
        cipher: TokenCipher,
        checks: KeyChecks,
        clock: Callable[[], datetime],
        batch: int = BATCH,
    ) -> None:
        self._session = session
        self._cipher = cipher
        self._checks = checks
        self._clock = clock
        self._batch = batch

    def rotate(self, on_batch: Callable[[int], None] = lambda _relocked: None) -> Rotation:
        """Return what was done; *on_batch* is told after each batch how many values it changed.

        Raises `NewestKeyWrong`, before anything is changed.
        """
        old_keys = tuple(key for key in self._cipher.key_ids if key != self._cipher.newest_key_id)
        before = self._checks.examine()
        if before.newest in before.wrong:
            raise NewestKeyWrong(" ".join(before.problems))
        self._checks.seal(before)
        self._forget_old_attempts()
        relocked, unopened = 0, list[Unopened]()
        for shelf in SHELVES:
            done, left = self._rotate_shelf(shelf, {*before.missing, *before.wrong}, on_batch)
            relocked += done
            unopened += left
        return Rotation(relocked, tuple(unopened), self._checks.examine(), old_keys)

    def _forget_old_attempts(self) -> None:
        """Nobody can finish these any more, so their tokens need no key."""
        self._session.execute(delete(OAuthAttempt).where(OAuthAttempt.expires_at < self._clock()))
        self._session.commit()

    def _rotate_shelf(
        self, shelf: Shelf, amiss: Collection[int], on_batch: Callable[[int], None]
    ) -> tuple[int, list[Unopened]]:
        relocked, unopened = 0, list[Unopened]()
        for _round in range(MOST_ROUNDS):
            unopened = []
            overtaken = 0
            after: UUID | None = None
            while rows := self._rows_after(shelf, after):
                changes = [self._change_of(shelf, row, amiss) for row in rows]
                written = self._write(shelf, [each for each in changes if each.relocked])
                overtaken += sum(each.relocked > 0 for each in changes) - len(written)
                on_batch(sum(each.relocked for each in written))
                relocked += sum(each.relocked for each in written)
                unopened += [one for each in changes for one in each.unopened]
                after = rows[-1].row_id
            if not overtaken:
                break
        return relocked, unopened

    def _rows_after(self, shelf: Shelf, after: UUID | None) -> list[LockedRow]:
        token = reading_only.set(True)
        try:
            wanted = on_another_key(shelf, self._cipher.newest_key_id)
            return rows_after(self._session, shelf, wanted, after, self._batch)
        finally:
            self._session.rollback()
            reading_only.reset(token)

    def _change_of(self, shelf: Shelf, row: LockedRow, amiss: Collection[int]) -> _Change:
        values, relocked, unopened = dict(row.values), 0, list[Unopened]()
        newest = beginnings(self._cipher.newest_key_id)
        for column, stored in row.values.items():
            if stored is None or stored.startswith(newest):
                continue
            try:
                values[column] = self._relocked(shelf, row, column, stored)
                relocked += 1
            except TokenUnreadable:
                named = row.row_id if shelf is CONNECTIONS else None
                unopened.append(Unopened(named, _needed_key(stored, amiss)))
        return _Change(row, values, relocked, tuple(unopened))

    def _relocked(self, shelf: Shelf, row: LockedRow, column: str, stored: str) -> str:
        if row.salt is None:
            raise TokenUnreadable("The practice's salt is gone.")
        return self._cipher.relock(stored, row.salt, row.place_of(shelf, column))

    def _write(self, shelf: Shelf, changes: Sequence[_Change]) -> Sequence[_Change]:
        """Write the changes in one transaction; return those that nobody had overtaken."""
        if not changes:
            return changes
        statement = _compare_and_set(shelf)
        every = [self._parameters(shelf, change) for change in changes]
        if self._session.connection().execute(statement, every).rowcount == len(changes):
            self._session.commit()
            return changes
        # Somebody was faster with a row or two: find out which by asking one by one.
        self._session.rollback()
        connection = self._session.connection()
        written = [
            change
            for change, parameters in zip(changes, every, strict=True)
            if connection.execute(statement, parameters).rowcount
        ]
        self._session.commit()
        return written

    def _parameters(self, shelf: Shelf, change: _Change) -> dict[str, object]:
        row = change.row
        parameters: dict[str, object] = {"row_id": row.row_id}
        for column, stored in row.values.items():
            parameters[f"old_{column}"] = stored
            parameters[f"new_{column}"] = change.values[column]
        if shelf.key_id is not None:
            parameters["version"] = row.version
            # The row names the newest key once nothing of it is left behind.
            parameters["all_of_it"] = not change.unopened
            parameters["newest"] = self._cipher.newest_key_id
        return parameters


def _needed_key(stored: str, amiss: Collection[int]) -> int | None:
    """Return the key that *stored* names, if that is one the operator has to put right."""
    key_id = key_id_at(stored[:BEGINNING])
    return key_id if key_id in amiss else None


def _compare_and_set(shelf: Shelf) -> Update:
    columns = shelf.table.c
    statement = update(shelf.table).where(columns.id == bindparam("row_id"))
    for column in shelf.names:
        old = bindparam(f"old_{column}", type_=columns[column].type)
        statement = statement.where(columns[column].is_not_distinct_from(old))
        statement = statement.values({column: bindparam(f"new_{column}")})
    if shelf.key_id is None:
        return statement
    named = case(
        (bindparam("all_of_it", type_=Boolean()), bindparam("newest")), else_=columns.key_id
    )
    # Nothing changes for people, so neither does the moment of the last change.
    return statement.where(columns.token_version == bindparam("version")).values(
        key_id=named, updated_at=columns.updated_at
    )
