"""Refusals, Xero's errors and our own faults as pages, fragments or problems; the only place."""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import cast
from uuid import uuid4

from flask import Flask, Response, flash, make_response, redirect, render_template, request
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from redis.exceptions import RedisError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.extensions import htmx, limiter
from dashboard.rules.file_sizes import size_in_words
from dashboard.rules.upload_policy import LARGEST_UPLOAD
from dashboard.rules.waiting_sentences import wait_sentence
from dashboard.services.refusals import InvalidInput, Refusal
from dashboard.views.filters import duration, plural
from dashboard.views.guards import is_form_post, unauthorised, wants_json
from dashboard.views.problems import problem
from dashboard.xero import XeroError, XeroMustWait

logger = logging.getLogger(__name__)

SENTENCES = {
    HTTPStatus.BAD_REQUEST: "We could not read this request.",
    HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take this kind of request.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
        f"This file is too large. Xero takes up to {size_in_words(LARGEST_UPLOAD)}."
    ),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "We cannot read this kind of content.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many tries. Wait a few minutes and try again.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Sorry, there is a problem with the service.",
    HTTPStatus.SERVICE_UNAVAILABLE: "This is not available right now. Try again in a minute.",
}
CSRF = "csrf"
SIGN_IN = "sign_in.sign_in"
PAGES = frozenset({403, 404, 413, 429, 500, 503})


def register(app: Flask) -> None:
    """Answer every error of the app in words."""
    app.register_error_handler(Refusal, _refused)
    app.register_error_handler(XeroError, _xero_error)
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(RedisError, _redis)
    app.register_error_handler(OperationalError, _database)
    app.register_error_handler(Exception, _fault)


def answer(status: int, code: str, sentence: str, **more: object) -> Response:
    """Return the error as the asker wants it: a problem, a fragment or a page."""
    if wants_json():
        return problem(status, code, sentence, **more)
    if htmx:
        body = render_template("errors/_refusal.html", sentence=sentence)
        return make_response(body, status)
    # A form that is too old is nobody's fault and no admin can help: not the page of a 403.
    has_page = status in PAGES and code != CSRF
    page = f"errors/{status}.html" if has_page else "errors/refusal.html"
    body = render_template(
        page,
        sentence=sentence,
        reference=more.get("reference"),
        status=status,
        limit=LARGEST_UPLOAD,
        back=_page_before(),
    )
    return make_response(body, status)


def _refused(refusal: Refusal) -> Response:
    db.session.rollback()
    field = refusal.field if isinstance(refusal, InvalidInput) else None
    back = _page_before()
    is_hidden = refusal.status in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}
    if back is not None and _came_by_form() and not is_hidden:
        # People go back to the page whose button they pressed and read there what happened.
        flash(refusal.text, "danger")
        return cast(Response, redirect(back, HTTPStatus.SEE_OTHER))
    return answer(refusal.status, refusal.code, refusal.text, field=field)


def _came_by_form() -> bool:
    return is_form_post() and not (wants_json() or htmx)


def _page_before() -> str | None:
    """Return the page of ours whose link or button led here, unless it is what did not work."""
    back = request.referrer
    if not back or not back.startswith(request.host_url):
        return None
    return None if request.method == "GET" and back == request.url else back


def _xero_error(error: XeroError) -> Response:
    db.session.rollback()
    if isinstance(error, XeroMustWait):
        seconds = max(1, math.ceil(error.seconds))
        reply = answer(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "waiting_for_xero",
            f"{wait_sentence(error.reason)} Try again in {duration(seconds)}. Nothing is lost.",
        )
        reply.headers["Retry-After"] = str(seconds)
        return reply
    logger.warning("Xero did not do it: %s", error)
    return answer(
        HTTPStatus.BAD_GATEWAY,
        "xero_unavailable",
        "Xero did not answer as it should. Nothing was changed. Try again in a minute.",
    )


def _csrf(_error: CSRFError) -> Response:
    if not current_user.is_authenticated and request.endpoint != SIGN_IN:
        # Nobody is signed in, so no token could help: say what would.
        return unauthorised()
    if wants_json():
        return answer(
            HTTPStatus.FORBIDDEN,
            CSRF,
            "The form token is missing or too old. Send the page's csrf-token as X-CSRFToken.",
        )
    return answer(
        HTTPStatus.FORBIDDEN,
        CSRF,
        "This page was open too long. What was saved stays saved. Open it again and try again.",
    )


def _http(error: HTTPException) -> Response:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    if status < HTTPStatus.BAD_REQUEST:
        return cast(Response, error.get_response())
    phrase = HTTPStatus(status).phrase
    sentence = SENTENCES.get(HTTPStatus(status), f"{phrase}.")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        sentence = _too_many_tries() or sentence
    reply = answer(status, phrase.lower().replace(" ", "_"), sentence)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        # RFC 9110, 15.5.6: the answer has to name what the address takes.
        reply.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return reply


def _too_many_tries() -> str | None:
    limit = limiter.current_limit
    if limit is None:
        return None
    # The library names the second after the window's end.
    seconds = max(limit.reset_at - 1 - utcnow().timestamp(), 1)
    minutes = math.ceil(seconds / 60)
    return f"Too many tries. Try again in {plural(minutes, '{n} minute', '{n} minutes')}."


def _redis(error: RedisError) -> Response:
    logger.warning("Redis is not available: %s", type(error).__name__)
    return answer(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "queue_unavailable",
        "A part of the service is not available right now. What was saved stays saved.",
    )


def _database(error: OperationalError) -> Response:
    db.session.rollback()
    logger.error("the database is not available: %s", type(error.orig).__name__)
    return answer(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "database_unavailable",
        "This is not available right now. Nothing was changed. Try again in a minute.",
    )


def _fault(error: Exception) -> Response:
    db.session.rollback()
    reference = uuid4().hex[:8]
    logger.error("fault %s in %s %s", reference, request.method, request.path, exc_info=error)
    return answer(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "fault",
        f"Sorry, there is a problem with the service. Reference {reference}.",
        reference=reference,
    )
