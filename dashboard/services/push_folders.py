"""The folder in Xero Files that a document goes to: remembered, found by name, or made.

Xero's folders are flat and two may have one name, so we look before we make one; the caller holds
the practice's push lease, so nobody else makes one meanwhile. People delete and rename folders: a
remembered id is only a guess, and an upload that is refused asks here whether it is gone.
https://developer.xero.com/documentation/api/files/folders
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import select, update

from dashboard.database import AnySession, insert_for
from dashboard.models import XeroConnection, XeroFolder
from dashboard.rules.file_naming import (
    BASE_FOLDER,
    BASE_FOLDER_WITHOUT_DOT,
    folder_key,
    folder_name,
)
from dashboard.xero import Folder, XeroClient, XeroRejected

INBOX_NAME = "Inbox"
UNNAMED = "that you chose"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a document goes. Without an id it is the Inbox, which every organisation has."""

    name: str
    folder_id: str | None
    is_new: bool = False


INBOX = Place(INBOX_NAME, None)


class PushFolders:
    """Knows the folders of one connection. Commits what it learns; never while Xero is called."""

    def __init__(
        self, *, session: AnySession, clock: Callable[[], datetime], connection_id: UUID
    ) -> None:
        self._session = session
        self._clock = clock
        self._connection_id = connection_id

    def remembered(self, tax_year: str, chosen_id: str | None) -> Place | None:
        """Return where documents of this year go if that is known, else None.

        *chosen_id* is the folder that an admin chose as the base; *tax_year* is empty when years
        have no folders of their own.
        """
        known = self._known()
        base = self._base_name(known, chosen_id)
        if base is None:
            return None
        if chosen_id is not None and not tax_year:
            return Place(base, chosen_id)
        return next((Place(n, known[n]) for n in _names(tax_year, base) if n in known), None)

    def find_or_make(
        self, xero: XeroClient, practice_id: UUID, tax_year: str, chosen_id: str | None
    ) -> Place:
        """Return where documents of this year go, after looking in Xero and making it if needed.

        A chosen folder that is gone is forgotten. A name that Xero refuses is tried without its
        dot, and then the Inbox is taken.
        """
        self._session.commit()
        folders = xero.files.folders()
        chosen = self._chosen(practice_id, folders, chosen_id)
        if chosen is not None and not tax_year:
            return Place(chosen.name, chosen.folder_id)
        base = chosen.name if chosen is not None else BASE_FOLDER
        for wanted in _names(tax_year, base):
            found = _by_name(folders, wanted)
            if found is not None:
                self.remember(practice_id, wanted, found.folder_id)
                return Place(wanted, found.folder_id)
        return self._made(xero, practice_id, _names(tax_year, base))

    def ensure(self, xero: XeroClient, practice_id: UUID, name: str) -> str:
        """Return the id of the folder *name*, found in Xero or made there."""
        self._session.commit()
        found = _by_name(xero.files.folders(), name)
        if found is None:
            found = xero.files.create_folder(name, self._key(practice_id, name, xero.tenant_id))
        self.remember(practice_id, name, found.folder_id)
        return found.folder_id

    def remember(self, practice_id: UUID, name: str, folder_id: str) -> None:
        """Keep the id of a folder that Xero has."""
        now = self._clock()
        self._session.execute(
            insert_for(self._session)(XeroFolder)
            .values(
                id=uuid4(),
                practice_id=practice_id,
                xero_connection_id=self._connection_id,
                name=name,
                xero_folder_id=folder_id,
                idempotency_key=uuid4(),
                created_at=now,
                updated_at=now,
            )
            .on_conflict_do_update(
                index_elements=[XeroFolder.xero_connection_id, XeroFolder.name],
                set_={"xero_folder_id": folder_id, "updated_at": now},
            )
        )
        self._session.commit()

    def is_gone(self, xero: XeroClient, folder_id: str) -> bool:
        """Return whether Xero no longer has this folder; then it is forgotten here too."""
        self._session.commit()
        if _by_id(xero.files.folders(), folder_id) is not None:
            return False
        self._forget_choice(folder_id)
        # A new key, because Xero would replay the making of the folder that is gone.
        self._session.execute(
            update(XeroFolder)
            .where(
                XeroFolder.xero_connection_id == self._connection_id,
                XeroFolder.xero_folder_id == folder_id,
            )
            .values(xero_folder_id=None, idempotency_key=uuid4(), updated_at=self._clock())
            .execution_options(synchronize_session=False)
        )
        self._session.commit()
        return True

    def _chosen(
        self, practice_id: UUID, folders: tuple[Folder, ...], chosen_id: str | None
    ) -> Folder | None:
        if chosen_id is None:
            return None
        chosen = _by_id(folders, chosen_id)
        if chosen is None:
            self._forget_choice(chosen_id)
            return None
        self.remember(practice_id, chosen.name, chosen_id)
        return chosen

    def _made(self, xero: XeroClient, practice_id: UUID, names: tuple[str, ...]) -> Place:
        for wanted in names:
            try:
                made = xero.files.create_folder(
                    wanted, self._key(practice_id, wanted, xero.tenant_id)
                )
            except XeroRejected:
                continue
            self.remember(practice_id, wanted, made.folder_id)
            return Place(wanted, made.folder_id, is_new=True)
        return INBOX

    def _known(self) -> dict[str, str]:
        rows = self._session.execute(
            select(XeroFolder.name, XeroFolder.xero_folder_id).where(
                XeroFolder.xero_connection_id == self._connection_id,
                XeroFolder.xero_folder_id.is_not(None),
            )
        ).all()
        self._session.commit()
        return {name: folder_id for name, folder_id in rows if folder_id is not None}

    @staticmethod
    def _base_name(known: dict[str, str], chosen_id: str | None) -> str | None:
        if chosen_id is None:
            return BASE_FOLDER
        return next((name for name, known_id in known.items() if known_id == chosen_id), None)

    def _key(self, practice_id: UUID, name: str, tenant_id: str) -> str:
        """Return the folder's idempotency key, kept so that a lost answer is asked for again."""
        now = self._clock()
        self._session.execute(
            insert_for(self._session)(XeroFolder)
            .values(
                id=uuid4(),
                practice_id=practice_id,
                xero_connection_id=self._connection_id,
                name=name,
                idempotency_key=uuid4(),
                created_at=now,
                updated_at=now,
            )
            .on_conflict_do_nothing()
        )
        key = self._session.scalar(
            select(XeroFolder.idempotency_key).where(
                XeroFolder.xero_connection_id == self._connection_id, XeroFolder.name == name
            )
        )
        self._session.commit()
        return f"{tenant_id}:{key}:folder"

    def _forget_choice(self, folder_id: str) -> None:
        """Let documents go to our own folder again; the settings page says why."""
        name = next((name for name, known in self._known().items() if known == folder_id), None)
        self._session.execute(
            update(XeroConnection)
            .where(
                XeroConnection.id == self._connection_id,
                XeroConnection.xero_folder_id == folder_id,
            )
            .values(
                xero_folder_id=None,
                missing_folder_name=name or UNNAMED,
                updated_at=self._clock(),
            )
            .execution_options(synchronize_session=False)
        )
        self._session.commit()


def _names(tax_year: str, base: str) -> tuple[str, ...]:
    if base != BASE_FOLDER:
        return (folder_name(tax_year, base=base),)
    return (
        folder_name(tax_year, base=BASE_FOLDER),
        folder_name(tax_year, base=BASE_FOLDER_WITHOUT_DOT),
    )


def _by_id(folders: tuple[Folder, ...], folder_id: str) -> Folder | None:
    wanted = folder_id.lower()
    return next((folder for folder in folders if folder.folder_id.lower() == wanted), None)


def _by_name(folders: tuple[Folder, ...], name: str) -> Folder | None:
    wanted = folder_key(name)
    return next((folder for folder in folders if folder_key(folder.name) == wanted), None)
