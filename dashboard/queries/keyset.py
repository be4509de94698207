"""Cursors of lists: where a page ended, as plain values that a view wraps and hands back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

Cursor = dict[str, Any]


class UnknownCursor(ValueError):
    """A cursor that no list of ours has made; the message is a sentence for people."""

    def __init__(self) -> None:
        super().__init__("This place in the list does not exist. Start again from the first page.")


def after_name(cursor: Cursor) -> tuple[str, UUID]:
    """Return the sort name and id of the last row seen."""
    try:
        name, row_id = cursor["name"], UUID(cursor["id"])
    except (KeyError, ValueError, TypeError, AttributeError) as unknown:
        raise UnknownCursor from unknown
    if not isinstance(name, str):
        raise UnknownCursor
    return name, row_id


def before_moment(cursor: Cursor) -> tuple[datetime, UUID]:
    """Return the moment and id of the last row seen in a list of the newest first."""
    try:
        moment, row_id = datetime.fromisoformat(cursor["at"]), UUID(cursor["id"])
        if moment.tzinfo is None:
            raise UnknownCursor
        return moment.astimezone(UTC), row_id
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as unknown:
        raise UnknownCursor from unknown


def after_number(cursor: Cursor) -> int:
    """Return the number of the last row seen."""
    number = cursor.get("number")
    if not isinstance(number, int) or isinstance(number, bool):
        raise UnknownCursor
    return number
