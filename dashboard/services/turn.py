"""A practice's turn with a worker: long while nobody else needs one, a moment while others wait.

Every practice has at most one place in the queue and goes to its end after a turn, so practices are
served one after the other, however much each of them has to do.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

WHILE_OTHERS_WAIT = timedelta(seconds=0.5)


class Turn:
    """Lasts *longest*, or half a second if *others_wait* by then.

    Asked before each piece of work; the first is done in any case.
    """

    def __init__(
        self, clock: Callable[[], datetime], longest: timedelta, others_wait: Callable[[], bool]
    ) -> None:
        self._clock = clock
        self._others_wait = others_wait
        self._longest = longest
        self._began_at: datetime | None = None

    def is_over(self) -> bool:
        """Tell, before each piece of work, whether to make room now."""
        now = self._clock()
        if self._began_at is None:
            self._began_at = now
            return False
        lasted = now - self._began_at
        return lasted >= self._longest or (lasted >= WHILE_OTHERS_WAIT and self._others_wait())


def nobody_waits() -> bool:
    """Say that no other practice needs the worker."""
    return False
