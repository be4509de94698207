"""Undoing a run, trying again what failed, and lists as files."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    Client,
    ItemOutcome,
    Practice,
    RunKind,
    RunStatus,
    SyncRun,
    SyncRunItem,
    User,
    XeroConnection,
    XeroContactMapping,
)
from dashboard.services.run_results import ImportDecision
from tests import factories
from tests.support.browser import Browser

HOSTILE = (
    "=HYPERLINK(1)",
    "<img src=x onerror=alert(1)>",
    'O\'Brien & "Sons"',
    "שלום בע״מ",
    "Bäckerei 😀",
    "x" * 255,
)


@pytest.fixture
def connection(practice: Practice) -> XeroConnection:
    """A connection in use."""
    return factories.make_connection(practice, last_sync_at=utcnow(), matched_at=utcnow())


def imported(practice: Practice, admin: User, decisions: list[ImportDecision]) -> UUID:
    """Carry out an import and return its run."""
    run_id = wiring.xero_sync().start_import(practice.id, admin.id, decisions).id
    wiring.xero_sync().import_contacts(practice.id)
    return run_id


def created(
    connection: XeroConnection, practice: Practice, admin: User, *names: str
) -> tuple[UUID, list[str]]:
    """Import contacts of these names as new clients; return the run and their ids in Xero."""
    contacts = [factories.make_contact(connection, name=name) for name in names]
    ids = [one.xero_contact_id for one in contacts]
    return imported(practice, admin, [ImportDecision(one, "create") for one in ids]), ids


def plain(text: str) -> str:
    """Return the words of a page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def saved(browser: Browser, path: str) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    # Written while it is read: what reads it has to be within the request.
    text = browser.get(path, buffered=True).text
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


class TestUndo:
    def test_an_admin_sees_what_it_would_do_and_does_it(
        self, browser: Browser, connection: XeroConnection, practice: Practice, admin: User
    ) -> None:
        run_id, _ = created(connection, practice, admin, "Ada", "Bea", "Cyd")
        edited = db.session.scalars(select(Client).where(Client.name == "Bea")).one()
        edited.email = "bea@bea.example"
        db.session.commit()
        run = f"/sync-history/{run_id}"
        assert f'href="{run}/undo"' in browser.get(run).text
        asked = browser.get(f"{run}/undo").text
        assert "2 clients that it created are deleted" in asked
        assert "Undo 2 contacts" in asked
        assert "Bea stays, because it was edited since." in asked
        assert len(db.session.scalars(select(Client)).all()) == 3
        first, second = browser.post(f"{run}/undo"), browser.post(f"{run}/undo")
        assert first.headers["Location"] == second.headers["Location"]
        assert "This run is being undone" in browser.get(run).text
        wiring.xero_sync().undo(practice.id)
        assert db.session.scalars(select(Client.name)).all() == ["Bea"]
        text = plain(browser.get(first.headers["Location"]).text)
        assert "2 undone" in text
        assert "1 left as it is" in text
        assert "Bea stays, because it was edited since." in text
        undone = browser.get(run).text
        assert f'<a class="btn button-primary" href="{first.headers["Location"]}">' in undone
        assert "This run was undone" in undone
        assert "See new clients" not in undone
        history = browser.get("/sync-history").text
        assert re.search(r'<td class="nowrap">Undo</td>', history)

    def test_staff_are_told_whom_to_ask(
        self,
        browser_of: Callable[[User], Browser],
        connection: XeroConnection,
        practice: Practice,
        admin: User,
        colleague: User,
    ) -> None:
        run_id, _ = created(connection, practice, admin, "Ada")
        browser = browser_of(colleague)
        text = browser.get(f"/sync-history/{run_id}").text
        assert "Only practice admins can undo this. Ask Priya." in text
        assert browser.get(f"/sync-history/{run_id}/undo").status_code == 403
        assert browser.post(f"/sync-history/{run_id}/undo").status_code == 403

    def test_what_is_too_old_is_not_offered(
        self, browser: Browser, connection: XeroConnection, practice: Practice, admin: User
    ) -> None:
        run_id, _ = created(connection, practice, admin, "Ada")
        run = db.session.get_one(SyncRun, run_id)
        run.finished_at = utcnow() - timedelta(days=31)
        db.session.commit()
        assert "Undo this import" not in browser.get(f"/sync-history/{run_id}").text

    def test_another_practices_run_is_not_there(
        self,
        browser_of: Callable[[User], Browser],
        connection: XeroConnection,
        practice: Practice,
        admin: User,
        stranger: User,
    ) -> None:
        run_id, _ = created(connection, practice, admin, "Ada")
        browser = browser_of(stranger)
        for answer in (
            browser.get(f"/sync-history/{run_id}/undo"),
            browser.post(f"/sync-history/{run_id}/undo"),
            browser.post(f"/sync-history/{run_id}/again"),
            browser.get(f"/sync-history/{run_id}/results.csv"),
        ):
            assert answer.status_code == 404
        assert saved(browser, "/sync-history/runs.csv?all=1") == []


class TestAgain:
    def test_each_problem_names_one_thing_to_do_and_all_can_be_tried_again(
        self, browser: Browser, connection: XeroConnection, practice: Practice, admin: User
    ) -> None:
        archived = factories.make_contact(connection, name="Archived meanwhile")
        unlinked = factories.make_contact(connection, name="Client gone")
        taken = factories.make_contact(connection, name="Client taken")
        gone, held = (factories.make_client(practice, name=name) for name in ("Gone", "Held"))
        run_id = (
            wiring.xero_sync()
            .start_import(
                practice.id,
                admin.id,
                [
                    ImportDecision(archived.xero_contact_id, "create"),
                    ImportDecision(unlinked.xero_contact_id, "link", gone.id),
                    ImportDecision(taken.xero_contact_id, "link", held.id),
                ],
            )
            .id
        )
        # All of it happens between the start and the work.
        archived.contact_status = "ARCHIVED"
        db.session.delete(gone)
        factories.make_mapping(connection, held, str(uuid4()))
        wiring.xero_sync().import_contacts(practice.id)
        text = browser.get(f"/sync-history/{run_id}").text
        assert "The contact is archived in Xero." in text
        assert "does not exist any more" in text
        assert "Held is already linked to" in text
        rows = re.findall(r'<tr id="item-.*?</tr>', text, re.DOTALL)
        assert [row.count("Read contacts again") for row in rows] == [1, 0, 0]
        assert [row.count("Decide again") for row in rows] == [0, 1, 1]
        assert "Try 3 contacts again" in text
        lead = (
            f'<a class="btn button-primary" href="/sync-history/{run_id}?result=problem#results">'
        )
        assert lead in text
        assert 'id="results"' in text
        archived.contact_status = "ACTIVE"
        db.session.execute(XeroContactMapping.__table__.delete())
        db.session.commit()
        answer = browser.post(f"/sync-history/{run_id}/again")
        wiring.xero_sync().import_contacts(practice.id)
        again = db.session.get_one(SyncRun, UUID(answer.headers["Location"].rpartition("/")[2]))
        # What pointed at a client that is gone needs another decision.
        assert (again.total, again.created, again.linked, again.problems) == (2, 1, 1, 0)

    def test_a_cancelled_import_is_carried_on(
        self, browser: Browser, connection: XeroConnection, practice: Practice, admin: User
    ) -> None:
        contact = factories.make_contact(connection, name="Ada")
        decision = ImportDecision(contact.xero_contact_id, "create")
        run_id = wiring.xero_sync().start_import(practice.id, admin.id, [decision]).id
        browser.post(f"/sync-history/{run_id}/cancel")
        assert "Carry on from here" in browser.get(f"/sync-history/{run_id}").text
        browser.post(f"/sync-history/{run_id}/again")
        wiring.xero_sync().import_contacts(practice.id)
        assert db.session.scalars(select(Client.name)).all() == ["Ada"]

    def test_nothing_is_tried_again_where_nothing_is_left(
        self, browser: Browser, connection: XeroConnection, practice: Practice, admin: User
    ) -> None:
        run_id, _ = created(connection, practice, admin, "Ada")
        headers = {"HX-Request": "true"}
        assert browser.post(f"/sync-history/{run_id}/again", headers=headers).status_code == 422


class TestFiles:
    @pytest.mark.fact(76)
    def test_results_hold_every_contact_and_no_formula(
        self, browser: Browser, connection: XeroConnection, practice: Practice, admin: User
    ) -> None:
        run_id, ids = created(connection, practice, admin, *HOSTILE)
        path = f"/sync-history/{run_id}/results.csv"
        answer = browser.get(f"{path}?result=created", buffered=True)
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert "attachment" in answer.headers["Content-Disposition"]
        rows = saved(browser, f"{path}?result=created")
        assert [row["Contact in Xero"] for row in rows] == ["'" + HOSTILE[0], *HOSTILE[1:]]
        assert [row["Contact ID"] for row in rows] == ids
        assert {row["What happened"] for row in rows} == {"Created"}
        assert saved(browser, f"/sync-history/{run_id}/results.csv?result=problem") == []
        page = browser.get(f"/sync-history/{run_id}").text
        assert "<img" not in page
        assert f"/sync-history/{run_id}/results.csv?result=created" in page

    def test_a_long_file_is_read_in_pages(
        self, browser: Browser, connection: XeroConnection, practice: Practice
    ) -> None:
        run = SyncRun(
            practice_id=practice.id,
            xero_connection_id=connection.id,
            kind=RunKind.CONTACT_SYNC,
            status=RunStatus.FINISHED,
        )
        db.session.add(run)
        db.session.flush()
        db.session.add_all(
            SyncRunItem(
                run_id=run.id,
                practice_id=practice.id,
                xero_contact_id=str(number),
                contact_name=f"Contact {number}",
                action="update",
                outcome=ItemOutcome.UPDATED,
                changes={"email": {"before": None, "after": "=x@x.example"}},
            )
            for number in range(1_101)
        )
        db.session.commit()
        rows = saved(browser, f"/sync-history/{run.id}/results.csv")
        assert [row["Contact ID"] for row in rows] == [str(number) for number in range(1_101)]
        assert rows[0]["Changes"] == "Email: '' became '=x@x.example'"

    def test_the_history_is_saved_as_it_is_filtered(
        self, browser: Browser, connection: XeroConnection, practice: Practice, admin: User
    ) -> None:
        created(connection, practice, admin, "Ada")
        rows = saved(browser, "/sync-history/runs.csv?kind=import")
        assert [(row["Kind"], row["By"], row["Result"], row["New"]) for row in rows] == [
            ("Import", "Priya", "Finished", "1")
        ]
        assert saved(browser, "/sync-history/runs.csv?kind=undo") == []
        page = browser.get("/sync-history?kind=import&from=2020-01-01").text
        assert "/sync-history/runs.csv?kind=import&amp;from=2020-01-01" in page


class TestDays:
    def test_days_are_those_of_the_practice(
        self, browser: Browser, connection: XeroConnection, practice: Practice
    ) -> None:
        # In Sydney it is the 22nd already.
        practice.time_zone = "Australia/Sydney"
        moment = utcnow().replace(2026, 11, 21, 14, 30)
        db.session.add(
            SyncRun(
                practice_id=practice.id,
                xero_connection_id=connection.id,
                kind=RunKind.IMPORT,
                status=RunStatus.FINISHED,
                created_at=moment,
            )
        )
        db.session.commit()
        for query, shown in (
            ("from=2026-11-22&to=2026-11-22", True),
            ("to=2026-11-21", False),
            ("from=2026-11-23", False),
            ("from=0001-01-01&to=9999-12-31", True),
        ):
            text = browser.get(f"/sync-history?{query}").text
            assert ('id="runs"' in text) is shown, query
        assert 'value="2026-11-22"' in browser.get("/sync-history?from=2026-11-22").text

    def test_what_is_no_day_is_refused(self, browser: Browser, connection: XeroConnection) -> None:
        for word in ("yesterday", "2026-13-01", "22/11/2026"):
            assert browser.get(f"/sync-history?from={word}").status_code == 422, word
