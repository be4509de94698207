"""What many projects do, kept to show that the bench sees it: each of these must turn red."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from uuid import uuid4

import redis

from dashboard.xero.errors import WaitReason, XeroMustWait
from dashboard.xero.governor import Limits, Priority, Slot, Spans

LONGEST_SKEW = 0.5


class FixedCounter:
    """Counts in windows of its own machine's clock: two bursts meet where two windows do."""

    def __init__(self, client: redis.Redis, limits: Limits, spans: Spans) -> None:
        self._client = client
        self._limit = limits.minute
        self._window = spans.minute
        # No two machines agree on the time.
        self._skew = random.SystemRandom().random() * LONGEST_SKEW

    def acquire(self, tenant_id: str, priority: Priority) -> Slot:
        """Return a slot, or raise `XeroMustWait`."""
        number, into = divmod(time.time() + self._skew, self._window)
        key = f"naive:{tenant_id}:{number}"
        used = self._client.incr(key)
        self._client.expire(key, 300)
        if used > self._limit:
            raise XeroMustWait(self._window - into, WaitReason.MINUTE)
        return Slot("", tenant_id)

    def release(self, slot: Slot, *, status: int, headers: Mapping[str, str]) -> None:
        """Learn nothing."""


class StampedAtSend:
    """Keeps an exact log, but of when calls were sent, and asks and writes in two steps."""

    def __init__(self, client: redis.Redis, limits: Limits, spans: Spans) -> None:
        self._client = client
        self._limit = limits.minute
        self._window = spans.minute

    def acquire(self, tenant_id: str, priority: Priority) -> Slot:
        """Return a slot, or raise `XeroMustWait`."""
        now, key = time.time(), f"naive:{tenant_id}"
        used = self._client.zcount(key, now - self._window, "+inf")
        if used >= self._limit:
            raise XeroMustWait(0.05, WaitReason.MINUTE)
        self._client.zadd(key, {uuid4().hex: now})
        return Slot("", tenant_id)

    def release(self, slot: Slot, *, status: int, headers: Mapping[str, str]) -> None:
        """Learn nothing."""
