"""Signs and reads the JWTs of the pretend identity server (RS256, published as a JWKS)."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from dashboard.simulator.records import User

ID_TOKEN_LIFE = timedelta(minutes=5)
ACCESS_TOKEN_LIFE = timedelta(minutes=30)
KEY_BITS = 2048


@lru_cache(maxsize=1)
def process_signing_key() -> str:
    """Return one private key in PEM form, made once per process because it takes a while."""
    return RSAKey.generate_key(KEY_BITS).as_pem(private=True).decode()


@lru_cache(maxsize=4)
def _imported(private_pem: str) -> RSAKey:
    """Return the key of a PEM text; reading one costs more than all the rest of a small test."""
    return RSAKey.import_key(private_pem)


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What a token says about its holder."""

    user_id: str
    scopes: tuple[str, ...]
    auth_event_id: str
    session_id: str


class Signer:
    """One RSA key: signs claims, reads its own signatures back, publishes its public half."""

    def __init__(self, private_pem: str) -> None:
        key = _imported(private_pem)
        digest = hashlib.sha256(key.as_pem(private=False)).digest()
        self._key_id = digest[:20].hex().upper()
        self._thumbprint = base64.urlsafe_b64encode(digest[:20]).rstrip(b"=").decode()
        self._key = key

    def sign(self, claims: dict[str, Any]) -> str:
        """Return *claims* as a signed token."""
        header = {"alg": "RS256", "kid": self._key_id, "typ": "JWT", "x5t": self._thumbprint}
        return jwt.encode(header, claims, self._key)

    def read(self, token: str) -> dict[str, Any] | None:
        """Return the claims of a token that we signed, expired or not; None for any other."""
        try:
            return dict(jwt.decode(token, self._key, algorithms=["RS256"]).claims)
        except (JoseError, ValueError):
            return None

    def public_keys(self) -> dict[str, Any]:
        """Return the JWKS document."""
        public = self._key.as_dict(private=False)
        return {
            "keys": [
                {
                    "kty": "RSA",
                    "use": "sig",
                    "kid": self._key_id,
                    "x5t": self._thumbprint,
                    "e": public["e"],
                    "n": public["n"],
                    "alg": "RS256",
                }
            ]
        }


def subject(user_id: str) -> str:
    """Return the opaque subject that stands for a user."""
    return hashlib.sha256(user_id.encode()).hexdigest()[:32]


def access_claims(
    facts: TokenFacts, *, issuer: str, client_id: str, now: datetime, token_id: str
) -> dict[str, Any]:
    """Return the claims of an access token."""
    issued = int(now.timestamp())
    return {
        "nbf": issued,
        "exp": issued + int(ACCESS_TOKEN_LIFE.total_seconds()),
        "iss": issuer,
        "aud": f"{issuer}/resources",
        "client_id": client_id,
        "sub": subject(facts.user_id),
        "auth_time": issued,
        "xero_userid": facts.user_id,
        "global_session_id": facts.session_id,
        "sid": facts.session_id,
        "jti": token_id,
        "authentication_event_id": facts.auth_event_id,
        "scope": list(facts.scopes),
        "amr": ["pwd", "mfa", "otp"],
    }


def id_claims(
    facts: TokenFacts,
    user: User,
    *,
    issuer: str,
    client_id: str,
    now: datetime,
    access_token: str,
    nonce: str | None,
) -> dict[str, Any]:
    """Return the claims of an id_token; the person's details as far as the scopes reach."""
    issued = int(now.timestamp())
    half = hashlib.sha256(access_token.encode()).digest()[:16]
    claims: dict[str, Any] = {
        "nbf": issued,
        "exp": issued + int(ID_TOKEN_LIFE.total_seconds()),
        "iss": issuer,
        "aud": client_id,
        "iat": issued,
        "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
        "sid": facts.session_id,
        "sub": subject(facts.user_id),
        "auth_time": issued,
        "idp": "local",
        "amr": ["pwd", "mfa", "otp"],
        "xero_userid": facts.user_id,
        "global_session_id": facts.session_id,
    }
    if nonce is not None:
        claims["nonce"] = nonce
    return claims | personal_claims(facts.scopes, user)


def personal_claims(scopes: tuple[str, ...], user: User) -> dict[str, str]:
    """Return what the scopes `profile` and `email` let an app know about the person."""
    claims: dict[str, str] = {}
    if "profile" in scopes:
        claims |= {
            "preferred_username": user.email,
            "given_name": user.first_name,
            "family_name": user.last_name,
            "name": user.name,
        }
    if "email" in scopes:
        claims["email"] = user.email
    return claims
