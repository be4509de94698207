"""The practice's preferences for its Xero connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from dashboard.database import AnySession
from dashboard.models import ConnectionStatus, XeroConnection
from dashboard.rules.client_fields import WINNERS
from dashboard.rules.sync_brake import PERCENTS
from dashboard.services.push_folders import PushFolders
from dashboard.services.refusals import InvalidInput, NotConnected
from dashboard.xero import Folder

SWITCHES = ("auto_sync_contacts", "push_documents_to_xero", "create_year_folders")
FOLDER = "xero_folder_id"
CHOICES: dict[str, tuple[object, ...]] = {"edited_fields": WINNERS, "brake_percent": PERCENTS}
FOLDER_MAX = 255


class PreferenceService:
    """Changes the settings of the current connection.

    *folders* asks Xero for the folders of a practice's organisation, at the cost of a call.
    """

    def __init__(
        self,
        *,
        session: AnySession,
        clock: Callable[[], datetime],
        folders: Callable[[UUID], Sequence[Folder]],
    ) -> None:
        self._session = session
        self._clock = clock
        self._folders = folders

    def update_settings(self, practice_id: UUID, changes: Mapping[str, object]) -> None:
        """Change the named settings; nothing is changed when one of them is refused.

        A folder is looked for in Xero first, so Xero's errors may be raised.
        """
        checked = {name: _checked(name, value) for name, value in changes.items()}
        connection = self._current(practice_id)
        chosen = checked.get(FOLDER)
        if isinstance(chosen, str) and chosen != connection.xero_folder_id:
            folder = self._folder(practice_id, connection.id, chosen)
            checked[FOLDER] = folder.folder_id
            connection = self._current(practice_id)
        if FOLDER in checked:
            checked["missing_folder_name"] = None
        if checked.get("auto_sync_contacts") and not connection.auto_sync_contacts:
            connection.sync_due_at = self._clock()
        for name, value in checked.items():
            setattr(connection, name, value)
        self._session.commit()

    def _current(self, practice_id: UUID) -> XeroConnection:
        connection = self._session.scalar(
            select(XeroConnection).where(
                XeroConnection.practice_id == practice_id,
                XeroConnection.status != ConnectionStatus.DISCONNECTED,
            )
        )
        if connection is None:
            raise NotConnected
        return connection

    def _folder(self, practice_id: UUID, connection_id: UUID, folder_id: str) -> Folder:
        """Return the folder as Xero has it, remembered with its name."""
        self._session.commit()
        wanted = folder_id.lower()
        found = (each for each in self._folders(practice_id) if each.folder_id.lower() == wanted)
        folder = next(found, None)
        if folder is None:
            raise InvalidInput(
                "This folder is not in Xero Files.",
                "Choose one of the folders there.",
                field=FOLDER,
            )
        PushFolders(session=self._session, clock=self._clock, connection_id=connection_id).remember(
            practice_id, folder.name, folder.folder_id
        )
        return folder


def _checked(name: str, value: object) -> object:
    if name in SWITCHES:
        if not isinstance(value, bool):
            raise InvalidInput(f"{name} is either true or false.", field=name)
        return value
    if name == FOLDER:
        if value is not None and not (isinstance(value, str) and len(value) <= FOLDER_MAX):
            raise InvalidInput("xero_folder_id is the id of a folder, or null.", field=name)
        return value or None
    if name in CHOICES:
        if isinstance(value, bool) or value not in CHOICES[name]:
            listed = ", ".join(map(str, CHOICES[name]))
            raise InvalidInput(f"{name} is one of: {listed}.", field=name)
        return value
    known = ", ".join((*SWITCHES, FOLDER, *CHOICES))
    raise InvalidInput(f"There is no setting called {name}.", f"There are: {known}.", field=name)
