"""Performing an import: chunk by chunk, resumable at each, under a lease, without a call to Xero.

What a contact says is in the mirror, so that an import works while Xero does not answer. Each chunk
is one transaction that holds clients, links, tags, what each item became, and how far the run is.
What was true when the import was started is looked at again at the moment of writing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import bindparam, delete, insert, or_, select, update

from dashboard.database import AnySession
from dashboard.models import (
    AlertCause,
    Client,
    ItemOutcome,
    MatchDecision,
    RunKind,
    RunStatus,
    SyncRun,
    SyncRunItem,
    Verdict,
    XeroContact,
    XeroContactMapping,
)
from dashboard.rules import import_sentences
from dashboard.services.alerts import AlertService
from dashboard.services.client_list import changing_clients
from dashboard.services.contact_matches import ContactMatches
from dashboard.services.contact_mirror import shared_fields
from dashboard.services.group_tags import follow_groups
from dashboard.services.run_lease import LeaseLost, RunLease, unfinished_run
from dashboard.services.run_results import ImportResult
from dashboard.services.turn import Turn

logger = logging.getLogger(__name__)

CHUNK = 50
TURN = timedelta(seconds=45)


@dataclass(frozen=True, slots=True)
class _Holder:
    """Who holds a contact or a client in the current connection."""

    client_id: UUID
    client_name: str
    contact_id: str
    contact_name: str | None


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the items of one chunk need to know, as it is at the moment of writing."""

    contacts: Mapping[str, Mapping[str, Any]]
    clients: Mapping[UUID, str]
    by_contact: Mapping[str, _Holder]
    by_client: Mapping[UUID, _Holder]


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of one item."""

    item: SyncRunItem
    outcome: ItemOutcome
    client_id: UUID | None = None
    reason: str | None = None


@dataclass(slots=True)
class _Chunk:
    """The rows that one chunk writes."""

    done: list[_Done] = field(default_factory=list)
    clients: list[dict[str, Any]] = field(default_factory=list)
    mappings: list[dict[str, Any]] = field(default_factory=list)
    skips: list[dict[str, Any]] = field(default_factory=list)
    groups: dict[UUID, Sequence[Mapping[str, str]]] = field(default_factory=dict)
    # Within a chunk too, one client is linked to one contact.
    linked: dict[UUID, _Holder] = field(default_factory=dict)

    def count(self, outcome: ItemOutcome) -> int:
        return sum(one.outcome == outcome for one in self.done)


class ContactImport:
    """Performs imports for one worker."""

    def __init__(
        self,
        *,
        session: AnySession,
        alerts: AlertService,
        matches: ContactMatches,
        clock: Callable[[], datetime],
        owner: str,
        should_stop: Callable[[], bool],
        others_wait: Callable[[], bool],
    ) -> None:
        self._session = session
        self._alerts = alerts
        self._matches = matches
        self._clock = clock
        self._leases = RunLease(session=session, clock=clock, owner=owner)
        self._should_stop = should_stop
        self._others_wait = others_wait

    def perform(self, practice_id: UUID) -> ImportResult:
        """Do, or go on with, the import that was started; return how far it came in this turn."""
        run = self._leases.claim(practice_id, RunKind.IMPORT)
        if run is None:
            return self._nothing_to_claim(practice_id)
        run_id, connection_id = run.id, run.xero_connection_id
        self._session.commit()
        more = False
        try:
            more = not self._all_chunks(run_id, practice_id, connection_id)
            if not more:
                self._finish(run_id, practice_id)
                self._matches.rematch(practice_id, connection_id)
        except LeaseLost:
            self._session.rollback()
            logger.info("import %s is no longer ours", run_id)
        result = ImportResult.of(self._leases.read(run_id), more=more)
        self._session.commit()
        return result

    def _nothing_to_claim(self, practice_id: UUID) -> ImportResult:
        run = unfinished_run(self._session, practice_id, RunKind.IMPORT)
        result = ImportResult.of(run) if run else ImportResult()
        self._session.commit()
        return result

    def _all_chunks(self, run_id: UUID, practice_id: UUID, connection_id: UUID) -> bool:
        """Do chunk after chunk; return False when the turn ended before the items did."""
        turn = Turn(self._clock, TURN, self._others_wait)
        while not (self._should_stop() or turn.is_over()):
            if not self._next_chunk(run_id, practice_id, connection_id):
                return True
        # Still running to whoever looks: the next turn takes it up within seconds.
        self._leases.release(run_id, RunStatus.RUNNING)
        self._session.commit()
        return False

    def _next_chunk(self, run_id: UUID, practice_id: UUID, connection_id: UUID) -> bool:
        """Do one chunk in one transaction; return False when there was nothing left."""
        self._leases.hold(run_id)
        items = self._session.scalars(
            select(SyncRunItem)
            .where(SyncRunItem.run_id == run_id, SyncRunItem.outcome == ItemOutcome.WAITING)
            .order_by(SyncRunItem.id)
            .limit(CHUNK)
            .execution_options(populate_existing=True)
        ).all()
        if not items:
            return False
        now = changing_clients(self._session, practice_id, self._clock)
        facts = self._facts(connection_id, items)
        chunk = _Chunk()
        for item in items:
            self._decide(item, facts, chunk, connection_id, now)
        self._write(chunk, practice_id, connection_id, now)
        self._leases.hold(
            run_id,
            done=SyncRun.done + len(items),
            created=SyncRun.created + chunk.count(ItemOutcome.CREATED),
            linked=SyncRun.linked + chunk.count(ItemOutcome.LINKED),
            skipped=SyncRun.skipped + chunk.count(ItemOutcome.SKIPPED),
            problems=SyncRun.problems + chunk.count(ItemOutcome.PROBLEM),
        )
        self._session.commit()
        return True

    def _finish(self, run_id: UUID, practice_id: UUID) -> None:
        run = self._leases.read(run_id)
        problems, started_by = run.problems, run.started_by_id
        status = RunStatus.FINISHED_WITH_PROBLEMS if problems else RunStatus.FINISHED
        self._leases.release(run_id, status)
        # What is told is the last import: its problems are another person's, and told anew.
        self._alerts.resolve(practice_id, AlertCause.IMPORT_PROBLEMS)
        if problems:
            self._alerts.raise_once(
                practice_id,
                AlertCause.IMPORT_PROBLEMS,
                "warning",
                "Import finished with problems",
                import_sentences.problems(problems),
                count=problems,
                user_id=started_by,
            )
        self._session.commit()
        logger.info("import %s finished, %d problems", run_id, problems)

    # -- looking ------------------------------------------------------------------------------

    def _facts(self, connection_id: UUID, items: Sequence[SyncRunItem]) -> _Facts:
        contact_ids = [item.xero_contact_id for item in items]
        client_ids = [item.client_id for item in items if item.client_id is not None]
        contacts = self._session.execute(
            select(XeroContact.__table__).where(
                XeroContact.xero_connection_id == connection_id,
                XeroContact.xero_contact_id.in_(contact_ids),
            )
        )
        holders = [
            _Holder(*row)
            for row in self._session.execute(
                select(
                    XeroContactMapping.client_id,
                    Client.name,
                    XeroContactMapping.xero_contact_id,
                    XeroContactMapping.xero_contact_name,
                )
                .join(Client, Client.id == XeroContactMapping.client_id)
                .where(
                    XeroContactMapping.xero_connection_id == connection_id,
                    or_(
                        XeroContactMapping.xero_contact_id.in_(contact_ids),
                        XeroContactMapping.client_id.in_(client_ids),
                    ),
                )
            )
        ]
        clients = self._session.execute(
            select(Client.id, Client.name).where(Client.id.in_(client_ids))
        )
        return _Facts(
            contacts={row.xero_contact_id: dict(row._mapping) for row in contacts},
            clients={row[0]: row[1] for row in clients},
            by_contact={holder.contact_id: holder for holder in holders},
            by_client={holder.client_id: holder for holder in holders},
        )

    # -- deciding -----------------------------------------------------------------------------

    def _decide(
        self,
        item: SyncRunItem,
        facts: _Facts,
        chunk: _Chunk,
        connection_id: UUID,
        now: datetime,
    ) -> None:
        """Add to the chunk what becomes of one item."""
        holder = facts.by_contact.get(item.xero_contact_id)
        if holder is not None:
            reason = import_sentences.already_linked(holder.client_name)
            chunk.done.append(_Done(item, ItemOutcome.SKIPPED, holder.client_id, reason))
            return
        if item.action == "skip":
            chunk.skips.append(_skip(item, connection_id, now))
            chunk.done.append(_Done(item, ItemOutcome.SKIPPED, None, import_sentences.SKIPPED))
            return
        problem = _problem(item, facts, chunk)
        if problem is not None:
            chunk.done.append(_Done(item, ItemOutcome.PROBLEM, item.client_id, problem))
            return
        contact = facts.contacts[item.xero_contact_id]
        client_id = item.client_id or uuid4()
        if item.action == "create":
            chunk.clients.append(_client(client_id, contact, now))
            chunk.done.append(_Done(item, ItemOutcome.CREATED, client_id))
        else:
            chunk.done.append(_Done(item, ItemOutcome.LINKED, client_id))
        name = facts.clients.get(client_id, contact["name"])
        chunk.linked[client_id] = _Holder(client_id, name, item.xero_contact_id, contact["name"])
        chunk.mappings.append(_mapping(client_id, contact, item.run_id, now))
        chunk.groups[client_id] = contact["groups"]

    # -- writing ------------------------------------------------------------------------------

    def _write(self, chunk: _Chunk, practice_id: UUID, connection_id: UUID, now: datetime) -> None:
        if chunk.clients:
            self._session.execute(insert(Client), chunk.clients)
        if chunk.mappings:
            self._session.execute(insert(XeroContactMapping), chunk.mappings)
            self._point_clients_at_contacts(chunk, now)
            self._forget_skips(connection_id, [one["xero_contact_id"] for one in chunk.mappings])
        if chunk.skips:
            self._forget_skips(connection_id, [one["xero_contact_id"] for one in chunk.skips])
            self._session.execute(insert(MatchDecision), chunk.skips)
        follow_groups(self._session, practice_id, chunk.groups, now)
        self._tell(chunk.done)

    def _point_clients_at_contacts(self, chunk: _Chunk, now: datetime) -> None:
        """Repeat the link on clients that existed before; new ones are born with it."""
        existing = [
            {"key": one.client_id, "contact_id": one.item.xero_contact_id, "now": now}
            for one in chunk.done
            if one.outcome == ItemOutcome.LINKED
        ]
        if existing:
            table: Any = Client.__table__
            self._session.connection().execute(
                update(table)
                .where(table.c.id == bindparam("key"))
                .values(xero_contact_id=bindparam("contact_id"), updated_at=bindparam("now")),
                existing,
            )

    def _forget_skips(self, connection_id: UUID, contact_ids: Sequence[str]) -> None:
        self._session.execute(
            delete(MatchDecision).where(
                MatchDecision.xero_connection_id == connection_id,
                MatchDecision.xero_contact_id.in_(contact_ids),
                MatchDecision.verdict == Verdict.SKIP,
            )
        )

    def _tell(self, done: Iterable[_Done]) -> None:
        table: Any = SyncRunItem.__table__
        self._session.connection().execute(
            update(table)
            .where(table.c.id == bindparam("key"))
            .values(
                outcome=bindparam("became"),
                client_id=bindparam("client"),
                reason=bindparam("because"),
            ),
            [
                {
                    "key": one.item.id,
                    "became": one.outcome,
                    "client": one.client_id,
                    "because": one.reason,
                }
                for one in done
            ],
        )


def _problem(item: SyncRunItem, facts: _Facts, chunk: _Chunk) -> str | None:
    """Return why this contact cannot be imported now, or None if it can."""
    contact = facts.contacts.get(item.xero_contact_id)
    if contact is None:
        return import_sentences.NOT_IN_LIST
    problem = import_sentences.unavailable(contact["name"], contact["contact_status"])
    if problem is not None or item.action == "create":
        return problem
    if item.client_id is None or item.client_id not in facts.clients:
        return import_sentences.CLIENT_GONE
    holder = facts.by_client.get(item.client_id) or chunk.linked.get(item.client_id)
    if holder is not None:
        return import_sentences.client_taken(holder.client_name, holder.contact_name)
    return None


def _client(client_id: UUID, contact: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    return {
        "id": client_id,
        "practice_id": contact["practice_id"],
        "xero_contact_id": contact["xero_contact_id"],
        "created_at": now,
        "updated_at": now,
        **shared_fields(contact),
    }


def _mapping(
    client_id: UUID, contact: Mapping[str, Any], run_id: UUID, now: datetime
) -> dict[str, Any]:
    return {
        "id": uuid4(),
        "practice_id": contact["practice_id"],
        "client_id": client_id,
        "xero_connection_id": contact["xero_connection_id"],
        "xero_contact_id": contact["xero_contact_id"],
        "xero_contact_name": contact["name"],
        "last_synced_at": contact["read_at"],
        "made_by_run_id": run_id,
        "created_at": now,
        "updated_at": now,
    }


def _skip(item: SyncRunItem, connection_id: UUID, now: datetime) -> dict[str, Any]:
    return {
        "id": uuid4(),
        "practice_id": item.practice_id,
        "xero_connection_id": connection_id,
        "xero_contact_id": item.xero_contact_id,
        "client_id": None,
        "verdict": Verdict.SKIP,
        "decided_by_id": None,
        "decided_at": now,
    }
