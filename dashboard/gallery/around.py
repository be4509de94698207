"""Scenes of what stands around: signing in, the front page, alerts, and pages about errors."""

from __future__ import annotations

from flask import current_app
from limits import parse
from sqlalchemy import select, update

from dashboard.database import db
from dashboard.extensions import limiter
from dashboard.gallery.filing import every_word
from dashboard.gallery.office import DAY, HOUR, MINUTE, Office
from dashboard.gallery.running import past
from dashboard.gallery.scenes import Outside, Press, Way, Who, scene
from dashboard.gallery.settings import busy, expire, refuse
from dashboard.models import Alert, AlertCause, AlertMail, PushStatus
from dashboard.views.sign_in import TRIES_FOR_ACCOUNT

SIGN_IN = "/sign-in"
ALERTS = "/alerts"

# -- signing in -----------------------------------------------------------------------------------


@scene("Sign in", "first visit", who=Who.NOBODY, stands_for_screen=True)
def sign_in(at: Office) -> Way:
    return SIGN_IN


@scene("Sign in", "from a deep link", who=Who.NOBODY)
def deep_link(at: Office) -> Way:
    return "/documents?tab=attention"


@scene("Sign in", "wrong details", who=Who.NOBODY, status=401)
def wrong_details(at: Office) -> Way:
    return Press(SIGN_IN, {"email": at.admin.email, "password": "a guess"}, "Sign in")


@scene("Sign in", "too many tries", who=Who.NOBODY, status=429)
def too_many_tries(at: Office) -> Way:
    guess = {"email": f"guesser@{at.id}.example", "password": "a guess"}
    limit, prefix = parse(TRIES_FOR_ACCOUNT), current_app.config["RATELIMIT_KEY_PREFIX"]
    for _ in range(limit.amount):
        limiter.limiter.hit(limit, prefix, f"account:{guess['email']}", "sign_in.sign_in")
    return Press(SIGN_IN, guess, "Sign in")


@scene("Sign in", "session ended while a page was open", outside=Outside.SIGNED_OUT)
def session_ended(at: Office) -> Way:
    busy(at)
    return "/settings"


# -- the front page -------------------------------------------------------------------------------


@scene("Overview", "first day")
def first_day(at: Office) -> Way:
    return "/"


@scene("Overview", "first day, for staff", who=Who.STAFF)
def first_day_for_staff(at: Office) -> Way:
    return "/"


@scene("Overview", "just connected")
def just_connected(at: Office) -> Way:
    at.connect(last_sync_at=None, last_sync_contact_count=None)
    return "/"


@scene("Overview", "in use", stands_for_screen=True)
def in_use(at: Office) -> Way:
    client = every_word(at)
    for day in range(13):
        for number in range((day * 5 + 3) % 7):
            pushed_at = at.now - day * DAY - HOUR
            at.file(
                client,
                f"Paper {day}-{number}",
                status=PushStatus.ASSOCIATED,
                pushed_at=pushed_at,
                document={"created_at": pushed_at - HOUR},
            )
    at.call()
    past(at)
    return "/"


@scene("Overview", "reconnect needed")
def front_expired(at: Office) -> Way:
    expire(at)
    return "/"


# -- alerts ---------------------------------------------------------------------------------------


def several(at: Office) -> None:
    """Open an alert of several causes, some of them days ago."""
    refuse(at)
    on_hold = AlertCause.DOCUMENTS_ON_HOLD
    at.alert(on_hold, "2 documents on hold for more than 3 days", "They wait for Xero.")
    at.alert(
        AlertCause.IMPORT_PROBLEMS,
        "Import finished with problems",
        "3 contacts of the last import need attention. The others were imported.",
    )
    db.session.execute(
        update(Alert)
        .where(Alert.practice_id == at.id, Alert.cause != AlertCause.IMPORT_PROBLEMS)
        .values(created_at=at.now - 4 * DAY)
    )
    mailed_at = at.now - 4 * DAY + 6 * HOUR
    db.session.execute(
        update(AlertMail)
        .where(AlertMail.alert_id == the_first(at).id)
        .values(due_at=mailed_at, sent_at=mailed_at)
    )


def the_first(at: Office) -> Alert:
    """Return the alert about the connection."""
    return db.session.scalars(
        select(Alert).where(
            Alert.practice_id == at.id, Alert.cause == AlertCause.CONNECTION_PROBLEM
        )
    ).one()


@scene("Alerts", "none open")
def no_alerts(at: Office) -> Way:
    return ALERTS


@scene("Alerts", "open", stands_for_screen=True)
def open_alerts(at: Office) -> Way:
    several(at)
    return ALERTS


@scene("Alerts", "open, for staff", who=Who.STAFF)
def open_for_staff(at: Office) -> Way:
    several(at)
    return ALERTS


@scene("Alerts", "none closed")
def none_closed(at: Office) -> Way:
    return f"{ALERTS}?state=closed"


@scene("Alerts", "closed")
def closed_alerts(at: Office) -> Way:
    several(at)
    at.truth.good_call(at.connection.id)
    at.close_alerts(list(AlertCause))
    return f"{ALERTS}?state=closed"


@scene("Alerts", "email does not go out")
def mail_trouble(at: Office) -> Way:
    several(at)
    at.add(
        AlertMail(
            practice_id=at.id,
            user_id=at.staff.id,
            due_at=at.now - HOUR,
            not_before=at.now + 10 * MINUTE,
            attempts=3,
            last_error="The mail server did not answer.",
            server_said="421 4.3.2 Service not available",
        )
    )
    return ALERTS


@scene("Alert", "open", stands_for_screen=True)
def one_alert(at: Office) -> Way:
    several(at)
    return f"{ALERTS}/{the_first(at).id}"


@scene("Alert", "open, for staff", who=Who.STAFF)
def one_for_staff(at: Office) -> Way:
    several(at)
    return f"{ALERTS}/{the_first(at).id}"


@scene("Alert", "closed")
def one_closed(at: Office) -> Way:
    several(at)
    at.truth.good_call(at.connection.id)
    return f"{ALERTS}/{the_first(at).id}"


# -- errors ---------------------------------------------------------------------------------------


@scene("Error", "page not found", status=404)
def not_found(at: Office) -> Way:
    return "/no-such-page"


@scene("Error", "no access", who=Who.STAFF, status=403)
def no_access(at: Office) -> Way:
    at.connect()
    return "/settings/folder"


@scene("Error", "page open too long", status=403)
def open_too_long(at: Office) -> Way:
    return Press("/documents/retry", {"csrf_token": "of another session"}, "Retry")


@scene("Error", "file too large", status=413)
def too_large(at: Office) -> Way:
    return "/gallery/too-large"


@scene("Error", "a fault of ours", status=500)
def fault(at: Office) -> Way:
    return "/gallery/fault"


@scene("Error", "database away", status=503)
def database_away(at: Office) -> Way:
    return "/gallery/database-away"


@scene("Error", "Redis away", outside=Outside.REDIS_AWAY)
def redis_away(at: Office) -> Way:
    busy(at)
    return "/documents"
