"""A person's browser as tests use it: Flask's test client that finds the CSRF token by itself."""

from __future__ import annotations

import contextvars
import re
import secrets
from typing import Any

from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from werkzeug.test import TestResponse

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import User

_TOKEN = re.compile(r'<meta name="csrf-token" content="([^"]+)"')


class FreshClient(FlaskClient):
    """Makes each request in a context of its own, as a server does.

    The test's own app context stays outside: with it, `g` would live on from request to request.
    """

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """Make one request."""
        # A test that looked at a row holds a transaction, which on SQLite keeps others waiting.
        db.session.rollback()
        return contextvars.Context().run(super().open, *args, **kwargs)


class Browser:
    """Asks for pages, posts forms and calls the JSON routes as somebody who is signed in."""

    def __init__(self, http: FlaskClient) -> None:
        self.http = http
        self.csrf_token = ""

    def sign_in(self, email: str, password: str) -> TestResponse:
        """Sign in through the form."""
        self._learn_token("/sign-in")
        answer = self.post("/sign-in", {"email": email, "password": password})
        if answer.status_code == 303:
            self._learn_token("/alerts")
        return answer

    def enter_as(self, user: User, **where: str) -> None:
        """Begin a session as the form would, without the form: most tests are not about it.

        *where* may name another `base_url` than the test client's own.
        """
        with self.http.session_transaction(**where) as session:
            now = utcnow().timestamp()
            session.permanent = True
            session.update(
                _user_id=str(user.id),
                _fresh=True,
                browser_key=secrets.token_urlsafe(16),
                signed_in_at=now,
                seen_at=now,
            )
            session["csrf_token"] = secrets.token_hex(20)
            key = self.http.application.secret_key
            signer = URLSafeTimedSerializer(key, salt="wtf-csrf-token")
            self.csrf_token = signer.dumps(session["csrf_token"])

    def get(self, path: str, **options: Any) -> TestResponse:
        """Ask for a page or a panel."""
        return self.http.get(path, **options)

    def post(self, path: str, fields: dict[str, Any] | None = None, **options: Any) -> TestResponse:
        """Post a form as a page would."""
        data = {"csrf_token": self.csrf_token, **(fields or {})}
        return self.http.post(path, data=data, **options)

    def get_json(self, path: str) -> Any:
        """Return the JSON at *path*; fails unless it is there."""
        answer = self.http.get(path, headers={"Accept": "application/json"})
        assert answer.status_code == 200, answer.text
        return answer.json

    def send_json(self, method: str, path: str, body: Any = None) -> TestResponse:
        """Call a JSON route that changes something."""
        headers = {"Accept": "application/json", "X-CSRFToken": self.csrf_token}
        return self.http.open(path, method=method, json=body or {}, headers=headers)

    def _learn_token(self, path: str) -> None:
        found = _TOKEN.search(self.http.get(path).text)
        assert found, f"{path} carries no CSRF token"
        self.csrf_token = found[1]
