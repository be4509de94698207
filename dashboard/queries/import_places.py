"""Where a practice stands with its imports: its connection, the open draft, who works in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from dashboard.database import AnySession
from dashboard.models import (
    ConnectionStatus,
    DraftDecision,
    ImportDraft,
    RunKind,
    SyncRun,
    User,
    XeroConnection,
)
from dashboard.models.contact_standing import Standing, standing
from dashboard.queries.sync_runs import RunRow, run_row


@dataclass(frozen=True, slots=True)
class Place:
    """The practice's current connection, and that connection's open draft if there is one."""

    connection_id: UUID
    draft_id: UUID | None

    @property
    def standing(self) -> Standing:
        """How the contacts stand here, as parts of a statement."""
        return standing(self.connection_id, self.draft_id)


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft of an import; `run_id` is the run that it has become, None while it is open.

    `colleague` is the name of somebody else who decided something in it lately; `last_check` is
    the practice's newest contact check, whatever became of it. `is_compared`: what was read last
    has been compared with the clients.
    """

    id: UUID
    connection_id: UUID
    run_id: UUID | None
    colleague: str | None = None
    last_check: RunRow | None = None
    is_compared: bool = True

    @property
    def place(self) -> Place:
        """Where its contacts are."""
        return Place(self.connection_id, self.id)


Where = UUID | Place


def place_of(session: AnySession, where: Where) -> Place | None:
    """Return the place of a practice (one query), or the place that the caller has already.

    None for a practice that is not connected.
    """
    if isinstance(where, Place):
        return where
    found = session.execute(
        select(XeroConnection.id, ImportDraft.id)
        .outerjoin(
            ImportDraft,
            (ImportDraft.xero_connection_id == XeroConnection.id) & ImportDraft.run_id.is_(None),
        )
        .where(
            XeroConnection.practice_id == where,
            XeroConnection.status != ConnectionStatus.DISCONNECTED,
        )
    ).first()
    return Place(*found) if found else None


def draft(session: AnySession, practice_id: UUID, draft_id: UUID) -> Draft | None:
    """Return a draft of the practice, open or not; None for one that is not its own."""
    found = session.execute(
        select(ImportDraft.id, ImportDraft.xero_connection_id, ImportDraft.run_id).where(
            ImportDraft.practice_id == practice_id, ImportDraft.id == draft_id
        )
    ).one_or_none()
    return Draft(*found) if found else None


def desk(
    session: AnySession, practice_id: UUID, draft_id: UUID, *, user_id: UUID, since: datetime
) -> Draft | None:
    """Return a draft with what stands around it: one query.

    `colleague` is whoever but *user_id* decided last, not before *since*.
    """
    colleague = (
        select(User.name)
        .join(DraftDecision, DraftDecision.decided_by_id == User.id)
        .where(
            DraftDecision.draft_id == draft_id,
            DraftDecision.decided_by_id != user_id,
            DraftDecision.updated_at >= since,
        )
        .order_by(DraftDecision.updated_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    newest = (
        select(SyncRun.id)
        .where(SyncRun.practice_id == practice_id, SyncRun.kind == RunKind.CONTACT_SYNC)
        .order_by(SyncRun.created_at.desc(), SyncRun.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    found = session.execute(
        select(
            ImportDraft.id,
            ImportDraft.xero_connection_id,
            ImportDraft.run_id,
            colleague,
            SyncRun,
            User.name,
            XeroConnection.xero_org_name,
            XeroConnection.matched_at.is_not(None),
        )
        .select_from(ImportDraft)
        .join(XeroConnection, XeroConnection.id == ImportDraft.xero_connection_id)
        .outerjoin(SyncRun, SyncRun.id == newest)
        .outerjoin(User, User.id == SyncRun.started_by_id)
        .where(ImportDraft.practice_id == practice_id, ImportDraft.id == draft_id)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        return None
    draft_id, connection_id, run_id, other, check, started_by, organisation, is_compared = found
    last_check = run_row(check, started_by, organisation) if check else None
    return Draft(draft_id, connection_id, run_id, other, last_check, is_compared)
