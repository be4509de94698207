"""In and out."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import cast

from flask import (
    Blueprint,
    Response,
    current_app,
    make_response,
    redirect,
    render_template,
    request,
)
from flask_limiter import RateLimitExceeded
from flask_limiter.util import get_remote_address
from flask_login import current_user

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.extensions import limiter
from dashboard.secret import Secret
from dashboard.views import guards
from dashboard.views.filters import plural

pages = Blueprint("sign_in", __name__)

TRIES_FOR_ACCOUNT = "10 per 15 minutes"
TRIES_FROM_ADDRESS = "30 per 15 minutes"
WRONG = "Check your email and password."


def _account() -> str:
    return "account:" + request.form.get("email", "").strip().lower()


def _failed(response: Response) -> bool:
    """Only tries that did not work count, so that nobody is locked out by signing in."""
    return response.status_code != HTTPStatus.SEE_OTHER


@pages.get("/sign-in")
def page() -> Response | str:
    """The form; somebody who is signed in already goes on."""
    target = guards.safe_next(request.args.get("next"))
    if current_user.is_authenticated:
        return cast(Response, redirect(target, HTTPStatus.SEE_OTHER))
    return render_template("sign_in/page.html", next=target, errors=[], email="")


@pages.post("/sign-in")
@limiter.limit(TRIES_FROM_ADDRESS, key_func=get_remote_address, deduct_when=_failed)
@limiter.limit(TRIES_FOR_ACCOUNT, key_func=_account, deduct_when=_failed)
def sign_in() -> Response:
    """Start a session, or say that something was wrong, never what."""
    email, password = request.form.get("email", ""), Secret(request.form.get("password", ""))
    user = wiring.practices().check_password(email, password)
    if user is None:
        return _asked_again(WRONG, HTTPStatus.UNAUTHORIZED)
    guards.sign_in(user)
    current_app.logger.info("user %s signed in", user.id)
    target = guards.safe_next(request.form.get("next"))
    return cast(Response, redirect(target, HTTPStatus.SEE_OTHER))


@pages.errorhandler(HTTPStatus.TOO_MANY_REQUESTS)
def too_many_tries(error: RateLimitExceeded) -> Response:
    """The form again, with when the next try counts."""
    limit = limiter.current_limit
    # The library names the second after the window's end.
    seconds = limit.reset_at - 1 - utcnow().timestamp() if limit else error.limit.limit.get_expiry()
    minutes = math.ceil(max(seconds, 1) / 60)
    wait = plural(minutes, "{n} minute", "{n} minutes")
    return _asked_again(f"Too many tries. Try again in {wait}.", HTTPStatus.TOO_MANY_REQUESTS)


@pages.post("/sign-out")
def sign_out() -> Response:
    """End the session."""
    guards.sign_out()
    return cast(Response, redirect("/sign-in", HTTPStatus.SEE_OTHER))


def _asked_again(error: str, status: HTTPStatus) -> Response:
    """Return the form with what was wrong; the email is kept, the password never is."""
    page = render_template(
        "sign_in/page.html",
        next=guards.safe_next(request.form.get("next")),
        errors=[("email", error)],
        email=request.form.get("email", ""),
    )
    return make_response(page, status)
