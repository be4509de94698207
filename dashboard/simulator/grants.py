"""Who let the app into what: consent, codes, refresh tokens, connections.

The rules are those of https://developer.xero.com/documentation/guides/oauth2/auth-flow and of the
FAQ beside it: codes are good once and for five minutes; refresh tokens live 60 days and are
replaced at each use, the old one serving 30 more minutes in case the answer was lost; tokens
belong to a person, not to an organisation; revoking one ends all connections of that person.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dashboard.simulator.records import AuthorisationCode, Connection, RefreshToken
from dashboard.simulator.tokens import ACCESS_TOKEN_LIFE, TokenFacts, access_claims, id_claims
from dashboard.simulator.world import World

CODE_LIFE = timedelta(minutes=5)
REFRESH_TOKEN_LIFE = timedelta(days=60)
GRACE = timedelta(minutes=30)


class GrantRefused(Exception):
    """The token endpoint says no; `error` is the code of RFC 6749 that it answers with."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True, slots=True)
class ConsentRequest:
    """What an app asks a person for: the checked parameters of the authorise page."""

    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    state: str | None
    nonce: str | None
    code_challenge: str | None
    may_choose_several: bool


@dataclass(frozen=True, slots=True)
class Consent:
    """The fruit of a consent: the code for the app and the browser's session."""

    code: str
    session_id: str
    scopes: tuple[str, ...]


def give_consent(
    world: World, asked: ConsentRequest, user_id: str, tenant_ids: Iterable[str]
) -> Consent:
    """Record that a person lets the app into these organisations, and return the code."""
    with world.change() as state:
        now = world.clock.now()
        auth_event_id, session_id = world.new_id(), secrets.token_hex(16)
        for tenant_id in tenant_ids:
            _connect(world, user_id, tenant_id, auth_event_id, now)
        granted = state.granted_scopes.setdefault(user_id, [])
        withheld = world.options.withheld_scopes.split()
        granted.extend(scope for scope in asked.scopes if scope not in (*granted, *withheld))
        code = AuthorisationCode(
            code=secrets.token_urlsafe(32),
            client_id=asked.client_id,
            redirect_uri=asked.redirect_uri,
            user_id=user_id,
            scopes=tuple(granted),
            auth_event_id=auth_event_id,
            session_id=session_id,
            expires_at=now + CODE_LIFE,
            nonce=asked.nonce,
            code_challenge=asked.code_challenge,
        )
        state.codes[code.code] = code
        return Consent(code.code, session_id, code.scopes)


def _connect(world: World, user_id: str, tenant_id: str, auth_event_id: str, now: datetime) -> None:
    """Make or renew the connection of one person to one organisation."""
    connections = world.state.connections
    if live := world.live_connection(user_id, tenant_id):
        # Authorising again what is linked already keeps the first event's id. This trap catches
        # apps that look up their connection by the id in the new token alone.
        live.updated_at = now
        return
    gone = [
        connection
        for connection in connections.values()
        if connection.user_id == user_id and connection.tenant_id == tenant_id
    ]
    created_at = min((connection.created_at for connection in gone), default=now)
    for connection in gone:
        del connections[connection.connection_id]
    connection_id = world.new_id()
    connections[connection_id] = Connection(
        connection_id, user_id, tenant_id, auth_event_id, created_at, updated_at=now
    )


def exchange_code(
    world: World, code: str, redirect_uri: str, code_verifier: str | None, issuer: str
) -> dict[str, Any]:
    """Return tokens for a code; the code is spent whether or not it was good."""
    with world.change() as state:
        found = state.codes.pop(code, None)
        now = world.clock.now()
        state.codes = {key: held for key, held in state.codes.items() if held.expires_at > now}
        if found is None or found.expires_at <= now or found.redirect_uri != redirect_uri:
            raise GrantRefused("invalid_grant")
        if not _verifies(found.code_challenge, code_verifier):
            raise GrantRefused("invalid_grant")
        facts = TokenFacts(found.user_id, found.scopes, found.auth_event_id, found.session_id)
        return _tokens(world, facts, issuer, nonce=found.nonce, parent=None)


def _verifies(challenge: str | None, verifier: str | None) -> bool:
    if challenge is None or verifier is None:
        return challenge == verifier
    digest = hashlib.sha256(verifier.encode()).digest()
    expected = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return hmac.compare_digest(expected, challenge)


def refresh(world: World, value: str, issuer: str) -> dict[str, Any]:
    """Return new tokens for a refresh token, which is thereby replaced."""
    with world.change() as state:
        now = world.clock.now()
        token = state.refresh_tokens.get(value)
        if token is None or not _is_good(token, now, strict=world.options.strict_rotation):
            raise GrantRefused("invalid_grant")
        token.replaced_at = token.replaced_at or now
        # Using a token proves that it arrived, so the one before it needs no grace any more.
        if parent := state.refresh_tokens.get(token.parent or ""):
            parent.successor_used = True
        _forget_spent(world, now)
        facts = TokenFacts(token.user_id, token.scopes, token.auth_event_id, token.session_id)
        return _tokens(world, facts, issuer, nonce=None, parent=value)


def _is_good(token: RefreshToken, now: datetime, *, strict: bool) -> bool:
    if token.expires_at <= now:
        return False
    if token.replaced_at is None:
        return True
    return not strict and not token.successor_used and now <= token.replaced_at + GRACE


def _forget_spent(world: World, now: datetime) -> None:
    state = world.state
    state.refresh_tokens = {
        value: token
        for value, token in state.refresh_tokens.items()
        if token.replaced_at is None or now <= token.replaced_at + GRACE
    }


def _tokens(
    world: World, facts: TokenFacts, issuer: str, *, nonce: str | None, parent: str | None
) -> dict[str, Any]:
    """Return the body of a successful token answer."""
    now = world.clock.now()
    client_id = world.app.client_id
    claims = access_claims(
        facts, issuer=issuer, client_id=client_id, now=now, token_id=secrets.token_hex(16).upper()
    )
    access_token = world.signer.sign(claims)
    answer: dict[str, Any] = {
        "access_token": access_token,
        "expires_in": int(ACCESS_TOKEN_LIFE.total_seconds()),
        "token_type": "Bearer",
        "scope": " ".join(facts.scopes),
    }
    if "openid" in facts.scopes:
        user = world.state.users[facts.user_id]
        answer["id_token"] = world.signer.sign(
            id_claims(
                facts,
                user,
                issuer=issuer,
                client_id=client_id,
                now=now,
                access_token=access_token,
                nonce=nonce,
            )
        )
    if "offline_access" in facts.scopes:
        answer["refresh_token"] = _new_refresh_token(world, facts, now, parent)
    return answer


def _new_refresh_token(world: World, facts: TokenFacts, now: datetime, parent: str | None) -> str:
    value = secrets.token_urlsafe(32)
    world.state.refresh_tokens[value] = RefreshToken(
        value=value,
        user_id=facts.user_id,
        scopes=facts.scopes,
        auth_event_id=facts.auth_event_id,
        session_id=facts.session_id,
        issued_at=now,
        expires_at=now + REFRESH_TOKEN_LIFE,
        parent=parent,
    )
    return value


def revoke(world: World, value: str) -> None:
    """Revoke a refresh token, and with it every connection of its person. Others do nothing."""
    with world.change() as state:
        if token := state.refresh_tokens.get(value):
            forget_user(world, token.user_id)


def forget_user(world: World, user_id: str) -> None:
    """End every connection and refresh token of a person, and the scopes they had given."""
    with world.change() as state:
        state.refresh_tokens = {
            value: token
            for value, token in state.refresh_tokens.items()
            if token.user_id != user_id
        }
        state.granted_scopes.pop(user_id, None)
        for connection in state.connections.values():
            if connection.user_id == user_id:
                disconnect(world, connection)


def disconnect(world: World, connection: Connection) -> None:
    """End one connection; its row stays, for the date of the first one."""
    with world.change():
        if connection.is_live:
            connection.disconnected_at = world.clock.now()


def connections_of(world: World, user_id: str, auth_event_id: str | None) -> list[Connection]:
    """Return a person's live connections, oldest first, perhaps of one consent only."""
    with world.lock:
        found = [
            connection
            for connection in world.state.connections.values()
            if connection.user_id == user_id
            and connection.is_live
            and auth_event_id in (None, connection.auth_event_id)
        ]
    return sorted(found, key=lambda connection: connection.created_at)
