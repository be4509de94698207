"""Alert: something people of the practice should know until it is over, and who is told by e-mail.

One alert is open for each cause; an e-mail is promised by a row of its own.
"""

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
    NOT_CONFIRMED = "not_confirmed"
    DAY_LIMIT = "day_limit"
    PUSHES_NEED_ATTENTION = "pushes_need_attention"
    DOCUMENTS_ON_HOLD = "documents_on_hold"
    IMPORT_PROBLEMS = "import_problems"
    SYNC_HELD = "sync_held"


class Alert(Identified, Timestamped, Base):
    """One open or closed alert of a practice; `user_id` is the one person whom it concerns."""

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
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    cause: Mapped[AlertCause] = mapped_column(words(AlertCause, 40))
    tone: Mapped[str] = mapped_column(Code)
    title: Mapped[str] = mapped_column(Short)
    text: Mapped[str]
    count: Mapped[int] = mapped_column(default=1)
    closed_at: Mapped[datetime | None]


UNSENT = sql("sent_at IS NULL AND dropped_at IS NULL")
UNSENT_DIGEST = sql("alert_id IS NULL AND sent_at IS NULL AND dropped_at IS NULL")


class AlertMail(Identified, Timestamped, Base):
    """The promise of one e-mail to one person; what it says is made up when it is sent.

    With an alert it is about that alert, and `number` counts them: 1 is the first, the others
    remind. Without one it is the practice's daily digest, of which a person has one at a time.
    `due_at` is the promised moment, `not_before` that of the next try. It ends as sent, or as
    dropped: nothing to say any more, or, with an error, never to be delivered.
    """

    __tablename__ = "alert_mails"
    __table_args__ = (
        Index("alert_mails_alert_idx", "alert_id", "user_id", "number", unique=True),
        Index(
            "alert_mails_digest_idx",
            "user_id",
            unique=True,
            postgresql_where=UNSENT_DIGEST,
            sqlite_where=UNSENT_DIGEST,
        ),
        Index(
            "alert_mails_due_idx",
            "not_before",
            postgresql_where=UNSENT,
            sqlite_where=UNSENT,
        ),
        Index("alert_mails_practice_idx", "practice_id"),
    )

    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id", ondelete="CASCADE"))
    alert_id: Mapped[UUID | None] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(default=1)
    due_at: Mapped[datetime]
    not_before: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    dropped_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    lease_owner: Mapped[str | None] = mapped_column(Short)
    lease_until: Mapped[datetime | None]
    last_error: Mapped[str | None]
    server_said: Mapped[str | None]
