"""Finds words that do not fit the number before them: "1 documents", "2 document needs"."""

from __future__ import annotations

import re
from html import unescape

NOUNS = (
    *("alert", "attempt", "call", "change", "check", "client", "contact", "day", "document"),
    *("email", "field", "file", "group", "hour", "import", "line", "link", "look", "minute"),
    *("organisation", "person", "problem", "row", "run", "second", "tag", "time", "worker"),
)
MANY = "|".join("people" if noun == "person" else f"{noun}s" for noun in NOUNS)
ONE = "|".join(NOUNS)
# Verbs and pronouns that go with many, and with one.
OF_MANY = "need|are|were|have|match|wait|get|differ|on their|left as they"
OF_ONE = "needs|is|was|has|matches|waits|gets|differs|on its|left as it is"
NUMBER = r"(?<![\d,.:/-])(?:0|[2-9]|[1-9][\d,]*\d)"
SINGLE = r"(?<![\d,.:/-])(?<!of )(?<!to )1"
ADJECTIVE = r"(?:(?:new|waiting|skipped|more|other|full) )?"
WRONG = (
    re.compile(rf"{SINGLE} {ADJECTIVE}(?:{MANY})\b"),
    re.compile(rf"{SINGLE} {ADJECTIVE}(?:(?:{ONE}) )?(?:{OF_MANY})\b"),
    re.compile(rf"{NUMBER} {ADJECTIVE}(?:{ONE})\b(?! (?:{MANY})\b)"),
    re.compile(rf"{NUMBER} {ADJECTIVE}(?:(?:{MANY}) )?(?:{OF_ONE})\b"),
)
SPOKEN_PARTS = re.compile(r"</?(?:strong|bdi|span|b|em|a)\b[^>]*>")
UNSEEN = re.compile(r"<(script|style|head|template)\b.*?</\1>", re.DOTALL)


def words_of(html: str) -> str:
    """Return what a page says, as one line."""
    seen = SPOKEN_PARTS.sub("", UNSEEN.sub(" ", html))
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " | ", seen)))


def misfits(text: str) -> list[str]:
    """Return the passages in which number and words do not fit."""
    return [text[found.start() : found.end() + 20] for one in WRONG for found in one.finditer(text)]
