"""Any order of events against a model that is a plain list of calls, with time moved by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import redis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dashboard.xero.errors import WaitReason, XeroMustWait
from dashboard.xero.governor import CallMemory, Governor, Limits, Priority, Reserve, Slot
from tests.support.virtual_redis import VirtualRedis

LIMITS = Limits(minute=2, concurrent=2, day=7, app_minute=3)
TENANTS = ("tenant-a", "tenant-b")
MINUTE, DAY, LEASE = 60.0, 86_400.0, 30.0
LONGEST_CALL = 20.0
RECENTLY = 75.0


@dataclass(eq=False)
class Call:
    """Xero saw it at some moment from `sent` to `ended`; until `free` it may be under way."""

    tenant: str
    sent: float
    ended: float
    free: float


@dataclass(eq=False)
class Open:
    """A call under way."""

    call: Call
    slot: Slot


class Machine(RuleBasedStateMachine, CallMemory):
    """Callers of two organisations, and at the same time the database that remembers them."""

    server: redis.Redis

    def __init__(self) -> None:
        super().__init__()
        self.server.flushdb()
        self.redis = VirtualRedis(self.server)
        self.governor = Governor(
            self.redis,  # type: ignore[arg-type]
            LIMITS,
            memory=self,
            reserve=Reserve.nothing(),
            jitter=lambda: 0.0,
        )
        self.calls: list[Call] = []
        self.open: list[Open] = []
        self.flushed_at = -1.0

    def teardown(self) -> None:
        self.redis.close()

    # -- the database ---------------------------------------------------------------------------

    def called_recently(self, tenant_id: str) -> bool:
        return any(
            call.tenant == tenant_id and call.ended > self.now - RECENTLY for call in self.calls
        )

    def calls_in_last_day(self, tenant_id: str) -> int:
        return self.used(tenant_id, DAY)

    # -- what happens ---------------------------------------------------------------------------

    @rule(tenants=st.lists(st.sampled_from(TENANTS), min_size=1, max_size=4))
    def begin(self, tenants: list[str]) -> None:
        for tenant in tenants:
            self.granted(tenant)

    @rule(tenant=st.sampled_from(TENANTS), seconds=st.floats(0.1, 19), crashes=st.booleans())
    def call_slowly(self, tenant: str, seconds: float, crashes: bool) -> None:
        if self.granted(tenant) is None:
            one = self.open[-1]
            self.pass_time(seconds)
            if crashes:
                self.die(one)
            else:
                self.end(one, tells=False, foreign=0)

    @precondition(lambda self: self.open)
    @rule(number=st.integers(0, 9), tells=st.booleans(), foreign=st.integers(0, 2))
    def answer(self, number: int, tells: bool, foreign: int) -> None:
        self.end(self.open[number % len(self.open)], tells=tells, foreign=foreign)

    @precondition(lambda self: any(one.call.sent > self.flushed_at for one in self.open))
    @rule(number=st.integers(0, 9))
    def crash(self, number: int) -> None:
        mortal = [one for one in self.open if one.call.sent > self.flushed_at]
        self.die(mortal[number % len(mortal)])

    @precondition(lambda self: self.open)
    @rule(number=st.integers(0, 9))
    def fail_before_a_byte_left(self, number: int) -> None:
        one = self.open[number % len(self.open)]
        self.governor.release(one.slot, sent=False)
        self.open.remove(one)
        self.calls.remove(one.call)

    @rule(seconds=st.one_of(st.floats(0.001, 19), st.floats(40, 80), st.floats(3_000, 40_000)))
    def pass_time(self, seconds: float) -> None:
        ends_at = self.now + seconds
        for one in sorted(self.open, key=lambda one: one.call.sent):
            if one.call.sent + LONGEST_CALL < ends_at:
                self.redis.advance(max(one.call.sent + LONGEST_CALL - self.now, 0.0))
                self.end(one, tells=False, foreign=0)
        self.redis.advance(ends_at - self.now)

    @rule()
    def lose_redis(self) -> None:
        self.server.flushdb()
        self.flushed_at = self.now

    @precondition(lambda self: not self.open)
    @rule(tenant=st.sampled_from(TENANTS))
    def wait_as_long_as_told(self, tenant: str) -> None:
        # A further wait is due where the one before hoped that no caller had crashed.
        for _ in range(3):
            must_wait = self.granted(tenant)
            if must_wait is None:
                return
            assert 0 < must_wait.seconds <= DAY + DAY / 24 + LEASE
            is_busy = must_wait.reason is WaitReason.CONCURRENT
            self.redis.advance(LEASE if is_busy else must_wait.seconds)
        raise AssertionError("it was told to wait and to wait again")

    # -- what must hold -------------------------------------------------------------------------

    @invariant()
    def no_limit_is_broken(self) -> None:
        newest = self.calls[-1] if self.calls else None
        if newest is None or newest.sent != self.now:
            return
        assert self.used(newest.tenant, MINUTE) <= LIMITS.minute
        assert self.used(newest.tenant, DAY) <= LIMITS.day
        # Of the app as a whole no database remembers the minute; the next answers tell.
        if not 0 <= self.flushed_at <= self.now <= self.flushed_at + MINUTE:
            assert self.used(None, MINUTE) <= LIMITS.app_minute
        since = [call for call in self.calls if call.sent > self.flushed_at]
        under_way = [c for c in since if c.tenant == newest.tenant and c.free > self.now]
        assert len(under_way) <= LIMITS.concurrent

    # -- inside ---------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        return self.redis.seconds

    def used(self, tenant: str | None, window: float) -> int:
        """Return how many calls Xero may count now, in a window that rolls."""
        return sum(
            1
            for call in self.calls
            if (tenant is None or call.tenant == tenant) and call.ended > self.now - window
        )

    def granted(self, tenant: str) -> XeroMustWait | None:
        try:
            slot = self.governor.acquire(tenant, Priority.PERSON)
        except XeroMustWait as must_wait:
            return must_wait
        far = float("inf")
        call = Call(tenant, self.now, far, far)
        self.calls.append(call)
        self.open.append(Open(call, slot))
        return None

    def die(self, one: Open) -> None:
        one.call.ended, one.call.free = self.now, one.call.sent + LEASE
        self.open.remove(one)

    def end(self, one: Open, *, tells: bool, foreign: int) -> None:
        one.call.ended = one.call.free = self.now
        self.open.remove(one)
        tenant = one.call.tenant
        left = {
            "X-MinLimit-Remaining": LIMITS.minute - self.used(tenant, MINUTE) - foreign,
            "X-DayLimit-Remaining": LIMITS.day - self.used(tenant, DAY),
        }
        headers = {name: str(max(value, 0)) for name, value in left.items()} if tells else {}
        self.governor.release(one.slot, status=200, headers=headers)


@pytest.fixture
def machine(store: redis.Redis) -> Iterator[type[Machine]]:
    Machine.server = store
    yield Machine
    del Machine.server


def test_no_order_of_events_breaks_a_limit(machine: type[Machine]) -> None:
    run_state_machine_as_test(
        machine, settings=settings(max_examples=80, stateful_step_count=30, deadline=None)
    )
