"""The ways in which Xero writes and reads a moment."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS = re.compile(r"^/Date\((-?\d+)([+-]\d{4})?\)/$")
_LONG_FRACTION = re.compile(r"(\.\d{6})\d+")


def moment(value: object) -> datetime | None:
    """Return what Xero wrote as an aware UTC datetime, or None when it wrote nothing readable.

    Accepts `/Date(1488391422280+0000)/` (the number is UTC milliseconds, its offset only
    information: https://developer.xero.com/documentation/api/accounting/requests-and-responses)
    and ISO 8601 with up to seven fractional digits, with or without a zone; without one it is UTC.
    """
    if not isinstance(value, str) or not value:
        return None
    if value.startswith("/Date("):
        return _from_milliseconds(value)
    try:
        parsed = datetime.fromisoformat(_LONG_FRACTION.sub(r"\1", value))
    except ValueError:
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _from_milliseconds(value: str) -> datetime | None:
    match = _MILLISECONDS.match(value)
    if match is None:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=int(match[1]))
    except OverflowError:
        return None


def header_moment(value: str | None) -> datetime | None:
    """Return the moment of an HTTP `Date` header, or None when there is none to read."""
    if not value:
        return None
    try:
        return parsedate_to_datetime(value).astimezone(UTC)
    except ValueError:
        return None


def modified_since(value: datetime) -> str:
    """Return `If-Modified-Since` as documented: UTC, whole seconds, no zone.

    Source: https://developer.xero.com/documentation/api/accounting/contacts ("Modified After").
    """
    if value.tzinfo is None:
        raise ValueError("A moment without a zone cannot be sent to Xero.")
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
