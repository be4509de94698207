"""GroupChoices: what people want contact groups to be instead of tags of the same name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select

from dashboard.database import AnySession, insert_for
from dashboard.models import GroupChoice, Tag, TagSource
from dashboard.models.contact_standing import group_names
from dashboard.rules.contact_text import TEXT_MAX, cleaned, folded
from dashboard.services.client_list import current_connection, lock_clients
from dashboard.services.group_tags import rename_tags
from dashboard.services.refusals import InvalidInput, NotConnected, NotFound


@dataclass(frozen=True, slots=True)
class GroupWish:
    """What somebody wants a group to become: a tag of this name, or none."""

    group_id: str
    tag_name: str
    is_left_out: bool = False


class GroupChoices:
    """Keeps choices about contact groups; imports and contact checks go by them from then on."""

    def __init__(self, *, session: AnySession, clock: Callable[[], datetime]) -> None:
        self._session = session
        self._clock = clock

    def keep(self, practice_id: UUID, user_id: UUID | None, wishes: Sequence[GroupWish]) -> None:
        """Keep what is wanted of these groups; one that is to be called as in Xero is no choice.

        A tag that follows such a group already gets its name at once.
        Raises `NotFound` for a group that no contact is in, `NotConnected`, and `InvalidInput` with
        the field `tag-` and the group's id for a name that cannot be a tag's.
        """
        lock_clients(self._session, practice_id)
        groups = self._groups(practice_id)
        if not {wish.group_id for wish in wishes} <= groups.keys():
            raise NotFound
        names = self._taken_names(practice_id, {wish.group_id for wish in wishes})
        for wish in wishes:
            name = None if wish.is_left_out else _checked(wish)
            if name is not None and name != groups[wish.group_id]:
                _check_free(wish, name, names)
            if name is not None:
                names.add(folded(name))
            self._keep(practice_id, user_id, wish.group_id, name, groups[wish.group_id])
        wanted = {wish.group_id: groups[wish.group_id] for wish in wishes}
        rename_tags(self._session, practice_id, wanted, self._clock())
        self._session.commit()

    def rename(self, practice_id: UUID, user_id: UUID, group_id: str, name: str) -> str:
        """Call the tag of this group otherwise from now on; return what it is called.

        As `keep`, but `NotFound` also for a group that is no tag. The group's name in Xero ends
        the choice.
        """
        called = select(Tag.name).where(
            Tag.practice_id == practice_id,
            Tag.source == TagSource.XERO,
            Tag.xero_group_id == group_id,
        )
        if self._session.scalar(called) is None:
            raise NotFound
        self._session.rollback()
        self.keep(practice_id, user_id, [GroupWish(group_id, name)])
        return self._session.scalars(called).one()

    def _groups(self, practice_id: UUID) -> dict[str, str]:
        connection = current_connection(self._session, practice_id)
        if connection is None:
            raise NotConnected
        return group_names(self._session, connection.id)

    def _taken_names(self, practice_id: UUID, group_ids: set[str]) -> set[str]:
        """Return the names, folded, of the tags that are not those of these groups."""
        found = self._session.execute(
            select(Tag.name, Tag.xero_group_id).where(Tag.practice_id == practice_id)
        )
        return {folded(name) for name, group_id in found if group_id not in group_ids}

    def _keep(
        self, practice_id: UUID, user_id: UUID | None, group_id: str, name: str | None, usual: str
    ) -> None:
        if name == usual:
            self._session.execute(
                delete(GroupChoice).where(
                    GroupChoice.practice_id == practice_id, GroupChoice.xero_group_id == group_id
                )
            )
            return
        said: dict[str, Any] = {
            "tag_name": name,
            "decided_by_id": user_id,
            "decided_at": self._clock(),
        }
        self._session.execute(
            insert_for(self._session)(GroupChoice)
            .values(practice_id=practice_id, xero_group_id=group_id, **said)
            .on_conflict_do_update(
                index_elements=[GroupChoice.practice_id, GroupChoice.xero_group_id], set_=said
            )
        )


def _checked(wish: GroupWish) -> str:
    name = cleaned(" ".join(wish.tag_name.split()), TEXT_MAX + 1)
    if name is None:
        raise InvalidInput(
            "A tag needs a name.", "Enter one, or leave the group out.", field=_field(wish)
        )
    if len(name) > TEXT_MAX:
        raise InvalidInput(
            f"A tag’s name has at most {TEXT_MAX} characters.", "Shorten it.", field=_field(wish)
        )
    return name


def _check_free(wish: GroupWish, name: str, taken: set[str]) -> None:
    if folded(name) in taken:
        raise InvalidInput(
            f"Another tag is called “{name}” already.", "Choose another name.", field=_field(wish)
        )


def _field(wish: GroupWish) -> str:
    return f"tag-{wish.group_id}"
