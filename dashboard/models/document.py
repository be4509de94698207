"""Document: what a client gave to the practice, on its way from received to accepted."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from dashboard.database import Base, Code, Identified, Short, Timestamped, words
from dashboard.models.client import Client

DOCUMENT_TYPE_MAX = 60
TAX_YEAR_MAX = 20


class DocumentStatus(StrEnum):
    """What the practice decided about a document."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class ScanStatus(StrEnum):
    """What the virus scanner said; `not_scanned` only where scanning is off."""

    NOT_SCANNED = "not_scanned"
    PENDING = "pending"
    CLEAN = "clean"
    INFECTED = "infected"


class ClientDocument(Identified, Timestamped, Base):
    """One document of a client; its bytes lie in the document store under `storage_key`."""

    __tablename__ = "client_documents"
    __table_args__ = (
        Index("client_documents_practice_idx", "practice_id", "created_at", "id"),
        Index("client_documents_client_idx", "client_id"),
    )

    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id", ondelete="CASCADE"))
    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"))
    document_type: Mapped[str] = mapped_column(String(DOCUMENT_TYPE_MAX))
    tax_year: Mapped[str] = mapped_column(String(TAX_YEAR_MAX), default="")
    file_name: Mapped[str] = mapped_column(Short)
    extension: Mapped[str] = mapped_column(Code)
    mime_type: Mapped[str] = mapped_column(Short)
    size: Mapped[int] = mapped_column(BigInteger)
    content_sha256: Mapped[str] = mapped_column(String(64))
    storage_key: Mapped[str] = mapped_column(Short)
    status: Mapped[DocumentStatus] = mapped_column(
        words(DocumentStatus), default=DocumentStatus.RECEIVED
    )
    scan_status: Mapped[ScanStatus] = mapped_column(
        words(ScanStatus), default=ScanStatus.NOT_SCANNED
    )
    uploaded_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    decided_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    decided_at: Mapped[datetime | None]
    xero_file_id: Mapped[str | None] = mapped_column(Short)
    xero_pushed_at: Mapped[datetime | None]

    client: Mapped[Client] = relationship()
