"""Reading what an access token says about itself; `test_oauth.py` proves the verification."""

from __future__ import annotations

import base64

import pytest

from dashboard.secret import Secret
from dashboard.xero.identity import IdentityVerifier, unverified_claims
from dashboard.xero.oauth import REQUIRED_SCOPES


def jwt_of(payload: bytes) -> Secret:
    return Secret(f"head.{base64.urlsafe_b64encode(payload).rstrip(b'=').decode()}.signature")


class TestUnverifiedClaims:
    def test_the_payload_is_read(self):
        assert unverified_claims(jwt_of(b'{"authentication_event_id":"e"}')) == {
            "authentication_event_id": "e"
        }

    @pytest.mark.parametrize(
        "token",
        [
            Secret("opaque"),
            Secret(""),
            Secret("a.b"),
            Secret("a.!!!.c"),
            Secret("a.ÿ.c"),
            jwt_of(b"[1]"),
            jwt_of(b"not json"),
            jwt_of(b"\xff\xfe"),
        ],
        ids=["opaque", "empty", "two parts", "not base64", "not ASCII", "list", "text", "bytes"],
    )
    def test_an_opaque_token_says_nothing(self, token: Secret):
        assert unverified_claims(token) == {}


class TestKeysInUse:
    def test_keys_are_old_after_an_hour(self):
        fetched: list[str] = []
        moment = [0.0]

        def fetch(url: str) -> object:
            fetched.append(url)
            key = {"kty": "RSA", "kid": "k", "n": "AQAB" * 90, "e": "AQAB"}
            return {"keys": [key]} if url.endswith("jwks") else {"issuer": "https://i.test"}

        verifier = IdentityVerifier("https://i.test", "app", fetch, monotonic=lambda: moment[0])
        for moment[0] in (0.0, 3600.0, 3601.0):
            verifier._current_keys()
        assert len(fetched) == 4


class TestScopes:
    def test_they_are_the_ones_we_need_and_no_others(self):
        assert REQUIRED_SCOPES == (
            "openid",
            "profile",
            "email",
            "accounting.contacts.read",
            "accounting.settings.read",
            "files",
            "offline_access",
        )
