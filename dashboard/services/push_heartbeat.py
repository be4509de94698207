"""A heartbeat that renews a lease while a call is in the air.

It beats in its own thread and with its own database connection, because the worker's own session
must have no transaction open while Xero is called.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

logger = logging.getLogger(__name__)

BEAT_SECONDS = 5.0
# No call takes this long: whoever hangs must not keep a document for ever.
MOST_BEATS = 24
JOIN_SECONDS = 20.0


@contextmanager
def beating(renew: Callable[[], bool], *, every_seconds: float = BEAT_SECONDS) -> Iterator[None]:
    """Call *renew* every few seconds while the block lasts, until it answers False."""
    ended = threading.Event()
    thread = threading.Thread(
        target=_beat, args=(renew, ended, every_seconds), name="push-heartbeat", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(JOIN_SECONDS)


def _beat(renew: Callable[[], bool], ended: threading.Event, every_seconds: float) -> None:
    for _ in range(MOST_BEATS):
        if ended.wait(every_seconds):
            return
        try:
            if not renew():
                return
        except SQLAlchemyError as problem:
            # The lease may run out; then another worker goes on and our writes do nothing.
            logger.warning("a lease was not renewed: %s", type(problem).__name__)
