"""One chunk of an import: what becomes of each item, and all of it written at once.

An item that changes what was there before keeps that in `before`, for the undo: of a linked client
`{"client": {"xero_contact_id", "updated_at"}, "tags": {"added", "dropped"}}`, of a contact that had
been skipped for good `{"skip": {"id", "decided_by_id", "decided_at"}}`, and of one that is skipped
now `{"made_skip": id}`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import bindparam, delete, insert, select, update

from dashboard.database import AnySession
from dashboard.models import (
    Client,
    ItemOutcome,
    MatchDecision,
    SyncRunItem,
    Verdict,
    XeroContactMapping,
)
from dashboard.rules import import_sentences
from dashboard.services.contact_mirror import shared_fields
from dashboard.services.import_tags import TagsMade, tag_clients

Row = dict[str, Any]


@dataclass(slots=True)
class ImportChunk:
    """The rows that one chunk writes, decided item by item."""

    run_id: UUID
    practice_id: UUID
    connection_id: UUID
    now: datetime
    done: list[Row] = field(default_factory=list)
    clients: list[Row] = field(default_factory=list)
    mappings: list[Row] = field(default_factory=list)
    linked: list[Row] = field(default_factory=list)
    skips: list[Row] = field(default_factory=list)
    skipped_before: list[str] = field(default_factory=list)
    groups: dict[UUID, Sequence[Any]] = field(default_factory=dict)
    before: dict[str, Row] = field(default_factory=dict)
    counts: Counter[ItemOutcome] = field(default_factory=Counter)
    # Within a chunk too, one client is linked to one contact.
    taken: dict[UUID, tuple[str, str]] = field(default_factory=dict)

    def count(self, outcome: ItemOutcome) -> int:
        """How many items became this."""
        return self.counts[outcome]

    def decide(self, item: Any) -> None:
        """Add what becomes of one item, a row that says how things stand now."""
        if item.holder_id is not None:
            reason = import_sentences.already_linked(item.holder_name)
            self._tell(item, ItemOutcome.SKIPPED, item.holder_id, reason)
            return
        if item.action == "skip":
            self._forget_skip(item)
            skip = _skip(item, self)
            self.skips.append(skip)
            self.before[item.xero_contact_id] = {"made_skip": str(skip["id"])}
            self._tell(item, ItemOutcome.SKIPPED, None, import_sentences.SKIPPED)
            return
        problem = self._problem(item)
        if problem is not None:
            client_id = item.client_id if item.client_name is not None else None
            self._tell(item, ItemOutcome.PROBLEM, client_id, problem)
            return
        self._forget_skip(item)
        client_id = item.client_id or uuid4()
        if item.action == "create":
            self.clients.append(_client(client_id, item, self))
            self._tell(item, ItemOutcome.CREATED, client_id)
        else:
            self._link(item)
        self.mappings.append(_mapping(client_id, item, self))
        self.groups[client_id] = item.groups

    def _link(self, item: Any) -> None:
        self.linked.append(
            {"key": item.client_id, "contact_id": item.xero_contact_id, "now": self.now}
        )
        self.taken[item.client_id] = (item.client_name, item.name)
        self.before.setdefault(item.xero_contact_id, {})["client"] = {
            "xero_contact_id": item.client_contact_id,
            "updated_at": item.client_updated_at.isoformat(),
        }
        self._tell(item, ItemOutcome.LINKED, item.client_id)

    def _problem(self, item: Any) -> str | None:
        """Return why this contact cannot be imported now, or None if it can."""
        if item.mirror_id is None:
            return import_sentences.NOT_IN_LIST
        problem = import_sentences.unavailable(item.name, item.contact_status)
        if problem is not None or item.action == "create":
            return problem
        if item.client_name is None:
            return import_sentences.CLIENT_GONE
        if item.rival_id is not None:
            return import_sentences.client_taken(item.client_name, item.rival_name)
        if item.client_id in self.taken:
            return import_sentences.client_taken(*self.taken[item.client_id])
        return None

    def _forget_skip(self, item: Any) -> None:
        """What is decided now takes the place of an earlier "do not offer again"."""
        if item.skip_id is not None:
            self.skipped_before.append(item.xero_contact_id)

    def _tell(
        self, item: Any, outcome: ItemOutcome, client_id: UUID | None, reason: str | None = None
    ) -> None:
        self.counts[outcome] += 1
        self.done.append(
            {
                "key": item.id,
                "contact": item.xero_contact_id,
                "became": outcome,
                "client": client_id,
                "because": reason,
            }
        )


def write_chunk(session: AnySession, chunk: ImportChunk) -> TagsMade:
    """Write everything of a chunk, a statement for each kind of row; return what tags it made.

    Part of the caller's transaction.
    """
    connection = session.connection()
    if chunk.skipped_before:
        _take_skips_away(session, chunk)
    for table, rows in (
        (Client.__table__, chunk.clients),
        (XeroContactMapping.__table__, chunk.mappings),
        (MatchDecision.__table__, chunk.skips),
    ):
        if rows:
            connection.execute(insert(table), rows)  # type: ignore[arg-type]
    _point_clients_at_contacts(session, chunk)
    made, tags = tag_clients(
        session,
        chunk.practice_id,
        chunk.groups,
        [one["key"] for one in chunk.linked],
        chunk.now,
    )
    for one in chunk.linked:
        if one["key"] in tags:
            chunk.before[one["contact_id"]]["tags"] = tags[one["key"]]
    _tell_items(session, chunk)
    return made


def _take_skips_away(session: AnySession, chunk: ImportChunk) -> None:
    condition = (
        MatchDecision.xero_connection_id == chunk.connection_id,
        MatchDecision.xero_contact_id.in_(chunk.skipped_before),
        MatchDecision.verdict == Verdict.SKIP,
    )
    found = session.execute(
        select(
            MatchDecision.xero_contact_id,
            MatchDecision.id,
            MatchDecision.decided_by_id,
            MatchDecision.decided_at,
        ).where(*condition)
    )
    for contact_id, skip_id, decided_by_id, decided_at in found:
        chunk.before.setdefault(contact_id, {})["skip"] = {
            "id": str(skip_id),
            "decided_by_id": str(decided_by_id) if decided_by_id else None,
            "decided_at": decided_at.isoformat(),
        }
    session.execute(
        delete(MatchDecision).where(*condition).execution_options(synchronize_session=False)
    )


def _point_clients_at_contacts(session: AnySession, chunk: ImportChunk) -> None:
    """Repeat the link on clients that existed before; new ones are born with it."""
    if chunk.linked:
        table: Any = Client.__table__
        session.connection().execute(
            update(table)
            .where(table.c.id == bindparam("key"))
            .values(xero_contact_id=bindparam("contact_id"), updated_at=bindparam("now")),
            chunk.linked,
        )


def _tell_items(session: AnySession, chunk: ImportChunk) -> None:
    table: Any = SyncRunItem.__table__
    values: Row = {
        "outcome": bindparam("became"),
        "client_id": bindparam("client"),
        "reason": bindparam("because"),
    }
    plain = [one for one in chunk.done if one["contact"] not in chunk.before]
    rich = [
        {**one, "found": chunk.before[one["contact"]]}
        for one in chunk.done
        if one["contact"] in chunk.before
    ]
    with_before: Row = {"before": bindparam("found")}
    for rows, more in ((plain, Row()), (rich, with_before)):
        if rows:
            # The contact names the row for us alone.
            told = [{name: one[name] for name in one if name != "contact"} for one in rows]
            session.connection().execute(
                update(table).where(table.c.id == bindparam("key")).values(**values, **more), told
            )


def _client(client_id: UUID, item: Any, chunk: ImportChunk) -> Row:
    return {
        "id": client_id,
        "practice_id": chunk.practice_id,
        "xero_contact_id": item.xero_contact_id,
        "created_at": chunk.now,
        "updated_at": chunk.now,
        **shared_fields(item._mapping),
    }


def _mapping(client_id: UUID, item: Any, chunk: ImportChunk) -> Row:
    return {
        "id": uuid4(),
        "practice_id": chunk.practice_id,
        "client_id": client_id,
        "xero_connection_id": chunk.connection_id,
        "xero_contact_id": item.xero_contact_id,
        "xero_contact_name": item.name,
        "last_synced_at": item.read_at,
        "made_by_run_id": chunk.run_id,
        "linked_by_id": item.decided_by_id,
        "created_at": chunk.now,
        "updated_at": chunk.now,
    }


def _skip(item: Any, chunk: ImportChunk) -> Row:
    return {
        "id": uuid4(),
        "practice_id": chunk.practice_id,
        "xero_connection_id": chunk.connection_id,
        "xero_contact_id": item.xero_contact_id,
        "client_id": None,
        "verdict": Verdict.SKIP,
        "decided_by_id": item.started_by_id,
        "decided_at": chunk.now,
    }
