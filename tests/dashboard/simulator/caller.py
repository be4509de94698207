"""Someone who uses the pretend Xero over its HTTP interface, inside the test's process."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from dashboard.simulator import World

CLIENT_ID = "SIMULATEDCLIENT"
CLIENT_SECRET = "a secret that only the tests know"
REDIRECT_URI = "http://localhost:8000/api/integrations/xero/callback"
SCOPES = (
    "openid profile email offline_access accounting.contacts.read accounting.settings.read files"
)
AUTHORISE = "/identity/connect/authorize"
CONTACTS = "/api.xro/2.0/Contacts"
FILES = "/files.xro/1.0"


class Caller:
    """An app that a person let in, or is about to let in."""

    def __init__(self, wire: FlaskClient, world: World) -> None:
        self.wire = wire
        self.world = world
        self.tokens: dict[str, Any] = {}
        self.tenant_id = world.main.tenant_id

    def authorise_query(self, **changes: str | None) -> dict[str, str]:
        """Return the parameters of a correct authorise request, with some changed."""
        query: dict[str, str | None] = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": REDIRECT_URI,
            "scope": SCOPES,
            "state": "s1",
        }
        return {name: value for name, value in (query | changes).items() if value is not None}

    def decide(self, *choices: str, **changes: str | None) -> TestResponse:
        """Press a button on the consent page: Allow, unless `decision` says otherwise."""
        decision = changes.pop("decision", "allow")
        return self.wire.post(
            AUTHORISE,
            query_string=self.authorise_query(**changes),
            data={"decision": decision, "choice": list(choices)},
        )

    def choice(self, person: str = "Amira", organisation: str | None = None) -> str:
        """Return the value of the radio button for a person and an organisation."""
        user = self.person(person)
        chosen = self.world.organisation(organisation) if organisation else self.world.main
        return f"{user} {chosen.tenant_id}"

    def person(self, first_name: str) -> str:
        """Return the user id of a person."""
        users = self.world.state.users.values()
        return next(user.user_id for user in users if user.first_name == first_name)

    def code(self, *choices: str, **changes: str | None) -> str:
        """Return a fresh authorisation code."""
        answer = self.decide(*(choices or (self.choice(),)), **changes)
        assert answer.status_code == 302, answer.text
        return query_of(answer.headers["Location"])["code"]

    def token(self, **form: str) -> TestResponse:
        """Call the token endpoint with Basic credentials."""
        return self.wire.post("/connect/token", data=form, auth=(CLIENT_ID, CLIENT_SECRET))

    def exchange(self, code: str, **more: str) -> TestResponse:
        """Exchange a code."""
        return self.token(
            grant_type="authorization_code", code=code, redirect_uri=REDIRECT_URI, **more
        )

    def refresh(self, refresh_token: str) -> TestResponse:
        """Exchange a refresh token."""
        return self.token(grant_type="refresh_token", refresh_token=refresh_token)

    def let_in(self, *choices: str, **changes: str | None) -> Caller:
        """Go through the whole consent and keep the tokens."""
        answer = self.exchange(self.code(*choices, **changes))
        assert answer.status_code == 200, answer.text
        self.tokens = answer.get_json()
        return self

    def bearer(self) -> dict[str, str]:
        """Return the header with the access token."""
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}

    def call(self, method: str, path: str, **more: Any) -> TestResponse:
        """Call an API of the organisation; `headers` given override the usual ones."""
        headers = self.bearer() | {
            "xero-tenant-id": self.tenant_id,
            "Accept": "application/json",
        }
        headers |= more.pop("headers", {})
        return self.wire.open(path, method=method, headers=headers, **more)

    def get(self, path: str, **more: Any) -> TestResponse:
        """GET from an API."""
        return self.call("GET", path, **more)

    def contacts(self, **query: Any) -> list[dict[str, Any]]:
        """Return the contacts of a list read."""
        answer = self.get(CONTACTS, query_string=query)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.get_json()["Contacts"]
        return found

    def folder(self, name: str = "chase.md", **more: Any) -> str:
        """Make a folder and return its id."""
        answer = self.call("POST", f"{FILES}/Folders", json={"Name": name}, **more)
        assert answer.status_code in (200, 201), answer.text
        folder_id: str = answer.get_json()["Id"]
        return folder_id

    def upload(
        self,
        name: str = "Smith_P60_2025-26.pdf",
        content: bytes = b"%PDF-1.4",
        *,
        folder_id: str | None = None,
        key: str | None = None,
        mime_type: str = "application/pdf",
    ) -> TestResponse:
        """Upload one file the way our own app does."""
        body, content_type = multipart(
            f'name="{name}"; filename="{name}"', content, mime_type=mime_type
        )
        path = f"{FILES}/Files/{folder_id}" if folder_id else f"{FILES}/Files"
        headers = {"Content-Type": content_type} | ({"Idempotency-Key": key} if key else {})
        return self.call("POST", path, data=body, headers=headers)


def query_of(url: str) -> dict[str, str]:
    """Return the query of a URL as a plain dict."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def multipart(
    disposition: str,
    content: bytes,
    *,
    mime_type: str | None = None,
    texts: dict[str, str] | None = None,
    boundary: str = "b1",
) -> tuple[bytes, str]:
    """Return a multipart body with one part for bytes, and its Content-Type."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        for name, text in (texts or {}).items()
    ]
    kind = f"Content-Type: {mime_type}\r\n" if mime_type else ""
    head = f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n{kind}\r\n"
    parts.append(head.encode() + content + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), (
        f"multipart/form-data; boundary={boundary}"
    )
