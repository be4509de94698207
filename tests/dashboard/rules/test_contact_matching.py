# Word lists read best as running text.
# ruff: noqa: SIM905

from __future__ import annotations

import gc
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.rules.contact_matching import (
    EXACT,
    POSSIBLE,
    Candidate,
    ClientIndex,
    MatchAddress,
    MatchRecord,
    MatchResult,
    duplicates_within,
    match_contacts,
)

SURNAMES = (
    "Hartley Nguyen Kowalski Abernathy Thornbury Okafor Lindqvist Marsh Pemberton Rossi Vance "
    "Whitlock Yates Zimmer Fairfax"
).split()
TRADES = (
    "Plumbing Joinery Electrical Catering Motors Farms Consulting Landscaping Bakery Transport "
    "Dental Interiors Fencing Media Roofing Pharmacy Tyres Cleaning Books Security"
).split()


def others() -> list[MatchRecord]:
    """Three hundred clients that have nothing to do with the case."""
    return [
        MatchRecord(
            key=f"other-{surname}-{trade}",
            name=f"{surname} {trade} Ltd" if (i + j) % 3 else f"{trade} by {surname}",
            emails=(f"info@{surname}{trade}.co.uk".lower(),),
            phones=(f"01{i:02d}{j:02d} 55{i}{j}71",),
            addresses=(MatchAddress(f"{i * 7 + j + 1} Station Road", city="Leeds"),),
        )
        for i, surname in enumerate(SURNAMES)
        for j, trade in enumerate(TRADES)
    ]


OTHERS = others()


def record(key: str, name: str, **facts: str) -> MatchRecord:
    """Make a record from one e-mail (`mail`), one `phone`, one `street` with its `city`."""
    city = facts.get("city", "")
    street = facts.get("street", "")
    return MatchRecord(
        key=key,
        name=name,
        first_name=facts.get("first", ""),
        last_name=facts.get("last", ""),
        emails=(facts["mail"],) if "mail" in facts else (),
        phones=(facts["phone"],) if "phone" in facts else (),
        addresses=(MatchAddress(street, city=city),) if street or city else (),
        tax_number=facts.get("tax", ""),
        company_number=facts.get("company", ""),
        trading_name=facts.get("trading", ""),
    )


def contact(name: str, **facts: str) -> MatchRecord:
    return record("contact", name, **facts)


def client(name: str, key: str = "client", **facts: str) -> MatchRecord:
    return record(key, name, **facts)


def matched(one: MatchRecord, *clients: MatchRecord) -> MatchResult:
    return match_contacts([one], ClientIndex.build([*clients, *OTHERS]))[one.key]


def level(one: MatchRecord, other: MatchRecord, *more: MatchRecord) -> str:
    """Return "exact", "ask" or "new" for this very pair."""
    scores = [c.score for c in matched(one, other, *more).candidates if c.client_key == other.key]
    best = max(scores, default=0.0)
    if best >= EXACT:
        return "exact"
    return "ask" if best >= POSSIBLE else "new"


class TestPublishedRule:
    """Same e-mail and same name after tidying, or same number: exact, if nothing contradicts."""

    @pytest.mark.parametrize(
        ("name", "other"),
        [
            ("Acland Joinery Ltd", "Acland Joinery Ltd"),
            ("ACLAND & SONS LIMITED", "Acland and Sons Ltd"),
            ("Acland Svcs Pty. Ltd.", "Acland Services P/L"),
            ("The Acland Joinery", "Acland Joinery LLP"),
            ("Rob Smith", "Rob Smith"),
            ("Thornton, William", "William Thornton"),
            ("Dr Anna Müller", "Anna Muller"),
            ("Anna Smith-Jones", "Anna Smith Jones"),
            ("O'Brien Motors", "OBrien  Motors"),
            ("株式会社山田", "株式会社山田"),
        ],
    )
    def test_same_email_and_same_name_after_tidying(self, name: str, other: str) -> None:
        mail = {"mail": "Rob@Acland.example"}
        assert level(contact(name, **mail), client(other, mail="rob@acland.example")) == "exact"

    @pytest.mark.parametrize(
        ("facts", "others_facts"),
        [
            ({"tax": "GB 248 1234 59"}, {"tax": "248123459"}),
            ({"company": "01234568"}, {"company": "1234568"}),
            ({"tax": "51 824 753 556"}, {"company": "824 753 556"}),
        ],
    )
    def test_same_number_and_like_name(
        self, facts: dict[str, str], others_facts: dict[str, str]
    ) -> None:
        one = contact("Acland Joinery Limited", **facts)
        assert level(one, client("Acland Joinery Ltd", **others_facts)) == "exact"

    def test_same_number_with_another_name_is_asked(self) -> None:
        one = contact("Bluewater Yachts", tax="GB248123459")
        assert level(one, client("Acland Joinery Ltd", tax="GB248123459")) == "ask"


class TestTraps:
    """Records that look alike and are not the same: never linked by themselves."""

    SAME = {"mail": "a@acland.example", "phone": "0412 345 678"}

    @pytest.mark.parametrize(
        ("name", "other"),
        [
            ("Acland Properties 2 Pty Ltd", "Acland Properties 1 Pty Ltd"),
            ("Acland Trust No 2", "Acland Trust"),
            ("Acland Investments II", "Acland Investments III"),
            ("Acland Holdings Ltd", "Acland Joinery Ltd"),
            ("Acland Super Fund", "Acland Family Trust"),
            ("Acland Family Trust", "Robert Acland"),
            ("Robert Acland Pty Ltd", "Robert Acland"),
            ("John & Mary Acland", "John Acland"),
            ("J & M Acland", "J & P Acland"),
            ("Mary Acland", "John Acland"),
            ("John Acland Jr", "John Acland Sr"),
            ("John Acland Jnr", "John Acland"),
            ("Acland Partners LLP", "Acland Partners Ltd"),
            ("Acland Dental York", "Acland Dental Leeds"),
            ("John Paul Acland", "John Albert Acland"),
        ],
    )
    def test_one_mailbox_and_phone_do_not_make_one_body(self, name: str, other: str) -> None:
        assert level(contact(name, **self.SAME), client(other, **self.SAME)) != "exact"

    @pytest.mark.parametrize(
        ("name", "other"),
        [("Marsh Haulage Ltd", "Walsh Haulage Ltd"), ("Alice Brown", "Alan Browne")],
    )
    def test_look_alikes_with_their_own_mailboxes_are_new(self, name: str, other: str) -> None:
        one = contact(name, mail="a@first.example")
        assert level(one, client(other, mail="b@second.example")) == "new"

    def test_a_bookkeepers_mailbox_says_nothing(self) -> None:
        mail = {"mail": "accounts@booksbyjo.example"}
        names = ["Delta Cafe", "Orion Tyres", "Mill House Ltd", "Peter Quill", "Vega Stores"]
        kept = [client(name, key=name, **mail) for name in names]
        assert matched(contact("Zed Pottery", **mail), *kept).word == "new"

    @pytest.mark.parametrize(
        "void",
        [
            {"mail": "noemail@noemail.com"},
            {"mail": "none@none.com"},
            {"phone": "0000000000"},
            {"phone": "0400 000 000"},
            {"tax": "00 000 000 000"},
            {"tax": "N/A"},
        ],
    )
    def test_placeholders_are_void(self, void: dict[str, str]) -> None:
        assert level(contact("Zed Pottery", **void), client("Acland Joinery", **void)) == "new"

    def test_a_name_alone_is_not_enough_where_two_clients_bear_it(self) -> None:
        found = matched(contact("Quillfeather Oboes"), client("Quillfeather Oboes"))
        both = matched(
            contact("Quillfeather Oboes"),
            client("Quillfeather Oboes"),
            client("Quillfeather Oboes Ltd", key="second"),
        )
        assert found.word in {"exact", "possible"}
        assert both.word == "clash"
        assert {c.client_key for c in both.candidates} == {"client", "second"}

    def test_different_tax_numbers_are_never_linked(self) -> None:
        one = contact("Acland Joinery Pty Ltd", tax="51 824 753 556")
        assert level(one, client("Acland Joinery Pty Ltd", tax="83 914 571 673")) == "ask"


class TestQuestions:
    """Not certain, but too near to pass by."""

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (
                contact("Robert Smith", mail="r@smith.example"),
                client("Rob Smith", mail="r@smith.example"),
            ),
            (contact("Thorntonn Upholstery"), client("Thornton Upholstery Ltd")),
            (contact("Acland Group Ltd t/a Best Coffee"), client("Best Coffee")),
            (
                contact("Best Coffee Bar", mail="x@bestcoffee.example"),
                client("Acland Pty Ltd", trading="Best Coffee Bar", mail="y@acland.example"),
            ),
            (
                contact("Phoenix Rising Ltd", company="01234568"),
                client("Acland Ltd", company="1234568"),
            ),
            (
                contact("W Thornton", phone="01904 555123"),
                client("William Thornton", phone="+44 1904 555123"),
            ),
            (contact("Bluesky Upholstery"), client("Blue Sky Upholstery")),
        ],
    )
    def test_near_ones_are_asked_at_least(self, one: MatchRecord, other: MatchRecord) -> None:
        assert level(one, other) in {"ask", "exact"}


class TestReasons:
    def reasons(self, one: MatchRecord, other: MatchRecord) -> list[tuple[str, str]]:
        found = matched(one, other).candidates[0].reasons
        return [(reason.sign, reason.text) for reason in found]

    def test_reasons_name_the_fields_and_the_values(self) -> None:
        found = self.reasons(
            contact("Robert Smith", mail="Rob@Smith.example", phone="01904 555123"),
            client("Rob Smith", mail="rob@smith.example", phone="01904 555999"),
        )
        assert ("for", "Same email rob@smith.example") in found
        assert any("“Robert Smith” and “Rob Smith”" in text for _, text in found)
        assert ("against", "Phones differ: 01904 555123 and 01904 555999") in found

    def test_a_contradiction_is_said(self) -> None:
        found = self.reasons(
            contact("Acland Joinery Pty Ltd", tax="51 824 753 556"),
            client("Acland Joinery Pty Ltd", tax="83 914 571 673"),
        )
        text = "Tax numbers differ: 51 824 753 556 and 83 914 571 673"
        assert ("against", text) in found

    def test_reasons_hold_no_percentages_and_are_few(self) -> None:
        one = contact("Acland Ltd", mail="a@a.example", phone="01904 555123", tax="248123459")
        found = matched(one, replace(one, key="client")).candidates[0].reasons
        assert 1 <= len([r for r in found if r.sign == "for"]) <= 4
        assert len([r for r in found if r.sign == "against"]) <= 3
        assert not any("%" in reason.text for reason in found)

    def test_points_carry_the_sign_of_their_reason(self) -> None:
        one = contact("Robert Smith", mail="r@smith.example")
        for reason in (
            matched(one, client("Rob Smith", mail="r@smith.example")).candidates[0].reasons
        ):
            assert (reason.points > 0) == (reason.sign == "for")


class TestDecisionsThatWereMade:
    ONE = contact("Acland Joinery Ltd", mail="a@acland.example")
    OTHER = client("Acland Joinery Ltd", mail="a@acland.example")

    def test_a_refused_pair_is_never_suggested_again(self) -> None:
        index = ClientIndex.build([self.OTHER, *OTHERS])
        refused = frozenset({("contact", "client")})
        assert match_contacts([self.ONE], index, not_a_match=refused)["contact"].word == "new"
        elsewhere = frozenset({("another", "client")})
        assert match_contacts([self.ONE], index, not_a_match=elsewhere)["contact"].word == "exact"

    def test_a_client_that_is_taken_is_shown_but_never_preselected(self) -> None:
        index = ClientIndex.build([self.OTHER, *OTHERS])
        found = match_contacts([self.ONE], index, taken=frozenset({"client"}))["contact"]
        assert found.word == "clash"
        assert found.candidates[0].score < EXACT
        assert "Already linked" in found.candidates[0].reasons[-1].text

    def test_two_contacts_of_one_client_are_a_clash(self) -> None:
        index = ClientIndex.build([self.OTHER, *OTHERS])
        twins = [self.ONE, replace(self.ONE, key="twin")]
        assert {r.word for r in match_contacts(twins, index).values()} == {"clash"}

    def test_a_certain_contact_keeps_its_client_beside_a_doubtful_one(self) -> None:
        index = ClientIndex.build([self.OTHER, *OTHERS])
        doubtful = record("doubtful", "Aclnd Joinery")
        found = match_contacts([self.ONE, doubtful], index)
        assert (found["contact"].word, found["doubtful"].word) == ("exact", "clash")


class TestWithin:
    def test_duplicates_are_pairs_in_the_order_of_the_list(self) -> None:
        first = record("first", "Acland Joinery Ltd", mail="a@acland.example")
        second = record("second", "ACLAND JOINERY LIMITED", mail="a@acland.example")
        pairs = duplicates_within([first, *OTHERS, second])
        assert [(p.first_key, p.second_key) for p in pairs] == [("first", "second")]
        assert pairs[0].reasons

    def test_a_list_without_duplicates_has_no_pairs(self) -> None:
        assert duplicates_within(OTHERS) == []

    def test_numbered_firms_are_not_duplicates(self) -> None:
        mail = {"mail": "a@acland.example"}
        series = [record(str(n), f"Acland Properties {n} Ltd", **mail) for n in range(1, 4)]
        assert duplicates_within([*series, *OTHERS]) == []


texts = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["", " ", "The", "and", "&", "A", "Ltd", "t/a", "x t/a y", "1", "2 Ltd", "Jr", "Mr", "a b"]
    ),
)
records = st.builds(
    MatchRecord,
    key=st.just("k"),
    name=texts,
    first_name=texts,
    last_name=texts,
    emails=st.lists(texts, max_size=2).map(tuple),
    phones=st.lists(texts, max_size=2).map(tuple),
    addresses=st.lists(st.builds(MatchAddress, texts, texts, texts, texts, texts), max_size=2).map(
        tuple
    ),
    tax_number=texts,
    company_number=texts,
    trading_name=texts,
)


class TestAnyInput:
    @settings(max_examples=150, deadline=None)
    @given(st.lists(records, max_size=4), st.lists(records, max_size=4))
    def test_nothing_that_was_typed_breaks_it(
        self, contacts: list[MatchRecord], clients: list[MatchRecord]
    ) -> None:
        contacts = [replace(one, key=f"x{n}") for n, one in enumerate(contacts)]
        clients = [replace(one, key=f"k{n}") for n, one in enumerate(clients)]
        found = match_contacts(contacts, ClientIndex.build(clients))
        assert set(found) == {one.key for one in contacts}
        for result in found.values():
            assert (result.word == "new") == (not result.candidates)
            assert all(POSSIBLE <= c.score <= 1 and c.reasons for c in result.candidates)
        duplicates_within(contacts)

    @settings(max_examples=60, deadline=None)
    @given(records)
    def test_a_record_never_loses_to_a_stranger(self, one: MatchRecord) -> None:
        found = match_contacts([one], ClientIndex.build([replace(one, key="itself"), *OTHERS]))
        candidates = found["k"].candidates
        assert not candidates or candidates[0].client_key == "itself"

    def test_markup_and_long_names_are_only_text(self) -> None:
        for name in ("<img onerror=alert(1)>", "A" * 255, "=1+1", "شركة النور", "😀 Bar"):
            result = matched(contact(name), client(name))
            assert isinstance(result, MatchResult)
            assert all(isinstance(c, Candidate) for c in result.candidates)

    def test_a_record_without_a_name_is_matched_by_what_it_has(self) -> None:
        assert matched(contact(""), client("Acland")).word == "new"

    def test_the_collector_is_left_as_it_was(self) -> None:
        matched(contact("Acland"), client("Acland"))
        assert gc.isenabled()


class TestOrder:
    def test_the_same_records_in_another_order_give_the_same_scores(self) -> None:
        clients = [client(f"Acland {trade} Ltd", key=trade) for trade in TRADES]
        one = contact("Acland Joinery Limited", mail="a@b.example")
        forwards = match_contacts([one], ClientIndex.build([*clients, *OTHERS]))
        backwards = match_contacts([one], ClientIndex.build([*OTHERS, *reversed(clients)]))
        assert forwards == backwards

    def test_an_empty_practice_makes_every_contact_new(self) -> None:
        assert match_contacts([contact("Acland")], ClientIndex.build([]))["contact"].word == "new"
        assert match_contacts([], ClientIndex.build(OTHERS)) == {}
