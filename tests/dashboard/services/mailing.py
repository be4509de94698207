"""A practice that is told of its alerts by email: the services at a moment that a test may move."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from dashboard import wiring
from dashboard.database import db
from dashboard.mail import MailDoor
from dashboard.mail_settings import MailServer
from dashboard.models import (
    AlertCause,
    DocumentStatus,
    Practice,
    PushStatus,
    XeroConnection,
    XeroFilePush,
)
from dashboard.services.alert_checks import AlertChecks
from dashboard.services.alert_mail import AlertMailService
from dashboard.services.alert_promises import MailPromises
from dashboard.services.alerts import AlertService
from tests import factories
from tests.support.mail_server import SENDER

# A Monday in winter: London's clocks show UTC.
MONDAY = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
SECONDS = 30.0


@dataclass
class Mailing:
    """Raises and resolves alerts, lets time pass, and sends what is due."""

    server: MailServer
    now: datetime = MONDAY
    session: Any = field(default_factory=lambda: db.session)

    def clock(self) -> datetime:
        return self.now

    def alerts(self, *, sends: bool = True) -> AlertService:
        promises = MailPromises(session=self.session) if sends else None
        return AlertService(session=self.session, clock=self.clock, promises=promises)

    def checks(self) -> AlertChecks:
        return AlertChecks(session=self.session, alerts=self.alerts(), clock=self.clock)

    def service(self, owner: str = "worker-1", session: Any = None) -> AlertMailService:
        session = session or self.session
        return AlertMailService(
            session=session,
            door=MailDoor(self.server, SENDER),
            writer=wiring.alert_mail_writer(self.clock),
            promises=MailPromises(session=session),
            clock=self.clock,
            owner=owner,
            should_stop=lambda: False,
        )

    def raise_once(self, practice: Practice, cause: AlertCause, **values: Any) -> None:
        """Raise an alert and commit, as whoever finds its cause does."""
        title, text = values.pop("title", "A title"), values.pop("text", "What happened.")
        self.alerts().raise_once(practice.id, cause, "danger", title, text, **values)
        self.session.commit()

    def resolve(self, practice: Practice, *causes: AlertCause) -> None:
        """Resolve alerts and commit."""
        self.alerts().resolve(practice.id, *causes)
        self.session.commit()

    def after(self, **span: float) -> int:
        """Let time pass, send what is due, and return how many emails that were."""
        self.now += timedelta(**span)
        return self.send()

    def send(self, owner: str = "worker-1") -> int:
        """Send what is due."""
        return self.service(owner).send_due(SECONDS).sent

    def at(self, moment: datetime) -> int:
        """Send what is due at that moment."""
        self.now = moment
        return self.send()


def hold_documents(
    connection: XeroConnection, number: int, *, created_at: datetime | None = None
) -> None:
    """Let so many accepted documents of a new client wait for *connection*."""
    client = factories.make_client(db.session.get_one(Practice, connection.practice_id))
    factories.make_mapping(connection, client, f"contact of {client.id}")
    for _ in range(number):
        document = factories.make_document(client, status=DocumentStatus.ACCEPTED)
        values: dict[str, Any] = {"created_at": created_at} if created_at else {}
        db.session.add(
            XeroFilePush(
                practice_id=connection.practice_id,
                xero_connection_id=connection.id,
                document_id=document.id,
                client_id=client.id,
                content_sha256="0" * 64,
                size=1,
                status=PushStatus.PENDING,
                **values,
            )
        )
    db.session.commit()
