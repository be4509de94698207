"""The Files API: folders, uploads, and which contact a file is shown at.

Source: https://developer.xero.com/documentation/api/files/overview and the official
`xero_files.yaml`. Folders are flat, and a name may occur twice: look before you create.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import BinaryIO

import msgspec

from dashboard.xero.answers import decode
from dashboard.xero.door import TenantDoor
from dashboard.xero.errors import XeroUnavailable
from dashboard.xero.multipart import upload_body
from dashboard.xero.transport import segment
from dashboard.xero.types import Association, FilesPage, Folder, StoredFile
from dashboard.xero.wire_dates import moment
from dashboard.xero.wire_values import WireDecoder, text

ROOT = "/files.xro/1.0"
# Xero's largest page of files.
PAGE_SIZE = 100
CONTACT = "Contact"


class _Folder(msgspec.Struct, rename="pascal"):
    id: str | None = None
    name: str | None = None
    is_inbox: bool | None = None
    file_count: int | None = None


class _File(msgspec.Struct, rename="pascal"):
    # The person in "User" is left out: Xero gives sometimes us, sometimes "System Generated".
    id: str | None = None
    name: str | None = None
    mime_type: str | None = None
    size: int | None = None
    folder_id: str | None = None
    created_date_utc: str | None = None
    updated_date_utc: str | None = None


class _Files(msgspec.Struct, rename="pascal"):
    total_count: int | None = None
    page: int | None = None
    per_page: int | None = None
    items: list[_File] | None = None


class _Association(msgspec.Struct, rename="pascal"):
    file_id: str | None = None
    object_id: str | None = None
    object_group: str | None = None
    object_type: str | None = None


_FOLDER = WireDecoder(_Folder)
_FOLDERS = WireDecoder(list[_Folder])
_FILE = WireDecoder(_File)
_FILES = WireDecoder(_Files)
_ASSOCIATIONS = WireDecoder(list[_Association])
# One object as documented; an array of one is understood too, because it is stored by then.
_MADE: WireDecoder[_Association | list[_Association]] = WireDecoder(
    _Association | list[_Association]  # type: ignore[arg-type]  # a union is decoded all the same
)


class FilesApi:
    """Reads and writes an organisation's files."""

    def __init__(self, door: TenantDoor) -> None:
        self._door = door

    def folders(self) -> tuple[Folder, ...]:
        """Return all folders, the Inbox among them; the list is not paged."""
        found = decode(self._door.get(f"{ROOT}/Folders"), _FOLDERS)
        return tuple(_folder(wire) for wire in found if wire.id)

    def create_folder(self, name: str, idempotency_key: str) -> Folder:
        """Return the new folder; raises `XeroRejected` for a name that Xero does not like."""
        answer = self._door.post_json(f"{ROOT}/Folders", {"Name": name}, idempotency_key)
        wire = decode(answer, _FOLDER)
        if not wire.id:
            raise XeroUnavailable("Xero answered without the folder.", status=answer.status)
        return _folder(wire)

    def upload(  # noqa: PLR0917 - each of them is part of what is stored
        self,
        folder_id: str | None,
        name: str,
        mime_type: str,
        content: BinaryIO | bytes,
        size: int,
        idempotency_key: str,
    ) -> StoredFile:
        """Return the stored file; without *folder_id* it lies in the Inbox.

        *name* is the final name with the extension that the content has; *size* is in bytes, at
        most 10 MB. The same key and content make the very same request.
        """
        upload = upload_body(name, mime_type, content, size, idempotency_key)
        path = f"{ROOT}/Files" if folder_id is None else f"{ROOT}/Files/{segment(folder_id)}"
        answer = self._door.post(path, upload.body, upload.content_type, idempotency_key)
        return _required_file(decode(answer, _FILE), answer.status)

    def files_page(
        self, page: int, page_size: int = PAGE_SIZE, newest_first: bool = True
    ) -> FilesPage:
        """Return one page (from 1) of all files by their age; Xero cannot list one folder alone."""
        query = {
            "pagesize": str(page_size),
            "page": str(page),
            "sort": "CreatedDateUTC",
            "direction": "DESC" if newest_first else "ASC",
        }
        wire = decode(self._door.get(f"{ROOT}/Files", query=query), _FILES)
        items = tuple(_file(item) for item in wire.items or () if item.id)
        return FilesPage(
            items=items,
            page=wire.page or page,
            per_page=wire.per_page or page_size,
            total_count=wire.total_count or len(items),
        )

    def file(self, file_id: str) -> StoredFile:
        """Return what Xero knows about one file, or raise `XeroNotFound`."""
        answer = self._door.get(f"{ROOT}/Files/{segment(file_id)}")
        return _required_file(decode(answer, _FILE), answer.status)

    def content(self, file_id: str) -> bytes:
        """Return the file's bytes."""
        path = f"{ROOT}/Files/{segment(file_id)}/Content"
        answer = self._door.get(path, accept="application/octet-stream")
        # No type that Xero Files accepts is a web page, so this one is an error page.
        if answer.is_page:
            raise XeroUnavailable("Xero answered with a page.", status=answer.status)
        return answer.body

    def associate(self, file_id: str, contact_id: str, idempotency_key: str) -> Association:
        """Show the file at a contact; Xero derives the object's type by itself."""
        answer = self._door.post_json(
            f"{ROOT}/Files/{segment(file_id)}/Associations",
            {"ObjectId": contact_id, "ObjectGroup": CONTACT},
            idempotency_key,
        )
        made = decode(answer, _MADE)
        wires = made if isinstance(made, list) else [made]
        return _association(wires[0] if wires else _Association())

    def associations(self, file_id: str) -> tuple[Association, ...]:
        """Return where the file is shown."""
        answer = self._door.get(f"{ROOT}/Files/{segment(file_id)}/Associations")
        return tuple(_association(wire) for wire in decode(answer, _ASSOCIATIONS))

    def associations_of(self, object_id: str) -> Iterator[Association]:
        """Yield every file association of an object, such as a contact."""
        path = f"{ROOT}/Associations/{segment(object_id)}"
        for page in count(1):
            query = {"pagesize": str(PAGE_SIZE), "page": str(page)}
            found = decode(self._door.get(path, query=query), _ASSOCIATIONS)
            yield from (_association(wire) for wire in found)
            if len(found) < PAGE_SIZE:
                return


def _folder(wire: _Folder) -> Folder:
    return Folder(
        folder_id=wire.id or "",
        name=text(wire.name) or "",
        is_inbox=bool(wire.is_inbox),
        file_count=wire.file_count,
    )


def _required_file(wire: _File, status: int) -> StoredFile:
    if not wire.id:
        raise XeroUnavailable("Xero answered without the file.", status=status)
    return _file(wire)


def _file(wire: _File) -> StoredFile:
    return StoredFile(
        file_id=wire.id or "",
        name=text(wire.name) or "",
        mime_type=text(wire.mime_type),
        size=wire.size,
        folder_id=text(wire.folder_id),
        created_at=moment(wire.created_date_utc),
        updated_at=moment(wire.updated_date_utc),
    )


def _association(wire: _Association) -> Association:
    return Association(
        file_id=text(wire.file_id),
        object_id=text(wire.object_id),
        object_group=text(wire.object_group),
        object_type=text(wire.object_type),
    )
