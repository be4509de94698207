"""A child process that does one thing and is killed at a chosen point of it.

Either strace kills it just before its N-th write, or it kills itself at its N-th step: each
statement, commit and exchange with Xero, before and after it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from sqlalchemy import event

from dashboard import wiring
from dashboard.database import db
from tests.storm import strace
from tests.storm.installation import Installation, forked

KILLED = -signal.SIGKILL
PR_SET_PTRACER = 0x59616D61
PR_SET_PTRACER_ANY = ctypes.c_ulong(-1)
READY = b"."


def child_killed_at(
    made: Installation, work: Callable[[], object], point: int, *, named: bool
) -> int:
    """Do *work* in a child and return how it ended: 0, or minus the signal that killed it."""
    ours, the_childs = socket.socketpair()

    def live() -> None:
        _let_others_trace_us()
        the_childs.send(READY)
        the_childs.recv(1)
        with made.as_child(), _dying_at_step_or_call(point) if named else nullcontext():
            work()
            # Leaving is no part of the work: not even the session is closed.
            os._exit(0)

    pid = forked(live)
    ours.recv(1)
    tracing: AbstractContextManager[None] = nullcontext()
    if not named:
        tracing = strace.killing_at(pid, point)
    with tracing:
        ours.send(READY)
        _, status = os.waitpid(pid, 0)
    ours.close()
    the_childs.close()
    return os.waitstatus_to_exitcode(status)


def _let_others_trace_us() -> None:
    """Allow a tracer that is not our parent (Yama's rule, https://docs.kernel.org)."""
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0)


@contextmanager
def dying_at_step(point: int) -> Iterator[Callable[..., None]]:
    """Die at the *point*-th step: before and after each statement, and around each commit.

    Yields what counts one step more, for whoever knows of others.
    """
    steps = Counter[str]()

    def step(*_details: object, **_more: object) -> None:
        steps["all"] += 1
        if steps["all"] == point:
            os.kill(os.getpid(), signal.SIGKILL)

    for moment in ("before_cursor_execute", "after_cursor_execute", "commit"):
        event.listen(db.engine, moment, step)
    event.listen(db.session, "after_commit", step)
    yield step


@contextmanager
def _dying_at_step_or_call(point: int) -> Iterator[None]:
    with dying_at_step(point) as step:
        adapter = wiring.outside().transport.adapter
        send = adapter.send

        def watched_send(*details: Any, **more: Any) -> Any:
            step()
            response = send(*details, **more)
            step()
            return response

        adapter.send = watched_send  # type: ignore[method-assign]
        yield
