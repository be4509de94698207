"""XeroConnection: what a practice holds of one Xero organisation, tokens as ciphertext only."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, Index, Text, case, cast, or_, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base, Code, Identified, Short, Timestamped, words

CURRENT = text("status <> 'disconnected'")


class ConnectionStatus(StrEnum):
    """The specification's four statuses; how they read to people is decided in the rules."""

    ACTIVE = "active"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a status, not a password
    DISCONNECTED = "disconnected"
    ERROR = "error"


class XeroConnection(Identified, Timestamped, Base):
    """One practice and one organisation. A practice has at most one that is not disconnected.

    `token_version` counts every change of the tokens and fences refreshers: whoever writes tokens
    names the version that was read. The previous refresh token is kept because Xero accepts it for
    30 more minutes if the answer to a refresh was lost.
    """

    __tablename__ = "xero_connections"
    __table_args__ = (
        Index(
            "xero_connections_practice_idx",
            "practice_id",
            unique=True,
            postgresql_where=CURRENT,
            sqlite_where=CURRENT,
        ),
        Index(
            "xero_connections_tenant_idx",
            "xero_tenant_id",
            unique=True,
            postgresql_where=CURRENT,
            sqlite_where=CURRENT,
        ),
        Index("xero_connections_practice_tenant_idx", "practice_id", "xero_tenant_id", unique=True),
        Index("xero_connections_refresh_due_idx", "refresh_due_at"),
        Index("xero_connections_sync_due_idx", "sync_due_at"),
        Index("xero_connections_health_due_idx", "health_due_at"),
    )

    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id", ondelete="CASCADE"))
    xero_tenant_id: Mapped[str] = mapped_column(Short)
    xero_org_name: Mapped[str | None] = mapped_column(Short)
    short_code: Mapped[str | None] = mapped_column(Short)
    tenant_type: Mapped[str] = mapped_column(Short, default="ORGANISATION")
    xero_connection_id: Mapped[str | None] = mapped_column(Short)
    auth_event_id: Mapped[str | None] = mapped_column(Short)
    xero_userid: Mapped[str | None] = mapped_column(Short)
    connected_by_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("users.id", ondelete="SET NULL")
    )
    connected_at: Mapped[datetime | None]
    disconnected_at: Mapped[datetime | None]

    access_token_encrypted: Mapped[str | None]
    refresh_token_encrypted: Mapped[str | None]
    previous_refresh_token_encrypted: Mapped[str | None]
    previous_refresh_token_until: Mapped[datetime | None]
    key_id: Mapped[int | None]
    token_version: Mapped[int] = mapped_column(default=0)
    token_expires_at: Mapped[datetime | None]
    token_last_refreshed_at: Mapped[datetime | None]
    scopes: Mapped[list[Any]] = mapped_column(default=list)

    status: Mapped[ConnectionStatus] = mapped_column(
        words(ConnectionStatus), default=ConnectionStatus.ACTIVE
    )
    last_sync_at: Mapped[datetime | None]
    last_sync_contact_count: Mapped[int | None]
    last_error: Mapped[str | None]
    last_error_at: Mapped[datetime | None]
    last_error_status: Mapped[int | None]
    last_error_reference: Mapped[str | None] = mapped_column(Short)
    consecutive_errors: Mapped[int] = mapped_column(default=0)
    last_good_call_at: Mapped[datetime | None]
    waits_until: Mapped[datetime | None]
    waits_because: Mapped[str | None] = mapped_column(Short)

    auto_sync_contacts: Mapped[bool] = mapped_column(default=True)
    push_documents_to_xero: Mapped[bool] = mapped_column(default=True)
    xero_folder_id: Mapped[str | None] = mapped_column(Short)
    create_year_folders: Mapped[bool] = mapped_column(default=False)
    # One of `rules.client_fields.WINNERS`: who wins a field that both sides changed.
    edited_fields: Mapped[str] = mapped_column(Code, default="ask")
    # A check that would change more than this share of the linked clients stops and asks.
    brake_percent: Mapped[int] = mapped_column(default=20)

    refresh_due_at: Mapped[datetime | None]
    refresh_started_at: Mapped[datetime | None]
    refresh_lease_owner: Mapped[str | None] = mapped_column(Short)
    refresh_lease_until: Mapped[datetime | None]
    sync_due_at: Mapped[datetime | None]
    contacts_checkpoint: Mapped[datetime | None]
    fully_read_at: Mapped[datetime | None]
    # Counts the pages that changed the mirror.
    contacts_revision: Mapped[int] = mapped_column(default=0)
    matched_at: Mapped[datetime | None]
    health_due_at: Mapped[datetime | None]
    files_check_due_at: Mapped[datetime | None]
    files_checked_at: Mapped[datetime | None]
    missing_folder_name: Mapped[str | None] = mapped_column(Short)
    push_lease_owner: Mapped[str | None] = mapped_column(Short)
    push_lease_until: Mapped[datetime | None]

    @classmethod
    def current_first(cls) -> tuple[ColumnElement[Any], ...]:
        """Return the order of a practice's connections: the current one, then the one left last.

        The first of them is the one that pages show and on whose account documents wait.
        """
        is_left = case((cls.status == ConnectionStatus.DISCONNECTED, 1), else_=0)
        return is_left, cls.disconnected_at.desc(), cls.created_at.desc()

    @classmethod
    def allows(cls, scope: str) -> ColumnElement[bool]:
        """Return the condition that the person allowed *scope*; a full scope includes its `.read`.

        The list is looked at as text, quotes included: so both databases can do it alike.
        """
        text = cast(cls.scopes, Text)
        names = sorted({scope, scope.removesuffix(".read")})
        return or_(*(text.contains(f'"{name}"', autoescape=True) for name in names))


class OAuthAttempt(Identified, Base):
    """One press of Connect: its state and nonce, bound to a browser session, good once.

    When a person has to choose among organisations, or to say whether to leave the one from before,
    it also keeps the tokens (encrypted), the list to choose from and what the change would mean,
    until an answer is given or ten minutes are over.
    """

    __tablename__ = "oauth_attempts"
    __table_args__ = (Index("oauth_attempts_state_idx", "state_hash", unique=True),)

    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    browser_hash: Mapped[str] = mapped_column(Short)
    state_hash: Mapped[str] = mapped_column(Short)
    nonce_encrypted: Mapped[str]
    code_verifier_encrypted: Mapped[str | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    access_token_encrypted: Mapped[str | None]
    refresh_token_encrypted: Mapped[str | None]
    token_expires_at: Mapped[datetime | None]
    grant: Mapped[dict[str, Any] | None]
    choices: Mapped[list[Any] | None]
    change: Mapped[dict[str, Any] | None]
    chosen_at: Mapped[datetime | None]
