"""The gallery's own addresses: the list, a scene, and the faults that scenes need."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from itertools import groupby
from typing import Any, NoReturn, cast

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    has_request_context,
    redirect,
    render_template,
    session,
)
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import RequestEntityTooLarge

from dashboard.database import db
from dashboard.gallery.office import Office
from dashboard.gallery.scenes import SCENES, Press, Scene, Way, Who
from dashboard.views import guards

pages = Blueprint("gallery", __name__, url_prefix="/gallery")

# In the browser's session: a table that the database cannot find as long as this scene is open.
MISSING_TABLE = "gallery_missing_table"


def register(app: Flask) -> None:
    """Give the app the gallery."""
    app.register_blueprint(pages)
    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", _lose_table, retval=True)


@pages.get("")
def page() -> str:
    """All scenes by screen."""
    listed = sorted(SCENES.values(), key=lambda scene: scene.screen)
    screens = [(name, list(found)) for name, found in groupby(listed, lambda scene: scene.screen)]
    return render_template("gallery/page.html", screens=screens, states=len(listed))


@pages.get("/<slug>")
@guards.writes_on_get
def show(slug: str) -> Response | str:
    """Make a scene anew, sign in as its person and go to its page."""
    scene = SCENES.get(slug)
    if scene is None:
        abort(HTTPStatus.NOT_FOUND)
    way = _enter(scene)
    if isinstance(way, Press):
        return render_template("gallery/press.html", scene=scene, press=way)
    return cast(Response, redirect(way, HTTPStatus.SEE_OTHER))


def _enter(scene: Scene) -> Way:
    guards.sign_out()
    office = Office(scene.email)
    if scene.who is not Who.NOBODY:
        guards.sign_in(office.admin if scene.who is Who.ADMIN else office.staff)
        office.browser_key = guards.browser_key()
    way = scene.make(office)
    db.session.commit()
    session.update(scene.session)
    return way


@pages.get("/fault")
def fault() -> NoReturn:
    """A fault of our own."""
    raise RuntimeError("a fault on purpose")


@pages.get("/database-away")
def database_away() -> NoReturn:
    """A database that does not answer."""
    raise OperationalError("SELECT 1", {}, ConnectionError("on purpose"))


@pages.get("/too-large")
def too_large() -> NoReturn:
    """A file that nobody takes."""
    raise RequestEntityTooLarge


def _lose_table(
    _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
) -> tuple[str, Any]:
    """Name a table that is not there, so that the database itself refuses."""
    for table in _missing():
        statement = statement.replace(f"FROM {table}", f"FROM {table}_lost")
    return statement, parameters


def _missing() -> Iterator[str]:
    if has_request_context() and session.get(MISSING_TABLE):
        yield session[MISSING_TABLE]
