"""The alerts page: who sees what, one alert by itself, and the emails about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.mail_settings import MailServer
from dashboard.models import Alert, AlertCause, AlertMail, ConnectionStatus, Practice, User
from dashboard.secret import Secret
from tests import factories
from tests.dashboard.services.mailing import hold_documents
from tests.support.browser import Browser
from tests.support.mail_server import SENDER

Enter = Callable[[User], Browser]
CAUSES = {
    AlertCause.RECONNECT_NEEDED: "Reconnect needed",
    AlertCause.DAY_LIMIT: "Daily limit reached",
    AlertCause.PUSHES_NEED_ATTENTION: "Filing did not work for 2 documents",
    AlertCause.NOT_CONFIRMED: "Connection not confirmed for 6 hours",
    AlertCause.DOCUMENTS_ON_HOLD: "7 documents have been on hold for over 3 days",
    AlertCause.IMPORT_PROBLEMS: "Import finished with problems",
}


@pytest.fixture
def sends_mail(app: Flask) -> None:
    """An installation that sends email; the server itself is not there."""
    server = MailServer("localhost", 1, "none", "", Secret(""))
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], mail_server=server, mail_from=SENDER)


def raise_alert(practice: Practice, cause: AlertCause, user: User | None = None) -> str:
    """Raise an alert and return its page."""
    alerts = wiring.alerts()
    user_id = user.id if user else None
    alerts.raise_once(practice.id, cause, "danger", CAUSES[cause], "Its text.", user_id=user_id)
    session = alerts._session
    alert_id = session.scalar(select(Alert.id).where(Alert.cause == cause))
    session.commit()
    return f"/alerts/{alert_id}"


def titles(browser: Browser, path: str = "/alerts") -> set[str]:
    page = browser.get(path).text
    return {title for title in CAUSES.values() if f">{title}</span>" in page}


class TestWhoSeesWhat:
    def test_staff_see_what_has_a_banner_and_what_they_started(
        self, practice: Practice, admin: User, colleague: User, browser_of: Enter
    ) -> None:
        for cause in CAUSES:
            raise_alert(practice, cause, colleague if "import" in cause else None)
        seen_by_staff, seen_by_admin = titles(browser_of(colleague)), titles(browser_of(admin))
        assert seen_by_admin == set(CAUSES.values()) - {"Import finished with problems"}
        assert seen_by_staff == {
            "Reconnect needed",
            "Daily limit reached",
            "Filing did not work for 2 documents",
            "Import finished with problems",
        }
        assert ">5</span>" in browser_of(admin).get("/alerts").text
        assert ">4</span>" in browser_of(colleague).get("/alerts").text

    def test_what_nobody_started_is_the_admins_matter(
        self, practice: Practice, admin: User, colleague: User, browser_of: Enter
    ) -> None:
        raise_alert(practice, AlertCause.IMPORT_PROBLEMS)
        assert titles(browser_of(colleague)) == set()
        assert titles(browser_of(admin)) == {"Import finished with problems"}

    def test_closed_ones_stay_readable_by_the_same_people(
        self, practice: Practice, admin: User, colleague: User, browser_of: Enter
    ) -> None:
        paths = [
            raise_alert(practice, cause)
            for cause in (AlertCause.NOT_CONFIRMED, AlertCause.RECONNECT_NEEDED)
        ]
        wiring.alerts().resolve(practice.id, *CAUSES)
        factories.db.session.commit()
        assert "No open alerts." in browser_of(admin).get("/alerts").text
        closed = titles(browser_of(admin), "/alerts?state=closed")
        assert closed == {"Connection not confirmed for 6 hours", "Reconnect needed"}
        assert titles(browser_of(colleague), "/alerts?state=closed") == {"Reconnect needed"}
        assert [browser_of(admin).get(path).status_code for path in paths] == [200, 200]
        assert [browser_of(colleague).get(path).status_code for path in paths] == [404, 200]
        assert "It closed by itself" in browser_of(admin).get(paths[0]).text

    def test_another_practice_finds_nothing(
        self, practice: Practice, stranger: User, browser_of: Enter
    ) -> None:
        path = raise_alert(practice, AlertCause.RECONNECT_NEEDED)
        browser = browser_of(stranger)
        theirs, nobodys = browser.get(path), browser.get(f"/alerts/{uuid4()}")
        assert (theirs.status_code, nobodys.status_code) == (404, 404)
        assert "No open alerts." in browser.get("/alerts").text

    def test_only_danger_is_counted_in_the_title(
        self, practice: Practice, browser: Browser, session: Session
    ) -> None:
        for cause in (AlertCause.RECONNECT_NEEDED, AlertCause.PUSHES_NEED_ATTENTION):
            raise_alert(practice, cause)
        raise_alert(practice, AlertCause.DAY_LIMIT)
        session.execute(
            update(Alert).where(Alert.cause == AlertCause.DAY_LIMIT).values(tone="warning")
        )
        session.commit()
        assert "<title>(2) Documents – chase.md</title>" in browser.get("/documents").text


class TestBanner:
    def test_it_has_no_button_that_leads_to_the_page_on_screen(
        self, practice: Practice, browser: Browser
    ) -> None:
        raise_alert(practice, AlertCause.RECONNECT_NEEDED)
        poll = {"HX-Request": "true", "HX-Current-URL": "http://localhost/settings?xero=connected"}
        elsewhere = {**poll, "HX-Current-URL": "http://localhost/documents"}
        button = '<a class="btn button-plain" href="/settings">Reconnect to Xero</a>'
        for path, headers, has_button in (
            ("/settings?xero=connected", {}, False),
            ("/documents", {}, True),
            ("/panels/frame", poll, False),
            ("/panels/frame", elsewhere, True),
        ):
            page = browser.get(path, headers=headers).text
            assert "<strong>Reconnect needed.</strong> Its text." in page
            assert (button in page) is has_button


class TestOneAlert:
    def test_it_says_what_to_do_and_how_many_documents_wait_now(
        self, practice: Practice, admin: User, colleague: User, browser_of: Enter
    ) -> None:
        connection = factories.make_connection(practice, status=ConnectionStatus.TOKEN_EXPIRED)
        path = raise_alert(practice, AlertCause.RECONNECT_NEEDED)
        hold_documents(connection, 2)
        for place in ("/alerts", path):
            page = browser_of(admin).get(place).text
            assert "Its text. 2 documents are on hold." in page
            assert 'href="/settings"><span class="button-text">Reconnect to Xero</span>' in page
            staff_page = browser_of(colleague).get(place).text
            assert "Only practice admins can act on this. Ask Priya." in staff_page
            assert "button-text" in staff_page

    @pytest.mark.usefixtures("sends_mail")
    def test_admins_read_who_was_told_and_who_will_be(
        self,
        practice: Practice,
        admin: User,
        colleague: User,
        browser_of: Enter,
        session: Session,
    ) -> None:
        path = raise_alert(practice, AlertCause.RECONNECT_NEEDED)
        now = utcnow()
        session.execute(update(AlertMail).where(AlertMail.number == 1).values(sent_at=now))
        session.execute(
            update(AlertMail)
            .where(AlertMail.number == 2)
            .values(last_error="The mail server did not answer in time.", server_said="<b>450</b>")
        )
        session.commit()
        words = " ".join(browser_of(admin).get(path).text.split())
        assert "<bdi>Priya</bdi>: sent <time" in words
        assert "not sent yet, we keep trying. The mail server did not answer in time." in words
        assert "&lt;b&gt;450&lt;/b&gt;" in words
        assert words.count("<bdi>Priya</bdi>: reminder due <time") == 2
        assert "Email" not in browser_of(colleague).get(path).text

    @pytest.mark.usefixtures("sends_mail")
    def test_what_waits_for_the_morning_says_so(self, practice: Practice, browser: Browser) -> None:
        page = browser.get(raise_alert(practice, AlertCause.PUSHES_NEED_ATTENTION)).text
        assert "Practice admins are told in the email of 08:00, every day while it is open." in page

    def test_an_installation_without_email_says_so(
        self, practice: Practice, admin: User, colleague: User, browser_of: Enter
    ) -> None:
        path = raise_alert(practice, AlertCause.RECONNECT_NEEDED)
        assert "sends no email" in browser_of(admin).get(path).text
        assert "sends no email" in browser_of(admin).get("/alerts").text
        assert "sends no email" not in browser_of(colleague).get("/alerts").text


class TestMailTrouble:
    @pytest.mark.usefixtures("sends_mail")
    def test_admins_are_told_since_when_email_does_not_go_out(
        self,
        practice: Practice,
        admin: User,
        colleague: User,
        browser_of: Enter,
        session: Session,
    ) -> None:
        raise_alert(practice, AlertCause.RECONNECT_NEEDED)
        assert "We could not send email" not in browser_of(admin).get("/alerts").text
        trouble = "The mail server could not be reached."
        session.execute(update(AlertMail).where(AlertMail.number < 3).values(last_error=trouble))
        refused_at = utcnow()
        session.execute(
            update(AlertMail).where(AlertMail.number == 2).values(dropped_at=refused_at)
        )
        session.commit()
        words = " ".join(browser_of(admin).get("/alerts").text.split())
        assert "We could not send email" in words
        assert trouble in words
        assert "1 email is waiting, and we keep trying. 1 email was refused for good." in words
        assert "We could not send email" not in browser_of(colleague).get("/alerts").text
        session.execute(update(AlertMail).values(sent_at=refused_at))
        session.execute(
            update(AlertMail).values(sent_at=None, dropped_at=refused_at - timedelta(days=2))
        )
        session.commit()
        assert "We could not send email" not in browser_of(admin).get("/alerts").text
