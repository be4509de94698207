"""How stored tokens are locked: AES-256-GCM under a key of each practice's own.

A stored value is base64 of `header | nonce | ciphertext and tag`, where the header is the format's
version and the id of the master key. The key is HKDF-SHA256 of that master key with the practice's
random salt: without the salt's row the values cannot be opened, whoever holds the master key.

A key check is a random value sealed under a master key alone. It tells at the start of a process
whether the key listed under an id is still the key of that id, whatever became of single tokens.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dashboard.config import KEY_BYTES, MasterKey
from dashboard.secret import Secret

FORMAT = 1
HEADER_BYTES = 2
NONCE_BYTES = 12
TAG_BYTES = 16
SALT_BYTES = 32
PURPOSE = b"chase.md xero tokens v1"
CHECK_PURPOSE = b"chase.md key check v1"
# Base64 letters that hold the format, the key id and two bits of the nonce: 18 bits.
BEGINNING = 3


class TokenUnreadable(Exception):
    """A stored token cannot be opened: another key, another place, or changed bytes.

    `version` is that of the place at which it was to be opened, where it is known.
    """

    version: int | None = None


class MasterKeyMissing(TokenUnreadable):
    """The value names a master key that is not listed: for the operator to put right."""

    def __init__(self, key_id: int) -> None:
        super().__init__(f"The token was locked with master key {key_id}, which is not listed.")
        self.key_id = key_id


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Where a stored token belongs; the same bytes anywhere else do not open."""

    practice_id: UUID
    connection_id: UUID
    column: str
    version: int

    def as_bytes(self) -> bytes:
        """Return the place in a form that no other place shares."""
        column = self.column.encode()
        return b"".join(
            (
                self.practice_id.bytes,
                self.connection_id.bytes,
                len(column).to_bytes(2, "big"),
                column,
                self.version.to_bytes(8, "big"),
            )
        )


def new_salt() -> bytes:
    """Return the random salt that a practice keeps for its keys."""
    return os.urandom(SALT_BYTES)


def key_id_of(stored: str) -> int:
    """Return the id of the master key that locked *stored*."""
    return _decode(stored)[1]


def beginnings(key_id: int) -> tuple[str, ...]:
    """Return the `BEGINNING` letters that values locked with this key have: one of these four.

    So a database can tell by which key a value is locked without opening it.
    """
    ends = (bits << 6 for bits in range(4))
    heads = (bytes((FORMAT, key_id, end)) for end in ends)
    return tuple(base64.b64encode(head).decode()[:BEGINNING] for head in heads)


def key_id_at(beginning: str) -> int | None:
    """Return the key id that the `BEGINNING` letters of a value name; None if they name none."""
    try:
        head = base64.b64decode(beginning + "A" * (4 - BEGINNING), validate=True)
    except (binascii.Error, ValueError):
        return None
    return head[1] if len(head) == BEGINNING and head[0] == FORMAT else None


class TokenCipher:
    """Locks and opens tokens with the newest master key and any older one that is still listed."""

    def __init__(self, master_keys: Iterable[MasterKey]) -> None:
        keys = tuple(master_keys)
        self._newest = keys[0].key_id
        self._masters = {key.key_id: key.raw() for key in keys}

    @property
    def key_ids(self) -> tuple[int, ...]:
        """The ids of all listed master keys, newest first."""
        return tuple(self._masters)

    @property
    def newest_key_id(self) -> int:
        """The id of the master key that new values are locked with."""
        return self._newest

    def knows(self, key_id: int) -> bool:
        """Tell whether values locked with master key *key_id* can be opened."""
        return key_id in self._masters

    def lock(self, token: Secret, salt: bytes, place: TokenPlace) -> str:
        """Return *token* as text that opens only at *place*."""
        aead = AESGCM(self._derive(self._newest, salt, PURPOSE))
        return _sealed(aead, self._newest, token.reveal().encode(), place.as_bytes())

    def open(self, stored: str, salt: bytes, place: TokenPlace) -> Secret:
        """Return the token that was locked for *place*.

        Raises `MasterKeyMissing` when its key is not listed, else `TokenUnreadable`.
        """
        try:
            raw = _decode(stored)
            aead = AESGCM(self._derive(self._key_id_in(raw), salt, PURPOSE))
            return Secret(_opened(aead, raw, place.as_bytes()).decode())
        except TokenUnreadable as problem:
            problem.version = place.version
            raise

    def relock(self, stored: str, salt: bytes, place: TokenPlace) -> str:
        """Return *stored* locked with the newest key for the same place; raises as `open`."""
        return self.lock(self.open(stored, salt, place), salt, place)

    def seal_check(self, key_id: int) -> str:
        """Return a random value sealed under a listed master key: its key check."""
        return _sealed(self._check_aead(key_id), key_id, os.urandom(KEY_BYTES), CHECK_PURPOSE)

    def opens_check(self, key_id: int, check: str) -> bool:
        """Tell whether the listed master key *key_id* is the one that sealed *check*."""
        try:
            raw = _decode(check)
            _opened(self._check_aead(key_id), raw, CHECK_PURPOSE)
        except TokenUnreadable:
            return False
        return raw[1] == key_id

    def _check_aead(self, key_id: int) -> AESGCM:
        return AESGCM(self._derive(key_id, b"", CHECK_PURPOSE))

    def _key_id_in(self, raw: bytes) -> int:
        if raw[0] != FORMAT:
            raise TokenUnreadable("The stored token has an unknown format.")
        if raw[1] not in self._masters:
            raise MasterKeyMissing(raw[1])
        return raw[1]

    def _derive(self, key_id: int, salt: bytes, purpose: bytes) -> bytes:
        hkdf = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=purpose)
        return hkdf.derive(self._masters[key_id])


def _sealed(aead: AESGCM, key_id: int, value: bytes, bound_to: bytes) -> str:
    header = bytes((FORMAT, key_id))
    nonce = os.urandom(NONCE_BYTES)
    return base64.b64encode(header + nonce + aead.encrypt(nonce, value, header + bound_to)).decode()


def _opened(aead: AESGCM, raw: bytes, bound_to: bytes) -> bytes:
    header, nonce = raw[:HEADER_BYTES], raw[HEADER_BYTES : HEADER_BYTES + NONCE_BYTES]
    try:
        return aead.decrypt(nonce, raw[HEADER_BYTES + NONCE_BYTES :], header + bound_to)
    except InvalidTag as problem:
        raise TokenUnreadable("The stored token was changed or moved.") from problem


def _decode(stored: str) -> bytes:
    try:
        raw = base64.b64decode(stored, validate=True)
    except (binascii.Error, ValueError) as problem:
        raise TokenUnreadable("The stored token is not base64.") from problem
    # Base64 ignores trailing bits: only the canonical spelling is accepted, so that no flip passes.
    canonical = base64.b64encode(raw).decode() == stored
    if len(raw) < HEADER_BYTES + NONCE_BYTES + TAG_BYTES or not canonical:
        raise TokenUnreadable("The stored token is cut short or misspelt.")
    return raw
