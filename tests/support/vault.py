"""A vault full of stored tokens whose every value can be foretold, to rotate keys under."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from uuid import UUID, uuid5

from sqlalchemy import Engine, create_engine, insert, make_url
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from dashboard.clock import utcnow
from dashboard.config import MasterKey
from dashboard.crypto import TokenCipher, TokenPlace, new_salt
from dashboard.database import prepare_engine
from dashboard.models import ConnectionStatus, Practice, PracticeSalt, XeroConnection
from dashboard.secret import Secret
from dashboard.services.locked_values import CONNECTIONS

SPACE = UUID(int=3)
# Sizes as Xero's: an access token is a JWT of some 1,200 letters, a refresh token has 43.
LENGTHS = {"access_token": 1200}
USUAL_LENGTH = 43
AT_ONCE = 1000


def master_key(key_id: int, letter: str = "") -> MasterKey:
    """Return a master key; another *letter* makes other bytes of the same id."""
    raw = sha256(f"{key_id}{letter}".encode()).digest()
    return MasterKey(key_id, Secret(base64.b64encode(raw).decode()))


def keys_in_settings(keys: Sequence[MasterKey]) -> str:
    """Return the keys as `TOKEN_MASTER_KEYS` lists them."""
    return ",".join(f"{key.key_id}:{key.key.reveal()}" for key in keys)


def token_of(connection_id: UUID, name: str, version: int) -> Secret:
    """Return the token that stands in that column when the row has that version."""
    seed = sha256(f"{connection_id} {name} {version}".encode()).hexdigest()
    return Secret((seed * 19)[: LENGTHS.get(name, USUAL_LENGTH)])


def own_engine(database_url: str) -> Engine:
    """Return an engine that keeps no connection, so that processes may be forked beside it."""
    url = make_url(database_url)
    engine = create_engine(url, poolclass=NullPool)
    prepare_engine(engine)
    return engine


def connection_id_of(number: int) -> UUID:
    """Return the id of the connection with that number."""
    return uuid5(SPACE, f"connection {number}")


def locked_values(
    cipher: TokenCipher, practice_id: UUID, connection_id: UUID, salt: bytes, version: int
) -> dict[str, object]:
    """Return the columns of a row that has all three tokens of that version."""
    return {
        column: cipher.lock(
            token_of(connection_id, name, version),
            salt,
            TokenPlace(practice_id, connection_id, name, version),
        )
        for column, name in CONNECTIONS.names.items()
    } | {"key_id": cipher.newest_key_id, "token_version": version}


def fill(
    session: Session,
    cipher: TokenCipher,
    connections: int,
    *,
    with_previous: bool = False,
    first: int = 0,
    now: datetime | None = None,
) -> None:
    """Store that many practices, each with a connection whose tokens are locked by *cipher*."""
    moment = now or utcnow()
    for start in range(first, first + connections, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, first + connections))
        practices, salts, rows = [], [], []
        for number in numbers:
            practice_id, salt = uuid5(SPACE, f"practice {number}"), new_salt()
            connection_id = connection_id_of(number)
            practices.append({"id": practice_id, "name": f"Practice {number}"})
            salts.append({"practice_id": practice_id, "salt": salt})
            values = locked_values(cipher, practice_id, connection_id, salt, 1)
            if not with_previous:
                values["previous_refresh_token_encrypted"] = None
            rows.append(
                {
                    "id": connection_id,
                    "practice_id": practice_id,
                    "xero_tenant_id": str(uuid5(SPACE, f"tenant {number}")),
                    "status": ConnectionStatus.ACTIVE,
                    "connected_at": moment,
                    **values,
                }
            )
        session.execute(insert(Practice), practices)
        session.execute(insert(PracticeSalt), salts)
        session.execute(insert(XeroConnection), rows)
        session.commit()
