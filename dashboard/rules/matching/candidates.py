"""Find the few clients worth a full comparison, without looking at every pair."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from itertools import chain

from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from dashboard.rules.matching.collector import collector_off
from dashboard.rules.matching.contact_points import TidyAddress
from dashboard.rules.matching.frequencies import Lexicon
from dashboard.rules.matching.names import TidyName
from dashboard.rules.matching.nicknames import RELATED
from dashboard.rules.matching.profile import Profile, profile_of, tidy_names
from dashboard.rules.matching.records import MatchRecord

# Blocks larger than these say nothing; smaller ones are compared in full.
STRONG_LIMIT = 60
WEAK_LIMIT = 25
WORD_LIMIT = 25
PAIR_LIMIT = 4000
PAIR_RESULT_LIMIT = 20
_PREFIX_LENGTH = 14
_SHORTEST_SKELETON = 4
SHORTEST_FUZZY = 5
_SHORTEST_INITIALS = 3
_MEANINGFUL_SHARE = 0.3
_RESEMBLANCE = 65.0
# Kinds of weak keys that need no resemblance of names: an address, a name and its initials.
_SURE_KEYS = frozenset("aoiw")

_SAME_AGAIN = re.compile(r"(.)(?=\1)")
_LETTERS = str.maketrans("cz", "ks")
_CONSONANTS = str.maketrans("cz", "ks", "aeiouyhw")


@lru_cache(maxsize=1 << 17)
def skeleton(word: str) -> str:
    """Return the consonants of a word as they sound, the same for most of its misspellings."""
    word = word.replace("ph", "f").replace("ck", "k").replace("qu", "k").replace("x", "ks")
    return _SAME_AGAIN.sub("", word[:1].translate(_LETTERS) + word[1:].translate(_CONSONANTS))


class ClientIndex:
    """Clients, tidied and filed so that any number of contacts can be matched against them.

    Build it once with `ClientIndex.build`; it is never changed afterwards.
    """

    __slots__ = (
        "_crowded",
        "_deletions",
        "_exact",
        "_near",
        "_postings",
        "_weak",
        "bearers",
        "lexicon",
        "position",
        "profiles",
    )

    def __init__(self, profiles: list[Profile], lexicon: Lexicon) -> None:
        self.profiles = profiles
        self.lexicon = lexicon
        self.position = {profile.key: at for at, profile in enumerate(profiles)}
        self.bearers: Counter[str] = Counter()
        self._exact: dict[str, list[int]] = {}
        self._weak: dict[str, list[int]] = {}
        self._postings: dict[str, list[int]] = {}
        self._deletions: dict[str, list[str]] = {}
        self._near: dict[str, list[str]] = {}
        for at, profile in enumerate(profiles):
            self._file(at, profile)
        # Two sets meet in the time of the smaller one; a list would be walked in full. How common
        # a word is, the lexicon knows: this may be a part of a longer list.
        self._crowded = {
            word: frozenset(postings)
            for word, postings in self._postings.items()
            if lexicon.seen[word] > WORD_LIMIT
        }
        for word in self._postings:
            for cut in deletions(word):
                self._deletions.setdefault(cut, []).append(word)

    @classmethod
    def build(cls, clients: Iterable[MatchRecord]) -> ClientIndex:
        """Return the index of these clients; keys must be unique."""
        with collector_off():
            tidied = [(record, tidy_names(record)) for record in clients]
            lexicon = Lexicon.learnt_from((names, record) for record, names in tidied)
            return cls([profile_of(record, lexicon, names) for record, names in tidied], lexicon)

    @classmethod
    def part(cls, clients: Iterable[MatchRecord], lexicon: Lexicon) -> ClientIndex:
        """Return the index of a part of a list whose lexicon is known."""
        with collector_off():
            return cls([profile_of(record, lexicon) for record in clients], lexicon)

    def __len__(self) -> int:
        return len(self.profiles)

    def profile(self, record: MatchRecord) -> Profile:
        """Return the profile of a contact, read with what the clients taught about words."""
        return profile_of(record, self.lexicon)

    def _file(self, at: int, profile: Profile) -> None:
        for key in strong_keys(profile):
            self._exact.setdefault(key, []).append(at)
        for key in weak_keys(profile):
            self._weak.setdefault(key, []).append(at)
        for word in {word for name in profile.names for word in name.words}:
            self._postings.setdefault(word, []).append(at)
        self.bearers.update({name.sorted_joined for name in profile.names})

    def holders(self, value: str) -> int:
        """Return how many differently named clients hold one of the `shared_values`."""
        block = self._exact.get(value, ())
        if len(block) < 2:  # noqa: PLR2004 - one holder needs no counting
            return len(block)
        return len({shown_name(self.profiles[at]) for at in block})

    def candidates(self, contact: Profile) -> set[int]:
        """Return the positions of the clients that may be this contact."""
        certain: set[int] = set()
        for key in strong_keys(contact):
            block = self._exact.get(key, ())
            if len(block) <= STRONG_LIMIT:
                certain.update(block)
        likely: set[int] = set()
        for key in weak_keys(contact, asking=True):
            block = self._weak.get(key, ())
            if len(block) <= WEAK_LIMIT:
                (certain if key[0] in _SURE_KEYS else likely).update(block)
        for name in contact.names:
            self._by_words(name, likely)
        likely -= certain
        certain.update(self._resembling(contact, likely))
        return certain

    def _resembling(self, contact: Profile, among: Collection[int]) -> Iterator[int]:
        """Yield those that are worth the time of a full comparison: a cheap look at whole names."""
        named = [(at, name) for at in among for name in self.profiles[at].names]
        joined = [name.joined for _, name in named]
        sorted_joined = [name.sorted_joined for _, name in named]
        for own in contact.names:
            for wanted, theirs in ((own.joined, joined), (own.sorted_joined, sorted_joined)):
                alike = process.extract(
                    wanted, theirs, scorer=fuzz.ratio, score_cutoff=_RESEMBLANCE, limit=None
                )
                for _, _, place in alike:
                    yield named[place][0]

    def _by_words(self, name: TidyName, found: set[int]) -> None:
        seen, weight = self.lexicon.seen, self.lexicon.weight
        words = sorted(set(name.words), key=seen.__getitem__)
        known = [word for word in words if word in self._postings]
        for word in known:
            if seen[word] <= WORD_LIMIT:
                found.update(self._postings[word])
        for first, second in zip(known, known[1:], strict=False):
            self._by_pair(first, second, found)
        telling = sum(map(weight, words)) * _MEANINGFUL_SHARE
        for word in words:
            if len(word) >= SHORTEST_FUZZY and weight(word) >= telling:
                self._by_neighbours(word, words, found)

    def _by_pair(self, first: str, second: str, found: set[int]) -> None:
        one, other = self._crowded.get(first), self._crowded.get(second)
        if one is None or other is None or self.lexicon.seen[first] > PAIR_LIMIT:
            return
        both = one & other
        if len(both) <= PAIR_RESULT_LIMIT:
            found.update(both)

    def _by_neighbours(self, word: str, words: list[str], found: set[int]) -> None:
        for near in self._neighbours(word):
            crowd = self._crowded.get(near)
            if crowd is None:
                found.update(self._postings[near])
                continue
            for other in words:
                if (
                    other != word
                    and other in self._postings
                    and self.lexicon.seen[near] <= PAIR_LIMIT
                ):
                    both = crowd.intersection(self._crowded.get(other) or self._postings[other])
                    if len(both) <= PAIR_RESULT_LIMIT:
                        found.update(both)

    def _neighbours(self, word: str) -> list[str]:
        """Return the words of the clients at one edit from *word*."""
        near = self._near.get(word)
        if near is None:
            cuts = (self._deletions.get(cut, ()) for cut in deletions(word))
            around = set(chain.from_iterable(cuts)) - {word}
            near = [other for other in around if OSA.distance(word, other, score_cutoff=1) <= 1]
            self._near[word] = near
        return near


def deletions(word: str) -> Iterator[str]:
    """Yield a word with each of its letters left out: two at one edit share such a cut."""
    if len(word) >= SHORTEST_FUZZY - 1 and word.isalpha():
        yield word
        for at in range(len(word)):
            yield word[:at] + word[at + 1 :]


def initials(name: TidyName) -> str:
    """Return the first letters of a name's words."""
    return "".join(word[0] for word in name.words)


def shown_name(profile: Profile) -> str:
    """Return what tells differently named records apart."""
    return profile.names[0].sorted_joined if profile.names else ""


def shared_values(profile: Profile) -> Iterator[str]:
    """Yield the values that many records may hold: mailboxes, phones, numbers."""
    for mail in profile.mails:
        yield "m" + mail.address
    for phone in profile.phones:
        yield "p" + phone
    for number in profile.numbers:
        yield "n" + number


def strong_keys(profile: Profile) -> set[str]:
    """Return what a record shares with few others: values, and its whole names."""
    keys = set(shared_values(profile))
    for name in profile.names:
        keys.add("j" + name.joined)
        keys.add("j" + name.sorted_joined)
        keys.add("j" + name.plain)
    return keys


def weak_keys(profile: Profile, *, asking: bool = False) -> set[str]:
    """Return what a record shares with its kin: place, sound, initials; more of it when *asking*.

    A client is filed under the ones, a contact looks under the others.
    """
    keys = {"d" + mail.own_domain for mail in profile.mails if mail.own_domain}
    for address in profile.addresses:
        keys.update(_place_keys(address))
    for name in profile.names:
        keys.update(_spelling_keys(name))
        keys.update(_initials_keys(name, asking=asking))
    for given, surname in {(profile.given, profile.surname), profile.contact}:
        if given and surname:
            keys.update(_person_keys(given, surname, asking=asking))
    return keys


def _place_keys(address: TidyAddress) -> Iterator[str]:
    if address.street_key:
        yield f"a{address.street_key}|{address.postcode or address.town}"
        yield f"a{address.street_key}|{address.town}"
    if address.po_box:
        yield f"o{address.po_box}|{address.postcode or address.town}"


def _spelling_keys(name: TidyName) -> Iterator[str]:
    bones = skeleton(name.joined)
    if len(bones) >= _SHORTEST_SKELETON:
        yield "k" + bones
    if len(name.joined) >= _PREFIX_LENGTH:
        yield "x" + name.joined[:_PREFIX_LENGTH]


def _initials_keys(name: TidyName, *, asking: bool) -> Iterator[str]:
    """Yield what lets "ABC" find "Acland Building Contractors", whichever side is short."""
    short, long = ("i", "w") if asking else ("w", "i")
    if len(name.words) == 1 and len(name.joined) <= SHORTEST_FUZZY:
        yield short + name.joined
    elif len(name.words) >= _SHORTEST_INITIALS:
        yield long + initials(name)


def _person_keys(given: str, surname: str, *, asking: bool) -> Iterator[str]:
    yield f"s{skeleton(surname)}|{given[0]}"
    yield f"f{surname}|{given}"
    if not asking:
        return
    yield f"s{skeleton(given)}|{surname[0]}"
    yield f"f{given}|{surname}"
    for related in RELATED.get(given, ()):
        yield f"f{surname}|{related}"
