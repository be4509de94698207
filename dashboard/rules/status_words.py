"""The status vocabulary: one word, tone and icon per state, shared by every screen.

Pages compare `code`, never the word, so that wording and language may change. Icons are names of
the lucide set (https://lucide.dev/icons).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from dashboard.rules.retry_policy import has_tries_left

Tone = Literal["neutral", "info", "success", "warning", "danger"]

# "Connected" means that a real call worked in the last two hours, not that a row exists.
CONFIRMED_FOR = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class StatusWord:
    """One state as a page shows it.

    `is_final`: nothing changes by itself any more, so a panel may stop polling.
    `needs_person`: it stays as it is until somebody acts.
    """

    code: str
    word: str
    tone: Tone
    icon: str
    is_final: bool = True
    needs_person: bool = False


NOT_CONNECTED = StatusWord("not_connected", "Not connected", "neutral", "plug")
CONNECTED = StatusWord("connected", "Connected", "success", "check")
NOT_CONFIRMED = StatusWord("not_confirmed", "Not confirmed", "warning", "clock", is_final=False)
CONNECTION_WAITING = StatusWord(
    "waiting_for_xero", "Waiting for Xero", "info", "clock", is_final=False
)
PERMISSION_NEEDED = StatusWord(
    "permission_needed", "Permission needed", "warning", "key", needs_person=True
)
RECONNECT_NEEDED = StatusWord(
    "reconnect_needed", "Reconnect needed", "danger", "triangle-alert", needs_person=True
)
PROBLEM = StatusWord("problem", "Problem", "danger", "triangle-alert", needs_person=True)
DISCONNECTED = StatusWord("disconnected", "Disconnected", "neutral", "plug")

_CONNECTION_BY_STATUS = {
    "token_expired": RECONNECT_NEEDED,
    "error": PROBLEM,
    "disconnected": DISCONNECTED,
}


def connection_word(
    status: str | None,
    *,
    last_good_call_at: datetime | None,
    now: datetime,
    consecutive_errors: int = 0,
    resumes_at: datetime | None = None,
    missing_scopes: Collection[str] = (),
) -> StatusWord:
    """Return the word for a connection; `status` is the stored one, None where no row exists.

    A missing permission comes first (only a person can mend it), then a wait that Xero asked
    for, then doubt. Raises KeyError for a status that the table does not know.
    """
    if status is None:
        return NOT_CONNECTED
    if status != "active":
        return _CONNECTION_BY_STATUS[status]
    if missing_scopes:
        return PERMISSION_NEEDED
    if resumes_at is not None and resumes_at > now:
        return CONNECTION_WAITING
    if consecutive_errors > 0 or last_good_call_at is None:
        return NOT_CONFIRMED
    return CONNECTED if now - last_good_call_at < CONFIRMED_FOR else NOT_CONFIRMED


NOT_SENT = StatusWord("not_sent", "Not sent yet", "neutral", "minus")
SENDING_OFF = StatusWord("sending_off", "Sending is off", "neutral", "pause")
NO_CONTACT = StatusWord(
    "no_contact", "No Xero contact", "warning", "triangle-alert", needs_person=True
)
WAITING = StatusWord("waiting", "Waiting", "neutral", "clock", is_final=False)
ON_HOLD = StatusWord("on_hold", "On hold", "warning", "pause", is_final=False)
PUSH_WAITING = StatusWord("waiting_for_xero", "Waiting for Xero", "info", "clock", is_final=False)
UPLOADING = StatusWord("uploading", "Uploading", "info", "arrow-right", is_final=False)
LINKING = StatusWord("linking", "Linking to contact", "info", "link", is_final=False)
NOT_ON_CONTACT = StatusWord(
    "not_on_contact", "In Xero, not on contact", "warning", "triangle-alert", needs_person=True
)
FILED = StatusWord("filed", "Filed in Xero", "success", "check")
TRYING_AGAIN = StatusWord("trying_again", "Trying again", "warning", "clock", is_final=False)
NEEDS_ATTENTION = StatusWord(
    "needs_attention", "Needs attention", "danger", "triangle-alert", needs_person=True
)


@dataclass(frozen=True, slots=True)
class PushFacts:
    """What a page knows of one document's way to Xero.

    `status` is the stored status of the push, None where there is none. `next_attempt_at` is when
    it is tried again or may go on; a pending push with a moment in the future waits for Xero.
    """

    document_accepted: bool
    sending_on: bool
    client_mapped: bool
    connection_usable: bool
    status: str | None
    next_attempt_at: datetime | None = None
    retry_count: int = 0
    association_failed: bool = False


def push_word(facts: PushFacts, *, now: datetime) -> StatusWord:
    """Return the word for a document's push.

    What holds a document back (sending off, no contact, no connection) is worked out here and
    never stored. Raises KeyError for a status that the table does not know.
    """
    settled = _settled_push_word(facts)
    if settled is not None:
        return settled
    if facts.status == "uploading":
        return UPLOADING
    held = _held_push_word(facts)
    if held is not None:
        return held
    waits = facts.next_attempt_at is not None and facts.next_attempt_at > now
    return _moving_push_word(facts.status, waits=waits)


def _settled_push_word(facts: PushFacts) -> StatusWord | None:
    if facts.status == "associated":
        return FILED
    if facts.status == "uploaded" and facts.association_failed:
        return NOT_ON_CONTACT
    if facts.status == "failed" and not has_tries_left(facts.retry_count, facts.next_attempt_at):
        return NEEDS_ATTENTION
    if facts.status is None and not facts.document_accepted:
        return NOT_SENT
    return None


def _held_push_word(facts: PushFacts) -> StatusWord | None:
    if not facts.sending_on:
        return SENDING_OFF
    if not facts.client_mapped:
        return NO_CONTACT
    if facts.status is None:
        return NOT_SENT
    if not facts.connection_usable:
        return ON_HOLD
    return None


def _moving_push_word(status: str | None, *, waits: bool) -> StatusWord:
    if status == "pending" and waits:
        return PUSH_WAITING
    return {"pending": WAITING, "uploaded": LINKING, "failed": TRYING_AGAIN}[status or ""]


_RUN_WORDS = {
    word.code: word
    for word in (
        StatusWord("waiting", "Waiting", "neutral", "clock", is_final=False),
        StatusWord("running", "Running", "info", "arrow-right", is_final=False),
        StatusWord("waiting_for_xero", "Waiting for Xero", "info", "clock", is_final=False),
        StatusWord("finished", "Finished", "success", "check"),
        StatusWord("finished_with_problems", "Finished with problems", "warning", "triangle-alert"),
        StatusWord("failed", "Failed", "danger", "triangle-alert", needs_person=True),
        StatusWord("cancelled", "Cancelled", "neutral", "ban"),
    )
}


# A contact check that stopped before it changed too much.
RUN_HELD = StatusWord(
    "held", "Needs a decision", "warning", "triangle-alert", is_final=False, needs_person=True
)


def run_word(status: str) -> StatusWord:
    """Return the word for a sync or import run; KeyError for a status that does not exist."""
    return _RUN_WORDS[status]


_MATCH_WORDS = {
    word.code: word
    for word in (
        StatusWord("exact", "Exact match", "success", "check"),
        StatusWord("possible", "Possible match", "warning", "triangle-alert", needs_person=True),
        StatusWord("clash", "Clash", "warning", "git-compare", needs_person=True),
        StatusWord("new", "New", "info", "plus"),
        StatusWord("linked", "Already linked", "neutral", "link"),
        StatusWord("skipped", "Skipped", "neutral", "skip-forward"),
        StatusWord("unavailable", "Cannot import", "neutral", "ban"),
    )
}


def match_word(code: str) -> StatusWord:
    """Return the word for a contact's match; KeyError for a code that does not exist."""
    return _MATCH_WORDS[code]


NOT_LINKED = StatusWord("not_linked", "Not linked", "neutral", "unlink")
LINKED = StatusWord("linked", "Linked", "success", "link")
CONTACT_ARCHIVED = StatusWord(
    "archived", "Contact archived", "warning", "triangle-alert", needs_person=True
)
CONTACT_ERASED = StatusWord(
    "erased", "Contact erased", "warning", "triangle-alert", needs_person=True
)
CONTACT_MERGED = StatusWord(
    "merged", "Contact merged", "warning", "triangle-alert", needs_person=True
)


def link_word(
    contact_status: str | None, *, is_linked: bool, is_merged: bool = False
) -> StatusWord:
    """Return the word for a client's link to its contact in Xero.

    `contact_status` is what the mirror says of the contact: ACTIVE, ARCHIVED or GDPRREQUEST, None
    where it has not been read. Such a contact is taken for active: Xero has the last word.
    `is_merged`: Xero merged the contact into another one.
    """
    if not is_linked:
        return NOT_LINKED
    if is_merged:
        return CONTACT_MERGED
    if contact_status == "GDPRREQUEST":
        return CONTACT_ERASED
    return LINKED if contact_status in {None, "ACTIVE"} else CONTACT_ARCHIVED


_DOCUMENT_WORDS = {
    word.code: word
    for word in (
        StatusWord("received", "Received", "neutral", "inbox", needs_person=True),
        StatusWord("accepted", "Accepted", "success", "check"),
        StatusWord("rejected", "Rejected", "neutral", "x"),
    )
}


def document_word(status: str) -> StatusWord:
    """Return the word for a document itself, apart from its way to Xero; KeyError if unknown."""
    return _DOCUMENT_WORDS[status]


_SCAN_WORDS = {
    word.code: word
    for word in (
        StatusWord("not_scanned", "Not checked for viruses", "neutral", "minus"),
        StatusWord("pending", "Virus check to come", "info", "clock", is_final=False),
        StatusWord("clean", "Virus check passed", "success", "shield-check"),
        StatusWord("infected", "Virus check failed", "danger", "shield-alert", needs_person=True),
    )
}


def scan_word(status: str) -> StatusWord:
    """Return the word for a document's virus check; KeyError for a status that does not exist."""
    return _SCAN_WORDS[status]
