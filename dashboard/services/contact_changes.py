"""Which contacts a change may concern: what must be compared again, and with whom."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from dashboard.database import AnySession
from dashboard.models import Client, XeroContact, XeroContactMapping
from dashboard.rules.matching.candidates import ClientIndex
from dashboard.rules.matching.filing import Filed, Wanted, wanted_by
from dashboard.rules.matching.frequencies import Lexicon
from dashboard.services.match_file import Kept, unpacked
from dashboard.services.match_records import (
    READ_AT_ONCE,
    can_be_compared,
    client_records,
    is_unlinked,
    portions,
)

# Beyond this share of all records, comparing everything is not much more work.
SHARE = 0.05

Aims = Mapping[UUID, tuple[UUID, ...]]


@dataclass(frozen=True, slots=True)
class Changes:
    """What is otherwise than a file has it.

    `clients` were made or changed since, `gone` are no more, `switched` got or lost a contact;
    `contacts` were read since. `unlinked` are all contacts that are no client's now, `freed` those
    that were when it was made, and `recompared` those with another answer since.
    """

    clients: frozenset[UUID]
    gone: frozenset[UUID]
    switched: frozenset[UUID]
    contacts: frozenset[UUID]
    unlinked: frozenset[UUID]
    freed: frozenset[UUID]
    recompared: frozenset[UUID]
    records: int

    @property
    def are_many(self) -> bool:
        """Whether everything had better be compared."""
        clients = self.clients | self.gone | self.switched
        contacts = self.contacts | self.freed | self.recompared
        return len(clients) + len(contacts) > self.records * SHARE


def changes_since(
    session: AnySession, practice_id: UUID, connection_id: UUID, kept: Kept
) -> Changes:
    """Return what is otherwise than the file has it; five statements over ids alone."""
    clients = _clients(session, practice_id, kept.clients_at)
    filed = frozenset(_ids(kept.known.clients))
    contacts = frozenset(
        session.scalars(
            select(XeroContact.id).where(
                *can_be_compared(connection_id), XeroContact.revision > kept.contacts_revision
            )
        )
    )
    unlinked = frozenset(
        session.scalars(
            select(XeroContact.id).where(*can_be_compared(connection_id), is_unlinked())
        )
    )
    taken = frozenset(map(UUID, taken_of(session, connection_id, None)))
    return Changes(
        clients=frozenset(each for each, is_new in clients.items() if is_new),
        gone=filed - clients.keys(),
        switched=taken.symmetric_difference(unpacked(kept.known.taken)),
        contacts=contacts,
        unlinked=unlinked,
        freed=unlinked.intersection(unpacked(kept.known.linked)),
        recompared=kept.recompared,
        records=len(clients) + len(kept.known.contacts),
    )


def concerned(
    session: AnySession,
    practice_id: UUID,
    *,
    kept: Kept,
    changes: Changes,
    aims: Aims,
    lexicon: Lexicon,
) -> set[UUID]:
    """Return the unlinked contacts whose answer a change may have made another.

    `aims`: for each contact the clients that its present answer names.
    """
    other = changes.clients | changes.gone | changes.switched
    found = {*changes.contacts, *changes.freed, *changes.recompared}
    found.update(each for each, clients in aims.items() if not other.isdisjoint(clients))
    changed = ClientIndex.part(client_records(session, practice_id, changes.clients), lexicon)
    if len(changed):
        found.update(holding(kept.known.contacts, wanted_by(changed.profiles, lexicon)))
    return found & changes.unlinked


def with_rivals(contacts: set[UUID], aims: Aims, best: set[UUID]) -> set[UUID]:
    """Return *contacts* and those that aim at the same clients: whose clashes they may be.

    `best`: clients that the contacts aim at now; what they aimed at before counts too.
    """
    targets = best | {aims[each][0] for each in contacts if aims.get(each)}
    return contacts | {each for each, clients in aims.items() if clients[0] in targets}


def present_aims(session: AnySession, connection_id: UUID) -> Aims:
    """Return the clients that each unlinked contact's present answer names, the best first."""
    found = session.execute(
        select(XeroContact.id, XeroContact.candidates).where(
            *can_be_compared(connection_id), XeroContact.match != "new", is_unlinked()
        ),
        execution_options={"yield_per": READ_AT_ONCE},
    )
    return {
        row_id: tuple(UUID(one["client_id"]) for one in candidates)
        for row_id, candidates in found
        if candidates
    }


def taken_of(
    session: AnySession, connection_id: UUID, client_ids: Collection[UUID] | None
) -> set[str]:
    """Return which of these clients, or of all, have a contact."""
    taken = select(XeroContactMapping.client_id).where(
        XeroContactMapping.xero_connection_id == connection_id
    )
    return {
        str(each)
        for condition in portions(XeroContactMapping.client_id, client_ids)
        for each in session.scalars(taken.where(*condition))
    }


def _clients(session: AnySession, practice_id: UUID, since: datetime) -> dict[UUID, bool]:
    found = session.execute(
        select(Client.id, Client.updated_at > since).where(Client.practice_id == practice_id)
    )
    return {row[0]: bool(row[1]) for row in found}


def holding(filed: Filed, wanted: Wanted) -> Iterable[UUID]:
    """Return our ids of the records that hold what is wanted."""
    return (UUID(bytes=each) for each in filed.holding(wanted))


def _ids(filed: Filed) -> Iterable[UUID]:
    return (UUID(bytes=each) for each in filed)
