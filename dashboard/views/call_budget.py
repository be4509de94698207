"""A practice's calls to Xero as pages show them: what is left, what spent them, what work costs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import CallPurpose
from dashboard.queries import calls, stamps
from dashboard.queries.calls import CallsMade
from dashboard.queries.connections import ConnectionSummary
from dashboard.queries.documents import DocumentCounts
from dashboard.queries.stamps import CallsFacts, Reader
from dashboard.rules.call_budget import (
    CONTACTS_PER_CALL,
    Budget,
    HeldBy,
    Meter,
    calls_to_file,
    calls_to_read,
    cost_sentence,
    forecast,
)
from dashboard.rules.waiting_sentences import ASKED, DAY, NOT_COUNTED, wait_sentence
from dashboard.views.filters import near_time, number, place_of_request
from dashboard.xero import Priority, Reserve, XeroMustWait

NOT_KNOWN = "not_counted"
PURPOSES = {
    CallPurpose.SYNC: "Reading contacts",
    CallPurpose.PUSH: "Filing documents",
    CallPurpose.CHECK: "Checking the connection",
    CallPurpose.PERSON: "People’s clicks",
}
HELD = {
    HeldBy.MINUTE: "The calls of this minute are used up.",
    HeldBy.DAY: wait_sentence(DAY),
    HeldBy.XERO: ASKED,
}


@dataclass(frozen=True, slots=True)
class CallCard:
    """What the card about calls says; `budget` is None while nobody can count.

    `seen` is its stamp, `state` what its reader has heard.
    """

    seen: str | None
    budget: Budget | None
    made: CallsMade
    waiting_documents: int
    now: datetime

    @property
    def state(self) -> str:
        """What holds background work back, as a word of our own."""
        return str(self.budget.held_by) if self.budget else NOT_KNOWN

    @property
    def held(self) -> str:
        """Why background work waits; empty while it does not."""
        return HELD.get(self.budget.held_by, "") if self.budget else ""

    @property
    def announcement(self) -> str:
        """What a change of state says aloud."""
        if self.budget is None:
            return NOT_COUNTED
        if self.budget.resumes_at is None:
            return "Calls to Xero can be made again."
        return f"{self.held} Carries on at {_when(self.budget.resumes_at, self.now)}."

    @property
    def rows(self) -> list[tuple[str, int]]:
        """What spent the calls of the last 24 hours."""
        return [(words, self.made.by_purpose.get(each, 0)) for each, words in PURPOSES.items()]

    @property
    def waiting(self) -> str:
        """What the documents on the way will cost; empty where there are none."""
        if self.budget is None or not self.waiting_documents:
            return ""
        cost = calls_to_file(self.waiting_documents)
        return _cost("Sending them", cost, self.budget, self.now)


def card_of_calls(
    facts: CallsFacts | None, summary: ConnectionSummary, counts: DocumentCounts
) -> CallCard:
    """Return the card for a connection with so many documents; one query."""
    now = utcnow()
    budget = budget_of(summary, now)
    return CallCard(
        seen=_stamp(facts, budget, now) if facts else None,
        budget=budget,
        made=calls.last_day(db.session, summary.tenant_id, now=now),
        waiting_documents=counts.way,
        now=now,
    )


def calls_stamp(reader: Reader, user_id: UUID) -> str | None:
    """Return the stamp of the card as it would be drawn now; one query, and the limiter's word."""
    now, facts = utcnow(), stamps.of_calls(reader, user_id)
    return _stamp(facts, budget_of(facts, now), now) if facts else None


def _stamp(facts: CallsFacts, budget: Budget | None, now: datetime) -> str:
    # Of a moment only the minute is shown; what was called a day ago falls out by the hour.
    left = (budget.minute.left, budget.day.left, _minute(budget.resumes_at)) if budget else ()
    parts = (facts.pushed_at, facts.called_at, now.hour, left)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def budget_of(
    connection: ConnectionSummary | CallsFacts, now: datetime, priority: Priority = Priority.PUSH
) -> Budget | None:
    """Return what calls of *priority* may still ask the organisation, None if nobody can count."""
    world = wiring.outside()
    try:
        left = world.governor_for_pages.calls_left(connection.tenant_id)
    except XeroMustWait:
        return None
    limits, reserve = world.limits, Reserve()
    waits_until = _later(connection.waits_until, None, now)
    # Xero's word counts for more than our own counting.
    day_left = 0 if connection.waits_because == DAY and waits_until else left.day
    return Budget(
        minute=_meter(limits.minute, left.minute, reserve.minute * priority.leaves),
        day=_meter(limits.day, day_left, reserve.day * priority.leaves),
        resumes_at=_later(left.resumes_at, waits_until, now),
    )


def cost_of_filing(
    what: str, summary: ConnectionSummary | None, count: int, waiting: int = 0
) -> str:
    """Return what it costs to send *count* documents, after *waiting* others; empty for none."""
    if summary is None or not summary.is_current or not count:
        return ""
    now = utcnow()
    budget = budget_of(summary, now)
    if budget is None:
        return NOT_COUNTED
    return _cost(what, calls_to_file(count), budget, now, waiting=calls_to_file(waiting))


def cost_of_reading(summary: ConnectionSummary | None, what: str = "Reading") -> str:
    """Return what *what* costs, reading contacts now; empty where they cannot be read."""
    if summary is None or summary.status != "active":
        return ""
    count = calls_to_read(summary.last_sync_contact_count, all_of_them=summary.last_sync_at is None)
    now = utcnow()
    budget = budget_of(summary, now, Priority.SYNC)
    if budget is None:
        return NOT_COUNTED
    if count is None:
        return f"{what} takes a call to Xero for every {number(CONTACTS_PER_CALL)} contacts."
    return _cost(what, count, budget, now)


def _cost(what: str, count: int, budget: Budget, now: datetime, *, waiting: int = 0) -> str:
    cost = forecast(count, budget, now, waiting=waiting)
    return cost_sentence(what, cost, _when(cost.done_at, now), day_limit=budget.day.limit)


def _meter(limit: int, left: int, kept: float) -> Meter:
    return Meter(limit, left, int(limit * kept))


def _later(first: datetime | None, second: datetime | None, now: datetime) -> datetime | None:
    """Return the later end of two waits; None when neither is still going on."""
    return max((each for each in (first, second) if each and each > now), default=None)


def _when(moment: datetime, now: datetime) -> str:
    return near_time(moment, place_of_request(now))


def _minute(moment: datetime | None) -> str:
    return moment.isoformat(timespec="minutes") if moment else ""
