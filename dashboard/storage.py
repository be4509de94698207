"""Where documents lie: one store over fsspec, on local disk or in an S3-compatible bucket.

A key is `<practice id>/<document id>` and never anything a person typed. An object is written under
a temporary name and moved when it is whole, so a reader sees all of it or nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, cast
from uuid import UUID, uuid4

import fsspec
from fsspec.implementations.local import LocalFileSystem

CHUNK = 256 * 1024


class StoreUnavailable(Exception):
    """The document store cannot be used; the message is one sentence for the operator."""


class DocumentLost(Exception):
    """The store has no object under this key."""


class TooMuch(Exception):
    """The stream held more bytes than allowed; nothing of it was kept."""


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """What was stored: its size in bytes and its SHA-256 as 64 hex digits."""

    size: int
    sha256: str


def document_key(practice_id: UUID, document_id: UUID) -> str:
    """Return the key under which a document's bytes lie."""
    return f"{practice_id}/{document_id}"


class DocumentStore:
    """Keeps the bytes of documents under *url*, `file:///folder` or `s3://bucket/prefix`.

    Credentials for S3 come from the environment, as fsspec's s3fs reads them. Raises
    `StoreUnavailable` when nothing here can speak the address.
    """

    def __init__(self, url: str) -> None:
        protocol = url.partition("://")[0]
        try:
            filesystem, root = fsspec.core.url_to_fs(url)
        except ImportError as missing:
            package = "s3fs" if protocol == "s3" else "the right package"
            raise StoreUnavailable(
                f"DOCUMENT_STORE_URL begins with {protocol}://, and that needs {package}:"
                f" install it with `pip install {package}`."
            ) from missing
        except ValueError as unknown:
            raise StoreUnavailable(
                f"DOCUMENT_STORE_URL begins with {protocol}://, which no document store speaks:"
                " give file:///folder or s3://bucket/prefix."
            ) from unknown
        self._filesystem: Any = filesystem
        self._root = str(root).rstrip("/")
        self._is_local = isinstance(filesystem, LocalFileSystem)

    def put(self, key: str, stream: BinaryIO, limit: int) -> StoredBytes:
        """Store what is left of *stream* and return its size and hash.

        Raises `TooMuch` over *limit* bytes; nothing is left behind then. Never holds more than a
        quarter of a megabyte in memory.
        """
        path = self._path(key)
        unfinished = f"{path}.{uuid4().hex}.part"
        with _store_errors():
            if self._is_local:
                # Object stores have no folders: there a path is one long name.
                self._filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
            try:
                stored = self._written(unfinished, stream, limit)
                self._filesystem.mv(unfinished, path)
            except BaseException:
                self._discard(unfinished)
                raise
        return stored

    def open(self, key: str) -> BinaryIO:
        """Return the object's bytes as a readable stream; `DocumentLost` if it is not there."""
        with _store_errors():
            try:
                return cast(BinaryIO, self._filesystem.open(self._path(key), "rb"))
            except FileNotFoundError as gone:
                raise DocumentLost(key) from gone

    def copy_to(self, key: str, target: BinaryIO) -> StoredBytes:
        """Write the object's bytes to *target* and return their size and hash."""
        size, digest = 0, hashlib.sha256()
        with _store_errors(), self.open(key) as source:
            while chunk := source.read(CHUNK):
                size += len(chunk)
                digest.update(chunk)
                target.write(chunk)
        return StoredBytes(size, digest.hexdigest())

    def delete(self, key: str) -> None:
        """Delete the object; one that is not there is as good as deleted."""
        with _store_errors():
            self._discard(self._path(key))

    def exists(self, key: str) -> bool:
        """Return whether there is an object under *key*."""
        with _store_errors():
            return bool(self._filesystem.exists(self._path(key)))

    def _path(self, key: str) -> str:
        parts = key.split("/")
        if not all(part.replace("-", "").isalnum() for part in parts):
            raise ValueError("A key is made of ids alone.")
        return "/".join((self._root, *parts))

    def _written(self, path: str, stream: BinaryIO, limit: int) -> StoredBytes:
        size, digest = 0, hashlib.sha256()
        with self._filesystem.open(path, "wb") as target:
            while chunk := stream.read(CHUNK):
                size += len(chunk)
                if size > limit:
                    raise TooMuch(f"More than {limit} bytes.")
                digest.update(chunk)
                target.write(chunk)
            if self._is_local:
                # The row that will point here is on disk when it is committed; so must this be.
                target.flush()
                os.fsync(target.fileno())
        return StoredBytes(size, digest.hexdigest())

    def _discard(self, path: str) -> None:
        try:
            self._filesystem.rm_file(path)
        except FileNotFoundError:
            return


@contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        # A disk that is full or a bucket that does not answer: s3fs speaks in OSErrors too.
        reason = problem.strerror or type(problem).__name__
        raise StoreUnavailable(f"The document store did not work: {reason}.") from problem
