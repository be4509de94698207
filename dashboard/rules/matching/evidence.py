"""Compare two profiles: which findings speak for the same body, and which against.

A finding has a name that `points` knows, and an amount (mostly 1). Equal mailboxes, phones and
numbers are never taken at face value: relatives, groups and bookkeepers share them, so that each
counts by how well the names go together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice, product
from math import log

from rapidfuzz import fuzz
from rapidfuzz.distance import OSA, Hamming

from dashboard.rules.matching import vocabulary as v
from dashboard.rules.matching.candidates import ClientIndex
from dashboard.rules.matching.contact_points import TidyAddress, TidyMail
from dashboard.rules.matching.name_evidence import (
    NameFindings,
    compare_couple,
    compare_names,
    compare_people,
    word_relation,
)
from dashboard.rules.matching.names import TidyName
from dashboard.rules.matching.points import POINTS
from dashboard.rules.matching.profile import Profile

_MANY_HOLDERS = 3
_NEAR_LOCAL = 5
_NEAR_DIGITS = 2
_LONG_NUMBER = 8
_LAST_DIGITS = 3
_SAME_AREA = 5
_NEAR_STREET = 80.0
_TRUST_LIKE = frozenset({"trust", "super fund", "estate"})

Crowd = Callable[[str], int]
"""Tells how many differently named records hold a value."""


@dataclass(slots=True)
class Evidence:
    """What speaks for and against two records being one body.

    `total` is the sum in log-odds. `conflicts` are findings that forbid an automatic link;
    `shares` tells which kinds of value both hold; `pairing` are the two names compared.
    """

    total: float
    amounts: dict[str, float]
    names: NameFindings
    pairing: tuple[TidyName, TidyName] | None
    conflicts: frozenset[str]
    shares: frozenset[str]


def weigh(
    contact: Profile, client: Profile, index: ClientIndex, crowd: Crowd, *, own: int = 0
) -> Evidence:
    """Return the evidence for a pair; `own` is 1 where the contact is itself in the index."""
    names, pairing = _best_names(contact, client, index, own)
    amounts = names.amounts
    if names.agreement in _APART and not _shares_a_value(contact, client):
        return Evidence(_HOPELESS, amounts, names, pairing, frozenset(), frozenset())
    if names.agreement == "none" and _is_mixed(contact, client):
        names.agreement = "mixed"
    if pairing is not None:
        _entity_findings(contact, client, pairing, names)
    _contact_person_findings(contact, client, index, names)
    found = (
        _mail_findings(contact, client, names, crowd),
        _phone_findings(contact, client, names, crowd),
        _number_findings(contact, client, names, crowd),
        _address_findings(contact, client, names, index),
    )
    shares = frozenset(kind for kind in found if kind)
    if len(shares) > 1:
        names.add(f"shares_{names.agreement}", len(shares) - 1)
    if names.identical and pairing is not None:
        # Whoever bears the name, the record itself included, is one.
        names.add("namesakes", log(max(1, index.bearers[pairing[1].sorted_joined] - own)))
    total = POINTS["prior"] + points_of(amounts)
    if shares == {"address"} and names.agreement in {"none", "mixed"}:
        # Neighbours under one roof: an address alone never makes other names one.
        total = min(total, _NOT_WORTH_ASKING)
    if _is_worth_asking(names, amounts):
        total = max(total, _WORTH_ASKING)
    return Evidence(total, amounts, names, pairing, frozenset(amounts.keys() & _CONFLICTS), shares)


def _is_mixed(contact: Profile, client: Profile) -> bool:
    beings = {contact.being, client.being}
    return len(beings) > 1 and not beings.isdisjoint({"person", "couple"})


def points_of(amounts: dict[str, float]) -> float:
    """Return what findings are worth together, in log-odds."""
    total = 0.0
    for name, amount in amounts.items():
        total += POINTS.get(name, 0.0) * amount
    return total


def _is_worth_asking(names: NameFindings, amounts: dict[str, float]) -> bool:
    """Return whether a person should see the pair, however unlikely.

    One registered number on two records is worth a question, whatever the names; so is one and
    the same name of a firm under two numbers.
    """
    if any(name.startswith("number_same") for name in amounts):
        return True
    return (
        "number_differ" in amounts
        and amounts.get("name_same_rarity", -1.0) > 0
        and amounts.keys().isdisjoint(_CONTRADICTIONS)
    )


def _shares_a_value(contact: Profile, client: Profile) -> bool:
    return not (
        contact.numbers.isdisjoint(client.numbers)
        and set(contact.phones).isdisjoint(client.phones)
        and {mail.address for mail in contact.mails}.isdisjoint(m.address for m in client.mails)
        and {a.street_key for a in contact.addresses if a.street_key}.isdisjoint(
            a.street_key for a in client.addresses
        )
    )


_CONFLICTS = frozenset(
    {
        "marks_differ", "marks_one", "kind_differ", "trust_one", "kind_one", "generation_differ",
        "generation_one", "person_company", "couple_person", "couple_member", "form_differ",
        "number_differ", "couple_company", "person_relative", "middle_differ",
    }
)  # fmt: skip


# Names like these make two records one only beside a value that both hold.
_APART = frozenset({"none", "people", "kin", "loose"})
_CONTRADICTIONS = (_CONFLICTS - {"number_differ"}) | {
    "address_far", "mail_differ", "mail_differ_free", "namesakes", "phone_differ",
}  # fmt: skip
_HOPELESS = -20.0
_WORTH_ASKING = 0.7
_NOT_WORTH_ASKING = -1.0


def _best_names(
    contact: Profile, client: Profile, index: ClientIndex, own: int
) -> tuple[NameFindings, tuple[TidyName, TidyName] | None]:
    if not contact.names or not client.names:
        return NameFindings(), None
    best = _legal_names(contact, client, index, own), (contact.names[0], client.names[0])
    if len(contact.names) + len(client.names) > 2:  # noqa: PLR2004 - one each is the rule
        most = points_of(best[0].amounts)
        for one, other in islice(product(contact.names, client.names), 1, None):
            found = compare_names(one, other, index.lexicon, own)
            found.add("trading_name")
            points = points_of(found.amounts)
            if points > most:
                most, best = points, (found, (one, other))
    return best


def _legal_names(contact: Profile, client: Profile, index: ClientIndex, own: int) -> NameFindings:
    if _both_people(contact, client):
        return compare_people(contact, client, index.lexicon, own)
    if _couple_and_person(contact, client):
        return compare_couple(contact, client)
    return compare_names(contact.names[0], client.names[0], index.lexicon, own)


def _couple_and_person(contact: Profile, client: Profile) -> bool:
    if contact.being == "couple":
        return client.being == "person"
    return contact.being == "person" and client.being == "couple"


def _both_people(contact: Profile, client: Profile) -> bool:
    if contact.being == "person":
        return client.being == "person" or (client.being == "unknown" and bool(client.surname))
    return client.being == "person" and contact.being == "unknown" and bool(contact.surname)


def _entity_findings(
    contact: Profile, client: Profile, pairing: tuple[TidyName, TidyName], found: NameFindings
) -> None:
    one, other = pairing
    if one.generation != other.generation:
        both = one.generation and other.generation
        found.add("generation_differ" if both else "generation_one")
    _form_findings(contact, client, pairing, found)
    if _both_people(contact, client):
        if contact.middle and client.middle and contact.middle[0] != client.middle[0]:
            found.add("middle_differ")
        if one.marks != other.marks:
            found.add("generation_one")
        return
    if one.marks != other.marks:
        found.add("marks_differ" if one.marks and other.marks else "marks_one")
    if one.kinds != other.kinds:
        if one.kinds and other.kinds:
            found.add("kind_differ")
        else:
            trust = (one.kinds | other.kinds) & _TRUST_LIKE
            found.add("trust_one" if trust else "kind_one")


def _form_findings(
    contact: Profile, client: Profile, pairing: tuple[TidyName, TidyName], found: NameFindings
) -> None:
    one, other = pairing
    if one.form and other.form:
        if one.form != other.form:
            found.add("form_differ")
        return
    beings = {contact.being, client.being}
    if beings == {"couple", "firm"} and (one.form or other.form):
        found.add("couple_company")
    elif one is contact.names[0] and other is client.names[0]:
        formed = bool(one.form or other.form)
        if beings == {"person", "firm"}:
            found.add("person_company" if formed else "person_firm")
        elif beings == {"unknown", "firm"} and formed and len(other.words) > 1:
            # Perhaps a person's name that nobody told us is one.
            found.add("form_one")


def _contact_person_findings(
    contact: Profile, client: Profile, index: ClientIndex, found: NameFindings
) -> None:
    if _both_people(contact, client):
        return
    one, other = _person_of(contact), _person_of(client)
    if not all(one) or not all(other):
        return
    given = word_relation(one[0], other[0], index.lexicon, 0)
    surname = word_relation(one[1], other[1], index.lexicon, 0)
    same = "owner" if "person" in {contact.being, client.being} else "contact_same"
    if given in _LIKE and surname in _LIKE:
        found.add(f"{same}_{found.agreement}")
    elif surname == "equal":
        found.add("contact_surname")
    elif (
        word_relation(one[0], other[1], index.lexicon, 0) == "equal"
        and word_relation(one[1], other[0], index.lexicon, 0) == "equal"
    ):
        found.add(f"{same}_{found.agreement}")
    else:
        found.add("contact_differ")


_LIKE = frozenset({"equal", "typo", "sound", "nickname", "initial", "known_typo"})


def _person_of(profile: Profile) -> tuple[str, str]:
    if profile.being == "person":
        return profile.given, profile.surname
    return profile.contact


def _mail_findings(contact: Profile, client: Profile, found: NameFindings, crowd: Crowd) -> str:
    if not contact.mails or not client.mails:
        return ""
    same = {mail.address for mail in contact.mails} & {mail.address for mail in client.mails}
    if same:
        if found.agreement == "relative":
            _mail_owner_findings(contact, client, same, found)
        found.add(_shared("mail", min(crowd("m" + address) for address in same), found))
        return "mail"
    relations = {_mail_relation(one, other) for one, other in product(contact.mails, client.mails)}
    for relation in ("near", "domain", "local"):
        if relation in relations:
            found.add(f"mail_{relation}_{found.agreement}")
            return ""
    found.add("mail_differ" if "differ" in relations else "mail_differ_free")
    return ""


def _mail_owner_findings(
    contact: Profile, client: Profile, same: set[str], found: NameFindings
) -> None:
    """Note a mailbox that is named after one of two relatives: the other only uses it."""
    for address in same:
        local = address.partition("@")[0]
        named = [
            len(given) >= _NAMEABLE and given in local for given in (contact.given, client.given)
        ]
        if any(named) and not all(named):
            found.add("mail_of_one")
            return


_NAMEABLE = 3


def _mail_relation(one: TidyMail, other: TidyMail) -> str:
    if one.own_domain and one.own_domain == other.own_domain:
        return "domain"
    if one.local == other.local:
        general = one.local in v.GENERAL_MAILBOXES or len(one.local) < _NEAR_LOCAL
        if not general:
            return "local"
        return "differ"
    if (
        one.domain == other.domain
        and min(len(one.local), len(other.local)) >= _NEAR_LOCAL
        and OSA.distance(one.local, other.local, score_cutoff=1) <= 1
    ):
        return "near"
    return "differ" if one.own_domain or other.own_domain else "differ_free"


def _shared(kind: str, holders: int, found: NameFindings) -> str:
    return f"{kind}_shared" if holders > _MANY_HOLDERS else f"{kind}_same_{found.agreement}"


def _phone_findings(contact: Profile, client: Profile, found: NameFindings, crowd: Crowd) -> str:
    if not contact.phones or not client.phones:
        return ""
    same = set(contact.phones).intersection(client.phones)
    if same:
        found.add(_shared("phone", min(crowd("p" + phone) for phone in same), found))
        return "phone"
    near = any(
        one[:_SAME_AREA] == other[:_SAME_AREA]
        and len(one) == len(other)
        and Hamming.distance(one, other) <= _NEAR_DIGITS
        for one, other in product(contact.phones, client.phones)
    )
    found.add("phone_near" if near else "phone_differ")
    return ""


def _number_findings(contact: Profile, client: Profile, found: NameFindings, crowd: Crowd) -> str:
    same = contact.numbers & client.numbers
    if same:
        found.add(_shared("number", min(crowd("n" + number) for number in same), found))
        return "number"
    pairs = [
        (one, other)
        for one, other in (
            (contact.tax_number, client.tax_number),
            (contact.company_number, client.company_number),
        )
        if one and other
    ]
    if pairs:
        near = any(_is_near_number(one, other) for one, other in pairs)
        found.add("number_near" if near else "number_differ")
    return ""


def _is_near_number(one: str, other: str) -> bool:
    if len(one) != len(other):
        return False
    return Hamming.distance(one, other) <= _NEAR_DIGITS or (
        len(one) >= _LONG_NUMBER and one[:-_LAST_DIGITS] == other[:-_LAST_DIGITS]
    )


def _address_findings(
    contact: Profile, client: Profile, found: NameFindings, index: ClientIndex
) -> str:
    if not contact.addresses or not client.addresses:
        return ""
    relations = {
        _address_relation(one, other) for one, other in product(contact.addresses, client.addresses)
    }
    for relation in ("same", "near"):
        if relation in relations:
            found.add(f"address_{relation}_{found.agreement}")
            return "address" if relation == "same" else ""
    for relation in ("street", "town", "other", "far"):
        if relation in relations:
            far = relation == "far"
            found.add(f"address_{relation}", 1.0 if far else _town_rarity(contact, client, index))
            break
    return ""


def _town_rarity(contact: Profile, client: Profile, index: ClientIndex) -> float:
    towns = {address.town for address in (*contact.addresses, *client.addresses)}
    return min(index.lexicon.town_rarity(town) for town in towns)


def _address_relation(one: TidyAddress, other: TidyAddress) -> str:
    place = _place_relation(one, other)
    if one.po_box and other.po_box:
        if one.po_box == other.po_box and place != "far":
            return "same"
        return "far" if place == "far" else "other"
    if one.street_key and other.street_key:
        return _street_relation(one, other, place)
    if place == "same":
        return "town"
    return "far" if place == "far" else "none"


def _street_relation(one: TidyAddress, other: TidyAddress, place: str) -> str:
    alike = one.street == other.street or fuzz.ratio(one.street, other.street) >= _NEAR_STREET
    types = {one.street_type, other.street_type} - {""}
    if one.street_key == other.street_key and len(types) < 2:  # noqa: PLR2004 - two types differ
        return "same" if place != "far" else "near"
    if alike and place != "far":
        return "near" if one.house == other.house else "street"
    return "far" if place == "far" else "other"


def _place_relation(one: TidyAddress, other: TidyAddress) -> str:
    same_town = bool(one.town) and one.town == other.town
    same_code = bool(one.postcode) and one.postcode == other.postcode
    if same_town or same_code:
        return "same"
    if (one.town and other.town) or (one.postcode and other.postcode):
        close = OSA.distance(one.town, other.town, score_cutoff=2) <= 2  # noqa: PLR2004
        return "same" if close and one.town and other.town else "far"
    return "unknown"
