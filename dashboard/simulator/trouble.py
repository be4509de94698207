"""Turns an armed fault into what the caller sees, and keeps answers for Idempotency-Keys.

Three layers, from the outside in: the wire (reset, half a body, waiting), the gateway (answers
that never reach Xero's servers, and are not kept for a key), and the servers (whose answers,
errors among them, are kept and replayed).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus

from flask import Response, g, request

from dashboard.simulator import answers
from dashboard.simulator.faults import Fault
from dashboard.simulator.records import KeptAnswer
from dashboard.simulator.world import World

Work = Callable[[], Response]

KEY_LIFE = timedelta(minutes=6)
KEY_LENGTH = 128
_KEYED_METHODS = ("POST", "PUT", "PATCH")
_NOT_KEPT = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_STORES_THEN_CUTS = ("store-then-hang", "store-then-reset")


def answer_with_troubles(world: World, work: Work, *, keyed: bool = False) -> Response:
    """Return what *work* answers, or what an armed fault makes of it.

    *keyed* work honours the Idempotency-Key header.
    """
    fault = world.faults.take(request.method, request.path)
    if fault is None:
        return _on_the_servers(world, None, work, keyed=keyed)
    g.fault = fault.kind
    if fault.kind == "reset":
        # The whole request arrives first: a client that is still sending would see the reset as
        # a broken pipe, and some clients overlook those.
        request.get_data()
        return answers.Dropped()
    if response := _at_the_gateway(world, fault):
        return response
    if fault.kind == "slow":
        world.pause(fault.seconds)
    response = _on_the_servers(world, fault, work, keyed=keyed)
    if fault.kind == "store-then-hang":
        world.pause(fault.seconds)
    if fault.kind in _STORES_THEN_CUTS:
        return answers.Dropped()
    if fault.kind == "half-body":
        return answers.HalfBody.of(response)
    return response


def _at_the_gateway(world: World, fault: Fault) -> Response | None:
    """Return the answer of a fault that never lets the call through."""
    expired_at = world.clock.now() - timedelta(seconds=1)
    wait = fault.retry_after or None
    unavailable = HTTPStatus.SERVICE_UNAVAILABLE
    canned: dict[str, Work] = {
        "429-minute": lambda: answers.too_many("minute", wait),
        "429-day": lambda: answers.too_many("day", wait),
        "429-concurrent": lambda: answers.too_many("concurrent", None),
        "429-app-minute": lambda: answers.too_many("appminute", wait),
        "503-maintenance": lambda: answers.as_text(
            "The Xero API is currently offline for maintenance", unavailable
        ),
        "503-temporarily": lambda: answers.as_text(
            "The Xero API is temporarily unavailable", unavailable
        ),
        "503-organisation": lambda: answers.as_text("The Organisation is offline", unavailable),
        "413-html": lambda: answers.too_large(html=True),
        "413-json": lambda: answers.too_large(html=False),
        "200-html": lambda: answers.as_html(answers.MAINTENANCE_PAGE),
        "401-expired": lambda: answers.token_expired(expired_at),
        "403-disconnected": answers.forbidden,
        "invalid_grant": lambda: _token_error("invalid_grant"),
        "invalid_client": lambda: _token_error("invalid_client"),
    }
    make = canned.get(fault.kind)
    return make() if make else None


def _token_error(error: str) -> Response:
    return answers.as_json({"error": error}, HTTPStatus.BAD_REQUEST)


def _on_the_servers(world: World, fault: Fault | None, work: Work, *, keyed: bool) -> Response:
    """Do the work, or fail at it, and keep the answer if there is a key."""
    key = request.headers.get("Idempotency-Key")
    if not keyed or key is None or request.method not in _KEYED_METHODS:
        return _attempt(fault, work)
    if not 0 < len(key) <= KEY_LENGTH:
        return answers.files_refusal("Idempotency Key is longer than 128 characters")
    # Under the lock a second call with the same key waits for the first and finds its answer.
    with world.change() as state:
        now = world.clock.now()
        state.kept_answers = {
            kept_key: kept
            for kept_key, kept in state.kept_answers.items()
            if now < kept.kept_at + KEY_LIFE
        }
        fingerprint = _fingerprint()
        if kept := state.kept_answers.get(key):
            return _replay(kept, key, fingerprint)
        response = _attempt(fault, work)
        if response.status_code not in _NOT_KEPT:
            state.kept_answers[key] = KeptAnswer(
                fingerprint, response.status_code, response.content_type, response.get_data(), now
            )
        return response


def _replay(kept: KeptAnswer, key: str, fingerprint: str) -> Response:
    if kept.fingerprint != fingerprint:
        return answers.files_refusal(f"Idempotency Key {key} is used with a different request")
    g.replayed = True
    return Response(kept.body, kept.status, content_type=kept.content_type)


def _fingerprint() -> str:
    """Return what must be equal for two requests to count as one, the raw body included."""
    digest = hashlib.sha256(request.get_data())
    parts = (request.method, request.full_path, request.headers.get("xero-tenant-id", ""))
    digest.update("\n".join(parts).encode())
    return digest.hexdigest()


def _attempt(fault: Fault | None, work: Work) -> Response:
    """Do the work, except where the fault says that the servers fail before or after it."""
    kind = fault.kind if fault else ""
    instead: dict[str, Work] = {
        "500-html": _server_error_page,
        "500-json": _server_error_json,
        "400-array": lambda: answers.files_refusal("Refused by the simulator on order"),
        "400-object": lambda: answers.files_refusal_object("Refused by the simulator on order"),
    }
    if kind in instead:
        return instead[kind]()
    try:
        response = work()
    except answers.Refused as refused:
        response = refused.response
    return _server_error_json() if kind == "store-then-500" else response


def _server_error_page() -> Response:
    return answers.as_html(answers.SERVER_ERROR_PAGE, HTTPStatus.INTERNAL_SERVER_ERROR)


def _server_error_json() -> Response:
    return answers.as_json(
        {
            "Type": None,
            "Title": "An error occurred",
            "Status": 500,
            "Detail": "An error occurred in Xero. Check the API Status page for current status.",
            "Instance": g.correlation_id,
            "Extensions": {},
        },
        HTTPStatus.INTERNAL_SERVER_ERROR,
    )
