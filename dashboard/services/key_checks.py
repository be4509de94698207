"""Are the master keys in the settings the ones that the stored tokens need?

Each key id has a check in the database, sealed when the key was first listed: a key with the right
id and other bytes is found out without asking any token. A key that is missing or wrong is the
operator's to put right, so it must stop a start, and must never look like a lost connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from dashboard.crypto import TokenCipher, TokenUnreadable, beginnings
from dashboard.database import AnySession, insert_for, reading_only
from dashboard.models import KeyCheck
from dashboard.services.locked_values import (
    SHELVES,
    LockedRow,
    Shelf,
    count_by_key,
    on_key,
    rows_after,
)

# With no check to ask, this many rows of each table may speak for a key; one that opens is enough.
WITNESSES = 20


@dataclass(frozen=True, slots=True)
class KeyReport:
    """How the listed master keys fit what is stored.

    `missing` are keys that values are locked with and that are not listed; `wrong` are listed with
    other bytes than those; `unsealed` have no check yet that holds for them.
    """

    newest: int
    by_key: Mapping[int, int]
    missing: tuple[int, ...]
    wrong: tuple[int, ...]
    unsealed: tuple[int, ...]

    @property
    def problems(self) -> list[str]:
        """One sentence for each key that is missing or wrong, and what to do."""
        return [self.problem_of(key) for key in (*self.missing, *self.wrong)]

    def problem_of(self, key: int) -> str:
        """Return what is to be done about a key that is missing or wrong."""
        if key in self.wrong:
            return (
                f"Master key {key} in TOKEN_MASTER_KEYS is not the key {key} that stored tokens"
                " were locked with: put that one back, and give a new key a new id."
            )
        return (
            f"Stored tokens need master key {key}, which is not in TOKEN_MASTER_KEYS: list it there"
            " again, after the newest one."
        )

    @property
    def left_behind(self) -> dict[int, int]:
        """How many values are locked with each listed key that is not the newest."""
        gone = {self.newest, *self.missing, *self.wrong}
        return {key: count for key, count in sorted(self.by_key.items()) if key not in gone}


class KeyChecks:
    """Compares the listed master keys with what is stored."""

    def __init__(
        self, *, session: AnySession, cipher: TokenCipher, clock: Callable[[], datetime]
    ) -> None:
        self._session = session
        self._cipher = cipher
        self._clock = clock

    def examine(self) -> KeyReport:
        """Return how the listed keys fit; nothing is written."""
        token = reading_only.set(True)
        try:
            return self._examined()
        finally:
            self._session.rollback()
            reading_only.reset(token)

    def is_right(self, key_id: int) -> bool:
        """Tell whether the key of this id is listed and the one that values were locked with."""
        if key_id not in self._cipher.key_ids:
            return False
        token = reading_only.set(True)
        try:
            check = self._session.scalar(select(KeyCheck.sealed).where(KeyCheck.key_id == key_id))
            if check is None:
                return self._has_witness(key_id)
            return self._cipher.opens_check(key_id, check)
        finally:
            self._session.rollback()
            reading_only.reset(token)

    def seal(self, report: KeyReport) -> None:
        """Give a check to each key of *report* that has none, so that its bytes are known."""
        if not report.unsealed:
            return
        now = self._clock()
        for key_id in report.unsealed:
            sealed = {"sealed": self._cipher.seal_check(key_id), "created_at": now}
            self._session.execute(
                insert_for(self._session)(KeyCheck)
                .values(key_id=key_id, **sealed)
                .on_conflict_do_update(index_elements=[KeyCheck.key_id], set_=sealed)
            )
        self._session.commit()

    def _examined(self) -> KeyReport:
        stored = self._session.execute(select(KeyCheck.key_id, KeyCheck.sealed))
        checks = {row.key_id: row.sealed for row in stored}
        listed = self._cipher.key_ids
        by_key = count_by_key(self._session, {*listed, *checks})
        proven = {key for key in listed if self._is_proven(key, checks.get(key))}
        used = {key for key in listed if by_key.get(key)}
        spoken_for = {key for key in used - proven if key not in checks and self._has_witness(key)}
        return KeyReport(
            newest=self._cipher.newest_key_id,
            by_key=by_key,
            missing=tuple(sorted(key for key in by_key if key not in listed)),
            wrong=tuple(sorted(used - proven - spoken_for)),
            # A key that locks nothing yet may be replaced: a slip while setting up traps nobody.
            unsealed=tuple(sorted((set(listed) - used - proven) | spoken_for)),
        )

    def _is_proven(self, key_id: int, check: str | None) -> bool:
        return check is not None and self._cipher.opens_check(key_id, check)

    def _has_witness(self, key_id: int) -> bool:
        return any(
            self._opens_one(key_id, shelf, row)
            for shelf in SHELVES
            for row in rows_after(self._session, shelf, on_key(shelf, key_id), None, WITNESSES)
        )

    def _opens_one(self, key_id: int, shelf: Shelf, row: LockedRow) -> bool:
        if row.salt is None:
            return False
        for column, value in row.values.items():
            if value is None or not value.startswith(beginnings(key_id)):
                continue
            try:
                self._cipher.open(value, row.salt, row.place_of(shelf, column))
            except TokenUnreadable:
                continue
            return True
        return False
