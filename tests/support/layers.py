"""A pytest plug-in: counts the tests of each layer, and leaves out what a run would only repeat.

With `TEST_DATABASE=postgresql` only those tests run that touch the database, that is, that use the
fixture `database_url`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

import pytest

pytest_plugins = ("tests.support.facts",)

LAYERS = ("unit", "service", "flow", "browser")
FOLDERS = (
    ("tests/browser/", "browser"),
    ("tests/flows/", "flow"),
    ("tests/live/", "flow"),
    ("tests/jobs/", "service"),
    ("tests/dashboard/services/", "service"),
    ("tests/dashboard/queries/", "service"),
    ("tests/dashboard/views/", "service"),
)
OUTCOMES = ("passed", "failed", "skipped")


def layer_of(node_id: str) -> str:
    """Return the layer of a test by where it lies; what is in no special folder is a unit test."""
    return next((layer for folder, layer in FOLDERS if node_id.startswith(folder)), "unit")


class Counts:
    """How many tests of each layer passed, failed or were skipped."""

    def __init__(self) -> None:
        self._outcomes: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note one phase of a test; a failure in any phase is the test's outcome."""
        if report.when == "call" or report.outcome != "passed":
            before = self._outcomes.get(report.nodeid)
            self._outcomes[report.nodeid] = "failed" if before == "failed" else report.outcome

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print one line for each layer that had tests."""
        found = Counter((layer_of(node), outcome) for node, outcome in self._outcomes.items())
        for layer in LAYERS:
            words = [
                f"{found[layer, outcome]} {outcome}"
                for outcome in OUTCOMES
                if found[layer, outcome]
            ]
            if words:
                terminalreporter.write_line(f"{layer:<8} {', '.join(words)}")


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count."""
    config.pluginmanager.register(Counts(), "layer-counts")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL leave out what would only run the same again."""
    if os.environ.get("TEST_DATABASE") != "postgresql":
        return
    kept = [item for item in items if "database_url" in _fixtures(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def _fixtures(item: pytest.Item) -> Sequence[str]:
    return getattr(item, "fixturenames", ())
