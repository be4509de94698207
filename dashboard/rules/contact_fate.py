"""What became of a linked contact in Xero: archived, erased, restored, or merged into another."""

from __future__ import annotations

from dataclasses import dataclass

ACTIVE = "ACTIVE"
ERASED = "GDPRREQUEST"


@dataclass(frozen=True, slots=True)
class Fate:
    """What happened to the contact, in words.

    `moves_to`: the contact that the link moves to. `loses_contact`: the client is left without one
    that can be used. `needs_person`: nobody but a person can put it right.
    """

    sentence: str
    moves_to: str | None = None
    loses_contact: bool = False
    needs_person: bool = False


def fate_of(status: str, before: str | None) -> Fate | None:
    """Return what a change of status means; None if nothing changed or all is well.

    `before`: the status that was seen last, None for a contact that was never seen.
    """
    if status == before or (status == ACTIVE and before is None):
        return None
    if status == ACTIVE:
        return Fate("Restored in Xero: documents can be filed on it again.")
    what = "Erased in Xero on the person’s request" if status == ERASED else "Archived in Xero"
    return Fate(
        f"{what}. New documents cannot be filed on it; link another contact if there is one.",
        loses_contact=True,
    )


def merged(survivor_id: str, survivor_name: str | None, *, taken_by: str | None) -> Fate:
    """Return what a merge means; *taken_by* is the client that has the surviving contact."""
    named = f"“{survivor_name}”" if survivor_name else "another contact"
    if taken_by is None:
        return Fate(f"Xero merged this contact into {named}, so the link moved there.", survivor_id)
    return Fate(
        f"Xero merged this contact into {named}, which is already linked to {taken_by}."
        " Unlink one of the two clients.",
        loses_contact=True,
        needs_person=True,
    )
