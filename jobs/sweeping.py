"""A sweep: ask the database whose promise is waiting, and poke for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

from dashboard.clock import utcnow
from dashboard.database import db, reading_only
from jobs.queue import poke_all, poke_later
from jobs.timetable import CLOCK_SWEEP_SECONDS

# Twice as far as the next sweep: one that comes late lets no turn pass unseen.
AHEAD = timedelta(seconds=2 * CLOCK_SWEEP_SECONDS)

Due = Callable[[Session, datetime], Sequence[UUID] | Sequence[str]]
Turns = Callable[[Session, datetime], Mapping[UUID, datetime]]
Answer = TypeVar("Answer")


def sweep_for(kind: str, due: Due) -> None:
    """Poke with *kind* for every id that *due* names now."""
    poke_all(kind, _asked(due, utcnow()))


def sweep_ahead(kind: str, turns: Turns) -> None:
    """Poke with *kind* for every id whose turn has come, and later for each whose turn comes soon.

    So what comes by the clock to every practice keeps to the second of its turn, however seldom
    anybody sweeps; what comes too late for that, or was lost, goes at once.
    """
    now = utcnow()
    found = _asked(turns, now + AHEAD)
    poke_all(kind, [id for id, turn in found.items() if turn <= now], at_front=True)
    poke_later(kind, {id: turn for id, turn in found.items() if turn > now})


def _asked(question: Callable[[Session, datetime], Answer], moment: datetime) -> Answer:
    token = reading_only.set(True)
    try:
        answer = question(db.session(), moment)
        db.session.rollback()
    finally:
        reading_only.reset(token)
    return answer
