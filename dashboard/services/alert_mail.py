"""Sends the emails that alerts promised: claimed by a lease, sent outside any transaction.

Two workers never send the same email at once: a lease outlasts the time in which the mail server
must have taken it. A worker that dies between the server's "250" and our commit leaves a promise
that looks unkept, and after the lease the email is sent once more; it carries the same Message-ID,
by which mail programs fold the two into one. Nothing that goes wrong here reaches a page's request:
it is written on the row, tried again with growing pauses, and told by the alerts page and by
`flask doctor`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, update

from dashboard.database import AnySession
from dashboard.mail import MailDoor, MailError, MailRefused, MailServerTrouble, MailSession, Message
from dashboard.models import AlertMail
from dashboard.rules.alert_mails import retry_after
from dashboard.services.alert_mail_writer import AlertMailWriter
from dashboard.services.alert_promises import MailPromises

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
# Opening a session and handing one message over take 20 seconds each at most.
SEND_WITHIN_SECONDS = 45.0


@dataclass(frozen=True, slots=True)
class MailRound:
    """What one round did. `more`: it ended with its time, others are waiting."""

    sent: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True)
class _Claim:
    """One promise that is ours to keep for a while."""

    id: UUID
    practice_id: UUID
    is_digest: bool
    attempts: int
    send_before: float


class AlertMailService:
    """Keeps promises for one worker. Each step commits."""

    def __init__(
        self,
        *,
        session: AnySession,
        door: MailDoor,
        writer: AlertMailWriter,
        promises: MailPromises,
        clock: Callable[[], datetime],
        owner: str,
        should_stop: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._door = door
        self._writer = writer
        self._promises = promises
        self._clock = clock
        self._owner = owner
        self._should_stop = should_stop
        self._monotonic = monotonic

    def send_due(self, seconds: float) -> MailRound:
        """Send what is due, the longest overdue first, over one connection, for that long."""
        ends_at = self._monotonic() + seconds
        sent = 0
        with ExitStack() as opened:
            line = _Line(self._door, opened, self._monotonic)
            while not self._should_stop():
                if self._monotonic() >= ends_at:
                    return MailRound(sent, more=True)
                claim = self._claim()
                if claim is None:
                    break
                try:
                    sent += self._keep(claim, line)
                except MailServerTrouble as trouble:
                    # The others would fare no better, and each would cost its twenty seconds.
                    self._put_off_all(claim, trouble)
                    break
        return MailRound(sent)

    def _claim(self) -> _Claim | None:
        """Return the next promise that is due, now ours; None if there is none."""
        now = self._clock()
        send_before = self._monotonic() + SEND_WITHIN_SECONDS
        found = self._session.execute(
            select(AlertMail.id, AlertMail.practice_id, AlertMail.alert_id, AlertMail.attempts)
            .where(*_is_due(now))
            .order_by(AlertMail.not_before, AlertMail.id)
            .limit(1)
            # PostgreSQL: what another worker is claiming right now is not waited for.
            .with_for_update(skip_locked=True)
        ).one_or_none()
        if found is None:
            self._session.commit()
            return None
        mail_id, practice_id, alert_id, attempts = found
        self._session.execute(
            update(AlertMail)
            .where(AlertMail.id == mail_id, *_is_due(now))
            .values(
                attempts=attempts + 1,
                # Should this promise end its worker, others have their turn before the next try.
                not_before=now + retry_after(attempts + 1),
                lease_owner=self._owner,
                lease_until=now + LEASE,
                updated_at=now,
            )
            .execution_options(synchronize_session=False)
        )
        self._session.commit()
        return _Claim(mail_id, practice_id, alert_id is None, attempts + 1, send_before)

    def _keep(self, claim: _Claim, line: _Line) -> int:
        """Send one email if there is something to say; return how many were sent."""
        message = self._writer.message(claim.id)
        # Nothing stays open while the mail server is asked.
        self._session.commit()
        if message is None:
            self._end(claim, dropped_at=self._clock())
            return 0
        try:
            line.send(message, claim.send_before)
        except MailRefused as refused:
            self._refused(claim, refused)
            return 0
        self._end(claim, sent_at=self._clock(), last_error=None, server_said=None)
        logger.info("email %s sent at attempt %s", claim.id, claim.attempts)
        return 1

    def _refused(self, claim: _Claim, refused: MailRefused) -> None:
        logger.warning("email %s was refused: %s", claim.id, refused.sentence)
        if refused.is_final:
            self._end(claim, dropped_at=self._clock(), **_error(refused))
            return
        self._write(claim, lease_owner=None, lease_until=None, **_error(refused))
        self._session.commit()

    def _put_off_all(self, claim: _Claim, trouble: MailServerTrouble) -> None:
        """Note the trouble on this promise, and let the others that are due wait along."""
        logger.warning("email %s could not be sent: %s", claim.id, trouble.sentence)
        now = self._clock()
        self._write(claim, lease_owner=None, lease_until=None, **_error(trouble))
        self._session.execute(
            update(AlertMail)
            .where(*_is_due(now))
            .values(not_before=now + retry_after(claim.attempts), updated_at=now)
            .execution_options(synchronize_session=False)
        )
        self._session.commit()

    def _end(self, claim: _Claim, **values: Any) -> None:
        """Write how the promise ended; where it was a digest, tomorrow's is promised with it."""
        self._write(claim, lease_owner=None, lease_until=None, **values)
        if claim.is_digest:
            self._promises.digest_ended(claim.practice_id, self._clock())
        self._session.commit()

    def _write(self, claim: _Claim, **values: Any) -> None:
        # Whoever lost the lease in the meantime leaves the row to its new owner.
        self._session.execute(
            update(AlertMail)
            .where(AlertMail.id == claim.id, AlertMail.lease_owner == self._owner)
            .values(updated_at=self._clock(), **values)
            .execution_options(synchronize_session=False)
        )


class _Line:
    """One session with the mail server, opened for the first message that needs it."""

    def __init__(self, door: MailDoor, opened: ExitStack, monotonic: Callable[[], float]) -> None:
        self._door = door
        self._opened = opened
        self._monotonic = monotonic
        self._session: MailSession | None = None

    def send(self, message: Message, before: float) -> None:
        if self._session is None:
            self._session = self._opened.enter_context(self._door.open())
        self._session.send(message, within=before - self._monotonic())


def _error(problem: MailError) -> dict[str, Any]:
    return {"last_error": problem.sentence, "server_said": problem.said}


def _is_due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        AlertMail.sent_at.is_(None),
        AlertMail.dropped_at.is_(None),
        AlertMail.not_before <= now,
        or_(AlertMail.lease_until.is_(None), AlertMail.lease_until <= now),
    )
