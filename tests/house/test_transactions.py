"""Who may commit, and what never stands in our code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*(PROJECT / "dashboard").rglob("*.py"), *(PROJECT / "jobs").rglob("*.py")])


def _name(path: Path) -> str:
    return str(path.relative_to(PROJECT))


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_only_services_commit(path: Path) -> None:
    # The gallery writes rows that nobody but it needs.
    if not {"services", "simulator", "gallery"} & set(path.parts):
        assert not re.search(r"\bcommit\(\)", path.read_text())


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_nothing_is_printed_or_left_undone(path: Path) -> None:
    words = re.findall(r"\b(TODO|FIXME|XXX|breakpoint)\b", path.read_text())
    assert not words


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_services_never_ring_the_bell(path: Path) -> None:
    if "services" in path.parts or "queries" in path.parts or "rules" in path.parts:
        assert not re.search(r"^(from|import) (jobs|flask|rq)\b", path.read_text(), re.MULTILINE)
