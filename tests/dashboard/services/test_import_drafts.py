"""Ticks and decisions of a draft, and the import that a draft turns into."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, scoped_session

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.models import (
    Client,
    ItemOutcome,
    MatchDecision,
    Practice,
    SyncRun,
    SyncRunItem,
    User,
    Verdict,
    XeroConnection,
    XeroContact,
    XeroContactMapping,
)
from dashboard.queries import contact_counts, contacts
from dashboard.queries.contact_counts import Selection
from dashboard.queries.contacts import PreviewRow
from dashboard.rules.preview_filter import PreviewFilter
from dashboard.services.refusals import Conflict, InvalidInput, NotFound
from tests.factories import make_client, make_connection, make_contact, make_mapping
from tests.support.contacts import sync_service

AnySession = scoped_session[Session]


class Drafting:
    """A practice with fresh matches and an open draft."""

    @pytest.fixture
    def connection(self, session: AnySession, practice: Practice) -> XeroConnection:
        connection = make_connection(practice)
        connection.matched_at = utcnow()
        session.commit()
        return connection

    @pytest.fixture
    def draft_id(self, connection: XeroConnection, practice: Practice) -> UUID:
        return sync_service().get_import_preview(practice.id).id

    def contact(
        self, connection: XeroConnection, name: str, *clients: Client, **values: Any
    ) -> XeroContact:
        """A contact that the detector found to be some clients, best first."""
        word = values.pop("match", {0: "new", 1: "possible"}.get(len(clients), "clash"))
        return make_contact(
            connection,
            name=name,
            match=word,
            candidates=[
                {"client_id": str(one.id), "score": 0.7, "reasons": ["Same email"]}
                for one in clients
            ],
            **values,
        )

    def row(self, session: AnySession, practice: Practice, contact: XeroContact) -> PreviewRow:
        row = contacts.preview_row(session, practice.id, contact.xero_contact_id)
        assert row is not None
        return row


class TestTicks(Drafting):
    def test_ticks_stay_and_unticking_takes_them_away(
        self,
        session: AnySession,
        connection: XeroConnection,
        practice: Practice,
        admin: User,
        draft_id: UUID,
    ) -> None:
        ids = [self.contact(connection, name).xero_contact_id for name in "abc"]
        drafts = wiring.import_drafts()
        assert drafts.tick(practice.id, admin.id, draft_id, ids, True) == 3
        drafts.tick(practice.id, admin.id, draft_id, ids[:1], False)
        assert contact_counts.selection(session, practice.id).selected == 2

    def test_what_cannot_be_imported_cannot_be_ticked(
        self,
        session: AnySession,
        connection: XeroConnection,
        practice: Practice,
        admin: User,
        draft_id: UUID,
    ) -> None:
        archived = self.contact(connection, "Archived", contact_status="ARCHIVED")
        nameless = self.contact(connection, "")
        linked = self.contact(connection, "Linked")
        make_mapping(connection, make_client(practice), linked.xero_contact_id)
        ids = [one.xero_contact_id for one in (archived, nameless, linked)] + ["unknown"]
        assert wiring.import_drafts().tick(practice.id, admin.id, draft_id, ids, True) == 0
        assert contact_counts.selection(session, practice.id) == Selection()

    def test_everything_that_matches_is_ticked_and_exceptions_taken_out(
        self,
        session: AnySession,
        connection: XeroConnection,
        practice: Practice,
        admin: User,
        draft_id: UUID,
    ) -> None:
        smiths = [self.contact(connection, f"Smith {n}") for n in range(3)]
        self.contact(connection, "Jones")
        drafts = wiring.import_drafts()
        wanted = PreviewFilter(q="smith")
        assert drafts.tick_matching(practice.id, admin.id, draft_id, wanted) == 3
        drafts.tick(practice.id, admin.id, draft_id, [smiths[0].xero_contact_id], False)
        selection = contact_counts.selection(session, practice.id, PreviewFilter(q="jones"))
        assert (selection.selected, selection.hidden) == (2, 2)

    def test_ten_thousand_are_ticked_by_one_statement(
        self,
        session: AnySession,
        connection: XeroConnection,
        practice: Practice,
        admin: User,
        draft_id: UUID,
    ) -> None:
        session.execute(
            XeroContact.__table__.insert(),
            [
                {
                    "id": uuid4(),
                    "practice_id": practice.id,
                    "xero_connection_id": connection.id,
                    "xero_contact_id": str(uuid4()),
                    "name": f"Contact {n}",
                    "contact_status": "ACTIVE",
                    "content_hash": "",
                    "sort_name": f"contact {n:05}",
                    "read_at": utcnow(),
                }
                for n in range(10_000)
            ],
        )
        session.commit()
        ticked = wiring.import_drafts().tick_matching(
            practice.id, admin.id, draft_id, PreviewFilter()
        )
        assert ticked == 10_000
        assert contact_counts.selection(session, practice.id).create == 10_000

    def test_clearing_keeps_decisions(
        self,
        session: AnySession,
        connection: XeroConnection,
        practice: Practice,
        admin: User,
        draft_id: UUID,
    ) -> None:
        contact = self.contact(connection, "Ada")
        drafts = wiring.import_drafts()
        drafts.tick(practice.id, admin.id, draft_id, [contact.xero_contact_id], True)
        drafts.decide(practice.id, admin.id, draft_id, contact.xero_contact_id, "skip")
        assert drafts.clear(practice.id, admin.id, draft_id) == 1
        row = self.row(session, practice, contact)
        assert (row.selected, row.decision.action) == (False, "skip")

    def test_a_strangers_draft_is_not_found(
        self, connection: XeroConnection, stranger: User, draft_id: UUID
    ) -> None:
        drafts = wiring.import_drafts()
        with pytest.raises(NotFound):
            drafts.tick(stranger.practice_id, stranger.id, draft_id, [], True)
        with pytest.raises(NotFound):
            drafts.decide(stranger.practice_id, stranger.id, draft_id, "a", "skip")
        with pytest.raises(NotFound):
            sync_service().start_draft_import(stranger.practice_id, stranger.id, draft_id)


class TestDecisions(Drafting):
    def test_suggestions_link_exact_create_new_and_leave_doubt_to_a_person(
        self, session: AnySession, connection: XeroConnection, practice: Practice, draft_id: UUID
    ) -> None:
        client = make_client(practice, name="Rob Smith")
        exact = self.contact(connection, "Exact", client, match="exact")
        new = self.contact(connection, "New")
        possible = self.contact(connection, "Possible", client)
        found = self.row(session, practice, exact).decision
        assert (found.action, found.client_id, found.client_name) == (
            "link",
            client.id,
            "Rob Smith",
        )
        assert not found.is_explicit
        assert self.row(session, practice, new).decision.action == "create"
        assert self.row(session, practice, possible).decision.action is None

    def test_the_last_one_to_decide_wins_and_is_named(
        self,
        session: AnySession,
        practice: Practice,
        admin: User,
        colleague: User,
        draft_id: UUID,
    ) -> None:
        connection = session.scalars(select(XeroConnection)).one()
        contact = self.contact(connection, "Ada")
        drafts = wiring.import_drafts()
        drafts.decide(practice.id, admin.id, draft_id, contact.xero_contact_id, "skip")
        drafts.decide(practice.id, colleague.id, draft_id, contact.xero_contact_id, "create")
        decision = self.row(session, practice, contact).decision
        assert (decision.action, decision.decided_by) == ("create", colleague.name)

    def test_a_taken_client_is_refused_with_the_name_of_its_contact(
        self, connection: XeroConnection, practice: Practice, admin: User, draft_id: UUID
    ) -> None:
        taken = make_client(practice, name="Rob Smith")
        make_mapping(connection, taken, str(uuid4())).xero_contact_name = "R Smith Joinery"
        contact = self.contact(connection, "Robert Smith")
        with pytest.raises(Conflict) as refused:
            wiring.import_drafts().decide(
                practice.id, admin.id, draft_id, contact.xero_contact_id, "link", taken.id
            )
        assert refused.value.sentence == (
            "Rob Smith is already linked to 'R Smith Joinery'."
            " Choose another client, or unlink that one first."
        )

    @pytest.mark.parametrize("action", ["merge", "link"])
    def test_a_decision_without_sense_is_refused(
        self, connection: XeroConnection, admin: User, draft_id: UUID, action: str
    ) -> None:
        contact = self.contact(connection, "Ada")
        with pytest.raises(InvalidInput):
            wiring.import_drafts().decide(
                admin.practice_id, admin.id, draft_id, contact.xero_contact_id, action
            )

    def test_another_practices_client_is_not_found(
        self,
        connection: XeroConnection,
        practice: Practice,
        admin: User,
        stranger: User,
        draft_id: UUID,
    ) -> None:
        theirs = make_client(stranger.practice)
        contact = self.contact(connection, "Ada")
        with pytest.raises(NotFound):
            wiring.import_drafts().decide(
                practice.id, admin.id, draft_id, contact.xero_contact_id, "link", theirs.id
            )

    def test_two_rows_that_aim_at_one_client_become_a_clash_at_once(
        self,
        session: AnySession,
        connection: XeroConnection,
        practice: Practice,
        admin: User,
        draft_id: UUID,
    ) -> None:
        client = make_client(practice, name="Rob Smith")
        suggested = self.contact(connection, "Exact", client, match="exact")
        chosen = self.contact(connection, "Possible", client)
        drafts = wiring.import_drafts()
        drafts.decide(practice.id, admin.id, draft_id, chosen.xero_contact_id, "link", client.id)
        rows = [self.row(session, practice, one) for one in (suggested, chosen)]
        assert [row.match for row in rows] == ["clash", "clash"]
        assert all(row.decision.is_contested for row in rows)
        assert all("Rob Smith" in row.reason for row in rows)
        drafts.decide(practice.id, admin.id, draft_id, suggested.xero_contact_id, "create")
        row = self.row(session, practice, chosen)
        assert (row.match, row.decision.action) == ("possible", "link")

    def test_bulk_decisions_apply_only_where_they_are_allowed(
        self,
        session: AnySession,
        connection: XeroConnection,
        practice: Practice,
        admin: User,
        draft_id: UUID,
    ) -> None:
        client = make_client(practice)
        exact = self.contact(connection, "Exact", client, match="exact")
        possible = self.contact(connection, "Possible", client)
        new = self.contact(connection, "New")
        drafts = wiring.import_drafts()
        drafts.tick_matching(practice.id, admin.id, draft_id, PreviewFilter())
        assert drafts.decide_ticked(practice.id, admin.id, draft_id, "create") == (2, 1)
        assert self.row(session, practice, exact).decision.action == "link"
        assert self.row(session, practice, possible).decision.action == "create"
        assert drafts.decide_ticked(practice.id, admin.id, draft_id, "skip") == (3, 0)
        assert drafts.decide_ticked(practice.id, admin.id, draft_id, "suggestion") == (2, 1)
        assert self.row(session, practice, new).decision.action == "create"
        assert self.row(session, practice, possible).decision.action == "skip"

    def test_not_a_match_takes_the_suggestion_away_for_good(
        self,
        session: AnySession,
        connection: XeroConnection,
        practice: Practice,
        admin: User,
        draft_id: UUID,
    ) -> None:
        client = make_client(practice, name="Ada Ltd", email="ada@ada.example")
        contact = self.contact(
            connection, "Ada Ltd", client, match="exact", email="ada@ada.example"
        )
        wiring.match_verdicts().not_a_match(
            practice.id, admin.id, contact.xero_contact_id, client.id
        )
        assert self.row(session, practice, contact).match == "new"
        sync_service().rematch(practice.id)
        row = self.row(session, practice, contact)
        assert (row.match, row.candidates) == ("new", ())
        assert session.scalars(select(MatchDecision.verdict)).all() == [Verdict.NOT_A_MATCH]

    def test_saying_it_twice_is_remembered_once(
        self,
        session: AnySession,
        connection: XeroConnection,
        practice: Practice,
        admin: User,
        draft_id: UUID,
    ) -> None:
        client = make_client(practice)
        contact = self.contact(connection, "Ada", client)
        for _ in range(2):
            wiring.match_verdicts().not_a_match(
                practice.id, admin.id, contact.xero_contact_id, client.id
            )
        assert session.scalar(select(func.count()).select_from(MatchDecision)) == 1


class TestStarting(Drafting):
    def outcomes(self, session: AnySession, run: SyncRun) -> dict[str, ItemOutcome]:
        session.expire_all()
        rows = session.scalars(select(SyncRunItem).where(SyncRunItem.run_id == run.id))
        return {row.contact_name: row.outcome for row in rows}

    def test_ticked_and_decided_contacts_are_imported_and_nothing_else(
        self,
        session: AnySession,
        connection: XeroConnection,
        practice: Practice,
        admin: User,
        draft_id: UUID,
    ) -> None:
        client = make_client(practice)
        self.contact(connection, "Exact", client, match="exact")
        self.contact(connection, "New")
        self.contact(connection, "Undecided", make_client(practice))
        unticked = self.contact(connection, "Unticked")
        skipped = self.contact(connection, "Skipped")
        drafts, sync = wiring.import_drafts(), sync_service()
        drafts.tick_matching(practice.id, admin.id, draft_id, PreviewFilter())
        drafts.tick(practice.id, admin.id, draft_id, [unticked.xero_contact_id], False)
        drafts.decide(practice.id, admin.id, draft_id, skipped.xero_contact_id, "skip")
        run = sync.start_draft_import(practice.id, admin.id, draft_id)
        assert run.total == 3
        sync.import_contacts(practice.id)
        assert self.outcomes(session, run) == {
            "Exact": ItemOutcome.LINKED,
            "New": ItemOutcome.CREATED,
            "Skipped": ItemOutcome.SKIPPED,
        }

    def test_a_link_names_who_decided_it_and_not_who_started_the_import(  # noqa: PLR0917
        self,
        session: AnySession,
        connection: XeroConnection,
        practice: Practice,
        admin: User,
        colleague: User,
        draft_id: UUID,
    ) -> None:
        asked = make_client(practice, name="Asked")
        self.contact(connection, "Exact", make_client(practice), match="exact")
        contact_id = self.contact(connection, "Possible", asked).xero_contact_id
        drafts, sync = wiring.import_drafts(), sync_service()
        drafts.tick_matching(practice.id, admin.id, draft_id, PreviewFilter())
        drafts.decide(practice.id, colleague.id, draft_id, contact_id, "link", asked.id)
        first = sync.start_draft_import(practice.id, admin.id, draft_id)
        # Cancelled, and taken up again by somebody else: decided it was before.
        sync.cancel(practice.id, first.id, admin.id)
        sync.import_again(practice.id, admin.id, first.id)
        sync.import_contacts(practice.id)
        found = session.execute(
            select(XeroContactMapping.xero_contact_name, XeroContactMapping.linked_by_id)
        ).all()
        assert dict(found) == {"Exact": None, "Possible": colleague.id}

    def test_two_presses_lead_to_one_run(
        self,
        session: AnySession,
        connection: XeroConnection,
        practice: Practice,
        admin: User,
        draft_id: UUID,
    ) -> None:
        self.contact(connection, "New")
        wiring.import_drafts().tick_matching(practice.id, admin.id, draft_id, PreviewFilter())
        sync = sync_service()
        first = sync.start_draft_import(practice.id, admin.id, draft_id).id
        assert sync.start_draft_import(practice.id, admin.id, draft_id).id == first
        sync.import_contacts(practice.id)
        assert sync.start_draft_import(practice.id, admin.id, draft_id).id == first
        assert session.scalar(select(func.count()).select_from(SyncRun)) == 1

    def test_a_started_draft_takes_no_more_ticks_and_a_new_one_opens(
        self, connection: XeroConnection, practice: Practice, admin: User, draft_id: UUID
    ) -> None:
        self.contact(connection, "New")
        drafts, sync = wiring.import_drafts(), sync_service()
        drafts.tick_matching(practice.id, admin.id, draft_id, PreviewFilter())
        sync.start_draft_import(practice.id, admin.id, draft_id)
        with pytest.raises(Conflict):
            drafts.clear(practice.id, admin.id, draft_id)
        assert sync.get_import_preview(practice.id).id != draft_id

    def test_nothing_ticked_is_refused_and_leaves_the_draft_open(
        self,
        session: AnySession,
        connection: XeroConnection,
        practice: Practice,
        admin: User,
        draft_id: UUID,
    ) -> None:
        self.contact(connection, "New")
        with pytest.raises(InvalidInput):
            sync_service().start_draft_import(practice.id, admin.id, draft_id)
        assert session.scalar(select(func.count()).select_from(SyncRun)) == 0
        assert sync_service().get_import_preview(practice.id).id == draft_id

    def test_skipped_contacts_are_not_offered_again_and_unticked_ones_are(
        self,
        session: AnySession,
        connection: XeroConnection,
        practice: Practice,
        admin: User,
        draft_id: UUID,
    ) -> None:
        skipped, unticked = self.contact(connection, "S"), self.contact(connection, "U")
        drafts, sync = wiring.import_drafts(), sync_service()
        drafts.tick(practice.id, admin.id, draft_id, [skipped.xero_contact_id], True)
        drafts.decide(practice.id, admin.id, draft_id, skipped.xero_contact_id, "skip")
        sync.start_draft_import(practice.id, admin.id, draft_id)
        sync.import_contacts(practice.id)
        assert self.row(session, practice, skipped).match == "skipped"
        assert self.row(session, practice, unticked).match == "new"

    def test_deciding_otherwise_takes_a_skip_back(
        self,
        session: AnySession,
        connection: XeroConnection,
        practice: Practice,
        admin: User,
        draft_id: UUID,
    ) -> None:
        contact = self.contact(connection, "Ada")
        session.add(
            MatchDecision(
                practice_id=practice.id,
                xero_connection_id=connection.id,
                xero_contact_id=contact.xero_contact_id,
                verdict=Verdict.SKIP,
                decided_at=utcnow(),
            )
        )
        session.commit()
        drafts, sync = wiring.import_drafts(), sync_service()
        drafts.tick(practice.id, admin.id, draft_id, [contact.xero_contact_id], True)
        drafts.decide(practice.id, admin.id, draft_id, contact.xero_contact_id, "create")
        sync.start_draft_import(practice.id, admin.id, draft_id)
        assert sync.import_contacts(practice.id).created == 1
        assert session.scalar(select(func.count()).select_from(MatchDecision)) == 0
