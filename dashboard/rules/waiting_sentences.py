"""Why we wait before Xero is asked again: one sentence for each reason, for every page and line.

Reasons are the words of `dashboard.xero.WaitReason`, of Xero's own 429, and the few below.
"""

from __future__ import annotations

DAY = "day"
LIMITER_UNAVAILABLE = "limiter-unavailable"
NO_ANSWER = "no-answer"
NOT_REACHED = "not-reached"

ASKED = "Xero asked us to slow down."
NOT_COUNTED = "We cannot count our calls to Xero right now, so we make none."

_ASKED_BY_XERO = frozenset({"minute", "concurrent", "app-minute", "unknown", "blocked"})
_SENTENCES = {
    DAY: "Xero’s daily limit for this organisation is used up.",
    LIMITER_UNAVAILABLE: NOT_COUNTED,
    NO_ANSWER: "Xero did not answer.",
    NOT_REACHED: "We could not reach Xero.",
}


def wait_sentence(reason: str | None) -> str:
    """Return why nothing is asked of Xero now; reasons that tell people nothing are a pause."""
    if reason is None or reason in _ASKED_BY_XERO:
        return ASKED
    return _SENTENCES.get(reason, "We pause before we ask Xero again.")
