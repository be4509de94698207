"""Contacts that may be in Xero twice: kept for pages to show, and never merged by us.

A pair that a person told apart stays as a row, whatever is found later, and is not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, func, or_, select, tuple_, update

from dashboard.database import AnySession, insert_for
from dashboard.models import ContactTwins
from dashboard.rules.contact_matching import Pair
from dashboard.services.client_list import current_connection
from dashboard.services.match_records import ASK_AT_ONCE
from dashboard.services.refusals import NotConnected, NotFound


def replace_twins(
    session: AnySession,
    practice_id: UUID,
    connection_id: UUID,
    pairs: Sequence[Pair],
    *,
    of: Collection[str] | None,
) -> None:
    """Keep *pairs* instead of those that were kept: of all contacts, or *of* some of them.

    Pairs that stay the same are not written, those that a person told apart are not taken away.
    Part of the caller's transaction.
    """
    held = _held(session, connection_id, of)
    found = {
        _key(pair.first_key, pair.second_key): (
            round(pair.score * 1_000),
            [reason.text for reason in pair.reasons],
        )
        for pair in pairs
    }
    over = list(held.keys() - found.keys())
    for start in range(0, len(over), ASK_AT_ONCE):
        session.execute(
            delete(ContactTwins).where(
                ContactTwins.xero_connection_id == connection_id,
                ContactTwins.apart_at.is_(None),
                tuple_(ContactTwins.first_contact_id, ContactTwins.second_contact_id).in_(
                    over[start : start + ASK_AT_ONCE]
                ),
            )
        )
    new = [
        {
            "id": uuid4(),
            "practice_id": practice_id,
            "xero_connection_id": connection_id,
            "first_contact_id": first,
            "second_contact_id": second,
            "score": score,
            "reasons": reasons,
        }
        for (first, second), (score, reasons) in found.items()
        if held.get((first, second)) != (score, reasons)
    ]
    if new:
        table: Any = ContactTwins.__table__
        statement = insert_for(session)(table)
        session.connection().execute(
            statement.on_conflict_do_update(
                index_elements=[
                    table.c.xero_connection_id,
                    table.c.first_contact_id,
                    table.c.second_contact_id,
                ],
                set_={name: statement.excluded[name] for name in ("score", "reasons")},
            ),
            new,
        )


class TwinVerdicts:
    """Takes a person's word about two contacts of the organisation."""

    def __init__(self, *, session: AnySession, clock: Callable[[], datetime]) -> None:
        self._session = session
        self._clock = clock

    def tell_apart(
        self, practice_id: UUID, user_id: UUID | None, first: str, second: str, *, apart: bool
    ) -> None:
        """Remember that two contacts are not the same, or with *apart* false forget that.

        Whoever said it first is named. Raises `NotConnected`, and `NotFound` for two contacts that
        nobody took for the same.
        """
        connection = current_connection(self._session, practice_id)
        if connection is None:
            raise NotConnected
        first, second = _key(first, second)
        said = self._session.execute(
            update(ContactTwins)
            .where(
                ContactTwins.xero_connection_id == connection.id,
                ContactTwins.first_contact_id == first,
                ContactTwins.second_contact_id == second,
            )
            .values(
                apart_at=func.coalesce(ContactTwins.apart_at, self._clock()) if apart else None,
                apart_by_id=func.coalesce(ContactTwins.apart_by_id, user_id) if apart else None,
            )
            .returning(ContactTwins.id)
            .execution_options(synchronize_session=False)
        ).first()
        if said is None:
            raise NotFound
        self._session.commit()


def _held(
    session: AnySession, connection_id: UUID, of: Collection[str] | None
) -> dict[tuple[str, str], tuple[int, list[Any]]]:
    statement = select(
        ContactTwins.first_contact_id,
        ContactTwins.second_contact_id,
        ContactTwins.score,
        ContactTwins.reasons,
    ).where(ContactTwins.xero_connection_id == connection_id)
    if of is None:
        found = session.execute(statement).all()
    else:
        ids = list(of)
        found = [
            row
            for start in range(0, len(ids), ASK_AT_ONCE)
            for portion in [ids[start : start + ASK_AT_ONCE]]
            for row in session.execute(
                statement.where(
                    or_(
                        ContactTwins.first_contact_id.in_(portion),
                        ContactTwins.second_contact_id.in_(portion),
                    )
                )
            )
        ]
    return {(row[0], row[1]): (row[2], row[3]) for row in found}


def _key(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)
