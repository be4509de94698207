"""Clients made by hand, and their links to contacts."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, scoped_session

from dashboard import wiring
from dashboard.models import (
    Client,
    Practice,
    Tag,
    TagSource,
    User,
    XeroConnection,
    XeroContactMapping,
)
from dashboard.services.refusals import Conflict, InvalidInput, NotConnected, NotFound
from tests.factories import make_client, make_connection, make_contact, make_mapping

AnySession = scoped_session[Session]


@pytest.fixture
def connection(practice: Practice) -> XeroConnection:
    return make_connection(practice)


class TestCreate:
    def test_a_name_is_enough_and_texts_are_trimmed(
        self, session: AnySession, practice: Practice
    ) -> None:
        client = wiring.clients().create(practice.id, {"name": "  Ada Ltd ", "email": ""})
        assert (client.name, client.email, client.practice_id) == ("Ada Ltd", None, practice.id)
        session.refresh(practice)
        assert practice.clients_changed_at is not None

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({}, "name"),
            ({"name": "   "}, "name"),
            ({"name": "\x00"}, "name"),
            ({"name": 5}, "name"),
            ({"name": "x" * 256}, "name"),
            ({"name": "Ada", "email": "nobody"}, "email"),
            ({"name": "Ada", "phone": "1" * 256}, "phone"),
        ],
    )
    def test_what_cannot_be_kept_is_refused_by_field(
        self, session: AnySession, practice: Practice, fields: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(InvalidInput) as refused:
            wiring.clients().create(practice.id, fields)
        assert refused.value.field == field
        assert session.scalar(select(func.count()).select_from(Client)) == 0


class TestLink:
    def test_a_link_brings_the_groups_as_tags_and_leaves_the_fields(
        self, session: AnySession, connection: XeroConnection, practice: Practice, admin: User
    ) -> None:
        client = make_client(practice, name="Ada", email="own@ada.example")
        contact = make_contact(
            connection,
            name="Ada Limited",
            email="xero@ada.example",
            groups=[{"id": "g", "name": "VAT clients"}],
        )
        wiring.clients().link(practice.id, admin.id, client.id, contact.xero_contact_id)
        session.refresh(client)
        assert (client.name, client.email) == ("Ada", "own@ada.example")
        assert client.xero_contact_id == contact.xero_contact_id
        assert [tag.name for tag in client.tags] == ["VAT clients"]

    def test_a_new_link_replaces_the_old_one(
        self, session: AnySession, connection: XeroConnection, practice: Practice, admin: User
    ) -> None:
        client = make_client(practice)
        old, new = make_contact(connection, name="Old"), make_contact(connection, name="New")
        clients = wiring.clients()
        clients.link(practice.id, admin.id, client.id, old.xero_contact_id)
        clients.link(practice.id, admin.id, client.id, new.xero_contact_id)
        clients.link(practice.id, admin.id, client.id, new.xero_contact_id)
        mapping = session.scalars(select(XeroContactMapping)).one()
        assert mapping.xero_contact_id == new.xero_contact_id

    def test_a_taken_contact_is_refused_with_the_name_of_its_client(
        self, session: AnySession, connection: XeroConnection, practice: Practice, admin: User
    ) -> None:
        contact = make_contact(connection, name="R Smith Joinery")
        make_mapping(connection, make_client(practice, name="Rob Smith"), contact.xero_contact_id)
        other = make_client(practice, name="Other")
        with pytest.raises(Conflict) as refused:
            wiring.clients().link(practice.id, admin.id, other.id, contact.xero_contact_id)
        assert refused.value.sentence == "R Smith Joinery is already linked to Rob Smith."

    def test_an_archived_contact_is_refused(
        self, connection: XeroConnection, practice: Practice, admin: User
    ) -> None:
        contact = make_contact(connection, contact_status="ARCHIVED")
        with pytest.raises(InvalidInput):
            wiring.clients().link(
                practice.id, admin.id, make_client(practice).id, contact.xero_contact_id
            )

    def test_strangers_ids_are_not_found(
        self, connection: XeroConnection, practice: Practice, admin: User, stranger: User
    ) -> None:
        client, contact = make_client(practice), make_contact(connection)
        theirs = make_client(stranger.practice)
        their_contact = make_contact(make_connection(stranger.practice))
        clients = wiring.clients()
        for client_id, contact_id in [
            (theirs.id, contact.xero_contact_id),
            (client.id, their_contact.xero_contact_id),
            (uuid4(), contact.xero_contact_id),
        ]:
            with pytest.raises(NotFound):
                clients.link(practice.id, admin.id, client_id, contact_id)

    def test_without_a_connection_there_is_nothing_to_link_to(
        self, practice: Practice, admin: User
    ) -> None:
        with pytest.raises(NotConnected):
            wiring.clients().link(practice.id, admin.id, make_client(practice).id, "a")


class TestUnlink:
    def test_link_and_tags_from_xero_go_and_own_tags_stay(
        self, session: AnySession, connection: XeroConnection, practice: Practice, admin: User
    ) -> None:
        client = make_client(practice)
        client.tags.append(Tag(practice_id=practice.id, name="Priority", source=TagSource.OWN))
        session.commit()
        contact = make_contact(connection, groups=[{"id": "g", "name": "VAT clients"}])
        clients = wiring.clients()
        clients.link(practice.id, admin.id, client.id, contact.xero_contact_id)
        clients.unlink(practice.id, admin.id, client.id)
        session.refresh(client)
        assert client.xero_contact_id is None
        assert [tag.name for tag in client.tags] == ["Priority"]
        assert session.scalar(select(func.count()).select_from(XeroContactMapping)) == 0
