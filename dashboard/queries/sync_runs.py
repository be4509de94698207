"""Runs: progress of one, recent history, and what happened to each contact."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, func, select, tuple_

from dashboard.database import AnySession
from dashboard.models import (
    Client,
    ItemOutcome,
    RunKind,
    RunStatus,
    SyncRun,
    SyncRunItem,
    User,
    XeroConnection,
)
from dashboard.queries.keyset import Cursor, after_number, before_moment
from dashboard.queries.stamps import runs_stamp

UNFINISHED = (RunStatus.WAITING, RunStatus.RUNNING, RunStatus.WAITING_FOR_XERO)
WITH_PROBLEMS = (RunStatus.FAILED, RunStatus.FINISHED_WITH_PROBLEMS)
AnySelect: TypeAlias = Select[*tuple[Any, ...]]
AnyRow: TypeAlias = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run as pages and JSON show it.

    `kind` is one of `RunKind`, `status` one of `RunStatus`. `total` is None until it is known.
    `not_before` and `waits_because` are set while the run waits for Xero, `held_at` while it waits
    for a person's word. `error` is a sentence for people. `step` is where a contact sync is: read,
    follow, match; `reads_all` whether it reads every contact, not only what changed.
    `contacts_new` and `contacts_changed` say what it found in Xero; the other numbers count clients
    (and, for `done`, contacts). `undoes_id` is the run that an undo takes back; its `updated` are
    the items undone, its `skipped` those left as they were. `version` changes whenever the row
    does: a panel sends it back as `seen`.
    """

    id: UUID
    connection_id: UUID
    kind: str
    status: str
    total: int | None
    done: int
    created: int
    linked: int
    updated: int
    skipped: int
    problems: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime
    not_before: datetime | None
    error: str | None
    started_by_id: UUID | None
    started_by_name: str | None
    organisation_name: str | None
    technical_details: dict[str, Any] | None
    undoes_id: UUID | None = None
    step: str = "read"
    waits_because: str | None = None
    contacts_new: int = 0
    contacts_changed: int = 0
    held_at: datetime | None = None
    reads_all: bool = False

    @property
    def version(self) -> str:
        """A text that is different after every change of the row."""
        return runs_stamp([self.updated_at])

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen, so that a panel may stop polling."""
        return self.status not in {"waiting", "running", "waiting_for_xero"}

    @property
    def has_read_a_part(self) -> bool:
        """Whether it was to read every contact, and ended after some of them."""
        ended_early = self.status in {"failed", "cancelled"}
        return ended_early and self.reads_all and self.step == "read" and self.done > 0

    @property
    def is_automatic(self) -> bool:
        """Whether nobody pressed a button for it."""
        return self.started_by_id is None

    @property
    def percent(self) -> int | None:
        """Whole percent done, None until the total is known; 100 only when all is done."""
        if not self.total:
            return None
        return min(100, self.done * 100 // self.total)

    @property
    def changed_nothing(self) -> bool:
        """Whether it finished with nothing to tell; an automatic one is folded in the history."""
        clients = self.created + self.linked + self.updated + self.problems
        contacts = self.contacts_new + self.contacts_changed
        return self.status == "finished" and clients + contacts == 0


@dataclass(frozen=True, slots=True)
class RunPage:
    """Runs, newest first. `next_cursor` is what to hand back for older ones, None at the end."""

    rows: tuple[RunRow, ...]
    next_cursor: Cursor | None


@dataclass(frozen=True, slots=True)
class ItemRow:
    """What happened to one contact in a run.

    `outcome` is one of `ItemOutcome`; `reason` a sentence (always there for problem and for
    skipped); `changes` is field -> {"before", "after"} for updated clients.
    """

    id: int
    xero_contact_id: str
    contact_name: str
    action: str
    outcome: str
    reason: str | None
    client_id: UUID | None
    client_name: str | None
    changes: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class ClientItem:
    """What a run did to a client: the item, and which run it was."""

    item: ItemRow
    run_id: UUID
    kind: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ItemPage:
    """Items of a run in their order, with how many there are of each outcome."""

    rows: tuple[ItemRow, ...]
    next_cursor: Cursor | None


def run(session: AnySession, practice_id: UUID, run_id: UUID) -> RunRow | None:
    """Return one run of the practice, or None: another practice's run is not found."""
    found = session.execute(_runs(practice_id).where(SyncRun.id == run_id)).first()
    return run_row(*found) if found else None


def history(
    session: AnySession,
    practice_id: UUID,
    *,
    limit: int = 50,
    cursor: Cursor | None = None,
    kind: str = "",
    status: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    with_changes_only: bool = False,
) -> RunPage:
    """Return the runs of the practice, newest first; one query.

    `status` is a status, or `problems` for those that failed or finished with problems; an unknown
    kind or status finds nothing. `since` (included) and `until` (not included) are about when a run
    was asked for. `with_changes_only` leaves out automatic checks that changed
    nothing. Raises `UnknownCursor` for a cursor that was not made here.
    """
    wanted = _wanted(kind, status)
    if wanted is None:
        return RunPage((), None)
    statement = _runs(practice_id).where(*wanted)
    if with_changes_only:
        statement = statement.where(~_changed_nothing())
    if since is not None:
        statement = statement.where(SyncRun.created_at >= since)
    if until is not None:
        statement = statement.where(SyncRun.created_at < until)
    if cursor is not None:
        seen = before_moment(cursor)
        statement = statement.where(tuple_(SyncRun.created_at, SyncRun.id) < tuple_(*seen))
    statement = statement.order_by(SyncRun.created_at.desc(), SyncRun.id.desc())
    found = session.execute(statement.limit(limit + 1)).all()
    rows = tuple(run_row(*row) for row in found[:limit])
    more = len(found) > limit
    last = rows[-1] if more else None
    return RunPage(rows, {"at": last.created_at.isoformat(), "id": str(last.id)} if last else None)


def unfinished(session: AnySession, practice_id: UUID, kind: str = "") -> tuple[RunRow, ...]:
    """Return the runs that are waiting or running (at most one of each kind), oldest first."""
    statement = _runs(practice_id).where(SyncRun.status.in_(UNFINISHED))
    if kind:
        statement = statement.where(SyncRun.kind == RunKind(kind))
    return tuple(run_row(*row) for row in session.execute(statement.order_by(SyncRun.created_at)))


def latest(session: AnySession, practice_id: UUID, kind: str) -> RunRow | None:
    """Return the newest run of a kind, whatever became of it, or None."""
    found = session.execute(
        _runs(practice_id)
        .where(SyncRun.kind == RunKind(kind))
        .order_by(SyncRun.created_at.desc(), SyncRun.id.desc())
        .limit(1)
    ).first()
    return run_row(*found) if found else None


def held(session: AnySession, practice_id: UUID) -> RunRow | None:
    """Return the contact check that waits for a person's word, or None."""
    found = session.execute(
        _runs(practice_id).where(SyncRun.held_at.is_not(None), SyncRun.status.in_(UNFINISHED))
    ).first()
    return run_row(*found) if found else None


def items(
    session: AnySession,
    practice_id: UUID,
    run_id: UUID,
    *,
    outcome: str = "",
    told: bool = False,
    limit: int = 50,
    cursor: Cursor | None = None,
) -> ItemPage:
    """Return the items of a run, all or those of one outcome; one query.

    `told`: only those with a reason, as those that a held check would change.
    Raises `UnknownCursor` for a cursor that was not made here.
    """
    statement = (
        select(SyncRunItem, Client.name)
        .outerjoin(Client, Client.id == SyncRunItem.client_id)
        .where(SyncRunItem.practice_id == practice_id, SyncRunItem.run_id == run_id)
        .order_by(SyncRunItem.id)
    )
    if outcome:
        statement = statement.where(SyncRunItem.outcome == outcome)
    if told:
        statement = statement.where(SyncRunItem.reason.is_not(None))
    if cursor is not None:
        statement = statement.where(SyncRunItem.id > after_number(cursor))
    found = session.execute(statement.limit(limit + 1)).all()
    rows = tuple(_item_rows(found[:limit]))
    return ItemPage(rows, {"number": rows[-1].id} if len(found) > limit else None)


def items_of_client(
    session: AnySession, practice_id: UUID, client_id: UUID, *, limit: int
) -> tuple[ClientItem, ...]:
    """Return what runs did to a client, the newest first; one query."""
    found = session.execute(
        select(SyncRunItem, Client.name, SyncRun.kind, SyncRun.created_at)
        .join(SyncRun, SyncRun.id == SyncRunItem.run_id)
        .join(Client, Client.id == SyncRunItem.client_id)
        .where(
            SyncRunItem.practice_id == practice_id,
            SyncRunItem.client_id == client_id,
            SyncRunItem.outcome != ItemOutcome.WAITING,
        )
        .order_by(SyncRun.created_at.desc(), SyncRunItem.id.desc())
        .limit(limit)
    ).all()
    items = _item_rows((row[0], row[1]) for row in found)
    return tuple(
        ClientItem(item, row[0].run_id, row[2].value, row[3])
        for item, row in zip(items, found, strict=True)
    )


def outcomes(session: AnySession, practice_id: UUID, run_id: UUID) -> dict[str, int]:
    """Return how many items of a run have each outcome; outcomes without an item are missing."""
    found = session.execute(
        select(SyncRunItem.outcome, func.count())
        .where(SyncRunItem.practice_id == practice_id, SyncRunItem.run_id == run_id)
        .group_by(SyncRunItem.outcome)
    )
    return {outcome.value: number for outcome, number in found}


def _runs(practice_id: UUID) -> AnySelect:
    return (
        select(SyncRun, User.name, XeroConnection.xero_org_name)
        .outerjoin(User, User.id == SyncRun.started_by_id)
        .outerjoin(XeroConnection, XeroConnection.id == SyncRun.xero_connection_id)
        .where(SyncRun.practice_id == practice_id)
        # A panel asks again and again within one process: what it saw before must not be served.
        .execution_options(populate_existing=True)
    )


def _wanted(kind: str, status: str) -> list[ColumnElement[bool]] | None:
    """Return the conditions of a filter, or None for words that no run can have."""
    conditions: list[ColumnElement[bool]] = []
    if kind:
        if kind not in set(RunKind):
            return None
        conditions.append(SyncRun.kind == RunKind(kind))
    if status == "problems":
        conditions.append(SyncRun.status.in_(WITH_PROBLEMS))
    elif status:
        if status not in set(RunStatus):
            return None
        conditions.append(SyncRun.status == RunStatus(status))
    return conditions


def _changed_nothing() -> ColumnElement[bool]:
    clients = SyncRun.created + SyncRun.linked + SyncRun.updated + SyncRun.problems
    contacts = _found("new") + _found("changed")
    return and_(
        SyncRun.kind == RunKind.CONTACT_SYNC,
        SyncRun.status == RunStatus.FINISHED,
        SyncRun.started_by_id.is_(None),
        clients + contacts == 0,
    )


def _found(word: str) -> ColumnElement[int]:
    return func.coalesce(SyncRun.progress[word].as_integer(), 0)


def run_row(row: SyncRun, started_by_name: str | None, organisation_name: str | None) -> RunRow:
    """Return a stored run as pages show it."""
    return RunRow(
        id=row.id,
        connection_id=row.xero_connection_id,
        undoes_id=row.undoes_id,
        kind=row.kind.value,
        status=row.status.value,
        total=row.total,
        done=row.done,
        created=row.created,
        linked=row.linked,
        updated=row.updated,
        skipped=row.skipped,
        problems=row.problems,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        updated_at=row.updated_at,
        not_before=row.not_before,
        held_at=row.held_at,
        error=row.error,
        started_by_id=row.started_by_id,
        started_by_name=started_by_name,
        organisation_name=organisation_name,
        technical_details=row.technical_details,
        step=row.progress.get("step", "read"),
        waits_because=row.waits_because,
        contacts_new=row.progress.get("new", 0),
        contacts_changed=row.progress.get("changed", 0),
        reads_all="page" in row.progress and row.progress.get("modified_since") is None,
    )


def _item_rows(found: Iterable[Any]) -> Iterable[ItemRow]:
    for item, client_name in found:
        yield ItemRow(
            id=item.id,
            xero_contact_id=item.xero_contact_id,
            contact_name=item.contact_name,
            action=item.action,
            outcome=item.outcome.value,
            reason=item.reason,
            client_id=item.client_id,
            client_name=client_name,
            changes=item.changes,
        )
