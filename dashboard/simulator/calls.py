"""The log of calls that reached the pretend Xero. It never holds a token or a query of a login."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Call:
    """One request and how it was answered.

    `wire` says that the connection was cut ("reset" or "half body") whatever the status.
    `token_seconds_left` is the remaining life of the access token, None when there was none.
    """

    at: datetime
    method: str
    path: str
    query: str
    status: int
    milliseconds: float
    tenant_id: str | None = None
    user_id: str | None = None
    idempotency_key: str | None = None
    token_seconds_left: float | None = None
    fault: str | None = None
    wire: str | None = None
    replayed: bool = False


class CallLog:
    """The last calls, newest last, and how many of each status there ever were."""

    def __init__(self, keep: int = 10_000) -> None:
        self._calls: deque[Call] = deque(maxlen=keep)
        self._lock = threading.Lock()
        self.statuses: Counter[int] = Counter()

    def add(self, call: Call) -> None:
        """Remember *call*."""
        with self._lock:
            self._calls.append(call)
            self.statuses[call.status] += 1

    def last(self, limit: int | None = None, *, method: str = "", path: str = "") -> list[Call]:
        """Return the last calls, oldest first, of this method and below this path."""
        with self._lock:
            wanted = [
                call
                for call in self._calls
                if call.method.startswith(method) and call.path.startswith(path)
            ]
        return wanted if limit is None else wanted[-limit:]

    def clear(self) -> None:
        """Forget every call."""
        with self._lock:
            self._calls.clear()
            self.statuses.clear()
