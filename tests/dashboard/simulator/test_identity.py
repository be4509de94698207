"""The login and identity servers as an app meets them."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import KeySet
from werkzeug.test import TestResponse

from dashboard.simulator import App, World
from dashboard.simulator.seed import DEMO_NAME, SECOND_NAME
from tests.dashboard.simulator.caller import (
    AUTHORISE,
    CLIENT_ID,
    CLIENT_SECRET,
    CONTACTS,
    REDIRECT_URI,
    SCOPES,
    Caller,
    query_of,
)

MINUTE = 60
DAY = 24 * 60 * MINUTE


def error_of(answer: TestResponse) -> str:
    """Return the OAuth error of a token answer."""
    assert answer.status_code == 400
    assert list(answer.get_json()) == ["error"]
    return str(answer.get_json()["error"])


def claims_of(wire: FlaskClient, token: str) -> dict[str, Any]:
    """Return the claims of a token whose signature the published keys confirm."""
    keys = KeySet.import_key_set(wire.get("/.well-known/openid-configuration/jwks").get_json())
    return dict(jwt.decode(token, keys, algorithms=["RS256"]).claims)


class TestRegistration:
    @pytest.mark.parametrize(
        "uri",
        [
            "http://127.0.0.1:8000/callback",
            "http://example.com/callback",
            "https://*.example.com/callback",
            "ftp://localhost/callback",
            "callback",
        ],
    )
    def test_redirect_uris_that_xero_refuses_cannot_be_registered(self, uri: str) -> None:
        with pytest.raises(ValueError, match="redirect URI"):
            App("id", "secret", (uri,))

    def test_more_than_fifty_redirect_uris_cannot_be_registered(self) -> None:
        uris = tuple(f"https://example.com/{number}" for number in range(51))
        with pytest.raises(ValueError, match="at most 50"):
            App("id", "secret", uris)

    def test_the_secret_does_not_show(self) -> None:
        assert "hidden" not in repr(App("id", "hidden", ("https://example.com/",)))


class TestConsentPage:
    def test_it_shows_who_asks_for_what_and_every_organisation_that_one_may_choose(
        self, caller: Caller
    ) -> None:
        page = caller.wire.get(AUTHORISE, query_string=caller.authorise_query())
        assert page.status_code == 200
        assert "Dashboard under test wants access" in page.text
        assert SECOND_NAME in page.text
        for scope in SCOPES.split():
            assert f"<code>{scope}</code>" in page.text
        assert page.text.count('type="radio"') == 4

    def test_the_page_lets_a_browser_follow_the_form_to_the_app_and_nowhere_else(
        self, caller: Caller
    ) -> None:
        page = caller.wire.get(AUTHORISE, query_string=caller.authorise_query())
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "form-action 'self' http://localhost:8000" in policy
        assert "unsafe" not in policy
        assert "<script" not in page.text
        assert not re.search(r"\sstyle=", page.text)

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"client_id": "other"}, "unauthorized_client"),
            ({"redirect_uri": REDIRECT_URI + "/"}, "invalid_request"),
            ({"redirect_uri": REDIRECT_URI.replace("localhost", "127.0.0.1")}, "invalid_request"),
            ({"redirect_uri": None}, "invalid_request"),
            ({"response_type": "token"}, "unsupported_response_type"),
            ({"scope": SCOPES + " accounting.transactions"}, "invalid_scope"),
            ({"scope": SCOPES + " practicemanager.client.read"}, "invalid_scope"),
            ({"scope": ""}, "invalid_scope"),
            ({"code_challenge": "abc", "code_challenge_method": "plain"}, "invalid_request"),
        ],
    )
    def test_a_wrong_request_is_shown_to_the_person_and_never_redirected(
        self, caller: Caller, changes: dict[str, str | None], error: str
    ) -> None:
        page = caller.wire.get(AUTHORISE, query_string=caller.authorise_query(**changes))
        assert page.status_code == 500
        assert "Location" not in page.headers
        assert error in page.text
        assert caller.decide(caller.choice(), **changes).status_code == 500

    def test_allowing_returns_to_the_app_with_a_code_and_the_state_untouched(
        self, caller: Caller
    ) -> None:
        answer = caller.decide(caller.choice(), state="a b&c=ü")
        assert answer.status_code == 302
        location = answer.headers["Location"]
        assert location.startswith(REDIRECT_URI + "?")
        assert query_of(location)["state"] == "a b&c=ü"
        assert set(query_of(location)) == {"code", "scope", "state", "session_state"}

    def test_cancelling_returns_access_denied_and_connects_nothing(self, caller: Caller) -> None:
        answer = caller.decide(caller.choice(), decision="cancel")
        location = answer.headers["Location"]
        assert urlsplit(location)._replace(query="").geturl() == REDIRECT_URI
        assert query_of(location) == {"error": "access_denied", "state": "s1"}
        assert not caller.world.state.connections

    @pytest.mark.parametrize("organisation", [SECOND_NAME, DEMO_NAME])
    def test_nobody_can_choose_an_organisation_that_is_not_theirs(
        self, caller: Caller, organisation: str
    ) -> None:
        answer = caller.decide(caller.choice("Tom", organisation))
        assert answer.status_code == 400
        assert "does not belong" in answer.text
        assert not caller.world.state.connections

    def test_without_a_choice_the_page_comes_back(self, caller: Caller) -> None:
        assert caller.decide().status_code == 400

    def test_several_organisations_need_an_app_with_bulk_connections(self, caller: Caller) -> None:
        both = caller.choice(), caller.choice("Amira", SECOND_NAME)
        assert caller.decide(*both).status_code == 400
        caller.world.app.bulk_connections = True
        page = caller.wire.get(AUTHORISE, query_string=caller.authorise_query())
        assert 'type="checkbox"' in page.text
        assert caller.decide(*both, acr_values="bulk_connect:false").status_code == 400
        assert caller.decide(*both).status_code == 302
        assert len(caller.world.state.connections) == 2

    def test_the_organisations_of_two_people_cannot_be_mixed(self, caller: Caller) -> None:
        caller.world.app.bulk_connections = True
        answer = caller.decide(caller.choice("Tom"), caller.choice("Amira", SECOND_NAME))
        assert answer.status_code == 400


class TestCodeExchange:
    def test_the_answer_has_the_documented_fields(self, caller: Caller) -> None:
        answer = caller.exchange(caller.code())
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        tokens = answer.get_json()
        assert set(tokens) == {
            "id_token",
            "access_token",
            "expires_in",
            "token_type",
            "refresh_token",
            "scope",
        }
        assert tokens["expires_in"] == 1800
        assert tokens["token_type"] == "Bearer"
        assert tokens["scope"] == SCOPES
        assert len(tokens["access_token"]) > 1000

    def test_a_code_works_once(self, caller: Caller) -> None:
        code = caller.code()
        assert caller.exchange(code).status_code == 200
        assert error_of(caller.exchange(code)) == "invalid_grant"

    def test_a_code_dies_after_five_minutes(self, caller: Caller) -> None:
        code = caller.code()
        caller.world.shift_clock(5 * MINUTE)
        assert error_of(caller.exchange(code)) == "invalid_grant"

    def test_a_code_just_under_five_minutes_old_works(self, caller: Caller) -> None:
        code = caller.code()
        caller.world.shift_clock(5 * MINUTE - 1)
        assert caller.exchange(code).status_code == 200

    def test_the_redirect_uri_must_be_the_same(self, caller: Caller) -> None:
        answer = caller.token(
            grant_type="authorization_code", code=caller.code(), redirect_uri="https://other/"
        )
        assert error_of(answer) == "invalid_grant"

    def test_credentials_are_taken_from_the_body_too(self, caller: Caller) -> None:
        form = {
            "grant_type": "authorization_code",
            "code": caller.code(),
            "redirect_uri": REDIRECT_URI,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
        }
        assert caller.wire.post("/connect/token", data=form).status_code == 200

    @pytest.mark.parametrize("auth", [(CLIENT_ID, "wrong"), ("wrong", CLIENT_SECRET), ("", "")])
    def test_wrong_credentials_are_invalid_client_and_spare_the_code(
        self, caller: Caller, auth: tuple[str, str]
    ) -> None:
        code = caller.code()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI}
        assert error_of(caller.wire.post("/connect/token", data=form, auth=auth)) == (
            "invalid_client"
        )
        assert caller.exchange(code).status_code == 200

    def test_broken_basic_credentials_are_invalid_client(self, caller: Caller) -> None:
        headers = {"Authorization": "Basic ???"}
        answer = caller.wire.post("/connect/token", data={"code": "1"}, headers=headers)
        assert error_of(answer) == "invalid_client"

    def test_a_json_body_is_refused(self, caller: Caller) -> None:
        answer = caller.wire.post(
            "/connect/token",
            json={"grant_type": "refresh_token"},
            auth=(CLIENT_ID, CLIENT_SECRET),
        )
        assert error_of(answer) == "invalid_request"

    def test_an_unknown_grant_type_is_named(self, caller: Caller) -> None:
        assert error_of(caller.token(grant_type="password")) == "unsupported_grant_type"

    def test_without_openid_there_is_no_id_token_and_without_offline_access_no_refresh(
        self, caller: Caller
    ) -> None:
        caller.let_in(scope="accounting.contacts.read")
        assert set(caller.tokens) == {"access_token", "expires_in", "token_type", "scope"}


class TestWithheldScopes:
    def test_what_people_do_not_grant_is_not_in_the_token(
        self, caller: Caller, world: World
    ) -> None:
        world.options.withheld_scopes = "files"
        answer = caller.exchange(caller.code(caller.choice())).get_json()
        assert set(SCOPES.split()) - set(answer["scope"].split()) == {"files"}

    def test_a_later_consent_may_add_it(self, caller: Caller, world: World) -> None:
        world.options.withheld_scopes = "files"
        caller.code(caller.choice())
        world.options.withheld_scopes = ""
        answer = caller.exchange(caller.code(caller.choice())).get_json()
        assert set(answer["scope"].split()) == set(SCOPES.split())


class TestPkce:
    VERIFIER = "a" * 43

    def challenge(self) -> dict[str, str]:
        digest = hashlib.sha256(self.VERIFIER.encode()).digest()
        return {
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }

    def test_the_right_verifier_is_accepted(self, caller: Caller) -> None:
        code = caller.code(**self.challenge())
        assert caller.exchange(code, code_verifier=self.VERIFIER).status_code == 200

    @pytest.mark.parametrize("sent", [{}, {"code_verifier": "b" * 43}])
    def test_a_missing_or_wrong_verifier_is_refused(
        self, caller: Caller, sent: dict[str, str]
    ) -> None:
        code = caller.code(**self.challenge())
        assert error_of(caller.exchange(code, **sent)) == "invalid_grant"

    def test_a_verifier_without_a_challenge_is_refused(self, caller: Caller) -> None:
        answer = caller.exchange(caller.code(), code_verifier=self.VERIFIER)
        assert error_of(answer) == "invalid_grant"


class TestClaims:
    def test_the_id_token_names_the_person_and_carries_the_nonce(self, caller: Caller) -> None:
        caller.let_in(nonce="n-1")
        claims = claims_of(caller.wire, caller.tokens["id_token"])
        assert claims["iss"] == "http://localhost"
        assert claims["aud"] == CLIENT_ID
        assert claims["exp"] - claims["iat"] == 5 * MINUTE
        assert claims["nonce"] == "n-1"
        assert claims["email"] == "amira.patel@harbourside.example"
        assert claims["given_name"] == "Amira"
        assert claims["family_name"] == "Patel"
        assert claims["xero_userid"] == caller.person("Amira")
        half = hashlib.sha256(caller.tokens["access_token"].encode()).digest()[:16]
        assert claims["at_hash"] == base64.urlsafe_b64encode(half).rstrip(b"=").decode()

    def test_the_access_token_carries_scopes_and_the_event_of_its_consent(
        self, app: Caller
    ) -> None:
        claims = claims_of(app.wire, app.tokens["access_token"])
        [connection] = app.world.state.connections.values()
        assert claims["authentication_event_id"] == connection.auth_event_id
        assert claims["scope"] == SCOPES.split()
        assert claims["aud"] == "http://localhost/resources"
        assert claims["client_id"] == CLIENT_ID
        assert claims["exp"] - claims["nbf"] == 30 * MINUTE

    def test_without_profile_and_email_the_person_stays_a_number(self, caller: Caller) -> None:
        caller.let_in(scope="openid accounting.contacts.read")
        claims = claims_of(caller.wire, caller.tokens["id_token"])
        assert not {"email", "name", "given_name", "preferred_username"} & set(claims)

    def test_the_issuer_can_be_set(self, caller: Caller, world: World) -> None:
        world.issuer = "https://identity.example"
        caller.let_in()
        claims = claims_of(caller.wire, caller.tokens["id_token"])
        assert claims["iss"] == "https://identity.example"
        description = caller.wire.get("/.well-known/openid-configuration").get_json()
        assert description["issuer"] == "https://identity.example"

    def test_userinfo_says_who_it_is(self, app: Caller) -> None:
        answer = app.wire.get("/connect/userinfo", headers=app.bearer())
        assert answer.get_json()["email"] == "amira.patel@harbourside.example"

    def test_userinfo_needs_openid(self, caller: Caller) -> None:
        caller.let_in(scope="accounting.contacts.read")
        answer = caller.wire.get("/connect/userinfo", headers=caller.bearer())
        assert answer.status_code == 401


class TestRefresh:
    def test_a_refresh_replaces_the_refresh_token(self, app: Caller) -> None:
        answer = app.refresh(app.tokens["refresh_token"])
        assert answer.status_code == 200
        assert answer.get_json()["refresh_token"] != app.tokens["refresh_token"]
        assert answer.get_json()["scope"] == SCOPES

    def test_the_old_token_serves_thirty_minutes_more(self, app: Caller) -> None:
        assert app.refresh(app.tokens["refresh_token"]).status_code == 200
        app.world.shift_clock(30 * MINUTE)
        assert app.refresh(app.tokens["refresh_token"]).status_code == 200

    def test_the_old_token_is_dead_after_thirty_minutes(self, app: Caller) -> None:
        assert app.refresh(app.tokens["refresh_token"]).status_code == 200
        app.world.shift_clock(30 * MINUTE + 1)
        assert error_of(app.refresh(app.tokens["refresh_token"])) == "invalid_grant"

    def test_grace_counts_from_the_first_use(self, app: Caller) -> None:
        app.refresh(app.tokens["refresh_token"])
        app.world.shift_clock(20 * MINUTE)
        app.refresh(app.tokens["refresh_token"])
        app.world.shift_clock(11 * MINUTE)
        assert error_of(app.refresh(app.tokens["refresh_token"])) == "invalid_grant"

    def test_using_the_new_token_ends_the_grace_of_the_old_one(self, app: Caller) -> None:
        new = app.refresh(app.tokens["refresh_token"]).get_json()
        assert app.refresh(new["refresh_token"]).status_code == 200
        assert error_of(app.refresh(app.tokens["refresh_token"])) == "invalid_grant"

    def test_strict_rotation_knows_no_grace(self, app: Caller) -> None:
        app.world.options.strict_rotation = True
        assert app.refresh(app.tokens["refresh_token"]).status_code == 200
        assert error_of(app.refresh(app.tokens["refresh_token"])) == "invalid_grant"

    def test_a_refresh_token_lives_sixty_days(self, app: Caller) -> None:
        app.world.shift_clock(60 * DAY - 1)
        new = app.refresh(app.tokens["refresh_token"]).get_json()
        app.world.shift_clock(60 * DAY)
        assert error_of(app.refresh(new["refresh_token"])) == "invalid_grant"

    def test_a_made_up_token_is_refused(self, app: Caller) -> None:
        assert error_of(app.refresh("made up")) == "invalid_grant"

    def test_wrong_credentials_leave_the_token_unused(self, app: Caller) -> None:
        app.world.options.strict_rotation = True
        form = {"grant_type": "refresh_token", "refresh_token": app.tokens["refresh_token"]}
        answer = app.wire.post("/connect/token", data=form, auth=(CLIENT_ID, "wrong"))
        assert error_of(answer) == "invalid_client"
        assert app.refresh(app.tokens["refresh_token"]).status_code == 200

    def test_refreshing_never_adds_scopes_that_a_later_consent_gave(self, caller: Caller) -> None:
        caller.let_in(scope="openid offline_access accounting.contacts.read")
        old = caller.tokens["refresh_token"]
        caller.let_in(scope="openid files")
        assert "files" in caller.tokens["scope"].split()
        assert "accounting.contacts.read" in caller.tokens["scope"].split()
        assert "files" not in caller.refresh(old).get_json()["scope"].split()


class TestConnections:
    def test_the_list_has_the_documented_shape(self, app: Caller) -> None:
        answer = app.wire.get("/connections", headers=app.bearer())
        [row] = answer.get_json()
        assert list(row) == [
            "id",
            "authEventId",
            "tenantId",
            "tenantType",
            "tenantName",
            "createdDateUtc",
            "updatedDateUtc",
        ]
        assert row["tenantType"] == "ORGANISATION"
        assert row["tenantId"] == app.world.main.tenant_id
        assert row["createdDateUtc"] == "2026-04-07T12:00:00.0000000"
        assert app.wire.get("/Connections", headers=app.bearer()).get_json() == [row]

    def test_limits_headers_are_absent(self, app: Caller) -> None:
        answer = app.wire.get("/connections", headers=app.bearer())
        assert "X-MinLimit-Remaining" not in answer.headers

    def test_it_lists_every_organisation_that_the_person_ever_linked(self, caller: Caller) -> None:
        caller.let_in()
        caller.let_in(caller.choice("Amira", SECOND_NAME))
        rows = caller.wire.get("/connections", headers=caller.bearer()).get_json()
        assert {row["tenantName"] for row in rows} == {caller.world.main.name, SECOND_NAME}

    def test_the_event_filter_finds_what_this_consent_linked(self, caller: Caller) -> None:
        caller.let_in()
        caller.let_in(caller.choice("Amira", SECOND_NAME))
        event = claims_of(caller.wire, caller.tokens["access_token"])["authentication_event_id"]
        rows = caller.wire.get(
            "/connections", headers=caller.bearer(), query_string={"authEventId": event}
        ).get_json()
        assert [row["tenantName"] for row in rows] == [SECOND_NAME]

    def test_linking_again_keeps_the_first_event_so_that_the_filter_finds_nothing(
        self, caller: Caller
    ) -> None:
        caller.let_in()
        first = caller.wire.get("/connections", headers=caller.bearer()).get_json()
        caller.let_in()
        event = claims_of(caller.wire, caller.tokens["access_token"])["authentication_event_id"]
        filtered = caller.wire.get(f"/connections?authEventId={event}", headers=caller.bearer())
        again = caller.wire.get("/connections", headers=caller.bearer()).get_json()
        assert filtered.get_json() == []
        assert again[0]["id"] == first[0]["id"]
        assert again[0]["authEventId"] == first[0]["authEventId"]

    def test_another_person_has_connections_of_their_own(self, caller: Caller) -> None:
        caller.let_in()
        mine = caller.wire.get("/connections", headers=caller.bearer()).get_json()
        caller.let_in(caller.choice("Tom"))
        theirs = caller.wire.get("/connections", headers=caller.bearer()).get_json()
        assert mine[0]["tenantId"] == theirs[0]["tenantId"]
        assert mine[0]["id"] != theirs[0]["id"]

    def test_deleting_ends_the_connection_and_only_it(self, caller: Caller) -> None:
        caller.let_in()
        caller.let_in(caller.choice("Amira", SECOND_NAME))
        connection = caller.world.live_connection(caller.person("Amira"), caller.tenant_id)
        assert connection
        answer = caller.wire.delete(
            f"/connections/{connection.connection_id}", headers=caller.bearer()
        )
        assert (answer.status_code, answer.data) == (204, b"")
        assert caller.get(CONTACTS).status_code == 403
        caller.tenant_id = caller.world.organisation(SECOND_NAME).tenant_id
        assert caller.get(CONTACTS).status_code == 200

    def test_deleting_twice_is_404(self, app: Caller) -> None:
        [connection_id] = app.world.state.connections
        app.wire.delete(f"/connections/{connection_id}", headers=app.bearer())
        answer = app.wire.delete(f"/connections/{connection_id}", headers=app.bearer())
        assert answer.status_code == 404

    def test_a_tenant_id_in_place_of_the_connection_id_is_403(self, app: Caller) -> None:
        answer = app.wire.delete(f"/connections/{app.tenant_id}", headers=app.bearer())
        assert answer.status_code == 403
        assert app.get(CONTACTS).status_code == 200

    def test_a_connection_of_another_person_is_404(self, caller: Caller) -> None:
        caller.let_in(caller.choice("Tom"))
        [connection_id] = caller.world.state.connections
        caller.let_in()
        answer = caller.wire.delete(f"/connections/{connection_id}", headers=caller.bearer())
        assert answer.status_code == 404
        assert caller.world.state.connections[connection_id].is_live

    def test_after_the_last_disconnection_tokens_still_refresh_but_open_nothing(
        self, app: Caller
    ) -> None:
        [connection_id] = app.world.state.connections
        app.wire.delete(f"/connections/{connection_id}", headers=app.bearer())
        app.tokens = app.refresh(app.tokens["refresh_token"]).get_json()
        assert app.wire.get("/connections", headers=app.bearer()).get_json() == []
        assert app.get(CONTACTS).status_code == 403

    def test_reconnecting_keeps_the_first_date_and_makes_a_new_id(self, app: Caller) -> None:
        [first] = app.wire.get("/connections", headers=app.bearer()).get_json()
        app.wire.delete(f"/connections/{first['id']}", headers=app.bearer())
        app.world.shift_clock(DAY)
        app.let_in()
        [second] = app.wire.get("/connections", headers=app.bearer()).get_json()
        assert second["createdDateUtc"] == first["createdDateUtc"]
        assert second["updatedDateUtc"] > first["updatedDateUtc"]
        assert second["id"] != first["id"]
        assert second["authEventId"] != first["authEventId"]

    def test_without_a_token_there_is_nothing_to_see(self, wire: FlaskClient) -> None:
        assert wire.get("/connections").status_code == 401

    def test_names_may_be_missing(self, caller: Caller, world: World) -> None:
        caller.let_in(caller.choice())
        world.options.nameless_connections = True
        [listed] = caller.get("/connections").get_json()
        assert listed["tenantName"] is None


class TestRevocation:
    def revoke(self, app: Caller, token: str) -> TestResponse:
        return app.wire.post(
            "/connect/revocation", data={"token": token}, auth=(CLIENT_ID, CLIENT_SECRET)
        )

    def test_it_ends_every_connection_of_the_person_and_of_nobody_else(
        self, caller: Caller
    ) -> None:
        caller.let_in(caller.choice("Tom"))
        tom = caller.tokens
        caller.let_in()
        caller.let_in(caller.choice("Amira", SECOND_NAME))
        answer = self.revoke(caller, caller.tokens["refresh_token"])
        assert (answer.status_code, answer.data) == (200, b"")
        assert caller.wire.get("/connections", headers=caller.bearer()).get_json() == []
        assert error_of(caller.refresh(caller.tokens["refresh_token"])) == "invalid_grant"
        caller.tokens = tom
        assert caller.get(CONTACTS).status_code == 200
        assert caller.refresh(tom["refresh_token"]).status_code == 200

    def test_it_takes_back_the_scopes(self, caller: Caller) -> None:
        caller.let_in()
        self.revoke(caller, caller.tokens["refresh_token"])
        caller.let_in(scope="openid")
        assert caller.tokens["scope"] == "openid"

    def test_an_access_token_does_nothing(self, app: Caller) -> None:
        assert self.revoke(app, app.tokens["access_token"]).status_code == 200
        assert app.get(CONTACTS).status_code == 200

    def test_wrong_credentials_do_nothing(self, app: Caller) -> None:
        form = {"token": app.tokens["refresh_token"]}
        answer = app.wire.post("/connect/revocation", data=form, auth=(CLIENT_ID, "wrong"))
        assert error_of(answer) == "invalid_client"
        assert app.refresh(app.tokens["refresh_token"]).status_code == 200


class TestDescription:
    def test_discovery_leads_to_every_endpoint(self, wire: FlaskClient) -> None:
        description = wire.get("/.well-known/openid-configuration").get_json()
        keys = wire.get(urlsplit(description["jwks_uri"]).path).get_json()["keys"]
        assert description["token_endpoint"] == "http://localhost/connect/token"
        assert description["authorization_endpoint"].endswith(AUTHORISE)
        assert description["revocation_endpoint"].endswith("/connect/revocation")
        assert [key["alg"] for key in keys] == ["RS256"]
        assert "d" not in keys[0]
