"""What pages and JSON read about documents is true, complete, and cheap."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session, scoped_session

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    Client,
    ClientDocument,
    ConnectionStatus,
    DocumentStatus,
    Practice,
    PushEvent,
    PushStatus,
    ScanStatus,
    User,
    XeroConnection,
    XeroFilePush,
)
from dashboard.queries import connections, documents
from dashboard.queries.document_states import shown_connection
from dashboard.rules.push_sentences import PushCause
from dashboard.services.held_documents import holder_of
from tests import factories
from tests.support.statements import counted

Sessions = scoped_session[Session]
NOW = utcnow()
LATER = NOW + timedelta(minutes=4)


@pytest.fixture
def connection(practice: Practice) -> XeroConnection:
    return factories.make_connection(practice)


@pytest.fixture
def client(practice: Practice, connection: XeroConnection) -> Client:
    client = factories.make_client(practice, name="Hartley & Co Ltd")
    factories.make_mapping(connection, client, str(uuid4()))
    return client


def make_push(connection: XeroConnection, document: ClientDocument, **values: Any) -> XeroFilePush:
    push = XeroFilePush(
        practice_id=document.practice_id,
        xero_connection_id=connection.id,
        document_id=document.id,
        client_id=document.client_id,
        content_sha256=document.content_sha256,
        size=document.size,
        **values,
    )
    db.session.add(push)
    db.session.commit()
    return push


def accepted(client: Client, **values: Any) -> ClientDocument:
    return factories.make_document(
        client, **{"status": DocumentStatus.ACCEPTED, "decided_at": NOW, **values}
    )


def tab_and_counts(session: Sessions, practice: Practice) -> tuple[str, str, dict[str, int]]:
    row = documents.page(session, practice.id, now=NOW).rows[0]
    found = documents.counts(session, practice.id)
    return row.word.code, row.tab, {tab: getattr(found, tab) for tab in documents.TABS}


def every_push() -> list[dict[str, Any]]:
    return [
        {"status": status, "not_before": moment, "retry_count": retries, "cause": cause}
        for status, moment, retries, cause in product(
            PushStatus, (None, LATER), (0, 3), (None, "refused")
        )
    ]


class TestTabs:
    """The list, its counts and the words must agree in every state there is."""

    @pytest.mark.parametrize("connection_status", [*ConnectionStatus, None])
    def test_words_and_tabs_agree_in_every_state(
        self, session: Sessions, practice: Practice, connection_status: ConnectionStatus | None
    ) -> None:
        client = factories.make_client(practice)
        if connection_status is None:
            for decision in DocumentStatus:
                factories.make_document(client, status=decision, decided_at=NOW)
            assert self._check(session, practice) == {"not_sent"}
            return
        connection = factories.make_connection(practice, status=connection_status)
        for decision, values in product(DocumentStatus, [None, *every_push()]):
            document = factories.make_document(client, status=decision, decided_at=NOW)
            if values is not None:
                make_push(connection, document, **values)
        seen = self._check(session, practice)
        _set(connection, push_documents_to_xero=False)
        seen |= self._check(session, practice)
        factories.make_mapping(connection, client, "c-1")
        seen |= self._check(session, practice)
        _set(connection, push_documents_to_xero=True)
        seen |= self._check(session, practice)
        if connection_status == ConnectionStatus.ACTIVE:
            assert seen == {*documents._TAB_BY_WORD, "sending_off"} - {"on_hold"}

    @staticmethod
    def _check(session: Sessions, practice: Practice) -> set[str]:
        everything = documents.page(session, practice.id, now=NOW, limit=500).rows
        found = documents.counts(session, practice.id)
        assert found.all == len(everything)
        for tab in documents.TABS:
            by_sql = documents.page(session, practice.id, now=NOW, tab=tab, limit=500).rows
            by_word = [row for row in everything if row.tab == tab]
            assert [row.id for row in by_sql] == [row.id for row in by_word], tab
            assert getattr(found, tab) == len(by_word), tab
        by_client = documents.needing_attention(
            session, practice.id, {row.client_id for row in everything}
        )
        assert sum(by_client.values()) == found.attention
        return {row.word.code for row in everything}

    def test_a_client_without_a_contact_needs_a_person(
        self, session: Sessions, practice: Practice, connection: XeroConnection
    ) -> None:
        document = accepted(factories.make_client(practice))
        make_push(connection, document)
        word, tab, numbers = tab_and_counts(session, practice)
        assert (word, tab, numbers["attention"]) == ("no_contact", "attention", 1)

    def test_before_connecting_nobody_is_to_blame(
        self, session: Sessions, practice: Practice
    ) -> None:
        accepted(factories.make_client(practice))
        assert tab_and_counts(session, practice)[:2] == ("not_sent", "not_sent")

    def test_a_disconnected_practice_sees_its_documents_on_hold(
        self, session: Sessions, practice: Practice, connection: XeroConnection, client: Client
    ) -> None:
        make_push(connection, accepted(client))
        _set(connection, status=ConnectionStatus.DISCONNECTED, disconnected_at=NOW)
        assert tab_and_counts(session, practice)[:2] == ("on_hold", "on_hold")

    def test_another_organisation_starts_anew(
        self, session: Sessions, practice: Practice, connection: XeroConnection, client: Client
    ) -> None:
        make_push(connection, accepted(client), status=PushStatus.ASSOCIATED)
        _set(connection, status=ConnectionStatus.DISCONNECTED, disconnected_at=NOW)
        factories.make_connection(practice)
        row = documents.page(session, practice.id, now=NOW).rows[0]
        assert (row.push, row.is_offered) == (None, True)

    def test_pages_alerts_and_retries_speak_of_the_connection_that_was_left_last(
        self, session: Sessions, practice: Practice
    ) -> None:
        # Whatever was written on the older one afterwards, as when its links were removed.
        for ago, touched_at in ((timedelta(days=2), LATER), (timedelta(days=1), NOW)):
            last = factories.make_connection(
                practice,
                status=ConnectionStatus.DISCONNECTED,
                disconnected_at=NOW - ago,
                updated_at=touched_at,
            )
        summary, holder = connections.summary(session, practice.id), holder_of(session, practice.id)
        assert summary is not None
        assert holder is not None
        shown = shown_connection(session, practice.id)
        assert {summary.id, holder.id, shown.id} == {last.id}

    @pytest.mark.parametrize(
        ("contact", "cause"),
        [
            ({"contact_status": "ARCHIVED"}, PushCause.CONTACT_ARCHIVED),
            (
                {"contact_status": "ARCHIVED", "merged_to_contact_id": "c-2"},
                PushCause.CONTACT_MERGED,
            ),
            ({"contact_status": "GDPRREQUEST"}, PushCause.CONTACT_GONE),
            ({"contact_status": "ACTIVE"}, None),
        ],
    )
    def test_what_became_of_the_contact_is_said(
        self,
        session: Sessions,
        practice: Practice,
        connection: XeroConnection,
        contact: dict[str, str],
        cause: PushCause | None,
    ) -> None:
        client = factories.make_client(practice)
        factories.make_mapping(connection, client, "c-1")
        factories.make_contact(connection, xero_contact_id="c-1", **contact)
        make_push(connection, accepted(client))
        row = documents.page(session, practice.id, now=NOW).rows[0]
        assert row.held_by == cause
        assert row.word.code == ("no_contact" if cause else "waiting")

    def test_an_unknown_tab_is_refused(self, session: Sessions, practice: Practice) -> None:
        with pytest.raises(ValueError, match="no tab called nonsense"):
            documents.page(session, practice.id, now=NOW, tab="nonsense")


class TestWaiting:
    def test_a_connection_that_waits_makes_its_documents_wait(
        self, session: Sessions, practice: Practice, connection: XeroConnection, client: Client
    ) -> None:
        make_push(connection, accepted(client))
        _set(connection, waits_until=LATER, waits_because="day")
        row = documents.page(session, practice.id, now=NOW).rows[0]
        assert (row.word.code, row.waits_because) == ("waiting_for_xero", "day")
        assert row.push is not None
        assert row.push.next_attempt_at == LATER

    def test_a_document_that_waits_longer_than_its_connection_could_not_reach_xero(
        self, session: Sessions, practice: Practice, connection: XeroConnection, client: Client
    ) -> None:
        make_push(connection, accepted(client), not_before=LATER)
        _set(connection, waits_until=LATER - timedelta(minutes=1), waits_because="minute")
        row = documents.page(session, practice.id, now=NOW).rows[0]
        assert (row.word.code, row.waits_because) == ("waiting_for_xero", "not-reached")

    @pytest.mark.parametrize(
        "held",
        [{"status": ConnectionStatus.DISCONNECTED}, {"push_documents_to_xero": False}],
    )
    def test_what_is_on_hold_has_no_next_attempt(
        self,
        session: Sessions,
        practice: Practice,
        connection: XeroConnection,
        client: Client,
        held: dict[str, Any],
    ) -> None:
        make_push(connection, accepted(client))
        _set(connection, waits_until=LATER, **held)
        row = documents.page(session, practice.id, now=NOW).rows[0]
        assert row.tab == "on_hold"
        assert row.push is not None
        assert row.push.next_attempt_at is None

    def test_a_virus_check_to_come_is_not_xeros_fault(
        self, session: Sessions, practice: Practice, connection: XeroConnection, client: Client
    ) -> None:
        document = accepted(client, scan_status=ScanStatus.PENDING)
        make_push(connection, document, not_before=LATER, cause="scan_missing")
        row = documents.page(session, practice.id, now=NOW).rows[0]
        assert row.word.code == "waiting"

    def test_a_failure_with_tries_left_says_when(
        self, session: Sessions, practice: Practice, connection: XeroConnection, client: Client
    ) -> None:
        make_push(connection, accepted(client), status=PushStatus.FAILED, not_before=LATER)
        row = documents.page(session, practice.id, now=NOW).rows[0]
        assert row.word.code == "trying_again"
        assert row.push is not None
        assert row.push.next_attempt_at == LATER


class TestPages:
    def test_paging_gives_each_document_once_newest_first(
        self, session: Sessions, practice: Practice, client: Client
    ) -> None:
        # Three in the same moment: the id decides, so that none is lost between two pages.
        made = [
            factories.make_document(client, created_at=NOW - timedelta(seconds=number // 3))
            for number in range(11)
        ]
        seen, cursor = [], None
        while True:
            page = documents.page(session, practice.id, now=NOW, limit=3, cursor=cursor)
            seen += [row.id for row in page.rows]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) == 11
        assert set(seen) == {document.id for document in made}
        moments = [session.get_one(ClientDocument, each).created_at for each in seen]
        assert moments == sorted(moments, reverse=True)

    @pytest.mark.parametrize(
        "cursor",
        [
            {},
            {"created_at": "x", "id": str(uuid4())},
            {"created_at": 3, "id": None},
            {"created_at": "2026-01-01T00:00:00", "id": str(uuid4())},
            {"created_at": "0001-01-01T00:00:00+14:00", "id": str(uuid4())},
        ],
    )
    def test_a_broken_cursor_is_refused(
        self, session: Sessions, practice: Practice, cursor: dict[str, Any]
    ) -> None:
        with pytest.raises(ValueError):  # noqa: PT011 - each has words of its own
            documents.page(session, practice.id, now=NOW, cursor=cursor)

    def test_filters_find_what_they_say(
        self, session: Sessions, practice: Practice, client: Client
    ) -> None:
        other = factories.make_client(practice, name="100% Bakers_Ltd")
        mine = factories.make_document(client, file_name="p60-mum.pdf")
        bank = factories.make_document(other, document_type="Bank statement", tax_year="2024-25")

        def found(**filters: Any) -> set[Any]:
            assert documents.counts(session, practice.id, **filters).all == len(
                documents.page(session, practice.id, now=NOW, **filters).rows
            )
            return {row.id for row in documents.page(session, practice.id, now=NOW, **filters).rows}

        assert found(q="MUM") == {mine.id}
        assert found(q="hartley p60") == {mine.id}
        assert found(q="100%") == {bank.id}
        assert found(q="Bakers_") == {bank.id}
        assert found(q="%") == {bank.id}
        assert found(q="bank statement") == {bank.id}
        assert found(client_id=client.id) == {mine.id}
        assert found(type_="P60") == {mine.id}
        assert found(year="2024-25") == {bank.id}
        assert found(year="2025-26", type_="Bank statement") == set()
        choices = documents.filter_choices(session, practice.id)
        assert (choices.types, choices.years) == (("Bank statement", "P60"), ("2025-26", "2024-25"))

    def test_another_practice_sees_nothing(
        self, session: Sessions, client: Client, connection: XeroConnection, stranger: User
    ) -> None:
        document = accepted(client)
        make_push(connection, document)
        theirs = stranger.practice_id
        assert documents.page(session, theirs, now=NOW).rows == ()
        assert documents.counts(session, theirs).all == 0
        assert documents.badges(session, theirs, [document.id], now=NOW) == ()
        assert documents.one(session, theirs, document.id, now=NOW) is None
        assert documents.newer_than(session, theirs, NOW - timedelta(days=1)) == 0
        assert documents.filter_choices(session, theirs).types == ()

    def test_badges_are_the_rows_asked_for(
        self, session: Sessions, practice: Practice, connection: XeroConnection, client: Client
    ) -> None:
        ids = [accepted(client).id for _ in range(3)]
        rows = documents.badges(session, practice.id, ids[:2], now=NOW)
        assert {row.id for row in rows} == set(ids[:2])
        assert documents.badges(session, practice.id, [], now=NOW) == ()

    def test_new_documents_are_counted_for_the_line_above_the_list(
        self, session: Sessions, practice: Practice, client: Client
    ) -> None:
        factories.make_document(client, created_at=NOW - timedelta(minutes=2))
        factories.make_document(client, created_at=NOW)
        assert documents.newer_than(session, practice.id, NOW - timedelta(minutes=1)) == 1

    def test_what_was_accepted_before_connecting_is_offered_oldest_first(
        self, session: Sessions, practice: Practice
    ) -> None:
        client = factories.make_client(practice)
        late = accepted(client, decided_at=NOW)
        early = accepted(client, decided_at=NOW - timedelta(days=1))
        factories.make_document(client)
        assert documents.unsent_ids(session, practice.id) == ()
        connection = factories.make_connection(practice)
        assert documents.unsent_ids(session, practice.id) == (early.id, late.id)
        make_push(connection, early)
        assert documents.unsent_ids(session, practice.id) == (late.id,)

    def test_the_number_of_queries_does_not_grow_with_the_rows(
        self, session: Sessions, practice: Practice, connection: XeroConnection, client: Client
    ) -> None:
        practice_id = practice.id

        def cost() -> tuple[int, ...]:
            session.rollback()
            with counted(db.engine) as page:
                rows = documents.page(session, practice_id, now=NOW).rows
                assert [row.word.word for row in rows]
            with counted(db.engine) as counts:
                documents.counts(session, practice_id)
            with counted(db.engine) as badges:
                documents.badges(session, practice_id, [row.id for row in rows], now=NOW)
            with counted(db.engine) as one:
                documents.one(session, practice_id, rows[0].id, now=NOW)
            return tuple(
                sum(s.startswith("SELECT") for s in each) for each in (page, counts, badges, one)
            )

        make_push(connection, accepted(client))
        with_one = cost()
        for _ in range(20):
            make_push(connection, accepted(client))
        assert cost() == with_one
        assert with_one == (2, 2, 2, 4)


class TestOne:
    def test_it_holds_what_the_page_shows(
        self,
        session: Sessions,
        practice: Practice,
        admin: User,
        connection: XeroConnection,
        client: Client,
    ) -> None:
        document = accepted(client, decided_by_id=admin.id, uploaded_by_id=admin.id)
        push = make_push(
            connection,
            document,
            status=PushStatus.FAILED,
            cause="refused",
            error="Xero refused the file.",
            folder_name="chase.md",
            file_name="A_P60.pdf",
            technical_details={"http_status": 400, "xero_said": "no"},
        )
        for number in range(3):
            session.add(
                PushEvent(
                    push_id=push.id,
                    practice_id=practice.id,
                    at=NOW,
                    kind="sending",
                    sentence=f"Line {number}",
                    attempt=1,
                )
            )
        session.commit()
        detail = documents.one(session, practice.id, document.id, now=NOW)
        assert detail is not None
        assert [line.sentence for line in detail.events] == ["Line 2", "Line 1", "Line 0"]
        assert (detail.document.uploaded_by, detail.document.decided_by) == ("Priya", "Priya")
        assert (detail.folder_path, detail.contact_name) == ("chase.md", "Hartley & Co Ltd")
        assert detail.technical["http_status"] == 400
        assert detail.organisation == connection.xero_org_name
        assert detail.document.word.code == "needs_attention"
        assert detail.document.push is not None
        assert detail.document.push.cause is PushCause.REFUSED
        assert detail.document.can_retry

    def test_a_received_document_has_no_push(
        self, session: Sessions, practice: Practice, client: Client
    ) -> None:
        document = factories.make_document(client)
        detail = documents.one(session, practice.id, document.id, now=NOW)
        assert detail is not None
        assert (detail.document.push, detail.events, detail.ahead) == (None, (), 0)
        assert not detail.document.can_retry

    def test_it_says_how_many_are_before_it(
        self, session: Sessions, practice: Practice, connection: XeroConnection, client: Client
    ) -> None:
        for minute in range(3):
            document = accepted(client, decided_at=NOW + timedelta(minutes=minute))
            make_push(connection, document)
        filed = accepted(client, decided_at=NOW - timedelta(minutes=1))
        make_push(connection, filed, status=PushStatus.ASSOCIATED)
        detail = documents.one(session, practice.id, document.id, now=NOW)
        assert detail is not None
        assert detail.ahead == 2

    def test_it_reads_what_a_worker_wrote_meanwhile(
        self, session: Sessions, practice: Practice, connection: XeroConnection, client: Client
    ) -> None:
        document = accepted(client)
        push_id = make_push(connection, document).id
        practice_id, document_id = practice.id, document.id
        assert documents.one(session, practice_id, document_id, now=NOW) is not None
        session.rollback()
        with Session(db.engine) as worker:
            worker.execute(
                update(XeroFilePush)
                .where(XeroFilePush.id == push_id)
                .values(status=PushStatus.ASSOCIATED)
            )
            worker.commit()
        detail = documents.one(session, practice_id, document_id, now=NOW)
        assert detail is not None
        assert detail.document.word.code == "filed"


def _set(connection: XeroConnection, **values: Any) -> None:
    db.session.execute(
        update(XeroConnection).where(XeroConnection.id == connection.id).values(**values)
    )
    db.session.commit()
