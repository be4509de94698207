"""What a contact check does to linked clients: following, who wins, the brake, merges, erasure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, scoped_session

from dashboard import wiring
from dashboard.models import (
    Alert,
    Client,
    ItemOutcome,
    Practice,
    RunStatus,
    SyncRun,
    SyncRunItem,
    User,
    XeroConnection,
    XeroContact,
    XeroContactMapping,
)
from dashboard.queries import due
from dashboard.services.refusals import Conflict, NotFound
from dashboard.services.xero_sync import XeroSyncService
from dashboard.xero.errors import XeroRejected
from tests.factories import make_client, make_connection, make_mapping
from tests.support.contact_feed import Book, Feed
from tests.support.contacts import MovableClock

AnySession = scoped_session[Session]
BOOK = Book()


@pytest.fixture
def connection(practice: Practice) -> XeroConnection:
    return make_connection(practice)


class Scene:
    """A practice whose clients are linked to the first contacts of a feed, and a worker."""

    def __init__(self, session: AnySession, connection: XeroConnection, folder: Path) -> None:
        self.session = session
        self.practice_id = connection.practice_id
        self.connection = connection
        self.clock = MovableClock()
        self.feed = Feed(folder, connection.id)
        self.contacts: dict[int, dict[str, Any]] = {}
        self.admin_id = UUID(int=0)

    def begin(self, size: int) -> None:
        """Read *size* contacts; each is linked to a client that says the same."""
        for number in range(size):
            self.contacts[number] = BOOK.contact(number)
        self.check()
        for contact in self.session.scalars(select(XeroContact)).all():
            client = make_client(
                self.connection_practice(),
                name=contact.name,
                email=contact.email,
                phone=contact.phones[0]["number"],
                company_number=contact.company_number,
                tax_number=contact.tax_number,
            )
            make_mapping(self.connection, client, contact.xero_contact_id)

    def connection_practice(self) -> Practice:
        return self.session.get_one(Practice, self.practice_id)

    def edit(self, number: int, **fields: Any) -> None:
        self.contacts[number] = {**self.contacts[number], **fields}

    def service(self, clock: Callable[[], Any] | None = None) -> XeroSyncService:
        return XeroSyncService(
            session=self.session,
            auth=self.feed,  # type: ignore[arg-type]  # the one method of it that is called
            alerts=wiring.alerts(),
            clock=clock or self.clock,
            owner="worker-1",
            should_stop=lambda: False,
            page_size=5,
        )

    def check(self) -> SyncRun:
        """Let a quarter of an hour pass and a worker come; return the run as it stands then."""
        self.clock.forward(minutes=16)
        self.feed.hold(self.contacts.values(), page_size=5)
        self.session.get_one(XeroConnection, self.connection.id).sync_due_at = self.clock()
        self.session.commit()
        self.service().sync_contacts(self.practice_id)
        return self.run()

    def run(self) -> SyncRun:
        self.session.expire_all()
        return self.session.scalars(
            select(SyncRun).order_by(SyncRun.created_at.desc()).limit(1)
        ).one()

    def client(self, number: int) -> Client:
        self.session.expire_all()
        return self.session.scalars(
            select(Client)
            .join(XeroContactMapping, XeroContactMapping.client_id == Client.id)
            .where(XeroContactMapping.xero_contact_id == BOOK.contact_id(number))
        ).one()

    def items(self, run: SyncRun) -> dict[str, SyncRunItem]:
        found = self.session.scalars(select(SyncRunItem).where(SyncRunItem.run_id == run.id))
        return {item.xero_contact_id: item for item in found}

    def open_alerts(self) -> list[str]:
        return [
            alert.cause.value
            for alert in self.session.scalars(select(Alert).where(Alert.closed_at.is_(None)))
        ]


@pytest.fixture
def scene(session: AnySession, connection: XeroConnection, tmp_path: Path) -> Scene:
    return Scene(session, connection, tmp_path)


class TestWhoWins:
    @pytest.mark.parametrize(
        ("winner", "email", "outcome", "says"),
        [
            ("ask", "our@own.example", ItemOutcome.SKIPPED, "was not taken over"),
            ("ours", "our@own.example", ItemOutcome.SKIPPED, "was not taken over"),
            ("xero", "new@xero.example", ItemOutcome.UPDATED, "Xero wins by your preferences"),
        ],
    )
    def test_a_field_that_both_sides_changed(
        self, scene: Scene, winner: str, email: str, outcome: ItemOutcome, says: str
    ) -> None:
        scene.begin(1)
        wiring.preferences().update_settings(scene.practice_id, {"edited_fields": winner})
        scene.client(0).email = "our@own.example"
        scene.session.commit()
        scene.edit(0, EmailAddress="new@xero.example")
        item = scene.items(scene.check())[BOOK.contact_id(0)]
        assert scene.client(0).email == email
        assert (item.outcome, says in (item.reason or "")) == (outcome, True)
        if winner == "xero":
            assert item.changes == {
                "email": {"before": "our@own.example", "after": "new@xero.example"}
            }


class TestFates:
    def test_an_archived_contact_is_told_once(self, scene: Scene) -> None:
        scene.begin(1)
        scene.edit(0, ContactStatus="ARCHIVED")
        item = scene.items(scene.check())[BOOK.contact_id(0)]
        assert item.outcome == ItemOutcome.UPDATED
        assert (item.reason or "").startswith("Archived in Xero.")
        assert scene.items(scene.check()) == {}

    def test_an_erased_person_is_forgotten_and_the_client_stays(self, scene: Scene) -> None:
        scene.begin(1)
        before = scene.client(0).email
        scene.edit(0, ContactStatus="GDPRREQUEST")
        item = scene.items(scene.check())[BOOK.contact_id(0)]
        contact = scene.session.scalars(select(XeroContact)).one()
        assert (contact.email, contact.first_name, contact.phones) == (None, None, [])
        assert "Erased in Xero" in (item.reason or "")
        assert scene.client(0).email == before

    def test_after_a_merge_the_client_follows_the_survivor(self, scene: Scene) -> None:
        scene.begin(1)
        client_id = scene.client(0).id
        scene.contacts[7] = BOOK.contact(7, EmailAddress="survivor@xero.example")
        scene.edit(0, ContactStatus="ARCHIVED", MergedToContactID=BOOK.contact_id(7))
        scene.check()
        moved = scene.client(7)
        assert moved.id == client_id
        assert moved.email == "survivor@xero.example"
        assert moved.xero_contact_id == BOOK.contact_id(7)

    def test_of_two_contacts_merged_into_one_the_second_needs_a_person(self, scene: Scene) -> None:
        scene.begin(2)
        scene.contacts[7] = BOOK.contact(7)
        for number in (0, 1):
            scene.edit(number, ContactStatus="ARCHIVED", MergedToContactID=BOOK.contact_id(7))
        run = scene.check()
        outcomes = sorted(item.outcome for item in scene.items(run).values())
        assert outcomes == [ItemOutcome.PROBLEM, ItemOutcome.UPDATED]
        assert run.status == RunStatus.FINISHED_WITH_PROBLEMS


class TestUglyContacts:
    @pytest.mark.parametrize(
        "name",
        [
            "x" * 300,
            "<img src=x onerror=alert(1)>",
            'O\'Brien & "Sons"',
            "שלום Ltd",
            "Zoë 😀",
            "É" * 255,
        ],
    )
    def test_whatever_a_contact_is_called_its_client_follows(self, scene: Scene, name: str) -> None:
        scene.begin(1)
        scene.edit(0, Name=name, FirstName="", LastName="", EmailAddress="", Phones=[])
        assert scene.check().status == RunStatus.FINISHED
        assert scene.client(0).name == name[:255]
        assert (scene.client(0).email, scene.client(0).phone) == (None, None)

    def test_forty_groups_are_forty_tags(self, scene: Scene) -> None:
        scene.begin(1)
        groups = [
            {"ContactGroupID": str(UUID(int=number)), "Name": f"Group {number}"}
            for number in range(40)
        ]
        scene.edit(0, ContactGroups=groups)
        scene.check()
        assert len(scene.client(0).tags) == 40

    def test_a_contact_that_lost_its_name_leaves_the_clients(self, scene: Scene) -> None:
        scene.begin(1)
        name = scene.client(0).name
        scene.edit(0, Name="")
        scene.check()
        assert scene.client(0).name == name


class TestNothingIsLost:
    def test_what_a_broken_off_check_read_is_carried_over_by_the_next(self, scene: Scene) -> None:
        scene.begin(8)
        scene.edit(0, EmailAddress="new@xero.example")
        scene.feed.trouble[2] = XeroRejected("No.", status=400)
        assert scene.check().status == RunStatus.FAILED
        assert scene.client(0).email != "new@xero.example"
        scene.feed.trouble.clear()
        run = scene.check()
        assert scene.client(0).email == "new@xero.example"
        assert (run.status, run.updated) == (RunStatus.FINISHED, 1)

    def test_once_a_day_everything_is_read(self, scene: Scene) -> None:
        scene.begin(1)
        scene.check()
        assert scene.feed.asked[-1][1] is not None
        scene.clock.forward(hours=24)
        scene.check()
        assert scene.feed.asked[-1][1] is None
        scene.check()
        assert scene.feed.asked[-1][1] is not None


class TestBrake:
    @pytest.fixture
    def held(self, scene: Scene) -> Scene:
        """A check that found 10 of 12 linked contacts archived."""
        scene.begin(12)
        for number in range(10):
            scene.edit(number, ContactStatus="ARCHIVED")
        scene.edit(10, EmailAddress="new@xero.example")
        scene.check()
        return scene

    def test_it_stops_before_anything_is_changed_and_says_so(self, held: Scene) -> None:
        run = held.run()
        assert (run.status, run.lease_owner, run.updated) == (RunStatus.WAITING, None, 0)
        assert run.held_at is not None
        assert run.error == (
            "Stopped before changing anything: 11 of 12 linked clients would change, 10 of them"
            " archived or erased in Xero. That is more than 20 %. Look at the list, then apply it"
            " or leave the clients as they are."
        )
        reasons = [item.reason for item in held.items(run).values()]
        assert sum("Archived in Xero" in (reason or "") for reason in reasons) == 10
        assert sum("would become new@xero.example" in (reason or "") for reason in reasons) == 1
        assert held.client(10).email != "new@xero.example"
        assert held.open_alerts() == ["sync_held"]

    def test_nobody_takes_it_up_and_no_other_begins(self, held: Scene) -> None:
        run_id = held.run().id
        assert held.check().id == run_id
        assert list(due.practices_to_sync(held.session(), held.clock())) == []
        assert held.run().held_at is not None

    def test_applied_it_goes_on_once_however_often_it_is_pressed(self, held: Scene) -> None:
        run_id = held.run().id
        for _ in range(2):
            wiring.sync_brake().apply(held.practice_id, run_id)
        assert held.open_alerts() == []
        assert list(due.practices_to_sync(held.session(), held.clock())) == [held.practice_id]
        held.service().sync_contacts(held.practice_id)
        run = held.run()
        assert (run.id, run.status, run.updated) == (run_id, RunStatus.FINISHED, 11)
        assert held.client(10).email == "new@xero.example"
        with pytest.raises(Conflict):
            wiring.sync_brake().leave(held.practice_id, run_id, held.admin_id)

    def test_left_as_it_is_nothing_changes_and_checks_go_on(self, held: Scene) -> None:
        run_id = held.run().id
        for _ in range(2):
            wiring.sync_brake().leave(held.practice_id, run_id, held.admin_id)
        held.service().sync_contacts(held.practice_id)
        run = held.run()
        assert (run.status, run.updated, run.skipped) == (RunStatus.FINISHED, 0, 11)
        assert {item.reason for item in held.items(run).values()} == {"Left as it was by Priya."}
        assert held.client(10).email != "new@xero.example"
        assert held.open_alerts() == []
        assert held.check().id != run_id

    def test_the_preview_is_compared_anew_all_the_same(self, held: Scene) -> None:
        make_client(held.connection_practice(), name="Somebody new")
        wiring.clients().create(held.practice_id, {"name": "Somebody else"})
        assert held.service().refresh_matches_if_stale(held.practice_id)

    def test_cancelling_is_no_third_answer(self, held: Scene) -> None:
        with pytest.raises(Conflict, match="waits for an answer"):
            held.service().cancel(held.practice_id, held.run().id, held.admin_id)
        assert held.run().held_at is not None

    def test_a_stranger_finds_nothing(self, held: Scene, stranger: User) -> None:
        run_id = held.run().id
        with pytest.raises(NotFound):
            wiring.sync_brake().apply(stranger.practice_id, run_id)
        assert held.run().held_at is not None

    @pytest.mark.parametrize(("archived", "percent", "stops"), [(9, 10, False), (12, 100, False)])
    def test_few_changes_and_a_brake_that_is_off_pass(
        self, scene: Scene, archived: int, percent: int, stops: bool
    ) -> None:
        scene.begin(12)
        wiring.preferences().update_settings(scene.practice_id, {"brake_percent": percent})
        for number in range(archived):
            scene.edit(number, ContactStatus="ARCHIVED")
        run = scene.check()
        assert (run.held_at is not None) is stops
        assert run.updated == archived

    @pytest.fixture(autouse=True)
    def admins(self, scene: Scene, admin: User) -> None:
        scene.admin_id = admin.id
