"""DocumentService: documents in, decided on, and promised to Xero.

Accepting writes the promise to send in the same commit as the decision; ringing for a worker comes
afterwards and may be lost without harm. Documents accepted before Xero was connected are offered
for sending and never sent unasked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import BinaryIO, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import and_, case, select

from dashboard.database import AnySession, insert_for
from dashboard.models import (
    Client,
    ClientDocument,
    ConnectionStatus,
    DocumentStatus,
    PushStatus,
    ScanStatus,
    User,
    XeroConnection,
    XeroFilePush,
)
from dashboard.models.document import DOCUMENT_TYPE_MAX, TAX_YEAR_MAX
from dashboard.rules.upload_policy import (
    LARGEST_UPLOAD,
    RefusalKind,
    UploadRefusal,
    check,
)
from dashboard.services import push_timeline
from dashboard.services.push_claims import add_lines
from dashboard.services.push_retry import make_due, waits_for_a_person
from dashboard.services.refusals import (
    Conflict,
    InvalidInput,
    NotConnected,
    NotFound,
    Refusal,
    UploadRefused,
)
from dashboard.storage import (
    DocumentLost,
    DocumentStore,
    StoreUnavailable,
    TooMuch,
    document_key,
)

FILE_NAME_MAX = 255
SOMEBODY = "Someone"
AT_ONCE = 500
STATUS_OF_REFUSAL = {
    RefusalKind.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    RefusalKind.TYPE_NOT_ACCEPTED: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class StoreDown(Refusal):
    """The document store does not work just now."""

    status: ClassVar[int] = HTTPStatus.SERVICE_UNAVAILABLE
    code: ClassVar[str] = "store_unavailable"


class DocumentService:
    """Receives documents, keeps what people decide about them, and makes pushes due.

    *scans*: a virus scanner is configured, so new documents wait for its word before they leave.
    """

    def __init__(
        self,
        *,
        session: AnySession,
        store: DocumentStore,
        clock: Callable[[], datetime],
        scans: bool = False,
    ) -> None:
        self._session = session
        self._store = store
        self._clock = clock
        self._scans = scans

    def receive(
        self,
        practice_id: UUID,
        user_id: UUID | None,
        *,
        client_id: UUID,
        file_name: str,
        stream: BinaryIO,
        document_type: str,
        tax_year: str = "",
    ) -> ClientDocument:
        """Return the stored document; *stream* must be seekable.

        Raises `NotFound` for a client that is not the practice's, `InvalidInput` for the words,
        `UploadRefused` for the file (413, 415 or 422) and `StoreDown`.
        """
        kind, year = _words("document_type", document_type), _words("tax_year", tax_year)
        self._require_client(practice_id, client_id)
        accepted = check(file_name, stream)
        if isinstance(accepted, UploadRefusal):
            raise _refused(accepted)
        document_id = uuid4()
        key = document_key(practice_id, document_id)
        try:
            stored = self._store.put(key, stream, LARGEST_UPLOAD)
        except TooMuch as problem:
            raise UploadRefused(
                "This file is larger than Xero takes.",
                "Replace it with a smaller file.",
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                RefusalKind.TOO_LARGE,
            ) from problem
        except StoreUnavailable as problem:
            raise StoreDown(
                "The document could not be stored, so nothing was saved.", "Upload it again later."
            ) from problem
        document = ClientDocument(
            id=document_id,
            practice_id=practice_id,
            client_id=client_id,
            document_type=kind,
            tax_year=year,
            file_name=_shown_name(file_name, accepted.extension),
            extension=accepted.extension,
            mime_type=accepted.mime_type,
            size=stored.size,
            content_sha256=stored.sha256,
            storage_key=key,
            status=DocumentStatus.RECEIVED,
            scan_status=ScanStatus.PENDING if self._scans else ScanStatus.NOT_SCANNED,
            uploaded_by_id=user_id,
            created_at=self._clock(),
            updated_at=self._clock(),
        )
        self._session.add(document)
        try:
            self._session.commit()
        except Exception:
            # Nothing points at the bytes; left behind they would be harmless, but nobody's.
            self._session.rollback()
            self._store.delete(key)
            raise
        return document

    def accept(self, practice_id: UUID, user_id: UUID | None, document_id: UUID) -> ClientDocument:
        """Accept a document and, once Xero was connected, promise to send it: one commit.

        After a disconnection the promise is held for the organisation that was left, and kept when
        it is connected again. Accepting twice changes nothing; one that was rejected may be
        accepted after all.
        """
        document = self._document(practice_id, document_id)
        if document.scan_status == ScanStatus.INFECTED:
            raise Conflict("The virus check did not pass, so this document cannot be accepted.")
        if document.status != DocumentStatus.ACCEPTED:
            self._decide(document, DocumentStatus.ACCEPTED, user_id)
            self._promise(document, push_timeline.accepted(self._name_of(user_id)))
        self._session.commit()
        return document

    def reject(self, practice_id: UUID, user_id: UUID | None, document_id: UUID) -> ClientDocument:
        """Reject a document; `Conflict` once it is on its way to Xero."""
        document = self._document(practice_id, document_id)
        if self._has_push(document_id):
            self._session.rollback()
            raise Conflict(
                "This document is accepted and on its way to Xero, so it cannot be rejected."
            )
        if document.status != DocumentStatus.REJECTED:
            self._decide(document, DocumentStatus.REJECTED, user_id)
        self._session.commit()
        return document

    def retry(self, practice_id: UUID, user_id: UUID | None, document_id: UUID) -> ClientDocument:
        """Make the document's unfinished push due at once, resuming at the step that failed.

        A push that is being worked on, or is filed, is left as it is. Raises `Conflict` for a
        document that has no push, with what to do instead.
        """
        document = self._document(practice_id, document_id)
        line = push_timeline.asked_again(self._name_of(user_id))
        is_this = XeroFilePush.id == self._push_to_retry(document)
        make_due(self._session, practice_id, is_this, line, self._clock())
        self._session.commit()
        return document

    def retry_many(
        self, practice_id: UUID, user_id: UUID | None, document_ids: Sequence[UUID]
    ) -> int:
        """Make those pushes due that wait for a person; return how many they are.

        Pressed twice, the second time finds nothing left to do.
        """
        line, started = push_timeline.asked_again(self._name_of(user_id)), 0
        connection_id = self._connection_id(practice_id)
        for first in range(0, len(document_ids), AT_ONCE):
            chosen = and_(
                XeroFilePush.practice_id == practice_id,
                XeroFilePush.xero_connection_id == connection_id,
                XeroFilePush.document_id.in_(document_ids[first : first + AT_ONCE]),
                waits_for_a_person(),
            )
            started += make_due(self._session, practice_id, chosen, line, self._clock())
            self._session.commit()
        return started

    def send_unsent(
        self, practice_id: UUID, user_id: UUID | None, document_ids: Collection[UUID]
    ) -> int:
        """Promise to send documents that were accepted without it; return how many are new.

        Ids that are not the practice's, or not accepted, are passed over. Raises `NotConnected`.
        """
        if not self._is_connected(practice_id):
            self._session.rollback()
            raise NotConnected
        documents = self._session.scalars(
            select(ClientDocument)
            .where(
                ClientDocument.practice_id == practice_id,
                ClientDocument.id.in_(document_ids),
                ClientDocument.status == DocumentStatus.ACCEPTED,
            )
            .order_by(ClientDocument.decided_at, ClientDocument.id)
        ).all()
        line = push_timeline.accepted(self._name_of(user_id), before_connecting=True)
        new = sum(self._promise(document, line) for document in documents)
        self._session.commit()
        return new

    def open(self, practice_id: UUID, document_id: UUID) -> tuple[ClientDocument, BinaryIO]:
        """Return a document and its bytes, to be shown to a person of the practice.

        Raises `NotFound` for a document or bytes that are not there, and `StoreDown`.
        """
        document = self._document(practice_id, document_id)
        self._session.commit()
        try:
            return document, self._store.open(document.storage_key)
        except DocumentLost as problem:
            raise NotFound("We cannot find our copy of this file.", "Upload it again.") from problem
        except StoreUnavailable as problem:
            raise StoreDown(
                "The document cannot be read just now.", "Try again later."
            ) from problem

    def _require_client(self, practice_id: UUID, client_id: UUID) -> None:
        found = self._session.scalar(
            select(Client.id).where(Client.id == client_id, Client.practice_id == practice_id)
        )
        # The upload that follows may take long: no transaction waits for it.
        self._session.commit()
        if found is None:
            raise NotFound("There is no client with this id.")

    def _document(self, practice_id: UUID, document_id: UUID) -> ClientDocument:
        document = self._session.scalar(
            select(ClientDocument)
            .where(ClientDocument.id == document_id, ClientDocument.practice_id == practice_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if document is None:
            self._session.rollback()
            raise NotFound("There is no document with this id.")
        return document

    def _decide(
        self, document: ClientDocument, status: DocumentStatus, user_id: UUID | None
    ) -> None:
        document.status = status
        document.decided_by_id = user_id
        document.decided_at = self._clock()
        document.updated_at = self._clock()

    def _promise(self, document: ClientDocument, line: push_timeline.Line) -> bool:
        """Insert the push unless it is there or Xero never was connected; say if it is new."""
        connection_id = self._connection_id(document.practice_id)
        if connection_id is None:
            return False
        now, push_id = self._clock(), uuid4()
        inserted = self._session.execute(
            insert_for(self._session)(XeroFilePush)
            .values(
                id=push_id,
                practice_id=document.practice_id,
                xero_connection_id=connection_id,
                document_id=document.id,
                client_id=document.client_id,
                content_sha256=document.content_sha256,
                size=document.size,
                status=PushStatus.PENDING,
                retry_count=0,
                idempotency_key=uuid4(),
                upload_key_number=1,
                association_key_number=1,
                outcome_unknown=False,
                looks=0,
                deaths=0,
                created_at=now,
                updated_at=now,
            )
            .on_conflict_do_nothing(
                index_elements=[XeroFilePush.xero_connection_id, XeroFilePush.document_id]
            )
            .returning(XeroFilePush.id)
        ).first()
        if inserted is None:
            return False
        add_lines(self._session, push_id, document.practice_id, now, line)
        return True

    def _connection_id(self, practice_id: UUID) -> UUID | None:
        """Return the current connection, else the one that was left last."""
        return self._session.scalar(
            select(XeroConnection.id)
            .where(XeroConnection.practice_id == practice_id)
            .order_by(*XeroConnection.current_first())
            .limit(1)
        )

    def _is_connected(self, practice_id: UUID) -> bool:
        current = select(XeroConnection.id).where(
            XeroConnection.practice_id == practice_id,
            XeroConnection.status != ConnectionStatus.DISCONNECTED,
        )
        return self._session.scalar(current) is not None

    def _has_push(self, document_id: UUID) -> bool:
        found = select(XeroFilePush.id).where(XeroFilePush.document_id == document_id).limit(1)
        return self._session.scalar(found) is not None

    def _push_to_retry(self, document: ClientDocument) -> UUID:
        is_old = case((XeroConnection.status == ConnectionStatus.DISCONNECTED, 1), else_=0)
        push_id = self._session.scalar(
            select(XeroFilePush.id)
            .join(XeroConnection, XeroConnection.id == XeroFilePush.xero_connection_id)
            .where(XeroFilePush.document_id == document.id)
            .order_by(is_old, XeroFilePush.updated_at.desc())
            .limit(1)
        )
        if push_id is not None:
            return push_id
        self._session.rollback()
        if document.status != DocumentStatus.ACCEPTED:
            raise Conflict("This document is not accepted, so it is not sent.", "Accept it first.")
        raise Conflict(
            "This document was accepted before Xero was connected, so it was not sent.",
            "Choose it under Documents, Not sent, and send it.",
        )

    def _name_of(self, user_id: UUID | None) -> str:
        if user_id is None:
            return SOMEBODY
        return self._session.scalar(select(User.name).where(User.id == user_id)) or SOMEBODY


def _words(field: str, value: str) -> str:
    words = " ".join(_UNPRINTABLE.sub(" ", value).split())
    if field == "tax_year":
        if len(words) > TAX_YEAR_MAX:
            raise InvalidInput(f"A tax year has at most {TAX_YEAR_MAX} characters.", field=field)
        return words
    if not words:
        raise InvalidInput("Say what kind of document this is.", field=field)
    if len(words) > DOCUMENT_TYPE_MAX:
        raise InvalidInput(
            f"A document type has at most {DOCUMENT_TYPE_MAX} characters.", field=field
        )
    return words


def _refused(refusal: UploadRefusal) -> UploadRefused:
    status = STATUS_OF_REFUSAL.get(refusal.kind, HTTPStatus.UNPROCESSABLE_ENTITY)
    return UploadRefused(refusal.sentence, refusal.fix, status, refusal.kind)


def _shown_name(file_name: str, extension: str) -> str:
    """Return the name as people see it: without folders and without what cannot be seen."""
    bare = re.split(r"[\\/]", file_name)[-1]
    shown = " ".join(_UNPRINTABLE.sub("", bare).split())
    if len(shown) <= FILE_NAME_MAX:
        return shown
    ending = f".{extension}"
    return shown[: FILE_NAME_MAX - len(ending)] + ending
