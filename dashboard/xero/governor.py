"""Whether a call to Xero may leave now, decided in one place for all processes.

The limits are those of https://developer.xero.com/documentation/guides/oauth2/limits: for each
organisation 5 calls at once, 60 a minute and 5,000 a day (1,000 on the Starter tier), for the whole
app 10,000 a minute. The decision is one Lua script in Redis, so that it holds for any number of
workers, with Redis's clock, so that theirs do not matter.
"""

from __future__ import annotations

import logging
import random
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from http import HTTPStatus
from pathlib import Path
from typing import Any

import redis
from requests.structures import CaseInsensitiveDict

from dashboard.xero.answers import rate_problem, retry_after
from dashboard.xero.errors import WaitReason, XeroMustWait

logger = logging.getLogger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS = 1_000_000
_GRANTED, _ASK = 1, 2
_REASONS = (
    None,
    WaitReason.MINUTE,
    WaitReason.CONCURRENT,
    WaitReason.DAY,
    WaitReason.APP_MINUTE,
    WaitReason.BLOCKED,
    WaitReason.SAFE_START,
)

# Xero may round its Retry-After down; half a second keeps us from knocking just too early.
ROUNDING = 0.5
# A day limit without a named end: look again in an hour.
_UNNAMED_DAY_WAIT = 3600.0
# How soon to ask again while all five connections are in use.
_BUSY_WAIT = 0.5
# How soon to ask again while Redis does not answer.
_UNAVAILABLE_WAIT = 5.0


class Priority(Enum):
    """What a call is for, the most urgent first."""

    TOKEN = "token"  # noqa: S105 - a purpose, not a password
    DISCONNECT = "disconnect"
    PERSON = "person"
    PUSH = "push"
    SYNC = "sync"

    @property
    def leaves(self) -> int:
        """How many times the reserve it leaves to what is more urgent.

        Background work leaves the reserve to people, and contacts leave as much again to documents.
        """
        return {Priority.PUSH: 1, Priority.SYNC: 2}.get(self, 0)

    @property
    def leaves_of_app_minute(self) -> float:
        """The same of the app's minute, which all practices share.

        Here documents leave more than contacts: some practices' backlog must not stop the checks of
        all others, which are few and come by the clock.
        """
        return _LEFT_OF_APP_MINUTE[self]


_LEFT_OF_APP_MINUTE = {
    Priority.TOKEN: 0.0,
    Priority.DISCONNECT: 0.1,
    Priority.PERSON: 0.2,
    Priority.SYNC: 1.0,
    Priority.PUSH: 2.0,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """How many calls Xero allows."""

    minute: int = 60
    concurrent: int = 5
    day: int = 5000
    app_minute: int = 10_000


@dataclass(frozen=True, slots=True)
class Reserve:
    """The shares that documents leave to people: 5 of 60, 1 of 5 at once, a tenth of the day."""

    minute: float = 1 / 12
    concurrent: float = 1 / 5
    day: float = 1 / 10
    app_minute: float = 1 / 12

    @classmethod
    def nothing(cls) -> Reserve:
        """Return a reserve that keeps nothing back."""
        return cls(minute=0, concurrent=0, day=0, app_minute=0)


@dataclass(frozen=True, slots=True)
class Spans:
    """The lengths of Xero's windows, in seconds; tests and benches shorten them.

    `lease` is how long a caller may be silent before it counts as crashed: longer than the
    transport's total deadline of 20 s.
    """

    minute: float = 60.0
    day: float = 86_400.0
    lease: float = 30.0

    @property
    def margin(self) -> float:
        """How much longer a call counts here: two machines' clocks drift a little in a minute."""
        return self.minute / 1000


@dataclass(frozen=True, slots=True)
class Slot:
    """The permission for one call; give it back with `release`."""

    id: str
    tenant_id: str | None


@dataclass(frozen=True, slots=True)
class CallsLeft:
    """What an organisation may still be asked.

    `resumes_at` is when documents carry on, None while nothing holds them back.
    """

    minute: int
    day: int
    resumes_at: datetime | None


@dataclass(frozen=True, slots=True)
class StandingWait:
    """For how long Xero still wants an organisation left alone, as the database remembers it."""

    seconds: float
    reason: WaitReason


class CallMemory:
    """What is remembered of calls outside Redis: here nothing; the product asks its database.

    Asked only about organisations that Redis knows nothing of since it lost its data.
    """

    def called_recently(self, tenant_id: str) -> bool:
        """Tell whether the organisation may have been called within the last minute."""
        return False

    def calls_in_last_day(self, tenant_id: str) -> int:
        """Return how many calls it had in Xero's rolling day, rather too many than too few."""
        return 0

    def standing_wait(self, tenant_id: str) -> StandingWait | None:
        """Return the wait that Xero asked for and that is not over."""
        return None

    def about_to_call(self, tenant_id: str, priority: Priority) -> None:
        """Hear of a call before it leaves, so that those under way are remembered too."""


@dataclass(frozen=True, slots=True)
class _Remembered:
    """What the memory said of an organisation that may be called."""

    calls_in_last_day: int
    wait: StandingWait | None


@dataclass(frozen=True, slots=True)
class _Verdict:
    code: int
    wait: float
    reason: WaitReason | None
    minute_left: int
    day_left: int
    now: datetime


@dataclass(frozen=True, slots=True)
class _Block:
    """The wait that a 429 asks for."""

    seconds: float = 0.0
    reason: WaitReason | None = None
    scope: str = ""
    named: str = ""


class Governor:
    """Says for each call to Xero whether it may leave now, and what is left.

    *memory* helps out where Redis has lost what was counted. *jitter* (0 to 1) and *new_slot_id*
    are the chance in it.
    """

    def __init__(
        self,
        redis_client: redis.Redis,
        limits: Limits,
        *,
        memory: CallMemory | None = None,
        reserve: Reserve | None = None,
        spans: Spans | None = None,
        prefix: str = "xero",
        jitter: Callable[[], float] = random.random,
        new_slot_id: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._limits = limits
        self._memory = memory or CallMemory()
        self._reserve = reserve or Reserve()
        self._spans = spans or Spans()
        self._prefix = prefix
        self._jitter = jitter
        self._new_slot_id = new_slot_id
        self._acquire = redis_client.register_script(_script("governor_acquire.lua"))
        self._release = redis_client.register_script(_script("governor_release.lua"))

    def acquire(self, tenant_id: str | None, priority: Priority) -> Slot:
        """Return a slot for one call, or raise `XeroMustWait`; nothing is taken then.

        *tenant_id* is None for `/connections`, which only the app's minute limits.
        """
        slot = Slot(self._new_slot_id(), tenant_id)
        verdict = self._ask(slot, priority)
        if verdict.code == _ASK and tenant_id is not None:
            verdict = self._ask(slot, priority, remembered=self._remembered(tenant_id, verdict))
        if verdict.code != _GRANTED:
            raise XeroMustWait(verdict.wait, verdict.reason or WaitReason.BLOCKED)
        if tenant_id is not None:
            self._note(slot, tenant_id, priority)
        return slot

    def release(
        self,
        slot: Slot,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        sent: bool = True,
    ) -> None:
        """Give *slot* back and learn from the answer; never raises.

        *sent* is False when no byte of the request left: it then counts for nothing. A slot that
        cannot be given back (Redis is down) frees itself when its lease ends.
        """
        answered = CaseInsensitiveDict(headers or {})
        block = self._block_for(answered) if status == HTTPStatus.TOO_MANY_REQUESTS else _Block()
        arguments = (
            *self._common_arguments(slot),
            int(sent),
            _count(answered.get("X-MinLimit-Remaining")),
            _count(answered.get("X-DayLimit-Remaining")),
            _count(answered.get("X-AppMinLimit-Remaining")),
            _microseconds(block.seconds),
            _REASONS.index(block.reason),
            block.scope,
            block.named,
        )
        try:
            self._release(keys=self._keys(slot.tenant_id), args=arguments)
        except redis.RedisError as error:
            logger.warning("slot %s was not given back: %s", slot.id, type(error).__name__)
        if block.scope:
            logger.info(
                "xero asked to wait %.1f s (%s), tenant %s",
                block.seconds,
                block.reason,
                slot.tenant_id,
            )

    def calls_left(self, tenant_id: str) -> CallsLeft:
        """Return what *tenant_id* may still be asked; raises `XeroMustWait` when Redis is down."""
        verdict = self._ask(Slot("", tenant_id), Priority.PUSH, look=True)
        waiting = verdict.code != _GRANTED
        return CallsLeft(
            minute=verdict.minute_left,
            day=verdict.day_left,
            resumes_at=verdict.now + timedelta(seconds=verdict.wait) if waiting else None,
        )

    def _note(self, slot: Slot, tenant_id: str, priority: Priority) -> None:
        try:
            self._memory.about_to_call(tenant_id, priority)
        except BaseException:
            self.release(slot, sent=False)
            raise

    def _remembered(self, tenant_id: str, verdict: _Verdict) -> _Remembered:
        wait = self._memory.standing_wait(tenant_id)
        # What Xero asked for outlasts the minute that is waited for to be safe.
        if wait is None and verdict.wait > 0 and self._memory.called_recently(tenant_id):
            raise XeroMustWait(verdict.wait, WaitReason.SAFE_START)
        calls = self._memory.calls_in_last_day(tenant_id)
        if wait is not None and wait.reason is WaitReason.DAY and calls >= self._background_day:
            # Our own count explains it, and leaves people what is theirs.
            wait = None
        return _Remembered(calls, wait)

    @property
    def _background_day(self) -> int:
        leaves = self._reserve.day * Priority.SYNC.leaves
        return self._limits.day - int(self._limits.day * leaves)

    def _ask(
        self,
        slot: Slot,
        priority: Priority,
        *,
        look: bool = False,
        remembered: _Remembered | None = None,
    ) -> _Verdict:
        limits, reserve, leaves = self._limits, self._reserve, priority.leaves
        standing = remembered.wait if remembered else None
        arguments = (
            *self._common_arguments(slot),
            int(limits.minute * reserve.minute * leaves),
            int(limits.concurrent * reserve.concurrent * leaves),
            int(limits.day * reserve.day * leaves),
            int(limits.app_minute * reserve.app_minute * priority.leaves_of_app_minute),
            _microseconds(_BUSY_WAIT),
            int(look),
            int(remembered is not None),
            remembered.calls_in_last_day if remembered else 0,
            _microseconds(standing.seconds) if standing else 0,
            _REASONS.index(standing.reason) if standing else 0,
        )
        try:
            numbers = self._acquire(keys=self._keys(slot.tenant_id), args=arguments)
        except redis.RedisError as error:
            # Without the limiter nobody knows what the others do, so no call leaves.
            logger.warning("the limiter does not answer: %s", type(error).__name__)
            numbers = None
        if numbers is None:
            raise XeroMustWait(_UNAVAILABLE_WAIT, WaitReason.LIMITER_UNAVAILABLE)
        code, wait, reason, minute_left, day_left, now = (int(number) for number in numbers)
        return _Verdict(
            code=code,
            wait=wait / _MICROSECONDS,
            reason=_REASONS[reason],
            minute_left=minute_left,
            day_left=day_left,
            now=_EPOCH + timedelta(microseconds=now),
        )

    def _keys(self, tenant_id: str | None) -> list[str]:
        app = [f"{self._prefix}:{name}" for name in ("epoch", "block", "minute")]
        if tenant_id is None:
            return app
        names = ("block", "leases", "minute", "day")
        return app + [f"{self._prefix}:{tenant_id}:{name}" for name in names]

    def _common_arguments(self, slot: Slot) -> tuple[Any, ...]:
        return (
            slot.id,
            _microseconds(self._spans.minute),
            _microseconds(self._spans.lease),
            _microseconds(self._spans.day),
            _microseconds(self._spans.margin),
            self._limits.minute,
            self._limits.concurrent,
            self._limits.day,
            self._limits.app_minute,
        )

    def _block_for(self, headers: Mapping[str, str]) -> _Block:
        """Return the wait that a 429 asks for.

        Xero sends `Retry-After` for the minute and the day, not for concurrency; a problem that it
        does not name is treated like the minute.
        """
        named = retry_after(headers)
        # No honest Retry-After is longer than a day; a nonsensical one must not park anybody for
        # ever.
        asked = None if named is None else min(named, self._spans.day) + ROUNDING
        match rate_problem(headers):
            case "day":
                wait = _UNNAMED_DAY_WAIT if asked is None else asked
                return _Block(wait, WaitReason.DAY, "tenant", "" if asked is None else "day")
            case "concurrent":
                wait = 1.0 + self._jitter() if asked is None else asked
                return _Block(wait, WaitReason.BLOCKED, "tenant")
            case "app-minute":
                wait = self._spans.minute if asked is None else asked
                return _Block(wait, WaitReason.APP_MINUTE, "app")
        wait = self._spans.minute if asked is None else asked
        return _Block(wait, WaitReason.BLOCKED, "tenant", "" if asked is None else "minute")


def _script(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _microseconds(seconds: float) -> int:
    return round(seconds * _MICROSECONDS)


def _count(value: str | None) -> str:
    """Return a header's number for the script, empty when there is none to believe."""
    text = (value or "").strip()
    return text if text.isdecimal() else ""
