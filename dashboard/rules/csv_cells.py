"""Cells of a CSV file that a spreadsheet will not take for a formula."""

from __future__ import annotations

# https://owasp.org/www-community/attacks/CSV_Injection
STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def cell(value: object) -> str:
    """Return a value as a cell; text that would start a formula gets an apostrophe before it."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(STARTS_A_FORMULA) else text
