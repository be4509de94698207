"""The pretend Xero's time: real time plus a shift, or whatever a test passes in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def system_time() -> datetime:
    """Return the present moment, aware and in UTC."""
    return datetime.now(UTC)


class Clock:
    """A clock that can be put forward, so that sixty days pass in a test."""

    def __init__(self, source: Callable[[], datetime] = system_time) -> None:
        self._source = source
        self.offset = timedelta()

    def now(self) -> datetime:
        """Return the pretend present."""
        return self._source() + self.offset

    def shift(self, seconds: float) -> None:
        """Move the pretend present by *seconds*, forward or back."""
        self.offset += timedelta(seconds=seconds)
