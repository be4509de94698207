"""The practice of a scene, and what can stand in it: rows as the product itself writes them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from sqlalchemy import delete, func, select

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.gallery import cast
from dashboard.models import (
    AlertCause,
    CallPurpose,
    Client,
    ClientDocument,
    DocumentStatus,
    ImportDraft,
    ItemOutcome,
    Practice,
    PushEvent,
    PushStatus,
    Role,
    RunKind,
    RunStatus,
    ScanStatus,
    SyncRun,
    SyncRunItem,
    User,
    XeroCalls,
    XeroConnection,
    XeroContact,
    XeroContactMapping,
    XeroFilePush,
)
from dashboard.models.xero_calls import full_hour
from dashboard.rules.file_naming import file_name, with_suffix
from dashboard.rules.permissions import PERMISSIONS
from dashboard.secret import Secret
from dashboard.services.connection_truth import ConnectionTruth
from dashboard.services.contact_mirror import write_page
from dashboard.services.push_attention import PushAttention
from dashboard.services.push_timeline import Line
from dashboard.services.token_custody import ACCESS, REFRESH
from dashboard.xero.types import Contact

PRACTICE = "Hartley & Finch Accountants"
ORGANISATION = "Demo Company (UK)"
ALL_SCOPES = tuple(scope for permission in PERMISSIONS for scope in permission.scopes)
# No password has such a hash: people of scenes are signed in by opening the scene.
NO_PASSWORD = "-"  # noqa: S105 - the opposite of one
R = TypeVar("R")
SIZE = 248_000
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Filed:
    """A document with the push that brings it to Xero."""

    document: ClientDocument
    push: XeroFilePush


def tenant_of(email: str) -> str:
    """Return Xero's id of the organisation of a scene, whose admin has this address."""
    return str(uuid5(NAMESPACE_URL, email))


class Office:
    """A fresh practice with an admin and a member of staff; what was there of the scene is gone."""

    def __init__(self, email: str) -> None:
        self.now = utcnow()
        self.tenant_id = tenant_of(email)
        known = select(User.practice_id).where(User.email == email)
        db.session.execute(delete(Practice).where(Practice.id.in_(known.scalar_subquery())))
        db.session.execute(delete(XeroCalls).where(XeroCalls.xero_tenant_id == self.tenant_id))
        self.practice = self.add(Practice(name=PRACTICE))
        self.admin = self._person(email, "Hannah Hartley", Role.ADMIN)
        self.staff = self._person(f"sam.{email}", "Sam Okafor", Role.STAFF)
        self.browser_key = ""
        self._connection: XeroConnection | None = None

    @property
    def id(self) -> UUID:
        """The practice's id."""
        return self.practice.id

    @property
    def connection(self) -> XeroConnection:
        """The connection that `connect` made."""
        assert self._connection is not None  # noqa: S101 - scenes connect before they use it
        return self._connection

    @property
    def truth(self) -> ConnectionTruth:
        """What keeps the connection's state, and the alerts about it, true."""
        return wiring.connection_truth()

    def add(self, row: R) -> R:
        """Return a row that is stored."""
        db.session.add(row)
        db.session.flush()
        return row

    def _person(self, email: str, name: str, role: Role) -> User:
        values = {"email": email, "name": name, "role": role, "password_hash": NO_PASSWORD}
        return self.add(User(practice_id=self.id, **values))

    # -- the connection -------------------------------------------------------------------------

    def connect(self, **values: Any) -> XeroConnection:
        """Return a connection that works, as it is an hour after the last reading of contacts."""
        now = self.now
        given: dict[str, Any] = {
            "xero_tenant_id": self.tenant_id,
            "xero_org_name": ORGANISATION,
            "short_code": "!demo1",
            "xero_connection_id": str(uuid5(NAMESPACE_URL, f"connection of {self.id}")),
            "connected_by_id": self.admin.id,
            "connected_at": now - 19 * DAY,
            "last_good_call_at": now - 2 * MINUTE,
            "token_version": 1,
            "token_last_refreshed_at": now - 12 * MINUTE,
            "token_expires_at": now + 18 * MINUTE,
            "refresh_due_at": now + 13 * MINUTE,
            "last_sync_at": now - 2 * MINUTE,
            "last_sync_contact_count": len(cast.contacts()),
            "sync_due_at": now + 13 * MINUTE,
            "health_due_at": now + 58 * MINUTE,
            "scopes": list(ALL_SCOPES),
        }
        connection_id, custody = uuid4(), wiring.token_custody(self.truth)
        for column in (ACCESS, REFRESH):
            # Tokens that open, and that no Xero knows.
            locked = custody.lock(self.id, connection_id, column, 1, Secret(f"{column} of a scene"))
            given[f"{column}_encrypted"] = locked
        given |= {"id": connection_id, "key_id": wiring.outside().cipher.newest_key_id}
        self._connection = self.add(XeroConnection(practice_id=self.id, **{**given, **values}))
        return self._connection

    def call(self, days: int = 14) -> None:
        """Count calls to Xero over the last days, and of the hour before this one."""
        purposes = (CallPurpose.SYNC, CallPurpose.PUSH, CallPurpose.CHECK, CallPurpose.PERSON)
        for day in range(days):
            for number, purpose in enumerate(purposes):
                hour = full_hour(self.now - HOUR - day * DAY)
                calls = (37 * (day + 1) + 11 * number) % 90 // (number + 1)
                values = {"calls": calls, "bytes_sent": 900 * calls, "bytes_received": 4200 * calls}
                self.add(
                    XeroCalls(
                        xero_tenant_id=self.tenant_id,
                        hour=hour,
                        purpose=purpose,
                        last_at=self.now - 2 * MINUTE - day * DAY,
                        **values,
                    )
                )

    # -- clients and contacts -------------------------------------------------------------------

    def clients(self, count: int | None = None) -> list[Client]:
        """Return the first clients of the cast, all of them without a number."""
        return [self.add(Client(practice_id=self.id, **fields)) for fields in cast.CLIENTS[:count]]

    def mirror(self, contacts: Sequence[Contact] | None = None) -> None:
        """Hold the organisation's contacts as the last reading left them."""
        write_page(
            db.session,
            practice_id=self.id,
            connection_id=self.connection.id,
            contacts=cast.contacts() if contacts is None else contacts,
            now=self.now - 2 * MINUTE,
        )

    def compare(self) -> None:
        """Let the detector compare contacts with clients."""
        wiring.xero_sync().rematch(self.id)

    def link(self, client: Client, number: int, **values: Any) -> XeroContactMapping:
        """Return the link of a client to a contact of the cast."""
        client.xero_contact_id = cast.contact_id(number)
        since = self.now - 19 * DAY
        return self.add(
            XeroContactMapping(
                practice_id=self.id,
                xero_connection_id=self.connection.id,
                client_id=client.id,
                xero_contact_id=client.xero_contact_id,
                xero_contact_name=client.name,
                created_at=since,
                updated_at=since,
                **values,
            )
        )

    def linked_client(self) -> Client:
        """Return the first client, linked to its contact; connects where nothing is yet."""
        if self._connection is None:
            self.connect()
        self.mirror()
        [client] = self.clients(1)
        self.link(client, 1)
        return client

    def preview(self) -> ImportDraft:
        """Return the draft of an import in which every match word appears."""
        self.connect()
        self.mirror()
        clients = self.clients()
        for number in (1, 2):
            self.link(clients[number - 1], number)
        self.compare()
        return self.draft()

    def draft(self) -> ImportDraft:
        """Return the practice's open draft."""
        return wiring.xero_sync().get_import_preview(self.id)

    def contact(self, number: int) -> XeroContact:
        """Return a contact of the mirror by its number in the cast."""
        return db.session.scalars(
            select(XeroContact).where(
                XeroContact.xero_connection_id == self.connection.id,
                XeroContact.xero_contact_id == cast.contact_id(number),
            )
        ).one()

    # -- documents ------------------------------------------------------------------------------

    def document(self, client: Client, kind: str = "P60", **values: Any) -> ClientDocument:
        """Return a document that was accepted ten minutes ago, unless *values* say otherwise."""
        words = f"{kind} of {client.id}".encode()
        given = {
            "document_type": kind,
            "tax_year": "2025-26",
            "file_name": f"{kind.lower().replace(' ', '-')}.pdf",
            "extension": "pdf",
            "mime_type": "application/pdf",
            "size": SIZE,
            "content_sha256": hashlib.sha256(words).hexdigest(),
            "storage_key": f"{self.id}/{hashlib.sha256(words).hexdigest()[:12]}",
            "status": DocumentStatus.ACCEPTED,
            "scan_status": ScanStatus.CLEAN,
            "created_at": self.now - 3 * HOUR,
            "updated_at": self.now - 10 * MINUTE,
            "decided_at": self.now - 10 * MINUTE,
            "decided_by_id": self.staff.id,
        }
        return self.add(
            ClientDocument(practice_id=self.id, client_id=client.id, **{**given, **values})
        )

    def received(self, client: Client, kind: str = "P60", **values: Any) -> ClientDocument:
        """Return a document on which nobody has decided."""
        undecided = {"status": DocumentStatus.RECEIVED, "decided_at": None, "decided_by_id": None}
        return self.document(client, kind, **{**undecided, **values})

    def file(
        self,
        client: Client,
        kind: str = "P60",
        *,
        lines: Sequence[Line] = (),
        document: dict[str, Any] | None = None,
        **values: Any,
    ) -> Filed:
        """Return a document and its push, with the lines of its timeline, the oldest first."""
        made = self.document(client, kind, **(document or {}))
        status = values.get("status", PushStatus.PENDING)
        in_xero = status in {PushStatus.UPLOADED, PushStatus.ASSOCIATED}
        given = {
            "folder_name": "chase.md",
            "file_name": self._name_in_xero(client, made),
            "xero_file_id": str(uuid5(made.id, "file")) if in_xero else None,
            "xero_folder_id": str(uuid5(made.id, "folder")) if in_xero else None,
            "pushed_at": self.now - 8 * MINUTE if status == PushStatus.ASSOCIATED else None,
            "read_back_at": self.now - 6 * MINUTE if status == PushStatus.ASSOCIATED else None,
            "first_attempt_at": self.now - 9 * MINUTE,
            "created_at": self.now - 10 * MINUTE,
            "updated_at": self.now - 6 * MINUTE,
        }
        push = self.add(
            XeroFilePush(
                practice_id=self.id,
                xero_connection_id=self.connection.id,
                document_id=made.id,
                client_id=client.id,
                content_sha256=made.content_sha256,
                size=made.size,
                **{**given, **values},
            )
        )
        filed = Filed(made, push)
        self.tell(filed, *lines)
        return filed

    def _name_in_xero(self, client: Client, made: ClientDocument) -> str:
        alike = select(func.count()).where(
            ClientDocument.client_id == client.id,
            ClientDocument.document_type == made.document_type,
            ClientDocument.tax_year == made.tax_year,
        )
        name = file_name(client.name, made.document_type, made.tax_year, made.extension)
        return with_suffix(name, db.session.scalars(alike).one())

    def tell(self, filed: Filed, *lines: Line) -> None:
        """Write the timeline of a push, from its document's acceptance on."""
        for place, line in enumerate(lines):
            filed.push.updated_at = self.now - 10 * MINUTE + place * MINUTE / 2
            self.add(
                PushEvent(
                    push_id=filed.push.id,
                    practice_id=self.id,
                    at=filed.push.updated_at,
                    kind=line.kind,
                    sentence=line.sentence,
                    attempt=line.attempt,
                    details=line.details,
                )
            )

    def tell_of_pushes(self) -> None:
        """Open or close the alert about documents that need somebody."""
        attention = PushAttention(session=db.session, alerts=wiring.alerts())
        attention.refresh(self.id, self.connection.id)

    # -- runs -----------------------------------------------------------------------------------

    def run(self, kind: RunKind, status: RunStatus, **values: Any) -> SyncRun:
        """Return a run that a person began three minutes ago; a final one took 2 min 14 s."""
        began = values.pop("began", self.now - 3 * MINUTE)
        given: dict[str, Any] = {
            "started_by_id": self.staff.id,
            "created_at": began,
            "updated_at": began + MINUTE,
            "started_at": None if status == RunStatus.WAITING else began,
            "finished_at": began + timedelta(seconds=134) if status.is_final else None,
            # Somebody else's lease: whoever works here leaves the run as it is.
            "lease_owner": None if status.is_final else "gallery",
            "lease_until": None if status.is_final else self.now + DAY,
        }
        return self.add(
            SyncRun(
                practice_id=self.id,
                xero_connection_id=self.connection.id,
                kind=kind,
                status=status,
                **{**given, **values},
            )
        )

    def items(
        self, run: SyncRun, *rows: tuple[str, ItemOutcome, str | None, Client | None]
    ) -> None:
        """Say of each contact of a run what became of it, why, and of which client."""
        for number, (name, outcome, reason, client) in enumerate(rows, start=1):
            self.add(
                SyncRunItem(
                    run_id=run.id,
                    practice_id=self.id,
                    xero_contact_id=cast.contact_id(number),
                    contact_name=name,
                    action="create",
                    client_id=client.id if client else None,
                    outcome=outcome,
                    reason=reason,
                )
            )

    # -- alerts ---------------------------------------------------------------------------------

    def alert(self, cause: AlertCause, title: str, text: str, tone: str = "warning") -> None:
        """Open an alert."""
        wiring.alerts().raise_once(self.id, cause, tone, title, text)

    def close_alerts(self, causes: Collection[AlertCause]) -> None:
        """Let the causes of alerts be gone."""
        wiring.alerts().resolve(self.id, *causes)
