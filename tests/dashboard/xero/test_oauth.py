"""Consent and tokens, one exchange each, with keys made for the test."""

from __future__ import annotations

import base64
import time
import traceback
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import redis
import requests
import responses
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from dashboard.secret import Secret
from dashboard.xero.errors import (
    XeroAppRefused,
    XeroError,
    XeroForbidden,
    XeroGrantRefused,
    XeroIdentityUnproven,
    XeroNoAnswer,
    XeroNotFound,
    XeroRateLimited,
    XeroUnauthorised,
    XeroUnavailable,
)
from dashboard.xero.oauth import REQUIRED_SCOPES, XeroOAuth
from dashboard.xero.transport import Transport
from dashboard.xero.types import Grant

API = "https://api.xero.test"
LOGIN = "https://login.xero.test"
IDENTITY = "https://identity.xero.test"
CLIENT_ID, CLIENT_SECRET = "our-app", "app-secret-that-must-not-show"
REDIRECT = "http://localhost:8000/api/integrations/xero/callback"
TOKEN_URL = f"{IDENTITY}/connect/token"
DISCOVERY = f"{IDENTITY}/.well-known/openid-configuration"
REFRESH = "refresh-that-must-not-show"
NONCE = "nonce-of-this-browser"

KEY = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"}, auto_kid=False)
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "k2", "use": "sig"}, auto_kid=False)
STRANGERS_KEY = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"}, auto_kid=False)


@pytest.fixture
def oauth(transport: Transport) -> XeroOAuth:
    return make_oauth(transport)


def make_oauth(transport: Transport, **more: Any) -> XeroOAuth:
    return XeroOAuth(
        transport,
        login_url=LOGIN,
        identity_url=IDENTITY,
        client_id=CLIENT_ID,
        client_secret=Secret(CLIENT_SECRET),
        redirect_uri=REDIRECT,
        **more,
    )


def id_token(key: RSAKey = KEY, alg: str = "RS256", **changes: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": IDENTITY,
        "aud": CLIENT_ID,
        "exp": now + 300,
        "iat": now,
        "nbf": now,
        "sub": "subject",
        "nonce": NONCE,
        "xero_userid": "user-1",
        "email": "sam@practice.test",
        "given_name": "Sam",
        "family_name": "Smith",
        **changes,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode({"alg": alg, "kid": key.kid}, claims, key, algorithms=[alg])


def access_token(**claims: Any) -> str:
    return jwt.encode({"alg": "RS256", "kid": "k1"}, claims, KEY)


def publish_keys(*keys: RSAKey, issuer: str = IDENTITY) -> None:
    responses.get(DISCOVERY, json={"issuer": issuer, "jwks_uri": "https://evil.test/jwks"})
    key_set = KeySet(list(keys) or [KEY]).as_dict(private=False)
    responses.get(f"{DISCOVERY}/jwks", json=key_set)


def token_answer(**changes: Any) -> dict[str, Any]:
    body = {
        "id_token": id_token(),
        "access_token": access_token(authentication_event_id="event-1", xero_userid="user-1"),
        "expires_in": 1800,
        "token_type": "Bearer",
        "refresh_token": REFRESH,
        "scope": "openid profile email files offline_access",
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def consent(oauth: XeroOAuth, **more: Any) -> Grant:
    return oauth.prove(oauth.exchange_code("the-code"), NONCE, **more)


def form(call: responses.Call) -> dict[str, str]:
    body = call.request.body
    text = body.decode() if isinstance(body, bytes) else str(body)
    return {name: values[0] for name, values in parse_qs(text).items()}


class TestAuthorizationUrl:
    def test_it_asks_for_exactly_what_we_need(self, oauth: XeroOAuth):
        parts = urlsplit(oauth.authorization_url("the-state", NONCE))
        assert (
            f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{LOGIN}/identity/connect/authorize"
        )
        assert {name: values[0] for name, values in parse_qs(parts.query).items()} == {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": REDIRECT,
            "scope": "openid profile email accounting.contacts.read accounting.settings.read"
            " files offline_access",
            "state": "the-state",
            "nonce": NONCE,
        }

    def test_with_pkce_it_carries_the_challenge_of_the_verifier(self, transport: Transport):
        oauth = make_oauth(transport, pkce=True)
        query = parse_qs(urlsplit(oauth.authorization_url("s", NONCE, "v" * 43)).query)
        assert query["code_challenge"] == [create_s256_code_challenge("v" * 43)]
        assert query["code_challenge_method"] == ["S256"]
        assert oauth.uses_pkce is True

    def test_with_pkce_a_verifier_cannot_be_forgotten(self, transport: Transport):
        with pytest.raises(ValueError, match="verifier"):
            make_oauth(transport, pkce=True).authorization_url("s", NONCE)


class TestExchange:
    @responses.activate
    def test_a_code_becomes_a_grant(self, oauth: XeroOAuth):
        publish_keys()
        responses.post(TOKEN_URL, json=token_answer())
        grant = consent(oauth)
        assert grant.tokens.refresh == Secret(REFRESH)
        assert grant.tokens.expires_in == 1800
        assert grant.tokens.scopes == ("openid", "profile", "email", "files", "offline_access")
        assert (grant.xero_userid, grant.email, grant.name) == (
            "user-1",
            "sam@practice.test",
            "Sam Smith",
        )
        assert grant.authentication_event_id == "event-1"
        assert REFRESH not in repr(grant)

    @responses.activate
    def test_the_request_is_a_form_with_basic_credentials(self, oauth: XeroOAuth):
        publish_keys()
        responses.post(TOKEN_URL, json=token_answer())
        consent(oauth)
        call = responses.calls[0]
        assert form(call) == {
            "grant_type": "authorization_code",
            "code": "the-code",
            "redirect_uri": REDIRECT,
        }
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        assert call.request.headers["Authorization"] == f"Basic {basic}"
        assert call.request.headers["User-Agent"].startswith("chase.md-xero-dashboard/")

    @responses.activate
    def test_with_pkce_the_verifier_is_sent(self, transport: Transport):
        publish_keys()
        responses.post(TOKEN_URL, json=token_answer())
        make_oauth(transport, pkce=True).exchange_code("the-code", "v" * 43)
        assert form(responses.calls[0])["code_verifier"] == "v" * 43

    @responses.activate
    def test_identity_calls_use_up_no_limit(self, oauth: XeroOAuth, store: redis.Redis):
        publish_keys()
        responses.post(TOKEN_URL, json=token_answer())
        consent(oauth)
        assert store.keys() == []

    @responses.activate
    def test_an_opaque_access_token_is_fine(self, oauth: XeroOAuth):
        publish_keys()
        responses.post(TOKEN_URL, json=token_answer(access_token="opaque"))
        grant = consent(oauth)
        assert (grant.authentication_event_id, grant.xero_userid) == (None, "user-1")

    @responses.activate
    def test_a_spent_code_is_refused(self, oauth: XeroOAuth):
        responses.post(TOKEN_URL, status=400, json={"error": "invalid_grant"})
        with pytest.raises(XeroGrantRefused):
            consent(oauth)


class TestIdentity:
    @responses.activate
    @pytest.mark.parametrize(
        "token",
        [
            id_token(aud="another-app"),
            id_token(iss="https://identity.xero.com.evil.test"),
            id_token(exp=int(time.time()) - 60),
            id_token(exp=None),
            id_token(aud=None),
            id_token(iss=None),
            id_token(nonce="another-browser"),
            id_token(nonce=7),
            id_token(STRANGERS_KEY),
            id_token(alg="PS256"),
            id_token()[:-6] + "AAAAAA",
            "not-a-jwt",
            "a.b.c",
            "",
        ],
        ids=[
            "another app",
            "another issuer",
            "expired",
            "no end",
            "for nobody",
            "from nobody",
            "another browser",
            "odd nonce",
            "a stranger's key",
            "another algorithm",
            "a changed signature",
            "not a token",
            "not JSON",
            "empty",
        ],
    )
    def test_a_doubtful_proof_is_refused(self, oauth: XeroOAuth, token: str):
        publish_keys()
        responses.post(TOKEN_URL, json=token_answer(id_token=token))
        with pytest.raises(XeroIdentityUnproven):
            consent(oauth)

    @responses.activate
    def test_an_unsigned_token_is_refused(self, oauth: XeroOAuth):
        publish_keys()
        head = base64.urlsafe_b64encode(b'{"alg":"none","kid":"k1"}').rstrip(b"=").decode()
        payload = id_token().split(".")[1]
        responses.post(TOKEN_URL, json=token_answer(id_token=f"{head}.{payload}."))
        with pytest.raises(XeroIdentityUnproven):
            consent(oauth)

    @responses.activate
    def test_no_proof_at_all_is_refused(self, oauth: XeroOAuth):
        publish_keys()
        responses.post(TOKEN_URL, json=token_answer(id_token=None))
        with pytest.raises(XeroIdentityUnproven):
            consent(oauth)

    @responses.activate
    def test_clocks_may_differ_by_a_few_seconds(self, oauth: XeroOAuth):
        publish_keys()
        now = int(time.time())
        token = id_token(exp=now - 2, nbf=now + 3, iat=now + 3)
        responses.post(TOKEN_URL, json=token_answer(id_token=token))
        assert consent(oauth).xero_userid == "user-1"

    @responses.activate
    def test_a_proof_without_nonce_passes_unless_it_is_required(self, oauth: XeroOAuth):
        publish_keys()
        responses.post(TOKEN_URL, json=token_answer(id_token=id_token(nonce=None)))
        assert consent(oauth).xero_userid == "user-1"
        with pytest.raises(XeroIdentityUnproven, match="nonce"):
            consent(oauth, require_nonce=True)

    @responses.activate
    def test_the_keys_are_fetched_once_an_hour(self, oauth: XeroOAuth):
        publish_keys()
        responses.post(TOKEN_URL, json=token_answer())
        for _ in range(3):
            consent(oauth)
        fetched = [call.request.url for call in responses.calls if call.request.method == "GET"]
        assert fetched == [DISCOVERY, f"{DISCOVERY}/jwks"]

    @responses.activate
    def test_a_new_key_of_xero_is_looked_up_once(self, oauth: XeroOAuth):
        publish_keys(KEY)
        responses.post(TOKEN_URL, json=token_answer())
        consent(oauth)
        responses.replace(
            responses.POST, TOKEN_URL, json=token_answer(id_token=id_token(OTHER_KEY))
        )
        responses.replace(
            responses.GET, f"{DISCOVERY}/jwks", json=KeySet([KEY, OTHER_KEY]).as_dict()
        )
        assert consent(oauth).xero_userid == "user-1"

    @responses.activate
    def test_an_unknown_key_is_not_looked_for_in_a_loop(self, oauth: XeroOAuth):
        publish_keys(KEY)
        responses.post(TOKEN_URL, json=token_answer(id_token=id_token(OTHER_KEY)))
        with pytest.raises(XeroIdentityUnproven):
            consent(oauth)
        looked = [call for call in responses.calls if call.request.url == f"{DISCOVERY}/jwks"]
        assert len(looked) == 2

    @responses.activate
    def test_another_issuer_at_our_address_is_the_operators_problem(self, oauth: XeroOAuth):
        publish_keys(issuer="https://identity.xero.com")
        responses.post(TOKEN_URL, json=token_answer())
        with pytest.raises(XeroAppRefused) as caught:
            consent(oauth)
        assert caught.value.error == "issuer_mismatch"

    @responses.activate
    @pytest.mark.parametrize("body", ["<html>busy</html>", '{"keys": []}', "[]", '{"keys": 7}'])
    def test_keys_that_cannot_be_read_prove_nothing(self, oauth: XeroOAuth, body: str):
        responses.get(DISCOVERY, json={"issuer": IDENTITY})
        responses.get(f"{DISCOVERY}/jwks", body=body)
        responses.post(TOKEN_URL, json=token_answer())
        with pytest.raises((XeroUnavailable, XeroIdentityUnproven)):
            consent(oauth)


class TestClocks:
    @responses.activate
    @pytest.mark.parametrize("hours", [-24, 24])
    def test_a_clock_that_is_off_is_told_from_a_forgery(self, oauth: XeroOAuth, hours: int):
        publish_keys()
        then = int(time.time()) + hours * 3600
        token = id_token(iat=then, nbf=then, exp=then + 300)
        date = {"Date": format_datetime(datetime.fromtimestamp(then, UTC), usegmt=True)}
        responses.post(TOKEN_URL, json=token_answer(id_token=token), headers=date)
        answer = oauth.exchange_code("the-code")
        assert answer.answered_at == datetime.fromtimestamp(then, UTC)
        with pytest.raises(XeroIdentityUnproven) as caught:
            oauth.prove(answer, NONCE)
        assert caught.value.about_time

    @responses.activate
    def test_another_doubt_is_not_about_time(self, oauth: XeroOAuth):
        publish_keys()
        responses.post(TOKEN_URL, json=token_answer(id_token=id_token(aud="another-app")))
        answer = oauth.exchange_code("the-code")
        assert answer.answered_at is None
        assert answer.xero_userid == "user-1"
        assert "eyJ" not in repr(answer)
        with pytest.raises(XeroIdentityUnproven) as caught:
            oauth.prove(answer, NONCE)
        assert not caught.value.about_time


class TestRefresh:
    @responses.activate
    def test_a_refresh_gives_new_tokens(self, oauth: XeroOAuth):
        responses.post(TOKEN_URL, json=token_answer(id_token=None, refresh_token="next"))
        tokens = oauth.refresh(Secret(REFRESH))
        assert tokens.refresh == Secret("next")
        assert form(responses.calls[0]) == {
            "grant_type": "refresh_token",
            "refresh_token": REFRESH,
        }

    @responses.activate
    @pytest.mark.parametrize(
        ("changes", "expires_in"),
        [
            ({"expires_in": 720}, 720),
            ({"expires_in": "1800"}, 1800),
            ({"expires_in": None}, 300),
        ],
    )
    def test_the_answer_says_how_long_it_lasts(
        self, oauth: XeroOAuth, changes: dict[str, Any], expires_in: int
    ):
        responses.post(TOKEN_URL, json=token_answer(**changes))
        assert oauth.refresh(Secret(REFRESH)).expires_in == expires_in

    @responses.activate
    @pytest.mark.parametrize("scope", [None, "", " "])
    def test_unnamed_scopes_are_those_we_asked_for(self, oauth: XeroOAuth, scope: str | None):
        responses.post(TOKEN_URL, json=token_answer(scope=scope))
        assert oauth.refresh(Secret(REFRESH)).scopes == REQUIRED_SCOPES

    @responses.activate
    def test_an_answer_that_keeps_the_refresh_token_keeps_it(self, oauth: XeroOAuth):
        responses.post(TOKEN_URL, json=token_answer(refresh_token=None))
        assert oauth.refresh(Secret(REFRESH)).refresh == Secret(REFRESH)

    @responses.activate
    @pytest.mark.parametrize(
        ("status", "body", "kind"),
        [
            (400, '{"error":"invalid_grant"}', XeroGrantRefused),
            (400, '{"error":"invalid_client"}', XeroAppRefused),
            (401, '{"error":"invalid_client"}', XeroAppRefused),
            (400, '{"error":"unauthorized_client"}', XeroAppRefused),
            (400, '{"error":"invalid_scope","error_description":"x"}', XeroAppRefused),
            (400, '{"error":"unsupported_grant_type"}', XeroAppRefused),
            (400, "<html>Bad Request</html>", XeroUnavailable),
            (400, "{}", XeroUnavailable),
            (400, "", XeroUnavailable),
            (400, '{"error": {"code": 1}}', XeroUnavailable),
            (401, "", XeroUnavailable),
            (403, "<html>WAF</html>", XeroUnavailable),
            (403, '{"error":"invalid_grant"}', XeroUnavailable),
            (404, "", XeroUnavailable),
            (429, "", XeroRateLimited),
            (429, '{"error":"invalid_grant"}', XeroRateLimited),
            (500, '{"error":"invalid_grant"}', XeroUnavailable),
            (502, "<html>", XeroUnavailable),
            (503, "The Xero API is temporarily unavailable", XeroUnavailable),
            (302, "", XeroUnavailable),
            (200, "<html>signed out</html>", XeroUnavailable),
            (200, "", XeroUnavailable),
            (200, "{}", XeroUnavailable),
            (200, "[]", XeroUnavailable),
            (200, '{"error":"invalid_grant"}', XeroUnavailable),
            (200, '{"access_token": 7, "refresh_token": "r"}', XeroUnavailable),
        ],
    )
    def test_only_an_oauth_refusal_speaks_about_the_grant(
        self, oauth: XeroOAuth, status: int, body: str, kind: type[XeroError]
    ):
        responses.post(TOKEN_URL, status=status, body=body, headers={"Location": TOKEN_URL})
        with pytest.raises(XeroError) as caught:
            oauth.refresh(Secret(REFRESH))
        assert type(caught.value) is kind
        assert len(responses.calls) == 1

    @responses.activate
    @pytest.mark.parametrize(
        ("failure", "maybe_sent"),
        [
            (requests.ConnectTimeout(), False),
            (requests.ReadTimeout(), True),
            (requests.ConnectionError("reset"), True),
        ],
    )
    def test_silence_says_nothing_about_the_grant(
        self, oauth: XeroOAuth, failure: Exception, maybe_sent: bool
    ):
        responses.post(TOKEN_URL, body=failure)
        with pytest.raises(XeroNoAnswer) as caught:
            oauth.refresh(Secret(REFRESH))
        assert caught.value.maybe_sent is maybe_sent
        assert len(responses.calls) == 1

    @responses.activate
    @pytest.mark.parametrize("status", [400, 200, 500])
    def test_no_error_leads_to_a_secret(self, oauth: XeroOAuth, status: int):
        body = '{"error":"invalid_grant"}' if status == 400 else "<html>"
        responses.post(TOKEN_URL, status=status, body=body)
        with pytest.raises(XeroError) as caught:
            oauth.refresh(Secret(REFRESH))
        error = caught.value
        told = "".join(traceback.format_exception(error)) + repr(vars(error))
        assert REFRESH not in told
        assert CLIENT_SECRET not in told
        assert error.__cause__ is None
        assert error.__context__ is None


class TestRevoke:
    URL = f"{IDENTITY}/connect/revocation"

    @responses.activate
    def test_the_refresh_token_is_what_is_revoked(self, oauth: XeroOAuth):
        responses.post(self.URL, body=b"")
        oauth.revoke(Secret(REFRESH))
        call = responses.calls[0]
        assert form(call)["token"] == REFRESH
        assert call.request.headers["Authorization"].startswith("Basic ")

    @responses.activate
    @pytest.mark.parametrize(
        ("status", "body", "kind"),
        [
            (400, '{"error":"invalid_client"}', XeroAppRefused),
            (429, "", XeroRateLimited),
            (500, "<html>", XeroUnavailable),
            (302, "", XeroUnavailable),
        ],
    )
    def test_a_refusal_is_told(
        self, oauth: XeroOAuth, status: int, body: str, kind: type[XeroError]
    ):
        responses.post(self.URL, status=status, body=body, headers={"Location": self.URL})
        with pytest.raises(kind):
            oauth.revoke(Secret(REFRESH))


class TestConnections:
    # The example of the official xero-identity.yaml, with the event that live answers add.
    LISTED = {
        "id": "7cb59f93-2964-421d-bb5e-a0f7a4572a44",
        "authEventId": "d99ecdfe-391d-43d2-b834-17636ba90e8d",
        "tenantId": "fe79f7dd-b6d4-4a92-ba7b-538af6289c58",
        "tenantType": "ORGANISATION",
        "tenantName": "Demo Company (NZ)",
        "createdDateUtc": "2019-12-07T18:46:19.5165400",
        "updatedDateUtc": "2019-12-07T18:46:19.5187840",
    }

    @responses.activate
    def test_tenants_are_read_with_their_seven_digit_times(self, oauth: XeroOAuth):
        responses.get(f"{API}/connections", json=[self.LISTED])
        (tenant,) = oauth.tenants(Secret("a"))
        assert tenant.connection_id == self.LISTED["id"]
        assert tenant.tenant_id == self.LISTED["tenantId"]
        assert (tenant.name, tenant.auth_event_id) == (
            "Demo Company (NZ)",
            self.LISTED["authEventId"],
        )
        assert tenant.is_organisation is True
        assert tenant.created_at == datetime(2019, 12, 7, 18, 46, 19, 516540, UTC)
        assert tenant.updated_at == datetime(2019, 12, 7, 18, 46, 19, 518784, UTC)

    @responses.activate
    @pytest.mark.parametrize("kind", ["PRACTICE", "PRACTICEMANAGER", "practice_manager"])
    def test_a_practice_is_not_an_organisation(self, oauth: XeroOAuth, kind: str):
        listed = {**self.LISTED, "tenantType": kind, "tenantName": None, "extra": [1]}
        responses.get(f"{API}/connections", json=[listed])
        (tenant,) = oauth.tenants(Secret("a"))
        assert (tenant.is_organisation, tenant.is_practice_manager) == (False, True)
        assert tenant.name is None

    @responses.activate
    def test_an_unknown_kind_is_neither(self, oauth: XeroOAuth):
        responses.get(f"{API}/connections", json=[{"id": "c", "tenantId": "t"}])
        (tenant,) = oauth.tenants(Secret("a"))
        assert (tenant.is_organisation, tenant.is_practice_manager) == (False, False)

    @responses.activate
    def test_the_list_of_one_consent_is_asked_for_by_its_event(self, oauth: XeroOAuth):
        responses.get(f"{API}/connections", json=[])
        assert oauth.tenants(Secret("a"), "event-1") == []
        assert responses.calls[0].request.url == f"{API}/connections?authEventId=event-1"

    @responses.activate
    def test_disconnecting_names_the_connection(self, oauth: XeroOAuth):
        responses.delete(f"{API}/connections/c-1", status=204)
        oauth.delete_connection(Secret("a"), "c-1")
        assert "xero-tenant-id" not in responses.calls[0].request.headers

    @responses.activate
    @pytest.mark.parametrize(
        ("status", "kind"),
        [(401, XeroUnauthorised), (403, XeroForbidden), (404, XeroNotFound)],
    )
    def test_already_gone_is_told_apart(self, oauth: XeroOAuth, status: int, kind: type[XeroError]):
        responses.delete(f"{API}/connections/c-1", status=status)
        with pytest.raises(kind):
            oauth.delete_connection(Secret("a"), "c-1")
