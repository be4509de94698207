"""A judge for virtual time: told of arrivals in their order, it knows what each limit holds."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from dashboard.xero.governor import Limits

MINUTE, DAY = 60.0, 86_400.0


@dataclass(slots=True)
class Organisation:
    """The calls that count, by their arrival."""

    minute: deque[float] = field(default_factory=deque)
    day: deque[float] = field(default_factory=deque)
    under_way: int = 0


class ExactJudge:
    """Counts in windows that roll, to the microsecond."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._organisations: dict[str, Organisation] = {}
        self._app: deque[float] = deque()
        self.calls = 0
        self.over: Counter[str] = Counter()
        self.fullest: Counter[str] = Counter()

    def arrive(self, tenant_id: str | None, now: float) -> dict[str, str]:
        """Judge one call; return the headers of its answer."""
        self.calls += 1
        headers = {"X-AppMinLimit-Remaining": self._counted("app minute", self._app, now, MINUTE)}
        if tenant_id is None:
            return headers
        one = self._organisations.setdefault(tenant_id, Organisation())
        headers["X-MinLimit-Remaining"] = self._counted("minute", one.minute, now, MINUTE)
        headers["X-DayLimit-Remaining"] = self._counted("day", one.day, now, DAY)
        one.under_way += 1
        self._note("at once", one.under_way, self._limits.concurrent)
        return headers

    def leave(self, tenant_id: str | None) -> None:
        """Hear that a call's work is done."""
        if tenant_id is not None:
            self._organisations[tenant_id].under_way -= 1

    def _counted(self, name: str, seen: deque[float], now: float, window: float) -> str:
        limits = {
            "minute": self._limits.minute,
            "day": self._limits.day,
            "app minute": self._limits.app_minute,
        }
        while seen and seen[0] <= now - window:
            seen.popleft()
        seen.append(now)
        self._note(name, len(seen), limits[name])
        return str(max(limits[name] - len(seen), 0))

    def _note(self, name: str, count: int, limit: int) -> None:
        self.fullest[name] = max(self.fullest[name], count)
        if count > limit:
            self.over[name] += 1
