"""When an email about alerts is due, and when it is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DIGEST_AT = time(8)
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)
DOUBLINGS = 6


def due_moments(opened_at: datetime, mailed_after: tuple[timedelta, ...]) -> tuple[datetime, ...]:
    """Return when the emails about an alert are due: the first, then its reminders."""
    return tuple(opened_at + after for after in mailed_after)


def next_digest(now: datetime, time_zone: str) -> datetime:
    """Return the next 08:00 on the clocks of the practice, in UTC.

    Counted by days of the calendar: the day on which the clocks change has 23 or 25 hours.
    """
    zone = zone_of(time_zone)
    today = now.astimezone(zone).date()
    for day in (today, today + timedelta(days=1)):
        moment = datetime.combine(day, DIGEST_AT, zone).astimezone(UTC)
        if moment > now:
            return moment
    # Only where a clock stood still for a whole day.
    return datetime.combine(today + timedelta(days=2), DIGEST_AT, zone).astimezone(UTC)


def retry_after(attempts: int) -> timedelta:
    """Return how long to wait after that many attempts: a minute, doubling up to an hour."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(max(attempts, 1) - 1, DOUBLINGS)))


def moment_in_words(moment: datetime, time_zone: str) -> str:
    """Return "22 November 2026, 13:50 GMT" as the practice's clocks showed it."""
    local = moment.astimezone(zone_of(time_zone))
    name = local.tzname() or ""
    # Many zones have no abbreviation of their own, only an offset such as "+04".
    zone = f"GMT{name}" if name.startswith(("+", "-")) else name
    return f"{local.day} {local:%B %Y, %H:%M} {zone}"


def zone_of(time_zone: str) -> tzinfo:
    """Return the zone of that name; UTC if there is none, so that an alert is never lost to it."""
    try:
        return ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
