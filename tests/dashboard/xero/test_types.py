"""Values that are safe to hold, log and pass on."""

from __future__ import annotations

import pickle

import msgspec
import pytest

from dashboard.secret import Secret
from dashboard.xero.types import Contact, Grant, Phone, TokenSet

TOKENS = TokenSet(Secret("access-value"), Secret("refresh-value"), 1800, ("openid",))


class TestTokenSet:
    def test_it_shows_no_token(self):
        grant = Grant(TOKENS, "u", "e@x.test", "N", "event")
        for text in (repr(TOKENS), str(grant), f"{grant}"):
            assert "-value" not in text

    def test_it_never_enters_a_queue_or_json(self):
        with pytest.raises(TypeError):
            pickle.dumps(TOKENS)
        with pytest.raises(TypeError):
            msgspec.json.encode(TOKENS)

    def test_it_cannot_be_changed(self):
        with pytest.raises(AttributeError):
            TOKENS.expires_in = 7  # type: ignore[misc]


class TestContact:
    @pytest.mark.parametrize(
        ("kinds", "shown"),
        [
            (("FAX", "DDI", "MOBILE", "DEFAULT"), "DEFAULT"),
            (("FAX", "DDI", "MOBILE"), "MOBILE"),
            (("FAX", "DDI", "OFFICE"), "OFFICE"),
            (("FAX", "DDI"), "DDI"),
            (("FAX",), None),
            ((), None),
        ],
    )
    def test_the_number_to_show_is_never_a_fax(self, kinds: tuple[str, ...], shown: str | None):
        phones = tuple(Phone(kind, kind) for kind in kinds)
        assert Contact("c", "N", phones=phones).phone == shown
