"""Compare two names word by word, each word weighed by how rare it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rapidfuzz import fuzz
from rapidfuzz.distance import OSA

from dashboard.rules.matching import vocabulary as v
from dashboard.rules.matching.candidates import initials, skeleton
from dashboard.rules.matching.frequencies import Lexicon
from dashboard.rules.matching.names import TidyName
from dashboard.rules.matching.nicknames import RELATED
from dashboard.rules.matching.profile import Profile

Agreement = Literal["strong", "partial", "loose", "kin", "relative", "none", "people", "mixed"]
"""How well two names go together.

`loose`: firms that share a word, each with words of its own; `kin`: the same where those words
are trades or functions, as in a group; `relative`: people of one surname with different given
names. Nothing in common: `none` (firms), `people`, `mixed` (a person and a firm)."""
Relation = Literal[
    "equal",
    "nickname",
    "initial",
    "typo",
    "known_typo",
    "loose",
    "sound",
    "short",
    "part",
    "missing",
    "other",
]

_RARITY_SCALE = 5.0
_RAREST = 12.0
_COMMONEST = -3.0
_WEIGHT_SCALE = 8.0
_TYPO_LENGTH = 3
_LONG = 7
_ACRONYM_LENGTH = 3
_PART_LENGTH = 4
_SLIGHT = 3.0
_HALF = 0.5
_MOSTLY = 0.8
_TELLING = 3.0
_MOST_LEFT = 2.0


@dataclass(slots=True)
class NameFindings:
    """What two names have in common: findings for `points`, and the gist of them."""

    amounts: dict[str, float] = field(default_factory=dict)
    agreement: Agreement = "none"
    identical: bool = False
    relations: tuple[tuple[str, str, Relation], ...] = ()

    def add(self, name: str, amount: float = 1.0) -> None:
        """Note a finding; several of one name add up."""
        if amount:
            self.amounts[name] = self.amounts.get(name, 0.0) + amount


def word_relation(one: str, other: str, lexicon: Lexicon, own: int) -> Relation:
    """Return how two words may stand for each other; `own` is how often the first counts itself.

    A typing error mostly makes a word that nobody else has; where both words are known, they are
    two names.
    """
    if one == other:
        return "equal"
    if not one or not other:
        return "missing"
    if other in RELATED.get(one, ()):
        return "nickname"
    shorter, longer = (one, other) if len(one) <= len(other) else (other, one)
    if len(shorter) == 1:
        return "initial" if longer[0] == shorter else "other"
    relation = _spelling_relation(shorter, longer)
    if relation in {"typo", "loose"} and _both_known(one, other, lexicon, own):
        return "known_typo" if relation == "typo" else "other"
    return relation


def _both_known(one: str, other: str, lexicon: Lexicon, own: int) -> bool:
    if lexicon.seen[one] > own and lexicon.seen[other] > 1:
        return True
    return lexicon.is_given(one) and lexicon.is_given(other)


def _spelling_relation(shorter: str, longer: str) -> Relation:
    edits = OSA.distance(shorter, longer, score_cutoff=2)
    if edits == 1 and len(shorter) >= _TYPO_LENGTH and len(longer) > _TYPO_LENGTH:
        return "typo"
    if len(shorter) >= _TYPO_LENGTH and longer.startswith(shorter):
        return "short"
    if len(shorter) <= _TYPO_LENGTH:
        return "other"
    bones = skeleton(shorter)
    if len(bones) >= _TYPO_LENGTH and bones == skeleton(longer):
        return "sound"
    return "loose" if edits <= 2 else "other"  # noqa: PLR2004 - two edits


def rarity(weight: float, lexicon: Lexicon) -> float:
    """Return how unlikely it is that names sharing this much meet by chance, about -0.6 to 2.4."""
    return max(_COMMONEST, min(_RAREST, weight - lexicon.log_size)) / _RARITY_SCALE


@dataclass(slots=True)
class _Alignment:
    """The words of two names put side by side; what is left over on each side, by position."""

    matched: float = 0.0
    pairs: list[tuple[str, str, Relation]] = field(default_factory=list)
    left_one: list[str] = field(default_factory=list)
    left_other: list[str] = field(default_factory=list)


def _align(one: TidyName, other: TidyName, lexicon: Lexicon, own: int) -> _Alignment:
    found = _Alignment()
    left_other = list(zip(other.words, other.spelt, strict=True))
    left_one: list[tuple[str, str]] = []
    words = list(other.words)
    for word, spelt in zip(one.words, one.spelt, strict=True):
        if word not in words:
            left_one.append((word, spelt))
            continue
        at = words.index(word)
        del words[at]
        found.matched += lexicon.weight(word)
        found.pairs.append((spelt, left_other.pop(at)[1], "equal"))
    if left_one and left_other:
        left_one = _align_joined(left_one, left_other, found, lexicon)
    for both in left_one:
        best = _nearest(both, left_other, lexicon, own)
        if best is None:
            found.left_one.append(both[0])
            continue
        near, relation = best
        left_other.remove(near)
        found.pairs.append((both[1], near[1], relation))
        weight = min(lexicon.weight(both[0]), lexicon.weight(near[0]))
        found.matched += _MATCHED_SHARE.get(relation, _HALF) * weight
    found.left_other = [word for word, _ in left_other]
    return found


def _nearest(
    both: tuple[str, str], among: list[tuple[str, str]], lexicon: Lexicon, own: int
) -> tuple[tuple[str, str], Relation] | None:
    best: tuple[int, tuple[str, str], Relation] | None = None
    word = both[1]
    for other in among:
        if word[0] != other[1][0] and abs(len(word) - len(other[1])) > 1:
            continue
        relation = word_relation(word, other[1], lexicon, own)
        rank = _RANKS.get(relation, 0)
        if rank and (best is None or rank > best[0]):
            best = (rank, other, relation)
    return None if best is None else (best[1], best[2])


_MATCHED_SHARE: dict[Relation, float] = {
    "typo": 0.85, "nickname": 0.7, "sound": 0.8, "loose": 0.7,
}  # fmt: skip

_RANKS: dict[Relation, int] = {
    "typo": 7, "nickname": 6, "sound": 5, "loose": 4, "known_typo": 3, "short": 2, "initial": 1,
}  # fmt: skip


def _align_joined(
    left_one: list[tuple[str, str]],
    left_other: list[tuple[str, str]],
    found: _Alignment,
    lexicon: Lexicon,
) -> list[tuple[str, str]]:
    """Match "Blue Sky" with "Bluesky", in either direction."""
    joined = _joined_pair(left_one, left_other)
    if joined:
        parts, whole = joined
        left_other.remove(whole)
        left_one = [each for each in left_one if each not in parts]
    else:
        joined = _joined_pair(left_other, left_one)
        if not joined:
            return left_one
        parts, whole = joined
        left_one = [each for each in left_one if each != whole]
        for part in parts:
            left_other.remove(part)
    weight = max(lexicon.weight(whole[0]), sum(lexicon.weight(part[0]) for part in parts))
    found.matched += weight * _JOINED_SHARE
    found.pairs.append((" ".join(part[1] for part in parts), whole[1], "part"))
    return left_one


_JOINED_SHARE = 0.9


def _joined_pair(
    parts: list[tuple[str, str]], wholes: list[tuple[str, str]]
) -> tuple[tuple[tuple[str, str], tuple[str, str]], tuple[str, str]] | None:
    for first, second in zip(parts, parts[1:], strict=False):
        together = first[1] + second[1]
        for whole in wholes:
            if whole[1] == together or (
                len(together) > _LONG
                and abs(len(whole[1]) - len(together)) <= 1
                and OSA.distance(whole[1], together, score_cutoff=1) <= 1
            ):
                return (first, second), whole
    return None


def compare_names(one: TidyName, other: TidyName, lexicon: Lexicon, own: int) -> NameFindings:
    """Return the findings of two names read as firms' names, word by word."""
    found = NameFindings()
    if (
        one.joined == other.joined
        or one.plain == other.plain
        or one.sorted_joined == other.sorted_joined
    ):
        return _identical(one, other, lexicon, found)
    sides = _align(one, other, lexicon, own)
    found.relations = tuple(sides.pairs)
    if _is_acronym(one, other) or _is_acronym(other, one):
        found.add("name_acronym")
        found.agreement = "partial"
        return found
    left_one = sum(lexicon.weight(word) for word in sides.left_one)
    left_other = sum(lexicon.weight(word) for word in sides.left_other)
    total = sides.matched + max(left_one, left_other)
    share = sides.matched / total if total else 0.0
    found.agreement = _agreement(share, left_one, left_other, sides)
    if one.words[0] == other.words[0]:
        found.add("name_first")
    if found.agreement == "none":
        # How much is left over says nothing where nothing was found to begin with.
        found.add("name_apart")
        return found
    found.add("name_rarity", rarity(sides.matched, lexicon))
    found.add("name_share", share)
    found.add("name_both_left", min(_MOST_LEFT, min(left_one, left_other) / _WEIGHT_SCALE))
    found.add("name_one_left", min(_MOST_LEFT, abs(left_one - left_other) / _WEIGHT_SCALE))
    for _, _, relation in sides.pairs:
        if relation != "equal":
            found.add(f"name_{relation}")
    found.add("name_ratio", max(0.0, fuzz.ratio(one.joined, other.joined) - 60.0) / 40.0)
    _group_findings(sides, lexicon, found)
    return found


def _identical(
    one: TidyName, other: TidyName, lexicon: Lexicon, found: NameFindings
) -> NameFindings:
    found.identical = True
    found.agreement = "strong"
    found.relations = tuple((word, word, "equal") for word in one.words)
    weight = sum(lexicon.weight(word) for word in other.words)
    found.add("name_same")
    found.add("name_same_rarity", rarity(weight, lexicon))
    if one.joined != other.joined and one.plain != other.plain:
        found.add("name_reordered")
    return found


def _agreement(share: float, left_one: float, left_other: float, sides: _Alignment) -> Agreement:
    if sides.matched < _TELLING and share < _MOSTLY:
        return "none"
    left_both = min(left_one, left_other)
    if left_both < _SLIGHT:
        return "strong" if share >= _MOSTLY else "partial"
    return "partial" if share >= _MOSTLY else "loose"


def _group_findings(sides: _Alignment, lexicon: Lexicon, found: NameFindings) -> None:
    """Note what members of a group have: a common word and a trade or function each."""
    if not sides.pairs:
        return
    trades = [
        bool(left) and all(lexicon.is_firm_word(word) for word in left)
        for left in (sides.left_one, sides.left_other)
    ]
    if all(trades):
        found.add("name_two_trades")
        if found.agreement == "loose":
            found.agreement = "kin"
    elif any(trades) and not (sides.left_one and sides.left_other):
        left = set(sides.left_one or sides.left_other)
        found.add("name_one_function" if left & v.SOFT_KINDS else "name_one_trade")


def _is_acronym(short: TidyName, long: TidyName) -> bool:
    if len(short.words) != 1 or len(long.words) < _ACRONYM_LENGTH:
        return False
    return short.joined == initials(long)


def compare_people(one: Profile, other: Profile, lexicon: Lexicon, own: int) -> NameFindings:
    """Return the findings of two people's names, given name against given name."""
    if one.names[0].plain == other.names[0].plain:
        return _same_people(other, lexicon)
    straight = _people(one, (other.given, other.surname), lexicon, own)
    if straight.agreement == "strong" or not (other.given and other.surname):
        return straight
    turned = _people(one, (other.surname, other.given), lexicon, own)
    if turned.agreement == "strong":
        turned.add("person_swapped")
        return turned
    return straight


def _same_people(other: Profile, lexicon: Lexicon) -> NameFindings:
    found = NameFindings(agreement="strong", identical=True)
    found.relations = ((other.given, other.given, "equal"), (other.surname, other.surname, "equal"))
    found.add("given_equal")
    found.add("surname_equal")
    weight = sum(lexicon.weight(word) for word in other.names[0].words)
    found.add("person_rarity", rarity(weight, lexicon))
    return found


def compare_couple(one: Profile, other: Profile) -> NameFindings:
    """Return the findings of a couple's name beside that of one person."""
    found = NameFindings()
    if one.surname != other.surname:
        found.add("couple_apart")
        found.agreement = "people"
        return found
    found.agreement = "relative"
    person, couple = (one, other) if one.being == "person" else (other, one)
    holds = person.given[:1] in {couple.given[:1], couple.middle[:1]}
    found.add("couple_member" if holds else "couple_person")
    return found


def _people(one: Profile, other: tuple[str, str], lexicon: Lexicon, own: int) -> NameFindings:
    found = NameFindings()
    given = word_relation(one.given, other[0], lexicon, own)
    if given == "other" and _are_initials(one.given, other[0], lexicon):
        given = "initial"
    surname = word_relation(one.surname, other[1], lexicon, own)
    if surname == "short" or (surname == "other" and _is_part(one.surname, other[1])):
        surname = "part" if _is_part(one.surname, other[1]) else "other"
    found.relations = ((one.given, other[0], given), (one.surname, other[1], surname))
    found.add(f"given_{given}")
    found.add(f"surname_{surname}")
    weight = _person_weight(given, other[0], lexicon) + _person_weight(surname, other[1], lexicon)
    found.add("person_rarity", rarity(weight, lexicon))
    found.identical = given == surname == "equal"
    found.agreement = _people_agreement(given, surname)
    if given in {"other", "known_typo"} and surname == "equal":
        found.add("person_relative")
    return found


def _are_initials(one: str, other: str, lexicon: Lexicon) -> bool:
    """Return whether one given name is "JM" where the other begins with J."""
    shorter, longer = (one, other) if len(one) <= len(other) else (other, one)
    return (
        len(shorter) == _INITIALS
        and len(longer) > _INITIALS
        and shorter[0] == longer[0]
        and not lexicon.is_given(shorter)
    )


_INITIALS = 2


def _person_weight(relation: Relation, word: str, lexicon: Lexicon) -> float:
    share = {
        "equal": 1.0,
        "nickname": 0.7,
        "typo": 0.85,
        "known_typo": 0.6,
        "sound": 0.7,
        "loose": 0.7,
    }
    return share.get(relation, 0.0) * lexicon.weight(word) if word else 0.0


def _people_agreement(given: Relation, surname: Relation) -> Agreement:
    if surname in _ALIKE:
        if given in _ALIKE_GIVEN:
            return "strong"
        return "partial" if given == "missing" else "relative"
    if surname in {"part", "known_typo", "loose", "missing"} and given in _ALIKE_GIVEN:
        return "partial"
    return "relative" if surname == "part" else "people"


_ALIKE = frozenset({"equal", "typo", "sound"})
_ALIKE_GIVEN = frozenset({"equal", "nickname", "initial", "typo", "sound", "short", "loose"})


def _is_part(one: str, other: str) -> bool:
    shorter, longer = (one, other) if len(one) <= len(other) else (other, one)
    return len(shorter) >= _TYPO_LENGTH and (longer.startswith(shorter) or longer.endswith(shorter))
