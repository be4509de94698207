"""Changes to an organisation's folders and files, made by API calls and by people alike."""

from __future__ import annotations

import hashlib

from dashboard.simulator.records import Folder, Organisation, StoredFile
from dashboard.simulator.world import World


def new_folder(world: World, organisation: Organisation, name: str) -> Folder:
    """Return a new folder in *organisation*."""
    with world.change():
        folder = Folder(world.new_id(), name, world.clock.now())
        organisation.folders[folder.folder_id] = folder
        return folder


def store_file(
    world: World,
    organisation: Organisation,
    folder: Folder,
    *,
    name: str,
    mime_type: str,
    content: bytes,
    user_id: str,
) -> StoredFile:
    """Return a new file in *folder*; names need not be unique."""
    with world.change():
        now = world.clock.now()
        file = StoredFile(
            file_id=world.new_id(),
            name=name,
            mime_type=mime_type,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            folder_id=folder.folder_id,
            user_id=user_id,
            created_at=now,
            updated_at=now,
        )
        world.archive.put(file.file_id, content)
        organisation.files[file.file_id] = file
        return file


def remove_file(world: World, organisation: Organisation, file: StoredFile) -> None:
    """Delete a file and its bytes."""
    with world.change():
        del organisation.files[file.file_id]
        world.drop_content(file.file_id)


def remove_folder(world: World, organisation: Organisation, folder: Folder) -> None:
    """Delete a folder; its files go to the Inbox or with it, as the options say."""
    with world.change():
        inside = [
            file for file in organisation.files.values() if file.folder_id == folder.folder_id
        ]
        for file in inside:
            if world.options.deleted_folder_files == "deleted":
                remove_file(world, organisation, file)
            else:
                file.folder_id = organisation.inbox.folder_id
        del organisation.folders[folder.folder_id]
