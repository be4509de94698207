"""Turn points into a level: exact, possible, or nothing worth a question."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp

from dashboard.rules.matching.evidence import Evidence

EXACT = 0.9
POSSIBLE = 0.5

# Where the generated lists put the levels: probability that the pair is one body.
_ASK_FROM = 0.48
_EXACT_FROM = 0.987
_HIGHEST_ASKED = 0.89
_LARGEST_TOTAL = 30.0


def shared_probabilities(totals: Sequence[float]) -> list[float]:
    """Return each candidate's probability, given that at most one of them is right.

    A near second candidate so takes certainty away from the first.
    """
    odds = [exp(min(total, _LARGEST_TOTAL)) for total in totals]
    whole = 1.0 + sum(odds)
    return [each / whole for each in odds]


def probability(total: float) -> float:
    """Return a pair's own probability, whatever else there is."""
    return 1.0 / (1.0 + exp(-max(-_LARGEST_TOTAL, min(total, _LARGEST_TOTAL))))


def score(chance: float, *, may_be_exact: bool) -> float:
    """Return the score of a probability: 0.5 and more asks, 0.9 and more is exact."""
    if chance < _ASK_FROM:
        return POSSIBLE * chance / _ASK_FROM
    if chance < _EXACT_FROM:
        share = (chance - _ASK_FROM) / (_EXACT_FROM - _ASK_FROM)
        return POSSIBLE + (_HIGHEST_ASKED - POSSIBLE) * share
    if not may_be_exact:
        return _HIGHEST_ASKED
    return EXACT + (1.0 - EXACT) * (chance - _EXACT_FROM) / (1.0 - _EXACT_FROM)


def may_be_exact(evidence: Evidence, bearers: int) -> bool:
    """Return whether the link may be made unasked, points apart.

    Not where something contradicts, not on a shared value alone, and on a name alone only where
    it is identical and no other client bears it.
    """
    if evidence.conflicts or evidence.names.agreement not in {"strong", "partial"}:
        return False
    if evidence.shares:
        return True
    return evidence.names.identical and bearers <= 1
