"""Texts of contacts as we store and compare them: cleaned to fit, folded to be found."""

from __future__ import annotations

import unicodedata

TEXT_MAX = 255


def cleaned(text: str | None, limit: int = TEXT_MAX) -> str | None:
    """Return the text trimmed and cut to *limit* characters, or None if nothing is left.

    NUL is dropped because PostgreSQL cannot store it.
    """
    if not text:
        return None
    return text.replace("\x00", "").strip()[:limit].rstrip() or None


def folded(text: str) -> str:
    """Return the text as it is searched and sorted by: without case, accents or double spaces."""
    if text.isascii():
        return " ".join(text.lower().replace("\x00", "").split())
    plain = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return " ".join(letters.replace("\x00", "").split())


def sort_name(name: str) -> str:
    """Return what a list is sorted by; folding may make a name longer, so it is cut again."""
    return folded(name)[:TEXT_MAX]


def search_text(*parts: str | None) -> str:
    """Return the parts folded, one a line, so that no search finds across two of them."""
    return "\n".join(folded(part) for part in parts if part)
