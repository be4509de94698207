"""What each noted change of a contact means for its client, worked out from what is true now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select

from dashboard.database import AnySession
from dashboard.models import (
    Client,
    ItemOutcome,
    SyncRunItem,
    XeroConnection,
    XeroContact,
    XeroContactMapping,
)
from dashboard.rules.client_fields import (
    FIELDS,
    NO_CHANGES,
    FieldChanges,
    Values,
    Winner,
    follow_contact,
    kept_sentence,
    overruled_sentence,
    would_sentences,
)
from dashboard.rules.contact_fate import Fate, fate_of, merged
from dashboard.services.contact_mirror import shared_fields
from dashboard.xero.types import ACTIVE

MERGES_FOLLOWED = 20
AT_ONCE = 500
NO_LONGER_LINKED = "No longer linked when its turn came."


@dataclass(frozen=True, slots=True)
class Plan:
    """What one noted change means, worked out from what is true at this moment.

    `contact` is the one whose fields and groups the client takes: after a merge the survivor.
    """

    item_id: int
    contact_id: str
    client_id: UUID
    mapping_id: UUID | None = None
    contact: Mapping[str, Any] = field(default_factory=dict)
    ours: Values = field(default_factory=dict)
    fields: FieldChanges = NO_CHANGES
    fate: Fate | None = None

    @property
    def changes(self) -> dict[str, Any]:
        changes: dict[str, Any] = {
            name: {"before": before, "after": after}
            for name, (before, after) in self.fields.taken.items()
        }
        if self.moves_to is not None:
            changes["xero_contact_id"] = {"before": self.contact_id, "after": self.moves_to}
        return changes

    @property
    def moves_to(self) -> str | None:
        return self.fate.moves_to if self.fate else None

    @property
    def loses_contact(self) -> bool:
        return self.fate is not None and self.fate.loses_contact

    @property
    def weighs(self) -> bool:
        return self.loses_contact or bool(self.changes)

    def outcome(self, tags: Any) -> ItemOutcome | None:
        if self.mapping_id is None:
            return ItemOutcome.SKIPPED
        if self.fate is not None and self.fate.needs_person:
            return ItemOutcome.PROBLEM
        if self.changes or tags or self.fate is not None:
            return ItemOutcome.UPDATED
        return ItemOutcome.SKIPPED if self.fields.kept else None

    @property
    def would(self) -> str | None:
        """What carrying it over would do to the client, None if nothing that weighs."""
        if not self.weighs:
            return None
        said = [self.fate.sentence] if self.fate else []
        said += would_sentences(self.fields)
        return " ".join(said)

    @property
    def reason(self) -> str | None:
        if self.mapping_id is None:
            return NO_LONGER_LINKED
        said = [self.fate.sentence] if self.fate else []
        said += [overruled_sentence(self.fields.overruled)] if self.fields.overruled else []
        said += [kept_sentence(self.fields.kept)] if self.fields.kept else []
        return " ".join(said) or None


class Plans:
    """Works out what the waiting notes of one run mean; writes nothing."""

    def __init__(self, *, session: AnySession, connection_id: UUID, run_id: UUID) -> None:
        self._session = session
        self._connection_id = connection_id
        self._run_id = run_id

    def all(self) -> Iterator[list[Plan]]:
        """Yield the plans of all waiting notes, some at a time."""
        after = 0
        while plans := self.after(after):
            yield plans
            after = plans[-1].item_id

    def after(self, after: int) -> list[Plan]:
        """Return what the next waiting notes mean now."""
        found = self._session.execute(
            select(
                SyncRunItem.id.label("item_id"),
                SyncRunItem.xero_contact_id.label("contact_id"),
                SyncRunItem.client_id.label("noted_client"),
                SyncRunItem.changes["was"].label("was"),
                XeroContactMapping.id.label("mapping_id"),
                Client.id.label("client_id"),
                *(getattr(Client, name).label(f"our_{name}") for name in FIELDS),
                XeroContact.__table__,
            )
            .select_from(SyncRunItem)
            .outerjoin(
                XeroContactMapping,
                (XeroContactMapping.xero_connection_id == self._connection_id)
                & (XeroContactMapping.xero_contact_id == SyncRunItem.xero_contact_id),
            )
            .outerjoin(Client, Client.id == XeroContactMapping.client_id)
            .outerjoin(
                XeroContact,
                (XeroContact.xero_connection_id == self._connection_id)
                & (XeroContact.xero_contact_id == SyncRunItem.xero_contact_id),
            )
            .where(
                SyncRunItem.run_id == self._run_id,
                SyncRunItem.outcome == ItemOutcome.WAITING,
                SyncRunItem.id > after,
            )
            .order_by(SyncRunItem.id)
            .limit(AT_ONCE)
        ).all()
        winner = self._winner() if found else "ask"
        plans: list[Plan] = []
        moved: dict[str, str] = {}
        for row in found:
            plan = self._plan(dict(row._mapping), winner, moved)
            if plan.moves_to is not None:
                moved[plan.moves_to] = row.our_name
            plans.append(plan)
        return plans

    def _winner(self) -> Winner:
        winner: Any = self._session.scalar(
            select(XeroConnection.edited_fields).where(XeroConnection.id == self._connection_id)
        )
        return winner or "ask"

    def _plan(self, row: Mapping[str, Any], winner: Winner, moved: Mapping[str, str]) -> Plan:
        item_id, contact_id = row["item_id"], row["contact_id"]
        if row["mapping_id"] is None or row["client_id"] is None or row["id"] is None:
            return Plan(item_id, contact_id, row["noted_client"])
        was: Mapping[str, Any] | None = row["was"]
        ours = {name: row[f"our_{name}"] for name in FIELDS}
        contact, fate = self._fate(row, was, moved)
        fields = NO_CHANGES
        # Nothing to compare with: a contact that is read for the first time teaches nothing.
        if was is not None and contact["contact_status"] == ACTIVE:
            fields = follow_contact(ours, was, shared_fields(contact), winner)
        return Plan(
            item_id, contact_id, row["client_id"], row["mapping_id"], contact, ours, fields, fate
        )

    def _fate(
        self,
        row: Mapping[str, Any],
        was: Mapping[str, Any] | None,
        moved: Mapping[str, str],
    ) -> tuple[Mapping[str, Any], Fate | None]:
        """Return the contact to follow, and what became of the one that was linked.

        *moved*: the contacts that clients of this portion move to, and who they are.
        """
        merged_to = row["merged_to_contact_id"]
        before = was.get("contact_status") if was else None
        if not merged_to:
            return row, fate_of(row["contact_status"], before)
        survivor = self._survivor(merged_to)
        name = survivor["name"] if survivor else None
        survivor_id = survivor["xero_contact_id"] if survivor else merged_to
        holder = moved.get(survivor_id) or self._holder(survivor_id)
        fate = merged(survivor_id, name, taken_by=holder)
        return (survivor if survivor and holder is None else row), fate

    def _survivor(self, contact_id: str) -> Mapping[str, Any] | None:
        """Return the contact at the end of a chain of merges, as far as the mirror knows it."""
        known: Mapping[str, Any] | None = None
        table: Any = XeroContact.__table__
        for _ in range(MERGES_FOLLOWED):
            found = self._session.execute(
                select(table).where(
                    table.c.xero_connection_id == self._connection_id,
                    table.c.xero_contact_id == contact_id,
                )
            ).first()
            if found is None:
                return known
            known = dict(found._mapping)
            if found.merged_to_contact_id is None:
                return known
            contact_id = found.merged_to_contact_id
        return known

    def _holder(self, contact_id: str) -> str | None:
        return self._session.scalar(
            select(Client.name)
            .join(XeroContactMapping, XeroContactMapping.client_id == Client.id)
            .where(
                XeroContactMapping.xero_connection_id == self._connection_id,
                XeroContactMapping.xero_contact_id == contact_id,
            )
        )
