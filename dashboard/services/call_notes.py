"""When each organisation was called last: what the limiter asks after Redis lost its memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from dashboard.database import reading_only
from dashboard.models import XeroConnection

# Xero counts the calls of a rolling minute.
# https://developer.xero.com/documentation/guides/oauth2/limits
RECENTLY = timedelta(minutes=1)
NOTE_EVERY = timedelta(seconds=15)


class CallNotes:
    """Notes calls to Xero, a few times a minute at most, in transactions of its own.

    The caller of Xero has no transaction open, and must not be given one.
    """

    def __init__(self, *, engine: Callable[[], Engine], clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock
        self._noted: dict[str, datetime] = {}

    def called(self, tenant_id: str) -> None:
        """Note that *tenant_id* was called just now."""
        now = self._clock()
        noted = self._noted.get(tenant_id)
        if noted is not None and now - noted < NOTE_EVERY:
            return
        self._noted[tenant_id] = now
        with Session(self._engine()) as session:
            session.execute(
                update(XeroConnection)
                .where(XeroConnection.xero_tenant_id == tenant_id)
                .values(last_call_at=now, updated_at=XeroConnection.updated_at)
            )
            session.commit()

    def called_recently(self, tenant_id: str) -> bool:
        """Tell whether *tenant_id* may have been called within the last minute."""
        mark = reading_only.set(True)
        try:
            with Session(self._engine()) as session:
                last = session.scalar(
                    select(func.max(XeroConnection.last_call_at)).where(
                        XeroConnection.xero_tenant_id == tenant_id
                    )
                )
        finally:
            reading_only.reset(mark)
        # A call is noted up to NOTE_EVERY after an earlier one, so the note may be that much older.
        return last is not None and last > self._clock() - RECENTLY - NOTE_EVERY
