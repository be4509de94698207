"""Is this contact one of our clients? The door to the duplicate detector.

Pure functions on values: build a `ClientIndex` once, match any number of contacts against it.
Nothing doubtful is ever linked by this: `exact` only preselects what a person confirms.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace
from math import log

from dashboard.rules.matching.candidates import ClientIndex, shared_values, shown_name
from dashboard.rules.matching.collector import collector_off
from dashboard.rules.matching.evidence import Crowd, Evidence, weigh
from dashboard.rules.matching.levels import (
    EXACT,
    POSSIBLE,
    may_be_exact,
    probability,
    score,
    shared_probabilities,
)
from dashboard.rules.matching.profile import Profile
from dashboard.rules.matching.reasons import reasons
from dashboard.rules.matching.records import (
    Candidate,
    MatchAddress,
    MatchCode,
    MatchRecord,
    MatchResult,
    Pair,
    Reason,
)

__all__ = [
    "EXACT",
    "POSSIBLE",
    "Candidate",
    "ClientIndex",
    "MatchAddress",
    "MatchRecord",
    "MatchResult",
    "Pair",
    "Reason",
    "duplicates_in",
    "duplicates_within",
    "match_contacts",
    "match_profiles",
]

_MOST_CANDIDATES = 5
_MOST_ALIKE = 4
_NEAR_TOTAL = 1.5
_WORTH_KEEPING = -3.0
# Two records of one list are the same body less often than a contact is a client.
_WITHIN_PRIOR = -log(5.0)

_ALREADY_LINKED = Reason("Already linked to another Xero contact", "against", -1.0)


def match_contacts(
    contacts: Iterable[MatchRecord],
    index: ClientIndex,
    *,
    taken: Collection[str] = frozenset(),
    not_a_match: Collection[tuple[str, str]] = frozenset(),
) -> dict[str, MatchResult]:
    """Return for each contact's key whether it is a client, and which, with reasons.

    `taken`: keys of clients that are linked to another contact; they are shown, as a clash, and
    never preselected. `not_a_match`: pairs of contact key and client key that a person refused;
    they are never suggested again. Contacts that aim at one client become clashes.
    """
    with collector_off():
        profiles = [index.profile(record) for record in contacts]
        return match_profiles(profiles, index, taken=taken, not_a_match=not_a_match)


def match_profiles(
    contacts: Collection[Profile],
    index: ClientIndex,
    *,
    taken: Collection[str] = frozenset(),
    not_a_match: Collection[tuple[str, str]] = frozenset(),
    around: Collection[Profile] = (),
) -> dict[str, MatchResult]:
    """Return what `match_contacts` does, for contacts whose profiles are made already.

    `around`: other contacts, which are not matched but may hold the same values.
    """
    with collector_off():
        crowd = _crowd([*contacts, *around], index)
        found = {each.key: _match(each, index, crowd, taken, not_a_match) for each in contacts}
    return _with_clashes(found)


def _match(
    contact: Profile,
    index: ClientIndex,
    crowd: Crowd,
    taken: Collection[str],
    not_a_match: Collection[tuple[str, str]],
) -> MatchResult:
    weighed = []
    for at in index.candidates(contact):
        client = index.profiles[at]
        if (contact.key, client.key) in not_a_match:
            continue
        evidence = weigh(contact, client, index, crowd)
        if evidence.total > _WORTH_KEEPING:
            weighed.append((client, evidence))
    weighed.sort(key=lambda each: (-each[1].total, index.position[each[0].key]))
    candidates = _candidates(contact, weighed, index, taken)
    return MatchResult(_word(candidates, taken), candidates)


def _candidates(
    contact: Profile,
    weighed: list[tuple[Profile, Evidence]],
    index: ClientIndex,
    taken: Collection[str],
) -> tuple[Candidate, ...]:
    chances = shared_probabilities([evidence.total for _, evidence in weighed])
    near = [evidence for _, evidence in weighed if _is_near(evidence, weighed[0][1])]
    # Several clients that fit equally well: none is likely, but one of them is.
    alike = 1 < len(near) <= _MOST_ALIKE
    found: list[Candidate] = []
    for (client, evidence), chance in zip(weighed, chances, strict=True):
        exact = client.key not in taken and may_be_exact(evidence, _bearers(evidence, index))
        points = score(chance, may_be_exact=exact)
        if (found or alike) and _is_near(evidence, weighed[0][1]):
            points = max(points, POSSIBLE)
        if points < POSSIBLE or len(found) == _MOST_CANDIDATES:
            break
        why = reasons(contact, client, evidence)
        if client.key in taken:
            why = (*why, _ALREADY_LINKED)
        found.append(Candidate(client.key, points, why))
    return tuple(found)


def _bearers(evidence: Evidence, index: ClientIndex) -> int:
    return index.bearers[evidence.pairing[1].sorted_joined] if evidence.pairing else 0


def _is_near(evidence: Evidence, best: Evidence) -> bool:
    return evidence.total >= best.total - _NEAR_TOTAL and probability(evidence.total) >= POSSIBLE


def _word(candidates: tuple[Candidate, ...], taken: Collection[str]) -> MatchCode:
    if not candidates:
        return "new"
    if len(candidates) > 1 or candidates[0].client_key in taken:
        return "clash"
    return "exact" if candidates[0].score >= EXACT else "possible"


def _with_clashes(found: dict[str, MatchResult]) -> dict[str, MatchResult]:
    """Make a clash of contacts that aim at one client; a lone exact one among them stands."""
    aiming: defaultdict[str, list[str]] = defaultdict(list)
    for key, result in found.items():
        if result.candidates:
            aiming[result.candidates[0].client_key].append(key)
    for keys in aiming.values():
        if len(keys) == 1:
            continue
        exact = [key for key in keys if found[key].word == "exact"]
        for key in keys:
            if exact != [key]:
                found[key] = replace(found[key], word="clash")
    return found


def duplicates_within(contacts: Iterable[MatchRecord]) -> list[Pair]:
    """Return the pairs of one list that may be the same body, best first, each with reasons."""
    with collector_off():
        return duplicates_in(ClientIndex.build(contacts))


def duplicates_in(index: ClientIndex, of: Collection[str] | None = None) -> list[Pair]:
    """Return the pairs within an index that may be the same body, best first, with reasons.

    `of`: only pairs with one of these keys.
    """
    found: list[Pair] = []
    with collector_off():
        for at, profile in enumerate(index.profiles):
            if of is not None and profile.key not in of:
                continue
            for other in index.candidates(profile):
                theirs = index.profiles[other]
                # A pair is met from both sides, or from the one that is asked for.
                if other > at or (other < at and of is not None and theirs.key not in of):
                    pair = _pair(min(at, other), max(at, other), index)
                    if pair is not None:
                        found.append(pair)
    found.sort(key=lambda pair: -pair.score)
    return found


def _pair(first_at: int, second_at: int, index: ClientIndex) -> Pair | None:
    first, second = index.profiles[first_at], index.profiles[second_at]
    evidence = weigh(first, second, index, index.holders, own=1)
    exact = may_be_exact(evidence, _bearers(evidence, index) - 1)
    points = score(probability(evidence.total + _WITHIN_PRIOR), may_be_exact=exact)
    if points < POSSIBLE:
        return None
    return Pair(first.key, second.key, points, reasons(first, second, evidence))


def _crowd(contacts: list[Profile], index: ClientIndex) -> Crowd:
    """Return how many differently named clients, or contacts of this batch, hold a value."""
    names: dict[str, str | set[str]] = {}
    for contact in contacts:
        shown = shown_name(contact)
        for value in shared_values(contact):
            known = names.setdefault(value, shown)
            if isinstance(known, set):
                known.add(shown)
            elif known != shown:
                names[value] = {known, shown}

    def holders(value: str) -> int:
        known = names.get(value, "")
        here = len(known) if isinstance(known, set) else 1
        return max(here, index.holders(value))

    return holders
