"""Every call to Xero, counted in the database: for pages, and for when Redis lost its memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from dashboard.database import insert_for, reading_only
from dashboard.models import CallPurpose, XeroCalls
from dashboard.models.xero_calls import full_hour
from dashboard.xero import Exchange, Priority

logger = logging.getLogger(__name__)

# Xero counts the calls of a rolling minute.
# https://developer.xero.com/documentation/guides/oauth2/limits
RECENTLY = timedelta(minutes=1)
# A month and a little, because Xero's plans count bytes by the month.
KEPT_FOR = timedelta(days=35)

READING_CONTACTS = "/api.xro/2.0/Contact"
_PURPOSES = {
    Priority.PERSON: CallPurpose.PERSON,
    Priority.PUSH: CallPurpose.PUSH,
    Priority.SYNC: CallPurpose.SYNC,
}

_Key = tuple[str, datetime, CallPurpose]


@dataclass(slots=True)
class _Count:
    """What is still to be added to one row."""

    calls: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    last_at: datetime | None = None


class CallNotes:
    """Counts calls to Xero in transactions of its own, and says what was counted.

    The caller of Xero has no transaction open, and must not be given one.
    """

    def __init__(self, *, engine: Callable[[], Engine], clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = Lock()
        self._unwritten: dict[_Key, _Count] = {}
        self._swept: dict[str, datetime] = {}

    def note(self, exchange: Exchange) -> None:
        """Count one call to an organisation; what never left, or named none, is no call.

        Never raises for a database that does not answer: the call itself was made, and its count
        is written with the next one.
        """
        tenant_id = exchange.tenant_id
        if tenant_id is None or not exchange.sent:
            return
        now = self._clock()
        key = (tenant_id, full_hour(now), _purpose(exchange))
        with self._lock:
            count = self._unwritten.setdefault(key, _Count())
            count.calls += 1
            count.bytes_sent += exchange.bytes_sent
            count.bytes_received += exchange.bytes_received
            count.last_at = now
            self._write(now)

    def called_recently(self, tenant_id: str) -> bool:
        """Tell whether *tenant_id* was called within the last minute."""
        with self._reading() as session:
            last = session.scalar(
                select(func.max(XeroCalls.last_at)).where(
                    XeroCalls.xero_tenant_id == tenant_id,
                    XeroCalls.hour >= full_hour(self._clock() - RECENTLY),
                )
            )
        return last is not None and last > self._clock() - RECENTLY

    def calls_in_last_day(self, tenant_id: str) -> int:
        """Return how many calls *tenant_id* had in Xero's rolling day, up to an hour too much."""
        with self._reading() as session:
            counted = session.scalar(
                select(func.sum(XeroCalls.calls)).where(
                    XeroCalls.in_last_day(tenant_id, self._clock())
                )
            )
        return int(counted or 0)

    def _write(self, now: datetime) -> None:
        mark = reading_only.set(False)
        try:
            with Session(self._engine()) as session:
                # In one order for all processes, or two of them could wait for each other.
                for key in sorted(self._unwritten):
                    _add(session, key, self._unwritten[key])
                self._forget_old(session, now)
                session.commit()
        except SQLAlchemyError as problem:
            logger.warning("calls to Xero are counted later: %s", type(problem).__name__)
        else:
            self._unwritten.clear()
        finally:
            reading_only.reset(mark)

    def _forget_old(self, session: Session, now: datetime) -> None:
        """Delete the old rows of organisations that are in a new hour."""
        hour = full_hour(now)
        for tenant_id in sorted({key[0] for key in self._unwritten}):
            if self._swept.get(tenant_id) == hour:
                continue
            self._swept[tenant_id] = hour
            session.execute(
                delete(XeroCalls).where(
                    XeroCalls.xero_tenant_id == tenant_id, XeroCalls.hour < hour - KEPT_FOR
                )
            )

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        mark = reading_only.set(True)
        try:
            with Session(self._engine()) as session:
                yield session
        finally:
            reading_only.reset(mark)


def _purpose(exchange: Exchange) -> CallPurpose:
    reads_contacts = exchange.path.startswith(READING_CONTACTS)
    if exchange.priority is Priority.SYNC and not reads_contacts:
        return CallPurpose.CHECK
    return _PURPOSES.get(exchange.priority, CallPurpose.CHECK)


def _add(session: Session, key: _Key, count: _Count) -> None:
    tenant_id, hour, purpose = key
    statement = insert_for(session)(XeroCalls).values(
        xero_tenant_id=tenant_id,
        hour=hour,
        purpose=purpose,
        calls=count.calls,
        bytes_sent=count.bytes_sent,
        bytes_received=count.bytes_received,
        last_at=count.last_at,
    )
    new = statement.excluded
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["xero_tenant_id", "hour", "purpose"],
            set_={
                "calls": XeroCalls.calls + new.calls,
                "bytes_sent": XeroCalls.bytes_sent + new.bytes_sent,
                "bytes_received": XeroCalls.bytes_received + new.bytes_received,
                "last_at": new.last_at,
            },
        )
    )
