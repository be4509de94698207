"""How values read in our JSON, and the JSON that was sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from flask import request

from dashboard.services.refusals import InvalidInput


def iso(moment: datetime | None) -> str | None:
    """Return *moment* as ISO 8601 in UTC with a `Z`, or None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def json_body() -> dict[str, Any]:
    """Return the JSON object that was sent."""
    body = decoded(request.get_data()) if request.is_json else None
    if not isinstance(body, dict):
        raise InvalidInput("Send a JSON object.", "Set Content-Type to application/json.")
    return body


def decoded(text: bytes) -> Any:
    """Return the value of the JSON *text*, None when it cannot be read.

    Strict where Python's own reader is not: half a surrogate pair, which no database stores, and
    NaN are no JSON.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
