"""What the duplicate detector takes and gives: values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MatchCode = Literal["exact", "possible", "clash", "new"]
Sign = Literal["for", "against"]


@dataclass(frozen=True, slots=True)
class MatchAddress:
    """One address as it was typed; any part may be empty."""

    line1: str = ""
    line2: str = ""
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class MatchRecord:
    """A contact or a client as the detector sees it; everything but the key may be empty.

    `key` is the caller's own id, unique among the records of one side. A phone is one string,
    area code first; its country code may stand before it or be missing.
    """

    key: str
    name: str
    first_name: str = ""
    last_name: str = ""
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    addresses: tuple[MatchAddress, ...] = ()
    tax_number: str = ""
    company_number: str = ""
    trading_name: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """One piece of evidence in plain words; `points` are log-odds, negative against."""

    text: str
    sign: Sign
    points: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A client that this contact may be; `score` 0.9 and more is exact, 0.5 and more possible.

    `reasons`: the strongest three or four for, then up to three against.
    """

    client_key: str
    score: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class MatchResult:
    """What the detector says about one contact, best candidate first.

    `exact`: the link may be preselected. `possible` and `clash`: a person chooses. `new`: no
    client comes near, and there are no candidates.
    """

    word: MatchCode
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records of one list that may be the same; `first_key` stands earlier in the list."""

    first_key: str
    second_key: str
    score: float
    reasons: tuple[Reason, ...]
