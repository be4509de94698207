"""What a run says when it ends early: what happened, what it means, what comes next."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

CONTACTS = "contact_sync"
UNDO = "undo"


def no_answer(*, done: int, next_at: datetime, time_zone: str) -> str:
    """Return why a sync failed after Xero did not answer again and again."""
    at = _clock_time(next_at, time_zone)
    if not done:
        return f"Xero did not answer. Nothing was changed. Next check: {at}."
    return f"Xero stopped answering after {_contacts(done)}. {_kept(done)} Next check: {at}."


def refused_by_xero(message: str) -> str:
    """Return why a sync failed when Xero refused to list its contacts, in Xero's words."""
    return f"Xero refused to list its contacts. It said: {message}"


def reconnect_needed(*, done: int) -> str:
    """Return why a sync failed when the connection no longer works."""
    were = "was read and is" if done == 1 else "were read and are"
    kept = f"{_contacts(done)} {were} kept." if done else "Nothing was changed."
    return f"Stopped: Xero needs reconnecting. {kept} The next check runs after reconnecting."


def cancelled(*, kind: str, by: str, done: int, total: int | None) -> str:
    """Return who cancelled a run and what is kept."""
    if not done:
        return f"Cancelled by {by} before the first contact. Nothing was changed."
    if kind == CONTACTS:
        return f"Cancelled by {by} after reading {_contacts(done)}. {_kept(done)}"
    reached = f"{done:,} of {total:,}" if total is not None else f"{done:,}"
    if kind == UNDO:
        stays = "It stays" if done == 1 else "Those stay"
        return f"Cancelled by {by} after {reached}. {stays} undone, the rest stays imported."
    return f"Cancelled by {by} after {reached}. {_kept(done)}"


def _contacts(count: int) -> str:
    return "1 contact" if count == 1 else f"{count:,} contacts"


def _kept(count: int) -> str:
    return "It is kept." if count == 1 else "Those are kept."


def _clock_time(moment: datetime, time_zone: str) -> str:
    return moment.astimezone(ZoneInfo(time_zone)).strftime("%H:%M")
