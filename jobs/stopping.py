"""Stopping: how a worker that was asked to end tells the job it is running."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

GRACE_SECONDS = 8.0


class StopNow(BaseException):
    """Leave at once, nothing is under way. No `Exception`, so that nobody on the way eats it."""


class Stopping:
    """False until the process was asked to end, true from then on.

    Services get it as `should_stop` and ask it between two steps: a true answer means that they
    give their lease back and return. Whoever does not come to a step in time is cut off: the lease
    runs out, and another worker goes on.
    """

    def __init__(
        self, *, grace_seconds: float = GRACE_SECONDS, leave: Callable[[int], None] = os._exit
    ) -> None:
        self._asked = False
        self._at_work = False
        self._grace_seconds = grace_seconds
        self._leave = leave

    def __call__(self) -> bool:
        return self._asked

    def listen(self) -> None:
        """Hear SIGTERM and Ctrl-C from now on."""
        signal.signal(signal.SIGTERM, self.on_signal)
        signal.signal(signal.SIGINT, self.on_signal)

    @contextmanager
    def work(self) -> Iterator[None]:
        """While this lasts a signal interrupts nothing: the work asks by itself."""
        self._at_work = True
        try:
            yield
        finally:
            self._at_work = False

    def on_signal(self, _signum: int, _frame: FrameType | None) -> None:
        """Ask for the end; raise `StopNow` when nothing is under way."""
        self.ask()
        if not self._at_work:
            raise StopNow

    def ask(self) -> None:
        """Ask for the end; the process leaves by itself when the grace time is over."""
        if self._asked:
            return
        self._asked = True
        watchdog = threading.Timer(self._grace_seconds, self._leave, args=(0,))
        watchdog.daemon = True
        watchdog.start()
