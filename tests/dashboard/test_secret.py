"""A secret shows itself only when it is asked to."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from dashboard.secret import Secret

SECRET = Secret("refresh-token-value")


class TestSecret:
    def test_reveal_is_the_way_out(self) -> None:
        assert SECRET.reveal() == "refresh-token-value"

    @pytest.mark.parametrize(
        "shown",
        [repr(SECRET), str(SECRET), f"{SECRET}", f"{SECRET!r:>40}", "%s" % SECRET, repr([SECRET])],  # noqa: UP031
    )
    def test_nothing_that_prints_shows_it(self, shown: str) -> None:
        assert "refresh" not in shown
        assert "***" in shown

    @pytest.mark.parametrize(
        "serialise", [pickle.dumps, json.dumps, copy.copy, copy.deepcopy], ids=lambda f: f.__name__
    )
    def test_it_is_never_serialised(self, serialise: object) -> None:
        with pytest.raises(TypeError):
            serialise(SECRET)  # type: ignore[operator]

    def test_it_has_no_dict_to_look_into(self) -> None:
        assert not hasattr(SECRET, "__dict__")

    def test_equal_secrets_are_equal(self) -> None:
        assert Secret("refresh-token-value") == SECRET
        assert Secret("another") != SECRET
        assert SECRET != "refresh-token-value"

    def test_an_empty_secret_is_false(self) -> None:
        assert not Secret("")
        assert SECRET
