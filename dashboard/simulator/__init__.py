"""A pretend Xero: a second Flask app in a sealed room.

It stands in for login.xero.com, identity.xero.com and api.xero.com in the demo and in tests. It
imports nothing of ours, so that it cannot share a misunderstanding with the code it judges, and
nobody imports it but the command line and the tests.

Read `app.py` first (what is served), then `world.py` (what it remembers), `gate.py` (what every
call must pass), `faults.py` (how to make the next call go wrong) and `seed.py` (who is in it).
"""

from dashboard.simulator.app import create_simulator
from dashboard.simulator.demo_clients import demo_clients
from dashboard.simulator.limits import LimitRules
from dashboard.simulator.records import App, Options
from dashboard.simulator.seed import build_world
from dashboard.simulator.world import World

__all__ = [
    "App",
    "LimitRules",
    "Options",
    "World",
    "build_world",
    "create_simulator",
    "demo_clients",
]
