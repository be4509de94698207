"""How stored tokens are locked: AES-256-GCM under a key of each practice's own.

A stored value is base64 of `header | nonce | ciphertext and tag`, where the header is the format's
version and the id of the master key. The key is HKDF-SHA256 of that master key with the practice's
random salt: without the salt's row the values cannot be opened, whoever holds the master key.
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


class TokenUnreadable(Exception):
    """A stored token cannot be opened: another key, another place, or changed bytes."""


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


class TokenCipher:
    """Locks and opens tokens with the newest master key and any older one that is still listed."""

    def __init__(self, master_keys: Iterable[MasterKey]) -> None:
        keys = tuple(master_keys)
        self._newest = keys[0].key_id
        self._masters = {key.key_id: key.raw() for key in keys}

    @property
    def newest_key_id(self) -> int:
        """The id of the master key that new values are locked with."""
        return self._newest

    def knows(self, key_id: int) -> bool:
        """Tell whether values locked with master key *key_id* can be opened."""
        return key_id in self._masters

    def lock(self, token: Secret, salt: bytes, place: TokenPlace) -> str:
        """Return *token* as text that opens only at *place*."""
        header = bytes((FORMAT, self._newest))
        nonce = os.urandom(NONCE_BYTES)
        aead = AESGCM(self._derive(self._newest, salt))
        sealed = aead.encrypt(nonce, token.reveal().encode(), header + place.as_bytes())
        return base64.b64encode(header + nonce + sealed).decode()

    def open(self, stored: str, salt: bytes, place: TokenPlace) -> Secret:
        """Return the token that was locked for *place*, or raise `TokenUnreadable`."""
        raw = _decode(stored)
        header, nonce = raw[:HEADER_BYTES], raw[HEADER_BYTES : HEADER_BYTES + NONCE_BYTES]
        if header[0] != FORMAT or header[1] not in self._masters:
            raise TokenUnreadable(f"The token was locked with master key {header[1]}, not listed.")
        aead = AESGCM(self._derive(header[1], salt))
        sealed = raw[HEADER_BYTES + NONCE_BYTES :]
        try:
            return Secret(aead.decrypt(nonce, sealed, header + place.as_bytes()).decode())
        except InvalidTag as problem:
            raise TokenUnreadable("The stored token was changed or moved.") from problem

    def _derive(self, key_id: int, salt: bytes) -> bytes:
        hkdf = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=PURPOSE)
        return hkdf.derive(self._masters[key_id])


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
