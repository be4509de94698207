"""From what happens at Xero to the email in somebody's box, through the real layers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard import wiring
from dashboard.database import db
from dashboard.models import AlertCause, AlertMail, User, XeroConnection
from dashboard.services.refusals import ConnectionNotUsable
from dashboard.services.run_results import ImportDecision
from dashboard.simulator import World
from dashboard.xero import Priority
from jobs import alert_mail
from tests.flows.test_connect import connect, remove_in_xero
from tests.support.browser import Browser
from tests.support.mail_server import SENDER, Mailbox, mail_server


@pytest.fixture
def mailbox(app: Flask) -> Iterator[Mailbox]:
    """The box of everybody to whom this installation sends email."""
    mailbox = Mailbox()
    with mail_server(mailbox) as server:
        app.config["SETTINGS"] = replace(
            app.config["SETTINGS"], mail_server=server, mail_from=SENDER
        )
        yield mailbox


@pytest.fixture
def connection(
    mailbox: Mailbox, browser: Browser, world: World, session: Session
) -> XeroConnection:
    """A connection made by a real consent."""
    connect(browser, world)
    session.rollback()
    return session.scalars(select(XeroConnection)).one()


def lose_access(connection: XeroConnection, world: World) -> None:
    """Let Xero refuse our tokens for good, and notice it."""
    world.faults.arm("invalid_grant", times=5)
    world.faults.arm("401-expired", path="/api.xro/", times=5)
    with (
        pytest.raises(ConnectionNotUsable),
        wiring.xero_auth().calling(connection.practice_id, Priority.PERSON) as call,
    ):
        call.xero.accounting.organisation()
    world.faults.clear()


def post() -> None:
    """Do what the timetable does."""
    alert_mail.sweep()
    alert_mail.send_due("all")


class TestAlertMail:
    def test_lost_access_is_mailed_and_reconnecting_ends_it(
        self, browser: Browser, connection: XeroConnection, world: World, mailbox: Mailbox
    ) -> None:
        lose_access(connection, world)
        for _ in range(2):
            post()
        [(recipient, message)] = mailbox.taken
        assert (recipient, message["Subject"]) == (
            "priya@hartley.example",
            "Xero needs reconnecting",
        )
        connect(browser, world)
        db.session.rollback()
        assert [
            (mail.sent_at is not None, mail.dropped_at is not None)
            for mail in db.session.scalars(select(AlertMail).order_by(AlertMail.number))
        ] == [(True, False), (False, True), (False, True)]

    def test_no_log_line_says_who_was_mailed(
        self,
        mailbox: Mailbox,
        admin: User,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        # The server of this test keeps a log of its own, in the same process.
        monkeypatch.setattr(logging.getLogger("mail.log"), "propagate", False)
        mailbox.answers[admin.email] = "450 <priya@hartley.example> later"
        cause = AlertCause.RECONNECT_NEEDED
        wiring.alerts().raise_once(admin.practice_id, cause, "danger", "A title", "B.")
        db.session.commit()
        post()
        assert "was refused" in caplog.text
        assert admin.email not in caplog.text

    def test_a_removal_in_xero_is_mailed(
        self, connection: XeroConnection, world: World, mailbox: Mailbox, admin: User
    ) -> None:
        remove_in_xero(world)
        with pytest.raises(ConnectionNotUsable):
            wiring.xero_auth().check_health(connection.id)
        post()
        assert [message["Subject"] for message in mailbox.to(admin.email)] == [
            "Xero was disconnected"
        ]

    def test_problems_of_an_import_are_told_to_who_started_it_each_time(
        self,
        connection: XeroConnection,
        mailbox: Mailbox,
        admin: User,
        colleague: User,
        browser_of: Callable[[User], Browser],
    ) -> None:
        practice_id = admin.practice_id
        for person in (colleague, admin):
            sync = wiring.xero_sync()
            unknown = [ImportDecision(str(uuid4()), "create")]
            sync.start_import(practice_id, person.id, unknown)
            sync.import_contacts(practice_id)
            post()
            assert mailbox.recipients[-1] == person.email
        assert len(mailbox.taken) == 2
        assert "Import finished with problems" in browser_of(admin).get("/alerts").text
        assert "No open alerts." in browser_of(colleague).get("/alerts").text
