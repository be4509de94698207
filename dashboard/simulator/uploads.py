"""Reads an upload's multipart body in the four shapes that real clients send.

One part with a file name (the documentation's example, the Python SDK, pyxero), or text fields
`name`, `filename` and `mimeType` beside the bytes (the Node and .NET SDKs).
"""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass, field

from flask import Request
from werkzeug.datastructures import Headers
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

EXTENSIONS = frozenset(
    [
        "7z",
        "bmp",
        "csv",
        "doc",
        "docx",
        "eml",
        "gif",
        "jpeg",
        "jpg",
        "key",
        "keynote",
        "msg",
        "numbers",
        "odf",
        "ods",
        "odt",
        "pages",
        "pdf",
        "png",
        "ppt",
        "pptx",
        "rar",
        "rtf",
        "tif",
        "tiff",
        "txt",
        "xls",
        "xlsx",
        "zip",
        "zipx",
        "xzip",
    ]
)
"""What Xero Files takes; heic, webp, xml, html, svg, exe and js are not in it."""

BAD_CHARACTERS = frozenset('<>:"/\\|?*') | {chr(code) for code in range(32)}


class BadUpload(Exception):
    """The body is not one file."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One file as it arrived."""

    name: str
    mime_type: str
    content: bytes


@dataclass
class _Part:
    name: str
    file_name: str | None
    mime_type: str
    content: bytearray = field(default_factory=bytearray)

    @property
    def holds_bytes(self) -> bool:
        """Whether this part is the file rather than a text beside it."""
        return self.file_name is not None or self.name == "body"


def read_upload(request: Request) -> Upload:
    """Return the one file of a request; BadUpload when there is none, or more than one."""
    parts = _parts(request)
    texts = {
        part.name: part.content.decode("utf-8", "replace") for part in parts if not part.holds_bytes
    }
    files = [part for part in parts if part.holds_bytes]
    if not files:
        # Word for word what Xero says.
        raise BadUpload("No file is was attached")
    if len(files) > 1:
        raise BadUpload("Only one file can be uploaded at a time")
    [file] = files
    name = texts.get("name") or file.file_name or texts.get("filename") or ""
    guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
    mime_type = file.mime_type or texts.get("mimeType") or guessed
    return Upload(name, mime_type, bytes(file.content))


def _parts(request: Request) -> list[_Part]:
    mime_type, options = parse_options_header(request.headers.get("Content-Type"))
    if mime_type != "multipart/form-data" or not options.get("boundary"):
        return []
    decoder = MultipartDecoder(options["boundary"].encode("latin-1"))
    decoder.receive_data(request.get_data())
    decoder.receive_data(None)
    parts: list[_Part] = []
    try:
        while not isinstance(event := decoder.next_event(), Epilogue | NeedData):
            if isinstance(event, Field | File):
                parts.append(_part(event))
            elif isinstance(event, Data):
                parts[-1].content += event.data
    except ValueError:
        return []
    return parts


def _part(event: Field | File) -> _Part:
    return _Part(event.name, _plain_file_name(event.headers), _mime_type_of(event.headers))


def _plain_file_name(headers: Headers) -> str | None:
    """Return the part's file name, unless it comes as `filename*=` only.

    Nothing is known about Xero reading RFC 2231 names. Ignoring them is the stricter guess.
    """
    disposition = headers.get("Content-Disposition", "")
    if "filename*" in disposition.lower():
        return None
    return parse_options_header(disposition)[1].get("filename")


def _mime_type_of(headers: Headers) -> str:
    return parse_options_header(headers.get("Content-Type"))[0]


def extension_of(name: str) -> str:
    """Return what stands after the last dot, in small letters; nothing when there is no dot."""
    return name.rpartition(".")[2].lower() if "." in name else ""


def has_bad_characters(name: str) -> bool:
    """Whether Xero would refuse this as the name of a file or a folder."""
    return bool(BAD_CHARACTERS & set(name))
