"""Alert: something people of the practice should know until it is over. One per cause."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base, Code, Identified, Short, Timestamped, words


class AlertCause(StrEnum):
    """Why an alert is open; it closes by itself when the cause is gone."""

    RECONNECT_NEEDED = "reconnect_needed"
    DISCONNECTED_IN_XERO = "disconnected_in_xero"
    CONNECTION_PROBLEM = "connection_problem"
    PERMISSION_NEEDED = "permission_needed"
    DAY_LIMIT = "day_limit"
    PUSHES_NEED_ATTENTION = "pushes_need_attention"
    IMPORT_PROBLEMS = "import_problems"


class Alert(Identified, Timestamped, Base):
    """One open or closed alert of a practice."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index(
            "alerts_open_idx",
            "practice_id",
            "cause",
            unique=True,
            postgresql_where=sql("closed_at IS NULL"),
            sqlite_where=sql("closed_at IS NULL"),
        ),
        Index("alerts_practice_idx", "practice_id", "created_at"),
    )

    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id", ondelete="CASCADE"))
    cause: Mapped[AlertCause] = mapped_column(words(AlertCause, 40))
    tone: Mapped[str] = mapped_column(Code)
    title: Mapped[str] = mapped_column(Short)
    text: Mapped[str]
    count: Mapped[int] = mapped_column(default=1)
    closed_at: Mapped[datetime | None]
