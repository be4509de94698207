"""Consent, tokens and connections: everything about who may speak to Xero for whom.

Source: https://developer.xero.com/documentation/guides/oauth2/auth-flow and, for `/connections`,
the official `xero-identity.yaml`. The OAuth exchanges themselves are Authlib's.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

import msgspec
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from dashboard.secret import Secret
from dashboard.xero.answers import Answer, decode, error_for
from dashboard.xero.errors import (
    XeroAppRefused,
    XeroError,
    XeroGrantRefused,
    XeroNoAnswer,
    XeroRateLimited,
    XeroUnavailable,
)
from dashboard.xero.governor import Priority
from dashboard.xero.identity import IdentityVerifier, unverified_claims
from dashboard.xero.transport import Bearer, Transport, XeroRequest, prepared, segment
from dashboard.xero.types import CodeAnswer, Grant, Tenant, TokenSet
from dashboard.xero.wire_dates import header_moment, moment

# Read contacts and settings, write files, know the person, stay connected: nothing more.
REQUIRED_SCOPES = (
    "openid",
    "profile",
    "email",
    "accounting.contacts.read",
    "accounting.settings.read",
    "files",
    "offline_access",
)

# Xero always says how long a token lives; should it ever not, a short guess costs one refresh.
_UNSAID_EXPIRES_IN = 300
_ANY = msgspec.json.Decoder(Any)
# https://www.rfc-editor.org/rfc/rfc6749#section-5.2 names them; whatever else stands there may be
# a part of the request.
_ERROR_WORD = re.compile(r"[a-z_]{3,40}")


class _WireTenant(msgspec.Struct, rename="camel"):
    id: str
    tenant_id: str
    tenant_type: str | None = None
    tenant_name: str | None = None
    auth_event_id: str | None = None
    created_date_utc: str | None = None
    updated_date_utc: str | None = None


_TENANTS = msgspec.json.Decoder(list[_WireTenant])


class XeroOAuth:
    """Speaks with Xero about consent and tokens for our app.

    The addresses have no path. With *pkce*, a code verifier is used as well as the app's secret.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        login_url: str,
        identity_url: str,
        client_id: str,
        client_secret: Secret,
        redirect_uri: str,
        pkce: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._transport = transport
        self._login_url = login_url.rstrip("/")
        self._identity_url = identity_url.rstrip("/")
        self._client_id = client_id
        self._client_secret = client_secret
        self._redirect_uri = redirect_uri
        self._pkce = pkce
        self._verifier = IdentityVerifier(self._identity_url, client_id, self._fetch_json, now=now)

    @property
    def uses_pkce(self) -> bool:
        """Whether each consent needs a code verifier."""
        return self._pkce

    def authorization_url(self, state: str, nonce: str, code_verifier: str | None = None) -> str:
        """Return the address of Xero's consent page.

        *code_verifier* (43 to 128 characters) is required with PKCE and not used without.
        """
        url, _ = self._session().create_authorization_url(
            f"{self._login_url}/identity/connect/authorize",
            state=state,
            nonce=nonce,
            code_verifier=self._needed_verifier(code_verifier),
        )
        return str(url)

    def exchange_code(self, code: str, code_verifier: str | None = None) -> CodeAnswer:
        """Return the tokens that a code is good for; whose they are is proven by `prove`.

        Raises `XeroGrantRefused` for a code that is spent, expired (5 minutes) or not ours, and
        `XeroAppRefused` when the app's own credentials are refused.
        """
        verifier = self._needed_verifier(code_verifier)
        extra = {"code_verifier": verifier} if verifier else {}
        answered, answered_at = self._token_answer(
            lambda session: session.fetch_token(
                self._token_url,
                grant_type="authorization_code",
                code=code,
                allow_redirects=False,
                **extra,
            )
        )
        tokens = _token_set(answered)
        hints = unverified_claims(tokens.access)
        return CodeAnswer(
            tokens=tokens,
            id_token=Secret(str(answered.get("id_token") or "")),
            xero_userid=_text(hints, "xero_userid"),
            authentication_event_id=_text(hints, "authentication_event_id"),
            answered_at=answered_at,
        )

    def prove(self, answer: CodeAnswer, nonce: str | None, *, require_nonce: bool = False) -> Grant:
        """Return what the person granted, their identity verified.

        Raises `XeroIdentityUnproven` when the id_token does not verify, and the errors of reading
        Xero's keys.
        """
        claims = self._verifier.verify(answer.id_token.reveal(), nonce, require_nonce=require_nonce)
        return _grant(answer, claims)

    def refresh(self, refresh_token: Secret) -> TokenSet:
        """Return new tokens; *refresh_token* works for 30 more minutes, in case they get lost.

        Raises `XeroGrantRefused` when it is no longer good, and then no second try can help.
        """
        answered, _ = self._token_answer(
            # No scope: a refresh never adds any, so what was granted stays granted.
            lambda session: session.refresh_token(
                self._token_url,
                refresh_token=refresh_token.reveal(),
                scope="",
                allow_redirects=False,
            )
        )
        return _token_set(answered)

    def revoke(self, refresh_token: Secret) -> None:
        """Take the grant back: this removes every organisation its person connected to the app."""
        response = self._identity_exchange(
            lambda session: session.revoke_token(
                f"{self._identity_url}/connect/revocation",
                token=refresh_token.reveal(),
                allow_redirects=False,
            )
        )
        _read_as_token_answer(response)

    def tenants(
        self,
        access: Secret,
        auth_event_id: str | None = None,
        *,
        priority: Priority = Priority.PERSON,
        refresh_access: Callable[[], Secret] | None = None,
    ) -> list[Tenant]:
        """Return the organisations that the token reaches, or only those of one consent.

        Connecting an organisation again keeps its first event, so the list of an event may be
        empty. With *refresh_access* a 401 is cured once with a fresh token.
        """
        query = {"authEventId": auth_event_id} if auth_event_id else {}
        request = XeroRequest("GET", "/connections", priority, query=query)
        answer = self._transport.send(request, Bearer(access, refresh_access))
        return [_tenant(tenant) for tenant in decode(answer, _TENANTS)]

    def delete_connection(self, access: Secret, connection_id: str) -> None:
        """Disconnect one organisation by the connection's own id; the tenant's would be refused.

        Raises `XeroNotFound` or `XeroForbidden` when it is already gone.
        """
        path = f"/connections/{segment(connection_id)}"
        self._transport.send(XeroRequest("DELETE", path, Priority.DISCONNECT), Bearer(access))

    @property
    def _token_url(self) -> str:
        return f"{self._identity_url}/connect/token"

    def _needed_verifier(self, code_verifier: str | None) -> str | None:
        if not self._pkce:
            return None
        if code_verifier is None:
            raise ValueError("With PKCE each consent has a code verifier.")
        return code_verifier

    def _session(self) -> Any:
        """Return Authlib's session on our shared connections; it holds a token, so none is kept."""
        session = OAuth2Session(
            client_id=self._client_id,
            client_secret=self._client_secret.reveal(),
            token_endpoint_auth_method="client_secret_basic",  # noqa: S106 - the name of a method
            revocation_endpoint_auth_method="client_secret_basic",
            scope=" ".join(REQUIRED_SCOPES),
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
        )
        return prepared(session, self._transport.adapter, self._transport.user_agent)

    def _token_answer(self, ask: Callable[[Any], Any]) -> tuple[Mapping[str, Any], datetime | None]:
        """Return the answer's values and the moment at which Xero's clock stood."""
        refusal: XeroError
        dates: list[str | None] = []

        def read(response: requests.Response) -> requests.Response:
            dates.append(response.headers.get("Date"))
            return _read_as_token_answer(response)

        try:
            answered = dict(self._identity_exchange(ask, read))
            return answered, header_moment(dates[-1] if dates else None)
        except (OAuthError, ValueError, TypeError):
            refusal = XeroUnavailable("Xero's identity service answered with something unreadable.")
        raise refusal

    def _identity_exchange(
        self,
        ask: Callable[[Any], Any],
        read: Callable[[requests.Response], requests.Response] | None = None,
    ) -> Any:
        session = self._session()
        for hook in ("access_token_response", "refresh_token_response") if read else ():
            session.register_compliance_hook(hook, read)
        # Identity calls count against no limit of Xero's, so the governor is not asked.
        failure: XeroError
        try:
            return ask(session)
        except requests.RequestException:
            failure = XeroNoAnswer("The request to Xero could not be made.", maybe_sent=False)
        raise failure

    def _fetch_json(self, url: str) -> Any:
        response = self._identity_exchange(
            lambda session: session.get(url, withhold_token=True, allow_redirects=False)
        )
        answer = _answer(response)
        error = error_for(answer)
        if error is not None:
            raise error
        return decode(answer, _ANY)


def _answer(response: requests.Response) -> Answer:
    return Answer(response.status_code, response.headers, response.content)


def _read_as_token_answer(response: requests.Response) -> requests.Response:
    """Return *response* if the app's request was granted; else raise what the refusal means.

    Only an OAuth word in a 400 or 401 says something about the grant or the app. Everything else,
    such as a gateway's page with status 403, is Xero being unavailable for the moment.
    """
    answer = _answer(response)
    word = _oauth_word(answer)
    if answer.status == HTTPStatus.OK and not word:
        return response
    if answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED) and word:
        raise _refusal(word, answer)
    error = error_for(answer)
    if isinstance(error, XeroRateLimited):
        raise error
    # No words of the answer are kept: some servers repeat the request, and ours holds secrets.
    raise XeroUnavailable(
        f"Xero's identity service gave no usable answer ({answer.status}).",
        status=answer.status,
        correlation_id=answer.correlation_id,
    )


def _refusal(word: str, answer: Answer) -> XeroError:
    if word == "invalid_grant":
        return XeroGrantRefused(
            "Xero no longer accepts this grant (invalid_grant).",
            status=answer.status,
            correlation_id=answer.correlation_id,
        )
    word = word if _ERROR_WORD.fullmatch(word) else "in words that we do not repeat"
    return XeroAppRefused(
        f"Xero does not accept our app's request ({word}).",
        error=word,
        status=answer.status,
        correlation_id=answer.correlation_id,
    )


def _oauth_word(answer: Answer) -> str:
    try:
        body = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    word = body.get("error") if isinstance(body, dict) else None
    return word if isinstance(word, str) else ""


def _token_set(answered: Mapping[str, Any]) -> TokenSet:
    access, refresh = answered.get("access_token"), answered.get("refresh_token")
    if not _is_text(access) or not _is_text(refresh):
        raise XeroUnavailable("Xero's identity service answered without the tokens.")
    return TokenSet(
        access=Secret(str(access)),
        refresh=Secret(str(refresh)),
        expires_in=_seconds(answered.get("expires_in")),
        scopes=_scopes(answered.get("scope")),
    )


def _scopes(granted: Any) -> tuple[str, ...]:
    # RFC 6749, 5.1: a scope that is not repeated is the one that was asked for.
    if isinstance(granted, str) and granted.strip():
        return tuple(granted.split())
    return REQUIRED_SCOPES


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _seconds(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return _UNSAID_EXPIRES_IN


def _grant(answer: CodeAnswer, claims: Mapping[str, Any]) -> Grant:
    given = " ".join(part for key in ("given_name", "family_name") if (part := _text(claims, key)))
    return Grant(
        tokens=answer.tokens,
        xero_userid=_text(claims, "xero_userid") or answer.xero_userid,
        email=_text(claims, "email"),
        name=_text(claims, "name") or given or None,
        authentication_event_id=answer.authentication_event_id,
    )


def _text(claims: Mapping[str, Any], key: str) -> str | None:
    value = claims.get(key)
    return value if isinstance(value, str) and value else None


def _tenant(wire: _WireTenant) -> Tenant:
    return Tenant(
        connection_id=wire.id,
        tenant_id=wire.tenant_id,
        tenant_type=(wire.tenant_type or "").upper(),
        name=wire.tenant_name,
        auth_event_id=wire.auth_event_id,
        created_at=moment(wire.created_date_utc),
        updated_at=moment(wire.updated_date_utc),
    )
