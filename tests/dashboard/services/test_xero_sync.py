"""Reading contacts and importing them, against the pretend Xero and a real database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session, scoped_session

from dashboard.clock import utcnow
from dashboard.models import (
    Alert,
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
    XeroConnection,
    XeroContact,
    XeroContactMapping,
)
from dashboard.rules.phase import CONTACT_SYNC_EVERY
from dashboard.services import contact_import
from dashboard.services.refusals import Conflict, InvalidInput, NotConnected, NotFound
from dashboard.services.run_results import ImportDecision
from dashboard.simulator import World
from tests.factories import make_client, make_connection, make_contact, make_mapping
from tests.support.contacts import (
    DiesAt,
    Killed,
    MovableClock,
    add_contact,
    change_contact,
    connect,
    keep_contacts,
    put_in_group,
    sync_service,
)

AnySession = scoped_session[Session]

CONTACTS = "/api.xro/2.0/Contacts"


@pytest.fixture
def connection(world: World, admin: User) -> XeroConnection:
    """Our practice's connection to an organisation with seven contacts."""
    keep_contacts(world, 7)
    return connect(world, admin)


def names_in_mirror(session: AnySession) -> set[str]:
    session.expire_all()
    return set(session.scalars(select(XeroContact.name)))


def run_of(session: AnySession, run_id: UUID | None) -> SyncRun:
    session.expire_all()
    assert run_id is not None
    return session.get_one(SyncRun, run_id)


def items_of(session: AnySession, run_id: UUID | None) -> dict[str, SyncRunItem]:
    session.expire_all()
    rows = session.scalars(select(SyncRunItem).where(SyncRunItem.run_id == run_id))
    return {row.contact_name: row for row in rows}


def checked_again(clock: MovableClock) -> None:
    """Put the clock to after the practice's next turn."""
    clock.forward(seconds=CONTACT_SYNC_EVERY.total_seconds() + 1)


class TestFirstSync:
    def test_a_new_connection_is_read_at_once_and_completely(
        self, session: AnySession, connection: XeroConnection, world: World, practice: Practice
    ) -> None:
        result = sync_service(page_size=3).sync_contacts(practice.id)
        run = run_of(session, result.run_id)
        assert run.status == RunStatus.FINISHED
        assert (run.total, run.done, run.updated, run.created) == (7, 7, 0, 0)
        assert names_in_mirror(session) == {one.name for one in world.main.contacts.values()}
        assert len(world.calls.last(path=CONTACTS)) == 3

    def test_it_asks_in_an_order_in_which_an_edit_cannot_hide_a_contact(
        self, connection: XeroConnection, world: World, practice: Practice
    ) -> None:
        sync_service().sync_contacts(practice.id)
        query = world.calls.last(path=CONTACTS)[0].query
        assert "order=ContactID" in query
        assert "includeArchived=true" in query

    def test_it_leaves_the_checkpoint_the_count_and_the_next_turn(
        self, session: AnySession, connection: XeroConnection, world: World, practice: Practice
    ) -> None:
        archived = next(iter(world.main.contacts.values()))
        change_contact(world, archived, status="ARCHIVED")
        before = utcnow()
        sync_service().sync_contacts(practice.id)
        session.refresh(connection)
        assert connection.contacts_checkpoint is not None
        assert abs(connection.contacts_checkpoint - before) < timedelta(seconds=5)
        assert connection.last_sync_contact_count == 6
        assert connection.last_sync_at is not None
        assert connection.sync_due_at is not None
        assert before < connection.sync_due_at <= utcnow() + CONTACT_SYNC_EVERY

    def test_it_never_creates_clients(
        self, session: AnySession, connection: XeroConnection, practice: Practice
    ) -> None:
        sync_service().sync_contacts(practice.id)
        assert session.scalar(select(func.count()).select_from(Client)) == 0

    def test_contacts_are_compared_with_clients_before_it_ends(
        self, session: AnySession, connection: XeroConnection, world: World, practice: Practice
    ) -> None:
        twin = add_contact(world, "Blue Harbour Ltd", email="ana@blueharbour.example")
        client = make_client(practice, name="Blue Harbour Ltd", email="ana@blueharbour.example")
        sync_service().sync_contacts(practice.id)
        row = session.scalars(
            select(XeroContact).where(XeroContact.xero_contact_id == twin.contact_id)
        ).one()
        assert row.match == "exact"
        assert row.candidates[0]["client_id"] == str(client.id)
        assert any("email" in reason for reason in row.candidates[0]["reasons"])

    def test_names_with_markup_emoji_and_nul_arrive_as_they_are(
        self, session: AnySession, connection: XeroConnection, world: World, practice: Practice
    ) -> None:
        add_contact(world, "<img onerror=x> & 'Sons' \U0001f600 שלום")
        add_contact(world, "N\x00ul & Søn")
        sync_service().sync_contacts(practice.id)
        assert {"<img onerror=x> & 'Sons' \U0001f600 שלום", "Nul & Søn"} <= names_in_mirror(session)

    def test_a_practice_without_a_connection_has_nothing_to_do(self, practice: Practice) -> None:
        assert sync_service().sync_contacts(practice.id).run_id is None


class TestIncrementalSync:
    def test_only_what_changed_is_asked_for(
        self, session: AnySession, connection: XeroConnection, world: World, practice: Practice
    ) -> None:
        clock = MovableClock()
        sync_service(clock=clock).sync_contacts(practice.id)
        session.refresh(connection)
        checkpoint = connection.contacts_checkpoint
        assert checkpoint is not None
        for one in world.main.contacts.values():
            one.updated_at -= timedelta(hours=1)
        changed = next(iter(world.main.contacts.values()))
        change_contact(world, changed, email="new@example.com")
        checked_again(clock)
        result = sync_service(clock=clock).sync_contacts(practice.id)
        assert run_of(session, result.run_id).done == 1
        assert run_of(session, result.run_id).started_by_id is None

    def test_unchanged_contacts_are_not_written_again(
        self, session: AnySession, connection: XeroConnection, world: World, practice: Practice
    ) -> None:
        for one in world.main.contacts.values():
            change_contact(world, one)
        clock = MovableClock()
        sync_service(clock=clock).sync_contacts(practice.id)
        read_at = dict(session.execute(select(XeroContact.id, XeroContact.read_at)).all())
        session.commit()
        checked_again(clock)
        result = sync_service(clock=clock).sync_contacts(practice.id)
        run = run_of(session, result.run_id)
        assert run.done == 7
        assert run.progress["changed"] == 0
        after = dict(session.execute(select(XeroContact.id, XeroContact.read_at)).all())
        assert after == read_at

    def test_nothing_is_read_before_the_turn_has_come(
        self, connection: XeroConnection, world: World, practice: Practice
    ) -> None:
        sync_service().sync_contacts(practice.id)
        calls = len(world.calls.last(path=CONTACTS))
        assert sync_service().sync_contacts(practice.id).run_id is None
        assert len(world.calls.last(path=CONTACTS)) == calls

    def test_switched_off_means_only_a_person_starts_it(
        self, session: AnySession, connection: XeroConnection, practice: Practice, admin: User
    ) -> None:
        connection.auto_sync_contacts = False
        session.commit()
        assert sync_service().sync_contacts(practice.id).run_id is None
        asked = sync_service().request_sync(practice.id, admin.id)
        assert sync_service().sync_contacts(practice.id).run_id == asked.id

    def test_archived_contacts_are_followed(
        self, session: AnySession, connection: XeroConnection, world: World, practice: Practice
    ) -> None:
        clock = MovableClock()
        sync_service(clock=clock).sync_contacts(practice.id)
        change_contact(world, next(iter(world.main.contacts.values())), status="ARCHIVED")
        checked_again(clock)
        sync_service(clock=clock).sync_contacts(practice.id)
        session.refresh(connection)
        assert connection.last_sync_contact_count == 6


class TestAsking:
    def test_two_presses_make_one_run(
        self, connection: XeroConnection, practice: Practice, admin: User
    ) -> None:
        first = sync_service().request_sync(practice.id, admin.id).id
        assert sync_service().request_sync(practice.id, admin.id).id == first

    def test_it_is_refused_without_a_connection(self, practice: Practice, admin: User) -> None:
        with pytest.raises(NotConnected):
            sync_service().request_sync(practice.id, admin.id)


class TestBeingKilled:
    @pytest.mark.parametrize("page", [1, 2, 3])
    def test_another_worker_goes_on_with_the_page_that_was_not_kept(
        self,
        session: AnySession,
        connection: XeroConnection,
        world: World,
        practice: Practice,
        page: int,
    ) -> None:
        clock = MovableClock()
        dying = sync_service(clock=clock, page_size=3, should_stop=DiesAt(page))
        with pytest.raises(Killed):
            dying.sync_contacts(practice.id)
        session.rollback()
        assert sync_service(clock=clock, owner="worker-2").sync_contacts(practice.id).goes_on
        clock.forward(seconds=61)
        second = sync_service(clock=clock, owner="worker-2", page_size=3)
        result = second.sync_contacts(practice.id)
        run = run_of(session, result.run_id)
        assert (run.status, run.done) == (RunStatus.FINISHED, 7)
        assert session.scalar(select(func.count()).select_from(XeroContact)) == 7
        assert len(world.calls.last(path=CONTACTS)) == 3

    def test_a_worker_whose_lease_was_taken_writes_nothing(
        self, session: AnySession, connection: XeroConnection, practice: Practice
    ) -> None:
        clock = MovableClock()

        def somebody_else_takes_it() -> bool:
            clock.forward(seconds=61)
            other = sync_service(clock=clock, owner="worker-2", page_size=1_000)
            other.sync_contacts(practice.id)
            return False

        slow = sync_service(clock=clock, page_size=3, should_stop=somebody_else_takes_it)
        result = slow.sync_contacts(practice.id)
        run = run_of(session, result.run_id)
        assert (run.status, run.done) == (RunStatus.FINISHED, 7)

    def test_a_stopping_worker_gives_the_run_back(
        self, session: AnySession, connection: XeroConnection, practice: Practice
    ) -> None:
        stopping = sync_service(should_stop=lambda: True).sync_contacts(practice.id)
        run = run_of(session, stopping.run_id)
        assert (run.status, run.lease_owner) == (RunStatus.RUNNING, None)
        result = sync_service(owner="worker-2").sync_contacts(practice.id)
        assert result.run_id == stopping.run_id
        assert result.status == RunStatus.FINISHED


class TestTrouble:
    def test_a_limit_makes_the_run_wait_and_then_go_on(
        self, session: AnySession, connection: XeroConnection, world: World, practice: Practice
    ) -> None:
        clock = MovableClock()
        world.faults.arm("429-minute", path=CONTACTS, skip=1, retry_after=7)
        sync = sync_service(clock=clock, page_size=3)
        result = sync.sync_contacts(practice.id)
        run = run_of(session, result.run_id)
        assert (run.status, run.waits_because) == (RunStatus.WAITING_FOR_XERO, "minute")
        assert run.done == 3
        assert run.not_before is not None
        assert timedelta(0) < run.not_before - utcnow() <= timedelta(seconds=8)
        assert sync.sync_contacts(practice.id).goes_on
        assert len(world.calls.last(path=CONTACTS)) == 2

    @pytest.mark.parametrize("fault", ["503-maintenance", "500-html", "reset", "half-body"])
    def test_xero_being_down_is_tried_again_and_nothing_is_lost(
        self,
        session: AnySession,
        connection: XeroConnection,
        world: World,
        practice: Practice,
        fault: str,
    ) -> None:
        clock = MovableClock()
        world.faults.arm(fault, path=CONTACTS, times=1)
        sync = sync_service(clock=clock)
        result = sync.sync_contacts(practice.id)
        run = run_of(session, result.run_id)
        assert (run.status, run.waits_because) == (RunStatus.WAITING_FOR_XERO, "no-answer")
        clock.forward(seconds=6)
        assert sync.sync_contacts(practice.id).status == RunStatus.FINISHED
        run = run_of(session, result.run_id)
        assert (run.done, run.error, run.technical_details) == (7, None, None)

    def test_after_five_tries_it_fails_with_a_sentence_and_the_next_turn(
        self, session: AnySession, connection: XeroConnection, world: World, practice: Practice
    ) -> None:
        clock = MovableClock()
        world.faults.arm("503-maintenance", path=CONTACTS, times=99)
        sync = sync_service(clock=clock)
        result = sync.sync_contacts(practice.id)
        for _ in range(4):
            clock.forward(seconds=301)
            result = sync.sync_contacts(practice.id)
        run = run_of(session, result.run_id)
        assert run.status == RunStatus.FAILED
        assert run.error is not None
        assert run.error.startswith("Xero did not answer. Nothing was changed. The next check is")
        session.refresh(connection)
        assert connection.sync_due_at is not None
        assert connection.sync_due_at > clock()

    def test_lost_access_fails_the_run_and_says_reconnect(
        self, session: AnySession, connection: XeroConnection, world: World, practice: Practice
    ) -> None:
        world.faults.arm("401-expired", path=CONTACTS, times=99)
        world.faults.arm("invalid_grant", times=99)
        result = sync_service().sync_contacts(practice.id)
        run = run_of(session, result.run_id)
        assert run.status == RunStatus.FAILED
        assert run.error is not None
        assert "reconnect" in run.error


class TestLinkedClients:
    @pytest.fixture
    def linked(
        self, session: AnySession, world: World, connection: XeroConnection, practice: Practice
    ) -> tuple[Client, MovableClock]:
        """A client that was linked to a contact, both saying the same."""
        clock = MovableClock()
        contact = add_contact(
            world, "Rob Smith", email="rob@smith.example", phone="020 7946 0018", tax_number="123"
        )
        client = make_client(
            practice,
            name="Rob Smith",
            email="rob@smith.example",
            phone="020 7946 0018",
            tax_number="123",
        )
        make_mapping(connection, client, contact.contact_id)
        sync_service(clock=clock).sync_contacts(practice.id)
        checked_again(clock)
        return client, clock

    def contact_of(self, world: World, client: Client):  # noqa: ANN201 - the simulator's own type
        return world.main.contacts[client.xero_contact_id or ""]

    def test_a_change_in_xero_arrives_with_its_before_and_after(
        self,
        session: AnySession,
        linked: tuple[Client, MovableClock],
        world: World,
        practice: Practice,
    ) -> None:
        client, clock = linked
        change_contact(world, self.contact_of(world, client), email="robert@smith.example")
        result = sync_service(clock=clock).sync_contacts(practice.id)
        session.refresh(client)
        assert client.email == "robert@smith.example"
        assert run_of(session, result.run_id).updated == 1
        item = items_of(session, result.run_id)["Rob Smith"]
        assert item.outcome == ItemOutcome.UPDATED
        assert item.changes == {
            "email": {"before": "rob@smith.example", "after": "robert@smith.example"}
        }

    def test_an_edit_made_here_is_not_overwritten_and_the_run_says_so(
        self,
        session: AnySession,
        linked: tuple[Client, MovableClock],
        world: World,
        practice: Practice,
    ) -> None:
        client, clock = linked
        client.email = "our-own@smith.example"
        session.commit()
        change_contact(
            world, self.contact_of(world, client), email="theirs@smith.example", tax_number="456"
        )
        result = sync_service(clock=clock).sync_contacts(practice.id)
        session.refresh(client)
        assert client.email == "our-own@smith.example"
        assert client.tax_number == "456"
        item = items_of(session, result.run_id)["Rob Smith"]
        assert item.reason == "Edited here, so the email in Xero was not taken over."

    def test_groups_become_tags_from_xero_and_go_again(
        self,
        session: AnySession,
        linked: tuple[Client, MovableClock],
        world: World,
        practice: Practice,
    ) -> None:
        client, clock = linked
        own = Tag(practice_id=practice.id, name="Priority", source=TagSource.OWN)
        client.tags.append(own)
        session.commit()
        contact = self.contact_of(world, client)
        group = put_in_group(world, "VAT clients", contact)
        sync_service(clock=clock).sync_contacts(practice.id)
        session.refresh(client)
        assert {(tag.name, tag.source) for tag in client.tags} == {
            ("Priority", TagSource.OWN),
            ("VAT clients", TagSource.XERO),
        }
        group.contact_ids.clear()
        change_contact(world, contact)
        checked_again(clock)
        sync_service(clock=clock).sync_contacts(practice.id)
        session.refresh(client)
        assert [tag.name for tag in client.tags] == ["Priority"]

    def test_a_group_named_like_our_own_tag_gets_a_tag_of_its_own(
        self,
        session: AnySession,
        linked: tuple[Client, MovableClock],
        world: World,
        practice: Practice,
    ) -> None:
        client, clock = linked
        session.add(Tag(practice_id=practice.id, name="VIP", source=TagSource.OWN))
        session.commit()
        put_in_group(world, "VIP", self.contact_of(world, client))
        sync_service(clock=clock).sync_contacts(practice.id)
        session.refresh(client)
        assert [(tag.name, tag.source) for tag in client.tags] == [("VIP (Xero)", TagSource.XERO)]

    def test_a_merged_contact_takes_its_client_to_the_survivor(
        self,
        session: AnySession,
        linked: tuple[Client, MovableClock],
        world: World,
        practice: Practice,
    ) -> None:
        client, clock = linked
        survivor = add_contact(world, "Robert Smith Joinery")
        change_contact(
            world,
            self.contact_of(world, client),
            status="ARCHIVED",
            merged_to=survivor.contact_id,
        )
        result = sync_service(clock=clock).sync_contacts(practice.id)
        session.refresh(client)
        assert client.xero_contact_id == survivor.contact_id
        mapping = session.scalars(select(XeroContactMapping)).one()
        assert mapping.xero_contact_id == survivor.contact_id
        assert items_of(session, result.run_id)["Rob Smith"].outcome == ItemOutcome.UPDATED

    def test_a_merge_into_a_taken_contact_needs_a_person(
        self,
        session: AnySession,
        linked: tuple[Client, MovableClock],
        connection: XeroConnection,
        world: World,
        practice: Practice,
    ) -> None:
        client, clock = linked
        survivor = add_contact(world, "Robert Smith Joinery")
        other = make_client(practice, name="R Smith Joinery")
        make_mapping(connection, other, survivor.contact_id)
        loser = self.contact_of(world, client)
        change_contact(world, loser, status="ARCHIVED", merged_to=survivor.contact_id)
        result = sync_service(clock=clock).sync_contacts(practice.id)
        session.refresh(client)
        assert client.xero_contact_id == loser.contact_id
        run = run_of(session, result.run_id)
        assert (run.status, run.problems) == (RunStatus.FINISHED_WITH_PROBLEMS, 1)
        reason = items_of(session, result.run_id)["Rob Smith"].reason
        assert reason is not None
        assert "already linked to R Smith Joinery" in reason

    def test_an_erased_contact_teaches_nothing(
        self,
        session: AnySession,
        linked: tuple[Client, MovableClock],
        world: World,
        practice: Practice,
    ) -> None:
        client, clock = linked
        change_contact(
            world, self.contact_of(world, client), status="GDPRREQUEST", name="Erased", email=""
        )
        sync_service(clock=clock).sync_contacts(practice.id)
        session.refresh(client)
        assert (client.name, client.email) == ("Rob Smith", "rob@smith.example")


class TestOrganisation:
    def test_name_and_short_code_follow_xero(
        self, session: AnySession, connection: XeroConnection, world: World, practice: Practice
    ) -> None:
        world.main.name = "Renamed Ltd"
        sync_service().sync_organisation(practice.id)
        session.refresh(connection)
        assert connection.xero_org_name == "Renamed Ltd"
        assert connection.short_code == world.main.short_code


class TestMatches:
    def test_a_new_client_makes_the_next_preview_compare_again(
        self, session: AnySession, practice: Practice
    ) -> None:
        from dashboard import wiring

        connection = make_connection(practice)
        contact = make_contact(connection, name="Oakwood Dental Ltd", email="hi@oakwood.example")
        sync = sync_service()
        sync.get_import_preview(practice.id)
        session.refresh(contact)
        assert contact.match == "new"
        wiring.clients().create(
            practice.id, {"name": "Oakwood Dental Limited", "email": "hi@oakwood.example"}
        )
        assert sync.refresh_matches_if_stale(practice.id)
        session.refresh(contact)
        assert contact.match == "exact"

    def test_the_preview_keeps_one_open_draft(self, practice: Practice) -> None:
        make_connection(practice)
        sync = sync_service()
        assert sync.get_import_preview(practice.id).id == sync.get_import_preview(practice.id).id

    def test_a_preview_needs_a_connection(self, practice: Practice) -> None:
        with pytest.raises(NotConnected):
            sync_service().get_import_preview(practice.id)


class Importing:
    """Contacts of the mirror and what a person decides about them, without any call to Xero."""

    @pytest.fixture
    def connected(self, practice: Practice) -> XeroConnection:
        return make_connection(practice)

    def carried_out(
        self,
        session: AnySession,
        practice: Practice,
        admin: User,
        decisions: Sequence[ImportDecision],
    ) -> SyncRun:
        sync = sync_service()
        run = sync.start_import(practice.id, admin.id, decisions)
        result = sync.import_contacts(practice.id)
        assert result.run_id == run.id
        return run_of(session, run.id)


class TestImport(Importing):
    def test_create_makes_a_client_with_the_contacts_fields_and_groups(
        self, session: AnySession, connected: XeroConnection, practice: Practice, admin: User
    ) -> None:
        contact = make_contact(
            connected,
            name="Oakwood Dental Ltd",
            email="hi@oakwood.example",
            company_number="01234567",
            phones=[{"kind": "FAX", "number": "1"}, {"kind": "MOBILE", "number": "07700 900123"}],
            groups=[{"id": "g-1", "name": "VAT clients"}],
        )
        run = self.carried_out(
            session, practice, admin, [ImportDecision(contact.xero_contact_id, "create")]
        )
        assert (run.status, run.created, run.done) == (RunStatus.FINISHED, 1, 1)
        client = session.scalars(select(Client)).one()
        assert (client.name, client.email) == ("Oakwood Dental Ltd", "hi@oakwood.example")
        assert (client.company_number, client.phone) == ("01234567", "07700 900123")
        assert client.xero_contact_id == contact.xero_contact_id
        assert [(tag.name, tag.source) for tag in client.tags] == [("VAT clients", TagSource.XERO)]
        assert items_of(session, run.id)["Oakwood Dental Ltd"].client_id == client.id

    def test_link_keeps_the_clients_own_fields(
        self, session: AnySession, connected: XeroConnection, practice: Practice, admin: User
    ) -> None:
        contact = make_contact(connected, name="Robert Smith", email="rob@smith.example")
        client = make_client(practice, name="Rob Smith", email="other@smith.example")
        run = self.carried_out(
            session, practice, admin, [ImportDecision(contact.xero_contact_id, "link", client.id)]
        )
        assert (run.linked, run.created) == (1, 0)
        session.refresh(client)
        assert (client.name, client.email) == ("Rob Smith", "other@smith.example")
        assert client.xero_contact_id == contact.xero_contact_id

    def test_skip_is_remembered(
        self, session: AnySession, connected: XeroConnection, practice: Practice, admin: User
    ) -> None:
        contact = make_contact(connected)
        run = self.carried_out(
            session, practice, admin, [ImportDecision(contact.xero_contact_id, "skip")]
        )
        assert (run.skipped, run.problems) == (1, 0)
        assert session.scalars(select(MatchDecision)).one().xero_contact_id == (
            contact.xero_contact_id
        )

    def test_importing_the_same_contact_again_skips_it(
        self, session: AnySession, connected: XeroConnection, practice: Practice, admin: User
    ) -> None:
        contact = make_contact(connected, name="Ada Ltd")
        decisions = [ImportDecision(contact.xero_contact_id, "create")]
        self.carried_out(session, practice, admin, decisions)
        again = self.carried_out(session, practice, admin, decisions)
        assert (again.created, again.skipped) == (0, 1)
        assert items_of(session, again.id)["Ada Ltd"].reason == "Already linked to Ada Ltd."
        assert session.scalar(select(func.count()).select_from(Client)) == 1

    def test_trouble_with_one_contact_is_listed_and_the_others_arrive(
        self, session: AnySession, connected: XeroConnection, practice: Practice, admin: User
    ) -> None:
        good = make_contact(connected, name="Good")
        archived = make_contact(connected, name="Archived", contact_status="ARCHIVED")
        rival = make_contact(connected, name="Rival")
        taken = make_client(practice, name="Taken")
        make_mapping(connected, taken, str(uuid4()))
        run = self.carried_out(
            session,
            practice,
            admin,
            [
                ImportDecision(good.xero_contact_id, "create"),
                ImportDecision(archived.xero_contact_id, "create"),
                ImportDecision(rival.xero_contact_id, "link", taken.id),
                ImportDecision(str(uuid4()), "create"),
            ],
        )
        assert run.status == RunStatus.FINISHED_WITH_PROBLEMS
        assert (run.created, run.problems, run.done, run.total) == (1, 3, 4, 4)
        reasons = {name: item.reason for name, item in items_of(session, run.id).items()}
        assert reasons["Archived"] == "The contact is archived in Xero."
        assert str(reasons["Rival"]).startswith("Taken is already linked to “Taken”.")
        assert "not among the contacts" in str(reasons["Unknown contact"])
        assert session.scalars(select(Alert)).one().count == 3

    def test_the_alert_closes_after_an_import_without_problems(
        self, session: AnySession, connected: XeroConnection, practice: Practice, admin: User
    ) -> None:
        self.carried_out(session, practice, admin, [ImportDecision(str(uuid4()), "create")])
        contact = make_contact(connected)
        self.carried_out(
            session, practice, admin, [ImportDecision(contact.xero_contact_id, "create")]
        )
        assert session.scalars(select(Alert)).one().closed_at is not None

    def test_two_contacts_for_one_client_are_both_refused(
        self, session: AnySession, connected: XeroConnection, practice: Practice, admin: User
    ) -> None:
        client = make_client(practice)
        pair = [make_contact(connected, name=name) for name in ("One", "Two")]
        run = self.carried_out(
            session,
            practice,
            admin,
            [ImportDecision(one.xero_contact_id, "link", client.id) for one in pair],
        )
        assert (run.linked, run.problems) == (0, 2)

    def test_another_practices_client_and_contact_are_as_good_as_unknown(
        self,
        session: AnySession,
        connected: XeroConnection,
        practice: Practice,
        admin: User,
        stranger: User,
    ) -> None:
        theirs = make_client(stranger.practice, name="Theirs")
        their_contact = make_contact(make_connection(stranger.practice), name="Their contact")
        ours = make_contact(connected, name="Ours")
        run = self.carried_out(
            session,
            practice,
            admin,
            [
                ImportDecision(ours.xero_contact_id, "link", theirs.id),
                ImportDecision(their_contact.xero_contact_id, "create"),
            ],
        )
        assert run.problems == 2
        assert set(items_of(session, run.id)) == {"Ours", "Unknown contact"}
        session.refresh(theirs)
        assert theirs.xero_contact_id is None

    @pytest.mark.parametrize(
        "decisions",
        [
            [],
            [ImportDecision("a", "merge")],
            [ImportDecision("a", "link")],
            [ImportDecision("a", "create"), ImportDecision("a", "skip")],
        ],
    )
    def test_decisions_without_sense_are_refused_as_a_whole(
        self,
        session: AnySession,
        connected: XeroConnection,
        practice: Practice,
        admin: User,
        decisions: list[ImportDecision],
    ) -> None:
        with pytest.raises(InvalidInput):
            sync_service().start_import(practice.id, admin.id, decisions)
        assert session.scalar(select(func.count()).select_from(SyncRun)) == 0

    def test_a_second_import_waits_for_the_first(
        self, session: AnySession, connected: XeroConnection, practice: Practice, admin: User
    ) -> None:
        decisions = [ImportDecision(make_contact(connected).xero_contact_id, "create")]
        sync_service().start_import(practice.id, admin.id, decisions)
        with pytest.raises(Conflict):
            sync_service().start_import(practice.id, admin.id, decisions)
        assert session.scalar(select(func.count()).select_from(SyncRun)) == 1

    def test_accepting_suggestions_takes_new_and_exact_and_no_doubtful_ones(
        self, session: AnySession, connected: XeroConnection, practice: Practice, admin: User
    ) -> None:
        client = make_client(practice, name="Oakwood Dental Ltd")
        suggested = [{"client_id": str(client.id), "score": 0.97, "reasons": ["Same name"]}]
        make_contact(connected, name="Oakwood Dental", match="exact", candidates=suggested)
        make_contact(connected, name="Yarrow Stores")
        make_contact(connected, name="Gone", contact_status="ARCHIVED")
        make_contact(connected, name="Doubtful", match="possible", candidates=suggested)
        make_contact(connected, name="Contested", match="clash", candidates=suggested)
        connected.matched_at = utcnow()
        session.commit()
        sync = sync_service()
        run = sync.accept_suggestions(practice.id, admin.id, {"new", "exact"})
        sync.import_contacts(practice.id)
        outcomes = {name: item.outcome for name, item in items_of(session, run.id).items()}
        assert outcomes == {
            "Oakwood Dental": ItemOutcome.LINKED,
            "Yarrow Stores": ItemOutcome.CREATED,
        }
        session.refresh(client)
        assert client.xero_contact_id is not None

    def test_only_new_and_exact_can_be_accepted_unseen(
        self, connected: XeroConnection, practice: Practice, admin: User
    ) -> None:
        with pytest.raises(InvalidInput):
            sync_service().accept_suggestions(practice.id, admin.id, {"possible"})


class TestImportUnderFire(Importing):
    @pytest.fixture(autouse=True)
    def small_chunks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Many chunks of few items."""
        monkeypatch.setattr(contact_import, "CHUNK", 50)

    @pytest.mark.parametrize("chunk", [1, 2, 3])
    def test_killed_at_any_chunk_it_resumes_without_doubles_or_gaps(
        self,
        session: AnySession,
        connected: XeroConnection,
        practice: Practice,
        admin: User,
        chunk: int,
    ) -> None:
        contacts = [make_contact(connected, name=f"Contact {n:03}") for n in range(120)]
        clock = MovableClock()
        dying = sync_service(clock=clock, should_stop=DiesAt(chunk))
        run = dying.start_import(
            practice.id,
            admin.id,
            [ImportDecision(one.xero_contact_id, "create") for one in contacts],
        )
        run_id = run.id
        with pytest.raises(Killed):
            dying.import_contacts(practice.id)
        session.rollback()
        assert run_of(session, run_id).created == (chunk - 1) * 50
        clock.forward(seconds=61)
        sync_service(clock=clock, owner="worker-2").import_contacts(practice.id)
        finished = run_of(session, run_id)
        assert (finished.status, finished.created, finished.done) == (RunStatus.FINISHED, 120, 120)
        assert session.scalar(select(func.count()).select_from(Client)) == 120
        assert session.scalar(select(func.count()).select_from(XeroContactMapping)) == 120

    def test_a_contact_archived_and_a_client_taken_meanwhile_are_noticed(
        self, session: AnySession, connected: XeroConnection, practice: Practice, admin: User
    ) -> None:
        archived = make_contact(connected, name="Archived")
        rival = make_contact(connected, name="Rival")
        gone = make_contact(connected, name="Gone")
        client, deleted = make_client(practice, name="Wanted"), make_client(practice)
        sync = sync_service()
        run = sync.start_import(
            practice.id,
            admin.id,
            [
                ImportDecision(archived.xero_contact_id, "create"),
                ImportDecision(rival.xero_contact_id, "link", client.id),
                ImportDecision(gone.xero_contact_id, "link", deleted.id),
            ],
        )
        archived.contact_status = "ARCHIVED"
        session.execute(delete(Client).where(Client.id == deleted.id))
        session.commit()
        make_mapping(connected, client, str(uuid4()))
        sync.import_contacts(practice.id)
        reasons = {name: item.reason for name, item in items_of(session, run.id).items()}
        assert reasons == {
            "Archived": "The contact is archived in Xero.",
            "Rival": "Wanted is already linked to “Wanted”."
            " Choose another client, or unlink that one first.",
            "Gone": "The client that it was to be linked to does not exist any more.",
        }

    def test_cancelling_keeps_what_was_done_and_stops_the_worker(
        self, session: AnySession, connected: XeroConnection, practice: Practice, admin: User
    ) -> None:
        contacts = [make_contact(connected, name=f"Contact {n:03}") for n in range(120)]
        asked: list[int] = []

        def cancel_after_the_first_chunk() -> bool:
            asked.append(1)
            if len(asked) == 2:
                sync_service().cancel(practice.id, run_id, admin.id)
            return False

        sync = sync_service(should_stop=cancel_after_the_first_chunk)
        run_id = sync.start_import(
            practice.id,
            admin.id,
            [ImportDecision(one.xero_contact_id, "create") for one in contacts],
        ).id
        sync.import_contacts(practice.id)
        run = run_of(session, run_id)
        assert run.status == RunStatus.CANCELLED
        assert run.error == f"Cancelled by {admin.name} after 50 of 120. Those are kept."
        assert session.scalar(select(func.count()).select_from(Client)) == 50

    def test_a_run_that_ended_cannot_be_cancelled_and_a_strangers_is_not_found(
        self,
        session: AnySession,
        connected: XeroConnection,
        practice: Practice,
        admin: User,
        stranger: User,
    ) -> None:
        contact = make_contact(connected)
        run = self.carried_out(
            session, practice, admin, [ImportDecision(contact.xero_contact_id, "create")]
        )
        with pytest.raises(Conflict):
            sync_service().cancel(practice.id, run.id, admin.id)
        with pytest.raises(NotFound):
            sync_service().cancel(stranger.practice_id, run.id, stranger.id)

    def test_an_import_works_while_xero_does_not(
        self,
        session: AnySession,
        connection: XeroConnection,
        world: World,
        practice: Practice,
        admin: User,
    ) -> None:
        sync = sync_service()
        sync.sync_contacts(practice.id)
        world.faults.arm("503-maintenance", times=99)
        calls = len(world.calls.last())
        sync.accept_suggestions(practice.id, admin.id, {"new"})
        assert sync.import_contacts(practice.id).created == 7
        assert len(world.calls.last()) == calls


class TestHistory:
    def test_runs_of_the_same_kind_never_overlap(
        self, session: AnySession, connection: XeroConnection, practice: Practice, admin: User
    ) -> None:
        first = sync_service().request_sync(practice.id, admin.id).id
        sync_service().sync_contacts(practice.id)
        second = sync_service().request_sync(practice.id, admin.id).id
        assert first != second
        kinds = session.scalars(select(SyncRun.kind)).all()
        assert kinds == [RunKind.CONTACT_SYNC, RunKind.CONTACT_SYNC]
