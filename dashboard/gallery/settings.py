"""Scenes of the Xero settings page, of disconnecting, and of the way back from Xero."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

from sqlalchemy import select

from dashboard import wiring
from dashboard.config import CALLBACK_PATH
from dashboard.database import db
from dashboard.gallery.office import ALL_SCOPES, HOUR, MINUTE, ORGANISATION, Office
from dashboard.gallery.scenes import Outside, Press, Way, Who, scene
from dashboard.models import (
    AlertCause,
    Client,
    OAuthAttempt,
    PushStatus,
    RunKind,
    RunStatus,
    XeroFolder,
)
from dashboard.rules.permissions import FILES_SCOPE, needed_sentence
from dashboard.xero import XeroForbidden

SETTINGS = "/settings"
DISCONNECT = "/settings/disconnect"


def busy(at: Office, **values: object) -> Client:
    """Connect, with documents filed and on their way; return their client."""
    at.connect(**values)
    client = at.linked_client()
    for kind in ("P60", "Accounts", "Payslip"):
        at.file(client, kind, status=PushStatus.ASSOCIATED)
    for kind in ("Bank statement", "Receipt"):
        at.file(client, kind)
    at.call()
    return client


@scene("Settings", "not connected")
def not_connected(at: Office) -> Way:
    return SETTINGS


@scene("Settings", "not connected, for staff", who=Who.STAFF)
def not_connected_for_staff(at: Office) -> Way:
    return SETTINGS


@scene("Settings", "connected", stands_for_screen=True)
def connected(at: Office) -> Way:
    client = busy(at)
    at.file(client, "Mileage log", status=PushStatus.FAILED, cause="refused")
    at.tell_of_pushes()
    return SETTINGS


@scene("Settings", "connected, for staff", who=Who.STAFF)
def connected_for_staff(at: Office) -> Way:
    busy(at)
    return SETTINGS


@scene("Settings", "just connected", session={"just_connected": ORGANISATION})
def just_connected(at: Office) -> Way:
    at.connect(connected_at=at.now, last_sync_at=None, last_sync_contact_count=None)
    return f"{SETTINGS}?xero=connected"


@scene("Settings", "reading contacts for the first time")
def reading(at: Office) -> Way:
    at.connect(connected_at=at.now, last_sync_at=None, last_sync_contact_count=None)
    at.run(RunKind.CONTACT_SYNC, RunStatus.RUNNING, done=1200, total=4312)
    return SETTINGS


@scene("Settings", "not confirmed")
def not_confirmed(at: Office) -> Way:
    busy(at, last_good_call_at=at.now - 3 * HOUR)
    at.truth.no_good_answer(at.connection.id, "Xero did not answer.")
    return SETTINGS


@scene("Settings", "waiting for Xero")
def waiting(at: Office) -> Way:
    busy(at)
    at.truth.must_wait(at.connection.id, (25 * MINUTE).total_seconds(), "minute")
    return SETTINGS


@scene("Settings", "daily limit reached")
def day_limit(at: Office) -> Way:
    busy(at)
    at.truth.must_wait(at.connection.id, (7 * HOUR).total_seconds(), "day")
    return SETTINGS


def without_files(at: Office) -> None:
    """Connect without the permission to add files."""
    scopes = [scope for scope in ALL_SCOPES if scope != FILES_SCOPE]
    busy(at, scopes=scopes)
    words = needed_sentence(scopes)
    at.alert(AlertCause.PERMISSION_NEEDED, "Permission needed", words)


@scene("Settings", "permission needed")
def permission_needed(at: Office) -> Way:
    without_files(at)
    return SETTINGS


def expire(at: Office) -> None:
    """Let Xero have stopped accepting our access."""
    busy(at)
    at.truth.access_lost(at.connection.id, at.connection.token_version)


@scene("Settings", "expired")
def expired(at: Office) -> Way:
    expire(at)
    return SETTINGS


@scene("Settings", "expired, for staff", who=Who.STAFF)
def expired_for_staff(at: Office) -> Way:
    expire(at)
    return SETTINGS


@scene("Settings", "removed in Xero")
def removed(at: Office) -> Way:
    busy(at)
    at.truth.gone_from_xero(at.connection.id)
    return SETTINGS


@scene("Settings", "disconnected here")
def disconnected(at: Office) -> Way:
    busy(at, status="disconnected", disconnected_at=at.now - 2 * HOUR)
    return SETTINGS


def refuse(at: Office) -> None:
    """Let Xero refuse to serve the connection."""
    busy(at)
    problem = XeroForbidden(
        "AuthenticationUnsuccessful",
        status=403,
        correlation_id="6f0c0d5e-3d0a-4e0e-9d55-0f6a1c2b3d4e",
    )
    at.truth.permission_problem(at.connection.id, problem)


@scene("Settings", "error")
def error(at: Office) -> Way:
    refuse(at)
    return SETTINGS


@scene("Settings", "error, for staff", who=Who.STAFF)
def error_for_staff(at: Office) -> Way:
    refuse(at)
    return SETTINGS


@scene("Settings", "details not available", session={"gallery_missing_table": "xero_connections"})
def unavailable(at: Office) -> Way:
    busy(at)
    return SETTINGS


@scene("Settings", "calls cannot be counted", outside=Outside.REDIS_AWAY)
def uncounted(at: Office) -> Way:
    busy(at)
    return SETTINGS


@scene("Settings", "polls not answered", outside=Outside.SILENT)
def stale(at: Office) -> Way:
    busy(at)
    return SETTINGS


@scene("Settings", "sending is off")
def sending_off(at: Office) -> Way:
    busy(at, push_documents_to_xero=False, auto_sync_contacts=False, create_year_folders=True)
    return SETTINGS


@scene("Settings", "folder gone")
def folder_gone(at: Office) -> Way:
    busy(at, missing_folder_name="Clients’ papers")
    return SETTINGS


@scene("Settings", "folder chosen")
def folder_chosen(at: Office) -> Way:
    busy(at, xero_folder_id="f-1")
    values = {"name": "Clients’ papers", "xero_folder_id": "f-1"}
    at.add(XeroFolder(practice_id=at.id, xero_connection_id=at.connection.id, **values))
    return SETTINGS


@scene("Settings", "preferences saved")
def saved(at: Office) -> Way:
    busy(at)
    fields = {"auto_sync_contacts": "on", "edited_fields": "xero", "brake_percent": "30"}
    return Press("/settings/preferences", fields, "Save preferences")


@scene("Settings", "checked, Xero not reached")
def checked(at: Office) -> Way:
    busy(at)
    return Press("/settings/check", button="Check now")


# -- folder ---------------------------------------------------------------------------------------


@scene("Folder", "to choose from", outside=Outside.XERO_ANSWERS, stands_for_screen=True)
def folders(at: Office) -> Way:
    busy(at)
    return "/settings/folder"


@scene("Folder", "Xero not reached", status=502)
def folders_away(at: Office) -> Way:
    busy(at)
    return "/settings/folder"


# -- the way back from Xero -----------------------------------------------------------------------


def come_back(at: Office, **query: str) -> str:
    """Return where Xero sends the admin back to, with an attempt that was begun in this browser."""
    begun = wiring.xero_auth().generate_auth_url(at.id, at.admin.id, at.browser_key)
    [state] = parse_qs(urlsplit(begun.url).query)["state"]
    return f"{CALLBACK_PATH}?{urlencode({'state': state, **query})}"


@scene("Return from Xero", "cancelled at Xero")
def cancelled(at: Office) -> Way:
    return come_back(at, error="access_denied")


@scene("Return from Xero", "attempt too old")
def too_old(at: Office) -> Way:
    return f"{CALLBACK_PATH}?state=of-yesterday&code=1"


@scene("Return from Xero", "app’s limit reached")
def app_limit(at: Office) -> Way:
    description = "The maximum number of organisation connections is reached"
    return come_back(at, error="access_denied", error_description=description)


@scene("Return from Xero", "app refused")
def app_refused(at: Office) -> Way:
    return come_back(at, error="unauthorized_client")


@scene("Return from Xero", "not finished")
def not_finished(at: Office) -> Way:
    # Nobody answers where the code would be exchanged.
    return come_back(at, code="a-code")


def kept_consent(at: Office, *names: str, change: dict[str, object] | None = None) -> str:
    """Return the page that asks about a consent for these organisations."""
    come_back(at)
    attempt = db.session.scalars(
        select(OAuthAttempt).where(OAuthAttempt.practice_id == at.id)
    ).one()
    attempt.used_at, attempt.change = at.now, change
    attempt.choices = [
        {
            "connection_id": f"connection-{number}",
            "tenant_id": f"tenant-{number}",
            "tenant_type": "ORGANISATION",
            "name": name,
            "auth_event_id": None,
        }
        for number, name in enumerate(names)
    ]
    return f"{SETTINGS}?choice={attempt.id}"


@scene("Choose an organisation", "several allowed", stands_for_screen=True)
def several(at: Office) -> Way:
    return kept_consent(at, ORGANISATION, "Harbourside Accountants LLP", "Quayside Payroll Bureau")


@scene("Choose an organisation", "another than before", stands_for_screen=True)
def another(at: Office) -> Way:
    at.connect(xero_org_name="Hartley & Co")
    comparison = {"matching": 3, "contacts": 4312, "is_whole": True, "matched_before": 312}
    change = {"left": "Hartley & Co", "links": 312, "still_connected": True}
    return kept_consent(at, ORGANISATION, change={**change, "comparison": comparison})


@scene("Choose an organisation", "another, not compared")
def another_not_compared(at: Office) -> Way:
    change = {"left": "Hartley & Co", "links": 1, "still_connected": False, "comparison": None}
    return kept_consent(at, ORGANISATION, change=change)


@scene("Choose an organisation", "asked too late")
def asked_too_late(at: Office) -> Way:
    return f"{SETTINGS}?choice=00000000-0000-4000-8000-000000000000"


# -- disconnecting --------------------------------------------------------------------------------


@scene("Disconnect", "nothing waiting")
def leave_little(at: Office) -> Way:
    at.connect()
    return DISCONNECT


@scene("Disconnect", "with documents and links", stands_for_screen=True)
def leave_much(at: Office) -> Way:
    busy(at)
    return DISCONNECT


@scene("Disconnect", "while an import runs")
def leave_running(at: Office) -> Way:
    busy(at)
    at.run(RunKind.IMPORT, RunStatus.RUNNING, done=640, total=1516)
    return DISCONNECT


@scene("Disconnect", "removing the links")
def leave_links(at: Office) -> Way:
    busy(at)
    return Press(DISCONNECT, {"remove_links": "on"}, "Disconnect from Xero")


@scene("Disconnect", "wrong name typed", status=422)
def leave_wrongly(at: Office) -> Way:
    busy(at)
    fields = {"remove_links": "on", "typed_name": "Another company"}
    return Press(DISCONNECT, fields, "Disconnect from Xero")


@scene("Disconnect", "done, not confirmed by Xero")
def left(at: Office) -> Way:
    busy(at)
    return Press(DISCONNECT, button="Disconnect from Xero")


@scene("Disconnect", "for staff", who=Who.STAFF, status=403)
def leave_as_staff(at: Office) -> Way:
    at.connect()
    return DISCONNECT
