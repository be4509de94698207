"""What an address of the import preview means."""

from __future__ import annotations

from uuid import uuid4

import pytest

from dashboard.queries.contact_counts import Counts, Overview, Selection
from dashboard.rules.preview_filter import MATCH_WORDS
from dashboard.services.refusals import InvalidInput
from dashboard.views.import_screen import TABS, Look, Screen, look_at


def screen(look: Look, **counts: int) -> Screen:
    """Return a screen without rows."""
    found = Counts(**counts)
    total = found.of(look.wanted)
    around = Overview(found, found, Selection(selected=5, hidden=2), total)
    return Screen(uuid4(), look, (), around)


class TestLook:
    def test_without_a_type_the_preset_holds(self) -> None:
        assert look_at({}).wanted.type == "likely"
        assert look_at({"type": ""}).wanted.type == ""

    def test_an_address_comes_back_as_it_was(self) -> None:
        asked = {"type": "", "match": "new", "q": "smith", "group": "VAT", "per": "25", "page": "3"}
        assert look_at(asked).query == asked

    @pytest.mark.parametrize("per", ["7", "x", "1000", ""])
    def test_an_odd_number_of_rows_is_the_usual_one(self, per: str) -> None:
        assert look_at({"per": per}).per == 50

    def test_an_unknown_word_is_refused(self) -> None:
        with pytest.raises(InvalidInput):
            look_at({"match": "sure"})

    def test_another_order_starts_at_its_first_page_and_goes_both_ways(self) -> None:
        look = look_at({"page": "4"})
        assert (look.names_run, look.by_name_again.sort) == ("ascending", "-name")
        assert (look.by_name_again.page, look.by_name_again.by_name_again.sort) == (1, "name")
        assert look_at({"sort": "email"}).names_run is None
        with pytest.raises(InvalidInput):
            look_at({"sort": "luck"})

    def test_another_tab_starts_at_its_first_page(self) -> None:
        assert look_at({"page": "4"}).on_tab("new").page == 1


class TestScreen:
    def test_only_what_can_be_ticked_is_counted(self) -> None:
        counts = {"new": 3, "exact": 2, "linked": 7, "unavailable": 1}
        assert screen(look_at({}), **counts).tickable == 5
        assert screen(look_at({"match": "new"}), **counts).tickable == 3
        assert screen(look_at({"match": "linked"}), **counts).tickable == 0

    def test_a_few_left_out_of_many_are_told_of(self) -> None:
        assert screen(look_at({}), new=4).left_out == 1
        assert screen(look_at({}), new=3).left_out == 0
        # Most are not ticked: nobody meant all of them.
        assert screen(look_at({}), new=40).left_out == 0

    def test_hidden_ticks_are_not_ticked_here(self) -> None:
        assert screen(look_at({})).ticked_here == 3

    def test_every_match_word_has_a_tab(self) -> None:
        assert set(TABS) == set(MATCH_WORDS)
