"""Practice, its users, and the salt that its token keys need."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column, relationship

from dashboard.database import Base, Identified, Short, Timestamped, words


class Role(StrEnum):
    """What a user may do: admins connect and set up, staff import and file."""

    ADMIN = "admin"
    STAFF = "staff"


class Practice(Identified, Timestamped, Base):
    """An accounting firm that signs in."""

    __tablename__ = "practices"

    name: Mapped[str] = mapped_column(Short)
    time_zone: Mapped[str] = mapped_column(Short, default="Europe/London")
    clients_changed_at: Mapped[datetime | None]


class PracticeSalt(Base):
    """The random half of a practice's token keys; deleting the row makes its tokens unreadable."""

    __tablename__ = "practice_salts"

    practice_id: Mapped[UUID] = mapped_column(
        ForeignKey("practices.id", ondelete="CASCADE"), primary_key=True
    )
    salt: Mapped[bytes] = mapped_column(LargeBinary)


class User(Identified, Timestamped, Base):
    """A person of one practice who signs in with e-mail (kept in lower case) and password."""

    __tablename__ = "users"
    __table_args__ = (
        Index("users_email_idx", "email", unique=True),
        Index("users_practice_idx", "practice_id"),
    )

    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id", ondelete="CASCADE"))
    email: Mapped[str] = mapped_column(Short)
    name: Mapped[str] = mapped_column(Short)
    password_hash: Mapped[str]
    role: Mapped[Role] = mapped_column(words(Role))
    signed_in_at: Mapped[datetime | None]

    practice: Mapped[Practice] = relationship(lazy="joined")

    # What Flask-Login asks of whoever signs in; a User row is always a person who may.
    is_active: ClassVar[bool] = True
    is_authenticated: ClassVar[bool] = True
    is_anonymous: ClassVar[bool] = False

    def get_id(self) -> str:
        """Return what the session remembers of this person."""
        return str(self.id)

    @property
    def is_admin(self) -> bool:
        """Whether this person may connect Xero and change settings."""
        return self.role == Role.ADMIN
