"""Each state of the connection, reached through the pretend Xero and read in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from dashboard import wiring
from dashboard.database import db
from dashboard.models import Role, User
from dashboard.secret import Secret
from tests.browser import installation as installations
from tests.browser.conftest import add_document, seat, sign_in, wait_for_push
from tests.browser.installation import PASSWORD, Installation, Person
from tests.browser.test_polling import ASK_NOW
from tests.support.json_person import JsonPerson

ORGANISATION = "/api.xro/2.0/Organisation"
AT = r"\d\d:\d\d"

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation of our own: what people do inside Xero here would reach other practices."""
    with installations.running(tmp_path_factory.mktemp("states")) as found:
        yield found


class Desk:
    """Somebody at the settings page of a practice, with Xero at the other end of the wire."""

    def __init__(self, installation: Installation, page: Page, organisation: str) -> None:
        self.installation = installation
        self.page = page
        self.organisation = organisation
        self.tenant_id = installation.organisation(organisation)["tenant_id"]

    @property
    def card(self) -> Locator:
        """The card of the connection."""
        return self.page.locator("#connection")

    def open(self) -> None:
        """Go to the settings page."""
        self.page.goto(f"{self.installation.origin}/settings")

    def consent(self, button: str, *, cancel: bool = False, organisation: str = "") -> None:
        """Press the button that leads to Xero, and what a person presses there."""
        self.page.get_by_role("button", name=button).click()
        if not cancel:
            wanted = organisation or self.organisation
            person = self.installation.person_of(wanted)
            self.page.locator(
                f"[id='{person['user_id']}-{self.installation.organisation(wanted)['tenant_id']}']"
            ).check()
        self.page.get_by_role("button", name="Cancel" if cancel else "Allow access").click()
        expect(self.page).to_have_url(re.compile(re.escape(self.installation.origin)))

    def check_now(self) -> None:
        """Have the connection looked at."""
        self.page.get_by_role("button", name="Check now").click()
        expect(self.page.locator(".site-main > .notice").first).to_be_visible()

    def check_until_connected(self) -> None:
        """Look again and again, as long as Xero wants us to wait."""
        for _ in range(30):
            self.check_now()
            if self.page.locator("#connection-word").inner_text() == "Connected":
                break
            self.page.wait_for_timeout(500)
        self.expect("Connected", re.compile(f"Last checked\\s*{AT}, worked"))
        self.expect_banner(None)

    def expect(self, word: str, sentence: str | re.Pattern[str]) -> None:
        """Fail unless card and header say *word* and the card holds the sentence."""
        expect(self.page.locator("#connection-word")).to_have_text(word)
        expect(self.page.locator("#frame-connection")).to_have_text(word)
        expect(self.card).to_contain_text(sentence)

    def expect_banner(self, words: str | None) -> None:
        """Fail unless the banner says this, or there is none."""
        banner = self.page.locator("#banner > .banner")
        if words is None:
            expect(banner).to_have_count(0)
        else:
            expect(banner).to_contain_text(words)


@contextmanager
def desk(
    installation: Installation, chromium: Browser, person: Person, organisation: str
) -> Iterator[Desk]:
    """Sit down as somebody of a practice; nothing may go wrong in the browser meanwhile."""
    with seat(chromium) as (context, watch):
        page = context.new_page()
        sign_in(page, installation.origin, person)
        sat = Desk(installation, page, organisation)
        sat.open()
        yield sat
        assert watch.troubles == []


def add_staff(installation: Installation, admin: Person, email: str) -> Person:
    """Give the admin's practice a member of staff."""
    with installation.app.app_context():
        boss = db.session.query(User).filter_by(email=admin.email).one()
        practices = wiring.practices()
        practices.create_user(boss.practice_id, email, Secret(PASSWORD), Role.STAFF)
        db.session.remove()
    return Person(email, PASSWORD)


class TestConsent:
    @pytest.mark.fact(44, 50)
    def test_refused_partly_given_and_given(
        self, chromium: Browser, installation: Installation
    ) -> None:
        admin = installation.new_practice("Consenting", "carla@consent.example")
        with desk(installation, chromium, admin, "Demo Company (UK)") as at:
            expect(at.page.get_by_role("heading", level=1)).to_have_text("Connect chase.md to Xero")
            expect(at.page.locator("#frame-connection")).to_have_text("Not connected")
            at.consent("Connect to Xero", cancel=True)
            expect(at.page.locator(".notice").first).to_contain_text(
                "You did not give access. Nothing has changed. Try again."
            )
            installation.perform("set_option", name="withheld_scopes", value="files")
            try:
                at.consent("Connect to Xero")
            finally:
                installation.perform("set_option", name="withheld_scopes", value="none")
            expect(at.page.get_by_role("main")).to_contain_text(
                "Connected, but without permission to add files. Documents will not be sent until"
                " you allow it."
            )
            at.expect("Permission needed", "We need one more permission: Add files to Xero.")
            at.expect_banner("Permission needed. We need one more permission: Add files to Xero.")
            permissions = at.page.get_by_role("region", name="What chase.md may do in Xero")
            expect(permissions).to_contain_text("Read contacts and contact groups")
            expect(permissions).to_contain_text(re.compile("Add files and folders.*not granted"))
            at.open()
            at.consent("Allow in Xero")
            main = at.page.get_by_role("main")
            expect(main).to_contain_text("Connected to Demo Company (UK).")
            expect(main).to_contain_text("Is this the right organisation?")
            at.open()
            expect(main).not_to_contain_text("Is this the right organisation?")
            at.expect("Connected", re.compile(f"Last checked\\s*{AT}, worked"))
            at.expect("Connected", re.compile(f"Access renews itself. Last renewed {AT}, next by"))
            at.expect_banner(None)
        with_json = JsonPerson(installation.origin, admin.email, admin.password)
        with_json.send(f"{installations.INTEGRATION}/disconnect")


class TestWhileConnected:
    @pytest.mark.fact(48, 49)
    def test_waiting_doubt_and_trouble_come_and_go(
        self, chromium: Browser, installation: Installation
    ) -> None:
        organisation = "Harbourside Accountants LLP"
        admin = installation.new_practice("Coming and Going", "gita@going.example")
        staff = add_staff(installation, admin, "sam@going.example")
        with_json = JsonPerson(installation.origin, admin.email, admin.password)
        installation.connect(with_json, organisation)
        with desk(installation, chromium, admin, organisation) as at:
            at.check_until_connected()

            installation.arm("429-minute", "GET", ORGANISATION, retry_after=6)
            at.check_now()
            at.expect(
                "Waiting for Xero",
                re.compile(f"Xero asked us to slow down.\\s+Carries on at {AT}"),
            )
            at.expect_banner(None)
            at.check_until_connected()

            installation.arm("429-day", "GET", ORGANISATION, retry_after=6)
            at.check_now()
            at.expect(
                "Waiting for Xero",
                re.compile(
                    "daily limit for this organisation is used up. Reading and filing carry on at"
                    f" about {AT}."
                ),
            )
            at.expect_banner("Daily limit reached.")
            at.check_until_connected()

            installation.arm("503-maintenance", "GET", ORGANISATION)
            at.check_now()
            at.expect(
                "Not confirmed",
                re.compile(f"No good answer from Xero since {AT}.\\s+Next check {AT}."),
            )
            at.expect_banner(None)
            at.check_until_connected()

            person = installation.person_of(organisation)
            role = {"user_id": person["user_id"], "tenant_id": at.tenant_id}
            installation.perform("remove_role", **role)
            at.check_now()
            problem = (
                "We cannot use the connection: Xero says that the person who connected may not use"
                " this organisation now."
            )
            at.expect("Problem", problem)
            at.expect_banner(f"Connection problem. {problem}")
            at.page.get_by_text("Technical details").click()
            details = at.page.locator("#technical-details")
            expect(details).to_contain_text(re.compile("HTTP status\\s*403"))
            expect(details).to_contain_text(re.compile("Reference\\s*[0-9a-f-]{36}"))
            expect(details.get_by_role("button", name="Copy")).to_be_visible()
            with desk(installation, chromium, staff, organisation) as beside:
                beside.expect("Problem", problem)
                beside.expect_banner("Ask Gita")
                expect(beside.page.locator("#connection-actions")).to_contain_text(
                    "Only practice admins can reconnect Xero. Ask Gita"
                )
            installation.perform("restore_role", **role)
            at.check_until_connected()
        with_json.send(f"{installations.INTEGRATION}/disconnect")


class TestTheEnd:
    @pytest.mark.fact(41, 47, 56)
    def test_expired_removed_and_left(self, chromium: Browser, installation: Installation) -> None:
        organisation = "Quayside Payroll Bureau Limited"
        admin = installation.new_practice("Ending", "edgar@ending.example")
        person = JsonPerson(installation.origin, admin.email, admin.password)
        installation.connect(person, organisation)
        with desk(installation, chromium, admin, organisation) as at:
            at.check_until_connected()
            self.import_one(person)
            elsewhere = at.page.context.new_page()
            elsewhere.goto(f"{installation.origin}/clients")

            installation.arm("401-expired", "GET", ORGANISATION)
            installation.arm("invalid_grant", "POST", "/connect/token")
            at.check_now()
            at.expect(
                "Reconnect needed",
                re.compile(f"Xero stopped accepting our access on \\d+ \\w+ at {AT}."),
            )
            at.expect_banner("Reconnect needed. Xero stopped accepting our access.")
            expect(at.page).to_have_title(re.compile(r"^\(1\) Xero"))
            # Every other page learns it with the next poll of its header.
            elsewhere.evaluate(ASK_NOW)
            expect(elsewhere.locator("#frame-connection")).to_have_text("Reconnect needed")
            expect(elsewhere.locator("#banner")).to_contain_text("Reconnect needed.")
            held_id = self.accept_one(person)
            for path in ("/", "/clients", "/documents", f"/documents/{held_id}", "/sync-history"):
                elsewhere.goto(f"{installation.origin}{path}")
                expect(elsewhere.locator("#frame-connection")).to_have_text("Reconnect needed")
                expect(elsewhere.get_by_text("Connected", exact=True)).to_have_count(0)
            elsewhere.goto(f"{installation.origin}/documents")
            expect(elsewhere.locator(f"#push-{held_id}")).to_have_text("On hold")
            elsewhere.close()
            at.consent("Reconnect to Xero")
            wait_for_push(person, held_id, "associated")
            at.open()
            at.expect("Connected", organisation)
            at.expect_banner(None)

            installation.perform("disconnect_organisation", tenant_id=at.tenant_id)
            at.check_now()
            at.expect(
                "Disconnected",
                re.compile(
                    r"Someone removed chase.md under Connected apps in Xero on \d+ [A-Z]\w+\."
                ),
            )
            at.expect_banner("Someone removed chase.md under Connected apps in Xero.")
            at.consent("Connect to Xero")
            at.open()
            at.expect("Connected", organisation)
            at.expect_banner(None)

            self.leave(installation, at, answering=False)
            self.look_at_another(at, organisation)
            at.consent("Connect to Xero")
            expect(at.page.get_by_role("main")).to_contain_text(f"Connected to {organisation}.")
            self.leave(installation, at, answering=True)

    def import_one(self, person: JsonPerson) -> None:
        path = f"{installations.INTEGRATION}/import-preview"
        person.finished(person.send(f"{installations.INTEGRATION}/sync"))
        [row] = person.ask(path, match="new", limit=1)["items"]
        decision = {"xero_contact_id": row["xero_contact_id"], "action": "create"}
        run = person.send(f"{installations.INTEGRATION}/import", {"decisions": [decision]})
        assert person.finished(run)["created"] == 1

    def accept_one(self, person: JsonPerson) -> str:
        [client] = person.ask("/api/clients")["items"]
        document_id = add_document(person, client["id"], "P60")
        person.send(f"/api/documents/{document_id}/accept")
        return document_id

    def leave(self, installation: Installation, at: Desk, *, answering: bool) -> None:
        """Disconnect by the page, with or without an answer from Xero."""
        at.open()
        at.page.get_by_role("link", name="Disconnect from Xero").click()
        expect(at.page.get_by_role("heading", level=1)).to_have_text(
            f"Disconnect {at.organisation}?"
        )
        expect(at.page.get_by_role("main")).to_contain_text("The link between 1 client")
        if not answering:
            installation.arm("503-maintenance", "DELETE", "/connections")
            installation.arm("503-maintenance", "POST", "/connect/revocation")
        at.page.get_by_role("button", name="Disconnect from Xero").click()
        said = at.page.locator(".site-main > .notice").first
        if answering:
            expect(said).to_contain_text(
                re.compile(
                    f"Disconnected from {at.organisation} at {AT}. Access was revoked and our copy"
                    " deleted."
                )
            )
        else:
            expect(said).to_contain_text(
                "Our copy of the access is deleted and nothing more will be sent. Xero did not"
                " confirm. To be sure, remove chase.md in Xero under Settings, Connected apps."
            )
        at.expect("Disconnected", "picks up where you left off")
        at.expect_banner(None)

    def look_at_another(self, at: Desk, organisation: str) -> None:
        """Begin to connect another organisation, read what that means, and keep this one."""
        at.consent("Connect to Xero", organisation="Harbourside Accountants LLP")
        main = at.page.get_by_role("main")
        expect(main).to_contain_text(
            f"You were connected to {organisation}. The link to its 1 contact will be kept but"
            " not used. Go on with Harbourside Accountants LLP?"
        )
        expect(main).to_contain_text(re.compile(r"[\d,]+ of [\d,]+ contacts match"))
        at.page.get_by_role("button", name="Keep everything as it was").click()
        expect(main).to_contain_text("Nothing has changed.")
