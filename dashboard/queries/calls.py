"""What an organisation was called for, as its call budget shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select

from dashboard.database import AnySession
from dashboard.models import CallPurpose, XeroCalls


@dataclass(frozen=True, slots=True)
class CallsMade:
    """Calls by purpose (only those there were), their bytes on the wire, the last one's end."""

    by_purpose: Mapping[CallPurpose, int] = field(default_factory=dict)
    bytes_sent: int = 0
    bytes_received: int = 0
    last_at: datetime | None = None

    @property
    def calls(self) -> int:
        """All of them."""
        return sum(self.by_purpose.values())


def last_day(session: AnySession, tenant_id: str, *, now: datetime) -> CallsMade:
    """Return the calls of the last 24 hours, with the whole hour in which they began; one query."""
    rows = session.execute(
        select(
            XeroCalls.purpose,
            func.sum(XeroCalls.calls),
            func.sum(XeroCalls.bytes_sent),
            func.sum(XeroCalls.bytes_received),
            func.max(XeroCalls.last_at),
        )
        .where(XeroCalls.in_last_day(tenant_id, now))
        .group_by(XeroCalls.purpose)
    ).all()
    return CallsMade(
        # PostgreSQL sums whole numbers to decimals.
        by_purpose={row[0]: int(row[1]) for row in rows},
        bytes_sent=sum(int(row[2]) for row in rows),
        bytes_received=sum(int(row[3]) for row in rows),
        last_at=max((row[4] for row in rows), default=None),
    )
