"""Pages that are watched while rows change: a run and documents, moved on by hand, poll by poll."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from sqlalchemy import select, update

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    Alert,
    AlertCause,
    Client,
    ClientDocument,
    DocumentStatus,
    Practice,
    PushStatus,
    RunKind,
    RunStatus,
    SyncRun,
    XeroConnection,
    XeroFilePush,
)
from tests import factories
from tests.browser.conftest import seat, sign_in
from tests.browser.installation import Installation, Person
from tests.browser.test_polling import poll

PRACTICE = "Live & Kicking"
CONTACTS = 1_500
STEP = 50
MOST_ANNOUNCEMENTS = 8
POLLS = 5
# Far enough that no worker takes up what the test moves on by itself.
LEASED = timedelta(hours=2)
BACK_OFF = (5, 10, 30, 60)
MOST_SECONDS = 600
BADGES, PROGRESS, FRAME = "/documents/panels/badges", "/panels/progress", "/panels/frame"

COUNT_ANNOUNCEMENTS = """
() => {
  window.liveRegion = document.getElementById("live");
  window.said = [];
  new MutationObserver(() => window.said.push(window.liveRegion.textContent)).observe(
    window.liveRegion, { childList: true, characterData: true, subtree: true });
}
"""
COUNT_FOCUS = """
() => {
  window.focused = document.activeElement;
  window.focusEvents = 0;
  document.addEventListener("focusin", () => { window.focusEvents += 1; });
}
"""
NOTE_ASKS = """
() => {
  window.asks = [];
  document.addEventListener("htmx:beforeSend", (event) => {
    if (event.detail.elt.id === "run-progress") window.asks.push(Date.now());
  });
}
"""
# The page asks when the test says so, and not by itself in between.
ONLY_WHEN_TOLD = """
const later = window.setTimeout;
window.setTimeout = (work, delay, ...rest) => delay >= 1000 ? 0 : later(work, delay, ...rest);
"""
ROWS = "rows => rows.map((row) => row.id)"

pytestmark = pytest.mark.timeout(180)


@dataclass(frozen=True, slots=True)
class Stage:
    """A practice whose rows a test moves by hand."""

    installation: Installation
    admin: Person
    practice_id: UUID
    connection_id: UUID

    def do(self, work: Callable[[], Any]) -> Any:
        """Do *work* in the database, and commit it."""
        with self.installation.app.app_context():
            done = work()
            db.session.commit()
            db.session.remove()
        return done

    def start_run(self, kind: RunKind, **values: Any) -> str:
        """Return the address of a new run that some worker holds."""
        given = {
            "practice_id": self.practice_id,
            "xero_connection_id": self.connection_id,
            "kind": kind,
            "status": RunStatus.RUNNING,
            "started_at": utcnow(),
            "lease_owner": "nobody",
            "lease_until": utcnow() + LEASED,
        }

        def add() -> UUID:
            run = SyncRun(**{**given, **values})
            db.session.add(run)
            db.session.flush()
            return run.id

        return f"{self.installation.origin}/sync-history/{self.do(add)}"

    def move_run(self, address: str, **values: Any) -> None:
        """Let a run be seen further on."""
        run_id = UUID(address.rpartition("/")[2])
        self.do(
            lambda: db.session.execute(
                update(SyncRun)
                .where(SyncRun.id == run_id)
                .values(**{"updated_at": utcnow(), **values})
            )
        )

    def end_run(self, address: str, **values: Any) -> None:
        """Let a run end well."""
        done = {"status": RunStatus.FINISHED, "finished_at": utcnow(), "lease_owner": None}
        self.move_run(address, **{**done, **values})

    def add_document(self, name: str, **push: Any) -> UUID:
        """Return a new accepted document whose push some worker holds."""
        held = {"lease_owner": "nobody", "lease_until": utcnow() + LEASED}

        def add() -> UUID:
            practice = db.session.get_one(Practice, self.practice_id)
            client = factories.make_client(practice, name=f"Client of {name}")
            connection = db.session.get_one(XeroConnection, self.connection_id)
            contact = factories.make_contact(connection, name=client.name)
            factories.make_mapping(connection, client, contact.xero_contact_id)
            document = factories.make_document(
                client, file_name=name, status=DocumentStatus.ACCEPTED, decided_at=utcnow()
            )
            given = {"status": PushStatus.UPLOADING, **held, **push}
            factories.make_push(connection, document, **given)
            return document.id

        found: UUID = self.do(add)
        return found

    def move_push(self, document_id: UUID, **values: Any) -> None:
        """Let a document be seen further on its way."""
        self.do(
            lambda: db.session.execute(
                update(XeroFilePush)
                .where(XeroFilePush.document_id == document_id)
                .values(**{"updated_at": utcnow(), **values})
            )
        )

    def open_alert(self) -> None:
        """Let the header have news."""
        values = {"tone": "danger", "title": "Reconnect needed", "text": "Words."}
        self.do(
            lambda: db.session.add(
                Alert(practice_id=self.practice_id, cause=AlertCause.IMPORT_PROBLEMS, **values)
            )
        )

    def clear(self) -> None:
        """Leave no document and no alert behind."""

        def remove() -> None:
            for kind in (XeroFilePush, ClientDocument, Alert, Client):
                for row in db.session.scalars(
                    select(kind).where(kind.practice_id == self.practice_id)
                ):
                    db.session.delete(row)
                db.session.flush()

        self.do(remove)


@pytest.fixture(scope="module")
def stage(installation: Installation) -> Stage:
    """A connected practice in which nothing happens by itself."""
    admin = installation.new_practice(PRACTICE, "lena@live.example")
    with installation.app.app_context():
        practice = db.session.scalars(select(Practice).where(Practice.name == PRACTICE)).one()
        connection = factories.make_connection(practice, last_sync_at=utcnow())
        found = Stage(installation, admin, practice.id, connection.id)
        db.session.remove()
    return found


@pytest.fixture(scope="module")
def context(chromium: Browser, stage: Stage) -> Iterator[BrowserContext]:
    """The admin's browser."""
    with seat(chromium) as (context, _watch):
        page = context.new_page()
        sign_in(page, stage.installation.origin, stage.admin)
        page.close()
        yield context


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """An empty page of that browser."""
    page = context.new_page()
    yield page
    page.close()


def open_still(page: Page, address: str) -> None:
    """Open a page whose panels ask only when they are told to."""
    page.add_init_script(ONLY_WHEN_TOLD)
    page.goto(address)


def pretend_twenty_seconds_passed(route: Route) -> None:
    """Let the server believe that the last announcement was twenty seconds ago."""
    older = re.sub(
        r"(heard=\w+\.)(\d+)", lambda found: found[1] + str(int(found[2]) - 20), route.request.url
    )
    route.continue_(url=older)


class TestRun:
    @pytest.mark.fact(4, 15, 16, 17)
    def test_a_long_import_is_told_calmly_and_alike_in_two_tabs(
        self, context: BrowserContext, page: Page, stage: Stage
    ) -> None:
        address = stage.start_run(RunKind.IMPORT, total=CONTACTS)
        beside = context.new_page()
        for tab in (page, beside):
            open_still(tab, address)
        page.route(f"**{PROGRESS}*", pretend_twenty_seconds_passed)
        page.evaluate(COUNT_ANNOUNCEMENTS)
        bars = []
        for done in range(STEP, CONTACTS, STEP):
            problems = int(done > CONTACTS // 3)
            stage.move_run(address, done=done, created=done - problems, problems=problems)
            assert poll(page, PROGRESS) == 200
            bars.append(page.locator("#run-bar").evaluate("bar => bar.value"))
        assert bars == sorted(bars)
        assert poll(beside, PROGRESS) == 200
        counts = [tab.locator("#run-progress .panel-body").inner_text() for tab in (page, beside)]
        assert counts[0] == counts[1]
        assert "1,449" in counts[0]
        done = {"done": CONTACTS, "created": CONTACTS - 1, "linked": 0}
        stage.end_run(address, **done, status=RunStatus.FINISHED_WITH_PROBLEMS)
        for tab in (page, beside):
            assert poll(tab, PROGRESS) == 200
            panel = tab.locator("#run-progress")
            expect(panel).to_contain_text("Import finished")
            for attribute in ("hx-get", "hx-trigger", "data-poll"):
                assert panel.get_attribute(attribute) is None
        said = page.evaluate("window.said")
        assert said[-1].startswith("Import finished. 1,499 created")
        assert 4 <= len(said) <= MOST_ANNOUNCEMENTS, said
        assert page.evaluate("window.liveRegion === document.getElementById('live')")
        beside.close()

    @pytest.mark.fact(49)
    def test_a_wait_keeps_the_bar_and_names_the_minute(self, page: Page, stage: Stage) -> None:
        address = stage.start_run(RunKind.CONTACT_SYNC, total=900, done=300)
        open_still(page, address)
        until = utcnow() + timedelta(seconds=42)
        waiting = {"status": RunStatus.WAITING_FOR_XERO, "waits_because": "minute"}
        stage.move_run(address, not_before=until, **waiting)
        assert poll(page, PROGRESS) == 200
        panel = page.locator("#run-progress")
        expect(panel).to_contain_text("Xero asked us to slow down.")
        moment = panel.get_by_text("Carries on at").locator("time")
        expect(moment).to_have_attribute("datetime", f"{until:%Y-%m-%dT%H:%M:%SZ}")
        expect(moment).to_have_text(re.compile(r"^\d\d:\d\d$"))
        bar = page.locator("#run-bar")
        assert bar.evaluate("bar => bar.value") == 300
        running = {"status": RunStatus.RUNNING, "waits_because": None, "not_before": None}
        stage.move_run(address, done=600, **running)
        assert poll(page, PROGRESS) == 200
        expect(panel).not_to_contain_text("slow down")
        assert bar.evaluate("bar => bar.value") == 600
        stage.end_run(address, done=900)

    @pytest.mark.fact(12)
    def test_failed_polls_are_told_and_come_less_and_less_often(
        self, page: Page, stage: Stage
    ) -> None:
        address = stage.start_run(RunKind.CONTACT_SYNC, total=900, done=300)
        page.clock.install()
        page.goto(address)
        page.evaluate(NOTE_ASKS)
        page.route(f"**{PROGRESS}*", lambda route: route.abort())
        asks: list[int] = []
        for _ in range(MOST_SECONDS):
            page.clock.run_for(1_000)
            asks = page.evaluate("window.asks")
            if len(asks) > len(BACK_OFF):
                break
        gaps = [(later - sooner) / 1_000 for sooner, later in pairwise(asks)]
        assert len(gaps) == len(BACK_OFF)
        assert all(gap >= pause for gap, pause in zip(gaps, BACK_OFF, strict=True)), gaps
        line = page.locator("#run-progress [data-live-line]")
        expect(line).to_contain_text(re.compile(r"Not updating\. Last updated \d\d:\d\d:\d\d\."))
        expect(page.locator("#run-progress")).to_contain_text("300 of about 900 contacts read")
        page.clock.run_for(600_000)
        assert page.evaluate("window.asks") == asks, "It was to wait for a person"
        page.unroute(f"**{PROGRESS}*")
        with page.expect_response(lambda answer: PROGRESS in answer.url):
            line.get_by_role("button", name="Try now").click()
        expect(line).not_to_contain_text("Not updating")
        stage.end_run(address, done=900)

    @pytest.mark.fact(13)
    def test_offline_is_told_and_over_without_a_reload(
        self, context: BrowserContext, page: Page, stage: Stage
    ) -> None:
        address = stage.start_run(RunKind.CONTACT_SYNC, total=900, done=300)
        page.goto(address)
        line = page.locator("#run-progress [data-live-line]")
        context.set_offline(True)
        expect(line).to_contain_text(
            re.compile(r"You are offline\. This page was last updated at \d\d:\d\d:\d\d\.")
        )
        expect(page.locator("#run-progress")).to_contain_text("300 of about 900 contacts read")
        stage.end_run(address, done=900)
        context.set_offline(False)
        expect(page.locator("#run-progress")).to_contain_text("Contact check finished")


class TestDocuments:
    @pytest.mark.fact(2, 11)
    def test_polls_change_badges_and_nothing_else(self, page: Page, stage: Stage) -> None:
        stage.clear()
        ids = [stage.add_document(f"{number}.pdf") for number in range(3)]
        open_still(page, f"{stage.installation.origin}/documents")
        rows = page.locator("#documents tbody tr")
        before = rows.evaluate_all(ROWS)
        rows.nth(1).get_by_role("link").first.focus()
        page.evaluate(COUNT_FOCUS)
        ways = [
            {"status": PushStatus.UPLOADED},
            {"status": PushStatus.PENDING, "not_before": utcnow() + LEASED},
            {"status": PushStatus.UPLOADING, "not_before": None},
            {"status": PushStatus.UPLOADED},
        ]
        for way in ways:
            stage.move_push(ids[1], **way)
            assert poll(page, BADGES) == 200
        stage.add_document("brand-new.pdf")
        assert poll(page, BADGES) == 200
        expect(page.locator("#documents-new")).to_have_text("1 new document. Show it")
        assert rows.evaluate_all(ROWS) == before
        expect(page.locator(f"#push-{ids[1]}")).to_have_text("Linking to contact")
        assert page.evaluate("document.activeElement === window.focused")
        assert page.evaluate("window.focusEvents") == 0
        for document_id in ids:
            stage.move_push(document_id, status=PushStatus.ASSOCIATED, pushed_at=utcnow())
        assert poll(page, BADGES) == 200
        expect(page.locator("#live")).to_have_text("3 of 3 filed in Xero.")
        page.get_by_role("link", name="Show it").click()
        expect(rows.first).to_contain_text("brand-new.pdf")

    @pytest.mark.fact(1, 2)
    def test_ticks_and_focus_outlast_polls(self, page: Page, stage: Stage) -> None:
        stage.clear()
        refused = {"status": PushStatus.FAILED, "cause": "refused", "retry_count": 4}
        for number in range(3):
            stage.add_document(f"{number}.pdf", **refused)
        open_still(page, f"{stage.installation.origin}/documents?tab=attention")
        boxes = page.locator("#documents [name=ticked]")
        boxes.nth(0).check()
        boxes.nth(2).check()
        boxes.nth(2).focus()
        page.evaluate(COUNT_FOCUS)
        statuses = [poll(page, FRAME)]
        stage.open_alert()
        statuses += [poll(page, FRAME) for _ in range(POLLS - 1)]
        assert 200 in statuses
        assert [box.is_checked() for box in boxes.all()] == [True, False, True]
        assert page.evaluate("document.activeElement === window.focused")
        assert page.evaluate("window.focusEvents") == 0
        stage.clear()
