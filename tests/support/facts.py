"""A pytest plug-in: counts which facts of the page contract a run has shown.

A fact is checked when every test of it that ran passed, and at least one did.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest

from tests.page_contract import IN_BENCH, IN_GALLERY, IN_TESTS

GALLERY = "tests/pages/"


class FactCounts:
    """Which facts were shown, by the reports of all processes of the run."""

    def __init__(self) -> None:
        self._shown: set[int] = set()
        self._failed: set[int] = set()
        self._wanted: set[int] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the facts of one phase of a test."""
        facts = {int(value) for name, value in report.user_properties if name == "fact"}
        if facts:
            self._wanted |= set(IN_GALLERY if report.nodeid.startswith(GALLERY) else IN_TESTS)
        if report.failed:
            self._failed |= facts
        elif report.when == "call" and report.passed:
            self._shown |= facts

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print one line, if the run had to do with facts."""
        if not self._wanted:
            return
        checked = (self._shown - self._failed) & self._wanted
        missing = ", ".join(map(str, sorted(self._wanted - checked)))
        line = f"facts of the pages checked: {len(checked)} of {len(self._wanted)}"
        terminalreporter.write_line(f"{line} (missing: {missing})" if missing else line)


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count; what a run on PostgreSQL repeats is counted by the other run."""
    if os.environ.get("TEST_DATABASE") == "postgresql":
        return
    config.pluginmanager.register(FactCounts(), "fact-counts")


# After `layers` has left out what a run on PostgreSQL would only repeat.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each report carry the facts of its test; refuse a fact that nobody promised."""
    for item in items:
        for fact in sorted(_facts_of(item)):
            item.user_properties.append(("fact", fact))


def _facts_of(item: pytest.Item) -> set[int]:
    facts = {fact for mark in item.iter_markers("fact") for fact in _numbers(mark.args)}
    unknown = facts - IN_TESTS.keys() - IN_GALLERY.keys() - IN_BENCH.keys()
    if unknown:
        raise pytest.UsageError(f"{item.nodeid}: no fact of the pages is called {unknown}.")
    return facts


def _numbers(values: Iterable[object]) -> Iterable[int]:
    return (int(str(value)) for value in values)
