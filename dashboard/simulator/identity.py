"""The login and identity servers, and the list of connections.

https://developer.xero.com/documentation/guides/oauth2/auth-flow. What an app gets wrong in the
authorise request is shown to the person on a page of Xero's and never redirected back.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit, urlunsplit

from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.datastructures import MultiDict

from dashboard.simulator import answers, grants
from dashboard.simulator.gate import authenticated, current_world
from dashboard.simulator.records import Connection, User
from dashboard.simulator.tokens import personal_claims, subject
from dashboard.simulator.trouble import answer_with_troubles
from dashboard.simulator.wire_dates import iso_seven_digits
from dashboard.simulator.world import World

identity = Blueprint("identity", __name__)

FORM = "application/x-www-form-urlencoded"


def issuer_of(world: World) -> str:
    """Return the identity server's base URL, without a slash at the end."""
    return world.issuer or request.host_url.rstrip("/")


# The consent page


class _WrongRequest(Exception):
    """The authorise request cannot be shown to a person."""

    def __init__(self, error: str, sentence: str) -> None:
        super().__init__(sentence)
        self.error = error
        self.sentence = sentence


def _consent_request(world: World, sent: MultiDict[str, str]) -> grants.ConsentRequest:
    """Return the checked parameters of the authorise page; _WrongRequest when they are wrong."""
    app = world.app
    if sent.get("client_id") != app.client_id:
        raise _WrongRequest("unauthorized_client", "Unknown client or client not enabled.")
    redirect_uri = sent.get("redirect_uri", "")
    if redirect_uri not in app.redirect_uris:
        raise _WrongRequest("invalid_request", "Invalid redirect_uri.")
    if sent.get("response_type") != "code":
        raise _WrongRequest("unsupported_response_type", "The response type must be code.")
    scopes = tuple(dict.fromkeys(sent.get("scope", "").split()))
    if not scopes or not set(scopes) <= set(app.scopes):
        raise _WrongRequest("invalid_scope", "Invalid scope for client.")
    single = "bulk_connect:false" in sent.get("acr_values", "").split()
    return grants.ConsentRequest(
        client_id=app.client_id,
        redirect_uri=redirect_uri,
        scopes=scopes,
        state=sent.get("state"),
        nonce=sent.get("nonce"),
        code_challenge=_code_challenge(sent),
        may_choose_several=app.bulk_connections and not single,
    )


def _code_challenge(sent: MultiDict[str, str]) -> str | None:
    challenge = sent.get("code_challenge")
    if challenge is not None and sent.get("code_challenge_method") != "S256":
        raise _WrongRequest("invalid_request", "The code challenge method must be S256.")
    return challenge


@identity.errorhandler(_WrongRequest)
def wrong_request(wrong: _WrongRequest) -> Response:
    """Show the page that Xero itself shows; there is no way back to the app from it."""
    page = render_template("wrong_request.html", wrong=wrong)
    return answers.as_html(page, HTTPStatus.INTERNAL_SERVER_ERROR)


@identity.get("/identity/connect/authorize")
def authorise() -> Response:
    """Ask a person whether the app may have what it asks for."""
    world = current_world()
    return _consent_page(world, _consent_request(world, request.args))


def _consent_page(world: World, asked: grants.ConsentRequest, problem: str = "") -> Response:
    organisations = world.state.organisations
    people = [
        (user, [organisations[tenant_id] for tenant_id in user.tenant_ids])
        for user in world.state.users.values()
    ]
    page = render_template(
        "consent.html", app_name=world.app.name, asked=asked, people=people, problem=problem
    )
    response = answers.as_html(page, HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK)
    # Browsers apply form-action to the redirect that follows the form, so the app's own origin
    # must stand beside ours.
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action 'self' {_origin(asked.redirect_uri)}"
    )
    return response


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@identity.post("/identity/connect/authorize")
def decide() -> Response:
    """Take the person back to the app, with a code or with their refusal."""
    world = current_world()
    asked = _consent_request(world, request.args)
    if request.form.get("decision") != "allow":
        return _back_to_app(asked, {"error": "access_denied"})
    user, tenant_ids, problem = _choice(world, asked, request.form.getlist("choice"))
    if user is None:
        return _consent_page(world, asked, problem)
    consent = grants.give_consent(world, asked, user.user_id, tenant_ids)
    answer = {"code": consent.code, "scope": " ".join(asked.scopes)}
    if asked.state is not None:
        answer["state"] = asked.state
    return _back_to_app(asked, answer | {"session_state": consent.session_id})


def _choice(
    world: World, asked: grants.ConsentRequest, chosen: list[str]
) -> tuple[User | None, list[str], str]:
    """Return who signs in and for which organisations, or what is wrong with the choice."""
    pairs = [tuple(choice.split(" ", 1)) for choice in chosen]
    people = {pair[0] for pair in pairs}
    if len(people) != 1:
        return None, [], "Choose the organisation of one person."
    user = world.state.users.get(people.pop())
    tenant_ids = [pair[-1] for pair in pairs]
    if user is None or not set(tenant_ids) <= set(user.tenant_ids):
        return None, [], "This person does not belong to that organisation."
    if len(tenant_ids) > 1 and not asked.may_choose_several:
        return None, [], "Choose one organisation."
    return user, tenant_ids, ""


def _back_to_app(asked: grants.ConsentRequest, answer: dict[str, str]) -> Response:
    if "error" in answer and asked.state is not None:
        answer = answer | {"state": asked.state}
    parts = urlsplit(asked.redirect_uri)
    query = urlencode(parse_qsl(parts.query) + list(answer.items()))
    response = redirect(urlunsplit(parts._replace(query=query)), HTTPStatus.FOUND)
    assert isinstance(response, Response)  # noqa: S101 - flask widens the type
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response


# The token endpoint


@identity.post("/connect/token")
def token() -> Response:
    """Exchange a code or a refresh token for tokens."""
    world = current_world()
    return answer_with_troubles(world, lambda: _as_oauth(_token, world))


@identity.post("/connect/revocation")
def revocation() -> Response:
    """Revoke a refresh token; anything else is politely ignored."""
    world = current_world()
    return answer_with_troubles(world, lambda: _as_oauth(_revocation, world))


def _as_oauth(work: Any, world: World) -> Response:
    try:
        _check_client(world)
        response: Response = work(world)
    except grants.GrantRefused as refusal:
        response = answers.as_json({"error": refusal.error}, HTTPStatus.BAD_REQUEST)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"
    return response


def _check_client(world: World) -> None:
    """Refuse a client that cannot prove to be the registered app."""
    if request.mimetype != FORM:
        raise grants.GrantRefused("invalid_request")
    client_id, secret = _basic_credentials() or (
        request.form.get("client_id", ""),
        request.form.get("client_secret", ""),
    )
    right_id = hmac.compare_digest(client_id.encode(), world.app.client_id.encode())
    right_secret = hmac.compare_digest(secret.encode(), world.app.client_secret.encode())
    if not (right_id and right_secret):
        raise grants.GrantRefused("invalid_client")


def _basic_credentials() -> tuple[str, str] | None:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    client_id, _, secret = decoded.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)


def _token(world: World) -> Response:
    sent = request.form
    if sent.get("grant_type") == "authorization_code":
        answer = grants.exchange_code(
            world,
            sent.get("code", ""),
            sent.get("redirect_uri", ""),
            sent.get("code_verifier"),
            issuer_of(world),
        )
    elif sent.get("grant_type") == "refresh_token":
        answer = grants.refresh(world, sent.get("refresh_token", ""), issuer_of(world))
    else:
        raise grants.GrantRefused("unsupported_grant_type")
    return answers.as_json(answer)


def _revocation(world: World) -> Response:
    if "token" not in request.form:
        raise grants.GrantRefused("invalid_request")
    grants.revoke(world, request.form["token"])
    return Response(b"", HTTPStatus.OK)


# What describes the server


@identity.get("/.well-known/openid-configuration")
def discovery() -> Response:
    """Describe the identity server."""
    world = current_world()
    return answer_with_troubles(world, lambda: answers.as_json(_description(world)))


def _description(world: World) -> dict[str, Any]:
    base = issuer_of(world)
    return {
        "issuer": base,
        "jwks_uri": f"{base}/.well-known/openid-configuration/jwks",
        "authorization_endpoint": f"{request.host_url}identity/connect/authorize",
        "token_endpoint": f"{base}/connect/token",
        "userinfo_endpoint": f"{base}/connect/userinfo",
        "revocation_endpoint": f"{base}/connect/revocation",
        "scopes_supported": list(world.app.scopes),
        "claims_supported": ["sub", "name", "family_name", "given_name", "email"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "subject_types_supported": ["public"],
        "code_challenge_methods_supported": ["S256"],
    }


@identity.get("/.well-known/openid-configuration/jwks")
def jwks() -> Response:
    """Publish the key that tokens are signed with."""
    world = current_world()
    return answer_with_troubles(world, lambda: answers.as_json(world.signer.public_keys()))


@identity.get("/connect/userinfo")
def userinfo() -> Response:
    """Say who the holder of an access token is."""
    world = current_world()
    caller = authenticated(world)
    if "openid" not in caller.scopes:
        raise answers.Refused(answers.missing_scope())
    claims = {"sub": subject(caller.user.user_id), "xero_userid": caller.user.user_id}
    claims |= personal_claims(caller.scopes, caller.user)
    return answer_with_troubles(world, lambda: answers.as_json(claims))


# Connections. The published OpenAPI file writes a capital C, the documentation a small one.


@identity.get("/connections")
@identity.get("/Connections")
def connections() -> Response:
    """List the organisations that the holder of the token let the app into."""
    world = current_world()
    caller = authenticated(world)
    return answer_with_troubles(
        world,
        lambda: answers.as_json(
            [
                _connection_json(world, connection)
                for connection in grants.connections_of(
                    world, caller.user.user_id, request.args.get("authEventId")
                )
            ]
        ),
    )


def _connection_json(world: World, connection: Connection) -> dict[str, Any]:
    return {
        "id": connection.connection_id,
        "authEventId": connection.auth_event_id,
        "tenantId": connection.tenant_id,
        "tenantType": "ORGANISATION",
        "tenantName": _tenant_name(world, connection),
        "createdDateUtc": iso_seven_digits(connection.created_at),
        "updatedDateUtc": iso_seven_digits(connection.updated_at),
    }


def _tenant_name(world: World, connection: Connection) -> str | None:
    if world.options.nameless_connections:
        return None
    return world.state.organisations[connection.tenant_id].name


@identity.delete("/connections/<connection_id>")
@identity.delete("/Connections/<connection_id>")
def delete_connection(connection_id: str) -> Response:
    """End one connection. Its id is wanted: a tenant id is answered with 403."""
    world = current_world()
    user = authenticated(world).user
    return answer_with_troubles(world, lambda: _delete_connection(world, user, connection_id))


def _delete_connection(world: World, user: User, connection_id: str) -> Response:
    with world.change() as state:
        if connection_id in state.organisations:
            return answers.forbidden()
        connection = state.connections.get(connection_id)
        mine = connection is not None and connection.user_id == user.user_id
        if connection is None or not mine or not connection.is_live:
            return answers.not_found()
        grants.disconnect(world, connection)
    response = Response(status=HTTPStatus.NO_CONTENT)
    del response.headers["Content-Type"]
    return response
