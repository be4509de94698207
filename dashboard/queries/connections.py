"""What pages ask about the practice's connection to Xero."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, and_, func, or_, select

from dashboard.database import AnySession
from dashboard.models import (
    Client,
    ConnectionStatus,
    PushStatus,
    User,
    XeroConnection,
    XeroContactMapping,
    XeroFilePush,
    XeroFolder,
)


@dataclass(frozen=True, slots=True)
class ConnectionSummary:
    """The practice's connection as the pages show it; never its tokens."""

    id: UUID
    status: ConnectionStatus
    tenant_id: str
    organisation: str
    short_code: str | None
    connected_by: str | None
    connected_at: datetime | None
    disconnected_at: datetime | None
    scopes: tuple[str, ...]
    token_expires_at: datetime | None
    token_last_refreshed_at: datetime | None
    refresh_due_at: datetime | None
    last_good_call_at: datetime | None
    consecutive_errors: int
    last_error: str | None
    last_error_at: datetime | None
    last_error_status: int | None
    last_error_reference: str | None
    waits_until: datetime | None
    waits_because: str | None
    last_sync_at: datetime | None
    last_sync_contact_count: int | None
    sync_due_at: datetime | None
    health_due_at: datetime | None
    auto_sync_contacts: bool
    push_documents_to_xero: bool
    xero_folder_id: str | None
    create_year_folders: bool
    edited_fields: str
    brake_percent: int
    folder_name: str | None
    missing_folder_name: str | None
    updated_at: datetime

    @property
    def is_current(self) -> bool:
        """Whether the practice holds it now."""
        return self.status != ConnectionStatus.DISCONNECTED

    @property
    def was_removed_in_xero(self) -> bool:
        """Whether it was ended inside Xero and not here; only then an error is left with it."""
        return not self.is_current and self.last_error is not None

    @property
    def last_look_failed_at(self) -> datetime | None:
        """When Xero last gave no good answer, if no good one came since."""
        failed = self.consecutive_errors or self.status == ConnectionStatus.TOKEN_EXPIRED
        return self.last_error_at if failed else None


@dataclass(frozen=True, slots=True)
class LeavingNumbers:
    """What a disconnection would touch.

    `waiting_documents` are those that would still go out, `files` what lies in Xero already.
    """

    waiting_documents: int
    clients: int
    mapped_clients: int
    files: int


def summary(session: AnySession, practice_id: UUID) -> ConnectionSummary | None:
    """Return the current connection, else the one that was left last, else None."""
    row = session.execute(
        select(XeroConnection, User.name, XeroFolder.name)
        .outerjoin(User, User.id == XeroConnection.connected_by_id)
        .outerjoin(
            XeroFolder,
            and_(
                XeroFolder.xero_connection_id == XeroConnection.id,
                XeroFolder.xero_folder_id == XeroConnection.xero_folder_id,
            ),
        )
        .where(XeroConnection.practice_id == practice_id)
        .order_by(*XeroConnection.current_first())
        .limit(1)
    ).first()
    if row is None:
        return None
    connection, connected_by, folder_name = row
    return ConnectionSummary(
        id=connection.id,
        status=connection.status,
        tenant_id=connection.xero_tenant_id,
        organisation=connection.xero_org_name or f"Organisation {connection.xero_tenant_id[:8]}",
        short_code=connection.short_code,
        connected_by=connected_by,
        connected_at=connection.connected_at,
        disconnected_at=connection.disconnected_at,
        scopes=tuple(connection.scopes),
        token_expires_at=connection.token_expires_at,
        token_last_refreshed_at=connection.token_last_refreshed_at,
        refresh_due_at=connection.refresh_due_at,
        last_good_call_at=connection.last_good_call_at,
        consecutive_errors=connection.consecutive_errors,
        last_error=connection.last_error,
        last_error_at=connection.last_error_at,
        last_error_status=connection.last_error_status,
        last_error_reference=connection.last_error_reference,
        waits_until=connection.waits_until,
        waits_because=connection.waits_because,
        last_sync_at=connection.last_sync_at,
        last_sync_contact_count=connection.last_sync_contact_count,
        sync_due_at=connection.sync_due_at,
        health_due_at=connection.health_due_at,
        auto_sync_contacts=connection.auto_sync_contacts,
        push_documents_to_xero=connection.push_documents_to_xero,
        xero_folder_id=connection.xero_folder_id,
        create_year_folders=connection.create_year_folders,
        edited_fields=connection.edited_fields,
        brake_percent=connection.brake_percent,
        folder_name=folder_name,
        missing_folder_name=connection.missing_folder_name,
        updated_at=connection.updated_at,
    )


def links(session: AnySession, connection_id: UUID) -> int:
    """Return how many clients are linked to contacts of the connection's organisation."""
    return session.scalar(_links(connection_id)) or 0


def leaving_numbers(session: AnySession, practice_id: UUID, connection_id: UUID) -> LeavingNumbers:
    """Return the true numbers for the page that asks whether to disconnect."""
    pushes = select(func.count()).where(XeroFilePush.xero_connection_id == connection_id)
    unfinished = or_(
        XeroFilePush.status.in_([PushStatus.PENDING, PushStatus.UPLOADING]),
        and_(XeroFilePush.status == PushStatus.FAILED, XeroFilePush.not_before.is_not(None)),
    )
    waiting, files, mapped_clients, clients = session.execute(
        select(
            pushes.where(unfinished).scalar_subquery(),
            pushes.where(XeroFilePush.xero_file_id.is_not(None)).scalar_subquery(),
            _links(connection_id).scalar_subquery(),
            select(func.count()).where(Client.practice_id == practice_id).scalar_subquery(),
        )
    ).one()
    return LeavingNumbers(waiting, clients, mapped_clients, files)


def admin_names(session: AnySession, practice_id: UUID) -> list[str]:
    """Return the names of the practice's admins: whom staff may ask."""
    return list(
        session.scalars(
            select(User.name)
            .where(User.practice_id == practice_id, User.role == "admin")
            .order_by(User.name)
        )
    )


def _links(connection_id: UUID) -> Select[int]:
    return select(func.count()).where(XeroContactMapping.xero_connection_id == connection_id)
