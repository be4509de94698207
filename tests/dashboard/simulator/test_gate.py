"""What a call must pass before Accounting or Files looks at it."""

from __future__ import annotations

import pytest

from dashboard.simulator.admin import perform
from dashboard.simulator.seed import SECOND_NAME
from tests.dashboard.simulator.caller import CONTACTS, FILES, Caller

ALL_LIMITS = ("X-DayLimit-Remaining", "X-MinLimit-Remaining", "X-AppMinLimit-Remaining")


class TestToken:
    @pytest.mark.parametrize(
        "header", ["", "Bearer", "Bearer nonsense", "Basic abc", "Bearer a.b.c"]
    )
    def test_without_a_good_token_the_answer_is_401(self, app: Caller, header: str) -> None:
        answer = app.get(CONTACTS, headers={"Authorization": header})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer error=invalid_token"
        body = answer.get_json()
        assert body["Detail"] == "AuthenticationUnsuccessful"
        assert body["Instance"] == answer.headers["xero-correlation-id"]
        assert set(body) == {"Type", "Title", "Status", "Detail", "Instance", "Extensions"}
        assert not set(ALL_LIMITS) & set(answer.headers.keys())

    def test_an_expired_token_is_told_when_it_expired(self, app: Caller) -> None:
        app.world.shift_clock(1800)
        answer = app.get(CONTACTS)
        assert answer.status_code == 401
        detail = answer.get_json()["Detail"]
        assert detail == "TokenExpired: token expired at 04/07/2026 12:30:00"

    def test_a_token_works_until_its_last_second(self, app: Caller) -> None:
        app.world.shift_clock(1799)
        assert app.get(CONTACTS).status_code == 200

    def test_an_id_token_opens_nothing(self, app: Caller) -> None:
        headers = {"Authorization": f"Bearer {app.tokens['id_token']}"}
        assert app.get(CONTACTS, headers=headers).status_code == 401

    def test_a_changed_token_opens_nothing(self, app: Caller) -> None:
        head, body, signature = app.tokens["access_token"].split(".")
        forged = f"{head}.{body[:-2]}AA.{signature}"
        headers = {"Authorization": f"Bearer {forged}"}
        assert app.get(CONTACTS, headers=headers).status_code == 401


class TestScope:
    @pytest.mark.parametrize(
        ("scope", "method", "path"),
        [
            ("files", "GET", CONTACTS),
            ("accounting.contacts.read", "GET", "/api.xro/2.0/Organisation"),
            ("accounting.settings.read", "GET", "/api.xro/2.0/ContactGroups"),
            ("accounting.contacts.read", "GET", f"{FILES}/Files"),
            ("files.read", "POST", f"{FILES}/Folders"),
            ("files.read", "POST", f"{FILES}/Files"),
            ("files.read", "DELETE", f"{FILES}/Files/1"),
            ("accounting.contacts.read", "POST", CONTACTS),
        ],
    )
    def test_a_missing_scope_is_401(
        self, caller: Caller, scope: str, method: str, path: str
    ) -> None:
        caller.let_in(scope=scope)
        answer = caller.call(method, path, json={} if method == "POST" else None)
        assert answer.status_code == 401
        assert answer.get_json()["Detail"] == "AuthorizationUnsuccessful"

    def test_reading_files_needs_no_more_than_reading(self, caller: Caller) -> None:
        caller.let_in(scope="files.read")
        assert caller.get(f"{FILES}/Folders").status_code == 200


class TestOrganisation:
    @pytest.mark.parametrize("tenant_id", ["", "nonsense", "00000000-0000-0000-0000-000000000000"])
    def test_a_missing_or_unknown_tenant_is_403(self, app: Caller, tenant_id: str) -> None:
        answer = app.get(CONTACTS, headers={"xero-tenant-id": tenant_id})
        assert answer.status_code == 403
        assert answer.get_json()["Title"] == "Forbidden"
        assert answer.get_json()["Detail"] == "AuthenticationUnsuccessful"
        assert "X-AppMinLimit-Remaining" in answer.headers
        assert "X-MinLimit-Remaining" not in answer.headers

    def test_an_organisation_that_was_never_linked_is_403(self, app: Caller) -> None:
        app.tenant_id = app.world.organisation(SECOND_NAME).tenant_id
        assert app.get(CONTACTS).status_code == 403

    def test_one_token_opens_every_organisation_of_the_person(self, caller: Caller) -> None:
        caller.let_in()
        first = dict(caller.tokens)
        caller.let_in(caller.choice("Amira", SECOND_NAME))
        caller.tokens = first
        caller.tenant_id = caller.world.organisation(SECOND_NAME).tenant_id
        assert caller.get(CONTACTS).status_code == 200

    def test_disconnecting_in_xero_is_403_and_leaves_the_list(self, app: Caller) -> None:
        perform(app.world, "disconnect_organisation", {"tenant_id": app.tenant_id})
        assert app.get(CONTACTS).status_code == 403
        assert app.wire.get("/connections", headers=app.bearer()).get_json() == []

    def test_losing_the_role_is_403_and_stays_on_the_list(self, app: Caller) -> None:
        details = {"tenant_id": app.tenant_id, "user_id": app.person("Amira")}
        perform(app.world, "remove_role", details)
        assert app.get(CONTACTS).status_code == 403
        assert len(app.wire.get("/connections", headers=app.bearer()).get_json()) == 1
        perform(app.world, "restore_role", details)
        assert app.get(CONTACTS).status_code == 200


class TestHeaders:
    def test_every_authorised_answer_says_what_is_left(self, app: Caller) -> None:
        first, second = app.get(CONTACTS), app.get(f"{FILES}/Files/unknown")
        assert [first.headers[name] for name in ALL_LIMITS] == ["4999", "59", "9999"]
        assert [second.headers[name] for name in ALL_LIMITS] == ["4998", "58", "9998"]

    def test_every_answer_has_a_correlation_id_of_its_own(self, app: Caller) -> None:
        ids = {app.get(CONTACTS).headers["xero-correlation-id"] for _ in range(3)}
        assert len(ids) == 3

    def test_unknown_paths_pass_the_gate_before_they_are_404(self, app: Caller) -> None:
        path = "/api.xro/2.0/Invoices"
        assert app.wire.get(path).status_code == 401
        answer = app.get(path)
        assert answer.status_code == 404
        assert answer.text == "The resource you're looking for cannot be found"
        assert "X-MinLimit-Remaining" in answer.headers
