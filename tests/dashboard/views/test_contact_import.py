"""The import preview in a browser, with script (HX-Request) and without."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from html import unescape
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, func, select, update
from werkzeug.datastructures import MultiDict

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    Client,
    ConnectionStatus,
    ContactTwins,
    DraftDecision,
    ImportDraft,
    MatchDecision,
    Practice,
    RunKind,
    RunStatus,
    SyncRun,
    User,
    XeroConnection,
    XeroContact,
)
from dashboard.services.client_list import changing_clients
from tests import factories
from tests.support.browser import Browser

SCRIPT = {"HX-Request": "true"}


@pytest.fixture
def connection(practice: Practice) -> XeroConnection:
    """A connection whose contacts have been read."""
    return factories.make_connection(practice, last_sync_at=utcnow())


@pytest.fixture
def rob(practice: Practice) -> Client:
    """A client whose contact in Xero has the same name and e-mail."""
    return factories.make_client(practice, name="Robert Smith", email="rob@smith.example")


@pytest.fixture
def exact(connection: XeroConnection, rob: Client) -> XeroContact:
    """The contact that is surely Rob."""
    return factories.make_contact(
        connection, name="Robert Smith", email="rob@smith.example", is_customer=True
    )


@pytest.fixture
def doubtful(connection: XeroConnection, rob: Client) -> XeroContact:
    """A contact with nothing but Rob's name."""
    return factories.make_contact(connection, name="Robert Smith")


@pytest.fixture
def new(connection: XeroConnection) -> XeroContact:
    """A contact that no client is."""
    return factories.make_contact(connection, name="Yarrow Stores", is_customer=True)


@pytest.fixture
def supplier(connection: XeroConnection) -> XeroContact:
    """A contact that is only a supplier."""
    return factories.make_contact(connection, name="Zephyr Paper", is_supplier=True)


def opened(browser: Browser) -> str:
    """Return the address of the draft that /import opens."""
    answer = browser.get("/import")
    assert answer.status_code == 303, answer.text
    return str(answer.headers["Location"])


def row(text: str, contact: XeroContact) -> str:
    """Return the table row of a contact."""
    found = re.search(rf'<tr id="contact-{contact.xero_contact_id}">.*?</tr>', text, re.DOTALL)
    assert found, f"{contact.name} is not shown"
    return unescape(found[0])


def is_chosen(text: str, contact: XeroContact) -> str | None:
    """Return the decision whose radio is chosen in a contact's row."""
    name = f"decision-{contact.xero_contact_id}"
    found = re.search(rf'name="{name}" value="(\w+)[^"]*"[^>]*checked', row(text, contact))
    return found[1] if found else None


def ticked() -> set[str]:
    """Return the contacts that are ticked on the server."""
    found = db.session.scalars(select(DraftDecision.xero_contact_id).where(DraftDecision.selected))
    return set(found)


def make_run(connection: XeroConnection, **values: object) -> SyncRun:
    """Return a stored contact check."""
    given = {"kind": RunKind.CONTACT_SYNC, "status": RunStatus.RUNNING, "progress": {}}
    run = SyncRun(
        practice_id=connection.practice_id,
        xero_connection_id=connection.id,
        **{**given, **values},
    )
    db.session.add(run)
    db.session.commit()
    return run


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the statements that the database is asked."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")):
            asked.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


class TestOpening:
    def test_it_leads_to_the_one_open_draft(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        assert opened(browser) == opened(browser)
        assert db.session.scalar(select(func.count()).select_from(ImportDraft)) == 1

    def test_an_admin_without_a_connection_is_offered_to_connect(self, browser: Browser) -> None:
        answer = browser.get("/import")
        assert answer.status_code == 200
        assert "Connect Xero to import contacts." in answer.text
        assert 'action="/api/integrations/xero/connect"' in answer.text

    def test_staff_without_a_connection_read_whom_to_ask(
        self, browser_of: Callable[[User], Browser], colleague: User, admin: User
    ) -> None:
        text = browser_of(colleague).get("/import").text
        assert "Only practice admins can connect Xero. Ask Priya." in text
        assert 'action="/api/integrations/xero/connect"' not in text

    def test_a_draft_of_a_connection_that_was_left_leads_away(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        draft = opened(browser)
        connection.status = ConnectionStatus.DISCONNECTED
        db.session.commit()
        assert browser.get(draft).headers["Location"] == "/import"


class TestTable:
    def test_each_contact_shows_its_match_the_reason_and_a_first_decision(
        self, browser: Browser, exact: XeroContact, new: XeroContact
    ) -> None:
        text = browser.get(opened(browser)).text
        assert "Exact match" in row(text, exact)
        assert "Same email" in row(text, exact)
        assert "Link to <bdi>Robert Smith</bdi>" in row(text, exact)
        assert is_chosen(text, exact) == "link"
        assert "No client has this name" in row(text, new)
        assert is_chosen(text, new) == "create"
        assert "%" not in row(text, exact)

    def test_a_doubtful_match_has_no_decision_of_its_own(
        self, browser: Browser, doubtful: XeroContact
    ) -> None:
        text = browser.get(opened(browser)).text
        assert "Possible match" in row(text, doubtful)
        assert is_chosen(text, doubtful) is None

    def test_only_suppliers_are_hidden_at_first_and_said_to_be(
        self, browser: Browser, new: XeroContact, supplier: XeroContact
    ) -> None:
        draft = opened(browser)
        first = browser.get(draft).text
        assert "Yarrow Stores" in first
        assert "Zephyr Paper" not in first
        assert "Contacts that are only suppliers are not shown." in first
        assert "Zephyr Paper" in browser.get(f"{draft}?type=").text

    def test_linked_contacts_have_no_box_and_lead_to_their_client(
        self, browser: Browser, connection: XeroConnection, exact: XeroContact, rob: Client
    ) -> None:
        factories.make_mapping(connection, rob, exact.xero_contact_id)
        shown = row(browser.get(opened(browser)).text, exact)
        assert "data-tick" not in shown
        assert f"/clients/{rob.id}" in shown

    @pytest.mark.fact(36)
    def test_a_page_past_the_end_is_the_last_page(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        for number in range(26):
            factories.make_contact(connection, name=f"Contact {number:02d}")
        text = browser.get(f"{opened(browser)}?type=&per=25&page=9").text
        assert "Contact 25" in text
        assert "Contact 24" not in text
        assert "<title>Import contacts (page 2 of 2)" in text

    def test_filters_that_find_nothing_stay_and_can_be_cleared(
        self, browser: Browser, new: XeroContact
    ) -> None:
        text = browser.get(f"{opened(browser)}?q=nobody").text
        assert "No contacts match these filters." in text
        assert 'value="nobody"' in text
        assert "Clear filters" in text

    def test_an_empty_organisation_is_said_to_be_empty(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        text = browser.get(f"{opened(browser)}?type=").text
        assert "Demo Company (UK) has no contacts in Xero." in text

    def test_everything_linked_is_said(
        self, browser: Browser, connection: XeroConnection, exact: XeroContact, rob: Client
    ) -> None:
        factories.make_mapping(connection, rob, exact.xero_contact_id)
        text = browser.get(opened(browser)).text
        assert "Every contact in Xero is already linked." in text

    @pytest.mark.fact(76)
    def test_a_name_made_of_markup_is_text(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        factories.make_contact(connection, name="<img src=x onerror=alert(1)>")
        assert "<img" not in browser.get(f"{opened(browser)}?type=").text

    def test_an_unknown_filter_word_is_refused(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        draft = opened(browser)
        for query in ("match=none", "type=friend", "selected=2"):
            assert browser.get(f"{draft}?{query}").status_code == 422, query

    def test_a_filter_by_script_answers_the_results_and_pushes_the_address(
        self, browser: Browser, exact: XeroContact, new: XeroContact
    ) -> None:
        draft = opened(browser)
        answer = browser.get(f"{draft}/panels/results?q=yarrow&type=", headers=SCRIPT)
        assert "Yarrow Stores" in answer.text
        assert "Robert Smith" not in answer.text
        assert "<html" not in answer.text
        assert "1 contact</p>" in answer.text
        assert answer.headers["HX-Push-Url"] == f"{draft}?type=&q=yarrow"

    def test_the_fragment_opened_directly_leads_to_its_page(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        draft = opened(browser)
        answer = browser.get(f"{draft}/panels/results?q=a")
        assert (answer.status_code, answer.headers["Location"]) == (303, f"{draft}?q=a")

    def test_what_was_skipped_for_good_is_shown_only_where_it_is_asked_for(
        self, browser: Browser, connection: XeroConnection, new: XeroContact, practice: Practice
    ) -> None:
        draft = opened(browser)
        one = new.xero_contact_id
        browser.post(f"{draft}/ticks?type=", {"shown": one, "ticked": one}, headers=SCRIPT)
        browser.post(f"{draft}/decisions/{one}", {f"decision-{one}": "skip"}, headers=SCRIPT)
        browser.post(f"{draft}/start")
        wiring.xero_sync().import_contacts(practice.id)
        other = factories.make_contact(connection, name="Not ticked", is_customer=True)
        draft = opened(browser)
        text = browser.get(draft).text
        assert row(text, other)
        assert "Yarrow Stores" not in text
        assert "Skipped in an earlier import." in row(
            browser.get(f"{draft}?match=skipped").text, new
        )
        browser.post(f"{draft}/tick-matching?type=")
        assert db.session.scalars(
            select(DraftDecision.xero_contact_id).where(
                DraftDecision.selected, DraftDecision.draft_id == UUID(draft.rpartition("/")[2])
            )
        ).all() == [other.xero_contact_id]

    def test_rows_come_in_the_order_that_was_asked_for(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        now = utcnow()
        for name, email, days in (("Ann", "z@x.example", 3), ("Bob", None, 1), ("Cy", "a@x", 2)):
            factories.make_contact(
                connection, name=name, email=email, xero_updated_at=now - timedelta(days=days)
            )
        draft = opened(browser)
        for sort, order in (
            ("name", ["Ann", "Bob", "Cy"]),
            ("-name", ["Cy", "Bob", "Ann"]),
            ("email", ["Cy", "Ann", "Bob"]),
            ("changed", ["Bob", "Cy", "Ann"]),
        ):
            text = browser.get(f"{draft}?type=&sort={sort}").text
            assert re.findall(r'<th scope="row"><bdi>(\w+)', text) == order
        assert browser.get(f"{draft}?sort=luck").status_code == 422

    def test_a_colleague_at_the_same_import_is_named(
        self,
        browser: Browser,
        browser_of: Callable[[User], Browser],
        colleague: User,
        new: XeroContact,
    ) -> None:
        draft, other = opened(browser), browser_of(colleague)
        one = new.xero_contact_id
        other.post(f"{draft}/decisions/{one}", {f"decision-{one}": "skip"}, headers=SCRIPT)
        text = browser.get(draft).text
        assert "Tom is also working on this import." in text
        assert "Decided by <bdi>Tom</bdi>" in row(text, new)
        assert "is also working" not in other.get(draft).text

    def test_a_contact_that_changed_in_xero_after_the_decision_is_marked(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        month_ago = utcnow() - timedelta(days=30)
        contact = factories.make_contact(connection, name="Old", xero_updated_at=month_ago)
        draft = opened(browser)
        one = contact.xero_contact_id
        browser.post(f"{draft}/decisions/{one}", {f"decision-{one}": "create"}, headers=SCRIPT)
        assert "Changed in Xero at" not in browser.get(f"{draft}?type=").text
        contact.xero_updated_at = utcnow() + timedelta(seconds=1)
        db.session.commit()
        shown = row(browser.get(f"{draft}?type=").text, contact)
        assert "Changed in Xero at" in shown

    def test_contacts_that_may_be_in_xero_twice_name_each_other(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        pair = [factories.make_contact(connection, name=name) for name in ("Acme", "Zest Ltd")]
        alone = factories.make_contact(connection, name="Alone")
        draft = opened(browser)
        db.session.add(
            ContactTwins(
                practice_id=connection.practice_id,
                xero_connection_id=connection.id,
                first_contact_id=pair[0].xero_contact_id,
                second_contact_id=pair[1].xero_contact_id,
                score=900,
                reasons=["Same name"],
            )
        )
        db.session.commit()
        text = browser.get(f"{draft}?type=").text
        assert "May be in Xero twice, as <bdi>Zest Ltd</bdi> too." in row(text, pair[0])
        assert "May be in Xero twice, as <bdi>Acme</bdi> too." in row(text, pair[1])
        assert "May be in Xero twice" not in row(text, alone)

    def test_a_client_that_was_deleted_is_no_decision_any_more(
        self, browser: Browser, doubtful: XeroContact, exact: XeroContact, rob: Client
    ) -> None:
        draft = opened(browser)
        one = doubtful.xero_contact_id
        browser.post(f"{draft}/decisions/{one}", {f"decision-{one}": f"link {rob.id}"})
        db.session.delete(rob)
        db.session.commit()
        text = browser.get(f"{draft}?type=").text
        assert "Link to" not in row(text, doubtful)
        assert "None" not in row(text, exact)
        browser.post(f"{draft}/tick-matching?type=")
        assert "Undecided</dt>" in browser.get(f"{draft}/review").text
        # Nothing is decided any more, so that there is nothing to start.
        assert browser.post(f"{draft}/start", headers=SCRIPT).status_code == 422


class TestCompare:
    def test_both_sides_stand_beside_each_other_with_the_reasons(
        self, browser: Browser, doubtful: XeroContact, rob: Client
    ) -> None:
        draft = opened(browser)
        shown = row(browser.get(f"{draft}?type=").text, doubtful)
        address = f"{draft}/contacts/{doubtful.xero_contact_id}?type="
        assert f'href="{address}"' in shown
        text = browser.get(address).text
        assert re.search(r"Name</th>.*?Robert Smith.*?Robert Smith.*?Same", text, re.DOTALL)
        assert re.search(r"Email</th>.*?rob@smith.example.*?Missing in Xero", text, re.DOTALL)
        assert f'value="link {rob.id}"' in text
        assert '<ul class="reasons">' in text
        assert f'href="{draft}?type="' in text

    def test_a_decision_made_there_leads_back(
        self, browser: Browser, doubtful: XeroContact, rob: Client
    ) -> None:
        draft, one = opened(browser), doubtful.xero_contact_id
        answer = browser.post(
            f"{draft}/decisions/{one}?type=", {f"decision-{one}": f"link {rob.id}"}
        )
        assert answer.headers["Location"] == f"{draft}?type="
        assert is_chosen(browser.get(f"{draft}?type=").text, doubtful) == "link"

    def test_a_client_that_nobody_suggested_is_found_and_a_taken_one_is_said_to_be(
        self, browser: Browser, connection: XeroConnection, new: XeroContact, practice: Practice
    ) -> None:
        free = factories.make_client(practice, name="Barrow & Sons")
        taken = factories.make_client(practice, name="Barrow Ltd")
        factories.make_mapping(connection, taken, str(uuid4()))
        draft = opened(browser)
        address = f"{draft}/contacts/{new.xero_contact_id}"
        text = unescape(browser.get(f"{address}?client_q=barrow").text)
        assert f"client={free.id}" in text
        assert "already linked to the contact “Barrow Ltd”" in text
        text = unescape(browser.get(f"{address}?client={taken.id}").text)
        assert "linked to the contact “Barrow Ltd” in Xero. Choose another client" in text
        assert f'value="link {taken.id}"' not in text
        text = unescape(browser.get(f"{address}?client={free.id}").text)
        assert f'value="link {free.id}"' in text
        assert "Link to Barrow & Sons" in text
        one = new.xero_contact_id
        browser.post(f"{draft}/decisions/{one}", {f"decision-{one}": f"link {free.id}"})
        assert "Link to <bdi>Barrow & Sons</bdi>" in row(browser.get(f"{draft}?type=").text, new)

    def test_a_clash_names_who_else_points_to_the_client(
        self,
        browser: Browser,
        connection: XeroConnection,
        doubtful: XeroContact,
        new: XeroContact,
        rob: Client,
    ) -> None:
        factories.make_contact(connection, name="Rob <Smith>", email=rob.email)
        draft = opened(browser)
        page = f"{draft}/contacts/{doubtful.xero_contact_id}?client={rob.id}"
        text = browser.get(page).text
        assert "Another contact points to <bdi>Robert Smith</bdi> too:" in text
        assert "<bdi>Rob &lt;Smith&gt;</bdi></a> (<bdi>rob@smith.example</bdi>)." in text
        name = f"decision-{new.xero_contact_id}"
        browser.post(f"{draft}/decisions/{new.xero_contact_id}", {name: f"link {rob.id}"})
        text = browser.get(page).text
        assert "Other contacts point to <bdi>Robert Smith</bdi> too:" in text
        assert "<bdi>Yarrow Stores</bdi></a>." in text

    def test_what_is_not_ours_is_not_found(
        self, browser: Browser, stranger: User, new: XeroContact
    ) -> None:
        theirs = factories.make_client(db.session.get_one(Practice, stranger.practice_id))
        draft = opened(browser)
        for path in (
            f"contacts/{uuid4()}",
            f"contacts/{new.xero_contact_id}?client={theirs.id}",
            f"contacts/{new.xero_contact_id}?client={uuid4()}",
        ):
            assert browser.get(f"{draft}/{path}").status_code == 404, path


class TestCost:
    @pytest.mark.parametrize(
        "query",
        [
            "",
            "type=&sort=email&per=100",
            "match=exact",
            "match=possible&q=r&group=VAT",
            "selected=1&type=",
            "page=99&type=",
            "match=linked",
            "q=nobody",
        ],
    )
    def test_the_page_needs_five_statements_beyond_the_frame(  # noqa: PLR0917 - fixtures
        self,
        browser: Browser,
        connection: XeroConnection,
        exact: XeroContact,
        doubtful: XeroContact,
        new: XeroContact,
        query: str,
    ) -> None:
        draft = opened(browser)
        browser.post(f"{draft}/tick-matching?type=")
        for path in (f"{draft}?{query}", f"{draft}/panels/results?{query}"):
            headers = SCRIPT if "panels" in path else {}
            with statements() as asked:
                assert browser.get(path, headers=headers).status_code == 200
            # The frame: who asks, the pill, the alerts.
            assert len(asked) <= 3 + 5, asked


class TestTicks:
    def test_a_tick_by_script_is_kept_and_answers_the_count(
        self, browser: Browser, exact: XeroContact, new: XeroContact
    ) -> None:
        draft = opened(browser)
        one = new.xero_contact_id
        answer = browser.post(f"{draft}/ticks?type=", {"shown": one, "ticked": one}, headers=SCRIPT)
        assert "1 selected" in answer.text
        assert "Review import of 1 contact<" in answer.text
        assert ticked() == {one}
        answer = browser.post(f"{draft}/ticks?type=", {"shown": one}, headers=SCRIPT)
        assert "0 selected" in answer.text
        assert ticked() == set()

    def test_what_the_filters_hide_is_counted(
        self, browser: Browser, exact: XeroContact, new: XeroContact
    ) -> None:
        draft = opened(browser)
        both = [exact.xero_contact_id, new.xero_contact_id]
        browser.post(f"{draft}/ticks", {"shown": both, "ticked": both}, headers=SCRIPT)
        text = browser.get(f"{draft}?q=yarrow").text
        assert "2 selected" in text
        assert "1 of them not shown by these filters" in text

    def test_without_script_a_page_of_ticks_and_decisions_is_saved_at_once(
        self, browser: Browser, exact: XeroContact, new: XeroContact
    ) -> None:
        draft = opened(browser)
        answer = browser.post(
            f"{draft}/ticks?type=&q=r",
            {
                "shown": [exact.xero_contact_id, new.xero_contact_id],
                "ticked": [new.xero_contact_id],
                f"decided-{exact.xero_contact_id}": "",
                f"decision-{exact.xero_contact_id}": "create",
                f"decided-{new.xero_contact_id}": "create",
                f"decision-{new.xero_contact_id}": "create",
            },
        )
        assert (answer.status_code, answer.headers["Location"]) == (303, f"{draft}?type=&q=r")
        assert ticked() == {new.xero_contact_id}
        decided = db.session.scalars(
            select(DraftDecision.xero_contact_id).where(DraftDecision.action.is_not(None))
        ).all()
        assert decided == [exact.xero_contact_id]

    def test_all_that_match_are_ticked_and_cleared(
        self, browser: Browser, exact: XeroContact, new: XeroContact, supplier: XeroContact
    ) -> None:
        draft = opened(browser)
        browser.post(f"{draft}/tick-matching?type=likely")
        assert ticked() == {exact.xero_contact_id, new.xero_contact_id}
        browser.post(f"{draft}/clear")
        assert ticked() == set()

    def test_too_many_rows_at_once_are_refused(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        shown = [str(uuid4()) for _ in range(501)]
        answer = browser.post(f"{opened(browser)}/ticks", {"shown": shown}, headers=SCRIPT)
        assert answer.status_code == 422


class TestDecisions:
    def decide(
        self,
        browser: Browser,
        draft: str,
        contact: XeroContact,
        action: str,
        *,
        client: Client | None = None,
        shown: tuple[XeroContact, ...] = (),
    ) -> str:
        """Choose as the script does; return the answer's text."""
        name = f"decision-{contact.xero_contact_id}"
        fields: dict[str, object] = {name: action, "shown": [one.xero_contact_id for one in shown]}
        if client is not None:
            fields[f"{name}-client"] = str(client.id)
        address = f"{draft}/decisions/{contact.xero_contact_id}?type="
        answer = browser.post(address, fields, headers=SCRIPT)
        assert answer.status_code == 200, answer.text
        return answer.text

    def test_a_decision_is_kept_and_shown_again(
        self, browser: Browser, doubtful: XeroContact, rob: Client
    ) -> None:
        draft = opened(browser)
        self.decide(browser, draft, doubtful, "link", client=rob)
        assert is_chosen(browser.get(f"{draft}?type=").text, doubtful) == "link"

    def test_a_choice_in_the_select_is_a_link_and_chooses_its_radio(
        self, browser: Browser, doubtful: XeroContact, rob: Client
    ) -> None:
        name = f"decision-{doubtful.xero_contact_id}"
        answer = browser.post(
            f"{opened(browser)}/decisions/{doubtful.xero_contact_id}?type=",
            {name: "link", f"{name}-client": str(rob.id)},
            headers={**SCRIPT, "HX-Trigger": f"{name}-client"},
        )
        assert re.search(rf'id="{name}-link" hx-swap-oob="true">.*checked', answer.text)

    def test_two_rows_that_aim_at_one_client_become_a_clash_at_once(
        self, browser: Browser, exact: XeroContact, new: XeroContact, rob: Client
    ) -> None:
        draft, shown = opened(browser), (exact, new)
        text = self.decide(browser, draft, new, "link", client=rob, shown=shown)
        for contact in shown:
            part = re.search(rf'id="match-{contact.xero_contact_id}".*?</div>', text, re.DOTALL)
            assert part
            assert "Clash" in part[0]
        text = self.decide(browser, draft, new, "create", shown=shown)
        part = re.search(rf'id="match-{exact.xero_contact_id}".*?</div>', text, re.DOTALL)
        assert part
        assert "Exact match" in part[0]

    def test_a_taken_client_is_refused_in_a_sentence(
        self,
        browser: Browser,
        connection: XeroConnection,
        exact: XeroContact,
        new: XeroContact,
        rob: Client,
    ) -> None:
        draft = opened(browser)
        factories.make_mapping(connection, rob, exact.xero_contact_id)
        name = f"decision-{new.xero_contact_id}"
        answer = browser.post(
            f"{draft}/decisions/{new.xero_contact_id}", {name: f"link {rob.id}"}, headers=SCRIPT
        )
        assert answer.status_code == 409
        assert "Robert Smith is already linked to" in answer.text

    def test_what_cannot_be_done_is_refused(self, browser: Browser, new: XeroContact) -> None:
        draft = opened(browser)
        for action in ("merge", "link", ""):
            fields = {f"decision-{new.xero_contact_id}": action}
            address = f"{draft}/decisions/{new.xero_contact_id}"
            answer = browser.post(address, fields, headers=SCRIPT)
            assert answer.status_code == 422, action

    def test_not_a_match_is_remembered(
        self, browser: Browser, doubtful: XeroContact, rob: Client
    ) -> None:
        draft = opened(browser)
        pair = f"{doubtful.xero_contact_id} {rob.id}"
        browser.post(f"{draft}/not-a-match", {"pair": pair})
        assert db.session.scalars(select(MatchDecision)).one().client_id == rob.id
        assert "Possible match" not in row(browser.get(f"{draft}?type=").text, doubtful)

    def test_a_bulk_decision_says_what_it_left(
        self, browser: Browser, exact: XeroContact, new: XeroContact
    ) -> None:
        draft = opened(browser)
        browser.post(f"{draft}/tick-matching?type=")
        browser.post(f"{draft}/decide-ticked?type=", {"decision": "create"})
        text = browser.get(f"{draft}?type=").text
        assert "Applied to 1. 1 was left as it was: an exact match is not" in text


class TestTwoAtOnce:
    """Priya and Tom have the same page open; Tom is first."""

    @pytest.fixture
    def tom(self, browser_of: Callable[[User], Browser], colleague: User) -> Browser:
        return browser_of(colleague)

    def form(self, page: str) -> MultiDict[str, str]:
        """Return the page's own form as a browser without script would send it."""
        found = re.search(r'<form method="post"[^>]* id="ticks".*?</form>', page, re.DOTALL)
        assert found
        fields: MultiDict[str, str] = MultiDict()
        for tag in re.findall(r"<input [^>]*>", found[0]):
            kind = dict(re.findall(r'(\w+)="([^"]*)"', tag))
            if kind["type"] == "hidden" or " checked" in tag:
                fields.add(kind["name"], unescape(kind["value"]))
        fields.pop("csrf_token")
        return fields

    def test_the_second_keeps_what_the_first_did_and_reads_what_it_replaced(
        self, browser: Browser, tom: Browser, exact: XeroContact, new: XeroContact
    ) -> None:
        draft = opened(browser)
        form = self.form(browser.get(f"{draft}?type=").text)
        toms = self.form(tom.get(f"{draft}?type=").text)
        toms.add("ticked", exact.xero_contact_id)
        toms[f"decision-{exact.xero_contact_id}"] = "create"
        toms[f"decision-{new.xero_contact_id}"] = "skip"
        tom.post(f"{draft}/ticks?type=", toms.to_dict(flat=False))
        # Priya changes one decision and one tick; the rest of her page is what it was before Tom.
        form.add("ticked", new.xero_contact_id)
        form[f"decision-{exact.xero_contact_id}"] = "skip"
        answer = browser.post(f"{draft}/ticks?type=", form.to_dict(flat=False))
        page = browser.get(answer.headers["Location"]).text
        assert ticked() == {exact.xero_contact_id, new.xero_contact_id}
        assert is_chosen(page, exact) == is_chosen(page, new) == "skip"
        told = re.findall(r"At \d\d:\d\d Tom had decided [^<]*", page)
        assert told == [
            f"At {told[0][3:8]} Tom had decided to create a new client of {exact.name}."
            " Your decision has taken its place."
        ]
        assert "Decided by <bdi>Tom</bdi>" in row(page, new)
        assert "Tom is also working on this import." in page

    def test_with_script_it_stands_at_the_row_and_is_said_once(
        self, browser: Browser, tom: Browser, new: XeroContact
    ) -> None:
        draft, name = opened(browser), f"decision-{new.xero_contact_id}"
        address, drawn = f"{draft}/decisions/{new.xero_contact_id}?type=", f"decided-{name[9:]}"
        tom.post(address, {name: "skip", drawn: "create"}, headers=SCRIPT)
        form = {name: "create", drawn: "create"}
        text = browser.post(address, form, headers=SCRIPT).text
        sentence = f"Tom had decided to skip {new.name}. Your decision has taken its place."
        assert text.count(sentence) == 2
        assert re.search(rf'id="{drawn}" value="create" hx-swap-oob', text)
        assert sentence not in browser.post(address, form, headers=SCRIPT).text

    def test_nothing_is_said_of_a_decision_that_was_seen(
        self, browser: Browser, tom: Browser, new: XeroContact
    ) -> None:
        draft, name = opened(browser), f"decision-{new.xero_contact_id}"
        address, drawn = f"{draft}/decisions/{new.xero_contact_id}?type=", f"decided-{name[9:]}"
        tom.post(address, {name: "skip"}, headers=SCRIPT)
        text = browser.post(address, {name: "create", drawn: "skip"}, headers=SCRIPT).text
        assert "had decided" not in text


class TestReviewAndStart:
    def test_the_review_counts_what_will_happen(
        self,
        browser: Browser,
        connection: XeroConnection,
        exact: XeroContact,
        new: XeroContact,
        practice: Practice,
    ) -> None:
        factories.make_client(practice, name="Maud Pryce", email="maud@pryce.example")
        factories.make_contact(connection, name="Maud Pryce")
        draft = opened(browser)
        browser.post(f"{draft}/tick-matching?type=")
        text = re.sub(r"<[^>]+>", " ", browser.get(f"{draft}/review").text)
        text = re.sub(r"\s+", " ", text)
        assert "Create new clients 1 " in text
        assert "Link to existing clients 1 " in text
        assert "Undecided 1 · left out unless you decide." in text
        assert "This changes nothing in Xero." in text
        assert "Import 2 contacts" in text

    def test_nothing_selected_is_said(self, browser: Browser, new: XeroContact) -> None:
        text = browser.get(f"{opened(browser)}/review").text
        assert "Nothing is selected." in text
        assert "/start" not in text

    def test_two_presses_start_one_run(
        self, browser: Browser, exact: XeroContact, new: XeroContact, practice: Practice
    ) -> None:
        draft = opened(browser)
        browser.post(f"{draft}/tick-matching?type=")
        first = browser.post(f"{draft}/start")
        second = browser.post(f"{draft}/start")
        assert first.status_code == second.status_code == 303
        assert first.headers["Location"] == second.headers["Location"]
        run_id = UUID(first.headers["Location"].rpartition("/")[2])
        wiring.xero_sync().import_contacts(practice.id)
        run = db.session.get_one(SyncRun, run_id, populate_existing=True)
        assert (run.created, run.linked) == (1, 1)
        assert browser.get(draft).headers["Location"] == first.headers["Location"]

    def test_starting_with_nothing_ticked_changes_nothing(
        self, browser: Browser, new: XeroContact
    ) -> None:
        answer = browser.post(f"{opened(browser)}/start", headers=SCRIPT)
        assert answer.status_code == 422
        assert db.session.scalars(select(SyncRun)).all() == []


class TestReadingPanel:
    def test_the_first_reading_stands_alone_and_polls(
        self, browser: Browser, practice: Practice
    ) -> None:
        connection = factories.make_connection(practice)
        make_run(connection, total=4300, done=1200)
        text = browser.get(opened(browser)).text
        assert "Reading contacts from Xero. 1,200 of about 4,300." in text
        assert 'hx-trigger="every 2s' in text
        assert 'id="results"' not in text

    def test_it_answers_204_until_something_changed_and_ends_without_a_trigger(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        run = make_run(connection, total=10, done=5)
        panel = f"{opened(browser)}/panels/reading/{run.id}"
        first = browser.get(panel, headers=SCRIPT)
        seen = re.search(r"seen=(\d+)", first.text)
        assert seen
        assert browser.get(f"{panel}?seen={seen[1]}", headers=SCRIPT).status_code == 204
        run.status, run.done = RunStatus.FINISHED, 10
        run.updated_at = utcnow() + timedelta(seconds=1)
        db.session.commit()
        last = browser.get(f"{panel}?seen={seen[1]}", headers=SCRIPT)
        assert "Show the contacts" in last.text
        assert "hx-get" not in last.text
        assert "data-poll" not in last.text
        assert "10 contacts were read from Xero." in last.text

    def test_waiting_for_xero_says_when_it_goes_on(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        make_run(
            connection,
            status=RunStatus.WAITING_FOR_XERO,
            done=3,
            not_before=utcnow() + timedelta(minutes=1),
        )
        text = browser.get(opened(browser)).text
        assert "Xero asked us to slow down. Reading carries on at" in text
        assert 'id="results"' in text

    def test_reading_again_makes_a_run_and_comes_back(
        self, browser: Browser, connection: XeroConnection
    ) -> None:
        draft = opened(browser)
        answer = browser.post(f"{draft}/read?type=")
        assert answer.headers["Location"] == f"{draft}?type="
        assert db.session.scalars(select(SyncRun)).one().kind == RunKind.CONTACT_SYNC

    def test_ticking_goes_on_while_xero_needs_reconnecting(
        self, browser: Browser, connection: XeroConnection, new: XeroContact
    ) -> None:
        connection.status = ConnectionStatus.TOKEN_EXPIRED
        db.session.commit()
        draft = opened(browser)
        text = browser.get(draft).text
        assert "You can keep preparing" in text
        assert "Read again" not in text
        one = new.xero_contact_id
        browser.post(f"{draft}/ticks", {"shown": one, "ticked": one}, headers=SCRIPT)
        assert ticked() == {one}


class TestPartlyRead:
    @pytest.fixture
    def unread(self, connection: XeroConnection, new: XeroContact) -> XeroConnection:
        """A connection of which a first reading kept some contacts."""
        connection.last_sync_at = None
        db.session.commit()
        return connection

    def read_until(self, connection: XeroConnection, **values: object) -> SyncRun:
        progress = {"page": 4, "step": "read", "modified_since": None}
        given = {"status": RunStatus.FAILED, "progress": progress, "done": 3_800, "total": 4_312}
        return make_run(connection, **{**given, "error": "Xero stopped answering.", **values})

    def test_what_was_read_can_be_imported_and_the_rest_read_later(
        self, browser: Browser, unread: XeroConnection, new: XeroContact, practice: Practice
    ) -> None:
        self.read_until(unread)
        draft = opened(browser)
        text = browser.get(draft).text
        assert "We could read 3,800 of about 4,312 contacts." in text
        assert "You can import these and read the rest later. Xero stopped answering." in text
        assert "Read the rest" in text
        assert "Yarrow Stores" in row(text, new)
        browser.post(f"{draft}/tick-matching?type=")
        assert browser.post(f"{draft}/start").status_code == 303
        assert wiring.xero_sync().import_contacts(practice.id).created == 1
        text = browser.get(opened(browser)).text
        assert "We could read 3,800 of about 4,312 contacts." in text
        browser.post(f"{opened(browser)}/read")
        assert "We could read" not in browser.get(opened(browser)).text

    @pytest.mark.parametrize(
        "values",
        [
            {"status": RunStatus.FINISHED, "error": None},
            {"status": RunStatus.RUNNING},
            {
                "progress": {
                    "page": 2,
                    "step": "read",
                    "modified_since": "2026-11-22T10:00:00+00:00",
                }
            },
            {"progress": {"page": 9, "step": "match", "modified_since": None}},
            {"done": 0},
        ],
    )
    def test_nothing_of_it_is_said_of_other_checks(
        self, browser: Browser, connection: XeroConnection, values: dict[str, object]
    ) -> None:
        self.read_until(connection, **values)
        assert "We could read" not in browser.get(opened(browser)).text

    def test_nothing_is_imported_before_it_was_compared(
        self, browser: Browser, connection: XeroConnection, new: XeroContact, practice: Practice
    ) -> None:
        draft = opened(browser)
        browser.post(f"{draft}/tick-matching?type=")
        # A page of contacts was written by a check that goes on.
        run = make_run(connection)
        connection.matched_at = None
        db.session.commit()
        assert "are being compared with your clients" in browser.get(draft).text
        answer = browser.post(f"{draft}/start")
        assert answer.status_code == 409
        assert "your ticks and decisions are kept" in answer.text
        # While it waits for Xero others have the time to compare.
        run.status = RunStatus.WAITING_FOR_XERO
        db.session.commit()
        assert browser.post(f"{draft}/start").status_code == 303
        assert wiring.xero_sync().import_contacts(practice.id).created == 1


class TestOldDraft:
    def test_after_a_month_it_is_as_it_was_left_and_goes_by_what_is_true_now(  # noqa: PLR0917
        self,
        browser: Browser,
        practice: Practice,
        connection: XeroConnection,
        exact: XeroContact,
        doubtful: XeroContact,
        new: XeroContact,
        rob: Client,
    ) -> None:
        draft = opened(browser)
        decide = f"{draft}/decisions/{doubtful.xero_contact_id}"
        name = f"decision-{doubtful.xero_contact_id}"
        browser.post(decide, {name: "link", f"{name}-client": str(rob.id)}, headers=SCRIPT)
        browser.post(f"{draft}/tick-matching?type=")
        month_ago = utcnow() - timedelta(days=31)
        for table in (DraftDecision, ImportDraft):
            db.session.execute(update(table).values(created_at=month_ago, updated_at=month_ago))
        connection.last_sync_at = month_ago
        # Meanwhile one contact was archived in Xero, and the client of another is gone.
        exact.contact_status = "ARCHIVED"
        changing_clients(db.session, practice.id, utcnow)
        db.session.delete(db.session.get_one(Client, rob.id))
        db.session.commit()
        assert opened(browser) == draft
        text = browser.get(f"{draft}?type=").text
        assert "This list is more than a day old." in text
        assert "The contact is archived in Xero." in row(text, exact)
        # Nobody is left whom the second may be.
        assert is_chosen(text, doubtful) == is_chosen(text, new) == "create"
        assert "<strong>2 selected</strong>" in text
        assert browser.post(f"{draft}/start").status_code == 303
        assert wiring.xero_sync().import_contacts(practice.id).created == 2


class TestPeople:
    def test_staff_may_prepare_and_start_an_import(
        self, browser_of: Callable[[User], Browser], colleague: User, new: XeroContact
    ) -> None:
        browser = browser_of(colleague)
        draft = opened(browser)
        browser.post(f"{draft}/tick-matching")
        assert browser.post(f"{draft}/start").status_code == 303

    def test_a_stranger_meets_what_does_not_exist(
        self, browser_of: Callable[[User], Browser], stranger: User, connection: XeroConnection
    ) -> None:
        draft = wiring.xero_sync().get_import_preview(connection.practice_id)
        run = make_run(connection)
        browser = browser_of(stranger)
        ours, nobodys = f"/import/{draft.id}", f"/import/{uuid4()}"
        compare = f"/contacts/{uuid4()}"
        panels = ("/panels/results", f"/panels/reading/{run.id}")
        for path in ("", "/review", compare, *panels):
            answers = [browser.get(start + path, headers=SCRIPT) for start in (ours, nobodys)]
            assert [answer.status_code for answer in answers] == [404, 404], path
            assert answers[0].data == answers[1].data
        decide = f"decisions/{uuid4()}"
        for path in ("ticks", "clear", "tick-matching", "decide-ticked", "start", "read", decide):
            fields = {"decision": "skip", "shown": "x", "ticked": "x"}
            answer = browser.post(f"{ours}/{path}", fields, headers=SCRIPT)
            assert answer.status_code == 404, path
