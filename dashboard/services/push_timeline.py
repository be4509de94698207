"""The lines of a push's timeline: what we tried, what Xero said, what comes next, in plain words.

Sentences hold durations and no times of day: a page knows the practice's time zone, a worker does
not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dashboard.rules.file_sizes import size_in_words
from dashboard.rules.retry_policy import attempt_in_words
from dashboard.rules.waiting_sentences import wait_sentence

KINDS_OF_DOUBT = ("sending", "no_answer", "xero_error", "broke_off")
"""Lines after which a file may still turn up in Xero's listing."""

MINUTE = 60
HOUR = 3600


@dataclass(frozen=True, slots=True)
class Line:
    """One line to be written. `attempt` counts from 1; None where no attempt was made."""

    kind: str
    sentence: str
    attempt: int | None = None
    details: dict[str, Any] = field(default_factory=dict)


def accepted(by: str, *, before_connecting: bool = False) -> Line:
    """Return the first line of a push."""
    if before_connecting:
        return Line("accepted", f"{by} asked to send this document, accepted earlier.")
    return Line("accepted", f"Accepted by {by}.")


def asked_again(by: str) -> Line:
    """Return the line for a person's Retry."""
    return Line("retry", f"{by} asked to try again. We go on at the step that did not work.")


def tried_again(retry_count: int) -> Line:
    """Return the line for a retry that came by itself."""
    return Line("retry", f"{attempt_in_words(retry_count)} begins.", retry_count + 1)


def scanned() -> Line:
    """Return the line for a clean file."""
    return Line("scanned", "The virus check passed.")


def scanning_off() -> Line:
    """Return the line for a file that waited for a check which was then switched off."""
    return Line("scanned", "Virus checking was switched off, so the file is sent without it.")


def scanner_down(seconds: float) -> Line:
    """Return the line for a scanner that could not be asked."""
    when = duration(seconds)
    return Line("scan_waits", f"The virus check could not be made. We ask again in {when}.")


def folder_made(name: str) -> Line:
    """Return the line for a new folder."""
    return Line("folder", f"We made the folder {name} in Xero Files.")


def folder_gone(name: str) -> Line:
    """Return the line for a folder that somebody deleted."""
    return Line("folder_gone", f"The folder {name} is no longer in Xero, so we look for another.")


def sending(name: str, size: int, folder: str, retry_count: int) -> Line:
    """Return the line for an upload that begins."""
    text = f"Sending {size_in_words(size)} to {folder} in Xero Files as {name}."
    return Line("sending", text, retry_count + 1)


def uploaded(folder: str) -> Line:
    """Return the line for Xero's receipt."""
    return Line("uploaded", f"Xero has the file, in the folder {folder}.")


def found_in_xero(folder: str) -> Line:
    """Return the line for a file that had arrived although no answer came."""
    return Line("found", f"We looked in Xero and found the file in {folder}: it had arrived.")


def not_found_yet(seconds: float) -> Line:
    """Return the line for a look that came too early to be sure."""
    text = (
        f"We looked in Xero and the file is not listed yet. We look again in {duration(seconds)}."
    )
    return Line("looked", text)


def not_found() -> Line:
    """Return the line for a look that allows to send again."""
    return Line("looked", "We looked in Xero and the file is not there, so it can be sent again.")


def linking(contact: str) -> Line:
    """Return the line for an association that begins."""
    return Line("linking", f"Putting the file on {contact}.")


def filed(folder: str, contact: str) -> Line:
    """Return the last line of a push."""
    return Line("filed", f"Filed in {folder}, on {contact}.")


def read_back(folder: str) -> Line:
    """Return the line for a file that Xero's own list shows."""
    return Line("read_back", f"We looked in Xero: the file is in {folder}.")


def moved(folder: str) -> Line:
    """Return the line for a file that somebody put elsewhere."""
    return Line("moved", f"Somebody moved the file in Xero. It is in {folder} now.")


def must_wait(seconds: float, reason: str) -> Line:
    """Return the line for a limit."""
    return Line("waiting", f"{wait_sentence(reason).removesuffix('.')} ({duration(seconds)}).")


def not_reached(seconds: float) -> Line:
    """Return the line for a call that never left."""
    return Line("not_reached", f"We could not reach Xero. We try again in {duration(seconds)}.")


def no_answer(seconds: float) -> Line:
    """Return the line for a request without an answer."""
    when = duration(seconds)
    return Line("no_answer", f"Xero did not answer. In {when} we look whether it arrived.")


def server_error(retry_count: int, seconds: float, details: dict[str, Any]) -> Line:
    """Return the line for Xero's own fault."""
    text = f"Xero had a problem of its own. We try again in {duration(seconds)}."
    return Line("xero_error", text, retry_count + 1, details)


def key_mismatch() -> Line:
    """Return the line for an idempotency key that Xero holds for another request."""
    return Line("xero_error", "Xero took this for another request, so we look and then send anew.")


def stopped() -> Line:
    """Return the line for a worker that was asked to end."""
    return Line("stopped", "Our worker was restarted. Another one goes on.")


def store_waits(seconds: float) -> Line:
    """Return the line for a document store that does not answer."""
    text = f"We could not read our copy of the file. We try again in {duration(seconds)}."
    return Line("store_waits", text)


def on_hold() -> Line:
    """Return the line for a connection that does not work any more."""
    return Line("on_hold", "On hold until the connection to Xero works again. Nothing is lost.")


def file_gone() -> Line:
    """Return the line for a file that somebody deleted in Xero before it was on its contact."""
    return Line("file_gone", "The file is no longer in Xero Files, so it is sent anew.")


def broke_off() -> Line:
    """Return the line for a worker that died."""
    return Line("broke_off", "Our sending stopped in the middle. Another worker goes on.")


def failed(sentence: str, retry_count: int, details: dict[str, Any]) -> Line:
    """Return the line for a push that needs a person."""
    return Line("failed", sentence, retry_count + 1, details)


def duration(seconds: float) -> str:
    """Return *seconds* as people say them, rounded up: "12 seconds", "5 minutes", "2 hours"."""
    if seconds > 2 * HOUR:
        return f"{-int(-seconds // HOUR)} hours"
    if seconds > MINUTE:
        minutes = -int(-seconds // MINUTE)
        return f"{minutes} minutes"
    whole = max(1, -int(-seconds // 1))
    return "1 second" if whole == 1 else f"{whole} seconds"
