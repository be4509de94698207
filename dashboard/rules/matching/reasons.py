"""Say in plain words what speaks for a pair and what against, with the values themselves."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product

from dashboard.rules.matching.contact_points import tidy_phone
from dashboard.rules.matching.evidence import Evidence
from dashboard.rules.matching.points import POINTS
from dashboard.rules.matching.profile import Profile
from dashboard.rules.matching.records import Reason

_MOST_FOR = 4
_MOST_AGAINST = 3
_WORTH_SAYING = 0.2

_TOPICS = {
    "name": ("name_", "given_", "surname_", "person_rarity", "person_relative", "person_swapped"),
    "trading": ("trading_name",),
    "mail": ("mail_",),
    "phone": ("phone_",),
    "number": ("number_",),
    "address": ("address_",),
    "contact": ("contact_", "owner_"),
    "marks": ("marks_",),
    "kind": ("kind_", "trust_"),
    "generation": ("generation_",),
    "middle": ("middle_",),
    "form": ("form_differ",),
    "being": ("person_company", "person_firm", "couple_"),
    "one_form": ("form_one",),
    "namesakes": ("namesakes",),
    "shares": ("shares_",),
}


def reasons(contact: Profile, client: Profile, evidence: Evidence) -> tuple[Reason, ...]:
    """Return up to four reasons for and three against, strongest first; never none at all."""
    found = [
        Reason(text, "for" if points > 0 else "against", round(points, 2))
        for topic, points in _points_by_topic(evidence).items()
        if (text := _TEXTS[topic](contact, client, evidence, points))
    ]
    found.sort(key=lambda reason: -abs(reason.points))
    speaking_for = [reason for reason in found if reason.sign == "for"][:_MOST_FOR]
    against = [reason for reason in found if reason.sign == "against"][:_MOST_AGAINST]
    return tuple(speaking_for + against)


def _points_by_topic(evidence: Evidence) -> dict[str, float]:
    sums: dict[str, float] = {}
    for name, amount in evidence.amounts.items():
        topic = _topic(name)
        sums[topic] = sums.get(topic, 0.0) + POINTS.get(name, 0.0) * amount
    return {topic: points for topic, points in sums.items() if _is_worth_saying(topic, points)}


@cache
def _topic(finding: str) -> str:
    return next((t for t, starts in _TOPICS.items() if finding.startswith(starts)), "name")


def _is_worth_saying(topic: str, points: float) -> bool:
    return topic == "name" or abs(points) >= _WORTH_SAYING or topic in _ALWAYS_SAID


_ALWAYS_SAID = frozenset({"marks", "kind", "generation", "being", "middle"})


def _name_text(contact: Profile, client: Profile, evidence: Evidence, points: float) -> str:
    if evidence.pairing is None:
        return "No name to compare"
    one, other = (name.text.strip() for name in evidence.pairing)
    if evidence.names.identical:
        if one == other:
            return f"Same name: “{one}”"
        return f"Same name after tidying: “{one}” and “{other}”"
    if points <= 0:
        return _name_difference(one, other, evidence)
    swaps = [
        text
        for left, right, relation in evidence.names.relations
        if (text := _relation_text(left, right, relation))
    ]
    detail = f" ({'; '.join(swaps[:2])})" if swaps else ""
    if "person_swapped" in evidence.amounts:
        detail = " (first and last name swapped)"
    return f"Close names: “{one}” and “{other}”{detail}"


def _name_difference(one: str, other: str, evidence: Evidence) -> str:
    if "person_relative" in evidence.amounts:
        return f"Same surname but other first name: “{one}” and “{other}”"
    return f"Names differ: “{one}” and “{other}”"


def _relation_text(one: str, other: str, relation: str) -> str:
    if relation == "nickname":
        return f"“{one}” and “{other}” may be one first name"
    if relation == "initial":
        return f"“{one}” and “{other}” share the initial"
    if relation in {"typo", "known_typo", "sound"}:
        return f"“{one}” and “{other}” are spelt alike"
    return ""


def _trading_text(_contact: Profile, _client: Profile, evidence: Evidence, _points: float) -> str:
    if evidence.pairing is None:
        return ""
    return "Compared with a trading name, not the legal name"


def _mail_text(contact: Profile, client: Profile, evidence: Evidence, points: float) -> str:
    ones = [mail.address for mail in contact.mails]
    others = [mail.address for mail in client.mails]
    same = [address for address in ones if address in others]
    if "mail_shared" in evidence.amounts:
        return f"Same email {same[0]}, which several others use too" if same else ""
    if same:
        return f"Same email {same[0]}"
    if points > 0:
        return f"Similar emails: {ones[0]} and {others[0]}"
    return f"Emails differ: {ones[0]} and {others[0]}"


def _phone_text(contact: Profile, client: Profile, evidence: Evidence, points: float) -> str:
    written = {tidy_phone(text): text.strip() for text in contact.record.phones}
    theirs = {tidy_phone(text): text.strip() for text in client.record.phones}
    same = [phone for phone in contact.phones if phone in theirs]
    if "phone_shared" in evidence.amounts:
        return f"Same phone {written[same[0]]}, which several others use too" if same else ""
    if same:
        return f"Same phone {written[same[0]]}"
    one, other = written[contact.phones[0]], theirs[client.phones[0]]
    return f"{'Similar phones' if points > 0 else 'Phones differ'}: {one} and {other}"


def _number_text(contact: Profile, client: Profile, evidence: Evidence, points: float) -> str:
    if contact.numbers & client.numbers:
        several = ", which several others have too" if "number_shared" in evidence.amounts else ""
        return f"Same {_number_name(contact, client)}{several}"
    for kind in ("tax_number", "company_number"):
        if getattr(contact, kind) and getattr(client, kind):
            one, other = getattr(contact.record, kind), getattr(client.record, kind)
            word = kind.replace("_", " ")
            how = (
                f"{word.capitalize()}s almost the same"
                if points > 0
                else f"{word.capitalize()}s differ"
            )
            return f"{how}: {one.strip()} and {other.strip()}"
    return ""


def _number_name(contact: Profile, client: Profile) -> str:
    if contact.tax_number and contact.tax_number == client.tax_number:
        return f"tax number {contact.record.tax_number.strip()}"
    if contact.company_number and contact.company_number == client.company_number:
        return f"company number {contact.record.company_number.strip()}"
    return "company number inside the tax number"


def _address_text(contact: Profile, client: Profile, evidence: Evidence, points: float) -> str:
    one, other = contact.addresses[0], client.addresses[0]
    if "address" in evidence.shares:
        pairs = product(contact.addresses, client.addresses)
        same = next((a for a, b in pairs if a.street_key and a.street_key == b.street_key), one)
        return f"Same address: {same.text}"
    if points <= 0:
        return f"Addresses differ: {one.text} and {other.text}"
    if "address_town" in evidence.amounts or "address_other" in evidence.amounts:
        return f"Same town: {contact.record.addresses[0].city.strip() or one.text}"
    return f"Similar addresses: {one.text} and {other.text}"


def _contact_text(contact: Profile, client: Profile, evidence: Evidence, points: float) -> str:
    one, other = _person_text(contact), _person_text(client)
    if "contact_surname" in evidence.amounts:
        return f"Contact people share the surname only: “{one}” and “{other}”"
    if "contact_differ" in evidence.amounts:
        return f"Contact people differ: “{one}” and “{other}”"
    same = f"Same contact person: “{one}”"
    return same if points > 0 else f"{same}, but another name"


def _person_text(profile: Profile) -> str:
    record = profile.record
    return f"{record.first_name} {record.last_name}".strip() or record.name.strip()


def _marks_text(_contact: Profile, _client: Profile, evidence: Evidence, _points: float) -> str:
    if evidence.pairing is None:
        return ""
    one, other = (" ".join(sorted(name.marks)).upper() or "none" for name in evidence.pairing)
    return f"Numbers in the names differ: {one} / {other}"


def _kind_text(_contact: Profile, _client: Profile, evidence: Evidence, _points: float) -> str:
    if evidence.pairing is None:
        return ""
    one, other = evidence.pairing
    first, second = sorted(one.kinds - other.kinds), sorted(other.kinds - one.kinds)
    if first and second:
        return f"One is a {first[0]}, the other a {second[0]}"
    return f"One is a {(first or second)[0]}, the other is not"


def _generation_text(
    _contact: Profile, _client: Profile, evidence: Evidence, _points: float
) -> str:
    if evidence.pairing is None:
        return ""
    one, other = (name.generation.capitalize() for name in evidence.pairing)
    if one and other:
        return f"One is {one}, the other {other}"
    return f"Only one of them is called {one or other}"


def _middle_text(contact: Profile, client: Profile, _evidence: Evidence, _points: float) -> str:
    return f"Middle names differ: “{contact.middle}” and “{client.middle}”"


def _form_text(_contact: Profile, _client: Profile, evidence: Evidence, _points: float) -> str:
    if evidence.pairing is None:
        return ""
    one, other = (name.form_text for name in evidence.pairing)
    return f"Legal forms differ: {one} and {other}"


def _one_form_text(_contact: Profile, _client: Profile, evidence: Evidence, _points: float) -> str:
    if evidence.pairing is None:
        return ""
    form = next(name.form_text for name in evidence.pairing if name.form)
    return f"Only one name says {form}"


def _being_text(contact: Profile, client: Profile, evidence: Evidence, _points: float) -> str:
    amounts = evidence.amounts
    if "couple_person" in amounts or "couple_member" in amounts or "couple_apart" in amounts:
        return "One is a couple, the other one person"
    if "couple_company" in amounts:
        return "One is a couple, the other a company"
    kind = "company" if "person_company" in amounts else "business"
    return f"One is a person, the other a {kind}"


def _namesakes_text(_contact: Profile, client: Profile, _evidence: Evidence, _points: float) -> str:
    return f"Several clients are called “{client.record.name.strip()}”"


def _shares_text(_contact: Profile, _client: Profile, evidence: Evidence, points: float) -> str:
    kinds = " and ".join(sorted(evidence.shares))
    if points > 0:
        return f"Same {kinds} together"
    return f"Same {kinds}, as relatives and groups have too"


_Text = Callable[[Profile, Profile, Evidence, float], str]

_TEXTS: dict[str, _Text] = {
    "name": _name_text,
    "trading": _trading_text,
    "mail": _mail_text,
    "phone": _phone_text,
    "number": _number_text,
    "address": _address_text,
    "contact": _contact_text,
    "marks": _marks_text,
    "kind": _kind_text,
    "generation": _generation_text,
    "middle": _middle_text,
    "form": _form_text,
    "one_form": _one_form_text,
    "being": _being_text,
    "namesakes": _namesakes_text,
    "shares": _shares_text,
}
