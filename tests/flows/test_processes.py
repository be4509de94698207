"""The whole journey over JSON alone, through real processes, as in production."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from dashboard.embedded import free_port
from tests.support import servers
from tests.support.json_person import JsonPerson

XERO = "/api/integrations/xero"
PASSWORD = "a long enough password"
PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\n"
    b"trailer<</Root 1 0 R>>\n%%EOF\n"
)

pytestmark = pytest.mark.timeout(240)


def flask(environment: dict[str, str], *words: str, stdin: str = "") -> str:
    """Run a `flask` command and return the last line that it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", *words],
        cwd=servers.PROJECT,
        env={"PATH": "/usr/bin:/bin", "FLASK_SKIP_DOTENV": "1", **environment},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Settings of an installation on PostgreSQL whose web, worker and scheduler are running."""
    folder = tmp_path_factory.mktemp("installation")
    origin = f"http://localhost:{free_port()}"
    with (
        servers.embedded_redis(folder / "redis") as redis_url,
        servers.embedded_postgres() as server,
        servers.new_database(server) as database_url,
        servers.simulator(folder, f"{origin}{XERO}/callback") as xero,
    ):
        environment = {
            "DATABASE_URL": database_url,
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
        flask(environment, "db", "upgrade")
        with (
            servers.web(environment),
            servers.worker(environment),
            servers.scheduler(environment),
        ):
            yield environment


@pytest.fixture(scope="module")
def person(installation: dict[str, str]) -> JsonPerson:
    """The admin of a new practice."""
    email = "priya@hartley.example"
    practice_id = flask(
        installation,
        *("practice", "create", "Hartley Accounting", "--admin-email", email, "--password-stdin"),
        stdin=f"{PASSWORD}\n",
    )
    flask(
        installation,
        *("user", "create", "tom@hartley.example", "--practice", practice_id),
        *("--role", "staff", "--password-stdin"),
        stdin=f"{PASSWORD}\n",
    )
    return JsonPerson(installation["PUBLIC_URL"], email, PASSWORD)


def consent(installation: dict[str, str], url: str) -> str:
    """Press Allow at the simulator, for its first organisation."""
    xero = installation["XERO_API_URL"]
    state = requests.get(f"{xero}/simulator/state", timeout=10).json()
    organisation = state["organisations"][0]
    user = next(u for u in state["users"] if organisation["tenant_id"] in u["tenant_ids"])
    choice = f"{user['user_id']} {organisation['tenant_id']}"
    answer = requests.post(
        url, {"decision": "allow", "choice": choice}, allow_redirects=False, timeout=10
    )
    return answer.headers["Location"]


class TestJourney:
    def test_connect_import_and_file(
        self, installation: dict[str, str], person: JsonPerson
    ) -> None:
        self.connect(installation, person)
        contacts = self.read_contacts(person)
        client = self.import_one(person, contacts)
        document = self.file(person, client)
        self.look_in_xero(installation, document, client)
        ready = requests.get(f"{person.origin}/readyz", timeout=10)
        assert ready.status_code == 200, ready.text
        self.disconnect(person)

    def connect(self, installation: dict[str, str], person: JsonPerson) -> None:
        assert person.ask(f"{XERO}/status")["status"] == "not_connected"
        url = person.send(f"{XERO}/connect")["authorization_url"]
        answer = person.come_back(consent(installation, url))
        assert answer.status_code == 303, answer.text
        assert answer.headers["Location"].endswith("/settings?xero=connected")
        assert person.ask(f"{XERO}/status")["status"] == "active"

    def read_contacts(self, person: JsonPerson) -> dict[str, Any]:
        run = person.finished(person.send(f"{XERO}/sync"))
        assert run["kind"] == "contact_sync"
        assert run["status"] == "finished", run
        preview: dict[str, Any] = person.ask(f"{XERO}/import-preview", limit=500)
        assert preview["total"] > 300
        assert preview["counts"]["new"] > 250
        assert person.ask(f"{XERO}/status")["last_sync_contact_count"] > 250
        return preview

    def import_one(self, person: JsonPerson, preview: dict[str, Any]) -> dict[str, Any]:
        contact = next(row for row in preview["items"] if row["match"] == "new" and row["groups"])
        decision = {"xero_contact_id": contact["xero_contact_id"], "action": "create"}
        run = person.finished(person.send(f"{XERO}/import", {"decisions": [decision]}))
        assert run["status"] == "finished", run
        assert run["created"] == 1
        [client] = person.ask("/api/clients", q=contact["name"])["items"]
        assert client["xero_contact_id"] == contact["xero_contact_id"]
        assert client["tags"]
        found: dict[str, Any] = client
        return found

    def file(self, person: JsonPerson, client: dict[str, Any]) -> dict[str, Any]:
        fields = {"client_id": client["id"], "document_type": "P60", "tax_year": "2025-26"}
        document = person.send(
            "/api/documents", data=fields, files={"file": ("scan.pdf", PDF, "application/pdf")}
        )
        assert document["status"] == "received"
        assert document["push"] is None
        path = f"/api/documents/{document['id']}"
        person.send(f"{path}/accept")
        filed: dict[str, Any] = person.wait_for(
            lambda: person.ask(path), lambda said: said["push"]["status"] == "associated"
        )
        assert filed["push"]["file_name"].endswith("_P60_2025-26.pdf")
        assert filed["push"]["pushed_at"]
        return filed

    def look_in_xero(
        self, installation: dict[str, str], document: dict[str, Any], client: dict[str, Any]
    ) -> None:
        xero = installation["XERO_API_URL"]
        state = requests.get(f"{xero}/simulator/state", timeout=10).json()
        organisation = state["organisations"][0]
        [file] = [
            each for each in organisation["files"] if each["Id"] == document["push"]["xero_file_id"]
        ]
        [folder] = [each for each in organisation["folders"] if each["Id"] == file["FolderId"]]
        assert folder["Name"] == "chase.md"
        assert [each["ObjectId"] for each in file["Associations"]] == [client["xero_contact_id"]]

    def disconnect(self, person: JsonPerson) -> None:
        assert person.send(f"{XERO}/disconnect")["confirmed_by_xero"] is True
        assert person.ask(f"{XERO}/status")["status"] == "disconnected"
