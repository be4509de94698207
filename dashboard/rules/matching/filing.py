"""What a whole comparison found out, filed in some bytes a record, so that a later one is small.

A record is filed under the numbers of its keys: what it shares with few others, what it shares with
its kin, and its words. Whoever changed asks by the same rules as in the index, and gets the records
that may concern it; everything else is as it was. Numbers may coincide: that only costs a look.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any
from zlib import crc32

import msgspec
from rapidfuzz.distance import OSA

from dashboard.rules.matching.candidates import (
    PAIR_LIMIT,
    PAIR_RESULT_LIMIT,
    SHORTEST_FUZZY,
    STRONG_LIMIT,
    WEAK_LIMIT,
    WORD_LIMIT,
    deletions,
    shared_values,
    strong_keys,
    weak_keys,
)
from dashboard.rules.matching.frequencies import Lexicon
from dashboard.rules.matching.profile import Profile

# Moves when keys change their meaning: what was filed before is then of no use.
EDITION = 1
ID_BYTES = 16


class Filed(msgspec.Struct):
    """Records by their keys: `ids` of 16 bytes each, where the keys of each end, and the keys."""

    ids: bytes
    ends: bytes
    keys: bytes

    @classmethod
    def of(cls, records: Iterable[tuple[bytes, Iterable[int]]]) -> Filed:
        """Return records, each by its id and the numbers of its keys, filed."""
        ids, ends, keys = bytearray(), array("I"), array("I")
        for record_id, numbers in records:
            ids += record_id
            keys.extend(numbers)
            ends.append(len(keys))
        return cls(bytes(ids), ends.tobytes(), keys.tobytes())

    def __iter__(self) -> Iterator[bytes]:
        return (self.ids[at : at + ID_BYTES] for at in range(0, len(self.ids), ID_BYTES))

    def __len__(self) -> int:
        return len(self.ids) // ID_BYTES

    def holding(self, wanted: Wanted) -> set[bytes]:
        """Return the ids of the records that hold what is wanted.

        Of a key that too many hold just so many are named that whoever counts sees it is too many.
        """
        ends, keys = array("I"), array("I")
        ends.frombytes(self.ends)
        keys.frombytes(self.keys)
        asked = wanted.numbers
        held: dict[int, list[int]] = {}
        for place, key in enumerate(keys):
            if key in asked:
                held.setdefault(bisect_right(ends, place), []).append(key)
        left = Counter(wanted.single) + Counter(wanted.pairs)
        found = set()
        for at, numbers in held.items():
            mine = [number for number in numbers if left[number] > 0]
            mine += [pair for pair in permutations(numbers, 2) if left[pair] > 0]  # type: ignore[misc]
            if mine:
                found.add(self.ids[at * ID_BYTES : (at + 1) * ID_BYTES])
                left.subtract(mine)
        return found


@dataclass(slots=True)
class Wanted:
    """Keys, and pairs of words, each with how many records are wanted of it at most."""

    single: dict[int, int] = field(default_factory=dict)
    pairs: dict[tuple[int, int], int] = field(default_factory=dict)

    @property
    def numbers(self) -> set[int]:
        """Every key that may decide."""
        return {*self.single, *(number for pair in self.pairs for number in pair)}

    def add(self, keys: Iterable[str], limit: int) -> None:
        """Want records that hold one of *keys*."""
        for key in keys:
            self.single[crc32(key.encode())] = limit

    def add_pair(self, first: str, second: str) -> None:
        """Want records that hold both words."""
        pair = crc32(_word(first).encode()), crc32(_word(second).encode())
        self.pairs[pair] = PAIR_RESULT_LIMIT + 1


def filed_under(profile: Profile) -> set[int]:
    """Return the numbers of every key by which a record may be found, or may look for others."""
    keys = strong_keys(profile) | weak_keys(profile) | weak_keys(profile, asking=True)
    keys.update(_word(word) for name in profile.names for word in name.words)
    return {crc32(key.encode()) for key in keys}


def wanted_by(profiles: Collection[Profile], lexicon: Lexicon) -> Wanted:
    """Return what to look for so that nothing which these may match is missed.

    It works both ways: clients look for the contacts that would look for them.
    """
    wanted = Wanted()
    near = _neighbours({word for each in profiles for word in _fuzzy_words(each)}, lexicon)
    for profile in profiles:
        wanted.add(weak_keys(profile) | weak_keys(profile, asking=True), WEAK_LIMIT + 1)
        wanted.add(strong_keys(profile), STRONG_LIMIT + 1)
        for name in profile.names:
            _want_words(wanted, sorted(set(name.words), key=lexicon.seen.__getitem__), lexicon)
            for word in name.words:
                for other in near.get(word, ()):
                    _want_neighbour(wanted, other, name.words, word, lexicon)
    return wanted


def wanted_around(profiles: Iterable[Profile]) -> Wanted:
    """Return what to look for to know whether many records share a value with these."""
    wanted = Wanted()
    for profile in profiles:
        wanted.add(shared_values(profile), STRONG_LIMIT + 1)
    return wanted


def _want_words(wanted: Wanted, words: list[str], lexicon: Lexicon) -> None:
    wanted.add((_word(word) for word in words if _is_rare(word, lexicon)), WORD_LIMIT + 1)
    for first, second in zip(words, words[1:], strict=False):
        if not _is_rare(first, lexicon) and lexicon.seen[first] <= PAIR_LIMIT:
            wanted.add_pair(first, second)


def _want_neighbour(
    wanted: Wanted, near: str, words: Iterable[str], instead_of: str, lexicon: Lexicon
) -> None:
    if _is_rare(near, lexicon):
        wanted.add([_word(near)], WORD_LIMIT + 1)
    elif lexicon.seen[near] <= PAIR_LIMIT:
        for other in words:
            if other != instead_of:
                wanted.add_pair(near, other)


def _is_rare(word: str, lexicon: Lexicon) -> bool:
    return lexicon.seen[word] <= WORD_LIMIT


def _fuzzy_words(profile: Profile) -> set[str]:
    return {word for name in profile.names for word in name.words if len(word) >= SHORTEST_FUZZY}


def _neighbours(words: Collection[str], lexicon: Lexicon) -> dict[str, list[str]]:
    """Return for each word the words of the lexicon at one edit from it."""
    cuts: dict[str, list[str]] = {}
    for word in words:
        for cut in deletions(word):
            cuts.setdefault(cut, []).append(word)
    near: dict[str, list[str]] = {}
    for known in lexicon.seen if cuts else ():
        for word in {word for cut in deletions(known) for word in cuts.get(cut, ())}:
            if word != known and OSA.distance(word, known, score_cutoff=1) <= 1:
                near.setdefault(word, []).append(known)
    return near


def _word(word: str) -> str:
    return "W" + word


def lexicon_values(lexicon: Lexicon) -> dict[str, Any]:
    """Return a lexicon as plain values, to be kept."""
    return {
        "size": lexicon.size,
        "seen": dict(lexicon.seen),
        "with_form": dict(lexicon.with_form),
        "given": dict(lexicon.given),
        "towns": dict(lexicon.towns),
    }


def lexicon_of(values: dict[str, Any]) -> Lexicon:
    """Return the lexicon that was kept."""
    return Lexicon(
        size=values["size"],
        seen=Counter(values["seen"]),
        with_form=Counter(values["with_form"]),
        given=Counter(values["given"]),
        towns=Counter(values["towns"]),
    )
