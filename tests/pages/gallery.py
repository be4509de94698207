"""An installation that has the gallery: a web server and Redis, and nobody who works."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import flask_migrate
from flask import Flask

from dashboard.app import create_app
from dashboard.config import Settings
from dashboard.database import db
from dashboard.embedded import free_port
from dashboard.gallery import SCENES
from dashboard.gallery.office import tenant_of
from dashboard.gallery.scenes import Outside, Scene
from tests.browser.installation import settings_of
from tests.support import servers

# Nothing listens here.
NO_XERO = "http://localhost:1"
NO_REDIS = "redis://localhost:1/0"
FOLDERS = [
    {"Id": "f-0", "Name": "Inbox", "FileCount": 3, "Email": "in@xero.example", "IsInbox": True},
    {"Id": "f-1", "Name": "Clients’ papers", "FileCount": 41, "IsInbox": False},
    {"Id": "f-2", "Name": "chase.md", "FileCount": 1204, "IsInbox": False},
]
ANSWERED = {
    tenant_of(scene.email) for scene in SCENES.values() if scene.outside is Outside.XERO_ANSWERS
}


class _Xero(BaseHTTPRequestHandler):
    """A Xero that lists its folders to scenes which need that, and hangs up on everybody else."""

    def do_GET(self) -> None:
        if self.headers["Xero-tenant-id"] not in ANSWERED:
            return
        body = json.dumps(FOLDERS).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


@contextmanager
def _xero() -> Iterator[str]:
    server = ThreadingHTTPServer(("localhost", 0), _Xero)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True, slots=True)
class Gallery:
    """Where the scenes are opened; the app reaches the same rows."""

    origin: str
    without_redis: str
    app: Flask

    def address_of(self, scene: Scene) -> str:
        """Return the address that opens a scene."""
        is_away = scene.outside is Outside.REDIS_AWAY
        return f"{self.without_redis if is_away else self.origin}/gallery/{scene.slug}"


@contextmanager
def running(folder: Path) -> Iterator[Gallery]:
    """Yield a gallery on an empty database of its own."""
    origin, without_redis = (f"http://localhost:{free_port()}" for _ in range(2))
    with (
        servers.embedded_redis(folder / "redis") as redis_url,
        _xero() as xero,
        ExitStack() as stack,
    ):
        environment = {
            **settings_of(folder, origin, NO_XERO, redis_url),
            "XERO_API_URL": xero,
            "GALLERY": "on",
            # So that alerts promise emails; nobody is there to send them.
            "SMTP_URL": "smtp://localhost:1",
            "MAIL_FROM": "chase.md <alerts@chase.example>",
        }
        app = create_app(Settings.from_environment(environment))
        with app.app_context():
            flask_migrate.upgrade()
            db.session.remove()
        for changes in ({}, {"PUBLIC_URL": without_redis, "REDIS_URL": NO_REDIS}):
            # One process each: what it counts in memory, as tries to sign in, is all there is.
            stack.enter_context(servers.web({**environment, **changes}, workers=1))
        yield Gallery(origin, without_redis, app)
        with app.app_context():
            db.engine.dispose()
        app.extensions["redis"].close()
