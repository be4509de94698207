"""Imports point down only, and the simulator is a sealed room."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]

# Top to bottom: a floor may import only floors below it.
FLOORS = [
    ["wsgi"],
    ["dashboard.app"],
    ["dashboard.cli"],
    ["dashboard.demo", "dashboard.doctor", "dashboard.gallery"],
    [
        "dashboard.views",
        "dashboard.demo_data",
        "dashboard.demo_processes",
        "jobs.worker",
        "jobs.scheduler",
    ],
    ["jobs"],
    ["dashboard.wiring"],
    ["dashboard.services", "dashboard.queries"],
    ["dashboard.rules"],
    ["dashboard.models", "dashboard.xero"],
    [
        "dashboard.assets",
        "dashboard.clock",
        "dashboard.config",
        "dashboard.crypto",
        "dashboard.database",
        "dashboard.embedded",
        "dashboard.extensions",
        "dashboard.mail",
        "dashboard.mail_settings",
        "dashboard.secret",
        "dashboard.storage",
    ],
]
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# Foundations that lean on each other.
BESIDE = {
    ("dashboard.database", "dashboard.clock"),
    ("dashboard.config", "dashboard.mail_settings"),
    ("dashboard.config", "dashboard.secret"),
    ("dashboard.crypto", "dashboard.config"),
    ("dashboard.crypto", "dashboard.secret"),
    ("dashboard.mail", "dashboard.mail_settings"),
    ("dashboard.mail_settings", "dashboard.secret"),
}
# Rules know Xero's values, never its HTTP.
RULES_MAY_READ = "dashboard.xero.types"
# Only the demo, which serves it, and what loads its clients may enter the simulator.
MAY_ENTER_SIMULATOR = {"dashboard.demo", "dashboard.demo_data"}


def _modules() -> list[Path]:
    files = [PROJECT / "wsgi.py"]
    for package in ("dashboard", "jobs"):
        files += sorted((PROJECT / package).rglob("*.py"))
    return files


def _dotted(path: Path) -> str:
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _room(module: str) -> str | None:
    homes = [room for room in FLOOR_OF if f"{module}.".startswith(f"{room}.")]
    return max(homes, key=len, default=None)


def _ours(module: str) -> bool:
    return module.split(".", 1)[0] in {"dashboard", "jobs", "wsgi"}


@pytest.mark.parametrize("path", _modules(), ids=_dotted)
def test_imports_only_point_down(path: Path) -> None:
    module = _dotted(path)
    if module == "dashboard" or module.startswith("dashboard.simulator"):
        return
    here = _room(module)
    assert here is not None, f"{module} belongs to no floor"
    for wanted in filter(_ours, _imports(path)):
        if wanted.startswith("dashboard.simulator"):
            continue
        there = _room(wanted)
        if there in {None, here} or (here, there) in BESIDE:
            continue
        assert there is not None
        assert FLOOR_OF[there] > FLOOR_OF[here], f"{module} must not import {wanted}"


@pytest.mark.parametrize("path", _modules(), ids=_dotted)
def test_rules_know_values_only(path: Path) -> None:
    if _dotted(path).startswith("dashboard.rules"):
        for wanted in filter(_ours, _imports(path)):
            assert wanted.startswith(("dashboard.rules", RULES_MAY_READ)), wanted


@pytest.mark.parametrize("path", _modules(), ids=_dotted)
def test_the_simulator_is_sealed(path: Path) -> None:
    inside = _dotted(path).startswith("dashboard.simulator")
    for wanted in filter(_ours, _imports(path)):
        enters = wanted.startswith("dashboard.simulator")
        if inside:
            assert enters, f"the simulator must not import {wanted}"
        elif enters:
            assert _dotted(path) in MAY_ENTER_SIMULATOR, f"{_dotted(path)} enters the simulator"
