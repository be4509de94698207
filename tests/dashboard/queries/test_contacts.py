"""What the import preview shows: rows, counts, groups and ticks, from the mirror alone."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, scoped_session

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.models import (
    ConnectionStatus,
    MatchDecision,
    Practice,
    Tag,
    TagSource,
    User,
    Verdict,
    XeroConnection,
    XeroContact,
)
from dashboard.models.contact_standing import standing
from dashboard.queries import contact_counts, contacts, import_places
from dashboard.queries.contact_counts import Counts, Group, GroupToCome
from dashboard.queries.contacts import PreviewPage
from dashboard.queries.import_places import Draft
from dashboard.queries.keyset import UnknownCursor
from dashboard.rules.preview_filter import SORTS, PreviewFilter
from tests.conftest import ON_POSTGRESQL
from tests.factories import make_client, make_connection, make_contact, make_mapping
from tests.support.contacts import sync_service
from tests.support.statements import counted

AnySession = scoped_session[Session]


@pytest.fixture
def connection(session: AnySession, practice: Practice) -> XeroConnection:
    """A connection whose matches are fresh."""
    connection = make_connection(practice)
    connection.matched_at = utcnow()
    session.commit()
    return connection


def names(page: PreviewPage) -> list[str]:
    return [row.name for row in page.rows]


class TestRows:
    def test_every_word_is_worked_out_and_explained(
        self, session: AnySession, connection: XeroConnection, practice: Practice
    ) -> None:
        client = make_client(practice, name="Rob Smith")
        candidate = {
            "client_id": str(client.id),
            "score": 0.71,
            "reasons": ["Same email rob@smith.example", "Names differ: “Robert” and “Rob”"],
        }
        make_contact(connection, name="a possible", match="possible", candidates=[candidate])
        make_contact(connection, name="b new", email="b@b.example")
        make_contact(connection, name="c archived", contact_status="ARCHIVED")
        make_contact(connection, name="d erased", contact_status="GDPRREQUEST")
        make_contact(connection, name="")
        linked = make_contact(connection, name="e linked", match="exact", candidates=[candidate])
        make_mapping(connection, make_client(practice, name="Linked Ltd"), linked.xero_contact_id)
        skipped = make_contact(connection, name="f skipped")
        session.add_all(
            MatchDecision(
                practice_id=practice.id,
                xero_connection_id=connection.id,
                xero_contact_id=contact.xero_contact_id,
                verdict=Verdict.SKIP,
                decided_at=utcnow(),
            )
            for contact in (skipped, linked)
        )
        session.commit()
        rows = {row.name: row for row in contacts.preview(session, practice.id).rows}
        assert {name: row.match for name, row in rows.items()} == {
            "": "unavailable",
            "a possible": "possible",
            "b new": "new",
            "c archived": "unavailable",
            "d erased": "unavailable",
            "e linked": "linked",
            "f skipped": "skipped",
        }
        assert rows["a possible"].reason == (
            "Rob Smith: Same email rob@smith.example. Names differ: “Robert” and “Rob”."
        )
        assert rows["b new"].reason == "No client has this name or email."
        assert rows["c archived"].reason == "The contact is archived in Xero."
        assert rows[""].reason == "The contact has no name in Xero."
        assert rows["e linked"].linked_client_name == "Linked Ltd"
        assert {name for name, row in rows.items() if row.can_tick} == {
            "a possible",
            "b new",
            "f skipped",
        }
        assert contact_counts.to_look_at(session, connection.id) == 2
        for order in SORTS:
            offered = contacts.preview(
                session, practice.id, PreviewFilter(offered=True), sort=order
            )
            assert {row.name for row in offered.rows} == rows.keys() - {"f skipped"}

    def test_candidates_name_their_client_and_say_who_has_it(
        self, session: AnySession, connection: XeroConnection, practice: Practice
    ) -> None:
        taken, gone = make_client(practice, name="Taken"), uuid4()
        make_mapping(connection, taken, str(uuid4()))
        make_contact(
            connection,
            match="clash",
            candidates=[
                {"client_id": str(one), "score": 0.8, "reasons": ["Same name"]}
                for one in (taken.id, gone)
            ],
        )
        (row,) = contacts.preview(session, practice.id).rows
        assert [(one.client_name, one.taken_by) for one in row.candidates] == [("Taken", "Taken")]

    def test_pages_by_cursor_and_by_number_show_each_contact_once(
        self, session: AnySession, connection: XeroConnection, practice: Practice
    ) -> None:
        wanted = [f"Same {n // 3}" for n in range(11)]
        for name in wanted:
            make_contact(connection, name=name)
        page = contacts.preview(session, practice.id, limit=4)
        by_cursor, seen = names(page), {row.xero_contact_id for row in page.rows}
        while page.next_cursor:
            page = contacts.preview(session, practice.id, limit=4, cursor=page.next_cursor)
            by_cursor += names(page)
            seen |= {row.xero_contact_id for row in page.rows}
        assert by_cursor == sorted(wanted)
        assert len(seen) == 11
        by_number = [
            name
            for number in (1, 2, 3)
            for name in names(contacts.preview(session, practice.id, limit=4, page=number))
        ]
        assert by_number == by_cursor
        assert contact_counts.overview(session, practice.id).total == 11

    @pytest.mark.parametrize(
        "cursor", [{}, {"name": 1, "id": str(uuid4())}, {"name": "a", "id": "b"}, {"at": "x"}]
    )
    def test_a_cursor_from_elsewhere_is_refused(
        self,
        session: AnySession,
        connection: XeroConnection,
        practice: Practice,
        cursor: dict[str, object],
    ) -> None:
        with pytest.raises(UnknownCursor):
            contacts.preview(session, practice.id, cursor=cursor)

    def test_the_number_of_statements_does_not_grow_with_the_rows(
        self, session: AnySession, connection: XeroConnection, practice: Practice
    ) -> None:
        for n in range(60):
            client = make_client(practice, name=f"Client {n}")
            make_contact(
                connection,
                name=f"Contact {n}",
                match="exact",
                candidates=[{"client_id": str(client.id), "score": 1.0, "reasons": ["Same name"]}],
            )
        sync_service().get_import_preview(practice.id)
        practice_id = practice.id
        with counted(session.get_bind()) as statements:
            page = contacts.preview(session, practice_id, limit=50)
        assert len(page.rows) == 50
        assert len([one for one in statements if one.lstrip().startswith("SELECT")]) == 3
        assert not [one for one in statements if one.startswith(("INSERT", "UPDATE", "DELETE"))]


class TestFilters:
    @pytest.fixture
    def people(self, connection: XeroConnection) -> None:
        make_contact(connection, name="Customer", is_customer=True)
        make_contact(connection, name="Supplier", is_supplier=True)
        make_contact(connection, name="Both", is_customer=True, is_supplier=True)
        make_contact(connection, name="Neither", groups=[{"id": "g", "name": "VAT 100%"}])

    @pytest.mark.parametrize(
        ("wanted", "shown"),
        [
            (PreviewFilter(type="customer"), ["Both", "Customer"]),
            (PreviewFilter(type="supplier"), ["Both", "Supplier"]),
            (PreviewFilter(type="neither"), ["Neither"]),
            (PreviewFilter(type="likely"), ["Both", "Customer", "Neither"]),
            (PreviewFilter(group="VAT 100%"), ["Neither"]),
            (PreviewFilter(group="VAT"), []),
            (PreviewFilter(q="NEITH"), ["Neither"]),
            (PreviewFilter(q="%"), []),
            (PreviewFilter(match="new", q="c"), ["Customer"]),
            (PreviewFilter(match="exact"), []),
            (PreviewFilter(selected=True), []),
            (PreviewFilter(selected=False, q="both"), ["Both"]),
        ],
    )
    def test_a_filter_shows_what_it_says(
        self,
        session: AnySession,
        people: None,
        practice: Practice,
        wanted: PreviewFilter,
        shown: list[str],
    ) -> None:
        page = contacts.preview(session, practice.id, wanted)
        total = contact_counts.overview(session, practice.id, wanted).total
        assert (names(page), total) == (shown, len(shown))

    def test_counts_ignore_the_tab_but_not_the_other_filters(
        self, session: AnySession, people: None, connection: XeroConnection, practice: Practice
    ) -> None:
        make_contact(connection, name="Other", contact_status="ARCHIVED")
        assert contact_counts.overview(session, practice.id).counts == Counts(new=4, unavailable=1)
        wanted = PreviewFilter(match="unavailable", q="o")
        counts = contact_counts.overview(session, practice.id, wanted).counts
        assert counts == Counts(new=2, unavailable=1)
        assert contact_counts.overview(session, practice.id).counts.all == 5


class TestGroups:
    def test_groups_are_listed_with_their_sizes(
        self, session: AnySession, connection: XeroConnection, practice: Practice
    ) -> None:
        vat, vip = {"id": "1", "name": "VAT"}, {"id": "2", "name": "VIP"}
        make_contact(connection, groups=[vip, vat])
        make_contact(connection, groups=[vat])
        make_contact(connection)
        found = contact_counts.groups(session, practice.id)
        assert found == (Group("VAT", 2), Group("VIP", 1))

    def test_only_groups_of_contacts_that_will_be_imported_become_tags(
        self, session: AnySession, connection: XeroConnection, practice: Practice, admin: User
    ) -> None:
        ticked = make_contact(connection, groups=[{"id": "1", "name": "VAT"}])
        make_contact(connection, groups=[{"id": "2", "name": "VIP"}])
        draft = sync_service().get_import_preview(practice.id)
        wiring.import_drafts().tick(practice.id, admin.id, draft.id, [ticked.xero_contact_id], True)
        assert contact_counts.groups_to_come(session, practice.id) == (
            GroupToCome("1", "VAT", "VAT"),
        )

    def test_groups_to_come_are_exactly_those_that_the_import_makes(
        self, session: AnySession, connection: XeroConnection, practice: Practice, admin: User
    ) -> None:
        client = make_client(practice)
        found = [{"client_id": str(client.id), "score": 0.6, "reasons": ["Same name"]}]
        a_group = {name: [{"id": f"g-{name}", "name": name}] for name in "ABCDEF"}
        make_contact(connection, name="created", groups=a_group["A"] + a_group["B"])
        make_contact(connection, name="read later", groups=[{"id": "g-B", "name": "B2"}])
        skipped = make_contact(connection, name="skipped", groups=a_group["C"])
        make_contact(
            connection, name="doubtful", match="possible", candidates=found, groups=a_group["D"]
        )
        make_contact(connection, contact_status="ARCHIVED", groups=a_group["E"])
        make_contact(connection, name="known", groups=a_group["F"])
        session.add_all(
            [
                Tag(
                    practice_id=practice.id,
                    name="F before it was renamed",
                    source=TagSource.XERO,
                    xero_group_id="g-F",
                ),
                Tag(practice_id=practice.id, name="A", source=TagSource.OWN),
            ]
        )
        session.commit()
        drafts = wiring.import_drafts()
        draft = sync_service().get_import_preview(practice.id)
        drafts.tick_matching(practice.id, admin.id, draft.id, PreviewFilter())
        drafts.decide(practice.id, admin.id, draft.id, skipped.xero_contact_id, "skip", None)
        practice_id = practice.id
        with counted(session.get_bind()) as statements:
            expected = contact_counts.groups_to_come(session, practice_id)
        assert [group.tag_name for group in expected] == ["A", "B"]
        # One finds the connection and its draft.
        assert sum(one.startswith("SELECT") for one in statements) == 2
        before = _xero_groups(session, practice)
        wiring.xero_sync().start_draft_import(practice.id, admin.id, draft.id)
        wiring.xero_sync().import_contacts(practice.id)
        assert _xero_groups(session, practice) - before == {"g-A", "g-B"}


def _xero_groups(session: AnySession, practice: Practice) -> set[str | None]:
    return set(
        session.scalars(
            select(Tag.xero_group_id).where(
                Tag.practice_id == practice.id, Tag.source == TagSource.XERO
            )
        )
    )


class TestDraft:
    def test_a_draft_says_where_it_belongs_and_what_it_became(
        self, session: AnySession, connection: XeroConnection, practice: Practice, admin: User
    ) -> None:
        contact = make_contact(connection)
        draft_id = sync_service().get_import_preview(practice.id).id
        assert import_places.draft(session, practice.id, draft_id) == Draft(
            draft_id, connection.id, None
        )
        wiring.import_drafts().tick(
            practice.id, admin.id, draft_id, [contact.xero_contact_id], True
        )
        run = wiring.xero_sync().start_draft_import(practice.id, admin.id, draft_id)
        found = import_places.draft(session, practice.id, draft_id)
        assert found is not None
        assert found.run_id == run.id

    def test_another_practice_does_not_find_it(
        self, session: AnySession, connection: XeroConnection, practice: Practice, stranger: User
    ) -> None:
        draft = sync_service().get_import_preview(practice.id)
        assert import_places.draft(session, stranger.practice_id, draft.id) is None
        assert import_places.draft(session, practice.id, uuid4()) is None


class TestSelection:
    def test_numbers_say_what_pressing_import_would_do(
        self, session: AnySession, connection: XeroConnection, practice: Practice, admin: User
    ) -> None:
        client = make_client(practice)
        found = [{"client_id": str(client.id), "score": 1.0, "reasons": ["Same name"]}]
        make_contact(connection, name="exact", match="exact", candidates=found)
        make_contact(connection, name="doubtful", match="possible", candidates=found)
        make_contact(connection, name="new", email="n@n.example")
        make_contact(connection, name="new without e-mail")
        draft = sync_service().get_import_preview(practice.id)
        wiring.import_drafts().tick_matching(practice.id, admin.id, draft.id, PreviewFilter())
        shown = contact_counts.selection(session, practice.id, PreviewFilter(q="new"))
        assert (shown.selected, shown.hidden, shown.undecided) == (4, 2, 1)
        assert (shown.create, shown.link, shown.skip, shown.to_import) == (2, 1, 0, 3)
        assert shown.create_without_email == 1


class TestPlans:
    @pytest.mark.skipif(not ON_POSTGRESQL, reason="SQLite estimates nothing of the kind")
    def test_contacts_without_a_link_are_counted_on_and_not_taken_for_none(
        self, session: AnySession, connection: XeroConnection
    ) -> None:
        stands = standing(connection.id, None)
        unlinked = select(XeroContact.id).select_from(stands.source).where(stands.can_tick)
        written = unlinked.compile(session.connection(), compile_kwargs={"literal_binds": True})
        plan = session.connection().exec_driver_sql(f"EXPLAIN {written}").scalars()
        assert "Anti Join" in "\n".join(plan)


class TestStrangers:
    def test_another_practice_sees_nothing_of_ours(
        self, session: AnySession, connection: XeroConnection, stranger: User
    ) -> None:
        contact = make_contact(connection)
        make_connection(stranger.practice)
        theirs: UUID = stranger.practice_id
        assert contacts.preview(session, theirs).rows == ()
        assert contacts.preview_row(session, theirs, contact.xero_contact_id) is None
        assert contact_counts.overview(session, theirs).counts == Counts()

    def test_without_a_current_connection_everything_is_empty(
        self, session: AnySession, connection: XeroConnection, practice: Practice
    ) -> None:
        contact: XeroContact = make_contact(connection)
        connection.status = ConnectionStatus.DISCONNECTED
        session.commit()
        assert contacts.preview(session, practice.id) == PreviewPage((), None)
        assert contacts.preview_row(session, practice.id, contact.xero_contact_id) is None
        assert contact_counts.groups(session, practice.id) == ()
        assert contact_counts.selection(session, practice.id).selected == 0
