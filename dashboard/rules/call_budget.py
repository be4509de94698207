"""How many calls to Xero a piece of work costs, and when it will be done.

Background work spends what people's reserve leaves of the minute and of the day. The numbers are
those of the settings and of Xero's own headers; none is written into a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

# One to upload and one to put it on the contact; folders are looked up once for many documents.
CALLS_PER_DOCUMENT = 2
CONTACTS_PER_CALL = 1000
# A worker asks one thing after another, and Xero takes up to about a second for each.
SECONDS_PER_CALL = 1
DAY = timedelta(days=1)


class HeldBy(StrEnum):
    """What keeps background work from calling Xero now."""

    NOTHING = "nothing"
    MINUTE = "minute"
    DAY = "day"
    XERO = "xero"


@dataclass(frozen=True, slots=True)
class Meter:
    """One limit: how many calls it allows, how many are left, and how many of them are people's."""

    limit: int
    left: int
    reserve: int

    @property
    def used(self) -> int:
        """How many calls are gone, whoever made them."""
        return max(self.limit - self.left, 0)

    @property
    def for_background(self) -> int:
        """How many of the calls left background work may make."""
        return max(self.left - self.reserve, 0)

    @property
    def allowance(self) -> int:
        """How many calls background work may make in a whole period; one at least."""
        return max(self.limit - self.reserve, 1)


@dataclass(frozen=True, slots=True)
class Budget:
    """What an organisation may still be asked; `resumes_at` is set while something holds back."""

    minute: Meter
    day: Meter
    resumes_at: datetime | None = None

    @property
    def held_by(self) -> HeldBy:
        """What holds background work back."""
        if self.resumes_at is None:
            return HeldBy.NOTHING
        if not self.day.for_background:
            return HeldBy.DAY
        return HeldBy.XERO if self.minute.for_background else HeldBy.MINUTE


@dataclass(frozen=True, slots=True)
class Forecast:
    """What work costs. `days` is how many further days of Xero's it needs, 0 if today's will do."""

    calls: int
    done_at: datetime
    days: int = 0


def forecast(calls: int, budget: Budget, now: datetime, *, waiting: int = 0) -> Forecast:
    """Return when *calls* are made, after *waiting* calls that are due before them."""
    total = calls + waiting
    start = max(now, budget.resumes_at or now)
    # What waits for the end of a used-up day finds a new one.
    is_new_day = budget.held_by is HeldBy.DAY
    today = budget.day.allowance if is_new_day else budget.day.for_background
    later = max(total - today, 0)
    days = -(-later // budget.day.allowance)
    # The last day's share starts with a fresh minute, today's with what is left of this one.
    share = later - (days - 1) * budget.day.allowance if days else total
    at_once = budget.minute.for_background if not days and start == now else 0
    minutes = -(-max(share - at_once, 0) // budget.minute.allowance)
    seconds = max(minutes * 60, share * SECONDS_PER_CALL)
    return Forecast(calls, start + days * DAY + timedelta(seconds=seconds), days)


def calls_to_file(documents: int) -> int:
    """Return what it costs to file so many documents."""
    return documents * CALLS_PER_DOCUMENT


def calls_to_read(contacts: int | None, *, all_of_them: bool) -> int | None:
    """Return what it costs to read contacts; None where nobody knows how many there are.

    After a first full reading only what changed is asked for, and that is seldom a second page.
    """
    if not all_of_them:
        return 1
    return None if contacts is None else max(-(-contacts // CONTACTS_PER_CALL), 1)


def cost_sentence(what: str, cost: Forecast, at: str, *, day_limit: int) -> str:
    """Return what *what* ("Sending them") costs and when it is done: *at*, in words."""
    calls = "about 1 call" if cost.calls == 1 else f"about {cost.calls:,} calls"
    if not cost.days:
        return f"{what} takes {calls} to Xero and is done about {at}."
    return (
        f"{what} takes {calls} to Xero. That needs {cost.days + 1} days, because Xero allows"
        f" {day_limit:,} calls a day: it is done about {at}."
    )
