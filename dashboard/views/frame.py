"""What stands around every page: person, connection pill, alerts, banner, and how it all looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import UUID

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    g,
    has_request_context,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_login import current_user
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

from dashboard.clock import utcnow
from dashboard.config import Settings
from dashboard.database import db
from dashboard.extensions import htmx
from dashboard.models import AlertCause, Practice, User
from dashboard.queries import alerts, connections, stamps
from dashboard.queries.alerts import AlertRow, Viewer
from dashboard.queries.connections import ConnectionSummary
from dashboard.queries.stamps import Reader, WordFacts
from dashboard.rules.alert_table import kind_of
from dashboard.rules.permissions import missing_permissions
from dashboard.rules.status_words import StatusWord, connection_word
from dashboard.views.filters import near_time, place_of_request
from dashboard.views.guards import (
    ask_admins,
    is_panel,
    opened_directly,
    safe_next,
    sign_in_required,
    unless_seen,
)

pages = Blueprint("frame", __name__)

YEAR_SECONDS = 365 * 24 * 3600
LOOKS = {"scheme": ("system", "light", "dark"), "density": ("comfortable", "compact")}
PAUSE = "live"
RESTING = {
    "tone": "warning",
    "title": "Nothing is sent to Xero or read from it right now.",
    "text": "A part of our service does not answer. Nothing is lost: it carries on by itself.",
    "action_label": "",
    "action_url": "",
    "action_method": "get",
}


@dataclass(frozen=True, slots=True)
class Pill:
    """The connection in the header."""

    word: StatusWord
    organisation: str | None


class Frame:
    """Everything around a page, read at most once for a request."""

    def __init__(self, user: User | None, cookies: Mapping[str, str]) -> None:
        self._user = user
        self.scheme = _look("scheme", cookies)
        self.density = _look("density", cookies)
        self.live_paused = cookies.get(PAUSE) == "paused"

    @property
    def person(self) -> User | None:
        """Who is signed in."""
        return self._user

    @property
    def practice(self) -> Practice | None:
        """The practice of that person."""
        return self._user.practice if self._user else None

    @cached_property
    def summary(self) -> ConnectionSummary | None:
        """The practice's connection."""
        if self._user is None:
            return None
        return connections.summary(db.session, self._user.practice_id)

    @cached_property
    def connection(self) -> Pill | None:
        """The pill in the header; none when the connection cannot be looked up."""
        if self._user is None:
            return None
        try:
            summary = self.summary
        except DBAPIError:
            # To say "Not connected" would be a lie, and the page itself may still be of use.
            db.session.rollback()
            return None
        return Pill(word_for(summary), summary.organisation if summary else None)

    @property
    def viewer(self) -> Viewer | None:
        """Whose alerts these are."""
        return Viewer(self._user.id, self._user.is_admin) if self._user else None

    @cached_property
    def alerts(self) -> list[AlertRow]:
        """The open alerts, the most serious first."""
        if self._user is None:
            return []
        return alerts.open_alerts(db.session, self._user.practice_id, self.viewer)

    @property
    def alert_count(self) -> int:
        """How many alerts are open."""
        return len(self.alerts)

    @property
    def danger_count(self) -> int:
        """How many of them need a person soon."""
        return sum(alert.tone == "danger" for alert in self.alerts)

    @cached_property
    def admins(self) -> list[str]:
        """Whom staff may ask."""
        if self._user is None:
            return []
        return connections.admin_names(db.session, self._user.practice_id)

    @property
    def whom_to_ask(self) -> str:
        """Whom staff may ask for what only admins do, as a sentence; empty for admins."""
        if self._user is None or self._user.is_admin:
            return ""
        return ask_admins(self.admins)

    @property
    def banner(self) -> dict[str, Any] | None:
        """The one banner: the most serious alert that deserves one, or that all work rests."""
        alert = next(filter(_is_banner, self.alerts), None)
        if (alert is None or alert.tone != "danger") and self.all_work_rests:
            return RESTING
        if alert is None or self._user is None:
            return None
        kind = kind_of(alert.cause)
        label, url = ("", "") if kind.path in _page_on_screen() else (kind.action, kind.path)
        text = self._with_moment(alert)
        if kind.only_admins_act and not self._user.is_admin:
            label, url = "", ""
            text = f"{text} {ask_admins(self.admins)}"
        return {
            "tone": alert.tone,
            # A heading in the list of alerts, here the beginning of a sentence.
            "title": f"{alert.title}.",
            "text": text,
            "action_label": label,
            "action_url": url,
            "action_method": "get",
        }

    @cached_property
    def all_work_rests(self) -> bool:
        """Whether nothing can be asked of Xero, because Redis is away, the counter in it too."""
        if self.connection is None or self.summary is None or not self.summary.is_current:
            return False
        return self.redis_is_away

    @cached_property
    def redis_is_away(self) -> bool:
        """Whether Redis does not answer."""
        return _redis_is_away()

    def _with_moment(self, alert: AlertRow) -> str:
        """Return the alert's text with the moment at which a used-up day is over."""
        if alert.cause != AlertCause.DAY_LIMIT:
            return alert.text
        until = self.summary.waits_until if self.summary else None
        if until is None:
            return alert.text
        when = near_time(until, place_of_request(utcnow()))
        return f"{alert.text} Reading and filing carry on at about {when}."

    @property
    def seen(self) -> str:
        """A stamp that changes when the header's live parts change."""
        facts = word_facts(self.summary) if self.connection else WordFacts()
        stamp = stamps.frame_stamp(facts, [(alert.id, alert.updated_at) for alert in self.alerts])
        return _with_rest(stamp, rests=self.redis_is_away)


def register(app: Flask) -> None:
    """Give `frame` to every template."""
    app.register_blueprint(pages)
    app.context_processor(lambda: {"frame": current_frame()})


def current_frame() -> Frame | None:
    """Return the frame of this request; None where nothing may be read, as on error pages."""
    if not has_request_context() or g.get("without_frame"):
        return None
    if "frame" not in g:
        user = cast(User, current_user) if current_user.is_authenticated else None
        g.frame = Frame(user, request.cookies)
    return cast(Frame, g.frame)


def word_for(summary: ConnectionSummary | None) -> StatusWord:
    """Return the word for the practice's connection."""
    if summary is None:
        return connection_word(None, last_good_call_at=None, now=utcnow())
    return connection_word(
        str(summary.status),
        last_good_call_at=summary.last_good_call_at,
        now=utcnow(),
        consecutive_errors=summary.consecutive_errors,
        resumes_at=summary.waits_until,
        missing_scopes=[permission.words for permission in missing_permissions(summary.scopes)],
    )


def word_facts(summary: ConnectionSummary | None) -> WordFacts:
    """Return what the word is made of, for the stamp."""
    if summary is None:
        return WordFacts()
    return WordFacts(
        id=summary.id,
        status=summary.status,
        consecutive_errors=summary.consecutive_errors,
        scopes=summary.scopes,
        last_good_call_at=summary.last_good_call_at,
        waits_until=summary.waits_until,
    )


def time_zone_of_practice() -> str:
    """Return the time zone that pages of this request use."""
    frame = current_frame()
    return frame.practice.time_zone if frame and frame.practice else "Europe/London"


def _is_banner(alert: AlertRow) -> bool:
    """Whether the alert belongs above the page that the person sees."""
    kind = kind_of(alert.cause)
    return kind.is_banner and not (kind.is_told_there and kind.path in _page_on_screen())


def _page_on_screen() -> set[str]:
    """Return the page's address, without and with what it asks; a poll's is that of its page."""
    page = urlsplit((htmx.current_url or "") if is_panel() else request.full_path)
    return {page.path, f"{page.path}?{page.query}"}


def _redis_is_away() -> bool:
    try:
        cast(Redis, current_app.extensions["redis_for_pages"]).ping()
    except RedisError:
        return True
    return False


def _with_rest(stamp: str, *, rests: bool) -> str:
    return f"{stamp}-rests" if rests else stamp


def _stamp(reader: Reader, user_id: UUID) -> str | None:
    stamp = stamps.of_frame(reader, user_id)
    return _with_rest(stamp, rests=_redis_is_away()) if stamp else None


@pages.get("/panels/frame")
@unless_seen(_stamp)
@sign_in_required
def panel() -> Response | str:
    """The header's pill and alert count; 204 while nothing changed."""
    if opened_directly():
        return cast(Response, redirect(url_for("overview.page"), HTTPStatus.SEE_OTHER))
    return render_template("components/frame_panel.html")


@pages.post("/preferences")
@sign_in_required
def preferences() -> Response:
    """Keep how this browser wants its pages: colours, density, live updates."""
    settings = cast(Settings, current_app.config["SETTINGS"])
    answer = cast(Response, redirect(safe_next(request.form.get("next")), HTTPStatus.SEE_OTHER))
    allowed = {**LOOKS, PAUSE: ("on", "paused")}
    for name, values in allowed.items():
        value = request.form.get(name)
        if value in values:
            answer.set_cookie(
                name,
                value,
                max_age=YEAR_SECONDS,
                httponly=True,
                secure=settings.is_https,
                samesite="Lax",
            )
    return answer


def _look(name: str, cookies: Mapping[str, str]) -> str:
    value = cookies.get(name, "")
    return value if value in LOOKS[name] else LOOKS[name][0]
