"""Which contacts are which clients: the detector asked, and its answers kept for pages to read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, exists, func, or_, select, update

from dashboard.database import AnySession
from dashboard.models import (
    Client,
    MatchDecision,
    Practice,
    RunKind,
    Verdict,
    XeroConnection,
    XeroContact,
    XeroContactMapping,
)
from dashboard.rules.contact_matching import (
    ClientIndex,
    MatchAddress,
    MatchRecord,
    MatchResult,
    match_contacts,
)
from dashboard.services.client_list import current_connection, lock_clients
from dashboard.services.run_lease import unfinished_run
from dashboard.xero.types import ACTIVE

logger = logging.getLogger(__name__)

# Up to here the comparison takes a second or two, which a page may; beyond it a job does it.
SMALL = 4_000
READ_AT_ONCE = 2_000
FAX = "FAX"


@dataclass(frozen=True, slots=True)
class _Known:
    """What contacts are compared with, as it was at one moment."""

    at: datetime
    clients: tuple[MatchRecord, ...]
    taken: frozenset[str]
    refused: frozenset[tuple[str, str]]


class ContactMatches:
    """Keeps the match word and the candidates of each contact of the mirror up to date."""

    def __init__(self, *, session: AnySession, clock: Callable[[], datetime]) -> None:
        self._session = session
        self._clock = clock

    def is_stale(self, connection_id: UUID) -> bool:
        """Whether clients or contacts changed since they were compared."""
        changed_at, matched_at = self._session.execute(
            select(Practice.clients_changed_at, XeroConnection.matched_at)
            .join(Practice, Practice.id == XeroConnection.practice_id)
            .where(XeroConnection.id == connection_id)
        ).one()
        if matched_at is None:
            return True
        return changed_at is not None and changed_at > matched_at

    def refresh_if_small(self, practice_id: UUID) -> bool:
        """Compare now if that is due and quick; return whether the matches are fresh.

        While a sync or an import runs nothing is done: it compares at its end. Commits.
        """
        connection = current_connection(self._session, practice_id)
        if connection is None:
            return True
        connection_id = connection.id
        if not self.is_stale(connection_id):
            self._session.commit()
            return True
        busy = any(unfinished_run(self._session, practice_id, kind) for kind in RunKind)
        size = self._contacts(connection_id) + self._clients(practice_id)
        self._session.commit()
        if busy or size > SMALL:
            return False
        self.rematch(practice_id, connection_id)
        return True

    def size(self, practice_id: UUID, connection_id: UUID) -> int:
        """Return how many contacts and clients there are to compare."""
        return self._contacts(connection_id) + self._clients(practice_id)

    def rematch(self, practice_id: UUID, connection_id: UUID) -> int:
        """Compare every unlinked contact with every client; return how many answers changed.

        Commits. The comparison itself runs outside a transaction; rows whose answer is the same
        are not written.
        """
        known = self._known(practice_id, connection_id)
        records, held = self._unlinked(connection_id)
        self._session.commit()
        index = ClientIndex.build(known.clients)
        found = match_contacts(records, index, taken=known.taken, not_a_match=known.refused)
        changed = [
            {"key": row_id, "word": word, "list": candidates}
            for contact_id, (row_id, *before) in held.items()
            for word, candidates in [_stored(found[contact_id])]
            if before != [word, candidates]
        ]
        self._keep(connection_id, known.at, changed)
        logger.info("connection %s: %d contacts matched anew", connection_id, len(changed))
        return len(changed)

    def _keep(self, connection_id: UUID, at: datetime, changed: list[dict[str, Any]]) -> None:
        """Write the answers, unless somebody who began later has written already."""
        ours = self._session.execute(
            update(XeroConnection)
            .where(
                XeroConnection.id == connection_id,
                or_(XeroConnection.matched_at.is_(None), XeroConnection.matched_at <= at),
            )
            .values(matched_at=at)
            .returning(XeroConnection.id)
            .execution_options(synchronize_session=False)
        ).scalar()
        if ours is not None and changed:
            table: Any = XeroContact.__table__
            self._session.connection().execute(
                update(table)
                .where(table.c.id == bindparam("key"))
                .values(match=bindparam("word"), candidates=bindparam("list")),
                changed,
            )
        self._session.commit()

    def _known(self, practice_id: UUID, connection_id: UUID) -> _Known:
        lock_clients(self._session, practice_id)
        at = self._clock()
        records = client_records(self._session, practice_id)
        taken = self._session.scalars(
            select(XeroContactMapping.client_id).where(
                XeroContactMapping.xero_connection_id == connection_id
            )
        )
        refused = self._session.execute(
            select(MatchDecision.xero_contact_id, MatchDecision.client_id).where(
                MatchDecision.xero_connection_id == connection_id,
                MatchDecision.verdict == Verdict.NOT_A_MATCH,
            )
        )
        known = _Known(
            at=at,
            clients=records,
            taken=frozenset(map(str, taken)),
            refused=frozenset((row[0], str(row[1])) for row in refused),
        )
        # Others may change clients again: what they change now is newer than `at`.
        self._session.commit()
        return known

    def _unlinked(
        self, connection_id: UUID
    ) -> tuple[list[MatchRecord], dict[str, tuple[UUID, str, list[Any]]]]:
        """Return the contacts to compare, and for each its row with the answer it has now."""
        rows = self._session.execute(
            select(
                XeroContact.id,
                XeroContact.xero_contact_id,
                XeroContact.name,
                XeroContact.first_name,
                XeroContact.last_name,
                XeroContact.email,
                XeroContact.phones,
                XeroContact.addresses,
                XeroContact.tax_number,
                XeroContact.company_number,
                XeroContact.match,
                XeroContact.candidates,
            ).where(
                XeroContact.xero_connection_id == connection_id,
                XeroContact.contact_status == ACTIVE,
                XeroContact.name != "",
                ~exists().where(
                    XeroContactMapping.xero_connection_id == XeroContact.xero_connection_id,
                    XeroContactMapping.xero_contact_id == XeroContact.xero_contact_id,
                ),
            ),
            execution_options={"yield_per": READ_AT_ONCE},
        )
        records: list[MatchRecord] = []
        held: dict[str, tuple[UUID, str, list[Any]]] = {}
        for row in rows:
            records.append(_contact_record(row))
            held[row.xero_contact_id] = (row.id, row.match, row.candidates)
        return records, held

    def _contacts(self, connection_id: UUID) -> int:
        return (
            self._session.scalar(
                select(func.count())
                .select_from(XeroContact)
                .where(XeroContact.xero_connection_id == connection_id)
            )
            or 0
        )

    def _clients(self, practice_id: UUID) -> int:
        return (
            self._session.scalar(
                select(func.count()).select_from(Client).where(Client.practice_id == practice_id)
            )
            or 0
        )


def client_records(session: AnySession, practice_id: UUID) -> tuple[MatchRecord, ...]:
    """Return the practice's clients as the detector compares them; keys are their ids."""
    clients = session.execute(
        select(
            Client.id,
            Client.name,
            Client.email,
            Client.phone,
            Client.tax_number,
            Client.company_number,
        ).where(Client.practice_id == practice_id)
    )
    return tuple(
        MatchRecord(
            key=str(row.id),
            name=row.name,
            emails=_some(row.email),
            phones=_some(row.phone),
            tax_number=row.tax_number or "",
            company_number=row.company_number or "",
        )
        for row in clients
    )


def _contact_record(row: Any) -> MatchRecord:
    return MatchRecord(
        key=row.xero_contact_id,
        name=row.name,
        first_name=row.first_name or "",
        last_name=row.last_name or "",
        emails=_some(row.email),
        phones=tuple(
            phone["number"] for phone in row.phones if phone["number"] and phone["kind"] != FAX
        ),
        addresses=tuple(_addresses(row.addresses)),
        tax_number=row.tax_number or "",
        company_number=row.company_number or "",
    )


def _addresses(stored: Sequence[Mapping[str, Any]]) -> Iterable[MatchAddress]:
    for address in stored:
        lines = [*address["lines"], "", ""]
        yield MatchAddress(
            line1=lines[0],
            line2=lines[1],
            city=address["city"] or "",
            region=address["region"] or "",
            postal_code=address["postal_code"] or "",
            country=address["country"] or "",
        )


def _some(value: str | None) -> tuple[str, ...]:
    return (value,) if value else ()


def _stored(result: MatchResult) -> tuple[str, list[dict[str, Any]]]:
    return result.word, [
        {
            "client_id": candidate.client_key,
            "score": round(candidate.score, 4),
            "reasons": [reason.text for reason in candidate.reasons],
        }
        for candidate in result.candidates
    ]
