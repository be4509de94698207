"""The limiter's Redis loses its data, or is away for a while, in the middle of full speed.

The same processes, judge and goals as in `governor`: no call too many, none while Redis is away,
and calls again within 65 seconds of a minute (or the same part of a shorter window).
"""

from __future__ import annotations

import argparse
import logging
import mmap
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import redis

from dashboard.xero.governor import CallMemory, Priority
from tests.bench.callers import Outcome, Plan, run
from tests.storm.report import Report, turned_red, verdict
from tests.support.servers import revived_redis

# Of the window; the product's notes reach back a quarter further than the minute.
RECENTLY = 75 / 60
RESUMED = 65 / 60
# What had its permission when Redis went still leaves.
ON_ITS_WAY = 0.5
PLACE = struct.Struct("d")


class Shared:
    """Numbers that forked processes share."""

    def __init__(self, count: int) -> None:
        self._memory = mmap.mmap(-1, count * PLACE.size)

    def __getitem__(self, number: int) -> float:
        value: float = PLACE.unpack_from(self._memory, number * PLACE.size)[0]
        return value

    def __setitem__(self, number: int, value: float) -> None:
        PLACE.pack_into(self._memory, number * PLACE.size, value)


class Notes(CallMemory):
    """What the database would remember: when each organisation was called last."""

    def __init__(self, plan: Plan) -> None:
        self._recently = plan.window * RECENTLY
        self._last = Shared(plan.organisations)

    def called_recently(self, tenant_id: str) -> bool:
        """Tell whether the organisation was called lately."""
        return time.monotonic() - self._last[_number(tenant_id)] < self._recently

    def about_to_call(self, tenant_id: str, priority: Priority) -> None:
        """Note a call."""
        self._last[_number(tenant_id)] = time.monotonic()


class Trouble:
    """What happens to Redis, and when: `moments` are its beginning and its end."""

    def __init__(self, plan: Plan, away_for: float) -> None:
        # In the middle of a window whose calls were made at its beginning.
        self._after = plan.window * (int(0.4 * plan.seconds / plan.window) + 0.4)
        self._plan = plan
        self._away_for = away_for
        self.moments = Shared(2)

    def __call__(self, began_at: float, url: str) -> None:
        """Wait for the moment and make it happen; runs in a process of its own."""
        time.sleep(max(began_at + self._after - time.monotonic(), 0.0))
        self.moments[0] = time.monotonic()
        with redis.Redis.from_url(url) as client:
            if not self._away_for:
                client.flushall()
                self.moments[1] = time.monotonic()
                return
            client.shutdown(nosave=True, now=True)
        time.sleep(self._away_for)
        with revived_redis(url):
            self.moments[1] = time.monotonic()
            time.sleep(max(began_at + self._plan.seconds + 1 - time.monotonic(), 0.0))


def _number(tenant_id: str) -> int:
    return int(tenant_id.rpartition("-")[2])


def report_of(
    plan: Plan,
    away_for: float,
    notes: Callable[[], CallMemory] | None,
    longest: float,
) -> Report:
    """Run and return what it showed; calls must resume within *longest* windows."""
    trouble = Trouble(plan, away_for)
    with tempfile.TemporaryDirectory(prefix="chase-bench-") as folder:
        outcome = run(plan, Path(folder) / "redis", memory=notes, meanwhile=trouble)
    what = f"away for {away_for:g} s" if away_for else "flushed"
    report = Report(f"Redis {what}, window of {plan.window:g} s for {plan.seconds:g} s")
    lost_at, back_at = trouble.moments[0], trouble.moments[1]
    resumed = [_first_after(one.arrivals, back_at) - back_at for one in outcome.seen.values()]
    report.facts["calls before, afterwards"] = _before_and_after(outcome, lost_at, back_at)
    report.facts["answers of 429"] = outcome.refused
    report.facts["calls while it was away"] = _between(outcome, lost_at + ON_ITS_WAY, back_at)
    report.facts["first call afterwards, at the latest"] = (
        f"{max(resumed):.2f} s, {max(resumed) / plan.window:.2f} of the window"
    )
    report.expect(bool(back_at), "Redis was left in peace")
    report.expect(outcome.refused == 0, f"{outcome.refused} calls were answered with 429")
    report.expect(
        _between(outcome, lost_at + ON_ITS_WAY, back_at) == 0, "calls left while Redis was away"
    )
    report.expect(
        max(resumed) <= longest * plan.window, f"calls resumed after {max(resumed):.1f} s"
    )
    return report


def _first_after(arrivals: list[float], moment: float) -> float:
    return min((arrival for arrival in arrivals if arrival > moment), default=float("inf"))


def _between(outcome: Outcome, begin: float, end: float) -> int:
    return sum(begin < at < end for one in outcome.seen.values() for at in one.arrivals)


def _before_and_after(outcome: Outcome, lost_at: float, back_at: float) -> str:
    far = float("inf")
    return f"{_between(outcome, 0.0, lost_at)}, {_between(outcome, back_at, far)}"


def main(arguments: list[str] | None = None) -> int:
    """Run everything that was asked for; return 0 if all goals were met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--callers", type=int, default=24)
    parser.add_argument("--window", type=float, default=6.0)
    parser.add_argument("--seconds", type=float, default=24.0)
    parser.add_argument("--away", type=float, default=3.0)
    parser.add_argument("--long", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--naive", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--patient", action="store_true", help="whenever calls resume is good")
    options = parser.parse_args(arguments)
    # What each process says while Redis is away would bury the table.
    logging.getLogger("dashboard").setLevel(logging.CRITICAL)
    plan = Plan(window=options.window, seconds=options.seconds, callers=options.callers)
    long_plan = Plan(window=60.0, seconds=185.0, callers=options.callers)
    chosen = [(plan, 0.0), (plan, options.away)]
    chosen += [(long_plan, 0.0), (long_plan, 20.0)] if options.long else []
    longest = float("inf") if options.patient else RESUMED
    reports = []
    for each, away_for in chosen:
        notes = Notes(each)
        reports.append(report_of(each, away_for, lambda notes=notes: notes, longest))  # type: ignore[misc]
    if options.naive:
        # Without the database's memory everybody would begin anew at once.
        reports.append(turned_red(report_of(plan, 0.0, None, longest)))
    return verdict(reports)


if __name__ == "__main__":
    sys.exit(main())
