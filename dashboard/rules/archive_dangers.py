"""What hides inside a ZIP archive, and inside the documents that are ZIP archives by their nature.

Nothing is written anywhere and never more than a hundred megabytes are unpacked, archives within
archives included.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from enum import StrEnum
from pathlib import PurePosixPath
from typing import BinaryIO

from dashboard.rules.file_contents import Content

MOST_UNPACKED = 100_000_000
MOST_ENTRIES = 1_000
# Text packs to a tenth; only what was made for it packs to a hundredth.
MOST_RATIO = 100
FREE_OF_RATIO = 1_000_000
DEEPEST = 2
MOST_KEPT = 10_000_000
_CHUNK = 256 * 1024
_ARCHIVE = b"PK\x03\x04"
_LOOKED_INTO = ("[Content_Types].xml", ".rels", "META-INF/manifest.xml")
_ENCRYPTED = 0x1

ZIPS = frozenset(
    {
        Content.ZIP,
        Content.DOCX,
        Content.XLSX,
        Content.PPTX,
        Content.ODT,
        Content.ODS,
        Content.ODF,
        Content.IWORK,
    }
)
_OPEN_DOCUMENTS = frozenset({Content.ODT, Content.ODS, Content.ODF})
_OPEN_XML = frozenset({Content.DOCX, Content.XLSX, Content.PPTX})


class Danger(StrEnum):
    """What is wrong with a file of the right type."""

    LOCKED = "locked"
    LOCKED_PDF = "locked_pdf"
    MACROS = "macros"
    SCRIPT = "script"
    ATTACHMENT = "attachment"
    TEMPLATE = "template"
    TWO_FILES = "two_files"
    BOMB = "bomb"
    PATHS = "paths"
    PROGRAM = "program"
    DAMAGED = "damaged"
    PIXELS = "pixels"


_MACRO_PARTS = re.compile(
    r"(^|/)(vbaProject\.bin|vbaData\.xml|activeX\d*\.(xml|bin))$|^(Basic|Scripts)/", re.IGNORECASE
)
_MACRO_TYPE = re.compile(rb"macroEnabled|vnd\.ms-office\.vbaProject", re.IGNORECASE)
_REMOTE = re.compile(
    rb"<Relationship\b(?=[^>]*TargetMode\s*=\s*[\"']External)"
    rb"(?=[^>]*/(?:attachedTemplate|oleObject|frame|subDocument)[\"'])",
    re.IGNORECASE,
)
_ODF_LOCK = b"encryption-data"
_PROGRAM = re.compile(
    r"\.(apk|app|bat|chm|cmd|com|cpl|dll|exe|hta|iso|jar|jse?|lnk|ms[ip]|pif|ps1|reg|scr|sh|sys"
    r"|vb[es]?|ws[fh])$",
    re.IGNORECASE,
)
_DRIVE = re.compile(r"^[A-Za-z]:")
_END = b"PK\x05\x06"
_END_WITHIN = 65_557


def danger_in_archive(content: BinaryIO, kinds: frozenset[Content]) -> Danger | None:
    """Return what is wrong with a seekable ZIP archive of these kinds, None if nothing is seen."""
    return _Look().into(content, kinds, depth=0)


def holds_archive(data: bytes) -> bool:
    """Return whether a ZIP archive hangs at the end of a file of another kind."""
    if _END not in data[-_END_WITHIN:]:
        return False
    return zipfile.is_zipfile(io.BytesIO(data))


class _Look:
    """One look at an archive and the archives in it, with what it may still unpack."""

    def __init__(self) -> None:
        self._left = MOST_UNPACKED
        self._entries = 0

    def into(self, content: BinaryIO, kinds: frozenset[Content], *, depth: int) -> Danger | None:
        content.seek(0)
        try:
            with zipfile.ZipFile(content) as archive:
                return self._declared(archive) or self._unpacked(archive, kinds, depth)
        except (
            zipfile.BadZipFile,
            zlib.error,
            OSError,
            EOFError,
            ValueError,
            NotImplementedError,
            RuntimeError,
        ):
            return Danger.DAMAGED

    def _declared(self, archive: zipfile.ZipFile) -> Danger | None:
        """Look at the list of contents; nothing is unpacked yet."""
        entries = archive.infolist()
        self._entries += len(entries)
        if any(entry.flag_bits & _ENCRYPTED for entry in entries):
            return Danger.LOCKED
        if any(_leaves(entry.orig_filename) for entry in entries):
            return Danger.PATHS
        if self._entries > MOST_ENTRIES or _overlap(entries):
            return Danger.BOMB
        whole = sum(entry.file_size for entry in entries)
        packed = sum(entry.compress_size for entry in entries)
        is_dense = whole > FREE_OF_RATIO and whole > MOST_RATIO * max(packed, 1)
        return Danger.BOMB if is_dense or whole > self._left else None

    def _unpacked(
        self, archive: zipfile.ZipFile, kinds: frozenset[Content], depth: int
    ) -> Danger | None:
        for entry in archive.infolist():
            danger = _by_name(entry.filename, kinds) or self._inside(archive, entry, kinds, depth)
            if danger:
                return danger
        return None

    def _inside(
        self,
        archive: zipfile.ZipFile,
        entry: zipfile.ZipInfo,
        kinds: frozenset[Content],
        depth: int,
    ) -> Danger | None:
        data = self._read(archive, entry)
        if data is None:
            return Danger.BOMB
        if kinds & _OPEN_XML and _fetches_or_runs(entry.filename, data):
            return _fetches_or_runs(entry.filename, data)
        if kinds & _OPEN_DOCUMENTS and entry.filename == "META-INF/manifest.xml":
            return Danger.LOCKED if _ODF_LOCK in data else None
        if data.startswith(_ARCHIVE):
            if depth >= DEEPEST:
                return Danger.BOMB
            return self.into(io.BytesIO(data), _kinds_within(entry.filename), depth=depth + 1)
        return None

    def _read(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes | None:
        """Return an entry that is to be looked into, b"" for others, None if it is too much.

        All of it is unpacked and checked: what it says of its own size is not believed.
        """
        kept = bytearray()
        is_wanted = entry.filename.endswith(_LOOKED_INTO)
        with archive.open(entry) as stream:
            while chunk := stream.read(_CHUNK):
                self._left -= len(chunk)
                is_wanted = is_wanted or (not kept and chunk.startswith(_ARCHIVE))
                if self._left < 0 or len(kept) > MOST_KEPT:
                    return None
                if is_wanted:
                    kept += chunk
        return bytes(kept)


def _by_name(name: str, kinds: frozenset[Content]) -> Danger | None:
    if kinds & (_OPEN_XML | _OPEN_DOCUMENTS):
        return Danger.MACROS if _MACRO_PARTS.search(name) else None
    return Danger.PROGRAM if _PROGRAM.search(name.rstrip(". ")) else None


def _fetches_or_runs(name: str, data: bytes) -> Danger | None:
    if name == "[Content_Types].xml" and _MACRO_TYPE.search(data):
        return Danger.MACROS
    if name.endswith(".rels") and _REMOTE.search(data):
        return Danger.TEMPLATE
    return None


def _kinds_within(name: str) -> frozenset[Content]:
    """Return what an archive inside an archive is taken for, by its ending."""
    ending = PurePosixPath(name.casefold()).suffix
    by_ending = {".docx": Content.DOCX, ".xlsx": Content.XLSX, ".pptx": Content.PPTX}
    return frozenset({by_ending.get(ending, Content.ZIP)})


def _leaves(name: str) -> bool:
    plain = name.replace("\\", "/")
    climbs = ".." in plain.split("/")
    return climbs or plain.startswith("/") or "\x00" in plain or bool(_DRIVE.match(plain))


def _overlap(entries: list[zipfile.ZipInfo]) -> bool:
    """Return whether entries share bytes: so a small archive can unpack to anything."""
    ends = 0
    for entry in sorted(entries, key=lambda each: each.header_offset):
        if entry.header_offset < ends:
            return True
        ends = entry.header_offset + entry.compress_size
    return False
