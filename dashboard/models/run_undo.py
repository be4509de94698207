"""How the items of a run stand now, as SQL: what an undo of it can take back.

The page that asks shows it and the service that undoes writes by it, so it is said once.
"""

from __future__ import annotations

from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import Select, and_, case, exists, func, or_, select

from dashboard.models.client import Client, Tag, TagSource, client_tags
from dashboard.models.document import ClientDocument
from dashboard.models.sync_run import ItemOutcome, SyncRunItem
from dashboard.models.xero_contact import MatchDecision, Verdict, XeroContactMapping

AnySelect: TypeAlias = Select[*tuple[Any, ...]]

SKIP_ACTION = "skip"
UNDOABLE = or_(
    SyncRunItem.outcome.in_([ItemOutcome.CREATED, ItemOutcome.LINKED, ItemOutcome.UPDATED]),
    and_(
        SyncRunItem.outcome == ItemOutcome.SKIPPED,
        SyncRunItem.action == SKIP_ACTION,
        # A contact that was linked already was passed over, not skipped for good.
        SyncRunItem.client_id.is_(None),
    ),
)


def items_to_undo(run_id: UUID, connection_id: UUID) -> AnySelect:
    """Return the items of a run that changed something, each with its client as it is now.

    Times tell whether a client was touched: an import writes a new client, or a linked one, with
    the moment that its link was made.
    """
    skip_id = (
        select(MatchDecision.id)
        .where(
            MatchDecision.xero_connection_id == connection_id,
            MatchDecision.xero_contact_id == SyncRunItem.xero_contact_id,
            MatchDecision.verdict == Verdict.SKIP,
        )
        .limit(1)
        .scalar_subquery()
    )
    own_tags = exists().where(
        client_tags.c.client_id == Client.id,
        client_tags.c.tag_id == Tag.id,
        Tag.source == TagSource.OWN,
    )
    written_at = case(
        (SyncRunItem.outcome == ItemOutcome.CREATED, Client.created_at),
        else_=XeroContactMapping.created_at,
    )
    is_link_ours = and_(
        XeroContactMapping.made_by_run_id == run_id,
        XeroContactMapping.xero_contact_id == SyncRunItem.xero_contact_id,
    )
    return (
        select(
            SyncRunItem.id,
            SyncRunItem.xero_contact_id,
            SyncRunItem.contact_name,
            SyncRunItem.outcome,
            SyncRunItem.before,
            SyncRunItem.changes,
            Client.id.label("client_id"),
            Client.name,
            Client.email,
            Client.phone,
            Client.company_number,
            Client.tax_number,
            func.coalesce(Client.updated_at != written_at, True).label("is_edited"),
            XeroContactMapping.id.label("mapping_id"),
            func.coalesce(is_link_ours, False).label("is_link_ours"),
            exists().where(ClientDocument.client_id == Client.id).label("has_documents"),
            own_tags.label("has_own_tags"),
            skip_id.label("skip_id"),
        )
        .outerjoin(Client, Client.id == SyncRunItem.client_id)
        .outerjoin(
            XeroContactMapping,
            and_(
                XeroContactMapping.client_id == SyncRunItem.client_id,
                XeroContactMapping.xero_connection_id == connection_id,
            ),
        )
        .where(SyncRunItem.run_id == run_id, UNDOABLE)
        .order_by(SyncRunItem.id)
    )
