"""What is said of a connection in trouble, and when it is looked at again."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from dashboard.rules.connection_sentences import look_again_after, problem_sentence


class TestProblem:
    @pytest.mark.parametrize(
        ("said", "sentence"),
        [
            (
                "The organisation's subscription has ended.",
                "We cannot use the connection: Xero says “The organisation's subscription has"
                " ended”.",
            ),
            (
                "AuthenticationUnsuccessful",
                "We cannot use the connection: Xero says that the person who connected may not use"
                " this organisation now.",
            ),
            (
                None,
                "We cannot use the connection: Xero refused access and did not say why.",
            ),
        ],
        ids=["words", "code", "nothing"],
    )
    def test_it_is_told_in_words(self, said: str | None, sentence: str) -> None:
        assert problem_sentence(said) == sentence

    def test_looks_come_soon_and_then_less_often(self) -> None:
        pauses = [look_again_after(errors) for errors in range(10)]
        assert pauses[1] == timedelta(minutes=1)
        assert all(before <= after for before, after in pairwise(pauses))
        assert max(pauses) == timedelta(minutes=30)
