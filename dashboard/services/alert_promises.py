"""Promises of emails: rows that are written in the same commit as the alert they are about.

An alert of its own is promised to whoever is an admin when it opens, or to the one person whom it
concerns; its reminders too. What can wait goes into a digest: a person has one to come at a time,
and the next is promised when one has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import exists, select, update
from sqlalchemy.sql.elements import TextClause

from dashboard.database import AnySession, insert_for
from dashboard.models import Alert, AlertMail, Practice, Role, User
from dashboard.models.alert import UNSENT_DIGEST
from dashboard.rules.alert_mails import due_moments, next_digest
from dashboard.rules.alert_table import IN_DIGEST, kind_of


class MailPromises:
    """Makes and withdraws promises inside the caller's transaction."""

    def __init__(self, *, session: AnySession) -> None:
        self._session = session

    def alert_raised(
        self,
        alert_id: UUID,
        practice_id: UUID,
        cause: str,
        *,
        opened_at: datetime,
        now: datetime,
        user_id: UUID | None,
    ) -> None:
        """Promise what is due for an alert that opened, or was open already, at *now*."""
        kind = kind_of(cause)
        if kind.in_digest:
            self._promise_digest(practice_id, now)
        elif opened_at == now and kind.mailed_after:
            self._promise(
                alert_id,
                practice_id,
                self._recipients(practice_id, user_id, kind.seen_by == "starter"),
                due_moments(opened_at, kind.mailed_after),
            )

    def alerts_closed(self, alert_ids: Sequence[UUID], now: datetime) -> None:
        """Withdraw what is still promised about these alerts."""
        self._session.execute(
            update(AlertMail)
            .where(
                AlertMail.alert_id.in_(alert_ids),
                AlertMail.sent_at.is_(None),
                AlertMail.dropped_at.is_(None),
            )
            .values(dropped_at=now, updated_at=now)
            .execution_options(synchronize_session=False)
        )

    def digest_ended(self, practice_id: UUID, now: datetime) -> None:
        """Promise tomorrow's digest, if there is still something to tell."""
        still_open = self._session.scalar(
            select(
                exists().where(
                    Alert.practice_id == practice_id,
                    Alert.cause.in_(IN_DIGEST),
                    Alert.closed_at.is_(None),
                )
            )
        )
        if still_open:
            self._promise_digest(practice_id, now)

    def _recipients(
        self, practice_id: UUID, user_id: UUID | None, only_starter: bool
    ) -> Sequence[UUID]:
        if only_starter:
            return [] if user_id is None else [user_id]
        return self._session.scalars(
            select(User.id).where(User.practice_id == practice_id, User.role == Role.ADMIN)
        ).all()

    def _promise_digest(self, practice_id: UUID, now: datetime) -> None:
        time_zone = self._session.scalars(
            select(Practice.time_zone).where(Practice.id == practice_id)
        ).one()
        admins = self._recipients(practice_id, None, only_starter=False)
        due = (next_digest(now, time_zone),)
        self._promise(None, practice_id, admins, due, index_where=UNSENT_DIGEST)

    def _promise(
        self,
        alert_id: UUID | None,
        practice_id: UUID,
        user_ids: Sequence[UUID],
        due: Sequence[datetime],
        index_where: TextClause | None = None,
    ) -> None:
        rows = [
            {
                "id": uuid4(),
                "practice_id": practice_id,
                "alert_id": alert_id,
                "user_id": user_id,
                "number": number,
                "due_at": moment,
                "not_before": moment,
                "attempts": 0,
            }
            for user_id in user_ids
            for number, moment in enumerate(due, start=1)
        ]
        if not rows:
            return
        key = (
            [AlertMail.alert_id, AlertMail.user_id, AlertMail.number]
            if index_where is None
            else [AlertMail.user_id]
        )
        self._session.execute(
            insert_for(self._session)(AlertMail)
            .values(rows)
            .on_conflict_do_nothing(index_elements=key, index_where=index_where)
        )
