"""The date forms that Xero writes and reads.

https://developer.xero.com/documentation/api/accounting/requests-and-responses: Accounting writes
Microsoft JSON dates; Files and /connections write ISO 8601 with seven digits and no zone.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_ISO = re.compile(
    r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.\d{1,7})?(Z|[+-]\d{2}:?\d{2})?", re.ASCII
)


def milliseconds(moment: datetime) -> int:
    """Return *moment* as whole milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


def microsoft_date(moment: datetime, *, with_offset: bool = True) -> str:
    """Return `/Date(1488391422280+0000)/`; the envelope's own date has no offset."""
    return f"/Date({milliseconds(moment)}{'+0000' if with_offset else ''})/"


def iso_seven_digits(moment: datetime) -> str:
    """Return `2021-02-10T23:17:50.1930000`: UTC, seven digits, no zone."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0"


def parse_modified_since(text: str) -> datetime | None:
    """Return the moment of an If-Modified-Since header, or None when it is no date.

    ISO 8601 (UTC unless it says otherwise) and RFC 1123 are read; `/Date(…)/` is not.
    """
    if found := _ISO.fullmatch(text.strip()):
        zone = (found[2] or "Z").replace("Z", "+00:00")
        try:
            return datetime.fromisoformat(found[1] + zone)
        except ValueError:
            return None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
