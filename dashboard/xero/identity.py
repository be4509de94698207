"""Proof of who signed in: id_tokens checked against Xero's published keys.

Source: https://developer.xero.com/documentation/guides/oauth2/auth-flow and OpenID Connect Core
3.1.3.7.
"""

from __future__ import annotations

import base64
import binascii
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.errors import ClaimError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from dashboard.secret import Secret
from dashboard.xero.errors import XeroAppRefused, XeroIdentityUnproven

KEYS_ARE_FRESH_FOR = 3600.0
CLOCK_TOLERANCE = 5
TIMES = frozenset({"exp", "nbf", "iat"})

FetchJson = Callable[[str], Any]


class IdentityVerifier:
    """Checks id_tokens of one issuer; its keys are kept for an hour.

    *fetch_json* returns the JSON at an address or raises a `XeroError`.
    """

    def __init__(
        self,
        identity_url: str,
        client_id: str,
        fetch_json: FetchJson,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = identity_url
        self._client_id = client_id
        self._fetch_json = fetch_json
        self._now = now
        self._monotonic = monotonic
        self._keys: KeySet | None = None
        self._keys_from = 0.0
        self._lock = threading.Lock()

    def verify(
        self, id_token: str, nonce: str | None, *, require_nonce: bool = False
    ) -> dict[str, Any]:
        """Return the claims of *id_token*, or raise `XeroIdentityUnproven`.

        Another nonce than *nonce* is always refused. That Xero repeats a nonce at all is not
        documented, so an id_token without one passes unless *require_nonce*: it came over our own
        authenticated call to the token endpoint, and `state` ties that call to the browser session.
        """
        about_time = False
        try:
            claims = self._signed_claims(id_token)
            self._registry().validate(claims)
        except (JoseError, ValueError, TypeError) as error:
            reason = type(error).__name__
            about_time = isinstance(error, ClaimError) and error.claim in TIMES
        else:
            if _nonce_fits(claims.get("nonce"), nonce, required=require_nonce):
                return claims
            reason = "Its nonce is not ours."
        raise XeroIdentityUnproven(
            f"Xero's proof of identity did not verify ({reason}).", about_time=about_time
        )

    def _signed_claims(self, id_token: str) -> dict[str, Any]:
        try:
            return _decoded(id_token, self._current_keys())
        except InvalidKeyIdError:
            # Xero has changed its keys since we looked; look once more, not in a loop.
            return _decoded(id_token, self._current_keys(anew=True))

    def _registry(self) -> jwt.JWTClaimsRegistry:
        return jwt.JWTClaimsRegistry(
            now=lambda: int(self._now()),
            leeway=CLOCK_TOLERANCE,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._client_id},
            exp={"essential": True},
            sub={"essential": True},
        )

    def _current_keys(self, *, anew: bool = False) -> KeySet:
        with self._lock:
            age = self._monotonic() - self._keys_from
            if self._keys is None or anew or age > KEYS_ARE_FRESH_FOR:
                self._keys = self._published_keys()
                self._keys_from = self._monotonic()
            return self._keys

    def _published_keys(self) -> KeySet:
        discovery = f"{self._issuer}/.well-known/openid-configuration"
        document = self._fetch_json(discovery)
        issuer = document.get("issuer") if isinstance(document, dict) else None
        if issuer != self._issuer:
            raise XeroAppRefused(
                "The identity address in the settings is not the issuer that answers there.",
                error="issuer_mismatch",
            )
        # The address of the keys is ours too: a document may not send us to another host.
        return KeySet.import_key_set(self._fetch_json(f"{discovery}/jwks"))


def _decoded(id_token: str, keys: KeySet) -> dict[str, Any]:
    # RS256 only: a token must not choose how it is checked.
    return jwt.decode(id_token, keys, algorithms=["RS256"]).claims


def _nonce_fits(claimed: Any, ours: str | None, *, required: bool) -> bool:
    if claimed is None:
        return not required
    return ours is None or claimed == ours


def unverified_claims(token: Secret) -> dict[str, Any]:
    """Return the claims of an access token, or nothing when it is not a readable JWT.

    An access token is opaque to us but for two claims that no decision of trust rests on.
    """
    parts = token.reveal().split(".")
    if len(parts) != 3:  # noqa: PLR2004 - head, claims, signature
        return {}
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = msgspec.json.decode(payload)
    except (binascii.Error, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}
