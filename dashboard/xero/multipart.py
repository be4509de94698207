"""The body of an upload: one part, the same bytes each time it is sent with the same key."""

from __future__ import annotations

import hashlib
import io
import shutil
from dataclasses import dataclass, field
from typing import BinaryIO

from urllib3.fields import RequestField

_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart body and its `Content-Type`."""

    body: bytes = field(repr=False)
    content_type: str


def upload_body(
    name: str, mime_type: str, content: BinaryIO | bytes, size: int, idempotency_key: str
) -> Upload:
    """Return *content* as the one part of a multipart body, held in memory once.

    Xero remembers a request by its key together with its body, so the boundary comes from the key:
    a random one would make a repeated upload look like another request. Field name and file name
    are both the final name, as in https://developer.xero.com/documentation/api/files/files ("POST
    Files").

    Raises ValueError for a name outside printable ASCII (how Xero reads those is not documented)
    and for content that does not have *size* bytes.
    """
    _refuse_odd_name(name)
    boundary = f"chase-{hashlib.sha256(idempotency_key.encode()).hexdigest()[:40]}"
    part = RequestField(name=name, data=b"", filename=name)
    part.make_multipart(content_type=mime_type)
    body = io.BytesIO()
    body.write(f"--{boundary}\r\n{part.render_headers()}".encode("ascii"))
    before = body.tell()
    _copy(content, body)
    copied = body.tell() - before
    if copied != size:
        raise ValueError(f"The file has {copied} bytes, not {size}.")
    body.write(f"\r\n--{boundary}--\r\n".encode("ascii"))
    return Upload(body.getvalue(), f"multipart/form-data; boundary={boundary}")


def _copy(content: BinaryIO | bytes, body: io.BytesIO) -> None:
    if isinstance(content, bytes):
        body.write(content)
    else:
        shutil.copyfileobj(content, body, _CHUNK)


def _refuse_odd_name(name: str) -> None:
    if not name or not name.isascii() or not name.isprintable() or set(name) & set('"\\/'):
        raise ValueError("A file name for Xero is printable ASCII without quotes or slashes.")
