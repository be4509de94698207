"""What templates say about moments, sizes and counts.

Moments are stored in UTC and shown in the practice's time zone. The functions are pure: they are
handed the zone, the locale and the present moment; `register` binds them to the current request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import flask_babel
from babel.core import Locale
from babel.dates import format_datetime, format_timedelta
from babel.numbers import format_decimal
from flask import Flask
from lucide.jinja import lucide
from markupsafe import Markup, escape

from dashboard.clock import utcnow
from dashboard.rules.file_sizes import size_in_words

BRITISH = Locale("en", "GB")
ONE_DAY = timedelta(days=1)
TODAY = "today"
NAMED_DAYS = {-1: "yesterday", 0: TODAY, 1: "tomorrow"}
MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Place:
    """Where and when a page is read: the practice's time zone, the reader's language, the time."""

    zone: tzinfo
    now: datetime
    locale: Locale = BRITISH


Saying = Callable[[datetime, Place], str]


def short_time(moment: datetime, place: Place) -> str:
    """Return "22 Nov, 14:02", with the year only when it is not this one."""
    return f"{day_month(moment, place)}, {hour_minute(moment, place)}"


def day_time(moment: datetime, place: Place) -> str:
    """Return "today 14:02", "yesterday 16:10" or "tomorrow 02:10"; other days as `short_time`."""
    word = _named_day(moment, place)
    return f"{word} {hour_minute(moment, place)}" if word else short_time(moment, place)


def near_time(moment: datetime, place: Place) -> str:
    """Return "14:02", "16:10 yesterday", "02:10 tomorrow" or "14:02 on 24 Nov".

    The clock comes first, so that it can follow "at", "since" and "by".
    """
    day = _named_day(moment, place)
    if day is None:
        day = f"on {day_month(moment, place)}"
    clock = hour_minute(moment, place)
    return clock if day == TODAY else f"{clock} {day}"


def day_month(moment: datetime, place: Place) -> str:
    """Return "22 Nov", with the year only when it is not this one."""
    local = _local(moment, place)
    pattern = "d MMM" if local.year == _local(place.now, place).year else "d MMM yyyy"
    return _say(local, pattern, place)


def dated_time(moment: datetime, place: Place) -> str:
    """Return "22 Nov at 13:50", with the year only when it is not this one."""
    return f"{day_month(moment, place)} at {hour_minute(moment, place)}"


def start_of_day(place: Place) -> datetime:
    """Return the moment at which the present day began in the practice's time zone."""
    midnight = _local(place.now, place).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return midnight.astimezone(UTC)


def last_midnights(place: Place, days: int) -> list[datetime]:
    """Return the beginnings of the last *days* days in the practice's zone, then of tomorrow."""
    today = _local(place.now, place).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    # Wall clock: a day in which the clocks change has 23 or 25 hours.
    return [(today + timedelta(days=step)).astimezone(UTC) for step in range(1 - days, 2)]


def ago(moment: datetime, place: Place) -> str:
    """Return "2 minutes ago, 14:02"; what is more than a day away as `day_time`."""
    distance = moment - place.now
    if abs(distance) >= ONE_DAY:
        return day_time(moment, place)
    if abs(distance) < timedelta(minutes=1):
        words = "less than a minute ago" if distance <= timedelta() else "in less than a minute"
    else:
        words = format_timedelta(
            distance, granularity="minute", threshold=1, add_direction=True, locale=place.locale
        )
    return f"{words}, {hour_minute(moment, place)}"


def hour_minute(moment: datetime, place: Place) -> str:
    """Return "14:02"; within a day of a clock change with the zone, "01:30 BST"."""
    return _clock(moment, "HH:mm", place)


def clock_time(moment: datetime, place: Place) -> str:
    """Return "14:02:10"; within a day of a clock change with the zone, "01:30:00 BST"."""
    return _clock(moment, "HH:mm:ss", place)


def full_time(moment: datetime, place: Place) -> str:
    """Return "22 November 2026, 14:02:10 GMT"."""
    local = _local(moment, place)
    return f"{_say(local, 'd MMMM yyyy, HH:mm:ss', place)} {_abbreviation(local)}"


def long_date(moment: datetime, place: Place) -> str:
    """Return "22 November 2026", the day it was in the practice's time zone."""
    return _say(_local(moment, place), "d MMMM yyyy", place)


def utc_iso(moment: datetime) -> str:
    """Return "2026-11-22T14:02:10Z" for the `datetime` attribute of a <time> element.

    Raises ValueError for a moment without a time zone, here and in every function above.
    """
    return _aware(moment).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def zone_name(zone: str, now: datetime) -> str:
    """Return what the clocks of the zone `zone` ("Europe/London") show now: "GMT" or "BST"."""
    return _abbreviation(_aware(now).astimezone(ZoneInfo(zone)))


def number(value: float, locale: Locale = BRITISH) -> str:
    """Return a count with separators: "1,516"."""
    return format_decimal(value, locale=locale)


def percent(value: float) -> str:
    """Return a share of a hundred as whole "42 %", never rounded up to a hundred."""
    return f"{int(value)} %"


def duration(length: timedelta | float) -> str:
    """Return how long something took, in two units at most: "3 s", "2 min 14 s", "1 h 5 min"."""
    seconds = int(length.total_seconds() if isinstance(length, timedelta) else length)
    if seconds < 1:
        return "under 1 s"
    for unit, size, smaller, smaller_size in (
        ("d", DAY, "h", HOUR),
        ("h", HOUR, "min", MINUTE),
        ("min", MINUTE, "s", 1),
    ):
        if seconds >= size:
            whole, rest = f"{seconds // size} {unit}", seconds % size // smaller_size
            return f"{whole} {rest} {smaller}" if rest else whole
    return f"{seconds} s"


def plural(count: int, one: str, other: str, locale: Locale = BRITISH) -> str:
    """Return the sentence that fits the count, with `{n}` replaced by the number.

    Both are whole sentences ("{n} document needs attention", "{n} documents need attention"),
    because the words around a number change with it. `one` is chosen by the language's own rule.
    """
    sentence = one if locale.plural_form(count) == "one" else other
    return sentence.replace("{n}", number(count, locale))


def set_apart(text: str, names: Iterable[str | None]) -> Markup:
    """Return a sentence as HTML in which people's names stand apart, whichever way they run."""
    sentence = escape(text)
    for name in dict.fromkeys(names):
        if name:
            sentence = sentence.replace(escape(name), Markup("<bdi>{}</bdi>").format(name))
    return sentence


SAYINGS: tuple[Saying, ...] = (
    short_time,
    day_time,
    near_time,
    dated_time,
    day_month,
    ago,
    hour_minute,
    clock_time,
    full_time,
    long_date,
)


def register(app: Flask, *, clock: Callable[[], datetime] = utcnow) -> None:
    """Give the templates of `app` these filters, the icons, and `now()`.

    `clock` is the source of time, so that a test can stop it. The zone and the locale are those
    that Flask-Babel chose for the request.
    """

    def here() -> Place:
        return place_of_request(clock())

    def in_place(say: Saying) -> Callable[[datetime], str]:
        return lambda moment: say(moment, here())

    for say in SAYINGS:
        app.add_template_filter(in_place(say), say.__name__)
    app.add_template_filter(utc_iso, "utc_iso")
    app.add_template_filter(lambda zone: zone_name(zone, clock()), "zone_name")
    app.add_template_filter(lambda value: number(value, _locale()), "number")
    app.add_template_filter(percent, "percent")
    app.add_template_filter(duration, "duration")
    app.add_template_filter(size_in_words, "filesize")
    app.add_template_filter(set_apart)
    app.add_template_filter(
        lambda count, one, other: plural(count, one, other, _locale()), "plural"
    )
    app.add_template_global(_icon, "lucide")
    app.add_template_global(clock, "now")


def place_of_request(now: datetime) -> Place:
    """Return where and when the current request is read."""
    return Place(flask_babel.get_timezone() or UTC, now, _locale())


@lru_cache(maxsize=512)
def _icon(name: str, **attributes: Any) -> str:
    # A table draws the same few icons hundreds of times, and each drawing copies an XML tree.
    icon: str = lucide(name, **attributes)
    return icon


def _locale() -> Locale:
    return flask_babel.get_locale() or BRITISH


def _clock(moment: datetime, pattern: str, place: Place) -> str:
    local = _local(moment, place)
    words = _say(local, pattern, place)
    # In the hour that happens twice "01:30" is two moments: around a change the zone is said.
    return f"{words} {_abbreviation(local)}" if _near_clock_change(moment, place) else words


def _named_day(moment: datetime, place: Place) -> str | None:
    days = (_local(moment, place).date() - _local(place.now, place).date()).days
    return NAMED_DAYS.get(days)


def _near_clock_change(moment: datetime, place: Place) -> bool:
    before, after = (_local(moment + step, place).utcoffset() for step in (-ONE_DAY, ONE_DAY))
    return before != after


def _say(local: datetime, pattern: str, place: Place) -> str:
    return format_datetime(local, pattern, tzinfo=place.zone, locale=place.locale)


def _abbreviation(local: datetime) -> str:
    name = local.tzname() or ""
    # Many zones have no abbreviation of their own, only an offset such as "+04".
    return f"GMT{name}" if name.startswith(("+", "-")) else name


def _local(moment: datetime, place: Place) -> datetime:
    return _aware(moment).astimezone(place.zone)


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("A moment without a time zone cannot be shown.")
    return moment
