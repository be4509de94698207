from __future__ import annotations

import pytest

from dashboard.rules.matching.contact_points import (
    number_keys,
    tidy_address,
    tidy_mail,
    tidy_number,
    tidy_phone,
)
from dashboard.rules.matching.levels import score, shared_probabilities
from dashboard.rules.matching.names import split_trading_name, tidy_name
from dashboard.rules.matching.records import MatchAddress


class TestNames:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("The Acland & Sons Plumbing Pty. Ltd.", "acland and sons plumbing P/L"),
            ("Acland Int'l L.L.C.", "Acland International LLC"),
            ("J.R. Smith", "J R Smith"),
            ("Müller Straße GmbH", "Muller Strasse"),
            ("Acland Svcs", "Acland Services"),
            ("Acland Air Conditioning", "Acland A/C"),
            ("Acland II", "Acland 2"),
            ("Acland No. 5", "Acland Five"),
        ],
    )
    def test_two_writings_of_a_name_are_one(self, one: str, other: str) -> None:
        first, second = tidy_name(one), tidy_name(other)
        assert first.joined == second.joined
        assert first.marks == second.marks

    def test_what_tells_bodies_apart_is_kept(self) -> None:
        assert tidy_name("Acland Trust No 2").marks == {"2"}
        assert tidy_name("Acland Investments A").marks == {"a"}
        assert tidy_name("Acland Super Fund").kinds == {"super fund"}
        assert tidy_name("John Acland Jnr").generation == "jr"
        assert tidy_name("Acland LLP").form == "partnership"
        assert tidy_name("John & Mary Acland").joint == ("john", "mary")

    def test_a_trading_name_is_a_second_name(self) -> None:
        for between in ("t/a", "T/A", "trading as", "dba", "t/as"):
            assert split_trading_name(f"Acland Ltd {between} Best Coffee") == (
                "Acland Ltd",
                "Best Coffee",
            )
        assert split_trading_name("Delta Data") == ("Delta Data",)

    @pytest.mark.parametrize("name", ["The", "Ltd", "&", "A", "1", "Mr", "Jr", "👍", "t/a"])
    def test_a_name_of_nothing_but_trimmings_is_still_a_name(self, name: str) -> None:
        assert tidy_name(name).text == name


class TestContactPoints:
    def test_a_mailbox_has_one_writing(self) -> None:
        tidied = {
            mail.address
            for text in ("Rob.Smith+xero@GoogleMail.com", " robsmith@gmail.com ")
            if (mail := tidy_mail(text))
        }
        assert tidied == {"robsmith@gmail.com"}

    @pytest.mark.parametrize(
        "text", ["", "n/a", "-", "noemail@noemail.com", "test@test.com", "no-reply@xero.com", "a@b"]
    )
    def test_a_placeholder_is_no_mailbox(self, text: str) -> None:
        assert tidy_mail(text) is None

    def test_only_a_domain_of_ones_own_says_something(self) -> None:
        own, free = tidy_mail("a@acland.co.uk"), tidy_mail("a@btinternet.com")
        assert own is not None
        assert free is not None
        assert (own.own_domain, free.own_domain) == ("acland.co.uk", "")

    @pytest.mark.parametrize(
        "text",
        ["+61 412 345 678", "0412345678", "(04) 1234 5678", "+61 (0)412345678", "0412345678 x12"],
    )
    def test_a_phone_has_one_writing(self, text: str) -> None:
        assert tidy_phone(text) == "12345678"

    @pytest.mark.parametrize("text", ["", "0", "n/a", "0000000000", "1234567890", "0400000000"])
    def test_a_placeholder_is_no_phone(self, text: str) -> None:
        assert tidy_phone(text) == ""

    @pytest.mark.parametrize("text", ["GB 123 4567 89", "123-456-789", "VAT 0123456789"])
    def test_a_number_has_one_writing(self, text: str) -> None:
        assert tidy_number(text) == "123456789"

    @pytest.mark.parametrize("text", ["", "0", "TBA", "00000000000", "99999999999", "12"])
    def test_a_placeholder_is_no_number(self, text: str) -> None:
        assert tidy_number(text) == ""

    def test_an_abn_holds_the_companys_number(self) -> None:
        assert number_keys(tidy_number("51 824 753 556")) == ("51824753556", "824753556")

    def test_an_address_is_known_by_house_street_and_place(self) -> None:
        lines = ["Unit 4, 12 High St", "4/12 High Street", "12 HIGH ST."]
        found = [tidy_address(MatchAddress(line, city="York")) for line in lines]
        assert {a.street_key for a in found if a} == {"12 high"}
        box = tidy_address(MatchAddress("P.O. Box 12", city="York"))
        assert box is not None
        assert (box.po_box, box.street_key) == ("12", "")
        assert tidy_address(MatchAddress()) is None


class TestLevels:
    def test_two_equal_candidates_share_the_odds(self) -> None:
        one = shared_probabilities([6.0])
        two = shared_probabilities([6.0, 6.0])
        assert one[0] > 0.99
        assert two[0] == two[1] < 0.5

    def test_a_score_grows_with_the_probability_and_stops_before_exact(self) -> None:
        chances = [n / 1000 for n in range(1001)]
        scores = [score(chance, may_be_exact=True) for chance in chances]
        assert scores == sorted(scores)
        assert scores[0] == 0
        assert scores[-1] == 1
        assert max(score(chance, may_be_exact=False) for chance in chances) < 0.9
