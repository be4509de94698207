"""Which fields a client shares with its contact, and who wins when both sides changed one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FIELDS = ("name", "email", "phone", "company_number", "tax_number")
FIELD_NAMES = {
    "name": "name",
    "email": "email",
    "phone": "phone",
    "company_number": "company number",
    "tax_number": "tax number",
}

# A fax number is never the number to call.
PHONE_KINDS = ("DEFAULT", "MOBILE", "OFFICE", "DDI")

Values = Mapping[str, str | None]


def main_phone(phones: Sequence[Mapping[str, str]]) -> str | None:
    """Return the number to show of a contact's stored phones (`kind`, `number`), or None."""
    by_kind = {phone["kind"]: phone["number"] for phone in phones}
    return next((by_kind[kind] for kind in PHONE_KINDS if by_kind.get(kind)), None)


@dataclass(frozen=True, slots=True)
class FieldChanges:
    """What a change in Xero means for a client.

    `taken` maps each field to its value before and after. `kept` are fields that somebody edited
    here since the last check, so that Xero's new value was not taken over.
    """

    taken: Mapping[str, tuple[str | None, str | None]]
    kept: tuple[str, ...]


def follow_contact(client: Values, before: Values, after: Values) -> FieldChanges:
    """Return what a client takes over from its contact, which was *before* and is now *after*.

    A field follows Xero only while the client still holds what Xero said before: then nobody has
    edited it here. A name is never emptied.
    """
    taken: dict[str, tuple[str | None, str | None]] = {}
    kept: list[str] = []
    for field in FIELDS:
        ours, old, new = (values.get(field) or None for values in (client, before, after))
        if new in {old, ours} or (field == "name" and new is None):
            continue
        if ours == old:
            taken[field] = (ours, new)
        else:
            kept.append(field)
    return FieldChanges(taken, tuple(kept))


def kept_sentence(kept: Sequence[str]) -> str:
    """Return why some fields did not follow Xero, naming them."""
    named = [FIELD_NAMES[field] for field in kept]
    listed = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
    return f"Edited here, so the {listed} in Xero was not taken over."
