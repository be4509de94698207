"""Documents that need attention, by their cause: the groups say what the rows say."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.orm import Session, scoped_session

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    ClientDocument,
    DocumentStatus,
    Practice,
    PushStatus,
    XeroConnection,
    XeroFilePush,
)
from dashboard.queries import documents, push_groups
from dashboard.queries.document_states import shown_connection
from dashboard.queries.documents import DocumentRow
from dashboard.queries.push_groups import NO_FILTERS, Chosen
from dashboard.rules.push_sentences import PushCause
from dashboard.rules.retry_groups import GROUPS, NOT_ON_CONTACT, UNLINKED
from tests import factories
from tests.support.statements import counted

Sessions = scoped_session[Session]
NOW = utcnow()
CONTACTS: tuple[dict[str, Any] | None, ...] = (
    None,
    {},
    {"contact_status": "ARCHIVED"},
    {"contact_status": "ARCHIVED", "merged_to_contact_id": "c-2"},
    {"contact_status": "GDPRREQUEST"},
)
SOME = (None, PushCause.REFUSED, PushCause.TOO_LARGE)
STUCK = (PushStatus.FAILED, PushStatus.UPLOADED)


@pytest.fixture
def connection(practice: Practice) -> XeroConnection:
    """A connection whose documents are in every state that there is."""
    connection = factories.make_connection(practice)
    for contact in CONTACTS:
        client = factories.make_client(practice)
        if contact is not None:
            contact_id = str(uuid4())
            factories.make_mapping(connection, client, contact_id)
            factories.make_contact(connection, xero_contact_id=contact_id, **contact)
        causes = (None, *PushCause) if contact == {} else SOME
        pattern = factories.make_document(client, status=DocumentStatus.ACCEPTED, decided_at=NOW)
        causes = (None, *PushCause) if contact == {} else SOME
        for status, cause, moment in product(PushStatus, causes, (None, NOW)):
            if cause is None or status in STUCK:
                document = copied(pattern)
                in_xero = "f" if status == PushStatus.UPLOADED else None
                values = {"status": status, "cause": cause, "xero_file_id": in_xero}
                db.session.add(document)
                db.session.add(pushed(connection, document, not_before=moment, **values))
        db.session.delete(pattern)
        db.session.commit()
    return connection


def copied(document: ClientDocument) -> ClientDocument:
    values = {each.key: getattr(document, each.key) for each in ClientDocument.__table__.columns}
    return ClientDocument(**{**values, "id": uuid4()})


def pushed(connection: XeroConnection, document: ClientDocument, **values: Any) -> XeroFilePush:
    return XeroFilePush(
        practice_id=document.practice_id,
        xero_connection_id=connection.id,
        document_id=document.id,
        client_id=document.client_id,
        content_sha256=document.content_sha256,
        size=document.size,
        **values,
    )


def cause_on_the_page(row: DocumentRow) -> str:
    """Return what the row's own sentence speaks of."""
    assert row.push is not None
    if row.held_by is not None:
        return row.held_by
    if row.word.code == "no_contact":
        return UNLINKED
    is_unlinked = row.push.cause is PushCause.UNLINKED_IN_XERO
    if row.word.code == "not_on_contact" and not is_unlinked:
        return NOT_ON_CONTACT
    return row.push.cause or PushCause.REFUSED


def needing_attention(session: Sessions, practice: Practice) -> list[DocumentRow]:
    found = documents.page(session, practice.id, now=NOW, tab="attention", limit=1000)
    return list(found.rows)


class TestGroups:
    def test_they_say_what_the_rows_say_and_leave_none_out(
        self, session: Sessions, practice: Practice, connection: XeroConnection
    ) -> None:
        seen = shown_connection(session, practice.id)
        with counted(db.engine) as statements:
            found = push_groups.groups(session, practice.id, seen, NO_FILTERS)
        assert len(statements) == 1
        rows = needing_attention(session, practice)
        assert {group.cause: group.total for group in found} == Counter(
            cause_on_the_page(row) for row in rows
        )
        # Every cause there is, each with words of its own, in the order of the page.
        assert [group.cause for group in found] == list(GROUPS)

    def test_what_can_be_retried_is_what_a_retry_takes(
        self, session: Sessions, practice: Practice, connection: XeroConnection
    ) -> None:
        seen, ready = shown_connection(session, practice.id), set()
        for group in push_groups.groups(session, practice.id, seen, NO_FILTERS):
            chosen = Chosen(group.cause, NO_FILTERS)
            ids = push_groups.ready_ids(session, practice.id, seen, chosen)
            found = push_groups.preflight(session, practice.id, seen, chosen)
            assert len(ids) == found.ready == group.ready
            assert found.total == group.total
            assert group.ready == 0 or GROUPS[group.cause].is_mended_by_retry
            ready |= set(ids)
        rows = {row.id: row for row in needing_attention(session, practice)}
        # Only with a contact to be put on.
        assert ready
        assert {rows[each].held_by for each in ready} == {None}
        assert "no_contact" not in {rows[each].word.code for each in ready}
        # The same ones have a box to tick.
        assert {row.id for row in rows.values() if row.can_retry} == ready

    def test_each_obstacle_has_its_words(self) -> None:
        without = {cause for cause, words in GROUPS.items() if not words.is_mended_by_retry}
        assert {cause for cause, words in GROUPS.items() if words.obstacle} == without


class TestTicked:
    def test_every_one_of_them_is_counted_once(
        self, session: Sessions, practice: Practice, connection: XeroConnection
    ) -> None:
        factories.make_document(factories.make_client(practice))
        rows = documents.page(session, practice.id, now=NOW, limit=1000).rows
        seen = shown_connection(session, practice.id)
        chosen = Chosen(ids=[row.id for row in rows])
        found = push_groups.preflight(session, practice.id, seen, chosen)
        tabs = Counter(row.tab for row in rows)
        assert found.total == len(rows)
        assert found.filed == tabs["filed"]
        assert found.not_sent == tabs["not_sent"] == 1
        assert found.on_its_way == tabs["way"] + tabs["on_hold"]
        blocked = sum(count for _, count in found.blocked)
        assert found.ready + blocked == tabs["attention"]

    def test_documents_of_others_are_not_there(
        self, session: Sessions, practice: Practice, connection: XeroConnection
    ) -> None:
        rows = documents.page(session, practice.id, now=NOW, limit=5).rows
        other = factories.make_practice()
        seen = shown_connection(session, other.id)
        chosen = Chosen(ids=[row.id for row in rows])
        assert push_groups.preflight(session, other.id, seen, chosen).total == 0
