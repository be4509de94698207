"""Keeping what a whole comparison knew, so that the next one compares only what changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select, update

from dashboard.database import AnySession, insert_for
from dashboard.models import MatchFile
from dashboard.rules.matching.filing import (
    EDITION,
    ID_BYTES,
    Filed,
    filed_under,
    lexicon_of,
    lexicon_values,
)
from dashboard.rules.matching.frequencies import Lexicon
from dashboard.rules.matching.profile import Profile

# Words become rarer and commoner with time: once a day everything is compared anew.
GOOD_FOR = timedelta(hours=24)


class Known(msgspec.Struct):
    """What a whole comparison knew.

    `clients` and `contacts` are filed by our own ids; of the contacts those in `linked` were some
    client's and not compared, and those clients are `taken`. The lexicons are those of the clients,
    and of the contacts among themselves.
    """

    edition: int
    clients: Filed
    contacts: Filed
    linked: bytes
    taken: bytes
    words: dict[str, Any]
    words_within: dict[str, Any]

    @property
    def lexicon(self) -> Lexicon:
        """What the clients teach about words."""
        return lexicon_of(self.words)

    @property
    def lexicon_within(self) -> Lexicon:
        """What the contacts teach about words."""
        return lexicon_of(self.words_within)


class Kept(msgspec.Struct):
    """A file as it was found: what it knew, up to which change, and what was compared since."""

    made_at: datetime
    clients_at: datetime
    contacts_revision: int
    recompared: frozenset[UUID]
    known: Known


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Known)


def packed(ids: Iterable[UUID]) -> bytes:
    """Return ids in as few bytes as can be."""
    return b"".join(each.bytes for each in ids)


def unpacked(data: bytes) -> Iterable[UUID]:
    """Return the ids that were packed."""
    return (UUID(bytes=data[at : at + ID_BYTES]) for at in range(0, len(data), ID_BYTES))


def filed_profiles(profiles: Iterable[tuple[UUID, Profile]]) -> Filed:
    """Return records, each by our id, filed under their keys."""
    return Filed.of((row_id.bytes, filed_under(profile)) for row_id, profile in profiles)


def known_of(
    *,
    clients: Filed,
    contacts: Filed,
    linked: Iterable[UUID],
    taken: Iterable[UUID],
    lexicon: Lexicon,
    lexicon_within: Lexicon,
) -> Known:
    """Return what a whole comparison knows, ready to be kept."""
    return Known(
        edition=EDITION,
        clients=clients,
        contacts=contacts,
        linked=packed(linked),
        taken=packed(taken),
        words=lexicon_values(lexicon),
        words_within=lexicon_values(lexicon_within),
    )


def keep(
    session: AnySession,
    connection_id: UUID,
    known: Known,
    *,
    clients_at: datetime,
    contacts_revision: int,
    now: datetime,
) -> None:
    """Keep it instead of what was kept; part of the caller's transaction."""
    values = {
        "made_at": now,
        "clients_at": clients_at,
        "contacts_revision": contacts_revision,
        "data": _ENCODER.encode(known),
        "recompared": None,
    }
    session.execute(
        insert_for(session)(MatchFile)
        .values(xero_connection_id=connection_id, **values)
        .on_conflict_do_update(index_elements=[MatchFile.xero_connection_id], set_=values)
    )


def kept(session: AnySession, connection_id: UUID, now: datetime) -> Kept | None:
    """Return what was kept, None if that is nothing, too old, or of another edition."""
    found = session.execute(
        select(MatchFile.__table__).where(
            MatchFile.xero_connection_id == connection_id, MatchFile.made_at > now - GOOD_FOR
        )
    ).first()
    if found is None:
        return None
    known = _DECODER.decode(found.data)
    if known.edition != EDITION:
        return None
    return Kept(
        found.made_at,
        found.clients_at,
        found.contacts_revision,
        frozenset(unpacked(found.recompared or b"")),
        known,
    )


def note_recompared(
    session: AnySession, connection_id: UUID, kept: Kept, contacts: Iterable[UUID]
) -> None:
    """Note which contacts have other answers now than when the file was made; no commit.

    They are compared again each time: what a change did to them, its reverse must undo.
    """
    session.execute(
        update(MatchFile)
        .where(MatchFile.xero_connection_id == connection_id, MatchFile.made_at == kept.made_at)
        .values(recompared=packed(kept.recompared.union(contacts)))
        .execution_options(synchronize_session=False)
    )
