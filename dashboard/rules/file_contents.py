"""What a file really is, told from its bytes and never from its name.

The families that Xero takes are recognised by explicit signs; puremagic names whatever else turns
up, for the sentence that says what is wrong.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

import puremagic

_HEAD = 4096
_MOST = 10_000_000


class Content(StrEnum):
    """A kind of content that some accepted extension stands for; values read in a sentence."""

    PDF = "a PDF"
    PNG = "a PNG picture"
    JPEG = "a JPEG picture"
    GIF = "a GIF picture"
    TIFF = "a TIFF picture"
    BMP = "a BMP picture"
    RTF = "a rich text file"
    SEVEN_ZIP = "a 7z archive"
    RAR = "a RAR archive"
    ZIP = "a ZIP archive"
    DOCX = "a Word document (.docx)"
    XLSX = "an Excel workbook (.xlsx)"
    PPTX = "a PowerPoint file (.pptx)"
    ODT = "an OpenDocument text (.odt)"
    ODS = "an OpenDocument spreadsheet (.ods)"
    ODF = "an OpenDocument formula (.odf)"
    IWORK = "an Apple Pages, Numbers or Keynote file"
    DOC = "an old Word document (.doc)"
    XLS = "an old Excel workbook (.xls)"
    PPT = "an old PowerPoint file (.ppt)"
    MSG = "an Outlook message (.msg)"
    EMAIL = "an email message (.eml)"
    TEXT = "plain text"


@dataclass(frozen=True, slots=True)
class FoundContent:
    """What the bytes say: the kinds they may stand for (none if strange), and in words.

    `is_locked`: an Office file behind a password, whose kind cannot be seen.
    """

    contents: frozenset[Content]
    words: str
    is_locked: bool = False


def content_of(content: BinaryIO) -> FoundContent:
    """Return what a seekable file holds; reads at most 10 MB of it and moves its position."""
    content.seek(0)
    head = content.read(_HEAD)
    for starts, kind in _SIGNS:
        if head.startswith(starts):
            return _found(kind)
    if _is_bmp(head):
        return _found(Content.BMP)
    for starts, look_inside in _CONTAINERS:
        if head.startswith(starts):
            return look_inside(content)
    return _loose_content(content, head)


_SIGNS = (
    (b"%PDF-", Content.PDF),
    (b"\x89PNG\r\n\x1a\n", Content.PNG),
    (b"\xff\xd8\xff", Content.JPEG),
    (b"GIF87a", Content.GIF),
    (b"GIF89a", Content.GIF),
    (b"II*\x00", Content.TIFF),
    (b"MM\x00*", Content.TIFF),
    (b"II+\x00", Content.TIFF),
    (b"MM\x00+", Content.TIFF),
    (b"{\\rtf", Content.RTF),
    (b"7z\xbc\xaf\x27\x1c", Content.SEVEN_ZIP),
    (b"Rar!\x1a\x07", Content.RAR),
)

# "BM" alone is also the beginning of an English sentence: the header that follows decides.
_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_BMP_HEADER_AT = slice(14, 18)


def _is_bmp(head: bytes) -> bool:
    header_size = int.from_bytes(head[_BMP_HEADER_AT], "little")
    return head.startswith(b"BM") and header_size in _BMP_HEADERS


_OPEN_DOCUMENT_KINDS = {
    b"application/vnd.oasis.opendocument.text": Content.ODT,
    b"application/vnd.oasis.opendocument.spreadsheet": Content.ODS,
    b"application/vnd.oasis.opendocument.formula": Content.ODF,
}
_LONGEST_MIME_TYPE = 100

_OPEN_XML_MAIN_PARTS = (
    ("word/document", Content.DOCX),
    ("xl/workbook", Content.XLSX),
    ("ppt/presentation", Content.PPTX),
)
# Pages, Numbers and Keynote share one container whose kind only Apple's own programs read off.
_IWORK_MEMBERS = ("Index/Document.iwa", "Index.zip", "index.apxl", "index.xml", "index.numbers")


def _zip_content(content: BinaryIO) -> FoundContent:
    content.seek(0)
    try:
        with zipfile.ZipFile(content) as archive:
            names = archive.namelist()
            mime_type = _declared_mime_type(archive)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return FoundContent(frozenset(), "a damaged ZIP archive")
    return _found(_zip_kind(names, mime_type))


def _zip_kind(names: list[str], mime_type: bytes) -> Content:
    if mime_type in _OPEN_DOCUMENT_KINDS:
        return _OPEN_DOCUMENT_KINDS[mime_type]
    if "[Content_Types].xml" in names:
        for part, kind in _OPEN_XML_MAIN_PARTS:
            if any(name.startswith(part) for name in names):
                return kind
    if any(name.endswith(_IWORK_MEMBERS) for name in names):
        return Content.IWORK
    return Content.ZIP


def _declared_mime_type(archive: zipfile.ZipFile) -> bytes:
    """Return what an OpenDocument says it is; only an entry too short to be a bomb is read."""
    try:
        entry = archive.getinfo("mimetype")
    except KeyError:
        return b""
    if entry.file_size > _LONGEST_MIME_TYPE or entry.compress_size > _LONGEST_MIME_TYPE:
        return b""
    return archive.read(entry).strip()


def _stream_name(name: str) -> bytes:
    return name.encode("utf-16-le")


_OLE_STREAMS = (
    (_stream_name("WordDocument"), Content.DOC),
    (_stream_name("Workbook"), Content.XLS),
    (_stream_name("Book\x00"), Content.XLS),
    (_stream_name("PowerPoint Document"), Content.PPT),
    (_stream_name("__properties_version1.0"), Content.MSG),
)
_OLE_ENCRYPTED = _stream_name("EncryptedPackage")


def _ole_content(content: BinaryIO) -> FoundContent:
    """Look for the stream names that say which program wrote the file.

    A document with an embedded workbook carries both names: then its extension may be either.
    """
    content.seek(0)
    data = content.read(_MOST)
    kinds = frozenset(kind for name, kind in _OLE_STREAMS if name in data)
    if kinds:
        return FoundContent(kinds, min(kinds))
    if _OLE_ENCRYPTED in data:
        return FoundContent(frozenset(), "an Office file locked with a password", is_locked=True)
    return FoundContent(frozenset(), "an unknown Office file")


_CONTAINERS: tuple[tuple[bytes, Callable[[BinaryIO], FoundContent]], ...] = (
    (b"PK\x03\x04", _zip_content),
    (b"PK\x05\x06", _zip_content),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _ole_content),
)

_PDF_START_WITHIN = 1024
_WIDE_TEXT_MARKS = (b"\xff\xfe", b"\xfe\xff")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_HEADER_LINE = re.compile(rb"[!-9;-~]+:[ \t]?[^\r\n]*")
_MAIL_HEADERS = re.compile(
    rb"^(from|to|subject|date|received|message-id|mime-version|return-path|delivered-to):",
    re.IGNORECASE | re.MULTILINE,
)
_FEWEST_MAIL_HEADERS = 2


def _loose_content(content: BinaryIO, head: bytes) -> FoundContent:
    # Readers accept a few stray bytes before the sign of a PDF.
    if b"%PDF-" in head[:_PDF_START_WITHIN]:
        return _found(Content.PDF)
    content.seek(0)
    data = content.read(_MOST)
    if _is_text(data):
        return _found(Content.EMAIL if _is_email(head) else Content.TEXT)
    return FoundContent(frozenset(), _strange(head))


def _is_text(data: bytes) -> bool:
    if data.startswith(_WIDE_TEXT_MARKS):
        return _decodes_wide(data)
    return _CONTROL.search(data) is None


def _decodes_wide(data: bytes) -> bool:
    try:
        text = data.decode("utf-16")
    except UnicodeDecodeError:
        return False
    return _CONTROL.search(text.encode("utf-8", "ignore")) is None


def _is_email(head: bytes) -> bool:
    block = re.split(rb"\r?\n\r?\n", head.lstrip(b"\xef\xbb\xbf\r\n"), maxsplit=1)[0]
    first_line = block.split(b"\n", 1)[0].rstrip(b"\r")
    names = {name.lower() for name in _MAIL_HEADERS.findall(block)}
    return bool(_HEADER_LINE.fullmatch(first_line)) and len(names) >= _FEWEST_MAIL_HEADERS


def _strange(head: bytes) -> str:
    try:
        guesses = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return "something we do not recognise"
    names = [guess.name for guess in guesses if guess.name]
    return f"something else ({names[0]})" if names else "something we do not recognise"


def _found(kind: Content) -> FoundContent:
    return FoundContent(frozenset({kind}), kind.value)
