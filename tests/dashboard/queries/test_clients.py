"""Clients as pages see them."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy.orm import Session, scoped_session

from dashboard.clock import utcnow
from dashboard.models import DocumentStatus, Practice, Tag, TagSource, User, XeroConnection
from dashboard.queries import clients, documents
from dashboard.queries.clients import Difference, NamedClient, TagRow
from dashboard.queries.keyset import UnknownCursor
from tests.factories import (
    make_client,
    make_connection,
    make_contact,
    make_document,
    make_mapping,
)
from tests.support.statements import counted

AnySession = scoped_session[Session]


@pytest.fixture
def connection(practice: Practice) -> XeroConnection:
    return make_connection(practice)


def tag(session: AnySession, practice: Practice, name: str, source: TagSource) -> Tag:
    found = Tag(practice_id=practice.id, name=name, source=source)
    session.add(found)
    session.commit()
    return found


class TestPage:
    def test_pages_follow_each_other_by_name(self, session: AnySession, practice: Practice) -> None:
        for name in ["B", "A", "C", "A", "E"]:
            make_client(practice, name=name)
        page = clients.page(session, practice.id, limit=2)
        seen = [row.name for row in page.rows]
        while page.next_cursor:
            page = clients.page(session, practice.id, limit=2, cursor=page.next_cursor)
            seen += [row.name for row in page.rows]
        assert seen == ["A", "A", "B", "C", "E"]
        assert page.total == 5

    def test_filters_by_words_tag_and_link(
        self, session: AnySession, connection: XeroConnection, practice: Practice
    ) -> None:
        ada = make_client(practice, name="Ada Ltd", email="hello@lovelace.example")
        make_client(practice, name="100% Bob")
        vat = tag(session, practice, "VAT", TagSource.XERO)
        ada.tags.append(vat)
        session.commit()
        make_mapping(connection, ada, str(uuid4()))

        def shown(**wanted: object) -> list[str]:
            page = clients.page(session, practice.id, **wanted)  # type: ignore[arg-type]
            assert page.total == len(page.rows)
            return [row.name for row in page.rows]

        assert shown(q="lovelace ada") == ["Ada Ltd"]
        assert shown(q="%") == ["100% Bob"]
        assert shown(tag="VAT") == ["Ada Ltd"]
        assert shown(linked=True) == ["Ada Ltd"]
        assert shown(linked=False) == ["100% Bob"]

    def test_a_row_shows_tags_and_contact(
        self, session: AnySession, connection: XeroConnection, practice: Practice
    ) -> None:
        client = make_client(practice)
        vat = tag(session, practice, "VAT", TagSource.XERO)
        priority = tag(session, practice, "Priority", TagSource.OWN)
        client.tags.extend([vat, priority])
        session.commit()
        contact = make_contact(connection, name="Ada", contact_status="ARCHIVED")
        make_mapping(connection, client, contact.xero_contact_id)
        (row,) = clients.page(session, practice.id).rows
        assert row.tags == (TagRow("Priority", False), TagRow("VAT", True))
        assert row.contact is not None
        assert (row.contact.name, row.contact.status) == ("Ada", "ARCHIVED")
        assert row.xero_contact_id == contact.xero_contact_id

    def test_attention_is_what_the_documents_list_counts(
        self, session: AnySession, connection: XeroConnection, practice: Practice
    ) -> None:
        decided = {"status": DocumentStatus.ACCEPTED, "decided_at": utcnow()}
        unlinked, linked = make_client(practice, name="A"), make_client(practice, name="B")
        archived, quiet = make_client(practice, name="C"), make_client(practice, name="D")
        make_mapping(connection, linked, make_contact(connection).xero_contact_id)
        gone = make_contact(connection, contact_status="ARCHIVED")
        make_mapping(connection, archived, gone.xero_contact_id)
        for client in (unlinked, linked, archived):
            make_document(client, **decided)
        make_document(unlinked, **decided)
        make_document(quiet)
        rows = clients.page(session, practice.id).rows
        assert [row.documents_needing_attention for row in rows] == [2, 0, 1, 0]
        for row in rows:
            counts = documents.counts(session, practice.id, client_id=row.id)
            assert row.documents_needing_attention == counts.attention
            detail = clients.one(session, practice.id, row.id)
            assert detail is not None
            assert detail.client.documents_needing_attention == counts.attention
        wanted = clients.page(session, practice.id, attention=True).rows
        assert [row.name for row in wanted] == ["A", "C"]
        lost = clients.page(session, practice.id, archived=True).rows
        assert [row.name for row in lost] == ["C"]

    def test_the_number_of_queries_does_not_grow_with_the_rows(
        self, session: AnySession, connection: XeroConnection, practice: Practice
    ) -> None:
        practice_id = practice.id

        def cost() -> int:
            session.rollback()
            with counted(session.get_bind()) as statements:
                clients.page(session, practice_id)
            return len(statements)

        make_document(make_client(practice))
        with_one = cost()
        for _ in range(5):
            make_document(make_client(practice))
        assert cost() == with_one == 5

    def test_a_cursor_from_elsewhere_is_refused(
        self, session: AnySession, practice: Practice
    ) -> None:
        with pytest.raises(UnknownCursor):
            clients.page(session, practice.id, cursor={"number": 3})


class TestOne:
    def test_differences_name_the_field_and_both_sides(
        self, session: AnySession, connection: XeroConnection, practice: Practice
    ) -> None:
        client = make_client(practice, name="Ada Ltd", email="a@ada.example")
        contact = make_contact(
            connection,
            name="Ada Ltd",
            email="a@ada.example",
            phones=[{"kind": "DEFAULT", "number": "020 7946 0018"}],
        )
        make_mapping(connection, client, contact.xero_contact_id)
        detail = clients.one(session, practice.id, client.id)
        assert detail is not None
        assert detail.differences == (Difference("phone", None, "020 7946 0018"),)
        assert (detail.documents, detail.documents_filed) == (0, 0)

    def test_a_stranger_does_not_find_it(
        self, session: AnySession, practice: Practice, stranger: User
    ) -> None:
        client = make_client(practice)
        assert clients.one(session, stranger.practice_id, client.id) is None
        assert clients.page(session, stranger.practice_id).rows == ()
        assert clients.names(session, stranger.practice_id) == ()

    def test_names_are_found_for_choosing_one(
        self, session: AnySession, practice: Practice
    ) -> None:
        ada = make_client(practice, name="Ada Ltd")
        make_client(practice, name="Bob")
        assert clients.names(session, practice.id, "ada") == (
            NamedClient(ada.id, "Ada Ltd", ada.email),
        )
        tag(session, practice, "VIP", TagSource.OWN)
        assert clients.tags(session, practice.id) == (TagRow("VIP", False),)
