"""Clients that follow their contact: what a check read is noted first, and then carried over.

A note is a waiting item of the run, written with the page that brought the change. So nothing is
lost when a worker dies or a run breaks off in between: the next run takes over what still waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
    XeroContactMapping,
)
from dashboard.rules.client_fields import FIELDS
from dashboard.rules.sync_brake import Weight
from dashboard.services.client_plans import Plan, Plans
from dashboard.services.contact_mirror import MirrorChange
from dashboard.services.group_tags import follow_groups
from dashboard.xero.types import ACTIVE

FOLLOW = "update"


@dataclass(slots=True)
class Followed:
    """What some contacts meant for clients, as counts for the run."""

    updated: int = 0
    skipped: int = 0
    problems: int = 0


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
        self._plans = Plans(session=session, connection_id=connection_id, run_id=run_id)

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
        for plans in self._plans.all():
            changed += sum(plan.weighs for plan in plans)
            archived += sum(plan.loses_contact for plan in plans)
        return Weight(linked or 0, changed, archived)

    def say_what_would_change(self) -> Iterator[None]:
        """Write on each note that weighs what it would do, for a person to look at.

        Yields after each portion, so that the caller may commit: saying it twice does no harm.
        """
        table: Any = SyncRunItem.__table__
        for plans in self._plans.all():
            told = [{"key": plan.item_id, "because": plan.would} for plan in plans if plan.weighs]
            if told:
                self._session.connection().execute(
                    update(table)
                    .where(table.c.id == bindparam("key"))
                    .values(reason=bindparam("because")),
                    told,
                )
            yield

    def follow_some(self, now: datetime) -> Followed | None:
        """Carry over the next notes in the caller's transaction; None when none is left.

        The caller holds the practice's list of clients since *now*. About ten statements, and two
        more for each merge.
        """
        plans = self._plans.after(0)
        if not plans:
            return None
        linked = [plan for plan in plans if plan.mapping_id is not None]
        self._write_clients([plan for plan in linked if plan.fields.taken], now)
        self._write_mappings(linked, now)
        tags = self._follow_tags(linked, now)
        return self._close_items(plans, tags)

    # -- writing ------------------------------------------------------------------------------

    def _write_clients(self, plans: Sequence[Plan], now: datetime) -> None:
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

    def _write_mappings(self, plans: Sequence[Plan], now: datetime) -> None:
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

    def _follow_tags(self, plans: Sequence[Plan], now: datetime) -> dict[UUID, dict[str, Any]]:
        groups_of = {
            plan.client_id: plan.contact["groups"]
            for plan in plans
            if plan.contact["contact_status"] == ACTIVE
        }
        return follow_groups(self._session, self._practice_id, groups_of, now)

    def _close_items(self, plans: Sequence[Plan], tags: Mapping[UUID, dict[str, Any]]) -> Followed:
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
