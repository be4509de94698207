"""What hides inside a rightly typed file: locks, macros, scripts, bombs, and a second file.

A file of the right type may still harm whoever opens it in Xero, or be nothing that Xero can show.
Only signs are looked for; a virus scanner does the rest (`services.virus_scan`). Archives are in
`archive_dangers.py`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from dashboard.rules.archive_dangers import ZIPS, Danger, danger_in_archive, holds_archive
from dashboard.rules.file_contents import Content

_MOST = 10_000_000


def danger_in(content: BinaryIO, kinds: frozenset[Content]) -> Danger | None:
    """Return what is wrong with a seekable file of these kinds, None if nothing is seen.

    Reads at most 10 MB of it and moves its position.
    """
    if kinds & ZIPS:
        return danger_in_archive(content, kinds)
    content.seek(0)
    data = content.read(_MOST)
    for kind, look in _LOOKS.items():
        if kind in kinds and (danger := look(data)):
            return danger
    return None


# -- PDF: https://opensource.adobe.com/dc-acrobat-sdk-docs/pdfstandards/PDF32000_2008.pdf ----------

_PDF_BEFORE_SIGN = b" \t\r\n\x00\xef\xbb\xbf"
_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
_NAME = re.compile(rb"/[^\x00\t\n\f\r ()<>\[\]{}/%]+")
_STREAM = re.compile(rb"stream\r?\n")
_DICTIONARY_BEFORE = 2048
_LONGEST_STREAM = 10_000_000
_LONGEST_STREAMS = 40_000_000

# Every script has the long name beside its short one, which packed bytes may hold by chance.
_SCRIPTS = frozenset({b"/JavaScript", b"/Launch", b"/RichMedia"})
_ATTACHMENTS = frozenset({b"/EmbeddedFile", b"/EmbeddedFiles"})


def _pdf(data: bytes) -> Danger | None:
    if data[: data.find(b"%PDF-")].strip(_PDF_BEFORE_SIGN) or holds_archive(data):
        return Danger.TWO_FILES
    names = set(_names(data))
    for packed in _object_streams(data):
        if packed is None:
            return Danger.BOMB
        names.update(_names(packed))
    if b"/Encrypt" in names:
        return Danger.LOCKED_PDF
    if names & _SCRIPTS:
        return Danger.SCRIPT
    if names & _ATTACHMENTS:
        return Danger.ATTACHMENT
    return None


def _names(data: bytes) -> Iterator[bytes]:
    for found in _NAME.finditer(data):
        name = found.group()
        # A name may be written with numbers for letters, which hides it from a plain search.
        yield _ESCAPED.sub(lambda code: bytes([int(code[1], 16)]), name) if b"#" in name else name


def _object_streams(data: bytes) -> Iterator[bytes | None]:
    """Yield the unpacked streams that hold objects; None for one that is far too long."""
    left = _LONGEST_STREAMS
    for begin in _STREAM.finditer(data):
        before = data[max(0, begin.start() - _DICTIONARY_BEFORE) : begin.start()]
        if b"ObjStm" not in before.rpartition(b" obj")[2]:
            continue
        end = data.find(b"endstream", begin.end())
        packed = data[begin.end() : end if end > 0 else len(data)]
        unpacked = _inflated(packed, min(_LONGEST_STREAM, left))
        left -= len(unpacked or b"")
        yield unpacked


def _inflated(packed: bytes, most: int) -> bytes | None:
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(packed, most)
    except zlib.error:
        # Packed in another way, or not at all: then the plain search has seen it.
        return b""
    return None if unpacker.unconsumed_tail else unpacked


# -- pictures -------------------------------------------------------------------------------------

# Larger than any camera's picture, and small enough for whoever opens it: 4 bytes a pixel.
_MOST_PIXELS = 250_000_000
_MARKUP = re.compile(rb"<(?:script|html|!doctype|\?php|svg|iframe)[\s>]", re.IGNORECASE)
_PNG_SIZE, _GIF_SIZE, _BMP_SIZE = slice(16, 24), slice(6, 10), slice(18, 26)
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_ALONE = frozenset(range(0xD0, 0xDA)) | {0x01}
_TIFF_SIZES = (256, 257)
_TIFF_ENTRY = 12


def _picture(pixels: Callable[[bytes], int]) -> Callable[[bytes], Danger | None]:
    def look(data: bytes) -> Danger | None:
        if _MARKUP.search(data) or holds_archive(data):
            return Danger.TWO_FILES
        return Danger.PIXELS if pixels(data) > _MOST_PIXELS else None

    return look


def _png_pixels(data: bytes) -> int:
    width, height = data[_PNG_SIZE][:4], data[_PNG_SIZE][4:]
    return int.from_bytes(width, "big") * int.from_bytes(height, "big")


def _gif_pixels(data: bytes) -> int:
    width, height = data[_GIF_SIZE][:2], data[_GIF_SIZE][2:]
    return int.from_bytes(width, "little") * int.from_bytes(height, "little")


def _bmp_pixels(data: bytes) -> int:
    width, height = data[_BMP_SIZE][:4], data[_BMP_SIZE][4:]
    # A negative height means that the rows begin at the top.
    return int.from_bytes(width, "little") * abs(int.from_bytes(height, "little", signed=True))


def _jpeg_pixels(data: bytes) -> int:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:  # noqa: PLR2004 - the sign of a marker
        marker = data[at + 1]
        if marker in _JPEG_FRAMES:
            height, width = data[at + 5 : at + 7], data[at + 7 : at + 9]
            return int.from_bytes(height, "big") * int.from_bytes(width, "big")
        alone = marker in _JPEG_ALONE
        at += 2 if alone else 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return 0


def _tiff_pixels(data: bytes) -> int:
    order = "little" if data.startswith(b"II") else "big"
    first = int.from_bytes(data[4:8], order)  # type: ignore[arg-type]
    count = int.from_bytes(data[first : first + 2], order)  # type: ignore[arg-type]
    pixels = 1
    for number in range(count):
        at = first + 2 + number * _TIFF_ENTRY
        tag = int.from_bytes(data[at : at + 2], order)  # type: ignore[arg-type]
        if tag in _TIFF_SIZES:
            short = int.from_bytes(data[at + 2 : at + 4], order) == 3  # type: ignore[arg-type]  # noqa: PLR2004
            value = data[at + 8 : at + (10 if short else 12)]
            pixels *= int.from_bytes(value, order)  # type: ignore[arg-type]
    return pixels


# -- the rest -------------------------------------------------------------------------------------

_OLE_MACROS = tuple(name.encode("utf-16-le") for name in ("_VBA_PROJECT", "Macros", "VBA\x00"))


def _ole(data: bytes) -> Danger | None:
    return Danger.MACROS if any(name in data for name in _OLE_MACROS) else None


def _rtf(data: bytes) -> Danger | None:
    return Danger.ATTACHMENT if b"\\objdata" in data or b"\\objautlink" in data else None


_LOOKS: dict[Content, Callable[[bytes], Danger | None]] = {
    Content.PDF: _pdf,
    Content.PNG: _picture(_png_pixels),
    Content.JPEG: _picture(_jpeg_pixels),
    Content.GIF: _picture(_gif_pixels),
    Content.TIFF: _picture(_tiff_pixels),
    Content.BMP: _picture(_bmp_pixels),
    Content.DOC: _ole,
    Content.XLS: _ole,
    Content.PPT: _ole,
    Content.RTF: _rtf,
}


@dataclass(frozen=True, slots=True)
class DangerWords:
    """A danger in a sentence, and what the person can do."""

    sentence: str
    fix: str


_SAVE_AS_PDF = "Save it as a PDF and upload that."
WORDS = {
    Danger.LOCKED: DangerWords(
        "This file is locked with a password, so nobody could check or open it.",
        "Save it without a password and upload it again.",
    ),
    Danger.LOCKED_PDF: DangerWords(
        "This PDF is protected, so it could not be checked.",
        "Print it to a new PDF and upload that.",
    ),
    Danger.MACROS: DangerWords(
        "This file holds macros, which are small programs, so we do not send it.", _SAVE_AS_PDF
    ),
    Danger.SCRIPT: DangerWords(
        "This PDF holds a script, which runs when it is opened, so we do not send it.",
        "Print it to a new PDF and upload that.",
    ),
    Danger.ATTACHMENT: DangerWords(
        "Another file is hidden inside this one, so we do not send it.",
        "Upload the other file by itself, and print this one to a new PDF.",
    ),
    Danger.TEMPLATE: DangerWords(
        "This file fetches something from elsewhere when it is opened, so we do not send it.",
        _SAVE_AS_PDF,
    ),
    Danger.TWO_FILES: DangerWords(
        "This file is two files in one, so we do not send it.",
        "Open it and save it again in one format.",
    ),
    Danger.BOMB: DangerWords(
        "This file unpacks to far more than it seems to hold, so we do not send it.",
        "Upload the files in it one by one.",
    ),
    Danger.PATHS: DangerWords(
        "This archive names files outside its own folder, so we do not send it.",
        "Upload the files in it one by one.",
    ),
    Danger.PROGRAM: DangerWords(
        "This archive holds a program, so we do not send it.",
        "Upload the documents in it one by one.",
    ),
    Danger.DAMAGED: DangerWords(
        "This file is damaged: not everything in it can be read.",
        "Open it, save it again and upload that.",
    ),
    Danger.PIXELS: DangerWords(
        "This picture has more pixels than most computers can show, so we do not send it.",
        "Save it in a smaller size.",
    ),
}
