"""Somebody who uses a running installation over HTTP: signs in by the form, then JSON alone."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

import requests

WAIT_SECONDS = 60.0
ASK_EVERY = 0.2
FINAL = {"finished", "finished_with_problems", "failed", "cancelled"}
_TOKEN = re.compile(r'<meta name="csrf-token" content="([^"]+)"')


class JsonPerson:
    """A signed-in person at *origin*."""

    def __init__(self, origin: str, email: str, password: str) -> None:
        self.origin = origin
        self.http = requests.Session()
        self._learn_token("/sign-in")
        fields = {"email": email, "password": password, "csrf_token": self._token}
        answer = self.http.post(self._url("/sign-in"), fields, allow_redirects=False, timeout=20)
        assert answer.status_code == 303, answer.text
        self._learn_token("/")

    def ask(self, path: str, **query: Any) -> Any:
        """Return the JSON at *path*."""
        answer = self.http.get(self._url(path), params=query, headers=self._headers(), timeout=20)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def send(self, path: str, body: Any = None, method: str = "POST", **options: Any) -> Any:
        """Return the JSON answer to a call that changes something; fails unless it is a 2xx."""
        if "files" not in options:
            options["json"] = body or {}
        answer = self.http.request(
            method, self._url(path), headers=self._headers(), timeout=30, **options
        )
        assert answer.ok, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def come_back(self, address: str) -> requests.Response:
        """Follow the way back from Xero."""
        path = "/" + address.split("/", 3)[3]
        return self.http.get(self._url(path), allow_redirects=False, timeout=30)

    def wait_for(self, ask: Callable[[], Any], good: Callable[[Any], bool]) -> Any:
        """Return what *ask* says once it is *good*; fails after a minute with the last word."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            said = ask()
            if good(said):
                return said
            assert time.monotonic() < deadline, said
            time.sleep(ASK_EVERY)

    def finished(self, run: dict[str, Any]) -> dict[str, Any]:
        """Return *run* once nothing more happens to it."""
        path = f"/api/integrations/xero/runs/{run['id']}"
        done: dict[str, Any] = self.wait_for(
            lambda: self.ask(path), lambda said: said["status"] in FINAL
        )
        return done

    def _headers(self) -> dict[str, str]:
        return {"Accept": "application/json", "X-CSRFToken": self._token}

    def _url(self, path: str) -> str:
        return urljoin(self.origin, path)

    def _learn_token(self, path: str) -> None:
        found = _TOKEN.search(self.http.get(self._url(path), timeout=20).text)
        assert found, f"{path} carries no CSRF token"
        self._token = found[1]
