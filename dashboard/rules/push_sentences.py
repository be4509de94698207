"""One sentence and one action for every state of a document's push, and for every cause.

Order of each sentence: what happened, what it means, what to do. Moments arrive as words
("14:32"), because only a page knows the practice's time zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dashboard.rules.file_sizes import size_in_words
from dashboard.rules.retry_policy import MAX_LOOKS, MAX_RETRIES, attempt_in_words
from dashboard.rules.status_words import StatusWord
from dashboard.rules.waiting_sentences import wait_sentence


class PushCause(StrEnum):
    """Why a push needs attention, or why its last attempt did not work."""

    TOO_LARGE = "too_large"
    EMPTY = "empty"
    TYPE_NOT_ACCEPTED = "type_not_accepted"
    CONTENT_MISMATCH = "content_mismatch"
    INFECTED = "infected"
    SCAN_MISSING = "scan_missing"
    FOLDER_GONE = "folder_gone"
    CONTACT_ARCHIVED = "contact_archived"
    CONTACT_MERGED = "contact_merged"
    CONTACT_GONE = "contact_gone"
    PERMISSION = "permission"
    XERO_DOWN = "xero_down"
    NO_ANSWER = "no_answer"
    REFUSED = "refused"
    STORE_LOST = "store_lost"
    WORKER_CRASH = "worker_crash"
    DELETED_IN_XERO = "deleted_in_xero"
    UNLINKED_IN_XERO = "unlinked_in_xero"


class Fix(StrEnum):
    """What a page offers next to a sentence."""

    NONE = ""
    ACCEPT = "accept"
    SEND = "send"
    RECONNECT = "reconnect"
    ALLOW = "allow"
    OPEN_IN_XERO = "open_in_xero"
    TRY_NOW = "try_now"
    PUT_ON_CONTACT = "put_on_contact"
    RETRY = "retry"
    LINK_CLIENT = "link_client"
    TURN_ON = "turn_on"
    REPLACE = "replace"
    CONVERT = "convert"
    CHOOSE_FOLDER = "choose_folder"
    CONTACT_SUPPORT = "contact_support"


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause with the facts its sentence names; empty where they are not known.

    `limit` is in bytes, `extension` without its dot, `at` a moment in words, `reference` what a
    person gives to support.
    """

    code: PushCause
    client_name: str = ""
    folder_name: str = "chase.md"
    size: int = 0
    limit: int = 10_000_000
    extension: str = ""
    at: str = ""
    xero_said: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a page says: `text` what happened, `fix` the action to offer.

    `advice` is what to do, where the action's own label does not say it all.
    """

    text: str
    advice: str = ""
    fix: Fix = Fix.NONE


@dataclass(frozen=True, slots=True)
class PushStory:
    """The facts that the sentence of a push state names.

    `at`: the moment of the state in words (filed at, goes on at, next attempt at).
    `waits_because`: the reason while it waits for Xero.
    `ahead`: documents of this practice before this one. `needs_permission`: the connection works,
    but nobody allowed us to add files.
    """

    client_name: str
    folder_path: str = "chase.md"
    size: int = 0
    ahead: int = 0
    at: str = ""
    retry_count: int = 0
    waits_because: str | None = None
    cause: Cause | None = None
    can_reconnect: bool = False
    needs_permission: bool = False
    admin_name: str = ""


def push_sentence(word: StatusWord, story: PushStory) -> Sentence:
    """Return the sentence under a push's word; KeyError for a word that no push can have."""
    return _BY_CODE[word.code](story)


def offered_sentence() -> Sentence:
    """Return the sentence of a document that was accepted before there was a connection."""
    text = "It was accepted before Xero was connected, so it is not sent unless you ask for it."
    return Sentence(text, fix=Fix.SEND)


def unconnected_sentence() -> Sentence:
    """Return the sentence of an accepted document while there is no connection to send it by."""
    return Sentence(
        "Xero is not connected, so this document is not sent.",
        "Once it is connected, you can send it from here.",
    )


def _not_sent(_story: PushStory) -> Sentence:
    return Sentence("It is sent to Xero when it is accepted.", fix=Fix.ACCEPT)


def _sending_off(_story: PushStory) -> Sentence:
    text = "Sending documents to Xero is turned off in the settings. Nothing is lost."
    return Sentence(text, fix=Fix.TURN_ON)


def _no_contact(story: PushStory) -> Sentence:
    text = f"{story.client_name} is not linked to a Xero contact, so this document cannot be filed."
    return Sentence(text, fix=Fix.LINK_CLIENT)


def _waiting(story: PushStory) -> Sentence:
    if story.ahead < 1:
        return Sentence("In line to be sent. It is next.")
    return Sentence(f"In line to be sent. {story.ahead} before it.")


def _on_hold(story: PushStory) -> Sentence:
    if story.needs_permission:
        return _not_allowed(story)
    text = "Waiting for Xero to be reconnected. Nothing is lost."
    if story.can_reconnect:
        return Sentence(text, fix=Fix.RECONNECT)
    whom = story.admin_name or "an administrator of your practice"
    return Sentence(text, f"Ask {whom} to reconnect.")


def _not_allowed(story: PushStory) -> Sentence:
    text = "Waiting for the permission to add files in Xero. Nothing is lost."
    if story.can_reconnect:
        return Sentence(text, fix=Fix.ALLOW)
    whom = story.admin_name or "an administrator of your practice"
    return Sentence(text, f"Ask {whom} to allow it.")


def _waiting_for_xero(story: PushStory) -> Sentence:
    cause = story.cause
    if cause is not None and cause.code is PushCause.NO_ANSWER:
        look = f"At about {story.at} we look" if story.at else "We look"
        return Sentence(f"Xero did not answer. {look} whether the file arrived.")
    when = f" Sent at about {story.at}." if story.at else ""
    return Sentence(f"{wait_sentence(story.waits_because)}{when}")


def _uploading(story: PushStory) -> Sentence:
    return Sentence(f"Sending {size_in_words(story.size)} to Xero Files.")


def _linking(story: PushStory) -> Sentence:
    return Sentence(f"The file is in Xero. Putting it on {story.client_name}.")


def _filed(story: PushStory) -> Sentence:
    when = f" {story.at}" if story.at else ""
    text = f"Filed{when} in {story.folder_path}, on {story.client_name}."
    return Sentence(text, fix=Fix.OPEN_IN_XERO)


def _trying_again(story: PushStory) -> Sentence:
    reason = f": {_reason(story.cause)}" if story.cause else ""
    when = f" Next at {story.at}." if story.at else ""
    text = f"{attempt_in_words(story.retry_count)} did not work{reason}.{when}"
    return Sentence(text, fix=Fix.TRY_NOW)


def _not_on_contact(story: PushStory) -> Sentence:
    if story.cause is not None and story.cause.code is PushCause.UNLINKED_IN_XERO:
        return cause_sentence(story.cause)
    text = "The file is in Xero Files, but we could not put it on the contact."
    return Sentence(text, fix=Fix.PUT_ON_CONTACT)


def _needs_attention(story: PushStory) -> Sentence:
    return cause_sentence(story.cause or Cause(PushCause.REFUSED))


_BY_CODE = {
    "not_sent": _not_sent,
    "sending_off": _sending_off,
    "no_contact": _no_contact,
    "waiting": _waiting,
    "on_hold": _on_hold,
    "waiting_for_xero": _waiting_for_xero,
    "uploading": _uploading,
    "linking": _linking,
    "filed": _filed,
    "trying_again": _trying_again,
    "not_on_contact": _not_on_contact,
    "needs_attention": _needs_attention,
}

_REASONS = {
    PushCause.XERO_DOWN: "Xero had a problem of its own",
    PushCause.NO_ANSWER: "Xero did not answer",
    PushCause.WORKER_CRASH: "our sending stopped in the middle",
    PushCause.FOLDER_GONE: "the folder is no longer in Xero",
    PushCause.STORE_LOST: "we could not read our copy of the file",
}


def _reason(cause: Cause) -> str:
    return _REASONS.get(cause.code, "Xero refused it")


def cause_sentence(cause: Cause) -> Sentence:
    """Return what went wrong in one sentence, with its fix, for every cause code."""
    return _CAUSES[cause.code](cause)


def _too_large(cause: Cause) -> Sentence:
    limit = size_in_words(cause.limit)
    size = f"This file is {size_in_words(cause.size)}." if cause.size else "This file is too large."
    return Sentence(
        f"{size} Xero takes up to {limit}.", "Replace it with a smaller file.", Fix.REPLACE
    )


def _empty(_cause: Cause) -> Sentence:
    return Sentence("This file is empty.", "Replace it with the right file.", Fix.REPLACE)


def _type_not_accepted(cause: Cause) -> Sentence:
    what = f".{cause.extension} files" if cause.extension else "files of this type"
    return Sentence(f"Xero does not take {what}.", "Convert it to PDF.", Fix.CONVERT)


def _content_mismatch(cause: Cause) -> Sentence:
    named = f"called .{cause.extension} but holds" if cause.extension else "not what it says: it is"
    text = f"This file is {named} something else, so Xero could not show it."
    return Sentence(text, "Save it again in the right format and replace it.", Fix.REPLACE)


def _infected(_cause: Cause) -> Sentence:
    text = "The virus check did not pass, so we did not send it."
    return Sentence(text, "Contact support.", Fix.CONTACT_SUPPORT)


def _scan_missing(_cause: Cause) -> Sentence:
    text = "The virus check could not be made, so we did not send it."
    return Sentence(text, "Retry once the scanner works again.", Fix.RETRY)


def _folder_gone(cause: Cause) -> Sentence:
    text = f"The folder {cause.folder_name} is no longer in Xero."
    return Sentence(text, fix=Fix.CHOOSE_FOLDER)


def _contact_archived(cause: Cause) -> Sentence:
    return _other_contact(f"{_client(cause)} is archived in Xero")


def _contact_merged(cause: Cause) -> Sentence:
    return _other_contact(f"{_client(cause)} was merged into another contact in Xero")


def _contact_gone(cause: Cause) -> Sentence:
    return _other_contact(f"The contact of {_client(cause)} is no longer in Xero")


def _other_contact(what: str) -> Sentence:
    text = f"{what}, so this document cannot be filed."
    return Sentence(text, "Link the client to another contact.", Fix.LINK_CLIENT)


def _client(cause: Cause) -> str:
    return cause.client_name or "The client"


def _permission(_cause: Cause) -> Sentence:
    text = "The person who connected may no longer add files in Xero."
    return Sentence(text, "Reconnect as someone who can.", Fix.RECONNECT)


def _xero_down(cause: Cause) -> Sentence:
    last = f", last at {cause.at}" if cause.at else ""
    text = f"Xero had a problem of its own {MAX_RETRIES + 1} times{last}."
    return Sentence(text, fix=Fix.RETRY)


def _no_answer(cause: Cause) -> Sentence:
    last = f", last at {cause.at}" if cause.at else ""
    text = f"Xero did not answer, and the file was not there in {MAX_LOOKS} looks{last}."
    return Sentence(text, fix=Fix.RETRY)


def _refused(cause: Cause) -> Sentence:
    said = f" Xero said: “{cause.xero_said}”." if cause.xero_said else ""
    return Sentence(f"Xero refused the file.{said}", _retry_or_ask(cause), Fix.RETRY)


def _store_lost(_cause: Cause) -> Sentence:
    text = "We cannot find our copy of this file, so there is nothing to send."
    return Sentence(text, "Upload it again.", Fix.REPLACE)


def _worker_crash(cause: Cause) -> Sentence:
    text = "Sending this file broke off several times, so we no longer try by ourselves."
    return Sentence(text, _retry_or_ask(cause), Fix.RETRY)


def _retry_or_ask(cause: Cause) -> str:
    # The reference itself is a code, and codes stand in the technical details alone.
    where = " with the reference in the technical details" if cause.reference else ""
    return f"Retry, or contact support{where}."


def _deleted_in_xero(_cause: Cause) -> Sentence:
    text = "Somebody deleted this file in Xero, where it was filed before."
    return Sentence(text, "Retry to send it again.", Fix.RETRY)


def _unlinked_in_xero(_cause: Cause) -> Sentence:
    text = "Somebody took this file off its contact in Xero. It is still in Xero Files."
    return Sentence(text, fix=Fix.PUT_ON_CONTACT)


_CAUSES = {
    PushCause.TOO_LARGE: _too_large,
    PushCause.EMPTY: _empty,
    PushCause.TYPE_NOT_ACCEPTED: _type_not_accepted,
    PushCause.CONTENT_MISMATCH: _content_mismatch,
    PushCause.INFECTED: _infected,
    PushCause.SCAN_MISSING: _scan_missing,
    PushCause.FOLDER_GONE: _folder_gone,
    PushCause.CONTACT_ARCHIVED: _contact_archived,
    PushCause.CONTACT_MERGED: _contact_merged,
    PushCause.CONTACT_GONE: _contact_gone,
    PushCause.PERMISSION: _permission,
    PushCause.XERO_DOWN: _xero_down,
    PushCause.NO_ANSWER: _no_answer,
    PushCause.REFUSED: _refused,
    PushCause.STORE_LOST: _store_lost,
    PushCause.WORKER_CRASH: _worker_crash,
    PushCause.DELETED_IN_XERO: _deleted_in_xero,
    PushCause.UNLINKED_IN_XERO: _unlinked_in_xero,
}
