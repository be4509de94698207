"""What a rotation of master keys did, in sentences for the operator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from dashboard.services.key_checks import KeyReport

MOST_NAMES = 100


@dataclass(frozen=True, slots=True)
class Unopened:
    """A value that stays as it is because nothing listed opens it.

    `connection_id` is None for a consent that waits for a choice; those end by themselves.
    `needed_key` is the key that is missing or wrong, None when the value itself is damaged.
    """

    connection_id: UUID | None
    needed_key: int | None


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did, and how the stored values stand after it."""

    relocked: int
    unopened: tuple[Unopened, ...]
    after: KeyReport
    old_keys: tuple[int, ...]

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left on an older key and nothing unopened."""
        return not self.unopened and not self.after.left_behind

    @property
    def sentences(self) -> list[str]:
        """What the operator has to know, the counts first."""
        return [*self._counts(), *self._keyless(), *self._damaged(), *self._waiting()]

    def _counts(self) -> Iterator[str]:
        newest, by_key = self.after.newest, self.after.by_key
        yield f"Values on master key {newest}, the newest: {by_key.get(newest, 0):,}."
        for key in self.old_keys:
            count = by_key.get(key, 0)
            yield f"Values on master key {key}: {count:,}. {self._advice(key, count)}"

    def _advice(self, key: int, count: int) -> str:
        if not count:
            return (
                "It may be removed from TOKEN_MASTER_KEYS as soon as every process was started"
                f" with key {self.after.newest} first. Backups from before now still need it."
            )
        if self.unopened:
            return "Keep it listed until the values named below are gone."
        return (
            f"Another process still locks with it: start every process with key"
            f" {self.after.newest} first, then run this again."
        )

    def _keyless(self) -> Iterator[str]:
        keys = {one.needed_key for one in self.unopened if one.needed_key is not None}
        for key in sorted(keys):
            yield self.after.problem_of(key)
            yield "Then run this again. Until then these connections stay as they are:"
            yield from _names(one for one in self.unopened if one.needed_key == key)

    def _damaged(self) -> Iterator[str]:
        names = _names(one for one in self.unopened if one.needed_key is None)
        if names:
            yield (
                "What these connections hold was changed and opens with no key. An admin of the"
                " practice has to reconnect Xero, or disconnect it; then run this again:"
            )
            yield from names

    def _waiting(self) -> Iterator[str]:
        consents = sum(one.connection_id is None for one in self.unopened)
        if consents:
            yield (
                f"{consents:,} values belong to consents that wait for a choice and could not be"
                " opened. They end by themselves: run this again in ten minutes."
            )


def _names(unopened: Iterable[Unopened]) -> list[str]:
    ids = sorted({str(one.connection_id) for one in unopened if one.connection_id is not None})
    more = len(ids) - MOST_NAMES
    return [*ids[:MOST_NAMES], *([f"and {more:,} more"] if more > 0 else [])]
