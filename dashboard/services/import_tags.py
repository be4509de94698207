"""Contact groups as tags during an import, and what an undo needs to know of them.

`{"made": [tag id], "renamed": [[tag id, name and change before, name after]]}` is kept on the run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from dashboard.database import AnySession
from dashboard.models import Tag, TagSource, client_tags
from dashboard.services.group_tags import follow_groups

TagsMade = dict[str, list[Any]]


def tag_clients(
    session: AnySession,
    practice_id: UUID,
    groups_of: Mapping[UUID, Sequence[Mapping[str, str]]],
    existing: Collection[UUID],
    now: datetime,
) -> tuple[TagsMade, dict[UUID, dict[str, list[str]]]]:
    """Give clients the tags of their contacts' groups.

    Returns which tags that made and renamed, and for each of the *existing* clients that changed
    which tags were added and dropped. Part of the caller's transaction.
    """
    if not existing and not any(groups_of.values()):
        return {}, {}
    tags, held = _tags(session, practice_id), _held(session, existing)
    follow_groups(session, practice_id, groups_of, now)
    made: TagsMade = {}
    for tag_id, (name, _) in _tags(session, practice_id).items():
        if tag_id not in tags:
            made.setdefault("made", []).append(str(tag_id))
        elif tags[tag_id][0] != name:
            before, changed_at = tags[tag_id]
            renamed = [str(tag_id), before, changed_at.isoformat(), name]
            made.setdefault("renamed", []).append(renamed)
    after = _held(session, existing)
    return made, {
        client_id: {
            "added": sorted(str(one) for one in after[client_id] - held[client_id]),
            "dropped": sorted(str(one) for one in held[client_id] - after[client_id]),
        }
        for client_id in existing
        if after[client_id] != held[client_id]
    }


def merged(kept: Mapping[str, list[Any]] | None, made: TagsMade) -> TagsMade:
    """Return what a run knows of tags after one more chunk."""
    before = kept or {}
    return {word: [*before.get(word, []), *made.get(word, [])] for word in {*before, *made}}


def _tags(session: AnySession, practice_id: UUID) -> dict[UUID, tuple[str, datetime]]:
    found = session.execute(
        select(Tag.id, Tag.name, Tag.updated_at).where(
            Tag.practice_id == practice_id, Tag.source == TagSource.XERO
        )
    )
    return {row[0]: (row[1], row[2]) for row in found}


def _held(session: AnySession, client_ids: Collection[UUID]) -> dict[UUID, set[UUID]]:
    held: dict[UUID, set[UUID]] = {client_id: set() for client_id in client_ids}
    if held:
        found = session.execute(
            select(client_tags.c.client_id, client_tags.c.tag_id).where(
                client_tags.c.client_id.in_(client_ids)
            )
        )
        for client_id, tag_id in found:
            held[client_id].add(tag_id)
    return held
