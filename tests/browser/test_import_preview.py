"""The import preview in a browser: ticks that stay, decisions that are refused, what follows."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from sqlalchemy import insert, select

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import Client, ImportDraft, Practice, SyncRun, XeroConnection, XeroContact
from tests import factories
from tests.browser.conftest import seat, sign_in
from tests.browser.installation import Installation, Person
from tests.browser.watch import Watch

NEW = 30
MANY = 10_000
PAGE_KILOBYTES = 150
MOST_ROWS = 100
FETCHED = 'performance.getEntriesByType("resource").map((each) => each.name)'

pytestmark = pytest.mark.timeout(180)


@dataclass(frozen=True, slots=True)
class Desk:
    """A practice with contacts of every kind, and who works there."""

    admin: Person
    draft: str
    practice_id: UUID
    connection_id: UUID
    rob_id: UUID


@dataclass(frozen=True, slots=True)
class Visit:
    """A signed-in page at the preview, and what watches it."""

    page: Page
    watch: Watch
    desk: Desk

    def go(self, query: str = "type=") -> None:
        """Open the preview as a query describes it."""
        self.page.goto(f"{self.desk.draft}?{query}")

    def box(self, name: str) -> Locator:
        """Return the tick box of a contact."""
        return self.page.get_by_role("checkbox", name=f"Select {name}", exact=True)

    def row(self, name: str) -> Locator:
        """Return the row of a contact."""
        return self.page.locator("#contacts tbody tr").filter(
            has=self.page.get_by_role("rowheader", name=re.compile(f"^{name}"))
        )

    @property
    def selected(self) -> Locator:
        """Where the count of ticks stands."""
        return self.page.locator("#selected")

    def clear(self) -> None:
        """Begin without ticks."""
        self.go("type=&per=25")
        if self.page.get_by_role("button", name="Clear", exact=True).count():
            self.page.get_by_role("button", name="Clear", exact=True).click()
        expect(self.selected).to_contain_text("0 selected")


@pytest.fixture(scope="module")
def desk(installation: Installation) -> Desk:
    """A practice whose contacts have been read and compared."""
    admin = installation.new_practice("Preview & Partners", "vera@preview.example")
    with installation.app.app_context():
        practice = db.session.scalars(
            select(Practice).where(Practice.name == "Preview & Partners")
        ).one()
        connection = factories.make_connection(
            practice, last_sync_at=utcnow(), matched_at=utcnow(), xero_org_name="Vale Books"
        )
        for number in range(NEW):
            factories.make_contact(
                connection,
                name=f"Contact {number:02}",
                groups=[{"id": "g-vat", "name": "VAT"}] if number % 2 else [],
            )
        rob = factories.make_client(practice, name="Robert Smith", email="rob@smith.example")
        meant = [{"client_id": str(rob.id), "score": 0.95, "reasons": ["Same email"]}]
        factories.make_contact(
            connection, name="Rob exact", email="rob@smith.example", match="exact", candidates=meant
        )
        factories.make_contact(connection, name="Rob maybe", match="possible", candidates=meant)
        ada = factories.make_client(practice, name="Ada Ltd")
        linked = factories.make_contact(connection, name="Zed linked")
        factories.make_mapping(connection, ada, linked.xero_contact_id)
        draft = ImportDraft(practice_id=practice.id, xero_connection_id=connection.id)
        db.session.add(draft)
        db.session.flush()
        found = Desk(
            admin, f"{installation.origin}/import/{draft.id}", practice.id, connection.id, rob.id
        )
        db.session.commit()
        db.session.remove()
    return found


@pytest.fixture(scope="module")
def seated(
    chromium: Browser, installation: Installation, desk: Desk
) -> Iterator[tuple[BrowserContext, Watch]]:
    """The admin's browser, signed in once, and what watches it."""
    with seat(chromium) as (context, watch):
        sign_in(context.new_page(), installation.origin, desk.admin)
        yield context, watch


@pytest.fixture
def visit(seated: tuple[BrowserContext, Watch], desk: Desk) -> Iterator[Visit]:
    """The admin at the preview."""
    context, watch = seated
    watch.forget()
    page = context.new_page()
    yield Visit(page, watch, desk)
    page.close()


class TestTicks:
    @pytest.mark.fact(18, 19, 23)
    def test_ranges_by_keyboard_and_by_mouse_and_the_box_for_the_page(self, visit: Visit) -> None:
        visit.clear()
        header = visit.page.get_by_label("Select all 25 on this page")
        visit.box("Contact 02").focus()
        visit.page.keyboard.press("Space")
        visit.box("Contact 05").focus()
        visit.page.keyboard.press("Shift+Space")
        expect(visit.selected).to_contain_text("4 selected")
        expect(visit.page.locator("#live")).to_have_text(re.compile("4 selected in all"))
        for number in (2, 3, 4, 5):
            expect(visit.box(f"Contact {number:02}")).to_be_checked()
        assert header.evaluate("box => box.indeterminate")
        visit.box("Contact 08").click()
        visit.box("Contact 11").click(modifiers=["Shift"])
        expect(visit.selected).to_contain_text("8 selected")
        assert visit.page.evaluate("String(getSelection())") == ""
        header.check()
        expect(visit.selected).to_contain_text("25 selected")
        assert not header.evaluate("box => box.indeterminate")
        assert visit.watch.troubles == []

    @pytest.mark.fact(20, 21)
    def test_they_survive_pages_filters_orders_reloads_and_another_computer(
        self, visit: Visit, chromium: Browser, installation: Installation
    ) -> None:
        visit.clear()
        visit.box("Contact 03").check()
        expect(visit.selected).to_contain_text("1 selected")
        for query in ("type=&per=25&page=2", "type=&q=contact+29", "type=&sort=-name&per=25"):
            visit.go(query)
            expect(visit.selected).to_contain_text("1 selected")
        visit.go("type=&q=contact+29")
        expect(visit.selected).to_contain_text("1 of them not shown by these filters")
        visit.page.get_by_role("link", name="Show selected").click()
        expect(visit.box("Contact 03")).to_be_checked()
        expect(visit.page.locator("#contacts tbody tr")).to_have_count(1)
        visit.page.reload()
        expect(visit.box("Contact 03")).to_be_checked()
        with seat(chromium) as (context, _watch):
            page = context.new_page()
            sign_in(page, installation.origin, visit.desk.admin)
            page.goto(f"{visit.desk.draft}?type=")
            expect(page.get_by_role("checkbox", name="Select Contact 03")).to_be_checked()
        assert visit.watch.troubles == []

    @pytest.mark.fact(22)
    def test_all_that_match_less_one_is_what_the_review_says(self, visit: Visit) -> None:
        visit.clear()
        visit.go("type=&match=new&per=25")
        visit.page.get_by_role("button", name=f"Select all {NEW} that match these filters").click()
        expect(visit.selected).to_contain_text(f"{NEW} selected")
        visit.box("Contact 07").uncheck()
        expect(visit.selected).to_contain_text(f"{NEW - 1} selected, 1 that matches left out")
        visit.page.get_by_role("link", name=f"Review import of {NEW - 1} contacts").click()
        expect(visit.page.get_by_text(f"{NEW - 1} contacts selected")).to_be_visible()
        button = visit.page.get_by_role("button", name=f"Import {NEW - 1} contacts")
        expect(button).to_be_visible()
        assert visit.watch.troubles == []

    @pytest.mark.fact(24)
    def test_a_tick_that_cannot_be_saved_goes_back_and_says_so(self, visit: Visit) -> None:
        visit.clear()
        visit.page.route("**/ticks?*", lambda route: route.abort())
        visit.box("Contact 04").click()
        expect(visit.row("Contact 04")).to_contain_text("Not saved. Try again")
        expect(visit.box("Contact 04")).not_to_be_checked()
        visit.page.unroute("**/ticks?*")
        visit.box("Contact 04").click()
        expect(visit.selected).to_contain_text("1 selected")
        expect(visit.row("Contact 04")).not_to_contain_text("Not saved")


class TestDecisions:
    @pytest.mark.fact(25, 26, 28, 30)
    def test_nothing_doubtful_is_linked_unasked_and_two_on_one_client_clash(
        self, visit: Visit
    ) -> None:
        visit.clear()
        visit.go("type=&q=rob")
        for name in ("Rob exact", "Rob maybe"):
            reason = visit.row(name).locator(".reason").first
            expect(reason).to_contain_text("Robert Smith: Same email")
            assert "%" not in reason.inner_text()
        doubtful = visit.row("Rob maybe")
        assert doubtful.locator("input[type=radio]:checked").count() == 0
        visit.box("Rob maybe").check()
        expect(visit.selected).to_contain_text("1 selected")
        visit.page.get_by_role("link", name="Review import of 1 contact").click()
        expect(visit.page.get_by_text("left out unless you decide")).to_be_visible()
        visit.go("type=&q=rob")
        doubtful.get_by_label("Link to Robert Smith").check()
        for name in ("Rob exact", "Rob maybe"):
            expect(visit.row(name).locator(".pill-word")).to_have_text("Clash")
        doubtful.get_by_label("Create new").check()
        expect(visit.row("Rob exact").locator(".pill-word")).to_have_text("Exact match")
        visit.go("type=&match=linked")
        expect(visit.row("Zed linked")).to_be_visible()
        expect(visit.page.locator("#contacts [data-tick]")).to_have_count(0)
        assert visit.watch.troubles == []

    def test_both_sides_are_compared_and_decided_there_by_keyboard(self, visit: Visit) -> None:
        visit.go("type=&q=rob+maybe")
        visit.row("Rob maybe").get_by_role("link", name="Compare").focus()
        visit.page.keyboard.press("Enter")
        expect(visit.page.get_by_role("heading", level=1)).to_have_text("Compare Rob maybe")
        expect(visit.page.locator("#fields")).to_contain_text("Missing in Xero")
        visit.page.get_by_role("button", name="Skip", exact=True).focus()
        visit.page.keyboard.press("Enter")
        expect(visit.page).to_have_url(re.compile(r"q=rob\+maybe"))
        expect(visit.row("Rob maybe").get_by_label("Skip")).to_be_checked()
        assert visit.watch.troubles == []

    @pytest.mark.fact(27)
    def test_a_client_that_was_taken_meanwhile_is_refused_in_a_sentence(
        self, visit: Visit, installation: Installation
    ) -> None:
        visit.go("type=&q=rob+maybe")
        with installation.app.app_context():
            rob = db.session.get_one(Client, visit.desk.rob_id)
            connection = db.session.get_one(XeroConnection, visit.desk.connection_id)
            mapping = factories.make_mapping(connection, rob, str(uuid4()))
            before = visit.row("Rob maybe").locator("input[type=radio]:checked")
            visit.row("Rob maybe").get_by_label("Link to Robert Smith").click()
            expect(visit.row("Rob maybe")).to_contain_text(
                "Robert Smith is already linked to “Robert Smith”. Choose another client"
            )
            expect(before).not_to_have_attribute("value", re.compile("^link"))
            db.session.delete(mapping)
            rob.xero_contact_id = None
            db.session.commit()
            db.session.remove()


class TestImport:
    @pytest.mark.fact(29, 31, 33)
    def test_it_starts_once_and_what_follows_is_as_it_was_decided(
        self, visit: Visit, installation: Installation
    ) -> None:
        visit.clear()
        for number in (10, 11, 12):
            visit.box(f"Contact {number}").check()
        visit.row("Contact 12").get_by_label("Skip").check()
        expect(visit.selected).to_contain_text("3 selected")
        visit.page.get_by_role("link", name="Review import of 3 contacts").click()
        visit.page.get_by_role("button", name="Import 2 contacts").dblclick()
        expect(visit.page.locator("#run-progress")).to_contain_text("Import finished")
        expect(visit.page.locator("#run-progress")).to_contain_text("2 created")
        with installation.app.app_context():
            runs = db.session.scalars(
                select(SyncRun).where(SyncRun.practice_id == visit.desk.practice_id)
            ).all()
            assert len(runs) == 1
            db.session.remove()
        visit.page.goto(f"{installation.origin}/clients?q=Contact+11")
        tags = visit.page.get_by_role("list", name="Tags")
        expect(tags).to_contain_text("VAT")
        expect(tags).to_contain_text("from Xero")
        visit.page.goto(f"{installation.origin}/import?type=&q=contact+1")
        # Nobody ticked the thirteenth; the twelfth was skipped for good.
        expect(visit.row("Contact 13")).to_be_visible()
        expect(visit.row("Contact 12")).to_have_count(0)
        self.undo(visit, installation)
        assert visit.watch.troubles == []

    def undo(self, visit: Visit, installation: Installation) -> None:
        visit.page.goto(f"{installation.origin}/sync-history?kind=import")
        visit.page.locator("#runs tbody th a").first.click()
        visit.page.get_by_role("link", name="Undo this import").click()
        expect(visit.page.get_by_text("2 clients that it created are deleted")).to_be_visible()
        visit.page.get_by_role("button", name="Undo 3 contacts").click()
        expect(visit.page.locator("#run-progress")).to_contain_text("Undo finished")
        expect(visit.page.locator("#run-progress")).to_contain_text("3 undone")
        visit.page.goto(f"{installation.origin}/import?type=&q=contact+12")
        expect(visit.row("Contact 12")).to_be_visible()


class TestScale:
    def test_ten_thousand_contacts_make_a_light_first_page(
        self, chromium: Browser, installation: Installation
    ) -> None:
        person = installation.new_practice("Ten Thousand", "tom@many.example")
        with installation.app.app_context():
            practice = db.session.scalars(
                select(Practice).where(Practice.name == "Ten Thousand")
            ).one()
            connection = factories.make_connection(
                practice, last_sync_at=utcnow(), matched_at=utcnow()
            )
            db.session.execute(insert(XeroContact), _contacts(connection, MANY))
            db.session.commit()
            db.session.remove()
        with seat(chromium) as (context, watch):
            page = context.new_page()
            sign_in(page, installation.origin, person)
            page.goto(f"{installation.origin}/import?type=")
            expect(page.locator("#contacts caption")).to_contain_text("1 to 50 of 10,000")
            rows = page.locator("#contacts tbody tr").count()
            html = page.request.get(page.url).body()
            files = [page.request.get(url).body() for url in set(page.evaluate(FETCHED))]
        # As a browser that has seen nothing yet fetches it, compressed.
        weight = sum(len(gzip.compress(body)) for body in (html, *files))
        assert len(files) >= 4
        assert rows <= MOST_ROWS
        assert weight <= PAGE_KILOBYTES * 1_000, f"{weight:,} bytes"
        assert len(html) <= PAGE_KILOBYTES * 1_000, f"{len(html):,} bytes of HTML"
        assert watch.troubles == []


def _contacts(connection: XeroConnection, number: int) -> list[dict[str, object]]:
    return [
        {
            "practice_id": connection.practice_id,
            "xero_connection_id": connection.id,
            "xero_contact_id": str(uuid4()),
            "name": f"Contact {at:05}",
            "email": f"contact{at}@many.example",
            "contact_status": "ACTIVE",
            "is_customer": True,
            "groups": [{"id": f"g{at % 9}", "name": f"Group {at % 9}"}],
            "content_hash": str(at),
            "sort_name": f"contact {at:05}",
            "search_text": f"contact {at:05}",
            "match": "new",
            "read_at": utcnow(),
        }
        for at in range(number)
    ]
