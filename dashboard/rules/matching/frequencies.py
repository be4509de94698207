"""How rare a word is: what a match on it is worth, and whether it is a name or a trade."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import log

from dashboard.rules.matching import vocabulary as v
from dashboard.rules.matching.contact_points import town_of
from dashboard.rules.matching.names import TidyName, fold
from dashboard.rules.matching.nicknames import GIVEN_NAMES
from dashboard.rules.matching.records import MatchRecord

# A short list knows little about its words: it is read as if this many names came before it.
_BACKGROUND = 2000
_PRIOR_VERY_GENERIC = 40.0
_PRIOR_GENERIC = 10.0
_PRIOR_GIVEN = 4.0
_PRIOR_OTHER = 0.6

_TOWN_BACKGROUND = 50.0
_RAREST_TOWN = 6.0

_FIRM_WORD_SEEN = 4
_FIRM_WORD_SHARE = 0.6


@dataclass(slots=True)
class Lexicon:
    """What one list of names teaches about words.

    `seen`: word -> number of names that hold it.
    """

    size: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    with_form: Counter[str] = field(default_factory=Counter)
    given: Counter[str] = field(default_factory=Counter)
    towns: Counter[str] = field(default_factory=Counter)
    _weights: dict[str, float] = field(default_factory=dict)

    @classmethod
    def learnt_from(cls, records: Iterable[tuple[tuple[TidyName, ...], MatchRecord]]) -> Lexicon:
        """Return the lexicon of records with their tidied names."""
        lexicon = cls()
        for names, record in records:
            lexicon.size += 1
            words = {word for name in names for word in name.words}
            lexicon.seen.update(words)
            if names and names[0].form:
                lexicon.with_form.update(set(names[0].words))
            if record.first_name:
                lexicon.given.update(fold(record.first_name).replace("'", "").split()[:1])
            lexicon.towns.update({town_of(address) for address in record.addresses} - {""})
        return lexicon

    @property
    def log_size(self) -> float:
        """The natural logarithm of how many names a coincidence could come from."""
        return log(self.size + _BACKGROUND)

    def weight(self, word: str) -> float:
        """Return how much it says that two names share `word`, in natural log units."""
        found = self._weights.get(word)
        if found is None:
            found = log((self.size + _BACKGROUND) / (_prior(word) + self.seen[word]))
            self._weights[word] = found
        return found

    def town_rarity(self, town: str) -> float:
        """Return how much it says that two addresses are in `town`, from 0 to 1.

        A practice's clients mostly live around it: the commonest town says next to nothing.
        """
        in_all = sum(self.towns.values()) + _TOWN_BACKGROUND
        return min(1.0, log(in_all / (self.towns[town] + 1.0)) / _RAREST_TOWN)

    def is_given(self, word: str) -> bool:
        """Return whether people bear `word` as a given name."""
        return word in GIVEN_NAMES or self.given[word] > 0

    def is_firm_word(self, word: str) -> bool:
        """Return whether `word` says that the name is a firm's."""
        return is_trade(word) or self.is_mostly_firms(word)

    def is_mostly_firms(self, word: str) -> bool:
        """Return whether this list knows `word` mostly from names with a legal form."""
        seen = self.seen[word]
        return (
            seen >= _FIRM_WORD_SEEN
            and self.with_form[word] >= seen * _FIRM_WORD_SHARE
            and not self.is_given(word)
        )


def is_trade(word: str) -> bool:
    """Return whether `word` is one of those that firms everywhere are called by."""
    return word in v.VERY_GENERIC or word in v.GENERIC or word in v.SOFT_KINDS


def _prior(word: str) -> float:
    if word in v.VERY_GENERIC or word in v.PLACES:
        return _PRIOR_VERY_GENERIC
    if word in v.GENERIC or word in v.SOFT_KINDS:
        return _PRIOR_GENERIC
    return _PRIOR_GIVEN if word in GIVEN_NAMES else _PRIOR_OTHER
