"""Xero's limits on calls, judged at arrival.

https://developer.xero.com/documentation/guides/oauth2/limits: per app and organisation 60 calls a
minute, 5 at once and 5,000 a day (1,000 on the Starter tier); 10,000 a minute for the app in all.
Descriptions disagree on whether the minute rolls or is fixed. Rolling is the stricter reading and
the default: a client that satisfies it satisfies the other.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

DAY_SECONDS = 24 * 60 * 60
STARTER_DAY_LIMIT = 1_000
DAY_LIMIT = 5_000

Problem = Literal["minute", "day", "concurrent", "appminute"]


@dataclass
class LimitRules:
    """The numbers in force; `day` None means what the app's tier allows."""

    minute: int = 60
    concurrent: int = 5
    day: int | None = None
    app_minute: int = 10_000
    window: Literal["rolling", "fixed"] = "rolling"
    minute_seconds: float = 60
    day_seconds: float = DAY_SECONDS


@dataclass(frozen=True, slots=True)
class TooMany:
    """A call was refused: which limit, and how long to wait (None when Xero does not say)."""

    problem: Problem
    retry_after: int | None


@dataclass
class Window:
    """The calls that count at present, under a rolling or a fixed window."""

    seconds: float
    rolling: bool
    stamps: deque[float] = field(default_factory=deque)

    def used(self, now: float) -> int:
        """Return how many calls count at *now*."""
        if self.rolling:
            while self.stamps and self.stamps[0] <= now - self.seconds:
                self.stamps.popleft()
        elif self.stamps and now >= self.stamps[0] + self.seconds:
            self.stamps.clear()
        return len(self.stamps)

    def wait(self, now: float) -> int:
        """Return the whole seconds until a call frees up; at least one."""
        oldest = self.stamps[0] if self.stamps else now
        return max(1, math.ceil(oldest + self.seconds - now))


@dataclass
class Tally:
    """What one organisation has used."""

    minute: Window
    day: Window
    in_flight: int = 0
    peak: int = 0


class Limits:
    """Counts calls and says no. Safe to use from many threads."""

    def __init__(
        self, rules: LimitRules, now: Callable[[], datetime], tier_day_limit: Callable[[], int]
    ) -> None:
        self.rules = rules
        self.refused: Counter[str] = Counter()
        self._now = now
        self._tier_day_limit = tier_day_limit
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget every call so far, for example after the rules were changed."""
        with self._lock:
            self._tallies: dict[str, Tally] = {}
            self._app = self._window(self.rules.minute_seconds)

    def arrive(self, tenant_id: str) -> TooMany | None:
        """Count one call to *tenant_id*, or say which limit it would break.

        A refused call is not counted. Each counted call must be followed by `leave`.
        """
        with self._lock:
            now = self._now().timestamp()
            tally = self._tally(tenant_id)
            refusal = self._refusal(tally, now)
            if refusal:
                self.refused[refusal.problem] += 1
                return refusal
            for window in (tally.minute, tally.day, self._app):
                window.stamps.append(now)
            tally.in_flight += 1
            tally.peak = max(tally.peak, tally.in_flight)
            return None

    def leave(self, tenant_id: str) -> None:
        """Say that a counted call was answered."""
        with self._lock:
            tally = self._tally(tenant_id)
            tally.in_flight = max(0, tally.in_flight - 1)

    def remaining(self, tenant_id: str) -> dict[str, str]:
        """Return the three headers that every authorised answer carries."""
        with self._lock:
            now = self._now().timestamp()
            tally = self._tally(tenant_id)
            return {
                "X-DayLimit-Remaining": str(max(0, self._day_limit - tally.day.used(now))),
                "X-MinLimit-Remaining": str(max(0, self.rules.minute - tally.minute.used(now))),
                **self._app_remaining(now),
            }

    def app_remaining(self) -> dict[str, str]:
        """Return the only header that a 403 for a wrong tenant carries."""
        with self._lock:
            return self._app_remaining(self._now().timestamp())

    def peaks(self) -> dict[str, int]:
        """Return the most calls that were in flight at once, by tenant id."""
        with self._lock:
            return {tenant_id: tally.peak for tenant_id, tally in self._tallies.items()}

    @property
    def _day_limit(self) -> int:
        return self._tier_day_limit() if self.rules.day is None else self.rules.day

    def _app_remaining(self, now: float) -> dict[str, str]:
        left = self.rules.app_minute - self._app.used(now)
        return {"X-AppMinLimit-Remaining": str(max(0, left))}

    def _refusal(self, tally: Tally, now: float) -> TooMany | None:
        if tally.in_flight >= self.rules.concurrent:
            return TooMany("concurrent", None)
        if tally.day.used(now) >= self._day_limit:
            return TooMany("day", tally.day.wait(now))
        if tally.minute.used(now) >= self.rules.minute:
            return TooMany("minute", tally.minute.wait(now))
        if self._app.used(now) >= self.rules.app_minute:
            return TooMany("appminute", self._app.wait(now))
        return None

    def _tally(self, tenant_id: str) -> Tally:
        if tenant_id not in self._tallies:
            self._tallies[tenant_id] = Tally(
                self._window(self.rules.minute_seconds), self._window(self.rules.day_seconds)
            )
        return self._tallies[tenant_id]

    def _window(self, seconds: float) -> Window:
        return Window(seconds, rolling=self.rules.window == "rolling")
