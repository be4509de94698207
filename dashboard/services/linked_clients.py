"""Clients that follow their contact: fields, groups and merges that a sync has read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, update

from dashboard.database import AnySession, insert_for
from dashboard.models import (
    Client,
    ItemOutcome,
    SyncRunItem,
    XeroContact,
    XeroContactMapping,
)
from dashboard.rules.client_fields import FIELDS, FieldChanges, follow_contact, kept_sentence
from dashboard.services.client_list import changing_clients
from dashboard.services.contact_mirror import MirrorChange
from dashboard.services.group_tags import follow_groups
from dashboard.xero.types import ACTIVE

FOLLOW = "update"
MERGES_FOLLOWED = 20


@dataclass(slots=True)
class Followed:
    """What one page of contacts meant for clients, as counts for the run."""

    updated: int = 0
    skipped: int = 0
    problems: int = 0


@dataclass(frozen=True, slots=True)
class _Linked:
    """A changed contact and the client that it is."""

    change: MirrorChange
    mapping_id: UUID
    client: Client


@dataclass(slots=True)
class _Told:
    """What the run's list of items will say about one contact."""

    changes: dict[str, Any] = field(default_factory=dict)
    kept: tuple[str, ...] = ()
    problem: str | None = None
    note: str | None = None

    @property
    def outcome(self) -> ItemOutcome | None:
        if self.problem:
            return ItemOutcome.PROBLEM
        if self.changes:
            return ItemOutcome.UPDATED
        return ItemOutcome.SKIPPED if self.kept else None

    @property
    def reason(self) -> str | None:
        kept = kept_sentence(self.kept) if self.kept else None
        return self.problem or " ".join(part for part in (self.note, kept) if part) or None


def follow_changes(
    session: AnySession,
    *,
    practice_id: UUID,
    connection_id: UUID,
    run_id: UUID,
    changes: Sequence[MirrorChange],
    clock: Callable[[], datetime],
) -> Followed:
    """Bring the clients of changed contacts up to date; say in the run's items what changed.

    Part of the caller's transaction. The number of statements does not depend on the number of
    contacts, except for merges, which are rare.
    """
    linked = _linked(session, connection_id, changes)
    if not linked:
        return Followed()
    now = changing_clients(session, practice_id, clock)
    told = {one.change.contact_id: _Told() for one in linked}
    _follow_fields(session, linked, told, now)
    _follow_tags(session, practice_id, linked, told, now)
    for one in linked:
        if one.change.contact["merged_to_contact_id"]:
            _follow_merge(session, connection_id, one, told[one.change.contact_id], now)
    return _write_items(session, practice_id, run_id, linked, told)


def _linked(
    session: AnySession, connection_id: UUID, changes: Sequence[MirrorChange]
) -> list[_Linked]:
    by_contact = {change.contact_id: change for change in changes}
    found = session.execute(
        select(XeroContactMapping.xero_contact_id, XeroContactMapping.id, Client)
        .join(Client, Client.id == XeroContactMapping.client_id)
        .where(
            XeroContactMapping.xero_connection_id == connection_id,
            XeroContactMapping.xero_contact_id.in_(by_contact),
        )
        .execution_options(populate_existing=True)
    )
    return [_Linked(by_contact[row[0]], row[1], row[2]) for row in found]


def _follow_fields(
    session: AnySession, linked: Sequence[_Linked], told: Mapping[str, _Told], now: datetime
) -> None:
    """Update clients, and the contact's name that mappings repeat, in two statements."""
    clients: list[dict[str, Any]] = []
    for one in linked:
        changes = _field_changes(one)
        about = told[one.change.contact_id]
        about.kept = changes.kept
        about.changes.update(
            (name, {"before": before, "after": after})
            for name, (before, after) in changes.taken.items()
        )
        if changes.taken:
            values = {name: getattr(one.client, name) for name in FIELDS}
            values.update((name, after) for name, (_, after) in changes.taken.items())
            clients.append({"key": one.client.id, "now": now, **values})
    if clients:
        session.connection().execute(
            update(Client.__table__)  # type: ignore[arg-type]
            .where(Client.__table__.c.id == bindparam("key"))
            .values(updated_at=bindparam("now"), **{name: bindparam(name) for name in FIELDS}),
            clients,
        )
    session.connection().execute(
        update(XeroContactMapping.__table__)  # type: ignore[arg-type]
        .where(XeroContactMapping.__table__.c.id == bindparam("key"))
        .values(
            xero_contact_name=bindparam("contact_name"),
            last_synced_at=bindparam("now"),
            updated_at=bindparam("now"),
        ),
        [
            {"key": one.mapping_id, "contact_name": one.change.contact["name"], "now": now}
            for one in linked
        ],
    )


def _field_changes(one: _Linked) -> FieldChanges:
    """Return what the client takes over: nothing from a contact read for the first time or gone."""
    before = one.change.before
    if before is None or one.change.contact["contact_status"] != ACTIVE:
        return FieldChanges({}, ())
    ours = {name: getattr(one.client, name) for name in FIELDS}
    return follow_contact(ours, before, one.change.fields)


def _follow_tags(
    session: AnySession,
    practice_id: UUID,
    linked: Sequence[_Linked],
    told: Mapping[str, _Told],
    now: datetime,
) -> None:
    active = [one for one in linked if one.change.contact["contact_status"] == ACTIVE]
    changed = follow_groups(
        session, practice_id, {one.client.id: one.change.contact["groups"] for one in active}, now
    )
    for one in active:
        if one.client.id in changed:
            told[one.change.contact_id].changes["tags"] = changed[one.client.id]


def _follow_merge(
    session: AnySession, connection_id: UUID, one: _Linked, about: _Told, now: datetime
) -> None:
    """Move a link to the contact that this one was merged into, if nobody has that one."""
    survivor_id, survivor_name = _survivor(
        session, connection_id, str(one.change.contact["merged_to_contact_id"])
    )
    holder = session.scalar(
        select(Client.name)
        .join(XeroContactMapping, XeroContactMapping.client_id == Client.id)
        .where(
            XeroContactMapping.xero_connection_id == connection_id,
            XeroContactMapping.xero_contact_id == survivor_id,
        )
    )
    named = f"'{survivor_name}'" if survivor_name else "another contact"
    if holder is not None:
        about.problem = (
            f"Xero merged this contact into {named}, which is already linked to {holder}."
            " Unlink one of the two clients."
        )
        return
    session.execute(
        update(XeroContactMapping)
        .where(XeroContactMapping.id == one.mapping_id)
        .values(
            xero_contact_id=survivor_id,
            xero_contact_name=survivor_name,
            last_synced_at=now,
            updated_at=now,
        )
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(Client)
        .where(Client.id == one.client.id)
        .values(xero_contact_id=survivor_id, updated_at=now)
        .execution_options(synchronize_session=False)
    )
    about.note = f"Xero merged this contact into {named}, so the link moved there."
    about.changes["xero_contact_id"] = {"before": one.change.contact_id, "after": survivor_id}


def _survivor(session: AnySession, connection_id: UUID, contact_id: str) -> tuple[str, str | None]:
    """Return the id and name of the contact at the end of a chain of merges.

    The name is None for a contact that a later page will bring.
    """
    name: str | None = None
    for _ in range(MERGES_FOLLOWED):
        found = session.execute(
            select(XeroContact.name, XeroContact.merged_to_contact_id).where(
                XeroContact.xero_connection_id == connection_id,
                XeroContact.xero_contact_id == contact_id,
            )
        ).first()
        name = found.name if found else None
        if found is None or found.merged_to_contact_id is None:
            break
        contact_id = found.merged_to_contact_id
    return contact_id, name


def _write_items(
    session: AnySession,
    practice_id: UUID,
    run_id: UUID,
    linked: Sequence[_Linked],
    told: Mapping[str, _Told],
) -> Followed:
    counts = Followed()
    items: list[dict[str, Any]] = []
    for one in linked:
        about = told[one.change.contact_id]
        outcome = about.outcome
        if outcome is None:
            continue
        counts.updated += outcome == ItemOutcome.UPDATED
        counts.skipped += outcome == ItemOutcome.SKIPPED
        counts.problems += outcome == ItemOutcome.PROBLEM
        items.append(
            {
                "run_id": run_id,
                "practice_id": practice_id,
                "xero_contact_id": one.change.contact_id,
                "contact_name": one.change.contact["name"],
                "action": FOLLOW,
                "client_id": one.client.id,
                "outcome": outcome,
                "reason": about.reason,
                "changes": about.changes or None,
            }
        )
    if items:
        # A page that is read again after a crash tells of the same contact once.
        session.execute(insert_for(session)(SyncRunItem).on_conflict_do_nothing(), items)
    return counts
