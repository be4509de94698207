"""May this file leave for Xero? Size, type by content, agreement with its extension, no dangers.

Sizes and extensions are those of Xero's Files API
(https://developer.xero.com/documentation/api/files/files): 10 MB an upload, a fixed list of
extensions. Xero takes a file whose content belies its extension, but never shows it, so we say no
first. What hides *inside* a rightly typed file is `file_dangers.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import BinaryIO

from dashboard.rules.file_contents import Content, content_of
from dashboard.rules.file_dangers import WORDS, danger_in
from dashboard.rules.file_sizes import size_in_words

LARGEST_UPLOAD = 10_000_000


class RefusalKind(StrEnum):
    """Why a file is not taken."""

    TOO_LARGE = "too_large"
    EMPTY = "empty"
    TYPE_NOT_ACCEPTED = "type_not_accepted"
    CONTENT_MISMATCH = "content_mismatch"
    DANGEROUS = "dangerous"


@dataclass(frozen=True, slots=True)
class AcceptedFile:
    """A file that may go on: its real extension (no dot, lower case), MIME type and bytes."""

    extension: str
    mime_type: str
    size: int


@dataclass(frozen=True, slots=True)
class UploadRefusal:
    """A file that may not: what is wrong in a sentence, and what the person can do."""

    kind: RefusalKind
    sentence: str
    fix: str


@dataclass(frozen=True, slots=True)
class _Type:
    mime_type: str
    contents: frozenset[Content]


def _type(mime_type: str, *contents: Content) -> _Type:
    return _Type(mime_type, frozenset(contents))


_OPEN_XML = "application/vnd.openxmlformats-officedocument"
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument"
_ZIPS = (
    Content.ZIP,
    Content.DOCX,
    Content.XLSX,
    Content.PPTX,
    Content.ODT,
    Content.ODS,
    Content.ODF,
    Content.IWORK,
)

_TYPES = {
    "7z": _type("application/x-7z-compressed", Content.SEVEN_ZIP),
    "bmp": _type("image/bmp", Content.BMP),
    "csv": _type("text/csv", Content.TEXT, Content.EMAIL),
    "doc": _type("application/msword", Content.DOC),
    "docx": _type(f"{_OPEN_XML}.wordprocessingml.document", Content.DOCX),
    "eml": _type("message/rfc822", Content.EMAIL),
    "gif": _type("image/gif", Content.GIF),
    "jpeg": _type("image/jpeg", Content.JPEG),
    "jpg": _type("image/jpeg", Content.JPEG),
    "key": _type("application/vnd.apple.keynote", Content.IWORK),
    "keynote": _type("application/vnd.apple.keynote", Content.IWORK),
    "msg": _type("application/vnd.ms-outlook", Content.MSG),
    "numbers": _type("application/vnd.apple.numbers", Content.IWORK),
    "odf": _type(f"{_OPEN_DOCUMENT}.formula", Content.ODF),
    "ods": _type(f"{_OPEN_DOCUMENT}.spreadsheet", Content.ODS),
    "odt": _type(f"{_OPEN_DOCUMENT}.text", Content.ODT),
    "pages": _type("application/vnd.apple.pages", Content.IWORK),
    "pdf": _type("application/pdf", Content.PDF),
    "png": _type("image/png", Content.PNG),
    "ppt": _type("application/vnd.ms-powerpoint", Content.PPT),
    "pptx": _type(f"{_OPEN_XML}.presentationml.presentation", Content.PPTX),
    "rar": _type("application/vnd.rar", Content.RAR),
    "rtf": _type("application/rtf", Content.RTF),
    "tif": _type("image/tiff", Content.TIFF),
    "tiff": _type("image/tiff", Content.TIFF),
    "txt": _type("text/plain", Content.TEXT, Content.EMAIL),
    "xls": _type("application/vnd.ms-excel", Content.XLS),
    "xlsx": _type(f"{_OPEN_XML}.spreadsheetml.sheet", Content.XLSX),
    "zip": _type("application/zip", *_ZIPS),
    "zipx": _type("application/zip", *_ZIPS),
}

ACCEPTED_EXTENSIONS = frozenset(_TYPES)
"""The extensions that Xero takes, without dots."""

_PICTURES = frozenset(
    {"heic", "heif", "webp", "avif", "svg", "psd", "ico", "jfif", "jxl", "raw", "dng"}
)


def check(file_name: str, content: BinaryIO) -> AcceptedFile | UploadRefusal:
    """Return the file's true type and size, or the refusal with its sentence and fix.

    `content` must be seekable; at most its first 10 MB are looked at, and it is left at its
    start. The extension of the result is the one in `file_name`, proven by the content.
    """
    size = content.seek(0, 2)
    content.seek(0)
    if size == 0:
        return _empty()
    if size > LARGEST_UPLOAD:
        return _too_large(size)
    extension = extension_of(file_name)
    wanted = _TYPES.get(extension)
    if wanted is None:
        return _type_not_accepted(extension)
    found = content_of(content)
    if not wanted.contents & found.contents:
        content.seek(0)
        return _content_mismatch(extension, found.words, locked=found.is_locked)
    danger = danger_in(content, found.contents)
    content.seek(0)
    if danger is not None:
        words = WORDS[danger]
        return UploadRefusal(RefusalKind.DANGEROUS, words.sentence, words.fix)
    return AcceptedFile(extension, wanted.mime_type, size)


def extension_of(file_name: str) -> str:
    """Return the extension of a file name in lower case without its dot; empty if it has none."""
    return PurePosixPath(file_name.strip().replace("\\", "/")).suffix.lstrip(".").strip().lower()


def _empty() -> UploadRefusal:
    return UploadRefusal(
        RefusalKind.EMPTY, "This file is empty.", "Replace it with the right file."
    )


def _too_large(size: int) -> UploadRefusal:
    return UploadRefusal(
        RefusalKind.TOO_LARGE,
        f"This file is {size_in_words(size)}. Xero takes up to {size_in_words(LARGEST_UPLOAD)}.",
        "Replace it with a smaller file.",
    )


def _type_not_accepted(extension: str) -> UploadRefusal:
    if not extension:
        return UploadRefusal(
            RefusalKind.TYPE_NOT_ACCEPTED,
            "This file’s name has no ending such as .pdf, so Xero does not take it.",
            "Add the right ending to its name and upload it again.",
        )
    target = "PDF or JPEG" if extension in _PICTURES else "PDF"
    return UploadRefusal(
        RefusalKind.TYPE_NOT_ACCEPTED,
        f"Xero does not take .{extension[:20]} files.",
        f"Convert it to {target}.",
    )


def _content_mismatch(extension: str, words: str, *, locked: bool) -> UploadRefusal:
    sentence = f"This file is called .{extension} but is {words}, so Xero could not show it."
    if locked:
        fix = "Save it without a password and upload it again."
    else:
        fix = "Give it its right ending, or save it again in the right format."
    return UploadRefusal(RefusalKind.CONTENT_MISMATCH, sentence, fix)
