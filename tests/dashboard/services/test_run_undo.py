"""Undoing an import: everything comes back as it was, and what somebody edited since stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, insert, select, update
from sqlalchemy.orm import Session, scoped_session

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    Client,
    ItemOutcome,
    MatchDecision,
    Practice,
    RunKind,
    RunStatus,
    SyncRun,
    SyncRunItem,
    Tag,
    TagSource,
    User,
    Verdict,
    XeroConnection,
    XeroContactMapping,
    client_tags,
)
from dashboard.services import contact_import, run_undo
from dashboard.services.refusals import Conflict, NotFound
from dashboard.services.run_results import ImportDecision
from tests.factories import (
    make_client,
    make_connection,
    make_contact,
    make_document,
    make_mapping,
)
from tests.support.contacts import MovableClock, sync_service
from tests.support.dying import killed

AnySession = scoped_session[Session]
TOUCHED = (
    Client.__table__,
    XeroContactMapping.__table__,
    client_tags,
    Tag.__table__,
    MatchDecision.__table__,
)
VAT = {"id": "g-vat", "name": "VAT"}
PAYROLL = {"id": "g-payroll", "name": "Payroll"}


def everything(session: AnySession) -> dict[str, list[Any]]:
    """Return every row that an import may touch, value by value."""
    session.rollback()
    found = {
        str(table.name): sorted(tuple(map(str, row)) for row in session.execute(select(table)))
        for table in TOUCHED
    }
    session.rollback()
    return found


def skipped(session: AnySession, connection: XeroConnection, contact_id: str, by: User) -> None:
    """Have a contact skipped for good, a while ago."""
    session.add(
        MatchDecision(
            practice_id=connection.practice_id,
            xero_connection_id=connection.id,
            xero_contact_id=contact_id,
            verdict=Verdict.SKIP,
            decided_by_id=by.id,
            decided_at=utcnow() - timedelta(days=3),
        )
    )
    session.commit()


def tagged(session: AnySession, client: Client, name: str, **values: Any) -> Tag:
    """Give a client a tag."""
    tag = Tag(practice_id=client.practice_id, name=name, **values)
    session.add(tag)
    session.flush()
    session.execute(insert(client_tags).values(client_id=client.id, tag_id=tag.id))
    session.commit()
    return tag


class Undoing:
    @pytest.fixture
    def connection(self, session: AnySession, practice: Practice) -> XeroConnection:
        connection = make_connection(practice)
        connection.matched_at = utcnow()
        session.commit()
        return connection

    @pytest.fixture
    def decisions(
        self, session: AnySession, practice: Practice, connection: XeroConnection, admin: User
    ) -> list[ImportDecision]:
        """One of everything that an import does."""
        old = utcnow() - timedelta(days=400)
        plain = make_contact(connection, name="Plain", email="p@x.example")
        grouped = make_contact(connection, name="Grouped", groups=[VAT, PAYROLL])
        linked = make_contact(connection, name="Linked", groups=[VAT])
        bare = make_contact(connection, name="Bare")
        unwanted = make_contact(connection, name="Unwanted")
        again = make_contact(connection, name="Skipped before, created now")
        twice = make_contact(connection, name="Skipped twice")
        client = make_client(practice, name="Linked Ltd", created_at=old, updated_at=old)
        other = make_client(practice, name="Bare Ltd", created_at=old, updated_at=old)
        tagged(session, client, "Mine")
        # From a contact it had once: this group is not the new contact's.
        tagged(session, client, "Old group", source=TagSource.XERO, xero_group_id="g-old")
        # The group was renamed in Xero after the tag was made.
        tagged(session, other, "VAT clients", source=TagSource.XERO, xero_group_id="g-vat")
        for contact in (again, twice):
            skipped(session, connection, contact.xero_contact_id, admin)
        return [
            ImportDecision(plain.xero_contact_id, "create"),
            ImportDecision(grouped.xero_contact_id, "create"),
            ImportDecision(linked.xero_contact_id, "link", client.id),
            ImportDecision(bare.xero_contact_id, "link", other.id),
            ImportDecision(unwanted.xero_contact_id, "skip"),
            ImportDecision(again.xero_contact_id, "create"),
            ImportDecision(twice.xero_contact_id, "skip"),
        ]

    def imported(self, practice: Practice, admin: User, decisions: list[ImportDecision]) -> UUID:
        """Carry out an import and return its run."""
        service = sync_service()
        run = service.start_import(practice.id, admin.id, decisions)
        run_id = run.id
        assert service.import_contacts(practice.id).problems == 0
        return run_id

    def undone(self, practice: Practice, admin: User, run_id: UUID) -> SyncRun:
        """Undo a run and return the undo."""
        service = sync_service()
        undo = service.start_undo(practice.id, admin.id, run_id)
        undo_id = undo.id
        service.undo(practice.id)
        return db.session.get_one(SyncRun, undo_id, populate_existing=True)

    def reasons(self, session: AnySession, run: SyncRun) -> dict[str, str | None]:
        found = session.scalars(select(SyncRunItem).where(SyncRunItem.run_id == run.id))
        return {one.contact_name: one.reason for one in found}


class TestRestoring(Undoing):
    def test_an_undone_import_leaves_every_row_as_it_was(
        self,
        session: AnySession,
        practice: Practice,
        admin: User,
        decisions: list[ImportDecision],
    ) -> None:
        before = everything(session)
        run_id = self.imported(practice, admin, decisions)
        assert everything(session) != before
        undo = self.undone(practice, admin, run_id)
        assert everything(session) == before
        assert (undo.status, undo.done, undo.updated, undo.skipped) == ("finished", 7, 7, 0)
        assert (undo.kind, undo.undoes_id) == (RunKind.UNDO, run_id)

    def test_the_same_contacts_can_be_imported_and_undone_again(
        self,
        session: AnySession,
        practice: Practice,
        admin: User,
        decisions: list[ImportDecision],
    ) -> None:
        before = everything(session)
        for _ in range(2):
            self.undone(practice, admin, self.imported(practice, admin, decisions))
            assert everything(session) == before

    @pytest.mark.parametrize("commit", range(1, 6))
    @pytest.mark.parametrize("step", ["import", "undo"])
    def test_killed_at_any_commit_it_is_carried_on_without_doubles_or_gaps(  # noqa: PLR0917
        self,
        monkeypatch: pytest.MonkeyPatch,
        session: AnySession,
        practice: Practice,
        admin: User,
        decisions: list[ImportDecision],
        step: str,
        commit: int,
    ) -> None:
        monkeypatch.setattr(contact_import, "CHUNK", 3)
        monkeypatch.setattr(run_undo, "CHUNK", 3)
        before = everything(session)
        clock = MovableClock()
        run = sync_service().start_import(practice.id, admin.id, decisions)
        run_id, practice_id, admin_id = run.id, practice.id, admin.id
        if step == "import":
            killed_at_commit(commit, lambda: sync_service().import_contacts(practice_id))
        clock.forward(minutes=2)
        service = sync_service(clock=clock, owner="worker-2")
        while service.import_contacts(practice_id).goes_on:
            pass
        mapped = session.scalars(select(XeroContactMapping.xero_contact_id)).all()
        assert len(mapped) == len(set(mapped)) == 5
        assert len(session.scalars(select(Client)).all()) == 2 + 3
        session.rollback()
        sync_service().start_undo(practice_id, admin_id, run_id)
        if step == "undo":
            killed_at_commit(commit, lambda: sync_service().undo(practice_id))
        clock.forward(minutes=2)
        while service.undo(practice_id).goes_on:
            pass
        assert everything(session) == before
        undo = session.scalars(select(SyncRun).where(SyncRun.kind == RunKind.UNDO)).one()
        assert (undo.status, undo.done, undo.updated) == ("finished", 7, 7)


class TestKeeping(Undoing):
    def test_what_was_changed_since_stays_and_says_why(
        self, session: AnySession, practice: Practice, connection: XeroConnection, admin: User
    ) -> None:
        names = ("Edited", "Filed", "Tagged", "Relinked", "Untouched", "Gone")
        contacts = {name: make_contact(connection, name=name) for name in names}
        run_id = self.imported(
            practice,
            admin,
            [ImportDecision(one.xero_contact_id, "create") for one in contacts.values()],
        )
        clients = {one.name: one for one in session.scalars(select(Client))}
        clients["Edited"].email = "new@edited.example"
        session.commit()
        make_document(clients["Filed"])
        tagged(session, clients["Tagged"], "Mine")
        session.execute(
            update(XeroContactMapping)
            .where(XeroContactMapping.client_id == clients["Relinked"].id)
            .values(xero_contact_id=str(uuid4()), made_by_run_id=None)
        )
        session.delete(clients["Gone"])
        session.commit()
        undo = self.undone(practice, admin, run_id)
        left = set(session.scalars(select(Client.name)))
        assert left == {"Edited", "Filed", "Tagged", "Relinked"}
        assert (undo.updated, undo.skipped) == (1, 5)
        assert self.reasons(session, undo) == {
            "Edited": "Edited stays, because it was edited since.",
            "Filed": "Filed stays, because it has documents.",
            "Tagged": "Tagged stays, because it was given tags of your own.",
            "Relinked": "Relinked stays, because its link to Xero was changed since.",
            "Untouched": "Untouched is deleted here. Xero keeps the contact.",
            "Gone": "The client was deleted since, so nothing is left to undo.",
        }

    def test_a_link_goes_from_a_client_that_was_edited_and_the_edit_stays(
        self, session: AnySession, practice: Practice, connection: XeroConnection, admin: User
    ) -> None:
        client = make_client(practice, name="Ada Ltd")
        contact = make_contact(connection, name="Ada")
        decision = ImportDecision(contact.xero_contact_id, "link", client.id)
        run_id = self.imported(practice, admin, [decision])
        session.refresh(client)
        client.email = "ada@ada.example"
        session.commit()
        changed_at = client.updated_at
        self.undone(practice, admin, run_id)
        session.refresh(client)
        assert (client.email, client.xero_contact_id) == ("ada@ada.example", None)
        assert client.updated_at >= changed_at
        assert session.scalars(select(XeroContactMapping)).all() == []

    def test_fields_that_a_check_updated_come_back_unless_they_changed_again(
        self, session: AnySession, practice: Practice, connection: XeroConnection, admin: User
    ) -> None:
        client = make_client(practice, name="New name", email="mine@x.example", phone="2")
        make_mapping(connection, client, "c-1")
        run = SyncRun(
            practice_id=practice.id,
            xero_connection_id=connection.id,
            kind=RunKind.CONTACT_SYNC,
            status=RunStatus.FINISHED,
            finished_at=utcnow(),
            updated=1,
        )
        session.add(run)
        session.flush()
        session.add(
            SyncRunItem(
                run_id=run.id,
                practice_id=practice.id,
                xero_contact_id="c-1",
                contact_name="New name",
                action="update",
                client_id=client.id,
                outcome=ItemOutcome.UPDATED,
                changes={
                    "name": {"before": "Old name", "after": "New name"},
                    "email": {"before": None, "after": "theirs@x.example"},
                    "tags": {"before": [], "after": ["VAT"]},
                },
            )
        )
        session.commit()
        undo = self.undone(practice, admin, run.id)
        session.refresh(client)
        assert (client.name, client.email, client.phone) == ("Old name", "mine@x.example", "2")
        assert self.reasons(session, undo) == {
            "New name": "New name gets back its former name. Changed since and left alone: email."
        }


class TestRefusing(Undoing):
    def test_only_what_ended_lately_can_be_undone_and_only_once(
        self,
        session: AnySession,
        practice: Practice,
        stranger: User,
        connection: XeroConnection,
        admin: User,
    ) -> None:
        contact = make_contact(connection, name="Ada")
        service = sync_service()
        run = service.start_import(
            practice.id, admin.id, [ImportDecision(contact.xero_contact_id, "create")]
        )
        run_id = run.id
        with pytest.raises(Conflict, match="has not ended"):
            service.start_undo(practice.id, admin.id, run_id)
        service.import_contacts(practice.id)
        with pytest.raises(NotFound):
            service.start_undo(stranger.practice_id, stranger.id, run_id)
        later = MovableClock()
        later.forward(days=31)
        with pytest.raises(Conflict, match="30 days"):
            sync_service(clock=later).start_undo(practice.id, admin.id, run_id)
        first = service.start_undo(practice.id, admin.id, run_id).id
        assert service.start_undo(practice.id, admin.id, run_id).id == first
        with pytest.raises(Conflict, match="being undone"):
            service.start_import(
                practice.id, admin.id, [ImportDecision(contact.xero_contact_id, "create")]
            )
        service.undo(practice.id)
        with pytest.raises(Conflict, match="undone already"):
            service.start_undo(practice.id, admin.id, run_id)
        with pytest.raises(Conflict, match="cannot be undone"):
            service.start_undo(practice.id, admin.id, first)

    def test_a_run_of_an_organisation_that_was_left_is_not_undone(
        self, session: AnySession, practice: Practice, connection: XeroConnection, admin: User
    ) -> None:
        contact = make_contact(connection, name="Ada")
        decision = ImportDecision(contact.xero_contact_id, "create")
        run_id = self.imported(practice, admin, [decision])
        connection.status = "disconnected"
        session.commit()
        with pytest.raises(Conflict, match="not connected"):
            sync_service().start_undo(practice.id, admin.id, run_id)

    def test_a_cancelled_undo_can_be_taken_up_again(
        self,
        session: AnySession,
        practice: Practice,
        admin: User,
        decisions: list[ImportDecision],
    ) -> None:
        before = everything(session)
        run_id = self.imported(practice, admin, decisions)
        service = sync_service()
        undo = service.start_undo(practice.id, admin.id, run_id)
        cancelled = service.cancel(practice.id, undo.id, admin.id)
        assert cancelled.error == (
            "Cancelled by Priya before the first contact. Nothing was changed."
        )
        self.undone(practice, admin, run_id)
        assert everything(session) == before


def killed_at_commit(number: int, work: Callable[[], object]) -> None:
    """Do *work* in a process of its own that is killed (-9) as it is about to commit."""

    def die_on_the_way(die: Callable[..., None]) -> None:
        commits = 0

        def count(_connection: object) -> None:
            nonlocal commits
            commits += 1
            if commits == number:
                die()

        event.listen(db.engine, "commit", count)
        work()

    killed(die_on_the_way)
