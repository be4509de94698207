"""When a practice is due: each on a phase of its own, so that ten thousand never fire at once."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

CONTACT_SYNC_EVERY = timedelta(minutes=15)
REFRESH_EVERY = timedelta(minutes=25)
HEALTH_EVERY = timedelta(minutes=60)
# The right to check a connection, longer than its few calls of at most 20 seconds each last.
HEALTH_HOLD = timedelta(minutes=2)
# When nobody works and Xero's calls of the day are mostly unused.
NIGHT = timedelta(hours=5)
# Nothing is called with less life than this without asking for new tokens first.
REFRESH_AHEAD = timedelta(minutes=5)
# The right to refresh a connection's tokens, longer than a call may take.
REFRESH_LEASE = timedelta(seconds=30)
# Machines and databases keep time to the second; a difference of this size is a clock put back.
CLOCK_SLACK = timedelta(minutes=1)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def phase(practice_id: UUID, period: timedelta) -> timedelta:
    """Return how far into each period the practice's turn comes: the same on every machine.

    Turns of different periods have nothing to do with each other.
    """
    seconds = int(period.total_seconds())
    # Without the period, a practice's hourly check would always meet one of its syncs.
    number = int.from_bytes(hashlib.sha256(practice_id.bytes + seconds.to_bytes(4)).digest())
    return timedelta(seconds=number % seconds)


def first_slot(practice_id: UUID, period: timedelta, after: datetime) -> datetime:
    """Return the practice's first turn that comes after *after*, at most one period later."""
    since_turn = (after - _EPOCH - phase(practice_id, period)) % period
    return after - since_turn + period


def next_night(practice_id: UUID, after: datetime) -> datetime:
    """Return the practice's turn in the next night, between midnight and five in UTC."""
    midnight = (after - _EPOCH) // timedelta(days=1) * timedelta(days=1) + _EPOCH
    turn = midnight + phase(practice_id, NIGHT)
    return turn if turn > after else turn + timedelta(days=1)


def refresh_turn(practice_id: UUID, asked_at: datetime, expires_at: datetime) -> datetime:
    """Return when tokens that were asked for at *asked_at* are refreshed next.

    That is the practice's own turn, or the moment at which five minutes of life are left if that
    comes first; of a life shorter than ten minutes, the first half is always used.
    """
    own_turn = first_slot(practice_id, REFRESH_EVERY, asked_at)
    return min(own_turn, expires_at - _ahead(expires_at - asked_at))


def needs_refresh(now: datetime, asked_at: datetime | None, expires_at: datetime | None) -> bool:
    """Tell whether a call needs new tokens first: too little life is left, or nobody knows."""
    if expires_at is None:
        return True
    if asked_at is None:
        return expires_at - now < REFRESH_AHEAD
    # Tokens from the future were stored before the clock was put back: their end means nothing.
    return asked_at > now + CLOCK_SLACK or expires_at - now < _ahead(expires_at - asked_at)


def is_refresh_due(due_at: datetime | None, now: datetime) -> bool:
    """Tell whether the turn has come; one that lies too far ahead was set by a wrong clock."""
    return due_at is not None and not now < due_at <= latest_refresh_turn(now)


def latest_refresh_turn(now: datetime) -> datetime:
    """Return the latest moment that a turn can honestly be set to at *now*."""
    return now + REFRESH_EVERY + CLOCK_SLACK


def latest_lease_end(now: datetime) -> datetime:
    """Return the latest moment at which a lease that is held at *now* can honestly end."""
    return now + REFRESH_LEASE + CLOCK_SLACK


def _ahead(life: timedelta) -> timedelta:
    return max(min(REFRESH_AHEAD, life / 2), timedelta())
