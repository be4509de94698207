"""What goes wrong gets a sentence and the right status, and loses nothing."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from dashboard import wiring
from dashboard.app import create_app
from dashboard.config import Settings
from dashboard.database import db
from dashboard.models import Practice, SyncRun, User, XeroFilePush
from dashboard.simulator import World
from tests import factories
from tests.flows.test_connect import connect
from tests.support.browser import Browser, FreshClient

API = "/api/integrations/xero"
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
TEN_MEGABYTES = 10_000_000


def upload(browser: Browser, client_id: object, name: str, content: bytes) -> TestResponse:
    fields = {
        "client_id": str(client_id),
        "document_type": "P60",
        "tax_year": "2025-26",
        "file": (io.BytesIO(content), name),
    }
    return browser.http.post(
        "/api/documents",
        data=fields,
        headers={"Accept": "application/json", "X-CSRFToken": browser.csrf_token},
    )


class TestSigningIn:
    def test_a_wrong_password_does_not_say_which_was_wrong(
        self, visitor: FlaskClient, admin: User
    ) -> None:
        browser = Browser(visitor)
        known = browser.sign_in(admin.email, "not the password")
        unknown = Browser(visitor).sign_in("nobody@example.com", "not the password")
        assert known.status_code == unknown.status_code == 401
        assert "Check your email and password." in known.text
        assert "Check your email and password." in unknown.text
        assert 'value="priya@hartley.example"' in known.text
        assert "not the password" not in known.text

    def test_guessing_ends_in_a_wait(self, visitor: FlaskClient, admin: User) -> None:
        browser = Browser(visitor)
        email = admin.email
        answers = [browser.sign_in(email, f"guess {n}") for n in range(12)]
        assert [answer.status_code for answer in answers[:10]] == [401] * 10
        assert answers[-1].status_code == 429
        assert re.search(r"Try again in 1[45] minutes\.", answers[-1].text)
        assert f'value="{email}"' in answers[-1].text

    def test_without_its_token_the_form_is_refused_in_words(
        self, visitor: FlaskClient, admin: User
    ) -> None:
        answer = visitor.post("/sign-in", data={"email": admin.email, "password": "x"})
        assert answer.status_code == 403
        assert "This page was open too long." in answer.text
        assert "Ask your practice admin" not in answer.text

    @pytest.mark.parametrize(
        "target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x"]
    )
    def test_it_never_leads_elsewhere(self, visitor: FlaskClient, admin: User, target: str) -> None:
        browser = Browser(visitor)
        browser._learn_token("/sign-in")
        fields = {"email": admin.email, "password": factories.PASSWORD, "next": target}
        assert browser.post("/sign-in", fields).headers["Location"] == "/"

    def test_it_leads_back_to_where_somebody_wanted_to_go(
        self, visitor: FlaskClient, admin: User
    ) -> None:
        answer = visitor.get("/documents?tab=attention")
        assert answer.status_code == 303
        assert answer.headers["Location"] == "/sign-in?next=/documents?tab%3Dattention"


class TestRequestsWithoutToken:
    def test_json_is_refused_as_a_problem(self, browser: Browser) -> None:
        answer = browser.http.post(f"{API}/sync", json={}, headers={"Accept": "application/json"})
        assert answer.status_code == 403
        assert answer.content_type == "application/problem+json"
        assert answer.json["code"] == "csrf"
        assert "X-CSRFToken" in answer.json["detail"]

    def test_somebody_without_a_session_is_asked_to_sign_in(self, visitor: FlaskClient) -> None:
        answer = visitor.post(f"{API}/sync", json={})
        assert answer.status_code == 401
        assert answer.content_type == "application/problem+json"
        assert answer.json["code"] == "signed_out"

    def test_a_panel_without_a_session_is_told_so_and_never_redirected(
        self, visitor: FlaskClient
    ) -> None:
        answer = visitor.get("/panels/frame", headers={"HX-Request": "true"})
        assert answer.status_code == 401
        assert answer.headers["HX-Trigger"] == "session-ended"
        assert "Set-Cookie" not in answer.headers


class TestTextThatCannotBeStored:
    @pytest.mark.parametrize(
        "path",
        ["/api/clients?q=%00", "/api/documents?q=%00", "/clients?q=a%00b", "/documents?type=%00"],
    )
    def test_an_address_with_a_nul_is_refused(self, browser: Browser, path: str) -> None:
        assert browser.get(path).status_code == 422

    def test_nobody_signs_in_with_a_nul(self, visitor: FlaskClient, admin: User) -> None:
        answer = Browser(visitor).sign_in(f"{admin.email}\0", factories.PASSWORD)
        assert answer.status_code == 401

    @pytest.mark.parametrize("body", [b'{"name": "\\ud800"}', b'{"name": NaN}', b"[" * 100_000])
    def test_what_is_no_json_is_refused(self, browser: Browser, body: bytes) -> None:
        headers = {"Content-Type": "application/json", "X-CSRFToken": browser.csrf_token}
        answer = browser.http.post("/api/clients", data=body, headers=headers)
        assert answer.status_code == 422
        assert browser.get_json("/api/clients")["items"] == []


class TestMethods:
    def test_the_answer_names_what_the_address_takes(self, browser: Browser) -> None:
        answer = browser.send_json("PUT", f"{API}/sync")
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "OPTIONS, POST"

    def test_disconnecting_takes_true_or_false_and_nothing_like_it(
        self, browser: Browser, world: World
    ) -> None:
        connect(browser, world)
        answer = browser.send_json("POST", f"{API}/disconnect", {"remove_links": "maybe"})
        assert answer.status_code == 422
        assert answer.json["field"] == "remove_links"
        assert browser.get_json(f"{API}/status")["status"] == "active"


class TestUploads:
    @pytest.fixture
    def client_id(self, practice: Practice) -> object:
        return factories.make_client(practice).id

    def test_a_file_above_ten_megabytes(self, browser: Browser, client_id: object) -> None:
        answer = upload(browser, client_id, "big.pdf", PDF + b" " * TEN_MEGABYTES)
        assert answer.status_code == 413
        assert "Xero takes up to 10 MB" in answer.json["detail"]
        assert browser.get_json("/api/documents")["items"] == []

    def test_a_request_that_is_far_too_large(self, browser: Browser, client_id: object) -> None:
        answer = upload(browser, client_id, "huge.pdf", PDF + b" " * 13_000_000)
        assert answer.status_code == 413
        assert "too large" in answer.json["detail"]

    def test_a_type_that_xero_does_not_take(self, browser: Browser, client_id: object) -> None:
        answer = upload(browser, client_id, "run.exe", b"MZ" + b"\0" * 100)
        assert answer.status_code == 415
        assert "Xero does not take .exe files." in answer.json["detail"]

    def test_a_name_that_does_not_fit_the_content(
        self, browser: Browser, client_id: object
    ) -> None:
        answer = upload(browser, client_id, "photo.pdf", b"\x89PNG\r\n\x1a\n" + b"\0" * 100)
        assert answer.status_code == 422
        assert browser.get_json("/api/documents")["items"] == []

    def test_an_empty_file(self, browser: Browser, client_id: object) -> None:
        assert upload(browser, client_id, "empty.pdf", b"").status_code == 422

    def test_a_request_without_a_file(self, browser: Browser, client_id: object) -> None:
        answer = browser.http.post(
            "/api/documents",
            data={"client_id": str(client_id)},
            headers={"Accept": "application/json", "X-CSRFToken": browser.csrf_token},
        )
        assert answer.status_code == 422
        assert answer.json["field"] == "file"

    def test_a_client_of_another_practice_does_not_exist(
        self, browser: Browser, stranger: User
    ) -> None:
        theirs = factories.make_client(stranger.practice)
        mine = upload(browser, theirs.id, "a.pdf", PDF)
        nobody = upload(browser, uuid4(), "a.pdf", PDF)
        assert mine.status_code == nobody.status_code == 404
        assert mine.data == nobody.data

    def test_the_page_says_it_beside_the_form(self, browser: Browser, client_id: object) -> None:
        answer = browser.post(
            "/documents",
            {
                "client_id": str(client_id),
                "document_type": "P60",
                "file": (io.BytesIO(b"MZ" + b"\0" * 50), "run.exe"),
            },
        )
        assert answer.status_code == 415
        assert "Xero does not take .exe files." in answer.text
        assert 'value="P60"' in answer.text


class TestWithoutRedis:
    @pytest.fixture
    def app(self, settings: Settings) -> Iterator[Flask]:
        app = create_app(replace(settings, redis_url="redis://localhost:1/0"))
        app.test_client_class = FreshClient
        with app.app_context():
            yield app
            db.session.remove()
            db.engine.dispose()

    def test_accepting_a_document_works_and_is_quick(
        self, browser: Browser, practice: Practice, session: Session
    ) -> None:
        factories.make_connection(practice)
        client_id = factories.make_client(practice).id
        document = upload(browser, client_id, "a.pdf", PDF).json
        started = time.monotonic()
        answer = browser.send_json("POST", f"/api/documents/{document['id']}/accept")
        assert time.monotonic() - started < 5
        assert answer.status_code == 200
        assert answer.json["push"]["status"] == "pending"
        session.rollback()
        assert session.scalars(select(XeroFilePush)).one().status == "pending"

    def test_the_status_is_still_told(self, browser: Browser, practice: Practice) -> None:
        factories.make_connection(practice)
        status = browser.get_json(f"{API}/status")
        assert status["calls"]["minute_remaining"] is None
        assert browser.get("/settings").status_code == 200

    def test_it_says_that_it_is_not_ready(self, visitor: FlaskClient) -> None:
        answer = visitor.get("/readyz")
        assert answer.status_code == 503
        assert answer.json["redis"] == "does not answer"
        assert visitor.get("/healthz").status_code == 200


class TestXeroDownWhileSyncing:
    def test_the_run_waits_and_goes_on_by_itself(
        self, browser: Browser, world: World, practice: Practice, session: Session
    ) -> None:
        practice_id = practice.id
        connect(browser, world)
        world.faults.arm("503-maintenance", path="/api.xro/2.0/Contacts", times=1)
        wiring.xero_sync().sync_contacts(practice_id)
        [run] = browser.get_json(f"{API}/sync-history")["items"]
        assert run["status"] == "waiting_for_xero"
        assert browser.get_json(f"{API}/status")["status"] == "active"
        session.rollback()
        row = session.scalars(select(SyncRun)).one()
        row.not_before = None
        session.commit()
        wiring.xero_sync().sync_contacts(practice_id)
        [run] = browser.get_json(f"{API}/sync-history")["items"]
        assert run["status"] == "finished"


class TestStrangers:
    @pytest.fixture
    def theirs(self, practice: Practice, admin: User) -> dict[str, str]:
        client = factories.make_client(practice)
        document = factories.make_document(client)
        return {"client": str(client.id), "document": str(document.id)}

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/api/documents/{document}"),
            ("POST", "/api/documents/{document}/accept"),
            ("POST", "/api/documents/{document}/reject"),
            ("POST", "/api/documents/{document}/retry"),
            ("GET", "/api/clients/{client}"),
            ("GET", "/documents/{document}"),
            ("GET", "/documents/{document}/content"),
            ("POST", "/documents/{document}/accept"),
            ("GET", "/clients/{client}"),
        ],
    )
    def test_they_see_what_nobody_has(
        self,
        browser_of: Callable[[User], Browser],
        stranger: User,
        theirs: dict[str, str],
        method: str,
        path: str,
    ) -> None:
        other = browser_of(stranger)
        headers = {"X-CSRFToken": other.csrf_token}
        nothing = {name: str(uuid4()) for name in theirs}
        seen = other.http.open(path.format(**theirs), method=method, headers=headers)
        absent = other.http.open(path.format(**nothing), method=method, headers=headers)
        assert seen.status_code == absent.status_code == 404
        assert _without_ids(seen.text, theirs) == _without_ids(absent.text, nothing)


def _without_ids(text: str, ids: dict[str, str]) -> str:
    # The token that a page carries holds the second at which it was signed.
    text = re.sub(r'(name="csrf-token" content=|X-CSRFToken": )"[^"]+"', "", text)
    text = re.sub(r'name="csrf_token" value="[^"]+"', "", text)
    for each in ids.values():
        text = text.replace(each, "")
    return text
