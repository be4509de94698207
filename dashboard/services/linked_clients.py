"""Clients that follow their contact: what a check read is noted first, and then carried over.

A note is a waiting item of the run, written with the page that brought the change. So nothing is
lost when a worker dies or a run breaks off in between: the next run takes over what still waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, func, select, update

from dashboard.database import AnySession, insert_for
from dashboard.models import (
    Client,
    ItemOutcome,
    RunKind,
    SyncRun,
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
from dashboard.rules.sync_brake import Weight
from dashboard.services.contact_mirror import MirrorChange, shared_fields
from dashboard.services.group_tags import follow_groups
from dashboard.xero.types import ACTIVE

FOLLOW = "update"
MERGES_FOLLOWED = 20
AT_ONCE = 500
NO_LONGER_LINKED = "No longer linked when its turn came."


@dataclass(slots=True)
class Followed:
    """What some contacts meant for clients, as counts for the run."""

    updated: int = 0
    skipped: int = 0
    problems: int = 0


@dataclass(frozen=True, slots=True)
class _Plan:
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


def note_changes(
    session: AnySession,
    *,
    practice_id: UUID,
    connection_id: UUID,
    run_id: UUID,
    changes: Sequence[MirrorChange],
) -> None:
    """Note, as waiting items of the run, the changed contacts that are linked to a client.

    Part of the caller's transaction; two statements. What was noted first stays: it says what the
    client has seen of its contact so far.
    """
    by_contact = {change.contact_id: change for change in changes}
    linked = session.execute(
        select(XeroContactMapping.xero_contact_id, XeroContactMapping.client_id).where(
            XeroContactMapping.xero_connection_id == connection_id,
            XeroContactMapping.xero_contact_id.in_(by_contact),
        )
    )
    items = [
        {
            "run_id": run_id,
            "practice_id": practice_id,
            "xero_contact_id": contact_id,
            "contact_name": by_contact[contact_id].contact["name"],
            "action": FOLLOW,
            "client_id": client_id,
            "outcome": ItemOutcome.WAITING,
            "changes": {"was": by_contact[contact_id].before},
        }
        for contact_id, client_id in linked
    ]
    if items:
        table: Any = SyncRunItem.__table__
        session.connection().execute(
            insert_for(session)(table).on_conflict_do_nothing(
                index_elements=[table.c.run_id, table.c.xero_contact_id]
            ),
            items,
        )


def take_over(session: AnySession, connection_id: UUID, run_id: UUID) -> None:
    """Give this run the notes of earlier checks that ended before they carried them over."""
    earlier = select(SyncRun.id).where(
        SyncRun.xero_connection_id == connection_id,
        SyncRun.kind == RunKind.CONTACT_SYNC,
        SyncRun.id != run_id,
    )
    session.execute(
        update(SyncRunItem)
        .where(SyncRunItem.run_id.in_(earlier), SyncRunItem.outcome == ItemOutcome.WAITING)
        .values(run_id=run_id)
        .execution_options(synchronize_session=False)
    )


class LinkedClients:
    """Carries the notes of one run over to clients."""

    def __init__(
        self, *, session: AnySession, practice_id: UUID, connection_id: UUID, run_id: UUID
    ) -> None:
        self._session = session
        self._practice_id = practice_id
        self._connection_id = connection_id
        self._run_id = run_id

    def waiting(self) -> int:
        """Return how many notes there are."""
        return (
            self._session.scalar(
                select(func.count())
                .select_from(SyncRunItem)
                .where(
                    SyncRunItem.run_id == self._run_id, SyncRunItem.outcome == ItemOutcome.WAITING
                )
            )
            or 0
        )

    def weigh(self) -> Weight:
        """Return what carrying all of them over would change; writes nothing."""
        linked = self._session.scalar(
            select(func.count())
            .select_from(XeroContactMapping)
            .where(XeroContactMapping.xero_connection_id == self._connection_id)
        )
        changed = archived = 0
        for plans in self._all_plans():
            changed += sum(plan.weighs for plan in plans)
            archived += sum(plan.loses_contact for plan in plans)
        return Weight(linked or 0, changed, archived)

    def say_what_would_change(self) -> None:
        """Write on each note that weighs what it would do, for a person to look at."""
        table: Any = SyncRunItem.__table__
        for plans in self._all_plans():
            told = [{"key": plan.item_id, "because": plan.would} for plan in plans if plan.weighs]
            if told:
                self._session.connection().execute(
                    update(table)
                    .where(table.c.id == bindparam("key"))
                    .values(reason=bindparam("because")),
                    told,
                )

    def follow_some(self, now: datetime) -> Followed | None:
        """Carry over the next notes in the caller's transaction; None when none is left.

        The caller holds the practice's list of clients since *now*. About ten statements, and two
        more for each merge.
        """
        plans = self._plans(after=0)
        if not plans:
            return None
        linked = [plan for plan in plans if plan.mapping_id is not None]
        self._write_clients([plan for plan in linked if plan.fields.taken], now)
        self._write_mappings(linked, now)
        tags = self._follow_tags(linked, now)
        return self._close_items(plans, tags)

    # -- looking ------------------------------------------------------------------------------

    def _all_plans(self) -> Iterator[list[_Plan]]:
        after = 0
        while plans := self._plans(after=after):
            yield plans
            after = plans[-1].item_id

    def _plans(self, *, after: int) -> list[_Plan]:
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
        plans: list[_Plan] = []
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

    def _plan(self, row: Mapping[str, Any], winner: Winner, moved: Mapping[str, str]) -> _Plan:
        item_id, contact_id = row["item_id"], row["contact_id"]
        if row["mapping_id"] is None or row["client_id"] is None or row["id"] is None:
            return _Plan(item_id, contact_id, row["noted_client"])
        was: Mapping[str, Any] | None = row["was"]
        ours = {name: row[f"our_{name}"] for name in FIELDS}
        contact, fate = self._fate(row, was, moved)
        fields = NO_CHANGES
        # Nothing to compare with: a contact that is read for the first time teaches nothing.
        if was is not None and contact["contact_status"] == ACTIVE:
            fields = follow_contact(ours, was, shared_fields(contact), winner)
        return _Plan(
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

    # -- writing ------------------------------------------------------------------------------

    def _write_clients(self, plans: Sequence[_Plan], now: datetime) -> None:
        rows = []
        for plan in plans:
            values = dict(plan.ours)
            values.update((name, after) for name, (_, after) in plan.fields.taken.items())
            rows.append({"key": plan.client_id, "now": now, **values})
        if rows:
            table: Any = Client.__table__
            self._session.connection().execute(
                update(table)
                .where(table.c.id == bindparam("key"))
                .values(updated_at=bindparam("now"), **{name: bindparam(name) for name in FIELDS}),
                rows,
            )

    def _write_mappings(self, plans: Sequence[_Plan], now: datetime) -> None:
        """Bring up to date what mappings repeat of their contact, and move those of merged ones."""
        rows = [
            {
                "key": plan.mapping_id,
                "contact": plan.moves_to or plan.contact_id,
                "named": plan.contact["name"],
                "now": now,
            }
            for plan in plans
        ]
        if rows:
            table: Any = XeroContactMapping.__table__
            self._session.connection().execute(
                update(table)
                .where(table.c.id == bindparam("key"))
                .values(
                    xero_contact_id=bindparam("contact"),
                    xero_contact_name=bindparam("named"),
                    last_synced_at=bindparam("now"),
                    updated_at=bindparam("now"),
                ),
                rows,
            )
        for plan in plans:
            if plan.moves_to is not None:
                self._session.execute(
                    update(Client)
                    .where(Client.id == plan.client_id)
                    .values(xero_contact_id=plan.moves_to, updated_at=now)
                    .execution_options(synchronize_session=False)
                )

    def _follow_tags(self, plans: Sequence[_Plan], now: datetime) -> dict[UUID, dict[str, Any]]:
        groups_of = {
            plan.client_id: plan.contact["groups"]
            for plan in plans
            if plan.contact["contact_status"] == ACTIVE
        }
        return follow_groups(self._session, self._practice_id, groups_of, now)

    def _close_items(self, plans: Sequence[_Plan], tags: Mapping[UUID, dict[str, Any]]) -> Followed:
        """Say on the run's items what was done; notes that meant nothing are taken away."""
        counts = Followed()
        rows, nothing = [], []
        for plan in plans:
            tagged = tags.get(plan.client_id)
            outcome = plan.outcome(tagged)
            if outcome is None:
                nothing.append(plan.item_id)
                continue
            counts.updated += outcome == ItemOutcome.UPDATED
            counts.skipped += outcome == ItemOutcome.SKIPPED
            counts.problems += outcome == ItemOutcome.PROBLEM
            changes = plan.changes | ({"tags": tagged} if tagged else {})
            rows.append(
                {
                    "key": plan.item_id,
                    "client": plan.client_id,
                    "became": outcome,
                    "because": plan.reason,
                    "map": changes or None,
                }
            )
        self._write_items(rows)
        self._session.execute(delete(SyncRunItem).where(SyncRunItem.id.in_(nothing)))
        return counts

    def _write_items(self, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            table: Any = SyncRunItem.__table__
            self._session.connection().execute(
                update(table)
                .where(table.c.id == bindparam("key"))
                .values(
                    client_id=bindparam("client"),
                    outcome=bindparam("became"),
                    reason=bindparam("because"),
                    changes=bindparam("map"),
                ),
                list(rows),
            )
