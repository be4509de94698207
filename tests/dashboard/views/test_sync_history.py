"""The sync history and the page of a run."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    ConnectionStatus,
    ItemOutcome,
    Practice,
    RunKind,
    RunStatus,
    SyncRun,
    SyncRunItem,
    User,
    XeroConnection,
)
from tests import factories
from tests.support.browser import Browser

SCRIPT = {"HX-Request": "true"}


@pytest.fixture
def connection(practice: Practice) -> XeroConnection:
    """A connection in use."""
    return factories.make_connection(practice)


def make_run(connection: XeroConnection, **values: Any) -> SyncRun:
    """Return a stored run that began a moment ago."""
    given = {
        "kind": RunKind.IMPORT,
        "status": RunStatus.RUNNING,
        "progress": {},
        "started_at": utcnow(),
    }
    run = SyncRun(
        practice_id=connection.practice_id, xero_connection_id=connection.id, **{**given, **values}
    )
    db.session.add(run)
    db.session.commit()
    return run


def change(run: SyncRun, **values: Any) -> None:
    """Change a run as a worker does, later than it was seen."""
    for name, value in values.items():
        setattr(run, name, value)
    run.updated_at = utcnow() + timedelta(seconds=1)
    db.session.commit()


def make_item(run: SyncRun, outcome: ItemOutcome, name: str, **values: Any) -> None:
    """Store what became of one contact."""
    db.session.add(
        SyncRunItem(
            run_id=run.id,
            practice_id=run.practice_id,
            xero_contact_id=str(uuid4()),
            contact_name=name,
            action="create",
            outcome=outcome,
            **values,
        )
    )
    db.session.commit()


class TestList:
    def test_no_runs_yet_is_said(self, browser: Browser, connection: XeroConnection) -> None:
        text = browser.get("/sync-history").text
        assert "No syncs yet." in text
        assert "The first contact check starts within 15 minutes." in text

    def test_a_run_shows_who_what_and_how_it_ended(
        self, browser: Browser, connection: XeroConnection, admin: User
    ) -> None:
        run = make_run(
            connection,
            status=RunStatus.FAILED,
            started_by_id=admin.id,
            error="Xero did not answer.",
        )
        text = browser.get("/sync-history").text
        assert f'href="/sync-history/{run.id}"' in text
        for word in ("Import", "Priya", "Failed", "Xero did not answer."):
            assert word in text

    def test_checks_without_changes_are_hidden_and_folded_on_demand(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        for number in range(3):
            make_run(
                connection,
                kind=RunKind.CONTACT_SYNC,
                status=RunStatus.FINISHED,
                created_at=utcnow() - timedelta(minutes=15 * number),
            )
        hidden = browser.get("/sync-history").text
        assert "No contact check has changed anything yet." in hidden
        shown = browser.get("/sync-history?all=1").text
        assert "3 checks without changes" in shown
        assert shown.count("<tr") == 2

    def test_filters_narrow_the_list_and_unknown_words_are_refused(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        run = make_run(connection, status=RunStatus.FINISHED_WITH_PROBLEMS, problems=1)
        assert str(run.id) in browser.get("/sync-history?status=problems&kind=import").text
        none = browser.get("/sync-history?kind=contact_sync").text
        assert "No runs match." in none
        assert browser.get("/sync-history?kind=x").status_code == 422

    def test_a_list_without_unfinished_runs_has_no_poller(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        make_run(connection, status=RunStatus.FINISHED)
        assert "/panels/badges" not in browser.get("/sync-history").text

    def test_badges_follow_an_unfinished_run_to_its_end(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        run = make_run(connection)
        found = re.search(r'hx-get="([^"]*/panels/badges[^"]*)"', browser.get("/sync-history").text)
        assert found
        address = unescape(found[1])
        assert browser.get(address, headers=SCRIPT).status_code == 204
        change(run, status=RunStatus.FINISHED)
        text = browser.get(address, headers=SCRIPT).text
        assert "Finished" in text
        assert 'hx-swap-oob="true"' in text
        assert "hx-get" not in text

    def test_a_practice_that_left_xero_reads_why_nothing_comes(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        make_run(connection, status=RunStatus.FINISHED)
        connection.status = ConnectionStatus.DISCONNECTED
        db.session.commit()
        text = browser.get("/sync-history").text
        assert "No new runs until Xero is reconnected." in text
        assert "Run contact check now" not in text

    def test_a_failed_check_can_be_run_anew_where_xero_can_be_asked(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        failed = make_run(connection, kind=RunKind.CONTACT_SYNC, status=RunStatus.FAILED)
        page = f"/sync-history/{failed.id}"
        assert "Run contact check now" in browser.get(page).text
        connection.status = ConnectionStatus.TOKEN_EXPIRED
        db.session.commit()
        text = browser.get(page).text
        assert '<div id="run-actions" class="actions run-actions"></div>' in text
        assert "(stopped here)" in text

    def test_running_a_check_leads_to_the_one_run(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        first = browser.post("/sync-history/contact-check")
        second = browser.post("/sync-history/contact-check")
        assert first.status_code == 303
        assert first.headers["Location"] == second.headers["Location"]
        text = browser.get(second.headers["Location"]).text
        assert "A contact check is already running." in text
        assert len(db.session.scalars(select(SyncRun)).all()) == 1


class TestProgressPanel:
    def test_it_answers_204_until_something_changed(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        run = make_run(connection, total=1516, done=640, problems=3)
        page = browser.get(f"/sync-history/{run.id}").text
        assert "640 of 1,516 · 3 need attention" in page
        found = re.search(r'hx-get="([^"]*/panels/progress[^"]*)"', page)
        assert found
        address = unescape(found[1])
        assert browser.get(address, headers=SCRIPT).status_code == 204
        change(run, done=700)
        assert "700 of 1,516" in browser.get(address, headers=SCRIPT).text

    def test_the_last_fragment_asks_no_more_and_says_how_it_ended(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        run = make_run(
            connection,
            status=RunStatus.FINISHED_WITH_PROBLEMS,
            total=4,
            done=4,
            created=2,
            linked=1,
            problems=1,
            finished_at=utcnow(),
        )
        text = browser.get(f"/sync-history/{run.id}/panels/progress?seen=1", headers=SCRIPT).text
        for attribute in ("hx-get", "hx-trigger", "data-poll"):
            assert attribute not in text
        assert "Import finished" in text
        assert "Import finished. 2 created, 1 linked, 1 needs attention." in text
        assert 'id="run-actions"' in text
        assert "Cancel" not in text

    def test_a_milestone_is_said_once(self, browser: Browser, connection: XeroConnection) -> None:
        run = make_run(connection, total=100, done=50)
        url = f"/sync-history/{run.id}/panels/progress"
        first = browser.get(f"{url}?heard=25.100", headers=SCRIPT).text
        assert "Half done, 50 of 100." in first
        heard = re.search(r"heard=([^&\"]+)", first)
        assert heard
        again = browser.get(f"{url}?heard={heard[1]}", headers=SCRIPT).text
        assert 'id="live"' not in again

    def test_waiting_for_xero_says_when_it_carries_on(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        run = make_run(
            connection,
            kind=RunKind.CONTACT_SYNC,
            status=RunStatus.WAITING_FOR_XERO,
            done=7,
            not_before=utcnow() + timedelta(minutes=2),
        )
        text = browser.get(f"/sync-history/{run.id}").text
        assert "Xero asked us to slow down. Carries on at" in text
        assert "hx-trigger" in text

    def test_a_paused_reader_gets_no_trigger(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        run = make_run(connection)
        browser.post("/preferences", {"live": "paused", "next": "/sync-history"})
        text = browser.get(f"/sync-history/{run.id}").text
        assert "hx-trigger" not in text
        assert "Refresh" in text

    def test_opened_directly_it_leads_to_its_page(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        run = make_run(connection)
        answer = browser.get(f"/sync-history/{run.id}/panels/progress")
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/sync-history/{run.id}")


class TestResults:
    def test_an_unfinished_run_shows_how_far_it_is_and_no_table(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        run = make_run(connection, total=3, done=1, created=1)
        make_item(run, ItemOutcome.CREATED, "Bea Ltd")
        make_item(run, ItemOutcome.WAITING, "Cas Ltd")
        text = browser.get(f"/sync-history/{run.id}").text
        assert "1 of 3" in text
        assert "<strong>1</strong> created" in text
        for hidden in ("Bea Ltd", "Cas Ltd", 'id="results"', "See what happened"):
            assert hidden not in text

    def test_the_last_fragment_leads_to_the_table(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        run = make_run(connection, total=2, done=1)
        make_item(run, ItemOutcome.CREATED, "Bea Ltd")
        make_item(run, ItemOutcome.PROBLEM, "M Vela", reason="The contact is archived in Xero.")
        panel, link = (
            f"/sync-history/{run.id}/panels/progress",
            f'<a href="/sync-history/{run.id}">',
        )
        assert link not in browser.get(panel, headers=SCRIPT).text
        change(run, status=RunStatus.FINISHED_WITH_PROBLEMS, done=2, created=1, problems=1)
        last = browser.get(panel, headers=SCRIPT).text
        assert f"{link}See what happened</a>" in last
        assert "M Vela" not in last
        page = browser.get(f"/sync-history/{run.id}").text
        assert "M Vela" in page
        assert "See what happened" not in page

    @pytest.mark.fact(40)
    def test_the_address_of_a_run_is_good_for_ever(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        last_year = utcnow() - timedelta(days=390)
        moments = {"created_at": last_year, "started_at": last_year, "finished_at": last_year}
        run = make_run(connection, status=RunStatus.FINISHED, total=3, done=3, created=3, **moments)
        connection.status = ConnectionStatus.DISCONNECTED
        db.session.commit()
        answer = browser.get(f"/sync-history/{run.id}")
        assert answer.status_code == 200
        assert "Import finished at" in answer.text
        assert "<strong>3</strong> created" in answer.text

    def test_a_run_without_results_leads_nowhere(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        run = make_run(connection, kind=RunKind.CONTACT_SYNC, status=RunStatus.FINISHED)
        text = browser.get(f"/sync-history/{run.id}/panels/progress", headers=SCRIPT).text
        assert "Contact check finished" in text
        assert "See what happened" not in text

    def test_nothing_is_still_to_come_once_a_run_has_ended(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        run = make_run(connection, status=RunStatus.CANCELLED)
        make_item(run, ItemOutcome.WAITING, "Cas Ltd")
        text = browser.get(f"/sync-history/{run.id}").text
        assert "Not done" in text
        assert "To come" not in text

    def test_problems_come_first_with_their_reason(
        self, browser: Browser, connection: XeroConnection, practice: Practice
    ) -> None:
        client = factories.make_client(practice, name="Bea Ltd")
        run = make_run(connection, status=RunStatus.FINISHED_WITH_PROBLEMS)
        make_item(run, ItemOutcome.CREATED, "Bea Ltd", client_id=client.id)
        make_item(run, ItemOutcome.PROBLEM, "M Vela", reason="The contact is archived in Xero.")
        first = browser.get(f"/sync-history/{run.id}").text
        assert "The contact is archived in Xero." in first
        assert f"/clients/{client.id}" not in first
        created = browser.get(f"/sync-history/{run.id}?result=created").text
        assert f"/clients/{client.id}" in created
        assert browser.get(f"/sync-history/{run.id}?result=x").status_code == 422

    def test_what_changed_in_a_client_is_told_field_by_field(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        run = make_run(connection, kind=RunKind.CONTACT_SYNC, status=RunStatus.FINISHED)
        changes = {
            "email": {"before": None, "after": "new@example.com"},
            "tags": {"before": ["VAT"], "after": ["VAT", "Payroll"]},
        }
        make_item(run, ItemOutcome.UPDATED, "Ada Ltd", changes=changes)
        text = re.sub(r"<[^>]+>", "", browser.get(f"/sync-history/{run.id}").text)
        assert "Email: nothing became new@example.com." in text
        assert "Tags: VAT became VAT, Payroll." in text


class TestCancel:
    def test_a_run_is_cancelled_by_name(self, browser: Browser, connection: XeroConnection) -> None:
        run = make_run(connection, total=10, done=4)
        page = browser.get(f"/sync-history/{run.id}").text
        assert f'action="/sync-history/{run.id}/cancel"' in page
        answer = browser.post(f"/sync-history/{run.id}/cancel")
        text = browser.get(answer.headers["Location"]).text
        assert "Cancelled by Priya after 4 of 10." in text
        assert "/cancel" not in text


class TestStranger:
    def test_a_stranger_meets_what_does_not_exist(
        self, browser_of: Callable[[User], Browser], stranger: User, connection: XeroConnection
    ) -> None:
        run = make_run(connection)
        browser = browser_of(stranger)
        for path in ("", "/panels/progress"):
            ours = browser.get(f"/sync-history/{run.id}{path}", headers=SCRIPT)
            nobodys = browser.get(f"/sync-history/{uuid4()}{path}", headers=SCRIPT)
            assert (ours.status_code, ours.data) == (404, nobodys.data)
        assert browser.post(f"/sync-history/{run.id}/cancel").status_code == 404
        badges = browser.get(f"/sync-history/panels/badges?run={run.id}", headers=SCRIPT)
        assert str(run.id) not in badges.text.replace(f"run={run.id}", "")
        assert str(run.id) not in browser.get("/sync-history").text
