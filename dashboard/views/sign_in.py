"""In and out."""

from __future__ import annotations

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
from flask_limiter.util import get_remote_address
from flask_login import current_user

from dashboard import wiring
from dashboard.extensions import limiter
from dashboard.secret import Secret
from dashboard.views import guards

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
    email = request.form.get("email", "")
    target = guards.safe_next(request.form.get("next"))
    user = wiring.practices().check_password(email, Secret(request.form.get("password", "")))
    if user is None:
        page = render_template(
            "sign_in/page.html", next=target, errors=[("email", WRONG)], email=email
        )
        return make_response(page, HTTPStatus.UNAUTHORIZED)
    guards.sign_in(user)
    current_app.logger.info("user %s signed in", user.id)
    return cast(Response, redirect(target, HTTPStatus.SEE_OTHER))


@pages.post("/sign-out")
def sign_out() -> Response:
    """End the session."""
    guards.sign_out()
    return cast(Response, redirect("/sign-in", HTTPStatus.SEE_OTHER))
