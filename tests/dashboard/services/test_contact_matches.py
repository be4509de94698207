"""Comparing only what changed finds what comparing everything finds."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session, scoped_session

from dashboard.clock import utcnow
from dashboard.models import (
    Client,
    ContactTwins,
    MatchFile,
    Practice,
    XeroConnection,
    XeroContact,
    XeroContactMapping,
)
from dashboard.services.client_list import changing_clients
from dashboard.services.clients import ClientService
from dashboard.services.contact_matches import ContactMatches
from dashboard.services.contact_mirror import write_page
from dashboard.xero.governor import Priority
from tests.factories import make_connection
from tests.support.contact_feed import Book, Feed

AnySession = scoped_session[Session]
SIZE = 300
BOOK = Book()


class Scene:
    """A practice with many clients and a mirror, whose contacts are compared."""

    def __init__(self, session: AnySession, connection: XeroConnection, folder: Path) -> None:
        self.session = session
        self._feed = Feed(folder, connection.id)
        self.practice_id, self.connection_id = connection.practice_id, connection.id
        now = changing_clients(session, self.practice_id, utcnow)
        rows = [
            {"practice_id": self.practice_id, "created_at": now, "updated_at": now}
            | BOOK.client(number)
            for number in range(SIZE)
        ]
        session.execute(insert(Client), rows)
        self.read(*(BOOK.contact(number) for number in range(SIZE)))
        self.compare()

    def read(self, *contacts: dict[str, Any]) -> None:
        self._feed.hold(contacts)
        with self._feed.calling(self.practice_id, Priority.SYNC) as call:
            page = call.xero.accounting.contacts_page(1)
        write_page(
            self.session,
            practice_id=self.practice_id,
            connection_id=self.connection_id,
            contacts=page.contacts,
            now=utcnow(),
        )
        self.session.commit()

    def compare(self) -> int:
        return ContactMatches(session=self.session, clock=utcnow).rematch(
            self.practice_id, self.connection_id
        )

    def answers(self) -> dict[str, tuple[str, list[str]]]:
        self.session.expire_all()
        linked = select(XeroContactMapping.xero_contact_id)
        rows = self.session.scalars(
            select(XeroContact).where(XeroContact.xero_contact_id.not_in(linked))
        )
        return {
            row.xero_contact_id: (row.match, sorted(one["client_id"] for one in row.candidates))
            for row in rows
        }

    def reasons(self, contact_id: str) -> list[str]:
        self.session.expire_all()
        row = self.session.scalars(
            select(XeroContact).where(XeroContact.xero_contact_id == contact_id)
        ).one()
        return [reason for one in row.candidates for reason in one["reasons"]]

    def twins(self) -> set[tuple[str, str]]:
        found = self.session.execute(
            select(ContactTwins.first_contact_id, ContactTwins.second_contact_id)
        )
        return {(row[0], row[1]) for row in found}

    def file_made_at(self) -> Any:
        return self.session.scalar(select(MatchFile.made_at))

    def clients(self) -> list[UUID]:
        return list(self.session.scalars(select(Client.id).order_by(Client.id)))

    @property
    def service(self) -> ClientService:
        return ClientService(session=self.session, clock=utcnow)


@pytest.fixture
def scene(session: AnySession, practice: Practice, tmp_path: Path) -> Scene:
    return Scene(session, make_connection(practice), tmp_path)


class TestOnlyWhatChanged:
    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_it_finds_what_a_whole_comparison_finds(self, scene: Scene, seed: int) -> None:
        dice = random.Random(seed)  # noqa: S311 - dice
        made_at = scene.file_made_at()
        for _ in range(4):
            edit = dice.choice(
                [self.new_contact, self.renamed_contact, self.edited_client, self.linked, self.gone]
            )
            edit(scene, dice)
            scene.compare()
        found, twins = scene.answers(), scene.twins()
        assert scene.file_made_at() == made_at
        scene.session.execute(delete(MatchFile))
        scene.session.commit()
        scene.compare()
        assert scene.file_made_at() != made_at
        assert scene.answers() == found
        assert scene.twins() == twins

    def new_contact(self, scene: Scene, dice: random.Random) -> None:
        """Somebody is in Xero twice now, under a new id."""
        twin = BOOK.contact(dice.randrange(SIZE))
        scene.read({**twin, "ContactID": BOOK.contact_id(SIZE + dice.randrange(999))})

    def renamed_contact(self, scene: Scene, dice: random.Random) -> None:
        """A contact bears the name of another client."""
        number, other = dice.randrange(SIZE), dice.randrange(SIZE)
        scene.read(BOOK.contact(number, Name=BOOK.client(other)["name"]))

    def edited_client(self, scene: Scene, dice: random.Random) -> None:
        """A client has what a contact has."""
        contact = BOOK.contact(dice.randrange(SIZE))
        fields = {"name": contact["Name"], "email": contact["EmailAddress"]}
        scene.service.change(scene.practice_id, dice.choice(scene.clients()), fields)

    def linked(self, scene: Scene, dice: random.Random) -> None:
        """A client that others may be is taken."""
        contact_id = BOOK.contact_id(dice.randrange(SIZE))
        if contact_id in scene.answers():
            client_id = dice.choice(scene.clients())
            scene.service.link(scene.practice_id, None, client_id, contact_id)

    def gone(self, scene: Scene, dice: random.Random) -> None:
        """A client is no more."""
        changing_clients(scene.session, scene.practice_id, utcnow)
        client_id = dice.choice(scene.clients())
        scene.session.execute(delete(Client).where(Client.id == client_id))
        scene.session.commit()


class TestFreed:
    def test_a_contact_that_was_linked_at_first_is_compared_when_it_is_free(
        self, scene: Scene
    ) -> None:
        """Contact 0 is client 0 as it stands: it was linked before anything was compared."""
        contact_id = BOOK.contact_id(0)
        client = scene.session.scalars(
            select(Client).where(Client.name == BOOK.client(0)["name"])
        ).first()
        assert client is not None
        scene.service.link(scene.practice_id, None, client.id, contact_id)
        scene.session.execute(
            XeroContact.__table__.update().values(match="new", candidates=[])  # type: ignore[attr-defined]
        )
        scene.session.execute(delete(MatchFile))
        scene.session.commit()
        scene.compare()
        scene.service.unlink(scene.practice_id, None, client.id)
        assert scene.answers()[contact_id][0] == "new"
        scene.compare()
        assert scene.answers()[contact_id] == ("exact", [str(client.id)])


class TestTakenBack:
    def test_what_an_undo_restores_without_a_trace_is_noticed(self, scene: Scene) -> None:
        """An undo takes a link away and leaves the client as if it had never been changed."""
        before = scene.answers()
        contact_id, (_, clients) = next(
            (each, answer) for each, answer in before.items() if answer[0] == "exact"
        )
        twin_id = BOOK.contact_id(SIZE + 7)
        number = next(n for n in range(SIZE) if BOOK.contact_id(n) == contact_id)
        scene.read({**BOOK.contact(number), "ContactID": twin_id})
        scene.session.execute(delete(MatchFile))
        scene.session.commit()
        scene.compare()
        rivals, reasons = scene.answers(), scene.reasons(twin_id)
        client = scene.session.get_one(Client, UUID(clients[0]))
        changed_at = client.updated_at
        scene.service.link(scene.practice_id, None, client.id, contact_id)
        scene.compare()
        # "Already linked to another Xero contact" is one of its reasons now.
        assert scene.reasons(twin_id) != reasons
        changing_clients(scene.session, scene.practice_id, utcnow)
        scene.session.execute(delete(XeroContactMapping))
        client.updated_at, client.xero_contact_id = changed_at, None
        scene.session.commit()
        scene.compare()
        assert scene.answers() == rivals
        assert scene.reasons(twin_id) == reasons


class TestTwins:
    def test_a_contact_that_is_there_twice_is_found_with_reasons_and_goes_again(
        self, scene: Scene
    ) -> None:
        before = scene.twins()
        twin_id = BOOK.contact_id(SIZE + 5)
        scene.read({**BOOK.contact(0), "ContactID": twin_id})
        scene.compare()
        pair = tuple(sorted((BOOK.contact_id(0), twin_id)))
        assert scene.twins() - before == {pair}
        row = scene.session.scalars(
            select(ContactTwins).where(ContactTwins.first_contact_id == pair[0])
        ).one()
        assert row.reasons
        scene.read(BOOK.contact(SIZE + 5))
        scene.compare()
        assert scene.twins() == before
