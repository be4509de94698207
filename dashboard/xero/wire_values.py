"""Xero's JSON as typed values, though it is sometimes of another type than documented.

Numbers and truths may come as text (`"Size": "12357"`), texts as numbers, anything as null, blank
or not at all. The common case is decoded straight into its type; only an answer that does not fit
is taken apart and put right.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class WireDecoder(Generic[T]):
    """Decodes JSON into a type whose scalars may all be None.

    Raises `msgspec.DecodeError`, or its child `msgspec.ValidationError` for a shape that no
    reading can make fit.
    """

    def __init__(self, wanted: type[T]) -> None:
        self._wanted = wanted
        self._decoder = msgspec.json.Decoder(wanted)

    def decode(self, body: bytes) -> T:
        """Return the value in *body*."""
        try:
            return self._decoder.decode(body)
        except msgspec.ValidationError:
            loose = _as_text(msgspec.json.decode(body))
            return msgspec.convert(loose, self._wanted, strict=False)


def _as_text(value: Any) -> Any:
    """Return *value* with each scalar as text and each blank as None, to be read once more."""
    if isinstance(value, dict):
        return {key: _as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    if value is None or isinstance(value, str):
        return text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def text(value: str | None) -> str | None:
    """Return *value* without spaces around it, None when it says nothing."""
    return (value.strip() or None) if value else None
