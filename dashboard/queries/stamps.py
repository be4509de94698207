"""What a panel was drawn from, as a short text that changes whenever the panel may read otherwise.

A page takes the stamp before it reads what it shows and hands it out as `seen`; a poll that brings
the same stamp back is answered without reading anything else. So each stamp is one query, with the
person who asks in it: somebody who is gone, or of another practice, gets None.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, func, select, true
from sqlalchemy.orm import InstrumentedAttribute, aliased

from dashboard.clock import utcnow
from dashboard.database import AnySession
from dashboard.models import (
    Alert,
    ClientDocument,
    ConnectionStatus,
    Role,
    RunKind,
    SyncRun,
    User,
    XeroCalls,
    XeroConnection,
    XeroContact,
    XeroContactMapping,
    XeroFilePush,
)
from dashboard.models.xero_contact import LOST
from dashboard.queries.alerts import visible_to
from dashboard.rules.status_words import CONFIRMED_FOR

# A session, or a connection of its own for this one query.
Reader: TypeAlias = AnySession | Connection
AnySelect: TypeAlias = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class WordFacts:
    """Which connection it is, and what its word is made of; all None where there is none."""

    id: UUID | None = None
    status: str | None = None
    consecutive_errors: int | None = None
    scopes: Sequence[str] | None = None
    last_good_call_at: datetime | None = None
    waits_until: datetime | None = None

    def parts(self, now: datetime) -> tuple[object, ...]:
        """Return what changes when the word does; a good call is good for a while only."""
        confirmed = (
            self.last_good_call_at is not None and now - self.last_good_call_at < CONFIRMED_FOR
        )
        return (
            self.id,
            str(self.status),
            self.consecutive_errors,
            tuple(self.scopes or ()),
            confirmed,
            _wait(self.waits_until, now),
        )


@dataclass(frozen=True, slots=True)
class WayFacts:
    """What a document's way to Xero reads like is made of; None stands for what is not there."""

    document_id: UUID
    document_changed_at: datetime
    push_changed_at: datetime | None
    contact_id: str | None
    contact_status: str | None
    merged_to: str | None
    connection_status: str | None
    sending_on: bool | None
    scopes: Sequence[str] | None
    not_before: datetime | None
    waits_until: datetime | None

    def parts(self, now: datetime) -> tuple[object, ...]:
        """Return what changes when the words do: the coming of a moment counts."""
        return (
            self.document_id,
            self.document_changed_at,
            self.push_changed_at,
            self.contact_id,
            self.contact_status,
            self.merged_to,
            self.connection_status and str(self.connection_status),
            self.sending_on,
            tuple(self.scopes or ()),
            _wait(self.not_before, now),
            _wait(self.waits_until, now),
        )


@dataclass(frozen=True, slots=True)
class CallsFacts:
    """Whose calls they are, until when and why they rest, and the last push and the last call."""

    tenant_id: str
    waits_until: datetime | None
    waits_because: str | None
    pushed_at: datetime | None
    called_at: datetime | None


@dataclass(frozen=True, slots=True)
class SettingsStamps:
    """The stamp of the connection's card, and what that of the card about calls is made of."""

    card: str
    calls: CallsFacts


WAY_COLUMNS = (
    ClientDocument.id,
    ClientDocument.updated_at,
    XeroFilePush.updated_at,
    XeroContactMapping.xero_contact_id,
    XeroContact.contact_status,
    XeroContact.merged_to_contact_id,
    XeroConnection.status,
    XeroConnection.push_documents_to_xero,
    XeroConnection.scopes,
    XeroFilePush.not_before,
    XeroConnection.waits_until,
)
WORD_COLUMNS = (
    XeroConnection.id,
    XeroConnection.status,
    XeroConnection.consecutive_errors,
    XeroConnection.scopes,
    XeroConnection.last_good_call_at,
    XeroConnection.waits_until,
)


def with_way(
    documents: AnySelect,
    connection_id: UUID | InstrumentedAttribute[UUID],
    *,
    only_lost_contacts: bool = False,
) -> AnySelect:
    """Return a statement on documents that also holds, where there are any, push and contact.

    Of one connection, and outer joins all: a document without them stays. With
    *only_lost_contacts* active contacts are as good as unread ones.
    """
    return (
        documents.outerjoin(
            XeroFilePush,
            and_(
                XeroFilePush.document_id == ClientDocument.id,
                XeroFilePush.xero_connection_id == connection_id,
            ),
        )
        .outerjoin(
            XeroContactMapping,
            and_(
                XeroContactMapping.client_id == ClientDocument.client_id,
                XeroContactMapping.xero_connection_id == connection_id,
            ),
        )
        .outerjoin(
            XeroContact,
            and_(
                XeroContact.xero_connection_id == connection_id,
                XeroContact.xero_contact_id == XeroContactMapping.xero_contact_id,
                LOST if only_lost_contacts else true(),
            ),
        )
    )


def _shown_connection() -> ColumnElement[UUID]:
    """Return the id of the connection that pages show: the current one, else the one left last."""
    shown = aliased(XeroConnection, name="shown")
    return (
        select(shown.id)
        .where(shown.practice_id == User.practice_id)
        .order_by(*shown.current_first())
        .limit(1)
        .correlate(User)
        .scalar_subquery()
    )


# Put together once: to build a statement takes longer than to run it.
_WHO = User.id == bindparam("user_id")
_RUNS = (
    select(SyncRun.id, SyncRun.updated_at)
    .join(User, User.practice_id == SyncRun.practice_id)
    .where(_WHO, SyncRun.id.in_(bindparam("ids", expanding=True)))
)
_newer = aliased(ClientDocument, name="newer")
_NEWER = (
    select(func.count())
    .where(
        _newer.practice_id == User.practice_id,
        # Without a moment nothing is newer.
        _newer.created_at > bindparam("since", type_=ClientDocument.created_at.type),
    )
    .correlate(User)
    .scalar_subquery()
)
_WAYS = with_way(
    select(*WAY_COLUMNS, _NEWER)
    .select_from(User)
    .join(ClientDocument, ClientDocument.practice_id == User.practice_id)
    .outerjoin(XeroConnection, XeroConnection.id == _shown_connection()),
    XeroConnection.id,
).where(_WHO, ClientDocument.id.in_(bindparam("ids", expanding=True)))
_HEADER = (
    select(*WORD_COLUMNS, Alert.id, Alert.updated_at)
    .select_from(User)
    .outerjoin(XeroConnection, XeroConnection.id == _shown_connection())
    .outerjoin(
        Alert,
        and_(
            Alert.practice_id == User.practice_id,
            Alert.closed_at.is_(None),
            visible_to(User.id, User.role == Role.ADMIN),
        ),
    )
    .where(_WHO)
)
_LAST_PUSH = (
    select(func.max(XeroFilePush.updated_at))
    .where(XeroFilePush.xero_connection_id == XeroConnection.id)
    .correlate(XeroConnection)
    .scalar_subquery()
)
_LAST_READING = (
    select(SyncRun.updated_at)
    .where(SyncRun.practice_id == User.practice_id, SyncRun.kind == RunKind.CONTACT_SYNC)
    .order_by(SyncRun.created_at.desc())
    .limit(1)
    .correlate(User)
    .scalar_subquery()
)
_LAST_CALL = (
    select(func.max(XeroCalls.last_at))
    .where(XeroCalls.xero_tenant_id == XeroConnection.xero_tenant_id)
    .correlate(XeroConnection)
    .scalar_subquery()
)
_CALLS = (
    select(
        XeroConnection.xero_tenant_id,
        XeroConnection.waits_until,
        XeroConnection.waits_because,
        _LAST_PUSH,
        _LAST_CALL,
    )
    .select_from(User)
    .join(XeroConnection, XeroConnection.id == _shown_connection())
    .where(_WHO, XeroConnection.status != ConnectionStatus.DISCONNECTED)
)
_CARD = (
    select(*WORD_COLUMNS, XeroConnection.updated_at, _LAST_PUSH, _LAST_READING)
    .select_from(User)
    .join(XeroConnection, XeroConnection.id == _shown_connection())
    .where(_WHO)
)
_SETTINGS = _CARD.add_columns(
    XeroConnection.xero_tenant_id, XeroConnection.waits_because, _LAST_CALL
)


def of_run(reader: Reader, user_id: UUID, run_id: UUID) -> str | None:
    """Return the stamp of one run; see `of_runs`."""
    return of_runs(reader, user_id, [run_id])


def of_runs(reader: Reader, user_id: UUID, run_ids: Collection[UUID]) -> str | None:
    """Return the stamp of these runs; None if one of them is not there for this person."""
    rows = reader.execute(_RUNS, {"user_id": user_id, "ids": list(run_ids)}).all()
    moments = {row[0]: row[1] for row in rows}
    if not moments.keys() >= set(run_ids):
        return None
    return runs_stamp(moments[run_id] for run_id in run_ids)


def runs_stamp(changed_at: Iterable[datetime]) -> str:
    """Return the same stamp from what a page has read: each run's last change, in their order."""
    return "-".join(str(int(moment.timestamp() * 1_000_000)) for moment in changed_at)


def of_document(reader: Reader, user_id: UUID, document_id: UUID) -> str | None:
    """Return the stamp of one document's way to Xero; see `of_documents`."""
    return of_documents(reader, user_id, [document_id])


def of_documents(
    reader: Reader,
    user_id: UUID,
    document_ids: Collection[UUID],
    *,
    since: datetime | None = None,
) -> str | None:
    """Return the stamp of these documents' ways to Xero; None if this person has none of them.

    With *since* it also changes when the practice gets another document after that moment.
    """
    asked = {"user_id": user_id, "ids": list(document_ids), "since": since}
    rows = reader.execute(_WAYS, asked).all()
    if not rows:
        return None
    return documents_stamp((WayFacts(*row[:-1]) for row in rows), newer=rows[0][-1])


def documents_stamp(facts: Iterable[WayFacts], *, newer: int = 0) -> str:
    """Return the same stamp from what a page has read, in whatever order."""
    now = utcnow()
    return _digest([*sorted(str(each.parts(now)) for each in facts), newer])


def of_frame(reader: Reader, user_id: UUID) -> str | None:
    """Return the stamp of the header: the connection's word and the alerts for this person."""
    rows = reader.execute(_HEADER, {"user_id": user_id}).all()
    if not rows:
        return None
    alerts = [tuple(row[-2:]) for row in rows if row[-2] is not None]
    return frame_stamp(WordFacts(*rows[0][:-2]), alerts)


def frame_stamp(word: WordFacts, alerts: Iterable[tuple[UUID, datetime]]) -> str:
    """Return the same stamp from what a page has read: alerts are ids with their last change."""
    return _digest([word.parts(utcnow()), *sorted(alerts)])


def of_card(reader: Reader, user_id: UUID) -> str | None:
    """Return the stamp of the connection's card; None without a connection.

    Documents count by their last push: a change of theirs that no worker has seen yet is no news of
    the connection.
    """
    row = reader.execute(_CARD, {"user_id": user_id}).one_or_none()
    if row is None:
        return None
    return _card_stamp(WordFacts(*row[:-3]), row[-3:])


def of_calls(reader: Reader, user_id: UUID) -> CallsFacts | None:
    """Return what the card about calls is made of, but for what the limiter says; None without."""
    row = reader.execute(_CALLS, {"user_id": user_id}).one_or_none()
    return CallsFacts(*row) if row is not None else None


def of_settings(reader: Reader, user_id: UUID) -> SettingsStamps | None:
    """Return what the stamps of both cards on one page are made of; None without a connection."""
    row = reader.execute(_SETTINGS, {"user_id": user_id}).one_or_none()
    if row is None:
        return None
    (*word, changed_at, pushed_at, read_at), (tenant_id, because, called_at) = row[:-3], row[-3:]
    facts = WordFacts(*word)
    return SettingsStamps(
        card=_card_stamp(facts, (changed_at, pushed_at, read_at)),
        calls=CallsFacts(tenant_id, facts.waits_until, because, pushed_at, called_at),
    )


def _card_stamp(word: WordFacts, moments: Sequence[datetime | None]) -> str:
    return _digest([word.parts(utcnow()), tuple(moments)])


def _wait(moment: datetime | None, now: datetime) -> tuple[datetime | None, bool]:
    # That a moment has come changes what is read, too.
    return moment, moment is not None and moment > now


def _digest(parts: Iterable[object]) -> str:
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:16]
