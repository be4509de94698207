"""One chunk of an undo: what each item comes to, and all of it written at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select, tuple_, update

from dashboard.database import AnySession, insert_for
from dashboard.models import (
    Client,
    ItemOutcome,
    MatchDecision,
    SyncRunItem,
    Tag,
    User,
    Verdict,
    XeroContactMapping,
    client_tags,
)
from dashboard.rules.client_fields import FIELDS
from dashboard.rules.undo import Step, UndoStep

Row = dict[str, Any]
Pair = tuple[UUID, UUID]


@dataclass(slots=True)
class UndoChunk:
    """The rows that one chunk takes away and writes back."""

    practice_id: UUID
    connection_id: UUID
    now: datetime
    told: list[Row] = field(default_factory=list)
    deleted: list[UUID] = field(default_factory=list)
    unlinked: list[UUID] = field(default_factory=list)
    pointed: list[Row] = field(default_factory=list)
    restored: list[Row] = field(default_factory=list)
    offered: list[UUID] = field(default_factory=list)
    skips: list[Row] = field(default_factory=list)
    tags_off: set[Pair] = field(default_factory=set)
    tags_on: set[Pair] = field(default_factory=set)
    undone: int = 0
    kept: int = 0

    def add(self, row: Any, step: UndoStep) -> None:
        """Add what happens to one item, a row of `models.run_undo.items_to_undo`."""
        is_kept = step.step == Step.KEEP
        self.kept += is_kept
        self.undone += not is_kept
        self.told.append(
            {
                "key": row.undo_item_id,
                "became": ItemOutcome.KEPT if is_kept else ItemOutcome.UNDONE,
                "client": None if step.step == Step.DELETE else row.client_id,
                "because": step.sentence,
            }
        )
        if is_kept:
            return
        {
            Step.DELETE: self._delete,
            Step.UNLINK: self._unlink,
            Step.RESTORE: self._restore,
            Step.OFFER: self._offer,
        }[step.step](row, step)
        if row.before and "skip" in row.before:
            self._skip_again(row)

    def _delete(self, row: Any, _step: UndoStep) -> None:
        self.deleted.append(row.client_id)

    def _unlink(self, row: Any, _step: UndoStep) -> None:
        self.unlinked.append(row.mapping_id)
        before = row.before["client"]
        changed_at = self.now if row.is_edited else datetime.fromisoformat(before["updated_at"])
        self.pointed.append(
            {"key": row.client_id, "contact_id": before["xero_contact_id"], "at": changed_at}
        )
        tags = row.before.get("tags", {})
        self.tags_off |= {(row.client_id, UUID(tag)) for tag in tags.get("added", [])}
        self.tags_on |= {(row.client_id, UUID(tag)) for tag in tags.get("dropped", [])}

    def _restore(self, row: Any, step: UndoStep) -> None:
        values = {name: getattr(row, name) for name in FIELDS} | dict(step.values)
        self.restored.append({"key": row.client_id, "now": self.now, **values})

    def _offer(self, row: Any, _step: UndoStep) -> None:
        self.offered.append(row.skip_id)

    def _skip_again(self, row: Any) -> None:
        skip = row.before["skip"]
        self.skips.append(
            {
                "id": UUID(skip["id"]),
                "practice_id": self.practice_id,
                "xero_connection_id": self.connection_id,
                "xero_contact_id": row.xero_contact_id,
                "client_id": None,
                "verdict": Verdict.SKIP,
                "decided_by_id": UUID(skip["decided_by_id"]) if skip["decided_by_id"] else None,
                "decided_at": datetime.fromisoformat(skip["decided_at"]),
            }
        )


def write_chunk(session: AnySession, chunk: UndoChunk) -> None:
    """Write everything of a chunk, a statement for each kind of row.

    Part of the caller's transaction.
    """
    for table, ids in (
        # Links and tags of a client go with it.
        (Client.__table__, chunk.deleted),
        (XeroContactMapping.__table__, chunk.unlinked),
        (MatchDecision.__table__, chunk.offered),
    ):
        if ids:
            session.execute(delete(table).where(table.c.id.in_(ids)))  # type: ignore[arg-type]
    clients: Any = Client.__table__
    same_client = update(clients).where(clients.c.id == bindparam("key"))
    for rows, values in (
        (chunk.pointed, {"xero_contact_id": "contact_id", "updated_at": "at"}),
        (chunk.restored, {"updated_at": "now", **{name: name for name in FIELDS}}),
    ):
        if rows:
            bound: Row = {column: bindparam(name) for column, name in values.items()}
            session.connection().execute(same_client.values(**bound), rows)
    _put_tags_back(session, chunk)
    _put_skips_back(session, chunk)
    items: Any = SyncRunItem.__table__
    session.connection().execute(
        update(items)
        .where(items.c.id == bindparam("key"))
        .values(
            outcome=bindparam("became"), client_id=bindparam("client"), reason=bindparam("because")
        ),
        chunk.told,
    )


def _put_tags_back(session: AnySession, chunk: UndoChunk) -> None:
    if chunk.tags_off:
        session.execute(
            delete(client_tags).where(
                tuple_(client_tags.c.client_id, client_tags.c.tag_id).in_(chunk.tags_off)
            )
        )
    if not chunk.tags_on:
        return
    # A tag may have been deleted meanwhile.
    known = set(
        session.scalars(select(Tag.id).where(Tag.id.in_({tag for _, tag in chunk.tags_on})))
    )
    rows = [{"client_id": client, "tag_id": tag} for client, tag in chunk.tags_on if tag in known]
    if rows:
        session.execute(insert_for(session)(client_tags).on_conflict_do_nothing(), rows)


def _put_skips_back(session: AnySession, chunk: UndoChunk) -> None:
    if not chunk.skips:
        return
    people = {skip["decided_by_id"] for skip in chunk.skips}
    known = set(session.scalars(select(User.id).where(User.id.in_(people - {None}))))
    for skip in chunk.skips:
        skip["decided_by_id"] = skip["decided_by_id"] if skip["decided_by_id"] in known else None
    session.execute(insert(MatchDecision), chunk.skips)
