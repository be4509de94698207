"""XeroFilePush: one document's way into Xero Files, step by step, with its history."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from dashboard.database import Base, Code, Identified, Short, Timestamped, words
from dashboard.models.client import Client
from dashboard.models.document import ClientDocument


class PushStatus(StrEnum):
    """The specification's five statuses; `uploaded` is not success, the contact comes after."""

    PENDING = "pending"
    UPLOADING = "uploading"
    UPLOADED = "uploaded"
    ASSOCIATED = "associated"
    FAILED = "failed"


class XeroFilePush(Identified, Timestamped, Base):
    """The promise to bring one document to one organisation exactly once.

    A worker owns the row while `lease_owner` is its name and `lease_until` lies ahead; every write
    names the owner, so that a worker whose lease ran out cannot write any more. `outcome_unknown`
    says that a request may have reached Xero without an answer: the next step is then to look,
    never to send. `upload_key_number` moves on only after an answered error, because Xero would
    replay a stored error for the old key. `folder_name` and `file_name` are the place that we took
    for it; `moved_to_folder` is where it lies since somebody moved it in Xero.
    """

    __tablename__ = "xero_file_pushes"
    __table_args__ = (
        Index("xero_pushes_practice_idx", "practice_id", "pushed_at"),
        Index("xero_pushes_changed_idx", "xero_connection_id", "updated_at"),
        Index("xero_pushes_document_idx", "document_id"),
        Index("xero_pushes_client_idx", "client_id"),
        Index("xero_pushes_status_idx", "status"),
        Index(
            "xero_pushes_connection_document_idx", "xero_connection_id", "document_id", unique=True
        ),
        Index("xero_pushes_line_idx", "xero_connection_id", "status", "created_at"),
        Index(
            "xero_pushes_name_idx",
            "xero_connection_id",
            "folder_name",
            "file_name",
            unique=True,
        ),
    )

    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id", ondelete="CASCADE"))
    xero_connection_id: Mapped[UUID] = mapped_column(
        ForeignKey("xero_connections.id", ondelete="CASCADE")
    )
    document_id: Mapped[UUID] = mapped_column(ForeignKey("client_documents.id", ondelete="CASCADE"))
    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"))

    xero_file_id: Mapped[str | None] = mapped_column(Short)
    xero_folder_id: Mapped[str | None] = mapped_column(Short)
    xero_association_object_id: Mapped[str | None] = mapped_column(Short)
    folder_name: Mapped[str | None] = mapped_column(Short)
    file_name: Mapped[str | None] = mapped_column(Short)
    moved_to_folder: Mapped[str | None] = mapped_column(Short)
    content_sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)

    status: Mapped[PushStatus] = mapped_column(words(PushStatus), default=PushStatus.PENDING)
    error: Mapped[str | None]
    cause: Mapped[str | None] = mapped_column(Short)
    last_http_status: Mapped[int | None]
    technical_details: Mapped[dict[str, Any] | None]
    retry_count: Mapped[int] = mapped_column(default=0)
    idempotency_key: Mapped[UUID] = mapped_column(default=uuid4)
    upload_key_number: Mapped[int] = mapped_column(default=1)
    association_key_number: Mapped[int] = mapped_column(default=1)
    outcome_unknown: Mapped[bool] = mapped_column(default=False)
    looks: Mapped[int] = mapped_column(default=0)
    deaths: Mapped[int] = mapped_column(default=0)
    first_attempt_at: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    lease_owner: Mapped[str | None] = mapped_column(Short)
    lease_until: Mapped[datetime | None]
    pushed_at: Mapped[datetime | None]
    read_back_at: Mapped[datetime | None]

    document: Mapped[ClientDocument] = relationship()
    client: Mapped[Client] = relationship()


class PushEvent(Base):
    """One line of a push's timeline, in words for people."""

    __tablename__ = "push_events"
    __table_args__ = (Index("push_events_push_idx", "push_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    push_id: Mapped[UUID] = mapped_column(ForeignKey("xero_file_pushes.id", ondelete="CASCADE"))
    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(Code)
    sentence: Mapped[str]
    attempt: Mapped[int | None]
    details: Mapped[dict[str, Any] | None]


class XeroFolder(Identified, Timestamped, Base):
    """A folder of ours in Xero Files: found or made once, and looked for again if it is lost."""

    __tablename__ = "xero_folders"
    __table_args__ = (Index("xero_folders_name_idx", "xero_connection_id", "name", unique=True),)

    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id", ondelete="CASCADE"))
    xero_connection_id: Mapped[UUID] = mapped_column(
        ForeignKey("xero_connections.id", ondelete="CASCADE")
    )
    name: Mapped[str] = mapped_column(Short)
    xero_folder_id: Mapped[str | None] = mapped_column(Short)
    idempotency_key: Mapped[UUID] = mapped_column(default=uuid4)
    lease_owner: Mapped[str | None] = mapped_column(Short)
    lease_until: Mapped[datetime | None]
