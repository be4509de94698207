"""The document store keeps whole documents or nothing."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import pytest

from dashboard import storage
from dashboard.storage import (
    DocumentLost,
    DocumentStore,
    StoreUnavailable,
    TooMuch,
    document_key,
)

KEY = document_key(uuid4(), uuid4())
CONTENT = b"0123456789" * 60_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "documents"


@pytest.fixture
def store(folder: Path) -> DocumentStore:
    return DocumentStore(f"file://{folder}")


def everything_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


class TestPut:
    def test_it_answers_size_and_hash_and_keeps_the_bytes(self, store: DocumentStore) -> None:
        stored = store.put(KEY, io.BytesIO(CONTENT), len(CONTENT))
        assert stored.size == len(CONTENT)
        assert stored.sha256 == hashlib.sha256(CONTENT).hexdigest()
        with store.open(KEY) as kept:
            assert kept.read() == CONTENT

    def test_one_byte_too_many_leaves_nothing(self, store: DocumentStore, folder: Path) -> None:
        with pytest.raises(TooMuch):
            store.put(KEY, io.BytesIO(CONTENT), len(CONTENT) - 1)
        assert not store.exists(KEY)
        assert everything_in(folder) == []

    def test_a_stream_that_breaks_off_leaves_nothing(
        self, store: DocumentStore, folder: Path
    ) -> None:
        class Broken(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                if self.tell() > 300_000:
                    raise ConnectionResetError
                return super().read(size)

        with pytest.raises(StoreUnavailable):
            store.put(KEY, Broken(CONTENT), len(CONTENT))
        assert everything_in(folder) == []

    def test_an_overfull_stream_is_not_read_to_its_end(self, store: DocumentStore) -> None:
        endless = Endless()
        with pytest.raises(TooMuch):
            store.put(KEY, endless, 1_000_000)
        assert endless.given < 1_000_000 + 2 * storage.CHUNK

    def test_what_is_there_is_replaced_whole(self, store: DocumentStore) -> None:
        store.put(KEY, io.BytesIO(CONTENT), len(CONTENT))
        store.put(KEY, io.BytesIO(b"short"), 100)
        with store.open(KEY) as kept:
            assert kept.read() == b"short"

    def test_a_failed_replacement_keeps_the_old(self, store: DocumentStore) -> None:
        store.put(KEY, io.BytesIO(b"old"), 100)
        with pytest.raises(TooMuch):
            store.put(KEY, io.BytesIO(CONTENT), 100)
        with store.open(KEY) as kept:
            assert kept.read() == b"old"

    @pytest.mark.parametrize("key", ["../x", "a/../../b", "/etc/passwd", "a//b", "", "a/b.pdf"])
    def test_a_key_that_is_not_made_of_ids_is_refused(self, store: DocumentStore, key: str) -> None:
        with pytest.raises(ValueError, match="ids"):
            store.put(key, io.BytesIO(b"x"), 10)


class TestReading:
    def test_copy_to_proves_what_it_copied(self, store: DocumentStore) -> None:
        put = store.put(KEY, io.BytesIO(CONTENT), len(CONTENT))
        copy = io.BytesIO()
        assert store.copy_to(KEY, copy) == put
        assert copy.getvalue() == CONTENT

    def test_what_is_not_there_is_lost(self, store: DocumentStore) -> None:
        with pytest.raises(DocumentLost):
            store.open(KEY)
        with pytest.raises(DocumentLost):
            store.copy_to(KEY, io.BytesIO())

    def test_deleting_twice_is_as_good_as_once(self, store: DocumentStore) -> None:
        store.put(KEY, io.BytesIO(b"x"), 10)
        store.delete(KEY)
        store.delete(KEY)
        assert not store.exists(KEY)


class TestAddresses:
    def test_another_kind_of_store_behaves_alike(self) -> None:
        store = DocumentStore("memory://documents")
        stored = store.put(KEY, io.BytesIO(CONTENT), len(CONTENT))
        assert store.copy_to(KEY, io.BytesIO()) == stored
        with pytest.raises(TooMuch):
            store.put(document_key(uuid4(), uuid4()), io.BytesIO(CONTENT), 10)
        store.delete(KEY)
        with pytest.raises(DocumentLost):
            store.open(KEY)

    def test_a_missing_package_is_said_in_one_sentence(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_package(_url: str) -> object:
            raise ImportError

        monkeypatch.setattr(storage.fsspec.core, "url_to_fs", no_package)
        with pytest.raises(StoreUnavailable) as said:
            DocumentStore("s3://bucket/prefix")
        assert str(said.value) == (
            "DOCUMENT_STORE_URL begins with s3://, and that needs s3fs:"
            " install it with `pip install s3fs`."
        )

    def test_an_unknown_address_is_said_in_one_sentence(self) -> None:
        with pytest.raises(StoreUnavailable, match="which no document store speaks"):
            DocumentStore("gopher://host/documents")

    def test_a_full_or_closed_disk_is_said_in_one_sentence(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("not a folder")
        store = DocumentStore(f"file://{tmp_path / 'file'}")
        with pytest.raises(StoreUnavailable, match="The document store did not work"):
            store.put(KEY, io.BytesIO(b"x"), 10)


class Endless(io.RawIOBase, BinaryIO):  # type: ignore[misc]
    """A stream without an end that counts what it gave."""

    given = 0

    def read(self, size: int = -1) -> bytes:
        self.given += size
        return b"x" * size
