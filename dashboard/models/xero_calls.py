"""XeroCalls: how often an organisation was called, and how many bytes went over the wire."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import BigInteger, ColumnElement, and_
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base, Short, words

DAY = timedelta(days=1)


class CallPurpose(StrEnum):
    """What calls were made for."""

    SYNC = "sync"
    """Reading contacts and their groups."""
    PUSH = "push"
    """Filing documents."""
    CHECK = "check"
    """Finding out whether the connection works."""
    PERSON = "person"
    """Somebody pressed a button and waited for the answer."""


class XeroCalls(Base):
    """The calls of one hour (from its full hour in UTC) for one purpose.

    Xero's day is a rolling one, so days are sums of hours. Bytes are those on the wire, compressed
    and without heads; `last_at` is when the last of the calls ended.
    """

    __tablename__ = "xero_calls"

    xero_tenant_id: Mapped[str] = mapped_column(Short, primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    purpose: Mapped[CallPurpose] = mapped_column(words(CallPurpose), primary_key=True)
    calls: Mapped[int]
    bytes_sent: Mapped[int] = mapped_column(BigInteger)
    bytes_received: Mapped[int] = mapped_column(BigInteger)
    last_at: Mapped[datetime]

    @classmethod
    def in_last_day(cls, tenant_id: str, now: datetime) -> ColumnElement[bool]:
        """Return the condition for the last 24 hours, the hour in which they began included.

        Rather one call too many than one too few.
        """
        return and_(cls.xero_tenant_id == tenant_id, cls.hour >= full_hour(now - DAY))


def full_hour(moment: datetime) -> datetime:
    """Return the beginning of the hour that *moment* lies in."""
    return moment.replace(minute=0, second=0, microsecond=0)
