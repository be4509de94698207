"""What many projects do, kept to show that the harnesses see it: each of these must turn red.

They do the same work on the same rows as the product, and lack one thought each.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import redis
from sqlalchemy import select, update

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    Client,
    ClientDocument,
    ConnectionStatus,
    ItemOutcome,
    PushStatus,
    RunKind,
    RunStatus,
    SyncRun,
    SyncRunItem,
    XeroConnection,
    XeroContact,
    XeroContactMapping,
    XeroFilePush,
)
from dashboard.rules.file_naming import BASE_FOLDER
from dashboard.rules.undo import UndoFacts, decide
from dashboard.secret import Secret
from dashboard.services.contact_mirror import write_page
from dashboard.services.contact_sync import ContactSync
from dashboard.services.group_tags import follow_groups
from dashboard.services.linked_clients import note_changes
from dashboard.services.push_results import DrainResult
from dashboard.services.run_undo import RunUndo
from dashboard.services.sync_progress import FOLLOW, Progress
from dashboard.services.token_custody import TokenCustody
from dashboard.services.undo_chunk import UndoChunk, write_chunk
from dashboard.xero import ContactsPage, Priority, XeroClient, XeroError, XeroGrantRefused
from tests.storm.installation import Pace, custody


class RedisLock:
    """Refreshes under a Redis lock that runs out: once an answer is slower, two refresh at once."""

    def __init__(self, pace: Pace, redis_url: str, ttl: float) -> None:
        self._pace = pace
        self._custody = custody(pace)
        self._redis = redis.Redis.from_url(redis_url)
        self._ttl = ttl

    def refresh(self, connection_id: UUID, seen_version: int) -> None:
        """Refresh the tokens unless somebody else already did."""
        lock = f"naive:{connection_id}"
        while not self._redis.set(lock, "1", nx=True, px=round(self._ttl * 1000)):
            time.sleep(0.005)
        try:
            _refresh_once(self._custody, self._pace, connection_id, seen_version)
        finally:
            # Whoever holds it by now.
            self._redis.delete(lock)


class TakenOffTheList:
    """Clears the due time first, so that no other worker comes: neither does one after a crash."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._custody = custody(pace)

    def refresh_if_due(self, connection_id: UUID) -> None:
        """Refresh the tokens if they are due."""
        version = self._custody.due_version(connection_id)
        if version is None:
            return
        db.session.execute(
            update(XeroConnection)
            .where(XeroConnection.id == connection_id)
            .values(refresh_due_at=None)
        )
        db.session.commit()
        _refresh_once(self._custody, self._pace, connection_id, version)


class AnyFailureIsTheEnd:
    """Takes every failed refresh for a lost consent."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._custody = custody(pace)

    def refresh_if_due(self, connection_id: UUID) -> None:
        """Refresh the tokens if they are due."""
        version = self._custody.due_version(connection_id)
        if version is None:
            return
        try:
            _refresh_once(self._custody, self._pace, connection_id, version)
        except XeroError:
            db.session.rollback()
            _end(connection_id)


class ReadBeforeKept(ContactSync):
    """Notes a page as read before it keeps the page: a crash in between loses its contacts."""

    def _write(
        self,
        run_id: UUID,
        practice_id: UUID,
        connection_id: UUID,
        page: ContactsPage,
        progress: Progress,
    ) -> Progress:
        noted = replace(
            progress, page=progress.page + 1, step=FOLLOW if page.is_last else progress.step
        )
        self._leases.hold(
            run_id,
            progress=noted.kept,
            total=page.item_count,
            done=SyncRun.done + len(page.contacts),
        )
        self._session.commit()
        changes = write_page(
            self._session,
            practice_id=practice_id,
            connection_id=connection_id,
            contacts=page.contacts,
            now=self._clock(),
        )
        note_changes(
            self._session,
            practice_id=practice_id,
            connection_id=connection_id,
            run_id=run_id,
            changes=changes,
        )
        self._session.commit()
        return noted


class MadeBeforeTicked:
    """Makes a client before it ticks the contact off: a crash in between makes it once more."""

    def __init__(self, connection_id: UUID) -> None:
        self._connection_id = connection_id

    def import_contacts(self, practice_id: UUID) -> None:
        """Make a client of every contact of the import that is not ticked off."""
        run = db.session.scalars(
            select(SyncRun).where(
                SyncRun.practice_id == practice_id, SyncRun.kind == RunKind.IMPORT
            )
        ).one()
        items = db.session.scalars(
            select(SyncRunItem).where(
                SyncRunItem.run_id == run.id, SyncRunItem.outcome == ItemOutcome.WAITING
            )
        ).all()
        for item in items:
            contact = db.session.scalars(
                select(XeroContact).where(
                    XeroContact.xero_connection_id == self._connection_id,
                    XeroContact.xero_contact_id == item.xero_contact_id,
                )
            ).one()
            client = Client(practice_id=practice_id, name=contact.name, email=contact.email)
            db.session.add(client)
            db.session.commit()
            db.session.add(
                XeroContactMapping(
                    practice_id=practice_id,
                    client_id=client.id,
                    xero_connection_id=self._connection_id,
                    xero_contact_id=contact.xero_contact_id,
                )
            )
            db.session.flush()
            follow_groups(db.session, practice_id, {client.id: contact.groups}, utcnow())
            item.outcome, item.client_id = ItemOutcome.CREATED, client.id
            run.done += 1
            run.created += 1
            db.session.commit()
        run.status = RunStatus.FINISHED
        db.session.commit()


class TickedBeforeTaken(RunUndo):
    """Ticks items off before it takes them back: a crash in between leaves clients and links."""

    def _next_chunk(
        self, undo_id: UUID, undone_id: UUID, practice_id: UUID, connection_id: UUID
    ) -> bool:
        self._leases.hold(undo_id)
        found = self._next_items(undo_id, undone_id, connection_id)
        if not found:
            return False
        self._session.execute(
            update(SyncRunItem)
            .where(SyncRunItem.id.in_([row.undo_item_id for row in found]))
            .values(outcome=ItemOutcome.UNDONE)
        )
        self._leases.hold(
            undo_id, done=SyncRun.done + len(found), updated=SyncRun.updated + len(found)
        )
        self._session.commit()
        chunk = UndoChunk(practice_id, connection_id, self._clock())
        for row in found:
            chunk.add(row, decide(UndoFacts.of(row)))
        write_chunk(self._session, chunk)
        self._session.commit()
        return True


def _refresh_once(store: TokenCustody, pace: Pace, connection_id: UUID, seen_version: int) -> None:
    db.session.rollback()
    connection = db.session.get_one(XeroConnection, connection_id, populate_existing=True)
    if connection.token_version != seen_version or connection.status != ConnectionStatus.ACTIVE:
        db.session.rollback()
        return
    old = store.refresh_secret(connection)
    db.session.commit()
    try:
        tokens = wiring.outside().oauth.refresh(old or Secret(""))
    except XeroGrantRefused:
        _end(connection_id)
        return
    connection = db.session.get_one(XeroConnection, connection_id, populate_existing=True)
    for name, value in store.columns_for(connection, tokens, pace.now()).items():
        setattr(connection, name, value)
    db.session.commit()


def _end(connection_id: UUID) -> None:
    db.session.execute(
        update(XeroConnection)
        .where(XeroConnection.id == connection_id)
        .values(status=ConnectionStatus.TOKEN_EXPIRED, refresh_due_at=None)
    )
    db.session.commit()


class UploadThenMark:
    """The usual job body: upload, associate, mark it done; whatever went wrong, try again.

    No lease, no look before a second upload, and a new key for each attempt.
    """

    def drain(self, practice_id: UUID, _seconds: float) -> DrainResult:
        """Send every unfinished document of the practice."""
        rows = db.session.execute(_unfinished(practice_id)).all()
        db.session.commit()
        with wiring.xero_auth().calling(practice_id, Priority.PUSH) as call:
            folder_id = _folder(call.xero)
            for push_id, document_id, storage_key, size, contact_id in rows:
                with wiring.outside().store.open(storage_key) as content:
                    file = call.xero.files.upload(
                        folder_id,
                        f"{document_id}.pdf",
                        "application/pdf",
                        content.read(),
                        size,
                        str(uuid4()),
                    )
                call.xero.files.associate(file.file_id, contact_id, str(uuid4()))
                self._mark_done(push_id, document_id, file.file_id)
        return DrainResult(filed=len(rows))

    def retry_failed_pushes(self, _practice_id: UUID) -> int:
        """Nothing ever counts as failed here."""
        return 0

    def _mark_done(self, push_id: UUID, document_id: UUID, file_id: str) -> None:
        for row, key, values in (
            (XeroFilePush, push_id, {"status": PushStatus.ASSOCIATED}),
            (ClientDocument, document_id, {}),
        ):
            db.session.execute(
                update(row).where(row.id == key).values(xero_file_id=file_id, **values)
            )
        db.session.commit()


def _unfinished(practice_id: UUID) -> Any:
    return (
        select(
            XeroFilePush.id,
            ClientDocument.id,
            ClientDocument.storage_key,
            ClientDocument.size,
            XeroContactMapping.xero_contact_id,
        )
        .join(ClientDocument, ClientDocument.id == XeroFilePush.document_id)
        .join(XeroContactMapping, XeroContactMapping.client_id == ClientDocument.client_id)
        .where(
            XeroFilePush.practice_id == practice_id,
            XeroFilePush.status != PushStatus.ASSOCIATED,
        )
    )


def _folder(xero: XeroClient) -> str:
    found = [folder for folder in xero.files.folders() if folder.name == BASE_FOLDER]
    folder = found[0] if found else xero.files.create_folder(BASE_FOLDER, str(uuid4()))
    return folder.folder_id
