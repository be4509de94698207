"""Stored tokens open at their own place, with their own key, unchanged, and nowhere else."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from dashboard.config import MasterKey
from dashboard.crypto import (
    BEGINNING,
    MasterKeyMissing,
    TokenCipher,
    TokenPlace,
    TokenUnreadable,
    beginnings,
    key_id_at,
    key_id_of,
    new_salt,
)
from dashboard.secret import Secret

VECTORS = json.loads((Path(__file__).parent / "crypto_vectors.json").read_text())
RANDOM_PAIRS = 10_000

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
        with pytest.raises(MasterKeyMissing, match="master key 2") as missing:
            TokenCipher([OLD]).open(stored, SALT, PLACE)
        assert missing.value.key_id == 2

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
            assert_refused(cipher, _flipped(raw, bit))

    def test_every_truncation_is_refused(self, cipher: TokenCipher, stored: str) -> None:
        raw = base64.b64decode(stored)
        for length in range(len(raw)):
            assert_refused(cipher, base64.b64encode(raw[:length]).decode())
            assert_refused(cipher, base64.b64encode(raw[length + 1 :]).decode())
        for length in range(len(stored)):
            assert_refused(cipher, stored[:length])

    def test_every_misspelling_of_the_text_is_refused(
        self, cipher: TokenCipher, stored: str
    ) -> None:
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\n -_"
        for place, letter in enumerate(stored):
            for other in letters:
                if other != letter:
                    assert_refused(cipher, stored[:place] + other + stored[place + 1 :])
            assert_refused(cipher, stored[:place] + stored[place + 1 :])

    def test_nothing_passes_among_ten_thousand_random_pairs(self, cipher: TokenCipher) -> None:
        """Each pair is a value and a place, salt or text that is not its own."""
        dice = random.Random(20)  # noqa: S311 - the same pairs each time
        kinds = [*WRONGS]
        wronged = dict.fromkeys(kinds, 0)
        places = [_some_place(dice) for _ in range(100)]
        shelf = [
            (place, salt, cipher.lock(TOKEN, salt, place))
            for place, salt in ((each, dice.randbytes(32)) for each in places)
        ]
        for number in range(RANDOM_PAIRS):
            kind = kinds[number % len(kinds)]
            own, other = dice.sample(shelf, 2)
            place, salt, stored = WRONGS[kind](dice, own, other)
            if (place, salt, stored) != own:
                assert_refused(cipher, stored, salt, place)
                wronged[kind] += 1
        assert min(wronged.values()) > RANDOM_PAIRS // len(kinds) * 0.5, wronged
        for place, salt, stored in shelf:
            assert cipher.open(stored, salt, place) == TOKEN

    @pytest.mark.parametrize("vector", VECTORS["opens"], ids=lambda vector: vector["note"])
    def test_values_of_earlier_releases_open_for_ever(self, vector: dict[str, Any]) -> None:
        assert _opened(vector) == Secret(vector["token"])

    @pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: vector["note"])
    def test_values_that_never_opened_never_will(self, vector: dict[str, Any]) -> None:
        with pytest.raises(TokenUnreadable):
            _opened(vector)


class TestKeyIds:
    def test_the_first_letters_tell_the_key_without_opening(self, cipher: TokenCipher) -> None:
        for _ in range(200):
            stored = cipher.lock(TOKEN, SALT, PLACE)
            assert stored.startswith(beginnings(2))
            assert key_id_at(stored[:BEGINNING]) == 2

    def test_no_two_keys_begin_alike(self) -> None:
        every = [letters for key_id in range(1, 256) for letters in beginnings(key_id)]
        assert len(set(every)) == len(every) == 255 * 4
        assert {key_id_at(letters) for letters in every} == set(range(1, 256))

    @pytest.mark.parametrize("letters", ["", "A", "??x", "eyJ", "ÄÖÜ", "AA="])
    def test_other_letters_tell_of_no_key(self, letters: str) -> None:
        assert key_id_at(letters) is None


class TestKeyCheck:
    def test_only_the_same_bytes_open_it(self, cipher: TokenCipher) -> None:
        check = cipher.seal_check(1)
        assert TokenCipher([OLD]).opens_check(1, check)
        assert not TokenCipher([_key(1, b"x")]).opens_check(1, check)

    def test_it_belongs_to_its_own_id(self) -> None:
        check = TokenCipher([OLD]).seal_check(1)
        assert not TokenCipher([_key(2, b"o")]).opens_check(2, check)

    @pytest.mark.parametrize("check", ["", "nonsense", "AQ==", "A" * 80])
    def test_what_is_no_check_opens_for_nobody(self, cipher: TokenCipher, check: str) -> None:
        assert not cipher.opens_check(1, check)

    def test_it_is_no_token(self, cipher: TokenCipher, stored: str) -> None:
        assert not cipher.opens_check(2, stored)
        assert_refused(cipher, cipher.seal_check(2))


Shelved = tuple[TokenPlace, bytes, str]


def assert_refused(
    cipher: TokenCipher, stored: str, salt: bytes = SALT, place: TokenPlace = PLACE
) -> None:
    try:
        cipher.open(stored, salt, place)
    except TokenUnreadable:
        return
    pytest.fail(f"{stored} opened at {place}")


def _flipped(raw: bytes, bit: int) -> str:
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8
    return base64.b64encode(changed).decode()


def _some_place(dice: random.Random) -> TokenPlace:
    column = dice.choice(["access_token", "refresh_token", "previous_refresh_token"])
    ids = (UUID(int=dice.getrandbits(128)), UUID(int=dice.getrandbits(128)))
    return TokenPlace(*ids, column, dice.randrange(1, 1000))


def _with_bit_flipped(dice: random.Random, own: Shelved, _other: Shelved) -> Shelved:
    raw = base64.b64decode(own[2])
    return own[0], own[1], _flipped(raw, dice.randrange(len(raw) * 8))


def _cut_short(dice: random.Random, own: Shelved, _other: Shelved) -> Shelved:
    return own[0], own[1], own[2][: dice.randrange(len(own[2]))]


def _spliced(dice: random.Random, own: Shelved, other: Shelved) -> Shelved:
    at = dice.randrange(1, len(own[2]))
    return own[0], own[1], own[2][:at] + other[2][at:]


def _moved(field: str) -> Callable[[random.Random, Shelved, Shelved], Shelved]:
    def moved(_dice: random.Random, own: Shelved, other: Shelved) -> Shelved:
        return replace(own[0], **{field: getattr(other[0], field)}), own[1], own[2]

    return moved


WRONGS: dict[str, Callable[[random.Random, Shelved, Shelved], Shelved]] = {
    "bit": _with_bit_flipped,
    "truncation": _cut_short,
    "splice": _spliced,
    "row": _moved("connection_id"),
    "column": _moved("column"),
    "practice": _moved("practice_id"),
    "version": _moved("version"),
    "salt": lambda _dice, own, other: (own[0], other[1], own[2]),
    "whole place": lambda _dice, own, other: (other[0], other[1], own[2]),
}


def _opened(vector: dict[str, Any]) -> Secret:
    place = TokenPlace(
        UUID(vector["practice_id"]),
        UUID(vector["connection_id"]),
        vector["column"],
        vector["version"],
    )
    keys = [MasterKey(int(key_id), Secret(key)) for key_id, key in vector["master_keys"].items()]
    return TokenCipher(keys).open(vector["stored"], bytes.fromhex(vector["salt"]), place)
