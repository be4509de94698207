"""OwnTags: words of the practice's own that sort its clients.

Tags from Xero follow contact groups and are left alone. A tag is no field of a client: neither a
comparison with contacts nor the date of the last change looks at it.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, exists, select

from dashboard.database import AnySession, insert_for
from dashboard.models import Client, Tag, TagSource, client_tags
from dashboard.rules.contact_text import folded
from dashboard.services.client_list import lock_clients
from dashboard.services.refusals import InvalidInput, NotFound

LONGEST = 60


class OwnTags:
    """Gives clients tags of the practice's own, and takes them away."""

    def __init__(self, *, session: AnySession) -> None:
        self._session = session

    def add(self, practice_id: UUID, client_id: UUID, name: str) -> None:
        """Give the client this tag; it is made if no client had it yet.

        A tag that is written otherwise only in case or accents is the same tag. Raises `NotFound`,
        and `InvalidInput` for no word, too long a one, and one that follows a contact group.
        """
        word = _checked(name)
        lock_clients(self._session, practice_id)
        self._find_client(practice_id, client_id)
        tag_id = self._known(practice_id, word)
        if tag_id is None:
            tag = Tag(practice_id=practice_id, name=word, source=TagSource.OWN)
            self._session.add(tag)
            self._session.flush()
            tag_id = tag.id
        self._session.execute(
            insert_for(self._session)(client_tags)
            .values(client_id=client_id, tag_id=tag_id)
            .on_conflict_do_nothing()
        )
        self._session.commit()

    def remove(self, practice_id: UUID, client_id: UUID, name: str) -> None:
        """Take this tag off the client; with the last client the tag itself goes.

        A client that has it no longer stays as it is. Raises `NotFound`.
        """
        lock_clients(self._session, practice_id)
        self._find_client(practice_id, client_id)
        is_it = (Tag.practice_id == practice_id, Tag.source == TagSource.OWN, Tag.name == name)
        self._session.execute(
            delete(client_tags).where(
                client_tags.c.client_id == client_id,
                client_tags.c.tag_id.in_(select(Tag.id).where(*is_it)),
            )
        )
        self._session.execute(
            delete(Tag)
            .where(*is_it, ~exists().where(client_tags.c.tag_id == Tag.id))
            .execution_options(synchronize_session=False)
        )
        self._session.commit()

    def _find_client(self, practice_id: UUID, client_id: UUID) -> None:
        found = self._session.scalar(
            select(Client.id).where(Client.id == client_id, Client.practice_id == practice_id)
        )
        if found is None:
            raise NotFound

    def _known(self, practice_id: UUID, word: str) -> UUID | None:
        tags = self._session.execute(
            select(Tag.id, Tag.name, Tag.source).where(Tag.practice_id == practice_id)
        )
        found = next((tag for tag in tags if folded(tag.name) == folded(word)), None)
        if found is not None and found.source == TagSource.XERO:
            raise InvalidInput(
                f"“{found.name}” follows a contact group in Xero.",
                "Add the contact to that group in Xero, or choose another word.",
                field="tag",
            )
        return found.id if found else None


def _checked(name: str) -> str:
    word = " ".join(name.replace("\x00", "").split())
    if not word:
        raise InvalidInput("A tag needs a word.", "Enter one, such as Priority.", field="tag")
    if len(word) > LONGEST:
        raise InvalidInput(
            f"The tag is {len(word):,} characters long.", f"Use at most {LONGEST}.", field="tag"
        )
    return word
