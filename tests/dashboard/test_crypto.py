"""Stored tokens open at their own place, with their own key, unchanged, and nowhere else."""

from __future__ import annotations

import base64
from dataclasses import replace
from uuid import UUID

import pytest

from dashboard.config import MasterKey
from dashboard.crypto import TokenCipher, TokenPlace, TokenUnreadable, key_id_of, new_salt
from dashboard.secret import Secret

SALT = b"s" * 32
TOKEN = Secret("an access token that is secret")
PLACE = TokenPlace(UUID(int=1), UUID(int=2), "access_token", 3)


def _key(key_id: int, byte: bytes) -> MasterKey:
    return MasterKey(key_id, Secret(base64.b64encode(byte * 32).decode()))


OLD, NEW = _key(1, b"o"), _key(2, b"n")


@pytest.fixture
def cipher() -> TokenCipher:
    return TokenCipher([NEW, OLD])


@pytest.fixture
def stored(cipher: TokenCipher) -> str:
    return cipher.lock(TOKEN, SALT, PLACE)


class TestTokenCipher:
    def test_what_was_locked_opens_at_its_place(self, cipher: TokenCipher, stored: str) -> None:
        assert cipher.open(stored, SALT, PLACE) == TOKEN

    def test_the_same_token_never_looks_the_same_twice(self, cipher: TokenCipher) -> None:
        assert cipher.lock(TOKEN, SALT, PLACE) != cipher.lock(TOKEN, SALT, PLACE)

    def test_the_newest_key_locks_and_an_older_one_still_opens(self, cipher: TokenCipher) -> None:
        before = TokenCipher([OLD]).lock(TOKEN, SALT, PLACE)
        assert key_id_of(before) == 1
        assert key_id_of(cipher.lock(TOKEN, SALT, PLACE)) == 2
        assert cipher.open(before, SALT, PLACE) == TOKEN

    def test_a_key_that_is_not_listed_is_named(self, stored: str) -> None:
        with pytest.raises(TokenUnreadable, match="master key 2"):
            TokenCipher([OLD]).open(stored, SALT, PLACE)

    @pytest.mark.parametrize(
        "elsewhere",
        [
            replace(PLACE, practice_id=UUID(int=9)),
            replace(PLACE, connection_id=UUID(int=9)),
            replace(PLACE, column="refresh_token"),
            replace(PLACE, version=4),
        ],
        ids=["practice", "connection", "column", "version"],
    )
    def test_it_opens_nowhere_else(
        self, cipher: TokenCipher, stored: str, elsewhere: TokenPlace
    ) -> None:
        with pytest.raises(TokenUnreadable):
            cipher.open(stored, SALT, elsewhere)

    def test_it_does_not_open_with_another_practices_salt(
        self, cipher: TokenCipher, stored: str
    ) -> None:
        with pytest.raises(TokenUnreadable):
            cipher.open(stored, new_salt(), PLACE)

    def test_every_single_bit_flip_is_refused(self, cipher: TokenCipher, stored: str) -> None:
        raw = base64.b64decode(stored)
        for bit in range(len(raw) * 8):
            flipped = bytearray(raw)
            flipped[bit // 8] ^= 1 << bit % 8
            with pytest.raises(TokenUnreadable):
                cipher.open(base64.b64encode(flipped).decode(), SALT, PLACE)

    def test_every_truncation_is_refused(self, cipher: TokenCipher, stored: str) -> None:
        for length in range(len(stored)):
            with pytest.raises(TokenUnreadable):
                cipher.open(stored[:length], SALT, PLACE)

    def test_every_misspelling_of_the_text_is_refused(
        self, cipher: TokenCipher, stored: str
    ) -> None:
        for place, letter in enumerate(stored):
            other = "A" if letter != "A" else "B"
            with pytest.raises(TokenUnreadable):
                cipher.open(stored[:place] + other + stored[place + 1 :], SALT, PLACE)

    def test_a_value_of_the_first_release_opens_for_ever(self) -> None:
        frozen = "AQFmaXhlZG5vbmNlMTKDi/lqB86oCOGEUTr6AITLRQ/7SllXYnmcYJW1/w=="
        assert TokenCipher([OLD]).open(frozen, SALT, PLACE) == Secret("first release")
