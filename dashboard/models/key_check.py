"""KeyCheck: what tells at every start whether a master key is still the one it was."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class KeyCheck(Base):
    """One random value sealed under one master key; it opens with the same bytes only."""

    __tablename__ = "key_checks"

    key_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sealed: Mapped[str]
    created_at: Mapped[datetime]
