"""A pytest plug-in: tells how many states, looks and screens a run has checked.

Tests note what they checked by `record_property`, whichever worker runs them.
"""

from __future__ import annotations

from collections import defaultdict

import pytest

from dashboard.config import PROJECT

PICTURES = PROJECT / "pictures"


class Tally:
    """What the tests that passed have noted."""

    def __init__(self) -> None:
        self._noted: defaultdict[str, set[str]] = defaultdict(set)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a test noted."""
        if report.when == "call" and report.passed:
            for name, value in report.user_properties:
                self._noted[name].add(str(value))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print a line for each kind of thing."""
        looks, screens = self._noted["look"], self._noted["screen"]
        states = {look.partition(" ")[0] for look in looks}
        if looks:
            line = f"{len(states)} states in {len(looks)} looks, pictures in {PICTURES}"
            terminalreporter.write_line(line)
        if screens:
            terminalreporter.write_line(f"{len(screens)} screens with full marks by Lighthouse")


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count."""
    config.pluginmanager.register(Tally(), "tally")
