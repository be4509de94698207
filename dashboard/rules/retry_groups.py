"""Documents that need attention, by their cause: a name for each, what to do, what a retry mends.

A cause here is a `PushCause`, or one of the two states that have no cause of their own: the client
is not linked, and the file is in Xero without its contact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dashboard.rules.push_sentences import Fix, PushCause

UNLINKED = "unlinked"
NOT_ON_CONTACT = "not_on_contact"


@dataclass(frozen=True, slots=True)
class GroupWords:
    """What a page says of one cause.

    `label` names it, `advice` says what to do, for one document or for many. `fix` is the one
    action for all of them: a retry, putting on the contact, linking clients, or none. `obstacle`
    ends the sentence "3 cannot be retried: …" and begins with "their".
    """

    label: str
    advice: str
    fix: Fix = Fix.NONE
    obstacle: str = ""

    @property
    def is_mended_by_retry(self) -> bool:
        """Whether trying again can help without anything else."""
        return self.fix in {Fix.RETRY, Fix.PUT_ON_CONTACT}


# In the order in which a page lists them: first what one click mends.
GROUPS: Mapping[str, GroupWords] = {
    PushCause.XERO_DOWN: GroupWords(
        "Xero had a problem of its own each time we tried",
        "Retry once Xero works again.",
        Fix.RETRY,
    ),
    PushCause.NO_ANSWER: GroupWords(
        "Xero did not answer, and the file was not there when we looked",
        "Retry: we look once more before anything is sent.",
        Fix.RETRY,
    ),
    PushCause.REFUSED: GroupWords(
        "Xero refused the file",
        "What Xero said is on each document’s page.",
        Fix.RETRY,
    ),
    PushCause.PERMISSION: GroupWords(
        "The person who connected may no longer add files in Xero",
        "Reconnect as someone who can, then retry.",
        Fix.RETRY,
    ),
    PushCause.FOLDER_GONE: GroupWords(
        "The folder is no longer in Xero",
        "Choose another in the settings, then retry.",
        Fix.RETRY,
    ),
    PushCause.WORKER_CRASH: GroupWords(
        "Sending broke off several times",
        "Retry, or contact support.",
        Fix.RETRY,
    ),
    PushCause.DELETED_IN_XERO: GroupWords(
        "Somebody deleted the file in Xero after it was filed",
        "Retry to send it again.",
        Fix.RETRY,
    ),
    NOT_ON_CONTACT: GroupWords(
        "The file is in Xero Files, but not on the contact",
        "The file stays as it is and is only put on the contact.",
        Fix.PUT_ON_CONTACT,
    ),
    PushCause.UNLINKED_IN_XERO: GroupWords(
        "Somebody took the file off its contact in Xero",
        "The file is still in Xero Files and is only put on the contact.",
        Fix.PUT_ON_CONTACT,
    ),
    UNLINKED: GroupWords(
        "The client is not linked to a Xero contact",
        "Link the client. Its documents are then sent by themselves.",
        Fix.LINK_CLIENT,
        "their client has no Xero contact",
    ),
    PushCause.CONTACT_ARCHIVED: GroupWords(
        "The contact is archived in Xero",
        "Restore it in Xero or link the client to another one. Its documents are then sent by"
        " themselves.",
        Fix.LINK_CLIENT,
        "their contact is archived in Xero",
    ),
    PushCause.CONTACT_MERGED: GroupWords(
        "The contact was merged into another one in Xero",
        "Link the client to the other one. Its documents are then sent by themselves.",
        Fix.LINK_CLIENT,
        "their contact was merged into another one in Xero",
    ),
    PushCause.CONTACT_GONE: GroupWords(
        "The contact is no longer in Xero",
        "Link the client to another one. Its documents are then sent by themselves.",
        Fix.LINK_CLIENT,
        "their contact is no longer in Xero",
    ),
    PushCause.TOO_LARGE: GroupWords(
        "The file is larger than Xero takes",
        "Add a smaller one as a new document.",
        obstacle="their file is larger than Xero takes",
    ),
    PushCause.EMPTY: GroupWords(
        "The file is empty",
        "Add the right one as a new document.",
        obstacle="their file is empty",
    ),
    PushCause.TYPE_NOT_ACCEPTED: GroupWords(
        "Xero does not take files of this type",
        "Add it as a PDF.",
        obstacle="their file is of a type that Xero does not take",
    ),
    PushCause.CONTENT_MISMATCH: GroupWords(
        "The file holds something else than its name says",
        "Save it in the right format and add it as a new document.",
        obstacle="their file holds something else than its name says",
    ),
    PushCause.INFECTED: GroupWords(
        "The virus check did not pass",
        "It is not sent. Contact support.",
        obstacle="their virus check did not pass",
    ),
    PushCause.SCAN_MISSING: GroupWords(
        "The virus check could not be made",
        "Retry once the scanner works again.",
        Fix.RETRY,
    ),
    PushCause.STORE_LOST: GroupWords(
        "We cannot find our copy of the file",
        "Add it as a new document.",
        obstacle="our copy of their file is missing",
    ),
}

MENDED_BY_RETRY = tuple(code for code, words in GROUPS.items() if words.is_mended_by_retry)


def can_help(cause: str | None, *, is_in_xero: bool) -> bool:
    """Tell whether a retry can mend a push that stopped for *cause*, None if nobody knows why.

    What is in Xero already only has to be put on its contact.
    """
    return is_in_xero or cause is None or GROUPS[cause].is_mended_by_retry


def obstacle_sentence(count: int, cause: str) -> str:
    """Return "3 cannot be retried: their client has no Xero contact."."""
    reason = GROUPS[cause].obstacle
    if count == 1:
        reason = reason.replace("their ", "its ", 1)
    return f"{count:,} cannot be retried: {reason}."
