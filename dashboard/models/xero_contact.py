"""What we know of Xero's contacts: the local mirror, and which contact is which client."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base, Code, Identified, Short, Timestamped, words

# Written out: with a parameter in its place no database would see that the index fits.
LOST = text("xero_contacts.contact_status <> 'ACTIVE'")


class Verdict(StrEnum):
    """What a person decided about a contact for good."""

    NOT_A_MATCH = "not_a_match"
    SKIP = "skip"


class XeroContact(Identified, Base):
    """One contact as the last sync read it: only the fields we use, and how it compares to clients.

    `match` is what the detector said (new, exact, possible, clash) and `candidates` whom it means:
    `[{"client_id", "score", "reasons": [sentence]}]`, best first. Whether the contact is linked or
    cannot be imported is derived by the queries, so that it can never be out of date.
    """

    __tablename__ = "xero_contacts"
    __table_args__ = (
        Index("xero_contacts_contact_idx", "xero_connection_id", "xero_contact_id", unique=True),
        Index("xero_contacts_name_idx", "xero_connection_id", "sort_name", "id"),
        Index("xero_contacts_match_idx", "xero_connection_id", "match"),
        Index(
            "xero_contacts_lost_idx",
            "xero_connection_id",
            "xero_contact_id",
            postgresql_where=LOST,
            sqlite_where=LOST,
        ),
    )

    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id", ondelete="CASCADE"))
    xero_connection_id: Mapped[UUID] = mapped_column(
        ForeignKey("xero_connections.id", ondelete="CASCADE")
    )
    xero_contact_id: Mapped[str] = mapped_column(Short)
    name: Mapped[str] = mapped_column(Short, default="")
    first_name: Mapped[str | None] = mapped_column(Short)
    last_name: Mapped[str | None] = mapped_column(Short)
    email: Mapped[str | None] = mapped_column(Short)
    phones: Mapped[list[Any]] = mapped_column(default=list)
    addresses: Mapped[list[Any]] = mapped_column(default=list)
    tax_number: Mapped[str | None] = mapped_column(Short)
    company_number: Mapped[str | None] = mapped_column(Short)
    contact_status: Mapped[str] = mapped_column(Code)
    is_supplier: Mapped[bool] = mapped_column(default=False)
    is_customer: Mapped[bool] = mapped_column(default=False)
    groups: Mapped[list[Any]] = mapped_column(default=list)
    merged_to_contact_id: Mapped[str | None] = mapped_column(Short)
    xero_updated_at: Mapped[datetime | None]
    content_hash: Mapped[str] = mapped_column(String(64))
    # Which change of the mirror brought what the row says: see XeroConnection.contacts_revision.
    revision: Mapped[int] = mapped_column(default=0)
    sort_name: Mapped[str] = mapped_column(Short, default="")
    search_text: Mapped[str] = mapped_column(default="")
    match: Mapped[str] = mapped_column(Code, default="new")
    candidates: Mapped[list[Any]] = mapped_column(default=list)
    read_at: Mapped[datetime]


class ContactTwins(Identified, Base):
    """Two contacts of one organisation that may be the same, and why: shown, never merged.

    `score` is in thousandths. `apart_at` is when a person said that they are not the same: such a
    pair is kept, so that it is never shown again.
    """

    __tablename__ = "contact_twins"
    __table_args__ = (
        Index(
            "contact_twins_pair_idx",
            "xero_connection_id",
            "first_contact_id",
            "second_contact_id",
            unique=True,
        ),
        Index("contact_twins_second_idx", "xero_connection_id", "second_contact_id"),
    )

    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id", ondelete="CASCADE"))
    xero_connection_id: Mapped[UUID] = mapped_column(
        ForeignKey("xero_connections.id", ondelete="CASCADE")
    )
    first_contact_id: Mapped[str] = mapped_column(Short)
    second_contact_id: Mapped[str] = mapped_column(Short)
    score: Mapped[int]
    reasons: Mapped[list[Any]]
    apart_at: Mapped[datetime | None]
    # Not a foreign key: SQLite could never drop the column again.
    apart_by_id: Mapped[UUID | None]


class MatchFile(Base):
    """What the last comparison of everything with everything knew, to compare changes alone later.

    `clients_at` and `contacts_revision` say up to which change; `data`, and in `recompared` the
    contacts that were compared again since, are written and read by `services.match_file` only.
    """

    __tablename__ = "match_files"

    xero_connection_id: Mapped[UUID] = mapped_column(
        ForeignKey("xero_connections.id", ondelete="CASCADE"), primary_key=True
    )
    made_at: Mapped[datetime]
    clients_at: Mapped[datetime]
    contacts_revision: Mapped[int]
    data: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    recompared: Mapped[bytes | None] = mapped_column(LargeBinary)


class XeroContactMapping(Identified, Timestamped, Base):
    """This contact is that client, within one connection.

    `linked_by_id` is who decided it; None where an import took the detector's exact match, or where
    nobody wrote it down.
    """

    __tablename__ = "xero_contact_mappings"
    __table_args__ = (
        Index(
            "xero_mapping_connection_contact_idx",
            "xero_connection_id",
            "xero_contact_id",
            unique=True,
        ),
        Index("xero_mapping_connection_client_idx", "xero_connection_id", "client_id", unique=True),
        Index("xero_mapping_practice_idx", "practice_id"),
        Index("xero_mapping_client_idx", "client_id"),
    )

    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id", ondelete="CASCADE"))
    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"))
    xero_connection_id: Mapped[UUID] = mapped_column(
        ForeignKey("xero_connections.id", ondelete="CASCADE")
    )
    xero_contact_id: Mapped[str] = mapped_column(Short)
    xero_contact_name: Mapped[str | None] = mapped_column(Short)
    last_synced_at: Mapped[datetime | None]
    # Fields in which the practice keeps its own value, with what Xero had when it said so.
    kept: Mapped[dict[str, Any]] = mapped_column(default=dict)
    # Not a foreign key: SQLite could never drop the column again.
    linked_by_id: Mapped[UUID | None]
    made_by_run_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("sync_runs.id", ondelete="SET NULL")
    )


class MatchDecision(Identified, Base):
    """A person's lasting word: this pair is not a match, or do not offer this contact again."""

    __tablename__ = "match_decisions"
    __table_args__ = (
        Index(
            "match_decisions_pair_idx",
            "xero_connection_id",
            "xero_contact_id",
            "client_id",
            unique=True,
        ),
        Index("match_decisions_client_idx", "client_id"),
    )

    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id", ondelete="CASCADE"))
    xero_connection_id: Mapped[UUID] = mapped_column(
        ForeignKey("xero_connections.id", ondelete="CASCADE")
    )
    xero_contact_id: Mapped[str] = mapped_column(Short)
    client_id: Mapped[UUID | None] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"))
    verdict: Mapped[Verdict] = mapped_column(words(Verdict))
    decided_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    decided_at: Mapped[datetime]
