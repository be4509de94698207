"""Which documents wait for a connection that does not work: the number that alerts and emails say.

The same documents as in the tab "On hold" of a practice that has not switched sending off.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, func, or_, select

from dashboard.database import AnySession
from dashboard.models import (
    ConnectionStatus,
    PushStatus,
    XeroConnection,
    XeroContact,
    XeroContactMapping,
    XeroFilePush,
)
from dashboard.rules.permissions import FILES, is_granted
from dashboard.rules.retry_policy import MAX_RETRIES
from dashboard.xero.types import ACTIVE


@dataclass(frozen=True, slots=True)
class Holder:
    """The practice's connection, the current one or else the one that was left last."""

    id: UUID
    status: ConnectionStatus
    organisation: str | None
    sends: bool
    scopes: list[str]

    @property
    def holds(self) -> bool:
        """Whether documents wait until it works again, or until somebody allows us to add files."""
        works = self.status == ConnectionStatus.ACTIVE and is_granted(FILES, self.scopes)
        return self.sends and not works


def holder_of(session: AnySession, practice_id: UUID) -> Holder | None:
    """Return the connection on whose account documents wait, None if there never was one."""
    row = session.execute(
        select(
            XeroConnection.id,
            XeroConnection.status,
            XeroConnection.xero_org_name,
            XeroConnection.push_documents_to_xero,
            XeroConnection.scopes,
        )
        .where(XeroConnection.practice_id == practice_id)
        .order_by(*XeroConnection.current_first())
        .limit(1)
    ).one_or_none()
    return None if row is None else Holder(*row)


def documents_on_hold(
    session: AnySession, holder: Holder | None, *, waiting_since: datetime | None = None
) -> int:
    """Return how many documents are on hold; with a moment, only those that waited then already."""
    if holder is None or not holder.holds:
        return 0
    unfinished = or_(
        XeroFilePush.status == PushStatus.PENDING,
        and_(XeroFilePush.status == PushStatus.UPLOADED, XeroFilePush.cause.is_(None)),
        and_(
            XeroFilePush.status == PushStatus.FAILED,
            XeroFilePush.not_before.is_not(None),
            XeroFilePush.retry_count < MAX_RETRIES,
        ),
    )
    chosen = (
        select(func.count())
        .select_from(XeroFilePush)
        .join(
            XeroContactMapping,
            and_(
                XeroContactMapping.client_id == XeroFilePush.client_id,
                XeroContactMapping.xero_connection_id == XeroFilePush.xero_connection_id,
            ),
        )
        .outerjoin(
            XeroContact,
            and_(
                XeroContact.xero_connection_id == XeroContactMapping.xero_connection_id,
                XeroContact.xero_contact_id == XeroContactMapping.xero_contact_id,
            ),
        )
        .where(
            XeroFilePush.xero_connection_id == holder.id,
            unfinished,
            func.coalesce(XeroContact.contact_status, ACTIVE) == ACTIVE,
        )
    )
    if waiting_since is not None:
        chosen = chosen.where(XeroFilePush.created_at <= waiting_since)
    return session.scalar(chosen) or 0
