"""Which fields a client shares with its contact, and who wins when both sides changed one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

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

# Who wins a field that was edited here and then changed in Xero: nobody until a person says so
# (ours stays meanwhile), Xero, or the practice.
Winner = Literal["ask", "xero", "ours"]
WINNERS: tuple[Winner, ...] = get_args(Winner)


def main_phone(phones: Sequence[Mapping[str, str]]) -> str | None:
    """Return the number to show of a contact's stored phones (`kind`, `number`), or None."""
    by_kind = {phone["kind"]: phone["number"] for phone in phones}
    return next((by_kind[kind] for kind in PHONE_KINDS if by_kind.get(kind)), None)


@dataclass(frozen=True, slots=True)
class FieldChanges:
    """What a change in Xero means for a client.

    `taken` maps each field to its value before and after; `overruled` are those of them that
    somebody had edited here. `kept` are edited fields that did not take over Xero's new value.
    """

    taken: Mapping[str, tuple[str | None, str | None]]
    kept: tuple[str, ...]
    overruled: tuple[str, ...] = ()


NO_CHANGES = FieldChanges({}, ())


def follow_contact(
    client: Values, before: Values, after: Values, winner: Winner = "ask"
) -> FieldChanges:
    """Return what a client takes over from its contact, which was *before* and is now *after*.

    A field follows Xero while the client still holds what Xero said before: then nobody has edited
    it here. An edited one follows only where Xero wins. A name is never emptied.
    """
    taken: dict[str, tuple[str | None, str | None]] = {}
    kept: list[str] = []
    overruled: list[str] = []
    for field in FIELDS:
        ours, old, new = (values.get(field) or None for values in (client, before, after))
        if new in {old, ours} or (field == "name" and new is None):
            continue
        if ours == old or winner == "xero":
            taken[field] = (ours, new)
            overruled += [field] if ours != old else []
        else:
            kept.append(field)
    return FieldChanges(taken, tuple(kept), tuple(overruled))


def kept_sentence(kept: Sequence[str]) -> str:
    """Return why some fields did not follow Xero, naming them."""
    return f"Edited here, so the {_listed(kept)} in Xero was not taken over."


def overruled_sentence(overruled: Sequence[str]) -> str:
    """Return which edits made here Xero's values replaced."""
    return f"Xero wins by your preferences, so the {_listed(overruled)} edited here was replaced."


def would_sentences(changes: FieldChanges) -> list[str]:
    """Return what would become of each field that follows Xero, one sentence for each."""
    return [_would(FIELD_NAMES[name], *change) for name, change in changes.taken.items()]


def _would(field: str, before: str | None, after: str | None) -> str:
    if before is None:
        return f"The {field}, empty now, would become {after}."
    return (
        f"The {field} {before} would become {after}."
        if after
        else f"The {field} {before} would go."
    )


def _listed(fields: Sequence[str]) -> str:
    named = [FIELD_NAMES[field] for field in fields]
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
