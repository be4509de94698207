"""Contact groups of Xero as tags of clients: added and taken away as Xero has them.

Only tags whose source is Xero are touched; a tag of the practice's own stays wherever it was put.
A person may have named a group's tag otherwise, or left the group out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, insert, select, tuple_, update

from dashboard.database import AnySession, insert_for
from dashboard.models import GroupChoice, Tag, TagSource, client_tags
from dashboard.rules.contact_text import TEXT_MAX

# Our own tag may already have the group's name; names of tags are unique within a practice.
MARK = " (Xero)"

Groups = Iterable[Mapping[str, str]]


def follow_groups(
    session: AnySession,
    practice_id: UUID,
    groups_of: Mapping[UUID, Groups],
    now: datetime,
) -> dict[UUID, dict[str, Any]]:
    """Give each client the tags of its contact's groups, and take away those it left.

    Returns the clients whose tags changed, with the names before and after. Five to seven
    statements, however many clients. Part of the caller's transaction.
    """
    if not groups_of:
        return {}
    tags = _tags_for(session, practice_id, groups_of.values(), now)
    wanted = {
        (client_id, tags[group["id"]])
        for client_id, groups in groups_of.items()
        for group in groups
        if group["id"] in tags
    }
    held = _held(session, practice_id, groups_of)
    added, left = wanted - held, held - wanted
    if added:
        session.execute(
            insert(client_tags), [{"client_id": client, "tag_id": tag} for client, tag in added]
        )
    if left:
        session.execute(
            delete(client_tags).where(
                tuple_(client_tags.c.client_id, client_tags.c.tag_id).in_(left)
            )
        )
    return _changes(session, practice_id, held, wanted)


def drop_group_tags(session: AnySession, practice_id: UUID, client_id: UUID, now: datetime) -> None:
    """Take the tags from Xero off a client that no longer has a contact."""
    follow_groups(session, practice_id, {client_id: ()}, now)


def rename_tags(
    session: AnySession, practice_id: UUID, groups: Mapping[str, str], now: datetime
) -> None:
    """Give the tags that follow these groups the names they shall have; no tag is made.

    *groups* are Xero's names by id. Part of the caller's transaction.
    """
    names = _chosen_names(session, practice_id, groups)
    _rename(session, names, *_existing(session, practice_id), now)


def _existing(
    session: AnySession, practice_id: UUID
) -> tuple[set[str], dict[str, tuple[UUID, str]]]:
    """Return the names that are taken, and id and name of the tag of each group that has one."""
    tags = session.execute(
        select(Tag.id, Tag.name, Tag.xero_group_id, Tag.source).where(
            Tag.practice_id == practice_id
        )
    ).all()
    return {tag.name for tag in tags}, {
        tag.xero_group_id: (tag.id, tag.name)
        for tag in tags
        if tag.source == TagSource.XERO and tag.xero_group_id is not None
    }


def _rename(
    session: AnySession,
    names: Mapping[str, str],
    taken: set[str],
    known: Mapping[str, tuple[UUID, str]],
    now: datetime,
) -> None:
    for group_id in names.keys() & known.keys():
        (tag_id, called), name = known[group_id], names[group_id]
        if called == name or (called == _marked(name) and name in taken):
            continue
        free = _free_name(name, taken)
        if free is not None:
            session.execute(update(Tag).where(Tag.id == tag_id).values(name=free, updated_at=now))


def _held(
    session: AnySession, practice_id: UUID, client_ids: Iterable[UUID]
) -> set[tuple[UUID, UUID]]:
    found = session.execute(
        select(client_tags.c.client_id, client_tags.c.tag_id)
        .join(Tag, Tag.id == client_tags.c.tag_id)
        .where(
            Tag.practice_id == practice_id,
            Tag.source == TagSource.XERO,
            client_tags.c.client_id.in_(client_ids),
        )
    )
    return {(row[0], row[1]) for row in found}


def _tags_for(
    session: AnySession, practice_id: UUID, all_groups: Iterable[Groups], now: datetime
) -> dict[str, UUID]:
    """Return the tag of each group, made or renamed where that is needed and the name is free."""
    groups = {group["id"]: group["name"] for groups in all_groups for group in groups}
    names = _chosen_names(session, practice_id, groups)
    if not names:
        return {}
    taken, known = _existing(session, practice_id)
    _rename(session, names, taken, known, now)
    new = [
        _new_tag(practice_id, group_id, free, now)
        for group_id, name in names.items()
        if group_id not in known and (free := _free_name(name, taken))
    ]
    if new:
        session.execute(insert_for(session)(Tag).on_conflict_do_nothing(), new)
    made = session.execute(
        select(Tag.xero_group_id, Tag.id).where(
            Tag.practice_id == practice_id,
            Tag.source == TagSource.XERO,
            Tag.xero_group_id.in_(names),
        )
    )
    return {group_id: tag_id for group_id, tag_id in made if group_id is not None}


def _chosen_names(
    session: AnySession, practice_id: UUID, groups: Mapping[str, str]
) -> dict[str, str]:
    """Return what the tag of each group is called; groups that were left out are missing."""
    if not groups:
        return {}
    found = session.execute(
        select(GroupChoice.xero_group_id, GroupChoice.tag_name).where(
            GroupChoice.practice_id == practice_id, GroupChoice.xero_group_id.in_(groups)
        )
    )
    names = {**groups, **{row[0]: row[1] for row in found}}
    return {group_id: name for group_id, name in names.items() if name is not None}


def _free_name(name: str, taken: set[str]) -> str | None:
    free = next((one for one in (name, _marked(name)) if one not in taken), None)
    if free is not None:
        taken.add(free)
    return free


def _marked(name: str) -> str:
    return f"{name[: TEXT_MAX - len(MARK)]}{MARK}"


def _new_tag(practice_id: UUID, group_id: str, name: str, now: datetime) -> dict[str, Any]:
    return {
        "id": uuid4(),
        "practice_id": practice_id,
        "name": name,
        "source": TagSource.XERO,
        "xero_group_id": group_id,
        "created_at": now,
        "updated_at": now,
    }


def _changes(
    session: AnySession,
    practice_id: UUID,
    held: set[tuple[UUID, UUID]],
    wanted: set[tuple[UUID, UUID]],
) -> dict[UUID, dict[str, Any]]:
    if held == wanted:
        return {}
    found = session.execute(select(Tag.id, Tag.name).where(Tag.practice_id == practice_id))
    names = {row[0]: row[1] for row in found}
    before, after = _names_by_client(held, names), _names_by_client(wanted, names)
    return {
        client_id: {"before": before.get(client_id, []), "after": after.get(client_id, [])}
        for client_id in {client for client, _ in held ^ wanted}
    }


def _names_by_client(
    pairs: set[tuple[UUID, UUID]], names: Mapping[UUID, str]
) -> dict[UUID, list[str]]:
    by_client: dict[UUID, list[str]] = {}
    for client_id, name in sorted((client, names[tag]) for client, tag in pairs):
        by_client.setdefault(client_id, []).append(name)
    return by_client
