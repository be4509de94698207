"""What a consent that came to nothing is told in, and whether the operator must know."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

DENIED = "access_denied"
CLOCKS_MAY_DIFFER = timedelta(seconds=5)
# Words that say our app itself is wrong: nobody in a practice can mend that.
APP_WORDS = frozenset(
    {"unauthorized_client", "invalid_client", "invalid_scope", "unsupported_response_type"}
)
# Xero's pages do not name one code for it, so that its words are looked at as well.
# https://developer.xero.com/documentation/best-practices/api-call-efficiencies/rate-limits
_LIMIT = re.compile(r"\b(limit|maximum|too[ _]many|exceed\w*)\b", re.IGNORECASE)
_WHAT = re.compile(r"connect|organi[sz]ation|tenant|\bapps?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ConsentSentence:
    """What happened, what to do, and whether the operator of this installation must act."""

    text: str
    fix: str = ""
    is_for_operator: bool = False


CANCELLED = ConsentSentence("You did not give access. Nothing has changed.", "Try again.")
TOO_OLD = ConsentSentence("That connection attempt was too old to accept.", "Start again.")
NO_ORGANISATION = ConsentSentence(
    "Xero did not tell us which organisation to use.", "Start again and choose one."
)
NOT_FINISHED = ConsentSentence(
    "Xero did not finish the connection. Nothing was saved.", "Try again."
)
LIMIT_REACHED = ConsentSentence(
    "Xero says this app cannot connect more organisations now. We have been told.",
    "Nothing to do on your side.",
    is_for_operator=True,
)
APP_REFUSED = ConsentSentence(
    "Xero does not accept this installation’s app. Nothing was saved. We have been told.",
    "Nothing to do on your side.",
    is_for_operator=True,
)


def refusal_sentence(error: str, description: str = "") -> ConsentSentence:
    """Return what to say about the `error` that Xero sent back instead of a code, or answered.

    The codes are those of https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1. A limit is looked
    for first: Xero may also name it in the description of another code.
    """
    if speaks_of_app_limit(f"{error} {description}"):
        return LIMIT_REACHED
    if error == DENIED:
        return CANCELLED
    return APP_REFUSED if error in APP_WORDS else NOT_FINISHED


def speaks_of_app_limit(words: str) -> bool:
    """Tell whether Xero says that the app may not connect more organisations."""
    spaced = words.replace("_", " ")
    return bool(_LIMIT.search(spaced) and _WHAT.search(spaced))


def clocks_differ(ours: datetime, xeros: datetime) -> bool:
    """Tell whether the two clocks are further apart than a proof of identity allows."""
    return abs(ours - xeros) > CLOCKS_MAY_DIFFER


def clock_sentence(ours: datetime, xeros: datetime) -> ConsentSentence:
    """Return what to say when the proof of identity failed because this machine's clock is off."""
    return ConsentSentence(
        f"This installation’s clock is off: it says {_moment(ours)}, Xero says {_moment(xeros)}."
        " Nothing was saved.",
        "Try again when the clock is right.",
        is_for_operator=True,
    )


def _moment(moment: datetime) -> str:
    # Whoever sets a clock thinks in UTC, and a practice's zone would hide the difference of a day.
    return f"{moment.astimezone(UTC):%d %b %Y, %H:%M:%S} UTC"
