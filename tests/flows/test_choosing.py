"""Which organisation a consent means, and what is asked before one is left for another."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
import requests
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    Client,
    ConnectionStatus,
    OAuthAttempt,
    Practice,
    User,
    XeroConnection,
    XeroContactMapping,
)
from dashboard.queries import due
from dashboard.simulator import World
from dashboard.simulator.admin import perform
from dashboard.simulator.records import Organisation
from jobs import health_check
from tests import factories
from tests.flows.test_connect import (
    API,
    come_back,
    connect,
    only_for_another,
    remove_in_xero,
    start,
    words_of,
)
from tests.support.browser import Browser
from tests.support.pretend_xero import give_consent


def organisations_of_one_person(world: World) -> tuple[Organisation, Organisation]:
    person = next(each for each in world.state.users.values() if len(each.tenant_ids) > 1)
    first, second = (world.organisation(tenant_id) for tenant_id in person.tenant_ids[:2])
    return first, second


def names_of_others(world: World, *besides: Organisation) -> list[str]:
    return [each.name for each in world.state.organisations.values() if each not in besides]


def consent_to(browser: Browser, world: World, *organisations: Organisation) -> str:
    """Allow several organisations at once; return where the person ends."""
    person = next(
        each
        for each in world.state.users.values()
        if {organisation.tenant_id for organisation in organisations} <= set(each.tenant_ids)
    )
    choice = [f"{person.user_id} {organisation.tenant_id}" for organisation in organisations]
    data = {"decision": "allow", "choice": choice}
    answer = requests.post(start(browser), data=data, allow_redirects=False, timeout=10)
    return come_back(browser, answer.headers["Location"])


def answer_choice(browser: Browser, place: str, tenant_id: str) -> TestResponse:
    choice_id = parse_qs(urlsplit(place).query)["choice"][0]
    return browser.post(f"/settings/choose/{choice_id}", {"tenant_id": tenant_id})


def session_client() -> Client:
    db.session.rollback()
    return db.session.scalars(select(Client)).one()


class TestChoosing:
    @pytest.fixture
    def several(self, world: World) -> World:
        world.app.bulk_connections = True
        return world

    def test_several_consented_organisations_are_offered(
        self, browser: Browser, several: World
    ) -> None:
        first, second = organisations_of_one_person(several)
        place = consent_to(browser, several, first, second)
        page = words_of(browser, place)
        assert "Choose one organisation for this practice" in page
        assert page.count('type="radio"') == 2
        assert browser.get_json(f"{API}/status")["status"] == "not_connected"
        answer = answer_choice(browser, place, second.tenant_id)
        assert answer.headers["Location"].endswith("/settings?xero=connected")
        assert browser.get_json(f"{API}/status")["organisation"]["name"] == second.name
        # The answer is used up.
        again = answer_choice(browser, place, first.tenant_id)
        assert again.status_code != 303 or "connected" not in again.headers["Location"]
        assert browser.get_json(f"{API}/status")["organisation"]["name"] == second.name

    def test_an_organisation_that_was_not_offered_cannot_be_chosen(
        self, browser: Browser, several: World
    ) -> None:
        first, second = organisations_of_one_person(several)
        place = consent_to(browser, several, first, second)
        assert answer_choice(browser, place, str(uuid4())).status_code == 404
        assert browser.get_json(f"{API}/status")["status"] == "not_connected"

    def test_one_of_several_that_leaves_another_is_asked_about_once_more(
        self, browser: Browser, several: World, session: Session
    ) -> None:
        first, second = organisations_of_one_person(several)
        connect(browser, several, names_of_others(several, first, second)[0])
        place = consent_to(browser, several, first, second)
        asked = answer_choice(browser, place, second.tenant_id).headers["Location"]
        assert asked == place
        page = words_of(browser, asked)
        assert f"Go on with {second.name}?" in page
        assert 'type="radio"' not in page
        answer_choice(browser, asked, second.tenant_id)
        assert browser.get_json(f"{API}/status")["organisation"]["name"] == second.name

    def test_an_organisation_without_a_name_gets_one(self, browser: Browser, world: World) -> None:
        world.options.nameless_connections = True
        place = connect(browser, world)
        assert f"Connected to {world.main.name}." in words_of(browser, place)
        assert browser.get_json(f"{API}/status")["organisation"]["name"] == world.main.name

    def test_without_any_organisation_there_is_nothing_to_connect(
        self, browser: Browser, world: World
    ) -> None:
        address = give_consent(world, start(browser))
        for held in world.state.connections.values():
            held.disconnected_at = world.clock.now()
        assert (
            "Xero did not tell us which organisation to use. Start again and choose one."
            in words_of(browser, come_back(browser, address))
        )
        assert world.state.refresh_tokens == {}

    def test_a_stranger_cannot_use_the_choice(
        self,
        browser: Browser,
        browser_of: Callable[[User], Browser],
        stranger: User,
        world: World,
    ) -> None:
        names = [each.name for each in world.state.organisations.values()]
        connect(browser, world, names[0])
        place = connect(browser, world, names[1])
        choice_id = parse_qs(urlsplit(place).query)["choice"][0]
        tenant_id = world.organisation(names[1]).tenant_id
        other = browser_of(stranger)
        other.post(f"/settings/choose/{choice_id}", {"tenant_id": tenant_id})
        assert other.get_json(f"{API}/status")["status"] == "not_connected"


class TestAnotherOrganisation:
    """Leaving one organisation for another is asked about; going back to it is not."""

    @pytest.fixture
    def names(self, world: World) -> list[str]:
        return [each.name for each in world.state.organisations.values()]

    @pytest.fixture
    def linked(
        self, browser: Browser, world: World, names: list[str], practice: Practice
    ) -> XeroConnection:
        """Connected to the first organisation, with one client linked to one of its contacts."""
        connect(browser, world, names[0])
        connection = db.session.scalars(select(XeroConnection)).one()
        contact = next(iter(world.organisation(names[0]).contacts.values()))
        factories.make_contact(connection, xero_contact_id=contact.contact_id, name=contact.name)
        client = factories.make_client(practice, name=contact.name, email=contact.email)
        factories.make_mapping(connection, client, contact.contact_id)
        return connection

    @pytest.mark.parametrize("state", ["connected", "expired", "disconnected", "removed"])
    def test_it_asks_first_and_compares(
        self,
        *,
        browser: Browser,
        world: World,
        names: list[str],
        linked: XeroConnection,
        session: Session,
        state: str,
    ) -> None:
        if state == "disconnected":
            browser.send_json("POST", f"{API}/disconnect")
        elif state == "expired":
            linked.status = ConnectionStatus.TOKEN_EXPIRED
            session.commit()
        elif state == "removed":
            remove_in_xero(world)
            browser.post("/settings/check")
        place = connect(browser, world, names[1])
        page = words_of(browser, place)
        assert (
            f"You were connected to {names[0]}. Links to its 1 contact will be kept but not used."
            f" Go on with {names[1]}?" in page
        )
        active = sum(
            each.status == "ACTIVE" for each in world.organisation(names[1]).contacts.values()
        )
        assert f" of {active:,} contacts match; the last organisation matched 1." in page
        session.rollback()
        assert linked.status != ConnectionStatus.ACTIVE or state == "connected"
        answer_choice(browser, place, world.organisation(names[1]).tenant_id)
        status = browser.get_json(f"{API}/status")
        assert (status["status"], status["organisation"]["name"]) == ("active", names[1])
        session.rollback()
        session.refresh(linked)
        assert linked.status == ConnectionStatus.DISCONNECTED
        assert session.scalars(select(XeroContactMapping)).one().xero_connection_id == linked.id

    def test_a_contact_that_is_a_client_counts(
        self, browser: Browser, world: World, names: list[str], linked: XeroConnection
    ) -> None:
        """The client of the first organisation is in the books of the second as well."""
        client = session_client()
        other = world.organisation(names[1])
        perform(
            world,
            "add_contact",
            {"tenant_id": other.tenant_id, "name": client.name, "email": client.email or ""},
        )
        page = words_of(browser, connect(browser, world, names[1]))
        assert re.search(r"\b1 of [\d,]+ contacts matches; the last", page)

    @pytest.mark.parametrize("fault", ["503-maintenance", "429-minute", "reset"])
    def test_a_comparison_that_cannot_be_made_is_said(
        self,
        browser: Browser,
        world: World,
        names: list[str],
        linked: XeroConnection,
        fault: str,
    ) -> None:
        world.faults.arm(fault, path="/api.xro/2.0/Contacts", times=2)
        page = words_of(browser, connect(browser, world, names[1]))
        assert f"Go on with {names[1]}?" in page
        assert "The contacts could not be compared: Xero did not answer in time." in page

    def test_keeping_everything_gives_the_consent_back(
        self, browser: Browser, world: World, names: list[str], linked: XeroConnection
    ) -> None:
        place = connect(browser, world, names[1])
        choice_id = parse_qs(urlsplit(place).query)["choice"][0]
        browser.post(f"/settings/choose/{choice_id}/cancel")
        assert "Nothing has changed." in browser.get("/settings").text
        assert browser.get_json(f"{API}/status")["organisation"]["name"] == names[0]
        live = [each.tenant_id for each in world.state.connections.values() if each.is_live]
        assert live == [world.organisation(names[0]).tenant_id]
        browser.post("/settings/check")
        assert "The connection works." in browser.get("/settings").text

    def test_a_question_that_nobody_answers_gives_the_consent_back(
        self,
        *,
        browser: Browser,
        world: World,
        names: list[str],
        linked: XeroConnection,
        session: Session,
    ) -> None:
        place = connect(browser, world, names[1])
        assert due.consents_to_give_back(session, utcnow()) == []
        attempt = session.scalars(select(OAuthAttempt)).one()
        attempt.expires_at = utcnow() - timedelta(seconds=1)
        session.commit()
        for late in (
            lambda: browser.get(place),
            lambda: browser.post(f"/settings/choose/{attempt.id}", {"tenant_id": "any"}),
        ):
            # It is said once, on the page where a new attempt begins.
            assert late().headers["Location"].endswith("/settings?xero=refused")
            assert browser.get("/settings").text.count("too old to accept") == 1
        [attempt_id] = due.consents_to_give_back(session, utcnow())
        # Somebody who begins anew must not take the tokens away before they are given back.
        start(browser)
        health_check.give_back_consent(str(attempt_id))
        live = [each.tenant_id for each in world.state.connections.values() if each.is_live]
        assert live == [world.organisation(names[0]).tenant_id]
        assert due.consents_to_give_back(session, utcnow()) == []

    def test_the_same_one_connects_at_once(
        self, browser: Browser, world: World, names: list[str], linked: XeroConnection
    ) -> None:
        browser.send_json("POST", f"{API}/disconnect")
        assert connect(browser, world, names[0]).endswith("/settings?xero=connected")

    def test_without_links_anywhere_it_connects_at_once(
        self, browser: Browser, world: World, names: list[str]
    ) -> None:
        connect(browser, world, names[0])
        browser.send_json("POST", f"{API}/disconnect")
        assert connect(browser, world, names[1]).endswith("/settings?xero=connected")

    def test_one_that_another_practice_holds_costs_nothing(
        self,
        *,
        browser: Browser,
        browser_of: Callable[[User], Browser],
        stranger: User,
        world: World,
        names: list[str],
        linked: XeroConnection,
    ) -> None:
        wanted = world.organisation(names[1])
        with only_for_another(world, wanted, next(iter(world.state.connections.values())).user_id):
            connect(browser_of(stranger), world, names[1])
        page = words_of(browser, connect(browser, world, names[1]))
        assert "already connected to another practice" in page
        assert browser.get_json(f"{API}/status")["organisation"]["name"] == names[0]
