"""Which state a document is in, as SQL: the same questions for lists, counts, groups and retries.

A document's state depends on the connection whose pushes are shown, and on the client's contact
there. What holds it back (sending off, no contact, no usable connection) is worked out here and
never stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, false, func, literal, or_, select

from dashboard.database import AnySession
from dashboard.models import (
    Client,
    ClientDocument,
    ConnectionStatus,
    DocumentStatus,
    PushStatus,
    XeroConnection,
    XeroContact,
    XeroContactMapping,
    XeroFilePush,
)
from dashboard.queries.connections import ConnectionSummary
from dashboard.queries.stamps import with_way
from dashboard.rules.permissions import FILES, is_granted
from dashboard.rules.retry_policy import MAX_RETRIES

ACTIVE_CONTACT = "ACTIVE"
NO_CONNECTION = UUID(int=0)
AnySelect: TypeAlias = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Shown:
    """The connection whose pushes are shown; without a status there is none."""

    id: UUID
    status: ConnectionStatus | None
    sending_on: bool
    waits_until: datetime | None
    waits_because: str | None
    organisation: str | None
    short_code: str | None
    scopes: list[str]

    @property
    def exists(self) -> bool:
        return self.status is not None

    @property
    def is_current(self) -> bool:
        return self.exists and self.status != ConnectionStatus.DISCONNECTED

    @property
    def needs_permission(self) -> bool:
        return self.status == ConnectionStatus.ACTIVE and not is_granted(FILES, self.scopes)

    @property
    def is_usable(self) -> bool:
        return self.status == ConnectionStatus.ACTIVE and not self.needs_permission

    @property
    def goes_on(self) -> bool:
        """Whether anything is sent at all, so that a next attempt can have a moment."""
        return self.is_usable and self.sending_on


UNCONNECTED = Shown(NO_CONNECTION, None, True, None, None, None, None, [])


def shown_by(summary: ConnectionSummary | None) -> Shown:
    """Return what a page has read of the connection already, so that it is not read again."""
    if summary is None:
        return UNCONNECTED
    return Shown(
        id=summary.id,
        status=summary.status,
        sending_on=summary.push_documents_to_xero,
        waits_until=summary.waits_until,
        waits_because=summary.waits_because,
        organisation=summary.organisation,
        short_code=summary.short_code,
        scopes=list(summary.scopes),
    )


def shown_connection(session: AnySession, practice_id: UUID) -> Shown:
    """Return the connection whose pushes are shown: the current one, else the one left last."""
    row = session.execute(
        select(
            XeroConnection.id,
            XeroConnection.status,
            XeroConnection.push_documents_to_xero,
            XeroConnection.waits_until,
            XeroConnection.waits_because,
            XeroConnection.xero_org_name,
            XeroConnection.short_code,
            XeroConnection.scopes,
        )
        .where(XeroConnection.practice_id == practice_id)
        .order_by(*XeroConnection.current_first())
        .limit(1)
    ).one_or_none()
    return Shown(*row) if row is not None else UNCONNECTED


def joined(wanted: AnySelect, seen: Shown, practice_id: UUID) -> AnySelect:
    """Return *wanted* from the practice's documents with client, push and contact."""
    documents = wanted.select_from(ClientDocument).join(
        Client, Client.id == ClientDocument.client_id
    )
    return with_way(documents, seen.id).where(ClientDocument.practice_id == practice_id)


def counted(wanted: AnySelect, seen: Shown, practice_id: UUID, *, names: bool = False) -> AnySelect:
    """Return *wanted* from the same documents with what tells their tab and their cause alone.

    Of contacts those that are no longer active, and of clients nothing, unless *names* are looked
    through: to join all of them takes most of the time that counting takes.
    """
    documents = wanted.select_from(ClientDocument)
    if names:
        documents = documents.join(Client, Client.id == ClientDocument.client_id)
    way = with_way(documents, seen.id, only_lost_contacts=True)
    return way.where(ClientDocument.practice_id == practice_id)


def narrowed(
    chosen: AnySelect, *, client_id: UUID | None, q: str, type_: str, year: str
) -> AnySelect:
    """Return *chosen*, a `joined` statement or a `counted` one, with the filters of the list.

    A `counted` one must know of names if there is a *q*.
    """
    if client_id is not None:
        chosen = chosen.where(ClientDocument.client_id == client_id)
    if type_:
        chosen = chosen.where(ClientDocument.document_type == type_)
    if year:
        chosen = chosen.where(ClientDocument.tax_year == year)
    for term in q.split():
        chosen = chosen.where(
            or_(
                ClientDocument.file_name.icontains(term, autoescape=True),
                ClientDocument.document_type.icontains(term, autoescape=True),
                Client.name.icontains(term, autoescape=True),
            )
        )
    return chosen


def tab_column(seen: Shown) -> ColumnElement[str]:
    """Return the tab in which the list shows a document."""
    # The same order of questions as in rules.status_words.push_word.
    status = XeroFilePush.status
    return case(
        (status == PushStatus.ASSOCIATED, "filed"),
        (and_(status == PushStatus.UPLOADED, XeroFilePush.cause.is_not(None)), "attention"),
        (and_(status == PushStatus.FAILED, ~has_tries_left()), "attention"),
        (and_(status.is_(None), ClientDocument.status != DocumentStatus.ACCEPTED), "not_sent"),
        (status == PushStatus.UPLOADING, "way"),
        (and_(_always(not seen.sending_on), status.is_(None)), "not_sent"),
        (_always(not seen.sending_on), "on_hold"),
        (and_(_always(seen.exists), ~is_mapped()), "attention"),
        (status.is_(None), "not_sent"),
        (_always(not seen.is_usable), "on_hold"),
        else_="way",
    )


def has_tries_left() -> ColumnElement[bool]:
    """Return whether a failed push is tried again by itself."""
    return and_(XeroFilePush.not_before.is_not(None), XeroFilePush.retry_count < MAX_RETRIES)


def _always(truth: bool) -> ColumnElement[bool]:
    return literal(1) == literal(1) if truth else false()


def is_mapped() -> ColumnElement[bool]:
    """Return whether the client has a contact that documents can be put on."""
    # A contact that the mirror has not read yet is taken for active: Xero has the last word.
    return and_(
        XeroContactMapping.id.is_not(None),
        func.coalesce(XeroContact.contact_status, ACTIVE_CONTACT) == ACTIVE_CONTACT,
    )
