"""What happened day by day: documents filed in Xero, and calls that it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, func, literal, select, union_all
from sqlalchemy.orm import InstrumentedAttribute

from dashboard.database import AnySession
from dashboard.models import PushStatus, XeroCalls, XeroFilePush
from dashboard.models.xero_calls import full_hour

Moment: TypeAlias = InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None]


@dataclass(frozen=True, slots=True)
class DayRow:
    """How many documents were filed on one day, and how many calls were made."""

    filed: int
    calls: int


def by_day(
    session: AnySession, practice_id: UUID, tenant_id: str | None, midnights: Sequence[datetime]
) -> list[DayRow]:
    """Return a row for each day between two of *midnights*, in their order; one query.

    The midnights are the practice's own, so that a day is what its people call one. Calls are
    counted by full hours of UTC: where midnight is none, up to an hour belongs to the day after.
    """
    days = list(pairwise(midnights))
    filed = select(
        *(_sum_between(XeroFilePush.pushed_at, literal(1), *day) for day in days), literal(1)
    ).where(
        XeroFilePush.practice_id == practice_id,
        XeroFilePush.status == PushStatus.ASSOCIATED,
        XeroFilePush.pushed_at >= midnights[0],
    )
    hours = [full_hour(midnight) for midnight in midnights]
    called = select(
        *(_sum_between(XeroCalls.hour, XeroCalls.calls, *day) for day in pairwise(hours)),
        literal(2),
    ).where(XeroCalls.xero_tenant_id == (tenant_id or ""), XeroCalls.hour >= hours[0])
    found = {row[-1]: row for row in session.execute(union_all(filed, called)).all()}
    return [
        # PostgreSQL sums whole numbers to decimals.
        DayRow(filed=int(found[1][place]), calls=int(found[2][place]))
        for place in range(len(days))
    ]


def _sum_between(
    moment: Moment,
    amount: ColumnElement[int] | InstrumentedAttribute[int],
    first: datetime,
    after: datetime,
) -> ColumnElement[int]:
    inside = and_(moment >= first, moment < after)
    return func.coalesce(func.sum(case((inside, amount), else_=0)), 0)
