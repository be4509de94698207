"""Work in a process of its own that SIGKILL meets in the middle."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable

from dashboard.database import db

FORK = multiprocessing.get_context("fork")


def killed(work: Callable[[Callable[..., None]], object]) -> None:
    """Do *work* in a child that is killed (-9) when *work* calls what it is handed."""
    db.session.remove()
    db.engine.dispose()

    def live_and_die() -> None:
        work(_die)
        # What ends before its time came was not killed: the test would show nothing.
        os._exit(0)

    process = FORK.Process(target=live_and_die)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL, "it ended before it could be killed"


def _die(*_details: object, **_more: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
