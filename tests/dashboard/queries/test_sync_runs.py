"""Runs as pages see them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session, scoped_session

from dashboard.clock import utcnow
from dashboard.models import (
    ItemOutcome,
    Practice,
    RunKind,
    RunStatus,
    SyncRun,
    SyncRunItem,
    User,
    XeroConnection,
)
from dashboard.queries import sync_runs
from dashboard.queries.keyset import UnknownCursor
from tests.factories import make_client, make_connection

AnySession = scoped_session[Session]


@pytest.fixture
def connection(practice: Practice) -> XeroConnection:
    return make_connection(practice)


def make_run(session: AnySession, connection: XeroConnection, **values: Any) -> SyncRun:
    given = {"kind": RunKind.CONTACT_SYNC, "status": RunStatus.FINISHED}
    run = SyncRun(
        practice_id=connection.practice_id,
        xero_connection_id=connection.id,
        **{**given, **values},
    )
    session.add(run)
    session.commit()
    return run


def add_item(session: AnySession, run: SyncRun, name: str, **values: Any) -> SyncRunItem:
    item = SyncRunItem(
        run_id=run.id,
        practice_id=run.practice_id,
        xero_contact_id=name,
        contact_name=name,
        action="create",
        **values,
    )
    session.add(item)
    session.commit()
    return item


class TestRun:
    def test_it_says_who_started_it_where_and_how_far_it_is(
        self, session: AnySession, connection: XeroConnection, practice: Practice, admin: User
    ) -> None:
        run = make_run(
            session,
            connection,
            kind=RunKind.IMPORT,
            status=RunStatus.RUNNING,
            started_by_id=admin.id,
            total=3,
            done=2,
        )
        row = sync_runs.run(session, practice.id, run.id)
        assert row is not None
        assert (row.kind, row.status, row.percent) == ("import", "running", 66)
        assert (row.started_by_name, row.organisation_name) == (admin.name, "Demo Company (UK)")
        assert not row.is_final
        assert not row.is_automatic

    def test_a_stranger_does_not_find_it(
        self, session: AnySession, connection: XeroConnection, stranger: User
    ) -> None:
        run = make_run(session, connection)
        assert sync_runs.run(session, stranger.practice_id, run.id) is None
        assert sync_runs.history(session, stranger.practice_id).rows == ()
        assert sync_runs.items(session, stranger.practice_id, run.id).rows == ()

    def test_its_version_changes_with_the_row(
        self, session: AnySession, connection: XeroConnection, practice: Practice
    ) -> None:
        run = make_run(session, connection, updated_at=utcnow() - timedelta(seconds=5))
        before = sync_runs.run(session, practice.id, run.id)
        run.done = 1
        session.commit()
        after = sync_runs.run(session, practice.id, run.id)
        assert before is not None
        assert after is not None
        assert before.version != after.version


class TestHistory:
    def runs(self, session: AnySession, connection: XeroConnection, number: int) -> list[datetime]:
        start = utcnow() - timedelta(hours=1)
        moments = [start + timedelta(minutes=n) for n in range(number)]
        for moment in moments:
            make_run(session, connection, created_at=moment)
        return moments

    def test_the_newest_come_first_and_pages_follow_each_other(
        self, session: AnySession, connection: XeroConnection, practice: Practice
    ) -> None:
        moments = self.runs(session, connection, 5)
        page = sync_runs.history(session, practice.id, limit=2)
        seen = [row.created_at for row in page.rows]
        while page.next_cursor:
            page = sync_runs.history(session, practice.id, limit=2, cursor=page.next_cursor)
            seen += [row.created_at for row in page.rows]
        assert seen == sorted(moments, reverse=True)

    def test_automatic_checks_that_changed_nothing_can_be_left_out(
        self, session: AnySession, connection: XeroConnection, practice: Practice, admin: User
    ) -> None:
        make_run(session, connection)
        make_run(session, connection, progress={"new": 0, "changed": 0})
        told = {
            make_run(session, connection, started_by_id=admin.id).id,
            make_run(session, connection, progress={"new": 7, "changed": 0}).id,
            make_run(session, connection, updated=1).id,
            make_run(session, connection, status=RunStatus.FAILED).id,
            make_run(session, connection, kind=RunKind.IMPORT).id,
        }
        shown = sync_runs.history(session, practice.id, with_changes_only=True).rows
        assert {row.id for row in shown} == told
        assert len(sync_runs.history(session, practice.id).rows) == 7

    def test_filters_by_kind_and_status(
        self, session: AnySession, connection: XeroConnection, practice: Practice
    ) -> None:
        failed = make_run(session, connection, status=RunStatus.FAILED)
        imported = make_run(
            session, connection, kind=RunKind.IMPORT, status=RunStatus.FINISHED_WITH_PROBLEMS
        )
        make_run(session, connection)
        by_kind = sync_runs.history(session, practice.id, kind="import").rows
        assert [row.id for row in by_kind] == [imported.id]
        problems = sync_runs.history(session, practice.id, status="problems").rows
        assert {row.id for row in problems} == {failed.id, imported.id}
        assert sync_runs.history(session, practice.id, kind="nonsense").rows == ()

    def test_a_cursor_from_elsewhere_is_refused(
        self, session: AnySession, practice: Practice
    ) -> None:
        with pytest.raises(UnknownCursor):
            sync_runs.history(session, practice.id, cursor={"name": "a", "id": "b"})

    def test_unfinished_and_latest(
        self, session: AnySession, connection: XeroConnection, practice: Practice
    ) -> None:
        make_run(session, connection, created_at=utcnow() - timedelta(hours=1))
        waiting = make_run(session, connection, status=RunStatus.WAITING_FOR_XERO)
        assert [row.id for row in sync_runs.unfinished(session, practice.id)] == [waiting.id]
        latest = sync_runs.latest(session, practice.id, "contact_sync")
        assert latest is not None
        assert latest.id == waiting.id
        assert sync_runs.latest(session, practice.id, "import") is None


class TestItems:
    def test_items_are_paged_filtered_and_counted(
        self, session: AnySession, connection: XeroConnection, practice: Practice
    ) -> None:
        run = make_run(session, connection, kind=RunKind.IMPORT)
        client = make_client(practice, name="Ada Ltd")
        for n in range(3):
            add_item(session, run, f"c{n}", outcome=ItemOutcome.CREATED, client_id=client.id)
        add_item(session, run, "bad", outcome=ItemOutcome.PROBLEM, reason="Archived.")
        first = sync_runs.items(session, practice.id, run.id, limit=3)
        rest = sync_runs.items(session, practice.id, run.id, limit=3, cursor=first.next_cursor)
        assert [row.contact_name for row in first.rows + rest.rows] == ["c0", "c1", "c2", "bad"]
        assert rest.next_cursor is None
        assert first.rows[0].client_name == "Ada Ltd"
        problems = sync_runs.items(session, practice.id, run.id, outcome="problem").rows
        assert [row.reason for row in problems] == ["Archived."]
        counted = sync_runs.outcomes(session, practice.id, run.id)
        assert counted == {"created": 3, "problem": 1}
