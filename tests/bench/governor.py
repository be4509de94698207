"""How much of what Xero allows the governor uses, and that it never uses more.

Processes share it without a reserve; a server of its own judges each call as it arrives. All use is
printed as a ratio to what is allowed. Servers that count in windows, rolling or fixed, are also met
by callers that are killed; there the ratio is also to what five connections can carry, because a
killed caller keeps its place for the lease. `--long` adds runs of three real minutes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.bench.callers import LIMITS, Outcome, Plan, run
from tests.storm.report import Report, turned_red, verdict

SHORT_GOAL, LONG_GOAL, KILLED_GOAL = 0.90, 0.97, 0.85
LONG = {"window": 60.0, "seconds": 185.0}
WINDOWS = ("rolling", "fixed")


def allowed(plan: Plan) -> float:
    """Return the part of the minute that five connections can carry, if callers die on them."""
    held = (1 - plan.killed) * plan.answer_after + plan.killed * plan.spans.lease
    return min(LIMITS.concurrent * plan.window / held / LIMITS.minute, 1.0)


def report_of(plan: Plan, outcome: Outcome, goal: float) -> Report:
    """Return what a run showed."""
    title = f"{plan.limiter}, {plan.judging} window of {plan.window:g} s for {plan.seconds:g} s"
    killed = f", {plan.killed:.0%} of calls kill their caller" if plan.killed else ""
    report = Report(f"{title}, answers after {plan.answer_after:g} s{killed}")
    used = [one.used(plan, outcome.began_at) for one in outcome.seen.values()]
    pace = [one.pace(plan) for one in outcome.seen.values()]
    refused = dict.fromkeys(("minute", "concurrent"), 0)
    for one in outcome.seen.values():
        refused = {kind: count + one.refused.get(kind, 0) for kind, count in refused.items()}
    share = allowed(plan)
    report.facts["calls that arrived"] = sum(len(one.arrivals) for one in outcome.seen.values())
    report.facts["answers of 429 (minute, at once)"] = ", ".join(map(str, refused.values()))
    report.facts["most at once"] = max(one.peak for one in outcome.seen.values())
    report.facts["used of the allowed calls, at worst"] = f"{min(used):.1%}"
    report.facts["pace as a part of the limit, at worst"] = f"{min(pace):.1%}"
    if plan.killed:
        report.facts["callers killed"] = outcome.killed
        report.facts["five connections can carry"] = f"{share:.1%}"
        report.facts["used of what they can carry, at worst"] = f"{min(used) / share:.1%}"
        report.expect(outcome.killed > 0, "no caller was killed")
    report.expect(outcome.refused == 0, f"{outcome.refused} calls were answered with 429")
    report.expect(len(used) == plan.organisations, "an organisation was never called")
    report.expect(
        min(used) / share >= goal, f"{min(used) / share:.1%} used, {goal:.0%} is the goal"
    )
    return report


def plans(options: argparse.Namespace) -> list[tuple[Plan, float]]:
    """Return what to run, with the least use that is good enough."""
    base = Plan(window=options.window, seconds=options.seconds, callers=options.callers)
    goal = options.goal
    found = [
        (replace(base, judging=judging, answer_after=after), goal or SHORT_GOAL)
        for judging in options.judging
        for after in options.answer_after
    ]
    for judging in (one for one in options.judging if one in WINDOWS):
        windows = replace(base, judging=judging)
        if options.killed:
            found += [
                (replace(windows, killed=options.killed, answer_after=after), goal or KILLED_GOAL)
                for after in options.answer_after
            ]
        if options.long:
            found += [
                (replace(windows, answer_after=after, **LONG), LONG_GOAL) for after in (0.05, 0.5)
            ]
            found.append((replace(windows, killed=0.05, **LONG), KILLED_GOAL))
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run everything that was asked for; return 0 if all goals were met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--callers", type=int, default=24)
    parser.add_argument("--window", type=float, default=6.0)
    parser.add_argument("--seconds", type=float, default=24.0)
    parser.add_argument("--answer-after", type=float, nargs="*", default=[0.05, 0.5])
    parser.add_argument("--killed", type=float, default=0.05)
    parser.add_argument("--goal", type=float, help="least use, instead of the usual goals")
    parser.add_argument(
        "--judging", nargs="*", default=["rolling", "fixed", "bucket", "grained"], metavar="WAY"
    )
    parser.add_argument("--naive", nargs="*", default=["fixed counter", "stamped at send"])
    parser.add_argument("--long", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args(arguments)
    reports = []
    for plan, goal in plans(options):
        reports.append(_reported(plan, goal))
    for name in options.naive:
        naive = Plan(name, window=options.window, seconds=options.seconds, callers=options.callers)
        reports.append(turned_red(_reported(naive, 0.0)))
    return verdict(reports)


def _reported(plan: Plan, goal: float) -> Report:
    with tempfile.TemporaryDirectory(prefix="chase-bench-") as folder:
        outcome = run(plan, Path(folder) / "redis")
    report = report_of(plan, outcome, goal)
    print(f"{report.title}: {report.facts}", flush=True)
    return report


if __name__ == "__main__":
    sys.exit(main())
