from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.orm import Session, scoped_session

from dashboard.database import db
from dashboard.models import (
    ConnectionStatus,
    DocumentStatus,
    Practice,
    PushStatus,
    RunKind,
    RunStatus,
    SyncRun,
    XeroConnection,
    XeroFilePush,
)
from dashboard.queries import due
from dashboard.rules.retry_policy import MAX_RETRIES
from tests import factories

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BEFORE, AFTER = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)

AnySession = scoped_session[Session]
Due = Callable[[Any, datetime], Sequence[UUID]]


@pytest.fixture
def connection(practice: Practice) -> XeroConnection:
    """A connection for which nothing is due."""
    return factories.make_connection(practice, sync_due_at=AFTER)


def change(row: Any, **values: Any) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    db.session.commit()


def make_run(connection: XeroConnection, **values: Any) -> SyncRun:
    run = SyncRun(
        practice_id=connection.practice_id,
        xero_connection_id=connection.id,
        **{"kind": RunKind.CONTACT_SYNC, "status": RunStatus.WAITING, **values},
    )
    db.session.add(run)
    db.session.commit()
    return run


def make_push(connection: XeroConnection, **values: Any) -> XeroFilePush:
    """Return a push that is due: accepted, its client mapped to an active contact."""
    practice = db.session.get_one(Practice, connection.practice_id)
    client = factories.make_client(practice)
    contact = factories.make_contact(connection)
    factories.make_mapping(connection, client, contact.xero_contact_id)
    document = factories.make_document(client, status=DocumentStatus.ACCEPTED)
    push = XeroFilePush(
        practice_id=practice.id,
        xero_connection_id=connection.id,
        document_id=document.id,
        client_id=client.id,
        **{"content_sha256": "0" * 64, "size": 1, **values},
    )
    db.session.add(push)
    db.session.commit()
    return push


class TestConnectionsToRefresh:
    @pytest.mark.parametrize(
        ("values", "is_due"),
        [
            ({"refresh_due_at": NOW}, True),
            ({"refresh_due_at": AFTER}, False),
            ({"refresh_due_at": None}, False),
            ({"refresh_due_at": BEFORE, "status": ConnectionStatus.TOKEN_EXPIRED}, False),
            ({"refresh_due_at": BEFORE, "status": ConnectionStatus.DISCONNECTED}, False),
            ({"refresh_due_at": BEFORE, "status": ConnectionStatus.ERROR}, True),
            ({"refresh_due_at": BEFORE, "refresh_lease_until": AFTER}, False),
            # What only a wrong clock can have set means nothing.
            ({"refresh_due_at": NOW + timedelta(hours=1)}, True),
            ({"refresh_due_at": BEFORE, "refresh_lease_until": NOW + timedelta(hours=1)}, True),
            ({"refresh_due_at": BEFORE, "refresh_lease_until": BEFORE}, True),
            ({"refresh_due_at": BEFORE, "waits_until": AFTER}, True),
        ],
    )
    def test_the_due_time_status_and_lease_decide(
        self,
        session: AnySession,
        connection: XeroConnection,
        values: dict[str, Any],
        is_due: bool,
    ) -> None:
        change(connection, **values)
        expected = [connection.id] if is_due else []
        assert due.connections_to_refresh(session, NOW) == expected

    def test_the_longest_overdue_comes_first(
        self, session: AnySession, connection: XeroConnection
    ) -> None:
        other = factories.make_connection(factories.make_practice(), refresh_due_at=BEFORE)
        change(connection, refresh_due_at=NOW)
        assert due.connections_to_refresh(session, NOW) == [other.id, connection.id]

    def test_after_an_outage_a_sweep_names_a_share_of_them(
        self, session: AnySession, connection: XeroConnection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = factories.make_connection(factories.make_practice(), refresh_due_at=BEFORE)
        change(connection, refresh_due_at=NOW)
        monkeypatch.setattr(due, "REFRESHES_AT_ONCE", 1)
        assert due.connections_to_refresh(session, NOW) == [other.id]


class TestPracticesToSync:
    @pytest.mark.parametrize(
        ("values", "is_due"),
        [
            ({"sync_due_at": NOW}, True),
            ({"sync_due_at": AFTER}, False),
            ({"sync_due_at": BEFORE, "auto_sync_contacts": False}, False),
            ({"sync_due_at": BEFORE, "status": ConnectionStatus.ERROR}, False),
            ({"sync_due_at": BEFORE, "waits_until": AFTER}, False),
            ({"sync_due_at": BEFORE, "waits_until": BEFORE}, True),
        ],
    )
    def test_the_due_time_settings_and_status_decide(
        self,
        session: AnySession,
        connection: XeroConnection,
        values: dict[str, Any],
        is_due: bool,
    ) -> None:
        change(connection, **values)
        expected = [connection.practice_id] if is_due else []
        assert list(due.practices_to_sync(session, NOW)) == expected

    @pytest.mark.parametrize(
        ("values", "is_due"),
        [
            ({}, True),
            ({"status": RunStatus.RUNNING, "lease_until": AFTER}, False),
            ({"status": RunStatus.RUNNING, "lease_until": BEFORE}, True),
            ({"status": RunStatus.WAITING_FOR_XERO, "not_before": AFTER}, False),
            ({"status": RunStatus.WAITING_FOR_XERO, "not_before": NOW}, True),
            ({"status": RunStatus.FINISHED}, False),
            ({"status": RunStatus.CANCELLED}, False),
            ({"kind": RunKind.IMPORT}, False),
        ],
    )
    def test_a_run_that_nobody_works_on_is_gone_on_with_even_if_automatic_syncs_are_off(
        self,
        session: AnySession,
        connection: XeroConnection,
        values: dict[str, Any],
        is_due: bool,
    ) -> None:
        change(connection, auto_sync_contacts=False)
        make_run(connection, **values)
        expected = [connection.practice_id] if is_due else []
        assert list(due.practices_to_sync(session, NOW)) == expected

    def test_a_practice_is_named_once_even_if_it_is_due_and_has_a_run(
        self, session: AnySession, connection: XeroConnection
    ) -> None:
        change(connection, sync_due_at=BEFORE)
        make_run(connection)
        assert list(due.practices_to_sync(session, NOW)) == [connection.practice_id]

    def test_a_practice_whose_run_is_being_worked_on_is_not_named(
        self, session: AnySession, connection: XeroConnection
    ) -> None:
        change(connection, sync_due_at=BEFORE)
        make_run(connection, status=RunStatus.RUNNING, lease_until=AFTER)
        assert list(due.practices_to_sync(session, NOW)) == []

    @pytest.mark.parametrize("wait", ["waits_until", "lease_until", "not_before"])
    def test_a_turn_comes_when_every_wait_is_over(
        self, session: AnySession, connection: XeroConnection, wait: str
    ) -> None:
        change(connection, sync_due_at=BEFORE)
        if wait == "waits_until":
            change(connection, waits_until=AFTER)
        else:
            make_run(connection, created_at=BEFORE, **{wait: AFTER})
        later = AFTER + timedelta(seconds=1)
        assert due.practices_to_sync(session, later) == {connection.practice_id: AFTER}

    def test_the_first_turn_is_named_first(
        self, session: AnySession, connection: XeroConnection
    ) -> None:
        other = factories.make_connection(factories.make_practice(), sync_due_at=BEFORE)
        turns = due.practices_to_sync(session, AFTER)
        assert list(turns.items()) == [(other.practice_id, BEFORE), (connection.practice_id, AFTER)]


class TestImportsToRun:
    @pytest.mark.parametrize(
        ("values", "is_due"),
        [
            ({}, True),
            ({"lease_until": AFTER}, False),
            ({"lease_until": BEFORE}, True),
            ({"not_before": AFTER}, False),
            ({"status": RunStatus.FAILED}, False),
            ({"kind": RunKind.CONTACT_SYNC}, False),
        ],
    )
    def test_an_unfinished_import_that_nobody_works_on_is_named(
        self,
        session: AnySession,
        connection: XeroConnection,
        values: dict[str, Any],
        is_due: bool,
    ) -> None:
        make_run(connection, **{"kind": RunKind.IMPORT, **values})
        expected = [connection.practice_id] if is_due else []
        assert due.imports_to_run(session, NOW) == expected


class TestPracticesToPush:
    @pytest.mark.parametrize(
        ("values", "is_due"),
        [
            ({}, True),
            ({"not_before": AFTER}, False),
            ({"not_before": NOW}, True),
            ({"status": PushStatus.UPLOADING, "lease_until": AFTER}, False),
            ({"status": PushStatus.UPLOADING, "lease_until": BEFORE}, True),
            ({"status": PushStatus.UPLOADED}, True),
            ({"status": PushStatus.UPLOADED, "cause": "contact_archived"}, False),
            ({"status": PushStatus.ASSOCIATED}, False),
            ({"status": PushStatus.FAILED, "not_before": BEFORE}, False),
        ],
    )
    def test_the_state_of_the_push_decides(
        self,
        session: AnySession,
        connection: XeroConnection,
        values: dict[str, Any],
        is_due: bool,
    ) -> None:
        make_push(connection, **values)
        expected = [connection.practice_id] if is_due else []
        assert due.practices_to_push(session, NOW) == expected

    @pytest.mark.parametrize(
        ("values", "is_due"),
        [
            ({"push_documents_to_xero": False}, False),
            ({"status": ConnectionStatus.TOKEN_EXPIRED}, False),
            ({"status": ConnectionStatus.DISCONNECTED}, False),
            ({"waits_until": AFTER}, False),
            ({"waits_until": BEFORE}, True),
            ({"push_lease_until": AFTER}, False),
            ({"push_lease_until": BEFORE}, True),
        ],
    )
    def test_so_does_the_state_of_the_connection(
        self,
        session: AnySession,
        connection: XeroConnection,
        values: dict[str, Any],
        is_due: bool,
    ) -> None:
        make_push(connection)
        change(connection, **values)
        expected = [connection.practice_id] if is_due else []
        assert due.practices_to_push(session, NOW) == expected

    def test_a_client_without_a_contact_is_waited_for(
        self, session: AnySession, connection: XeroConnection
    ) -> None:
        push = make_push(connection)
        other = factories.make_client(db.session.get_one(Practice, connection.practice_id))
        change(push, client_id=other.id)
        assert due.practices_to_push(session, NOW) == []

    def test_so_is_a_contact_that_is_archived(
        self, session: AnySession, connection: XeroConnection
    ) -> None:
        push = make_push(connection)
        contact_id = push.client.xero_contact_id
        assert contact_id is not None
        mirrored = db.session.query(due.XeroContact).filter_by(xero_contact_id=contact_id).one()
        change(mirrored, contact_status="ARCHIVED")
        assert due.practices_to_push(session, NOW) == []

    def test_a_mapping_whose_contact_was_never_read_is_good_enough(
        self, session: AnySession, connection: XeroConnection
    ) -> None:
        practice = db.session.get_one(Practice, connection.practice_id)
        client = factories.make_client(practice)
        factories.make_mapping(connection, client, str(uuid4()))
        document = factories.make_document(client, status=DocumentStatus.ACCEPTED)
        change(make_push(connection), client_id=client.id, document_id=document.id)
        assert due.practices_to_push(session, NOW) == [practice.id]

    def test_a_document_that_is_no_longer_accepted_is_not_sent(
        self, session: AnySession, connection: XeroConnection
    ) -> None:
        change(make_push(connection).document, status=DocumentStatus.REJECTED)
        assert due.practices_to_push(session, NOW) == []

    def test_many_documents_name_their_practice_once(
        self, session: AnySession, connection: XeroConnection
    ) -> None:
        for _ in range(3):
            make_push(connection)
        assert due.practices_to_push(session, NOW) == [connection.practice_id]

    def test_a_practice_is_named_once_and_who_was_served_last_comes_last(
        self, session: AnySession, connection: XeroConnection
    ) -> None:
        moments = (NOW, None, BEFORE)
        connections = [
            factories.make_connection(factories.make_practice(), last_good_call_at=moment)
            for moment in moments
        ]
        for other in connections:
            for _ in range(2):
                make_push(other)
        served_now, never_served, served_before = [one.practice_id for one in connections]
        assert due.practices_to_push(session, NOW) == [never_served, served_before, served_now]


class TestPracticesToRetry:
    @pytest.mark.parametrize(
        ("values", "is_due"),
        [
            ({"not_before": NOW}, True),
            ({"not_before": AFTER}, False),
            ({"not_before": None}, False),
            ({"not_before": BEFORE, "retry_count": MAX_RETRIES}, False),
            ({"not_before": BEFORE, "status": PushStatus.PENDING}, False),
        ],
    )
    def test_a_failed_push_with_tries_left_is_named_when_its_time_has_come(
        self,
        session: AnySession,
        connection: XeroConnection,
        values: dict[str, Any],
        is_due: bool,
    ) -> None:
        make_push(connection, **{"status": PushStatus.FAILED, **values})
        expected = [connection.practice_id] if is_due else []
        assert due.practices_to_retry(session, NOW) == expected


class TestConnectionsToCheck:
    @pytest.mark.parametrize(
        ("values", "is_due"),
        [
            ({"health_due_at": NOW}, True),
            ({"health_due_at": AFTER}, False),
            ({"health_due_at": None}, False),
            ({"health_due_at": BEFORE, "status": ConnectionStatus.ERROR}, True),
            ({"health_due_at": BEFORE, "status": ConnectionStatus.TOKEN_EXPIRED}, False),
            ({"health_due_at": BEFORE, "waits_until": AFTER}, False),
            ({"health_due_at": BEFORE, "status": ConnectionStatus.DISCONNECTED}, False),
        ],
    )
    def test_the_due_time_and_status_decide(
        self,
        session: AnySession,
        connection: XeroConnection,
        values: dict[str, Any],
        is_due: bool,
    ) -> None:
        change(connection, **values)
        expected = [connection.id] if is_due else []
        assert list(due.connections_to_check(session, NOW)) == expected

    def test_a_disconnected_one_that_still_holds_tokens_is_named(
        self, session: AnySession, connection: XeroConnection
    ) -> None:
        change(
            connection,
            health_due_at=BEFORE,
            status=ConnectionStatus.DISCONNECTED,
            refresh_token_encrypted="locked",
        )
        assert list(due.connections_to_check(session, NOW)) == [connection.id]

    def test_its_turn_comes_when_its_wait_is_over(
        self, session: AnySession, connection: XeroConnection
    ) -> None:
        change(connection, health_due_at=BEFORE, waits_until=AFTER)
        assert due.connections_to_check(session, AFTER) == {connection.id: AFTER}
