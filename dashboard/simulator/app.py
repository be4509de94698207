"""The pretend Xero as one WSGI app: three hosts on one origin, told apart by their paths."""

from __future__ import annotations

import time
import uuid
from http import HTTPStatus
from pathlib import Path

from flask import Flask, Response, g, render_template, request
from werkzeug.exceptions import HTTPException, InternalServerError

from dashboard.simulator import answers
from dashboard.simulator.accounting import accounting
from dashboard.simulator.calls import Call
from dashboard.simulator.files import files
from dashboard.simulator.gate import current_world
from dashboard.simulator.identity import identity
from dashboard.simulator.pages import pages
from dashboard.simulator.world import World

TEMPLATES = Path(__file__).parents[2] / "templates" / "simulator"
_API = ("/api.xro/", "/files.xro/")
_OWN_PAGES = "/simulator/"
_STRICT = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def create_simulator(world: World) -> Flask:
    """Return the app that serves *world*: login, identity, api.xero.com and /simulator/."""
    app = Flask(__name__, template_folder=str(TEMPLATES), static_folder=None)
    app.extensions["simulator"] = world
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    # The connection is cut by an exception on its way to the server: nothing may catch it.
    app.config["PROPAGATE_EXCEPTIONS"] = True
    for blueprint in (identity, accounting, files, pages):
        app.register_blueprint(blueprint)
    app.before_request(_begin)
    app.after_request(_finish)
    app.register_error_handler(answers.Refused, _refused)
    app.register_error_handler(HTTPException, _http_error)
    return app


def _begin() -> None:
    g.correlation_id = str(uuid.uuid4())
    g.started = time.perf_counter()


def _refused(refusal: answers.Refused) -> Response:
    return refusal.response


def _http_error(error: HTTPException) -> Response | HTTPException:
    """Answer unknown addresses as Xero does, and as a page below /simulator/."""
    if isinstance(error, InternalServerError) or error.code is None:
        return error
    if request.path.startswith(_OWN_PAGES):
        page = render_template("problem.html", code=error.code, text=error.description)
        return answers.as_html(page, error.code)
    if error.code == HTTPStatus.NOT_FOUND:
        return answers.not_found()
    return answers.as_text(error.name, error.code)


def _finish(response: Response) -> Response:
    response.headers["xero-correlation-id"] = g.correlation_id
    response.headers["X-Content-Type-Options"] = "nosniff"
    if response.mimetype == "text/html" and not request.path.startswith(_API):
        response.headers.setdefault("Content-Security-Policy", _STRICT)
        response.headers.setdefault("Referrer-Policy", "same-origin")
    if not request.path.startswith(_OWN_PAGES):
        _remember(response)
    return response


def _remember(response: Response) -> None:
    world = current_world()
    world.calls.add(
        Call(
            at=world.clock.now(),
            method=request.method,
            path=request.path,
            # Only the APIs' queries: a login's query carries state and challenges.
            query=request.query_string.decode("latin-1") if request.path.startswith(_API) else "",
            status=response.status_code,
            milliseconds=round((time.perf_counter() - g.started) * 1000, 1),
            tenant_id=g.get("tenant_id"),
            user_id=g.get("user_id"),
            idempotency_key=request.headers.get("Idempotency-Key"),
            token_seconds_left=g.get("token_seconds_left"),
            fault=g.get("fault"),
            wire=getattr(response, "wire", None),
            replayed=g.get("replayed", False),
        )
    )
