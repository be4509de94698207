"""A pretend Xero with a clock that stands still until it is told to move."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient

from dashboard.simulator import App, World, build_world, create_simulator
from dashboard.simulator.clock import Clock
from tests.dashboard.simulator.caller import CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, Caller

NOON = datetime(2026, 4, 7, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def registration() -> App:
    """The app as Xero knows it."""
    return App(CLIENT_ID, CLIENT_SECRET, (REDIRECT_URI,), name="Dashboard under test")


@pytest.fixture(scope="session")
def at_noon(registration: App) -> bytes:
    """What a world knows at noon, worked out once for all tests."""
    return pickle.dumps(build_world(app=registration, clock=Clock(lambda: NOON)).state)


@pytest.fixture
def pauses() -> list[float]:
    """The waits that faults ordered; nobody really waits."""
    return []


@pytest.fixture
def world(at_noon: bytes, pauses: list[float]) -> World:
    """A world at noon, where time passes only on order."""
    state = pickle.loads(at_noon)  # noqa: S301 - from a few lines above
    return World(state, clock=Clock(lambda: NOON), pause=pauses.append)


@pytest.fixture
def wire(world: World) -> FlaskClient:
    """Flask's test client for the simulator."""
    return create_simulator(world).test_client()


@pytest.fixture
def caller(wire: FlaskClient, world: World) -> Caller:
    """An app that nobody let in yet."""
    return Caller(wire, world)


@pytest.fixture
def app(caller: Caller) -> Caller:
    """An app that Amira let into the main organisation."""
    return caller.let_in()
