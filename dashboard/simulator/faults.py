"""Faults on order: "the next call to /files.xro answers 429".

A fault waits until a call fits its method and path, then is spent. What was really injected is
counted, so that a test can refuse to pass when nothing went wrong.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Kind = Literal[
    "429-minute",
    "429-day",
    "429-concurrent",
    "429-app-minute",
    "503-maintenance",
    "503-temporarily",
    "503-organisation",
    "500-html",
    "500-json",
    "store-then-500",
    "store-then-hang",
    "store-then-reset",
    "reset",
    "slow",
    "half-body",
    "413-html",
    "413-json",
    "400-array",
    "400-object",
    "200-html",
    "401-expired",
    "403-disconnected",
    "invalid_grant",
    "invalid_client",
]
KINDS: tuple[str, ...] = get_args(Kind)

TOKEN_PATH = "/connect/token"  # noqa: S105 - a path, not a password
API_PATHS = ("/api.xro/", "/files.xro/")
_TOKEN_KINDS = ("invalid_grant", "invalid_client")


@dataclass
class Fault:
    """One order: what goes wrong, for which calls, how often.

    `path` is a prefix; without one a fault meets calls to Accounting and Files (the two token
    refusals: calls for a token). `skip` lets that many fitting calls pass first. `seconds` is for
    "slow" and "store-then-hang", `retry_after` for the 429s (0 sends no Retry-After).
    """

    kind: str
    method: str = ""
    path: str = ""
    times: int = 1
    skip: int = 0
    seconds: float = 2
    retry_after: int = 7

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"There is no fault called {self.kind}.")
        if min(self.times, self.skip, self.seconds, self.retry_after) < 0:
            raise ValueError("A fault's numbers cannot be negative.")
        if self.times == 0:
            raise ValueError("A fault must happen at least once.")

    def fits(self, method: str, path: str) -> bool:
        """Whether a call is one that this fault waits for."""
        if self.method and self.method.upper() != method:
            return False
        if self.path:
            return path.startswith(self.path)
        return path.startswith((TOKEN_PATH,) if self.kind in _TOKEN_KINDS else API_PATHS)


class Faults:
    """The faults that wait, first come first served. Safe to use from many threads."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()
        self.injected: Counter[str] = Counter()

    def arm(self, kind: str, **details: Any) -> Fault:
        """Order a fault; see `Fault` for the details. ValueError when it makes no sense."""
        fault = Fault(kind, **details)
        with self._lock:
            self._waiting.append(fault)
        return fault

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault that meets this call, and count it as injected."""
        with self._lock:
            for fault in self._waiting:
                if not fault.fits(method, path):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                if not fault.times:
                    self._waiting.remove(fault)
                self.injected[fault.kind] += 1
                return fault
        return None

    def waiting(self) -> list[dict[str, Any]]:
        """Return the faults that have not met their call yet."""
        with self._lock:
            return [asdict(fault) for fault in self._waiting]

    def clear(self) -> None:
        """Forget the faults that wait; what was injected stays counted."""
        with self._lock:
            self._waiting.clear()
