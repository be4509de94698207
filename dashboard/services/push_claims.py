"""Who works on which push: leases, and the writes that they fence.

One drain works for a practice at a time (the connection's push lease), so documents go out in the
order of their acceptance and a folder is made once. The push itself is leased too. Every write
names the owner of the lease; whoever lost it writes nothing. A lease is short and is renewed while
a call is in the air, so that work goes on soon after its worker died.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Engine,
    and_,
    case,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from dashboard.database import AnySession
from dashboard.models import (
    Client,
    ClientDocument,
    ConnectionStatus,
    DocumentStatus,
    PushEvent,
    PushStatus,
    ScanStatus,
    XeroConnection,
    XeroContact,
    XeroContactMapping,
    XeroFilePush,
)
from dashboard.rules.permissions import FILES_SCOPE
from dashboard.services import push_timeline
from dashboard.services.push_timeline import Line
from dashboard.xero.types import ACTIVE

LEASE = timedelta(seconds=20)
# Late enough for Xero to list new files, and for many documents to share one look.
READ_BACK_AFTER = timedelta(minutes=1)


class LeaseLost(Exception):
    """Somebody else works on it now; what we know about it is old."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of one drain to work for a connection."""

    owner: str
    connection_id: UUID
    practice_id: UUID
    tenant_id: str


@dataclass(frozen=True, slots=True)
class Push:
    """A push as last read, with what its steps need to know; never written to."""

    id: UUID
    practice_id: UUID
    connection_id: UUID
    tenant_id: str
    status: PushStatus
    xero_file_id: str | None
    xero_folder_id: str | None
    association_object_id: str | None
    folder_name: str | None
    file_name: str | None
    content_sha256: str
    size: int
    retry_count: int
    idempotency_key: UUID
    upload_key_number: int
    association_key_number: int
    outcome_unknown: bool
    looks: int
    deaths: int
    first_attempt_at: datetime | None
    document_id: UUID
    document_type: str
    tax_year: str
    extension: str
    mime_type: str
    storage_key: str
    scan_status: ScanStatus
    client_name: str
    contact_id: str | None
    contact_name: str | None
    year_folders: bool
    chosen_folder_id: str | None

    @property
    def upload_key(self) -> str:
        """The idempotency key of the next sending; Xero keeps keys for the app as a whole."""
        return f"{self.tenant_id}:{self.idempotency_key}:upload:{self.upload_key_number}"

    @property
    def association_key(self) -> str:
        """The idempotency key of the next association."""
        return f"{self.tenant_id}:{self.idempotency_key}:assoc:{self.association_key_number}"

    @property
    def contact_label(self) -> str:
        """The contact's name for a sentence."""
        return self.contact_name or self.client_name


class PushClaims:
    """Takes, renews and gives back leases, and writes under them. Each method commits."""

    def __init__(self, *, session: AnySession, clock: Callable[[], datetime]) -> None:
        self._session = session
        self._clock = clock

    def hold_practice(
        self, practice_id: UUID, owner: str, *, for_sending: bool = True
    ) -> Lease | None:
        """Return the right to work for this practice, or None.

        Nobody has it while another holds it, while Xero asked to wait, while the connection does
        not work or lacks the permission to add files, and *for_sending* while that is switched off.
        """
        now = self._clock()
        row = self._session.execute(
            update(XeroConnection)
            .where(
                XeroConnection.practice_id == practice_id,
                XeroConnection.status == ConnectionStatus.ACTIVE,
                XeroConnection.push_documents_to_xero.in_([True] if for_sending else [True, False]),
                XeroConnection.allows(FILES_SCOPE),
                or_(XeroConnection.waits_until.is_(None), XeroConnection.waits_until <= now),
                or_(
                    XeroConnection.push_lease_until.is_(None),
                    XeroConnection.push_lease_until <= now,
                ),
            )
            .values(
                push_lease_owner=owner,
                push_lease_until=now + LEASE,
                updated_at=XeroConnection.updated_at,
            )
            .returning(XeroConnection.id, XeroConnection.xero_tenant_id)
            .execution_options(synchronize_session=False)
        ).one_or_none()
        self._session.commit()
        return Lease(owner, row[0], practice_id, row[1]) if row is not None else None

    def release_practice(self, lease: Lease, *, pause_seconds: float = 0.0) -> datetime | None:
        """Give the practice back; nobody sends for it in the next *pause_seconds*.

        Returns until when Xero's limits keep it waiting; None where they do not.
        """
        now = self._clock()
        until = now + timedelta(seconds=pause_seconds) if pause_seconds else None
        waits_until = self._session.execute(
            update(XeroConnection)
            .where(
                XeroConnection.id == lease.connection_id,
                XeroConnection.push_lease_owner == lease.owner,
            )
            .values(
                push_lease_owner=None,
                push_lease_until=until,
                updated_at=XeroConnection.updated_at,
            )
            .returning(XeroConnection.waits_until)
            .execution_options(synchronize_session=False)
        ).scalar_one_or_none()
        self._session.commit()
        return waits_until if waits_until and waits_until > now else None

    def read_back_soon(self, lease: Lease) -> None:
        """Have it looked up in Xero soon what this drain filed."""
        soon = self._clock() + READ_BACK_AFTER
        self._session.execute(
            update(XeroConnection)
            .where(
                XeroConnection.id == lease.connection_id,
                or_(
                    XeroConnection.files_check_due_at.is_(None),
                    XeroConnection.files_check_due_at > soon,
                ),
            )
            .values(files_check_due_at=soon, updated_at=XeroConnection.updated_at)
            .execution_options(synchronize_session=False)
        )
        self._session.commit()

    def claim_next(self, lease: Lease, document_id: UUID | None = None) -> Push | None:
        """Return the next push in the order of their promises, claimed, or None if none is due.

        Raises `LeaseLost` when the practice is not ours any more.
        """
        now = self._clock()
        self._renew_practice(lease, now)
        found = self._next(lease, now, document_id)
        if found is None:
            self._session.commit()
            return None
        push_id, dead_owner = found
        claimed = self._session.scalar(
            update(XeroFilePush)
            .where(XeroFilePush.id == push_id, _is_free(XeroFilePush, now))
            .values(
                status=case(
                    (XeroFilePush.status == PushStatus.UPLOADED, _status(PushStatus.UPLOADED)),
                    else_=_status(PushStatus.UPLOADING),
                ),
                # A lease that nobody gave back means that its worker died on this row.
                deaths=XeroFilePush.deaths + (0 if dead_owner is None else 1),
                lease_owner=lease.owner,
                lease_until=now + LEASE,
                not_before=None,
                updated_at=now,
            )
            .returning(XeroFilePush.id)
            .execution_options(synchronize_session=False)
        )
        if claimed is not None and dead_owner is not None:
            add_lines(self._session, push_id, lease.practice_id, now, push_timeline.broke_off())
        self._session.commit()
        return self.read(lease, push_id) if claimed is not None else None

    def read(self, lease: Lease, push_id: UUID) -> Push:
        """Return the push as it is now, or raise `LeaseLost`."""
        row = self._session.execute(_snapshot(push_id, lease.owner)).one_or_none()
        self._session.commit()
        if row is None:
            raise LeaseLost
        return Push(**row._mapping)

    def write(
        self,
        lease: Lease,
        push: Push,
        *lines: Line,
        values: dict[str, Any],
        document: dict[str, Any] | None = None,
    ) -> Push:
        """Write columns and timeline lines in one commit, renew the lease, return the push anew.

        *document* are columns of the document to write along. IntegrityError is the caller's: the
        transaction is rolled back then.
        """
        self._change(lease, push, lines, document, {**values, "lease_until": self._lease_end()})
        self._session.commit()
        return self.read(lease, push.id)

    def give_back(
        self,
        lease: Lease,
        push: Push,
        *lines: Line,
        values: dict[str, Any],
        document: dict[str, Any] | None = None,
        in_same_commit: Callable[[], None] | None = None,
    ) -> None:
        """Write as `write` does and end the lease: the row waits, failed, or is done."""
        free = {"lease_owner": None, "lease_until": None}
        self._change(lease, push, lines, document, {**values, **free})
        if in_same_commit is not None:
            in_same_commit()
        self._session.commit()

    def last_moment_of_doubt(self, push: Push) -> datetime | None:
        """Return the last moment at which an earlier sending may have reached Xero."""
        moment = self._session.scalar(
            select(func.max(PushEvent.at)).where(
                PushEvent.push_id == push.id, PushEvent.kind.in_(push_timeline.KINDS_OF_DOUBT)
            )
        )
        self._session.commit()
        return moment

    def renewer(self, lease: Lease, push: Push) -> Callable[[], bool]:
        """Return what renews both leases from another thread and says whether they are ours."""
        engine, clock = self._session.get_bind(), self._clock

        def renew() -> bool:
            return _renewed(engine, lease, push.id, clock())

        return renew

    def _change(
        self,
        lease: Lease,
        push: Push,
        lines: tuple[Line, ...],
        document: dict[str, Any] | None,
        values: dict[str, Any],
    ) -> None:
        now = self._clock()
        try:
            changed = self._session.execute(
                update(XeroFilePush)
                .where(XeroFilePush.id == push.id, XeroFilePush.lease_owner == lease.owner)
                .values(updated_at=now, **values)
                .execution_options(synchronize_session=False)
            )
        except Exception:
            self._session.rollback()
            raise
        if not isinstance(changed, CursorResult) or changed.rowcount != 1:
            self._session.rollback()
            raise LeaseLost
        if document:
            self._session.execute(
                update(ClientDocument)
                .where(ClientDocument.id == push.document_id)
                .values(updated_at=now, **document)
                .execution_options(synchronize_session=False)
            )
        add_lines(self._session, push.id, push.practice_id, now, *lines)

    def _renew_practice(self, lease: Lease, now: datetime) -> None:
        held = self._session.execute(
            update(XeroConnection)
            .where(
                XeroConnection.id == lease.connection_id,
                XeroConnection.push_lease_owner == lease.owner,
                XeroConnection.status == ConnectionStatus.ACTIVE,
                XeroConnection.push_documents_to_xero.is_(True),
            )
            .values(push_lease_until=now + LEASE, updated_at=XeroConnection.updated_at)
            .returning(XeroConnection.id)
            .execution_options(synchronize_session=False)
        ).first()
        if held is None:
            self._session.rollback()
            raise LeaseLost

    def _next(
        self, lease: Lease, now: datetime, document_id: UUID | None
    ) -> tuple[UUID, str | None] | None:
        """Return the first in line and who died over it.

        Each state has a line of its own, read from its beginning by the index: fifty thousand that
        wait cost no more than fifty.
        """
        firsts = [
            first
            for state in _UNFINISHED
            if (first := self._session.execute(_first(lease, now, state, document_id)).first())
        ]
        if not firsts:
            return None
        push_id, owner, *_ = min(firsts, key=lambda first: first[2:])
        return push_id, owner

    def _lease_end(self) -> datetime:
        return self._clock() + LEASE


def add_lines(
    session: AnySession, push_id: UUID, practice_id: UUID, now: datetime, *lines: Line
) -> None:
    """Add timeline lines to the caller's transaction."""
    for line in lines:
        session.execute(
            insert(PushEvent).values(
                push_id=push_id,
                practice_id=practice_id,
                at=now,
                kind=line.kind,
                sentence=line.sentence,
                attempt=line.attempt,
                details=line.details or None,
            )
        )


_UNFINISHED = (
    XeroFilePush.status == PushStatus.UPLOADING,
    # "Uploaded" with a cause waits for a person.
    and_(XeroFilePush.status == PushStatus.UPLOADED, XeroFilePush.cause.is_(None)),
    XeroFilePush.status == PushStatus.PENDING,
)


def _first(
    lease: Lease, now: datetime, state: ColumnElement[bool], document_id: UUID | None
) -> Any:
    chosen = (
        select(
            XeroFilePush.id,
            XeroFilePush.lease_owner,
            XeroFilePush.created_at,
            ClientDocument.decided_at,
            XeroFilePush.document_id,
        )
        .join(ClientDocument, ClientDocument.id == XeroFilePush.document_id)
        .join(
            XeroContactMapping,
            and_(
                XeroContactMapping.client_id == ClientDocument.client_id,
                XeroContactMapping.xero_connection_id == lease.connection_id,
            ),
        )
        .outerjoin(XeroContact, _mirrors_mapping())
        .where(
            XeroFilePush.xero_connection_id == lease.connection_id,
            state,
            ClientDocument.status == DocumentStatus.ACCEPTED,
            func.coalesce(XeroContact.contact_status, ACTIVE) == ACTIVE,
            or_(XeroFilePush.not_before.is_(None), XeroFilePush.not_before <= now),
            _is_free(XeroFilePush, now),
        )
        .order_by(XeroFilePush.created_at, ClientDocument.decided_at, XeroFilePush.document_id)
        .limit(1)
    )
    if document_id is not None:
        chosen = chosen.where(XeroFilePush.document_id == document_id)
    return chosen


def _is_free(push: Any, now: datetime) -> ColumnElement[bool]:
    return or_(push.lease_until.is_(None), push.lease_until <= now)


def _status(status: PushStatus) -> ColumnElement[PushStatus]:
    return literal(status, XeroFilePush.status.type)


def _mirrors_mapping() -> ColumnElement[bool]:
    return and_(
        XeroContact.xero_connection_id == XeroContactMapping.xero_connection_id,
        XeroContact.xero_contact_id == XeroContactMapping.xero_contact_id,
    )


def _snapshot(push_id: UUID, owner: str) -> Any:
    return (
        select(
            XeroFilePush.id,
            XeroFilePush.practice_id,
            XeroFilePush.xero_connection_id.label("connection_id"),
            XeroConnection.xero_tenant_id.label("tenant_id"),
            XeroFilePush.status,
            XeroFilePush.xero_file_id,
            XeroFilePush.xero_folder_id,
            XeroFilePush.xero_association_object_id.label("association_object_id"),
            XeroFilePush.folder_name,
            XeroFilePush.file_name,
            XeroFilePush.content_sha256,
            XeroFilePush.size,
            XeroFilePush.retry_count,
            XeroFilePush.idempotency_key,
            XeroFilePush.upload_key_number,
            XeroFilePush.association_key_number,
            XeroFilePush.outcome_unknown,
            XeroFilePush.looks,
            XeroFilePush.deaths,
            XeroFilePush.first_attempt_at,
            ClientDocument.id.label("document_id"),
            ClientDocument.document_type,
            ClientDocument.tax_year,
            ClientDocument.extension,
            ClientDocument.mime_type,
            ClientDocument.storage_key,
            ClientDocument.scan_status,
            Client.name.label("client_name"),
            XeroContactMapping.xero_contact_id.label("contact_id"),
            func.coalesce(XeroContact.name, XeroContactMapping.xero_contact_name).label(
                "contact_name"
            ),
            XeroConnection.create_year_folders.label("year_folders"),
            XeroConnection.xero_folder_id.label("chosen_folder_id"),
        )
        .join(ClientDocument, ClientDocument.id == XeroFilePush.document_id)
        .join(Client, Client.id == ClientDocument.client_id)
        .join(XeroConnection, XeroConnection.id == XeroFilePush.xero_connection_id)
        .outerjoin(
            XeroContactMapping,
            and_(
                XeroContactMapping.xero_connection_id == XeroFilePush.xero_connection_id,
                XeroContactMapping.client_id == ClientDocument.client_id,
            ),
        )
        .outerjoin(XeroContact, _mirrors_mapping())
        .where(XeroFilePush.id == push_id, XeroFilePush.lease_owner == owner)
    )


def _renewed(engine: Engine | Connection, lease: Lease, push_id: UUID, now: datetime) -> bool:
    if isinstance(engine, Connection):
        engine = engine.engine
    with engine.begin() as connection:
        push = connection.execute(
            update(XeroFilePush)
            .where(XeroFilePush.id == push_id, XeroFilePush.lease_owner == lease.owner)
            .values(lease_until=now + LEASE, updated_at=XeroFilePush.updated_at)
        )
        practice = connection.execute(
            update(XeroConnection)
            .where(
                XeroConnection.id == lease.connection_id,
                XeroConnection.push_lease_owner == lease.owner,
            )
            .values(push_lease_until=now + LEASE, updated_at=XeroConnection.updated_at)
        )
    return push.rowcount == 1 and practice.rowcount == 1
