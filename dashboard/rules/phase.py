"""When a practice is due: each on a phase of its own, so that ten thousand never fire at once."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

CONTACT_SYNC_EVERY = timedelta(minutes=15)
REFRESH_EVERY = timedelta(minutes=25)
HEALTH_EVERY = timedelta(minutes=60)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def phase(practice_id: UUID, period: timedelta) -> timedelta:
    """Return how far into each period the practice's turn comes: the same on every machine."""
    number = int.from_bytes(hashlib.sha256(practice_id.bytes).digest())
    return timedelta(seconds=number % int(period.total_seconds()))


def first_slot(practice_id: UUID, period: timedelta, after: datetime) -> datetime:
    """Return the practice's first turn that comes after *after*, at most one period later."""
    since_turn = (after - _EPOCH - phase(practice_id, period)) % period
    return after - since_turn + period
