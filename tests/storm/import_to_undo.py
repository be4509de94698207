"""An import that does one of everything, for harnesses that have it undone: each row as it was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    Client,
    MatchDecision,
    Tag,
    TagSource,
    Verdict,
    XeroContactMapping,
    client_tags,
)
from dashboard.services.run_results import ImportDecision

Rows = dict[str, list[tuple[str, ...]]]


def rows_of(practice_id: UUID) -> Rows:
    """Return every row of the practice that an import may touch, value by value."""
    db.session.rollback()
    wanted = {
        table.__tablename__: select(table.__table__).where(table.practice_id == practice_id)
        for table in (Client, XeroContactMapping, Tag, MatchDecision)
    }
    mine = select(Client.id).where(Client.practice_id == practice_id)
    wanted["client_tags"] = select(client_tags).where(client_tags.c.client_id.in_(mine))
    found = {
        name: sorted(tuple(map(str, row)) for row in db.session.execute(statement))
        for name, statement in wanted.items()
    }
    db.session.rollback()
    return found


def differences(before: Rows, after: Rows) -> int:
    """Return how many rows are gone, new or changed."""
    return sum(len(set(before[name]) ^ set(after[name])) for name in before)


def one_of_everything(
    practice_id: UUID, connection_id: UUID, contact_ids: Sequence[str]
) -> list[ImportDecision]:
    """Return decisions about free contacts, and make what they change.

    In turn they create a client, link one that has tags, create one of a contact that had been
    skipped for good, and skip one for good.
    """
    tags = [
        Tag(practice_id=practice_id, name="Our own", source=TagSource.OWN),
        # From a contact that the client had once: no group of the new one.
        Tag(practice_id=practice_id, name="Of old", source=TagSource.XERO, xero_group_id="old"),
    ]
    db.session.add_all(tags)
    decisions = []
    for number, contact_id in enumerate(contact_ids):
        kind = number % 4
        action = ("create", "link", "create", "skip")[kind]
        client_id = _client(practice_id, number, tags) if action == "link" else None
        if kind == 2:  # noqa: PLR2004 - the third of the kinds above
            _skip(practice_id, connection_id, contact_id)
        decisions.append(ImportDecision(contact_id, action, client_id))
    db.session.commit()
    return decisions


def _client(practice_id: UUID, number: int, tags: Sequence[Tag]) -> UUID:
    old = utcnow() - timedelta(days=400)
    client = Client(
        practice_id=practice_id, name=f"Client {number}", created_at=old, updated_at=old
    )
    db.session.add(client)
    db.session.flush()
    rows: list[dict[str, Any]] = [{"client_id": client.id, "tag_id": tag.id} for tag in tags]
    db.session.execute(insert(client_tags), rows)
    return client.id


def _skip(practice_id: UUID, connection_id: UUID, contact_id: str) -> None:
    db.session.add(
        MatchDecision(
            practice_id=practice_id,
            xero_connection_id=connection_id,
            xero_contact_id=contact_id,
            verdict=Verdict.SKIP,
            decided_at=utcnow() - timedelta(days=3),
        )
    )
