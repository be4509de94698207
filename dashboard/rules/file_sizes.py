"""File sizes as people read them."""

from __future__ import annotations

_KILO = 1000
_TENTHS_BELOW = 10


def size_in_words(size: int) -> str:
    """Return `size` bytes as a person reads it: "812 bytes", "24 kB", "2.4 MB", "31 MB".

    Decimal units, because Xero's limits are decimal; rounded up, so that a file just over a limit
    never reads as if it were within it.
    """
    if size < _KILO:
        return "1 byte" if size == 1 else f"{size} bytes"
    unit, scale = ("kB", _KILO) if size < _KILO * _KILO else ("MB", _KILO * _KILO)
    if size >= scale * _TENTHS_BELOW:
        return f"{-(-size // scale)} {unit}"
    whole, tenth = divmod(-(-size * 10 // scale), 10)
    return f"{whole}.{tenth} {unit}" if tenth else f"{whole} {unit}"
