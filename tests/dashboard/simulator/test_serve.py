"""The simulator as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.dashboard.simulator.caller import (
    AUTHORISE,
    CLIENT_ID,
    CLIENT_SECRET,
    FILES,
    REDIRECT_URI,
    SCOPES,
    query_of,
)

PATIENCE = 40


@contextmanager
def process(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run the simulator on a free port; yield the process and its URL."""
    ready = folder / "ready"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "dashboard.simulator.serve", "--port", "0"]
    command += ["--ready-file", str(ready), "--state", str(folder / "world.json")]
    command += ["--client-id", CLIENT_ID, "--redirect-uri", REDIRECT_URI]
    environment = os.environ | {"SIMULATOR_CLIENT_SECRET": CLIENT_SECRET}
    running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while not ready.exists():
            assert running.poll() is None, "the simulator ended by itself"
            assert time.monotonic() < deadline, "the simulator did not get ready"
            time.sleep(0.05)
        yield running, ready.read_text()
    finally:
        running.terminate()
        running.wait(PATIENCE)


class Session:
    """A real client that goes through the consent and uses what it got."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = requests.Session()

    def let_in(self) -> None:
        """Have a person allow the app in, and keep the tokens."""
        state = self.http.get(f"{self.url}/simulator/state", timeout=PATIENCE).json()
        user = state["users"][0]["user_id"]
        tenant_id = state["organisations"][0]["tenant_id"]
        answer = self.http.post(
            self.url + AUTHORISE,
            params={
                "response_type": "code",
                "client_id": CLIENT_ID,
                "redirect_uri": REDIRECT_URI,
                "scope": SCOPES,
            },
            data={"decision": "allow", "choice": f"{user} {tenant_id}"},
            allow_redirects=False,
            timeout=PATIENCE,
        )
        form = {
            "grant_type": "authorization_code",
            "code": query_of(answer.headers["Location"])["code"],
            "redirect_uri": REDIRECT_URI,
        }
        tokens = self.http.post(
            f"{self.url}/connect/token",
            data=form,
            auth=(CLIENT_ID, CLIENT_SECRET),
            timeout=PATIENCE,
        ).json()
        self.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        self.http.headers["xero-tenant-id"] = tenant_id

    def folders(self) -> list[str]:
        """Return the names of all folders."""
        rows = self.http.get(f"{self.url}{FILES}/Folders", timeout=PATIENCE).json()
        return [row["Name"] for row in rows]

    def arm(self, **order: object) -> None:
        """Order a fault."""
        answer = self.http.post(f"{self.url}/simulator/faults", json=order, timeout=PATIENCE)
        assert answer.status_code == requests.codes.created

    def make_folder(self) -> requests.Response:
        """Make a folder."""
        return self.http.post(
            f"{self.url}{FILES}/Folders", json={"Name": "chase.md"}, timeout=PATIENCE
        )


class TestProcess:
    def test_it_resets_connections_remembers_over_a_restart_and_ends_at_once(
        self, tmp_path: Path
    ) -> None:
        with process(tmp_path) as (running, url):
            app = Session(url)
            app.let_in()
            app.arm(kind="store-then-reset", method="POST")
            with pytest.raises(requests.ConnectionError) as caught:
                app.make_folder()
            assert "reset by peer" in str(caught.value)
            app.arm(kind="half-body")
            with pytest.raises(requests.exceptions.ChunkedEncodingError):
                app.folders()
            assert "chase.md" in app.folders()

            app.arm(kind="store-then-hang", method="POST", seconds=3 * PATIENCE)
            hanging = threading.Thread(target=self._expect_nothing, args=[app])
            hanging.start()
            self._wait_until_injected(url, "store-then-hang")
            running.send_signal(signal.SIGTERM)
            assert running.wait(PATIENCE) == 0, "it waits for the call that hangs"
            hanging.join(PATIENCE)
            assert not hanging.is_alive()

        with process(tmp_path) as (running, url):
            app.url = url
            assert app.folders().count("chase.md") == 2
            running.send_signal(signal.SIGINT)
            assert running.wait(PATIENCE) == 0

    @staticmethod
    def _expect_nothing(app: Session) -> None:
        with pytest.raises(requests.ConnectionError):
            app.make_folder()

    @staticmethod
    def _wait_until_injected(url: str, kind: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            faults = requests.get(f"{url}/simulator/faults", timeout=PATIENCE).json()
            if kind in faults["injected"]:
                return
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def test_a_redirect_uri_that_xero_refuses_is_refused_at_once(self) -> None:
        command = [sys.executable, "-m", "dashboard.simulator.serve", "--client-id", "a"]
        command += ["--client-secret", "b", "--redirect-uri", "http://127.0.0.1/callback"]
        ended = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=PATIENCE
        )
        assert ended.returncode == 2
        assert "does not accept http://127.0.0.1/callback" in ended.stderr
