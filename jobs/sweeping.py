"""A sweep: ask the database whose promise is waiting, and poke for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from dashboard.clock import utcnow
from dashboard.database import db, reading_only
from jobs.queue import poke_all

Due = Callable[[Session, datetime], Sequence[UUID] | Sequence[str]]


def sweep_for(kind: str, due: Due, *, at_front: bool = False) -> int:
    """Poke with *kind* for every id that *due* names now; return how many there were."""
    token = reading_only.set(True)
    try:
        ids = due(db.session(), utcnow())
        db.session.rollback()
    finally:
        reading_only.reset(token)
    return poke_all(kind, ids, at_front=at_front)
