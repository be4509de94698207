"""A whole installation as real processes, and what tests prepare in it before a browser comes."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flask_migrate
import requests
from flask import Flask

from dashboard import demo_data, wiring
from dashboard.app import create_app
from dashboard.config import Settings
from dashboard.database import db
from dashboard.embedded import free_port
from dashboard.secret import Secret
from tests.support import servers
from tests.support.json_person import JsonPerson

INTEGRATION = "/api/integrations/xero"
PASSWORD = "a long enough password"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can sign in."""

    email: str
    password: str


@dataclass(frozen=True, slots=True)
class Installation:
    """Where the dashboard and the pretend Xero answer, and the people of the demo's practice."""

    origin: str
    xero: str
    admin: Person
    staff: Person
    app: Flask

    def new_practice(self, name: str, email: str) -> Person:
        """Create a practice without a connection and return its admin."""
        with self.app.app_context():
            wiring.practices().create_practice(name, email, Secret(PASSWORD))
            db.session.remove()
        return Person(email, PASSWORD)

    def arm(self, kind: str, method: str, path: str, **details: Any) -> None:
        """Let the next call to Xero that fits meet a fault."""
        fault = {"kind": kind, "method": method, "path": path, **details}
        requests.post(f"{self.xero}/simulator/faults", json=fault, timeout=10).raise_for_status()

    def perform(self, action: str, **details: Any) -> None:
        """Do what a person would do inside the pretend Xero."""
        order = {"action": action, **details}
        requests.post(f"{self.xero}/simulator/admin", json=order, timeout=10).raise_for_status()

    def person_of(self, organisation: str) -> dict[str, Any]:
        """Return the first person of the pretend Xero who belongs to an organisation."""
        tenant_id = self.organisation(organisation)["tenant_id"]
        found: dict[str, Any] = next(
            each for each in self._state()["users"] if tenant_id in each["tenant_ids"]
        )
        return found

    def organisation(self, name: str) -> dict[str, Any]:
        """Return what the pretend Xero holds of an organisation."""
        found: dict[str, Any] = next(
            each for each in self._state()["organisations"] if each["name"] == name
        )
        return found

    def connect(self, person: JsonPerson, organisation: str) -> None:
        """Connect the person's practice to *organisation* and wait until its contacts are read."""
        url = person.send(f"{INTEGRATION}/connect")["authorization_url"]
        tenant_id = self.organisation(organisation)["tenant_id"]
        user = self.person_of(organisation)
        choice = {"decision": "allow", "choice": f"{user['user_id']} {tenant_id}"}
        answer = requests.post(url, choice, allow_redirects=False, timeout=10)
        person.come_back(answer.headers["Location"])
        person.finished(person.send(f"{INTEGRATION}/sync"))

    def _state(self) -> dict[str, Any]:
        address = f"{self.xero}/simulator/state"
        said: dict[str, Any] = requests.get(address, {"contacts": "true"}, timeout=10).json()
        return said


@contextmanager
def running(folder: Path) -> Iterator[Installation]:
    """Yield an installation with the demo's data whose processes run; end them after."""
    origin = f"http://localhost:{free_port()}"
    with (
        servers.embedded_redis(folder / "redis") as redis_url,
        servers.simulator(
            folder, f"{origin}{INTEGRATION}/callback", "--app-name", "chase.md"
        ) as xero,
    ):
        environment = settings_of(folder, origin, xero, redis_url)
        app = create_app(Settings.from_environment(environment))
        with app.app_context():
            flask_migrate.upgrade()
            admin, staff = (
                Person(each.email, each.password)
                for each in demo_data.load("for-tests", folder / "loaded")
            )
            db.session.remove()
        with (
            servers.web(environment),
            servers.worker(environment),
            servers.scheduler(environment),
        ):
            yield Installation(origin, xero, admin, staff, app)
        with app.app_context():
            db.engine.dispose()
        app.extensions["redis"].close()
        app.extensions["redis_for_nudges"].close()
        app.extensions["redis_for_pages"].close()


def settings_of(folder: Path, origin: str, xero: str, redis_url: str) -> dict[str, str]:
    """Return the environment of an installation that keeps everything in *folder*."""
    return {
        "DATABASE_URL": f"sqlite:///{folder / 'chase.sqlite3'}",
        "REDIS_URL": redis_url,
        "SECRET_KEY": "s" * 40,
        "TOKEN_MASTER_KEYS": "1:" + base64.b64encode(b"k" * 32).decode(),
        "XERO_CLIENT_ID": servers.CLIENT_ID,
        "XERO_CLIENT_SECRET": servers.CLIENT_SECRET,
        "XERO_LOGIN_URL": xero,
        "XERO_IDENTITY_URL": xero,
        "XERO_API_URL": xero,
        "PUBLIC_URL": origin,
        "DOCUMENT_STORE_URL": f"file://{folder / 'documents'}",
    }
