"""Starting an import: decisions become a run with its items, all in one commit.

What cannot be understood is refused as a whole. What cannot be done for one contact becomes an item
with its reason, so that nothing is lost and everything can be read afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    func,
    insert,
    literal,
    select,
    update,
)

from dashboard.database import AnySession
from dashboard.models import (
    Client,
    DraftDecision,
    ImportDraft,
    ItemOutcome,
    RunKind,
    SyncRun,
    SyncRunItem,
    XeroConnection,
    XeroContact,
    XeroContactMapping,
)
from dashboard.models.contact_standing import Standing, standing
from dashboard.rules import import_sentences
from dashboard.services.client_list import current_connection, lock_clients
from dashboard.services.refusals import Conflict, InvalidInput, NotConnected, NotFound
from dashboard.services.run_lease import new_run, unfinished_run
from dashboard.services.run_results import ImportDecision

ACTIONS = ("create", "link", "skip")
SUGGESTED = {"new": "create", "exact": "link"}
ASK_AT_ONCE = 500
NOTHING_CHOSEN = "There is nothing to import: no contact was chosen."


@dataclass(frozen=True, slots=True)
class _Known:
    """What the mirror and the clients say about the decisions, as they are now."""

    contacts: dict[str, tuple[str, str]]
    linked_to: dict[str, str]
    clients: dict[UUID, str]
    contact_of: dict[UUID, tuple[str, str | None]]


class ImportStart:
    """Turns decisions into a waiting import run."""

    def __init__(self, *, session: AnySession, clock: Callable[[], datetime]) -> None:
        self._session = session
        self._clock = clock

    def from_decisions(
        self, practice_id: UUID, user_id: UUID | None, decisions: Sequence[ImportDecision]
    ) -> SyncRun:
        """Return the run that will carry out *decisions*.

        Raises `InvalidInput` for decisions that make no sense, `Conflict` while an import is
        unfinished, `NotConnected`.
        """
        _check_shape(decisions)
        connection_id = self._connection(practice_id).id
        known = self._known(practice_id, connection_id, decisions)
        aims = Counter(one.client_id for one in decisions if one.action == "link")
        run_id = self._new_run(practice_id, connection_id, user_id)
        items = [
            {
                "decided_by_id": user_id,
                **_item(run_id, practice_id, one, known, twice=aims[one.client_id] > 1),
            }
            for one in decisions
        ]
        self._session.execute(insert(SyncRunItem), items)
        return self._started(run_id)

    def from_suggestions(
        self, practice_id: UUID, user_id: UUID | None, words: Iterable[str]
    ) -> SyncRun:
        """Return the run that will create every new contact, link every exact one, or both."""
        wanted = set(words)
        if not wanted or not wanted <= set(SUGGESTED):
            raise InvalidInput(
                "Only the suggestions for new and exact contacts can be accepted together.",
                "Send one or both of: new, exact.",
                field="accept_suggestions",
            )
        connection_id = self._compared_connection(practice_id).id
        stands = standing(connection_id, None)
        run_id = self._new_run(practice_id, connection_id, user_id)
        self._insert_items(run_id, practice_id, stands, stands.match.in_(wanted))
        return self._started(run_id)

    def from_draft(self, practice_id: UUID, user_id: UUID | None, draft_id: UUID) -> SyncRun:
        """Return the run of this draft: a new one, or the one that it has already become.

        Ticked contacts without a decision are left out. Raises `NotFound`, `InvalidInput` when
        nothing is left to do, `Conflict` while another import is unfinished or contacts that were
        read have not been compared.
        """
        draft = self._session.scalar(
            select(ImportDraft)
            .where(ImportDraft.id == draft_id, ImportDraft.practice_id == practice_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if draft is None:
            raise NotFound
        if draft.run_id is not None:
            return self._session.get_one(SyncRun, draft.run_id)
        connection_id = draft.xero_connection_id
        if self._compared_connection(practice_id).id != connection_id:
            raise NotFound
        stands = standing(connection_id, draft_id)
        run_id = self._new_run(practice_id, connection_id, user_id)
        self._insert_items(run_id, practice_id, stands, and_(stands.selected, stands.decided))
        self._session.execute(
            update(ImportDraft)
            .where(ImportDraft.id == draft_id)
            .values(run_id=run_id, updated_at=self._clock())
            .execution_options(synchronize_session=False)
        )
        return self._started(run_id)

    def from_run(self, practice_id: UUID, user_id: UUID | None, run_id: UUID) -> SyncRun:
        """Return the run of what an ended import left undone, decided as it was.

        A link to a client that was deleted since is left out: it needs another decision. Raises
        `NotFound`, `InvalidInput` when nothing is left, `Conflict` while an import is unfinished.
        """
        ended = self._session.scalar(
            select(SyncRun).where(
                SyncRun.id == run_id,
                SyncRun.practice_id == practice_id,
                SyncRun.kind == RunKind.IMPORT,
            )
        )
        if ended is None or ended.xero_connection_id != self._connection(practice_id).id:
            raise NotFound
        if not ended.status.is_final:
            raise Conflict("This import has not ended yet.")
        new_id = self._new_run(practice_id, ended.xero_connection_id, user_id)
        columns = {
            "run_id": literal(new_id, SyncRunItem.run_id.type),
            "practice_id": SyncRunItem.practice_id,
            "xero_contact_id": SyncRunItem.xero_contact_id,
            "contact_name": SyncRunItem.contact_name,
            "action": SyncRunItem.action,
            "decided_by_id": SyncRunItem.decided_by_id,
            "client_id": SyncRunItem.client_id,
            "outcome": literal(ItemOutcome.WAITING, SyncRunItem.outcome.type),
        }
        rows = (
            select(*columns.values())
            .where(
                SyncRunItem.run_id == run_id,
                SyncRunItem.outcome.in_([ItemOutcome.PROBLEM, ItemOutcome.WAITING]),
                (SyncRunItem.action != "link") | SyncRunItem.client_id.is_not(None),
            )
            .order_by(SyncRunItem.id)
        )
        self._session.execute(insert(SyncRunItem).from_select(list(columns), rows))
        return self._started(new_id)

    # -- inside -------------------------------------------------------------------------------

    def _connection(self, practice_id: UUID) -> XeroConnection:
        connection = current_connection(self._session, practice_id)
        if connection is None:
            raise NotConnected
        return connection

    def _compared_connection(self, practice_id: UUID) -> XeroConnection:
        """Return the connection; refuse while contacts count as new that nobody compared."""
        connection = self._connection(practice_id)
        if connection.matched_at is None:
            raise Conflict(
                "Contacts are being compared with your clients just now.",
                "Start the import again in a minute: your ticks and decisions are kept.",
            )
        return connection

    def _new_run(self, practice_id: UUID, connection_id: UUID, user_id: UUID | None) -> UUID:
        # Under the lock an import and an undo cannot both find the other one missing.
        lock_clients(self._session, practice_id)
        if unfinished_run(self._session, practice_id, RunKind.UNDO) is not None:
            self._session.rollback()
            raise Conflict("An import is being undone.", "Wait until that has finished.")
        run_id = new_run(
            self._session,
            practice_id=practice_id,
            connection_id=connection_id,
            kind=RunKind.IMPORT,
            user_id=user_id,
            now=self._clock(),
        )
        if run_id is None:
            self._session.rollback()
            raise Conflict(
                "An import is already running.", "Wait until it has finished, or cancel it."
            )
        return run_id

    def _insert_items(
        self, run_id: UUID, practice_id: UUID, stands: Standing, chosen: ColumnElement[bool]
    ) -> None:
        """Write an item for each chosen contact in one statement, whatever their number."""
        columns = {
            "run_id": literal(run_id, SyncRunItem.run_id.type),
            "practice_id": literal(practice_id, SyncRunItem.practice_id.type),
            "xero_contact_id": XeroContact.xero_contact_id,
            "contact_name": XeroContact.name,
            "action": stands.action,
            "decided_by_id": case((stands.chosen.is_not(None), DraftDecision.decided_by_id)),
            "client_id": stands.client_id,
            "outcome": literal(ItemOutcome.WAITING, SyncRunItem.outcome.type),
        }
        rows = (
            select(*columns.values())
            .select_from(stands.source)
            .where(stands.belongs, stands.can_tick, chosen)
            .order_by(XeroContact.sort_name, XeroContact.id)
        )
        self._session.execute(insert(SyncRunItem).from_select(list(columns), rows))

    def _started(self, run_id: UUID) -> SyncRun:
        """Count the items into the run and commit; refuse a run without any."""
        total, problems, skipped = self._session.execute(
            select(
                func.count(),
                func.count().filter(SyncRunItem.outcome == ItemOutcome.PROBLEM),
                func.count().filter(SyncRunItem.outcome == ItemOutcome.SKIPPED),
            ).where(SyncRunItem.run_id == run_id)
        ).one()
        if total == 0:
            self._session.rollback()
            raise InvalidInput(NOTHING_CHOSEN, "Tick contacts and decide what to do with them.")
        self._session.execute(
            update(SyncRun)
            .where(SyncRun.id == run_id)
            .values(total=total, done=problems + skipped, problems=problems, skipped=skipped)
            .execution_options(synchronize_session=False)
        )
        self._session.commit()
        return self._session.get_one(SyncRun, run_id)

    def _known(
        self, practice_id: UUID, connection_id: UUID, decisions: Sequence[ImportDecision]
    ) -> _Known:
        contact_ids = [one.xero_contact_id for one in decisions]
        client_ids = list({one.client_id for one in decisions if one.client_id is not None})
        known = _Known({}, {}, {}, {})
        for some in _portions(contact_ids):
            for contact_id, name, status in self._session.execute(
                select(
                    XeroContact.xero_contact_id, XeroContact.name, XeroContact.contact_status
                ).where(
                    XeroContact.xero_connection_id == connection_id,
                    XeroContact.xero_contact_id.in_(some),
                )
            ):
                known.contacts[contact_id] = (name, status)
            self._add_mappings(known, connection_id, XeroContactMapping.xero_contact_id.in_(some))
        for ids in _portions(client_ids):
            for client_id, name in self._session.execute(
                select(Client.id, Client.name).where(
                    Client.practice_id == practice_id, Client.id.in_(ids)
                )
            ):
                known.clients[client_id] = name
            self._add_mappings(known, connection_id, XeroContactMapping.client_id.in_(ids))
        return known

    def _add_mappings(
        self, known: _Known, connection_id: UUID, condition: ColumnElement[bool]
    ) -> None:
        for client_id, client_name, contact_id, contact_name in self._session.execute(
            select(
                XeroContactMapping.client_id,
                Client.name,
                XeroContactMapping.xero_contact_id,
                XeroContactMapping.xero_contact_name,
            )
            .join(Client, Client.id == XeroContactMapping.client_id)
            .where(XeroContactMapping.xero_connection_id == connection_id, condition)
        ):
            known.linked_to[contact_id] = client_name
            known.contact_of[client_id] = (contact_id, contact_name)


def _check_shape(decisions: Sequence[ImportDecision]) -> None:
    if not decisions:
        raise InvalidInput(NOTHING_CHOSEN, "Send at least one decision.", field="decisions")
    for one in decisions:
        if one.action not in ACTIONS:
            raise InvalidInput(
                f"'{one.action}' is not something that can be done with a contact.",
                "Use create, link or skip.",
                field="action",
            )
        if one.action == "link" and one.client_id is None:
            raise InvalidInput(
                "A contact can be linked only to a client that is named.",
                "Send the client_id.",
                field="client_id",
            )
    if len({one.xero_contact_id for one in decisions}) < len(decisions):
        raise InvalidInput(
            "A contact is decided twice.", "Send one decision for each contact.", field="decisions"
        )


def _item(
    run_id: UUID, practice_id: UUID, one: ImportDecision, known: _Known, *, twice: bool
) -> dict[str, Any]:
    outcome, reason = _verdict(one, known, twice=twice)
    name, _ = known.contacts.get(one.xero_contact_id, ("Unknown contact", ""))
    client_id = one.client_id if one.action == "link" and one.client_id in known.clients else None
    return {
        "run_id": run_id,
        "practice_id": practice_id,
        "xero_contact_id": one.xero_contact_id,
        "contact_name": name,
        "action": one.action,
        "client_id": client_id,
        "outcome": outcome,
        "reason": reason,
    }


def _verdict(one: ImportDecision, known: _Known, *, twice: bool) -> tuple[ItemOutcome, str | None]:
    """Return whether an item waits to be done, or why that makes no sense already."""
    contact = known.contacts.get(one.xero_contact_id)
    if contact is None:
        return ItemOutcome.PROBLEM, import_sentences.NOT_IN_LIST
    linked_to = known.linked_to.get(one.xero_contact_id)
    if linked_to is not None:
        return ItemOutcome.SKIPPED, import_sentences.already_linked(linked_to)
    problem = import_sentences.unavailable(*contact)
    if problem is None and one.action == "link":
        problem = _link_problem(one, known, twice=twice)
    return (ItemOutcome.PROBLEM, problem) if problem else (ItemOutcome.WAITING, None)


def _link_problem(one: ImportDecision, known: _Known, *, twice: bool) -> str | None:
    if one.client_id is None or one.client_id not in known.clients:
        return import_sentences.CLIENT_GONE
    if one.client_id in known.contact_of:
        _, contact_name = known.contact_of[one.client_id]
        return import_sentences.client_taken(known.clients[one.client_id], contact_name)
    return import_sentences.AIMED_AT_TWICE if twice else None


def _portions(ids: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (ids[start : start + ASK_AT_ONCE] for start in range(0, len(ids), ASK_AT_ONCE))
