"""What every call must pass before it reaches Accounting or Files.

In the order in which Xero's gateway looks: the access token (401), its scopes (401), the
organisation in `xero-tenant-id` (403), the limits on calls (429).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps

from flask import Response, current_app, g, request

from dashboard.simulator import answers
from dashboard.simulator.records import Organisation, User
from dashboard.simulator.trouble import answer_with_troubles
from dashboard.simulator.world import World


@dataclass(frozen=True, slots=True)
class Caller:
    """The person for whom an access token speaks, and how far."""

    user: User
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TenantCall:
    """A call that passed the gate."""

    world: World
    caller: Caller
    organisation: Organisation


Handler = Callable[..., Response]

_USED_UP = {
    "minute": "X-MinLimit-Remaining",
    "day": "X-DayLimit-Remaining",
    "appminute": "X-AppMinLimit-Remaining",
}


def current_world() -> World:
    """Return the world that this app serves."""
    world: World = current_app.extensions["simulator"]
    return world


def authenticated(world: World) -> Caller:
    """Return the caller, or refuse with Xero's 401."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    claims = world.signer.read(token.strip()) if scheme.lower() == "bearer" else None
    # An id_token carries our signature too, but it opens nothing.
    if claims is None or "scope" not in claims:
        raise answers.Refused(answers.unauthorised())
    expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    now = world.clock.now()
    g.user_id = claims["xero_userid"]
    g.token_seconds_left = (expires_at - now).total_seconds()
    if expires_at <= now:
        raise answers.Refused(answers.token_expired(expires_at))
    user = world.state.users.get(claims["xero_userid"])
    if user is None or claims["client_id"] != world.app.client_id:
        raise answers.Refused(answers.unauthorised())
    return Caller(user, tuple(claims["scope"]))


def _opened(world: World, caller: Caller) -> Organisation:
    """Return the organisation that the call names, or refuse with Xero's 403."""
    tenant_id = request.headers.get("xero-tenant-id", "").strip().lower()
    g.tenant_id = tenant_id or None
    organisation = world.state.organisations.get(tenant_id)
    connected = world.live_connection(caller.user.user_id, tenant_id)
    if organisation is None or connected is None or tenant_id not in caller.user.tenant_ids:
        response = answers.forbidden()
        response.headers.update(world.limits.app_remaining())
        raise answers.Refused(response)
    return organisation


def tenant_call(*scopes: str) -> Callable[[Handler], Callable[..., Response]]:
    """Let a handler answer only calls that pass the gate with one of these scopes."""

    def wrap(handler: Handler) -> Callable[..., Response]:
        @wraps(handler)
        def view(**ids: str) -> Response:
            world = current_world()
            caller = authenticated(world)
            if scopes and not set(scopes) & set(caller.scopes):
                raise answers.Refused(answers.missing_scope())
            with world.lock:
                organisation = _opened(world, caller)
            call = TenantCall(world, caller, organisation)
            return _within_limits(call, lambda: _handled(call, handler, ids))

        return view

    return wrap


def _within_limits(call: TenantCall, work: Callable[[], Response]) -> Response:
    limits, tenant_id = call.world.limits, call.organisation.tenant_id
    if refusal := limits.arrive(tenant_id):
        response = answers.too_many(refusal.problem, refusal.retry_after)
    else:
        try:
            response = answer_with_troubles(call.world, work, keyed=True)
        finally:
            limits.leave(tenant_id)
    if "WWW-Authenticate" not in response.headers:
        response.headers.update(limits.remaining(tenant_id))
        if used_up := _USED_UP.get(response.headers.get("X-Rate-Limit-Problem", "")):
            response.headers[used_up] = "0"
    return response


def _handled(call: TenantCall, handler: Handler, ids: dict[str, str]) -> Response:
    if request.method == "GET":
        with call.world.lock:
            return handler(call, **ids)
    with call.world.change():
        return handler(call, **ids)
