"""Cursor paging: `limit` and `cursor` of every list."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from flask import request

from dashboard.services.refusals import InvalidInput
from dashboard.views import guards
from dashboard.views.json_values import decoded

MAXIMUM = 500


@dataclass(frozen=True, slots=True)
class PageArgs:
    """How many rows are wanted, and after which one."""

    limit: int
    cursor: dict[str, Any] | None


def page_args(default: int = 50, maximum: int = MAXIMUM) -> PageArgs:
    """Return the request's `limit` and `cursor`; a broken one is refused in a sentence."""
    return PageArgs(_limit(default, maximum), _cursor(request.args.get("cursor", "")))


def encode_cursor(place: dict[str, Any] | None) -> str | None:
    """Return *place* as an opaque cursor, or None at the end."""
    if place is None:
        return None
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _limit(default: int, maximum: int) -> int:
    given = request.args.get("limit", "")
    if not given:
        return default
    # Ten digits are plenty, and int() refuses thousands of them or a superscript two.
    is_number = given.isascii() and given.isdigit() and len(given) <= 10  # noqa: PLR2004
    if not is_number or not 1 <= int(given) <= maximum:
        raise InvalidInput(f"limit is a whole number from 1 to {maximum}.", field="limit")
    return int(given)


def _cursor(given: str) -> dict[str, Any] | None:
    if not given:
        return None
    try:
        place = decoded(base64.urlsafe_b64decode(given + "=" * (-len(given) % 4)))
    except (ValueError, binascii.Error) as broken:
        raise _broken_cursor() from broken
    if not isinstance(place, dict) or any(guards.has_nul(value) for value in place.values()):
        raise _broken_cursor()
    return place


def _broken_cursor() -> InvalidInput:
    return InvalidInput("This cursor cannot be read.", "Start again without one.", field="cursor")
