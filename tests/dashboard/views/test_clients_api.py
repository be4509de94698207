"""Clients as JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from dashboard.models import Practice, User
from tests import factories
from tests.support.browser import Browser

CLIENT_KEYS = {
    "id",
    "name",
    "email",
    "phone",
    "company_number",
    "tax_number",
    "xero_contact_id",
    "tags",
}


class TestCreate:
    def test_a_client_is_made_and_answered(self, browser: Browser) -> None:
        answer = browser.send_json(
            "POST", "/api/clients", {"name": "Ada Ltd", "email": "ada@example.com"}
        )
        assert answer.status_code == 201
        assert set(answer.json) == CLIENT_KEYS
        assert answer.json["name"] == "Ada Ltd"
        assert answer.json["tags"] == []
        assert answer.json["xero_contact_id"] is None
        assert browser.get_json(answer.headers["Location"]) == answer.json

    def test_a_field_that_cannot_be_kept_is_named(self, browser: Browser) -> None:
        wrong: list[tuple[dict[str, object], str]] = [
            ({}, "name"),
            ({"name": "  "}, "name"),
            ({"name": 7}, "name"),
            ({"name": "Ada", "email": "not an address"}, "email"),
            ({"name": "x" * 256}, "name"),
        ]
        for body, field in wrong:
            answer = browser.send_json("POST", "/api/clients", body)
            assert answer.status_code == 422, body
            assert answer.mimetype == "application/problem+json"
            assert answer.json["field"] == field, body
        assert browser.get_json("/api/clients")["items"] == []

    def test_a_list_is_refused(self, browser: Browser) -> None:
        assert browser.send_json("POST", "/api/clients", ["Ada"]).status_code == 422

    def test_a_post_without_the_token_is_refused(self, browser: Browser) -> None:
        answer = browser.http.post(
            "/api/clients", json={"name": "Ada"}, headers={"Accept": "application/json"}
        )
        assert answer.status_code == 403


class TestList:
    def test_pages_follow_each_other_by_name(self, browser: Browser, practice: Practice) -> None:
        for name in ("Cid", "Ada", "Bea"):
            factories.make_client(practice, name=name)
        first = browser.get_json("/api/clients?limit=2")
        assert [client["name"] for client in first["items"]] == ["Ada", "Bea"]
        rest = browser.get_json(f"/api/clients?limit=2&cursor={first['next']}")
        assert [client["name"] for client in rest["items"]] == ["Cid"]
        assert rest["next"] is None

    def test_a_search_finds_names_and_emails(self, browser: Browser, practice: Practice) -> None:
        factories.make_client(practice, name="Ada", email="lovelace@example.com")
        factories.make_client(practice, name="Bea")
        found = browser.get_json("/api/clients?q=lovelace")
        assert [client["name"] for client in found["items"]] == ["Ada"]

    @pytest.mark.parametrize("name", ["\0", "\ud800"])
    def test_a_place_that_no_name_has_is_refused(self, browser: Browser, name: str) -> None:
        place = json.dumps({"name": name, "id": str(uuid4())})
        cursor = base64.urlsafe_b64encode(place.encode()).decode()
        assert browser.get(f"/api/clients?cursor={cursor}").status_code == 422

    def test_a_broken_page_is_refused(self, browser: Browser) -> None:
        for query in ("limit=0", "limit=501", "limit=x", "cursor=%21", "cursor=e30"):
            assert browser.get(f"/api/clients?{query}").status_code == 422, query


class TestStranger:
    def test_a_stranger_sees_no_client_of_ours(
        self, browser_of: Callable[[User], Browser], stranger: User, practice: Practice
    ) -> None:
        client = factories.make_client(practice)
        browser = browser_of(stranger)
        assert browser.get_json("/api/clients")["items"] == []
        ours = browser.get(f"/api/clients/{client.id}")
        nobodys = browser.get(f"/api/clients/{uuid4()}")
        assert (ours.status_code, ours.data) == (404, nobodys.data)

    def test_a_malformed_id_is_not_found(self, browser: Browser) -> None:
        assert browser.get("/api/clients/7").status_code == 404

    def test_a_visitor_must_sign_in(self, visitor: FlaskClient) -> None:
        assert visitor.get("/api/clients").status_code == 401
