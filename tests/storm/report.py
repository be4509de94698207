"""What a harness found: facts, invariants that held or did not, and a verdict for the shell."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Report:
    """The findings of one run: facts to print and invariants that held or did not."""

    title: str
    facts: dict[str, object] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    checked: int = 0

    def expect(self, holds: bool, otherwise: str) -> None:
        """Check one invariant; *otherwise* says what is wrong when it does not hold."""
        self.checked += 1
        if not holds:
            self.broken.append(otherwise)

    def every_kind_was_injected(self, counts: Mapping[str, int]) -> None:
        """Fail when a fault that belongs to the run never happened."""
        for kind, count in counts.items():
            self.expect(count > 0, f"the fault {kind} was injected 0 times")

    def show(self) -> None:
        """Print the run."""
        load = " ".join(f"{one:.1f}" for one in os.getloadavg())
        print(f"\n{self.title}  (load {load})", flush=True)
        for name, value in self.facts.items():
            print(f"  {name:<44}{value}")
        print(f"  {'invariants checked / violated':<44}{self.checked} / {len(self.broken)}")
        for sentence in self.broken:
            print(f"  VIOLATED: {sentence}", flush=True)


def turned_red(report: Report) -> Report:
    """Return what the run of a naive implementation shows: that its violations were seen."""
    seen = Report(f"{report.title}: must turn red", dict(report.facts))
    seen.facts["violations seen, as it must be"] = len(report.broken)
    for sentence in report.broken[:3]:
        seen.facts[f"  {sentence}"] = ""
    seen.expect(bool(report.broken), "the naive implementation passed: this harness sees nothing")
    return seen


def verdict(reports: list[Report]) -> int:
    """Print all runs and return the exit code."""
    for report in reports:
        report.show()
    return 1 if any(report.broken for report in reports) else 0
