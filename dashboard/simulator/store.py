"""Where a world keeps itself: nowhere (tests), or in one file beside a folder of file contents.

The state is written whole, to a neighbour that then takes the old one's name, so a reader never
meets a half-written state. A file's bytes are written before the state that mentions them.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Protocol

import msgspec

from dashboard.simulator.records import State


class Archive(Protocol):
    """The bytes of files, by file id."""

    def put(self, file_id: str, content: bytes) -> None:
        """Keep *content*."""

    def get(self, file_id: str) -> bytes:
        """Return the bytes kept for *file_id*; KeyError when there are none."""

    def drop(self, file_id: str) -> None:
        """Forget the bytes, if there are any."""


class MemoryArchive:
    """File contents in memory, gone with the process."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}

    def put(self, file_id: str, content: bytes) -> None:
        """Keep *content*."""
        self._contents[file_id] = content

    def get(self, file_id: str) -> bytes:
        """Return the bytes kept for *file_id*; KeyError when there are none."""
        return self._contents[file_id]

    def drop(self, file_id: str) -> None:
        """Forget the bytes, if there are any."""
        self._contents.pop(file_id, None)


class FolderArchive:
    """File contents as one file each in a folder of the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def put(self, file_id: str, content: bytes) -> None:
        """Keep *content*."""
        write_whole(self._folder / file_id, content)

    def get(self, file_id: str) -> bytes:
        """Return the bytes kept for *file_id*; KeyError when there are none."""
        try:
            return (self._folder / file_id).read_bytes()
        except FileNotFoundError:
            raise KeyError(file_id) from None

    def drop(self, file_id: str) -> None:
        """Forget the bytes, if there are any."""
        (self._folder / file_id).unlink(missing_ok=True)


class Store:
    """One state file on disk, and the archive that belongs to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.archive = FolderArchive(path.with_name(path.name + ".files"))

    def load(self) -> State | None:
        """Return the state that was saved last, or None the first time."""
        try:
            saved = self._path.read_bytes()
        except FileNotFoundError:
            return None
        return msgspec.json.decode(saved, type=State)

    def save(self, state: State) -> None:
        """Replace what is on disk by *state*."""
        write_whole(self._path, msgspec.json.encode(state))


def write_whole(path: Path, content: bytes) -> None:
    """Write *content* to *path* so that no reader ever sees a part of it."""
    descriptor, neighbour = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
        os.replace(neighbour, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(neighbour)
        raise
