"""What a promised email says, made up at the moment of sending from what is true then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy import exists, select

from dashboard.database import AnySession
from dashboard.mail import Message, one_line
from dashboard.models import Alert, AlertCause, AlertMail, Practice, User
from dashboard.rules.alert_letters import Letter, about, digest
from dashboard.rules.alert_mails import moment_in_words
from dashboard.rules.alert_table import kind_of
from dashboard.services.held_documents import Holder, documents_on_hold, holder_of


class Render(Protocol):
    """Fills in a template by its name; `wiring` knows how."""

    def __call__(self, template: str, **values: object) -> str:
        """Return the text."""


class AlertMailWriter:
    """Writes emails; it only reads."""

    def __init__(
        self,
        *,
        session: AnySession,
        render: Render,
        public_url: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._session = session
        self._render = render
        self._public_url = public_url
        self._clock = clock

    def message(self, mail_id: UUID) -> Message | None:
        """Return the email, or None when there is nothing to say any more, or not to this person.

        That is so when the alert is closed, when a later reminder is due as well, and when the
        person left, may not sign in, or is no admin any more.
        """
        mail, user, practice = self._session.execute(
            select(AlertMail, User, Practice)
            .join(User, User.id == AlertMail.user_id)
            .join(Practice, Practice.id == AlertMail.practice_id)
            .where(AlertMail.id == mail_id)
            .execution_options(populate_existing=True)
        ).one()
        if not user.is_active or user.practice_id != practice.id:
            return None
        holder = holder_of(self._session, practice.id)
        alert = self._alert_of(mail)
        letter = (
            self._digest(practice.id, user, holder)
            if mail.alert_id is None
            else self._about(mail, alert, user, holder)
        )
        if letter is None:
            return None
        values = {
            "letter": letter,
            "person": one_line(user.name),
            "practice": one_line(practice.name),
            "organisation": one_line(holder.organisation or "") if holder else "",
            "since": moment_in_words(alert.created_at, practice.time_zone) if alert else "",
            "is_admins": alert is None or alert.user_id is None,
            "public_url": self._public_url,
        }
        return Message(
            id=str(mail.id),
            to_name=user.name,
            to_address=user.email,
            subject=letter.subject,
            text=self._render("mail/alert.txt", **values),
            html=self._render("mail/alert.html", **values),
            date=self._clock(),
        )

    def _alert_of(self, mail: AlertMail) -> Alert | None:
        return self._session.scalar(
            select(Alert).where(Alert.id == mail.alert_id).execution_options(populate_existing=True)
        )

    def _about(
        self, mail: AlertMail, alert: Alert | None, user: User, holder: Holder | None
    ) -> Letter | None:
        if alert is None or alert.closed_at is not None or self._is_overtaken(mail):
            return None
        is_for_user = alert.user_id == user.id if alert.user_id else user.is_admin
        if not is_for_user:
            return None
        on_hold = 0
        if kind_of(alert.cause).holds_documents:
            on_hold = documents_on_hold(self._session, holder)
        return about(
            alert.cause,
            alert.title,
            alert.text,
            number=mail.number,
            count=alert.count,
            on_hold=on_hold,
        )

    def _digest(self, practice_id: UUID, user: User, holder: Holder | None) -> Letter | None:
        if not user.is_admin:
            return None
        counts = dict(
            self._session.execute(
                select(Alert.cause, Alert.count).where(
                    Alert.practice_id == practice_id, Alert.closed_at.is_(None)
                )
            ).all()
        )
        return digest(
            attention=counts.get(AlertCause.PUSHES_NEED_ATTENTION, 0),
            on_hold=counts.get(AlertCause.DOCUMENTS_ON_HOLD, 0),
        )

    def _is_overtaken(self, mail: AlertMail) -> bool:
        """Whether the mail server was away for so long that a later reminder is due as well."""
        overtaken = self._session.scalar(
            select(
                exists().where(
                    AlertMail.alert_id == mail.alert_id,
                    AlertMail.user_id == mail.user_id,
                    AlertMail.number > mail.number,
                    AlertMail.due_at <= self._clock(),
                )
            )
        )
        return bool(overtaken)
