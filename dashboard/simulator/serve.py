"""Serves a simulator: `python -m dashboard.simulator.serve --port 8001 --state FILE ...`.

One gunicorn process with threads, because the world lives in its memory. It ends at once on
SIGTERM and SIGINT, also when calls are being held up on order.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from dashboard.simulator.app import create_simulator
from dashboard.simulator.records import App
from dashboard.simulator.seed import CONTACTS_IN_MAIN, build_world
from dashboard.simulator.store import Store, write_whole
from dashboard.simulator.world import World

THREADS = 16
KEEP_ALIVE_SECONDS = 75
BACKLOG = 256


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; 2 for arguments that make no sense."""
    given = _parser().parse_args(arguments)
    try:
        app = App(given.client_id, given.client_secret, tuple(given.redirect_uri), given.app_name)
    except ValueError as error:
        _parser().error(str(error))
    _Server(given, app).run()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dashboard.simulator.serve", description="Serve a pretend Xero."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8001, help="0 takes a free port")
    parser.add_argument("--ready-file", type=Path, help="file that gets the URL once it answers")
    parser.add_argument("--state", type=Path, help="file in which the world is kept")
    parser.add_argument("--client-id", required=True)
    parser.add_argument(
        "--client-secret",
        default=os.environ.get("SIMULATOR_CLIENT_SECRET"),
        required="SIMULATOR_CLIENT_SECRET" not in os.environ,
        help="also taken from SIMULATOR_CLIENT_SECRET, which other users cannot read",
    )
    parser.add_argument("--redirect-uri", action="append", required=True)
    parser.add_argument("--app-name", default="Practice dashboard")
    parser.add_argument("--issuer", help="identity base URL in tokens; the called one by default")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--contacts", type=int, default=CONTACTS_IN_MAIN)
    return parser


class _Server(BaseApplication):  # type: ignore[misc]
    """Gunicorn with our settings, and nothing taken from its own command line."""

    def __init__(self, given: argparse.Namespace, app: App) -> None:
        self._given = given
        self._app = app
        super().__init__()

    def load_config(self) -> None:
        """Set up one process of threads."""
        settings: dict[str, Any] = {
            "bind": f"{self._given.host}:{self._given.port}",
            "worker_class": "gthread",
            "workers": 1,
            "threads": THREADS,
            "keepalive": KEEP_ALIVE_SECONDS,
            "backlog": BACKLOG,
            # The worker only leaves when told to, however long a fault holds a call.
            "timeout": 0,
            "graceful_timeout": 1,
            "loglevel": "warning",
            "control_socket_disable": True,
            "worker_tmp_dir": None,
            "proc_name": "xero-simulator",
            "when_ready": self._say_ready,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Return the app; called in the process that serves it."""
        given = self._given
        world = build_world(
            given.seed,
            app=self._app,
            contact_count=given.contacts,
            store=Store(given.state) if given.state else None,
            issuer=given.issuer,
        )
        _let_go_when_told(world)
        return create_simulator(world)

    def _say_ready(self, arbiter: Any) -> None:
        """Tell whoever started us where we listen. The socket queues calls from now on."""
        host, port = arbiter.LISTENERS[0].sock.getsockname()[:2]
        url = f"http://{'localhost' if host == '127.0.0.1' else host}:{port}"
        if self._given.ready_file:
            write_whole(self._given.ready_file, url.encode())
        print(f"The Xero simulator answers at {url}/simulator/", flush=True)


def _let_go_when_told(world: World) -> None:
    """Cut short every wait that a fault ordered as soon as the process is told to end."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        before = signal.getsignal(number)

        def end(received: int, frame: FrameType | None, before: Any = before) -> None:
            world.ending.set()
            if callable(before):
                before(received, frame)

        signal.signal(number, end)


if __name__ == "__main__":
    sys.exit(main())
