"""A pretend Xero in a process of its own: dice strike its Files, and its store can be looked into.

`python -m tests.storm.xero_server --port 8123 --pace 10` serves the simulator with time ten times
as fast. A harness adds organisations that let the app in already, turns the weather on and off, and
reads at the end which files Xero really has. In bad weather calls to Files fail in every way that a
server can fail in: before the work, after it, with an answer and without; the server forgets its
idempotency keys and lists new files late. With `--limited` it keeps Xero's limits, and with
`--answer-after` it takes its time.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from datetime import UTC, datetime
from http import HTTPStatus
from uuid import uuid4

from flask import Blueprint, Response, jsonify, request
from werkzeug.serving import make_server

from dashboard.simulator import App, World, create_simulator
from dashboard.simulator.clock import Clock
from dashboard.simulator.faults import Fault, Faults
from dashboard.simulator.gate import current_world
from dashboard.simulator.records import Contact, Folder, Options, Organisation, State, User
from dashboard.simulator.tokens import process_signing_key
from tests.support.pretend_xero import CALLBACK, Quiet, granted

FILES = "/files.xro/"
PLENTY = 1_000_000
# How many of a thousand calls to Files meet each trouble, in the worst weather.
SHARES = {
    "store-then-500": 40,
    "store-then-reset": 40,
    "store-then-hang": 15,
    "500-json": 20,
    "500-html": 10,
    "503-temporarily": 10,
    "200-html": 10,
    "half-body": 20,
    "reset": 20,
    "slow": 10,
    "429-minute": 8,
}
KEYS_FORGOTTEN = 20
# In the product's seconds: longer than the total time of a call, and well within it.
HANGS_FOR = 25.0
SLOW_BY = 8.0
ASKED_TO_WAIT = 1


class Weather(Faults):
    """Strikes calls to Files by the dice while it is bad; forgets keys and lists files late."""

    def __init__(
        self, world: World, *, pace: float, lag: float, seed: int, answer_after: float
    ) -> None:
        super().__init__()
        self._world = world
        self._pace = pace
        self._lag = lag
        self._answer_after = answer_after
        self._dice = random.Random(seed)  # noqa: S311 - who is struck is no secret
        self.is_bad = False

    def take(self, method: str, path: str) -> Fault | None:
        """Return the trouble that this call meets, and count it."""
        if self._answer_after and path.startswith(FILES):
            self._world.pause(self._answer_after)
        if not self.is_bad or not path.startswith(FILES):
            return super().take(method, path)
        with self._lock:
            self._world.options.files_lag_seconds = self._dice.uniform(0, self._lag)
            self._forget_keys()
            kind = self._drawn()
            if kind is None:
                return None
            self.injected[kind] += 1
        seconds = HANGS_FOR if kind == "store-then-hang" else SLOW_BY
        return Fault(kind, seconds=seconds / self._pace, retry_after=ASKED_TO_WAIT)

    def _forget_keys(self) -> None:
        if self._dice.randrange(1000) < KEYS_FORGOTTEN:
            # Replaced, not emptied: another thread may be reading the old one.
            self._world.state.kept_answers = {}
            self.injected["keys forgotten"] += 1

    def _drawn(self) -> str | None:
        point = self._dice.randrange(1000)
        for kind, share in SHARES.items():
            if point < share:
                return kind
            point -= share
        return None


control = Blueprint("control", __name__, url_prefix="/test")


@control.post("/organisations")
def new_organisation() -> Response:
    """Add an organisation with contacts that lets the app in, and return tokens for it."""
    world = current_world()
    with world.change() as state:
        user = next(iter(state.users.values()))
        made = _organisation(world, request.json["contacts"])
        user.tenant_ids.append(made.tenant_id)
    tokens = granted(world, user.user_id, made.tenant_id, request.host_url.rstrip("/"))
    answer = {"tenant_id": made.tenant_id, "contact_ids": list(made.contacts), "tokens": tokens}
    return jsonify(answer)


@control.post("/weather")
def set_weather() -> Response:
    """Make it bad or good."""
    _weather().is_bad = request.json["bad"]
    return jsonify({})


@control.post("/lag")
def set_lag() -> Response:
    """List new files this many seconds late from now on."""
    current_world().options.files_lag_seconds = request.json["seconds"]
    return jsonify({})


@control.get("/injected")
def injected() -> Response:
    """Return how often each trouble struck."""
    return jsonify(dict(_weather().injected))


@control.get("/calls")
def calls() -> Response:
    """Return when each call of an organisation came, and how it was answered."""
    found = [
        {"at": call.at.isoformat(), "status": call.status}
        for call in current_world().calls.last()
        if call.tenant_id == request.args["tenant_id"]
    ]
    return jsonify({"calls": found})


@control.get("/files")
def files() -> Response:
    """Return what Xero really has: each file with its folder and the contacts that show it."""
    world = current_world()
    with world.lock:
        organisation = world.organisation(request.args["tenant_id"])
        found = [
            {
                "id": file.file_id,
                "name": file.name,
                "sha256": file.sha256,
                "folder": organisation.folders[file.folder_id].name,
                "contacts": file.associated_with,
            }
            for file in organisation.files.values()
        ]
        folders = Counter(folder.name for folder in organisation.folders.values())
    return jsonify({"files": found, "folders": folders})


def _weather() -> Weather:
    weather = current_world().faults
    assert isinstance(weather, Weather)
    return weather


def _organisation(world: World, contacts: int) -> Organisation:
    now, tenant_id = world.clock.now(), str(uuid4())
    made = Organisation(tenant_id, f"Firm {tenant_id[:8]}", "Firm", "!FIRM", "COMPANY", "", now)
    inbox = Folder(str(uuid4()), "Inbox", now, is_inbox=True)
    made.folders[inbox.folder_id] = inbox
    for number in range(contacts):
        contact = Contact(str(uuid4()), f"Contact {number}", now)
        made.contacts[contact.contact_id] = contact
    world.state.organisations[tenant_id] = made
    return made


def new_world(
    *,
    pace: float,
    began_at: datetime,
    lag: float,
    seed: int,
    limited: bool = False,
    answer_after: float = 0.0,
) -> World:
    """Return a world with one person, no organisation yet, and time at *pace* since *began_at*."""

    def now() -> datetime:
        return began_at + (datetime.now(UTC) - began_at) * pace

    app = App(client_id="demo-client", client_secret="demo-secret", redirect_uris=(CALLBACK,))
    world = World(State(process_signing_key(), app, Options()), clock=Clock(now))
    user = User(str(uuid4()), "amira@harbourside.example", "Amira", "Patel")
    world.state.users[user.user_id] = user
    rules = world.limits.rules
    if not limited:
        # How limits are kept is another harness's matter.
        rules.minute = rules.concurrent = rules.day = rules.app_minute = PLENTY
    world.faults = Weather(world, pace=pace, lag=lag, seed=seed, answer_after=answer_after)
    return world


def main(arguments: list[str] | None = None) -> int:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pace", type=float, default=1.0, help="how much faster time runs")
    parser.add_argument("--began-at", type=datetime.fromisoformat, required=True)
    parser.add_argument("--lag", type=float, default=0.0, help="how late files are listed at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limited", action="store_true", help="keep Xero's limits")
    parser.add_argument("--answer-after", type=float, default=0.0, help="seconds that Files takes")
    given = parser.parse_args(arguments)
    wanted = {name: value for name, value in vars(given).items() if name != "port"}
    world = new_world(**wanted)
    app = create_simulator(world)
    app.register_blueprint(control)
    app.register_error_handler(KeyError, _unknown)
    make_server("127.0.0.1", given.port, app, threaded=True, request_handler=Quiet).serve_forever()
    return 0


def _unknown(problem: KeyError) -> tuple[str, int]:
    return f"Unknown: {problem}", HTTPStatus.BAD_REQUEST


if __name__ == "__main__":
    sys.exit(main())
