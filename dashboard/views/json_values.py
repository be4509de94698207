"""How values read in our JSON, and the JSON that was sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import request

from dashboard.services.refusals import InvalidInput


def iso(moment: datetime | None) -> str | None:
    """Return *moment* as ISO 8601 in UTC with a `Z`, or None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def json_body() -> dict[str, Any]:
    """Return the JSON object that was sent."""
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise InvalidInput("Send a JSON object.", "Set Content-Type to application/json.")
    return body
