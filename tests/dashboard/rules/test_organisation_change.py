"""What is asked before one organisation is left for another, and how the two compare."""

from __future__ import annotations

import pytest

from dashboard.rules.organisation_change import (
    Comparison,
    OrganisationChange,
    comparison_sentence,
    question,
)


class TestChange:
    @pytest.mark.parametrize(
        ("links", "sentence"),
        [
            (
                312,
                "You are connected to Hartley & Co. The links to its 312 contacts will be kept"
                " but not used. Go on with Demo Company (UK)?",
            ),
            (
                1,
                "You are connected to Hartley & Co. The link to its 1 contact will be kept but"
                " not used. Go on with Demo Company (UK)?",
            ),
            (0, "You are connected to Hartley & Co. Go on with Demo Company (UK)?"),
        ],
    )
    def test_the_question_names_what_is_left(self, links: int, sentence: str) -> None:
        change = OrganisationChange("Hartley & Co", links, True, None)
        assert question(change, "Demo Company (UK)") == sentence

    @pytest.mark.parametrize(
        ("compared", "sentence"),
        [
            (
                Comparison(2, 240, True, 231),
                "2 of 240 contacts match; the last organisation matched 231.",
            ),
            (
                Comparison(1, 5000, False, 1204),
                "1 of the first 5,000 contacts matches; the last organisation matched 1,204.",
            ),
            (Comparison(0, 1, True, None), "0 of 1 contacts match."),
            (Comparison(0, 0, True, 3), "The new organisation has no contacts to compare."),
            (None, "The contacts could not be compared: Xero did not answer in time."),
        ],
        ids=["usual", "part", "never read", "empty", "no answer"],
    )
    def test_the_comparison_has_true_numbers(
        self, compared: Comparison | None, sentence: str
    ) -> None:
        assert comparison_sentence(OrganisationChange("A", 1, False, compared)) == sentence
