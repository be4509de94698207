"""FileCheck: is what we filed still where we say? Asked soon after filing, and every night.

One listing of Xero Files answers for many documents. What somebody deleted there, or took off its
contact, becomes a document that needs a person, with Retry as its repair; what was moved is shown
where it lies now. https://developer.xero.com/documentation/api/files/files
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from dashboard.database import AnySession
from dashboard.models import (
    ClientDocument,
    ConnectionStatus,
    PushStatus,
    XeroConnection,
    XeroFilePush,
)
from dashboard.rules.phase import next_night
from dashboard.rules.push_sentences import Cause, PushCause, cause_sentence
from dashboard.services import push_timeline
from dashboard.services.push_attention import PushAttention
from dashboard.services.push_claims import add_lines
from dashboard.services.push_folders import PushFolders
from dashboard.services.push_linking import is_on_contact
from dashboard.services.push_search import CLOCK_SKEW, newest_files
from dashboard.services.xero_auth import XeroAuthService
from dashboard.xero import Priority, StoredFile, XeroClient, XeroNotFound

# After trouble, or a worker's death, the check comes again this soon.
AGAIN_AFTER = timedelta(minutes=15)
NIGHTLY = timedelta(hours=20)
# Each costs a call: more than these wait for the next night.
MOST_CONTACTS = 100
MOST_DOUBTS = 50


@dataclass(frozen=True, slots=True)
class _Filed:
    """A document that is filed, as last read."""

    id: UUID
    document_id: UUID
    file_id: str
    folder_id: str | None
    folder_name: str | None
    contact_id: str | None
    began_at: datetime
    read_back_at: datetime | None


class FileCheck:
    """Compares filed documents with what Xero has. No transaction is open while Xero is asked."""

    def __init__(
        self,
        *,
        session: AnySession,
        auth: XeroAuthService,
        attention: PushAttention,
        clock: Callable[[], datetime],
    ) -> None:
        self._session = session
        self._auth = auth
        self._attention = attention
        self._clock = clock

    def check(self, connection_id: UUID) -> None:
        """Look at what was filed since the last look; once a night at everything."""
        row = self._session.execute(
            select(XeroConnection.practice_id, XeroConnection.files_checked_at).where(
                XeroConnection.id == connection_id, XeroConnection.status == ConnectionStatus.ACTIVE
            )
        ).one_or_none()
        if row is None:
            self._session.rollback()
            return
        practice_id, checked_at = row
        began = self._clock()
        is_nightly = checked_at is None or began - checked_at > NIGHTLY
        self._note(connection_id, files_check_due_at=began + AGAIN_AFTER)
        filed = self._filed(connection_id, only_unread=not is_nightly)
        with self._auth.calling(practice_id, Priority.SYNC) as call:
            if call.connection_id == connection_id and filed:
                self._look(call.xero, practice_id, connection_id, filed, is_nightly=is_nightly)
        done: dict[str, Any] = {"files_check_due_at": next_night(practice_id, began)}
        if is_nightly:
            done["files_checked_at"] = began
        self._note(connection_id, **done)

    def _look(
        self,
        xero: XeroClient,
        practice_id: UUID,
        connection_id: UUID,
        filed: Sequence[_Filed],
        *,
        is_nightly: bool,
    ) -> None:
        listed = _listed(xero, filed)
        missing = [each for each in filed if each.file_id not in listed]
        gone = [each for each in islice(missing, MOST_DOUBTS) if _is_gone(xero, each.file_id)]
        there = [each for each in filed if each.file_id in listed]
        off = list(_off_their_contacts(xero, there)) if is_nightly else []
        names = {folder.folder_id: folder.name for folder in xero.files.folders()}
        if is_nightly:
            lost = {each.folder_id for each in filed if each.folder_id not in names}
            self._forget_folders(xero, connection_id, lost)
        for each in gone:
            self._needs_a_person(each, practice_id, PushCause.DELETED_IN_XERO)
        for each in off:
            self._needs_a_person(each, practice_id, PushCause.UNLINKED_IN_XERO)
        for each in there:
            if each not in off:
                self._seen(each, practice_id, listed[each.file_id], names)
        self._attention.refresh(practice_id, connection_id)
        self._session.commit()

    def _filed(self, connection_id: UUID, *, only_unread: bool) -> list[_Filed]:
        chosen = (
            select(
                XeroFilePush.id,
                XeroFilePush.document_id,
                XeroFilePush.xero_file_id.label("file_id"),
                XeroFilePush.xero_folder_id.label("folder_id"),
                XeroFilePush.folder_name,
                XeroFilePush.xero_association_object_id.label("contact_id"),
                XeroFilePush.first_attempt_at.label("began_at"),
                XeroFilePush.read_back_at,
            )
            .where(
                XeroFilePush.xero_connection_id == connection_id,
                XeroFilePush.status == PushStatus.ASSOCIATED,
                XeroFilePush.xero_file_id.is_not(None),
                XeroFilePush.first_attempt_at.is_not(None),
            )
            .order_by(XeroFilePush.read_back_at, XeroFilePush.id)
        )
        if only_unread:
            chosen = chosen.where(XeroFilePush.read_back_at.is_(None))
        found = [_Filed(**row._mapping) for row in self._session.execute(chosen)]
        self._session.commit()
        return found

    def _forget_folders(self, xero: XeroClient, connection_id: UUID, lost: set[str | None]) -> None:
        folders = PushFolders(session=self._session, clock=self._clock, connection_id=connection_id)
        for folder_id in lost - {None}:
            folders.is_gone(xero, folder_id or "")

    def _seen(
        self, filed: _Filed, practice_id: UUID, file: StoredFile, names: dict[str, str]
    ) -> None:
        now, lines, values = self._clock(), [], dict[str, Any]()
        if file.folder_id is not None and file.folder_id != filed.folder_id:
            place = names.get(file.folder_id, "another folder")
            values |= {"xero_folder_id": file.folder_id, "moved_to_folder": place}
            lines.append(push_timeline.moved(place))
        elif filed.read_back_at is None:
            lines.append(push_timeline.read_back(filed.folder_name or ""))
        if self._changed(filed, {**values, "read_back_at": now}):
            add_lines(self._session, filed.id, practice_id, now, *lines)

    def _needs_a_person(self, filed: _Filed, practice_id: UUID, cause: PushCause) -> None:
        sentence = cause_sentence(Cause(cause)).text
        values: dict[str, Any] = {
            "status": PushStatus.UPLOADED,
            "cause": cause.value,
            "error": sentence,
            "outcome_unknown": False,
            "association_key_number": XeroFilePush.association_key_number + 1,
            "read_back_at": None,
        }
        if cause is PushCause.DELETED_IN_XERO:
            values |= {
                "status": PushStatus.FAILED,
                "xero_file_id": None,
                "not_before": None,
                "first_attempt_at": None,
                "upload_key_number": XeroFilePush.upload_key_number + 1,
            }
        if not self._changed(filed, values):
            return
        now = self._clock()
        add_lines(self._session, filed.id, practice_id, now, push_timeline.failed(sentence, 0, {}))
        if cause is PushCause.DELETED_IN_XERO:
            self._session.execute(
                update(ClientDocument)
                .where(ClientDocument.id == filed.document_id)
                .values(xero_file_id=None, updated_at=now)
                .execution_options(synchronize_session=False)
            )

    def _changed(self, filed: _Filed, values: dict[str, Any]) -> bool:
        """Change the row unless a person or a worker did something with it meanwhile."""
        changed = self._session.execute(
            update(XeroFilePush)
            .where(
                XeroFilePush.id == filed.id,
                XeroFilePush.status == PushStatus.ASSOCIATED,
                XeroFilePush.xero_file_id == filed.file_id,
                XeroFilePush.lease_owner.is_(None),
            )
            .values(updated_at=self._clock(), **values)
            .returning(XeroFilePush.id)
            .execution_options(synchronize_session=False)
        ).first()
        return changed is not None

    def _note(self, connection_id: UUID, **values: Any) -> None:
        self._session.execute(
            update(XeroConnection)
            .where(XeroConnection.id == connection_id)
            .values(updated_at=XeroConnection.updated_at, **values)
            .execution_options(synchronize_session=False)
        )
        self._session.commit()


def _listed(xero: XeroClient, filed: Sequence[_Filed]) -> dict[str, StoredFile]:
    """Return what Xero lists of these files, newest first until all are found or it ends."""
    wanted = {each.file_id for each in filed}
    since = min(each.began_at for each in filed) - CLOCK_SKEW
    found: dict[str, StoredFile] = {}
    for file in newest_files(xero, since):
        if file.file_id in wanted:
            found[file.file_id] = file
            if len(found) == len(wanted):
                break
    return found


def _is_gone(xero: XeroClient, file_id: str) -> bool:
    """Ask for the file itself: a listing may be late."""
    try:
        xero.files.file(file_id)
    except XeroNotFound:
        return True
    return False


def _off_their_contacts(xero: XeroClient, filed: Iterable[_Filed]) -> Iterator[_Filed]:
    """Yield the files that their contacts no longer show; the longest unseen contacts first."""
    by_contact: dict[str, list[_Filed]] = {}
    for each in filed:
        if each.contact_id is not None:
            by_contact.setdefault(each.contact_id, []).append(each)
    for contact_id, theirs in islice(by_contact.items(), MOST_CONTACTS):
        shown = {association.file_id for association in xero.files.associations_of(contact_id)}
        for each in theirs:
            if each.file_id not in shown and not is_on_contact(xero, each.file_id, contact_id):
                yield each
