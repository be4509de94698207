"""Changing a practice's list of clients, one writer at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update

from dashboard.database import AnySession
from dashboard.models import ConnectionStatus, Practice, XeroConnection


def changing_clients(
    session: AnySession, practice_id: UUID, clock: Callable[[], datetime]
) -> datetime:
    """Return the moment of a change to clients or links; nobody else changes them until we commit.

    The moment is read after the lock is held, so that matching, which takes the same lock to
    start, either sees the change or is older than it.
    """
    lock_clients(session, practice_id)
    before = session.scalar(select(Practice.clients_changed_at).where(Practice.id == practice_id))
    now = clock()
    if before is not None and now <= before:
        # The clock of another machine is ahead: whoever looks for what changed later must find it.
        now = before + timedelta.resolution
    session.execute(
        update(Practice)
        .where(Practice.id == practice_id)
        .values(clients_changed_at=now)
        .execution_options(synchronize_session=False)
    )
    return now


def lock_clients(session: AnySession, practice_id: UUID) -> None:
    """Wait for whoever changes the practice's clients, and keep others out until the commit."""
    session.execute(select(Practice.id).where(Practice.id == practice_id).with_for_update())


def current_connection(session: AnySession, practice_id: UUID) -> XeroConnection | None:
    """Return the practice's connection that is not disconnected, as the database has it now."""
    return session.scalars(
        select(XeroConnection)
        .where(
            XeroConnection.practice_id == practice_id,
            XeroConnection.status != ConnectionStatus.DISCONNECTED,
        )
        .execution_options(populate_existing=True)
    ).first()
