"""Client: a customer of the practice, and the tags that sort clients."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Column, ForeignKey, Index, Table
from sqlalchemy.orm import Mapped, mapped_column, relationship

from dashboard.database import Base, Identified, Short, Timestamped, words

client_tags = Table(
    "client_tags",
    Base.metadata,
    Column("client_id", ForeignKey("clients.id", ondelete="CASCADE"), primary_key=True),
    Column("tag_id", ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True),
    Index("client_tags_tag_idx", "tag_id"),
)


class TagSource(StrEnum):
    """Where a tag comes from."""

    OWN = "own"
    XERO = "xero"


class Tag(Identified, Timestamped, Base):
    """A word that sorts clients; one from Xero follows a contact group."""

    __tablename__ = "tags"
    __table_args__ = (Index("tags_practice_name_idx", "practice_id", "name", unique=True),)

    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Short)
    source: Mapped[TagSource] = mapped_column(words(TagSource), default=TagSource.OWN)
    xero_group_id: Mapped[str | None] = mapped_column(Short)


class GroupChoice(Base):
    """What the practice wants a contact group to be, other than a tag of the group's own name.

    `tag_name` is the tag's name, None for a group that becomes no tag.
    """

    __tablename__ = "group_choices"

    practice_id: Mapped[UUID] = mapped_column(
        ForeignKey("practices.id", ondelete="CASCADE"), primary_key=True
    )
    xero_group_id: Mapped[str] = mapped_column(Short, primary_key=True)
    tag_name: Mapped[str | None] = mapped_column(Short)
    decided_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    decided_at: Mapped[datetime]


class Client(Identified, Timestamped, Base):
    """A customer of the practice. `xero_contact_id` repeats the current mapping for readers."""

    __tablename__ = "clients"
    __table_args__ = (
        Index("clients_practice_name_idx", "practice_id", "name", "id"),
        Index("clients_practice_xero_contact_idx", "practice_id", "xero_contact_id"),
    )

    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Short)
    email: Mapped[str | None] = mapped_column(Short)
    phone: Mapped[str | None] = mapped_column(Short)
    company_number: Mapped[str | None] = mapped_column(Short)
    tax_number: Mapped[str | None] = mapped_column(Short)
    xero_contact_id: Mapped[str | None] = mapped_column(Short)

    tags: Mapped[list[Tag]] = relationship(secondary=client_tags, order_by=Tag.name)
