"""Who is asking, and may they: sessions, roles, and the answers to those who may not."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from http import HTTPStatus
from typing import Concatenate, ParamSpec, TypeVar, cast
from urllib.parse import urlsplit
from uuid import UUID

from flask import Flask, Response, current_app, redirect, request, session, url_for
from flask_login import current_user, login_user, logout_user
from werkzeug.exceptions import RequestEntityTooLarge

from dashboard.clock import utcnow
from dashboard.database import db, one_query, reading_only
from dashboard.extensions import htmx, login_manager
from dashboard.models import User
from dashboard.queries import connections
from dashboard.queries.stamps import Reader
from dashboard.services.refusals import InvalidInput, NotAllowed
from dashboard.views.problems import problem

IDLE = timedelta(hours=8)
ABSOLUTE = timedelta(hours=12)
NOTE_EVERY = timedelta(minutes=5)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
ENDED = "You have been signed out. Sign in again to go on."

P = ParamSpec("P")
R = TypeVar("R")
View = Callable[P, R]


def refuse_what_is_too_large(app: Flask) -> None:
    """Refuse a request by its announced length, before anything reads it."""

    def check() -> None:
        if (request.content_length or 0) > app.config["MAX_CONTENT_LENGTH"]:
            raise RequestEntityTooLarge

    app.before_request(check)


def register(app: Flask) -> None:
    """Let the app know who is asking before each view."""
    login_manager.session_protection = None
    login_manager.user_loader(_load_user)
    login_manager.unauthorized_handler(unauthorised)
    app.before_request(_begin_request)


def writes_on_get(view: Callable[P, R]) -> Callable[P, R]:
    """Mark a view that writes although it is asked for by GET."""
    view.writes_on_get = True  # type: ignore[attr-defined]
    return view


def sign_in_required(view: Callable[P, R]) -> Callable[P, R]:
    """Let only signed-in people through; works for pages, panels and JSON."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        if not current_user.is_authenticated:
            return cast(R, unauthorised())
        return view(*args, **kwargs)

    return guarded


def admin_required(view: Callable[P, R]) -> Callable[P, R]:
    """Let only admins of the practice through."""

    @wraps(view)
    @sign_in_required
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        if not current_user.is_admin:
            names = connections.admin_names(db.session, current_practice_id())
            raise NotAllowed("Only practice admins can do this.", ask_admins(names))
        return view(*args, **kwargs)

    return guarded


def ask_admins(names: list[str]) -> str:
    """Return whom staff should ask, by name."""
    if not names:
        return "Ask a practice admin."
    if len(names) == 1:
        return f"Ask {names[0]}."
    return f"Ask {', '.join(names[:-1])} or {names[-1]}."


def unless_seen(
    stamp_of: Callable[Concatenate[Reader, UUID, P], str | None],
) -> Callable[[View[P, R]], View[P, R | Response]]:
    """Answer 204, after one query, to a poll whose `seen` is still the panel's stamp.

    *stamp_of* is one of `queries.stamps`, for the person who asks and the view's own arguments. It
    stands before `sign_in_required`: whoever has no valid session, or is gone, goes on to that one.
    """

    def decorate(view: View[P, R]) -> View[P, R | Response]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R | Response:
            seen, user_id = request.args.get("seen"), _session_user_id()
            if htmx and seen and user_id is not None:
                # A session of the ORM would cost as much again as the query.
                with one_query(db.engine) as reader:
                    stamp = stamp_of(reader, user_id, *args, **kwargs)
                if stamp == seen:
                    return Response(status=HTTPStatus.NO_CONTENT)
            return view(*args, **kwargs)

        return guarded

    return decorate


def current_practice_id() -> UUID:
    """Return the practice of the person who is asking."""
    return cast(UUID, current_user.practice_id)


def current_user_id() -> UUID:
    """Return the id of the person who is asking."""
    return cast(UUID, current_user.id)


def browser_key() -> str:
    """Return the random key of this browser's session."""
    return cast(str, session["browser_key"])


def wants_json() -> bool:
    """Tell whether the answer should be JSON: under /api, unless a browser asks for a page."""
    accept = request.headers.get("Accept", "")
    return request.path.startswith("/api/") and ("text/html" not in accept or names_json())


def names_json() -> bool:
    """Tell whether JSON was asked for by name."""
    return "application/json" in request.headers.get("Accept", "")


def is_form_post() -> bool:
    """Tell whether a plain form was posted."""
    return request.mimetype in {"application/x-www-form-urlencoded", "multipart/form-data"}


def is_panel() -> bool:
    """Tell whether a page's panel asks for itself."""
    return "/panels/" in request.path


def sign_in(user: User) -> None:
    """Start a fresh session for *user*; whatever was in the old one is gone."""
    session.clear()
    now = utcnow().timestamp()
    session.permanent = True
    session["browser_key"] = secrets.token_urlsafe(32)
    session["signed_in_at"] = now
    session["seen_at"] = now
    login_user(user)


def sign_out() -> None:
    """End the session."""
    logout_user()
    session.clear()


def safe_next(target: str | None) -> str:
    """Return *target* if it is a path of our own, else the front page."""
    parts = urlsplit(target or "")
    if parts.scheme or parts.netloc or not parts.path.startswith("/"):
        return url_for("overview.page")
    if (
        "\\" in parts.path
        or parts.path.startswith("//")
        or any(ord(c) < ord(" ") for c in target or "")
    ):
        return url_for("overview.page")
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _begin_request() -> None:
    view = current_app.view_functions.get(request.endpoint or "")
    may_write = request.method not in SAFE_METHODS or getattr(view, "writes_on_get", False)
    reading_only.set(not may_write)
    if any(has_nul(value) for value in request.args.values()):
        raise InvalidInput("This address holds a character that no text of ours can hold.")


def has_nul(value: object) -> bool:
    """Tell whether *value* is a text with a NUL: PostgreSQL refuses even to look for one."""
    return isinstance(value, str) and "\0" in value


def _load_user(user_id: str) -> User | None:
    if not _session_lives():
        return None
    now = utcnow()
    # A poll is not a visit, and its answer sets no cookie.
    if now - cast(datetime, _moment("seen_at")) > NOTE_EVERY and not is_panel():
        session["seen_at"] = now.timestamp()
    return db.session.get(User, UUID(user_id))


def _session_user_id() -> UUID | None:
    """Return whose session this is while it lives; whether that person is still there is open."""
    user_id = session.get("_user_id")
    return UUID(user_id) if user_id is not None and _session_lives() else None


def _session_lives() -> bool:
    now, signed_in_at, seen_at = utcnow(), _moment("signed_in_at"), _moment("seen_at")
    if signed_in_at is None or seen_at is None:
        return False
    return now - signed_in_at <= ABSOLUTE and now - seen_at <= IDLE


def _moment(name: str) -> datetime | None:
    value = session.get(name)
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else None


def unauthorised() -> Response:
    """Ask for signing in, as the asker understands it: a problem, a panel's hint or a redirect."""
    if wants_json():
        return problem(HTTPStatus.UNAUTHORIZED, "signed_out", "Sign in to use this address.")
    target = url_for("sign_in.page", next=_way_back())
    if is_panel() and htmx:
        return Response(
            ENDED, HTTPStatus.UNAUTHORIZED, {"HX-Trigger": "session-ended"}, mimetype="text/plain"
        )
    if htmx:
        return Response(
            ENDED, HTTPStatus.UNAUTHORIZED, {"HX-Redirect": target}, mimetype="text/plain"
        )
    return cast(Response, redirect(target, HTTPStatus.SEE_OTHER))


def _way_back() -> str:
    if request.method in SAFE_METHODS:
        query = request.query_string.decode()
        return request.path + (f"?{query}" if query else "")
    # Whoever pressed a button goes back to the page on which it stands.
    page = htmx.current_url or request.referrer or ""
    return "/" + page.removeprefix(request.host_url) if page.startswith(request.host_url) else "/"


def opened_directly() -> bool:
    """Tell whether a person opened a panel's own address: they belong on its page."""
    return not htmx
