"""Why one contact of an import was left out: a sentence that names what stood in the way."""

from __future__ import annotations

SKIPPED = "Skipped. It is not offered again."
NOT_IN_LIST = "This contact is not among the contacts that were read from Xero."
NO_NAME = "The contact has no name in Xero, so no client can be made of it."
ARCHIVED = "The contact is archived in Xero."
ERASED = "The contact was erased in Xero on a data protection request."
CLIENT_GONE = "The client that it was to be linked to does not exist any more."
AIMED_AT_TWICE = (
    "Two contacts in this import were to be linked to the same client. Decide which of them it is."
)


def already_linked(client_name: str) -> str:
    """Return why nothing is left to do for a contact."""
    return f"Already linked to {client_name}."


def client_taken(client_name: str, contact_name: str | None) -> str:
    """Return why a client cannot be linked: one client has one contact."""
    holder = f"“{contact_name}”" if contact_name else "another contact"
    return (
        f"{client_name} is already linked to {holder}."
        " Choose another client, or unlink that one first."
    )


def unavailable(name: str, status: str) -> str | None:
    """Return why a contact cannot be imported, or None if it can."""
    if status == "GDPRREQUEST":
        return ERASED
    if status != "ACTIVE":
        return ARCHIVED
    return None if name else NO_NAME


def replaced(*, contact: str, by: str, at: str, action: str, client: str | None) -> str:
    """Return what somebody else had decided before a decision took its place."""
    words = {"create": "to create a new client of", "skip": "to skip"}
    had = f"to link {client} to" if client else words.get(action, "otherwise about")
    return f"At {at} {by} had decided {had} {contact}. Your decision has taken its place."


def problems(count: int) -> str:
    """Return what an alert says about an import with problems."""
    if count == 1:
        return "1 contact of the last import needs attention. The others were imported."
    return f"{count:,} contacts of the last import need attention. The others were imported."


def needs_xero(reason: str | None) -> bool:
    """Whether a problem goes away only when the contact is changed in Xero and read again."""
    return reason in {NOT_IN_LIST, NO_NAME, ARCHIVED, ERASED}
