"""Emails about alerts: to whom, when, once, and through every failure."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import escape

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.embedded import free_port
from dashboard.models import (
    Alert,
    AlertCause,
    AlertMail,
    ConnectionStatus,
    Practice,
    Role,
    User,
    XeroConnection,
)
from dashboard.queries import alerts as queries
from jobs import alert_mail
from jobs.queue import JsonQueue
from tests import factories
from tests.dashboard.services.filing import Killed, MortalSession
from tests.dashboard.services.mailing import MONDAY, Mailing, hold_documents
from tests.support.mail_server import SENDER, Mailbox, mail_server, until

RECONNECT = AlertCause.RECONNECT_NEEDED
ATTENTION = AlertCause.PUSHES_NEED_ATTENTION
ON_HOLD = AlertCause.DOCUMENTS_ON_HOLD
MARKUP = "<img src=x onerror=alert(1)>"
PRIYA = "priya@hartley.example"
TOM = "tom@hartley.example"
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def mailing(app: Flask, mailbox: Mailbox, admin: User) -> Iterator[Mailing]:
    with mail_server(mailbox) as server:
        yield Mailing(server)


@pytest.fixture
def second_admin(practice: Practice) -> User:
    return factories.make_user(practice, email=TOM, role=Role.ADMIN)


@pytest.fixture
def connection(practice: Practice) -> XeroConnection:
    return factories.make_connection(practice, status=ConnectionStatus.TOKEN_EXPIRED)


def mails() -> list[AlertMail]:
    db.session.rollback()
    return list(db.session.scalars(select(AlertMail).order_by(AlertMail.due_at)))


def text_of(mailbox: Mailbox, kind: str = "plain") -> str:
    """Return what the last email says."""
    _, message = mailbox.taken[-1]
    part = message.get_body((kind,))
    assert part is not None
    content: str = part.get_content()
    return content.replace("\r\n", "\n")


class TestWhoAndWhen:
    def test_admins_are_mailed_at_once_and_once(
        self, mailing: Mailing, mailbox: Mailbox, practice: Practice, second_admin: User
    ) -> None:
        factories.make_user(practice, email="staff@hartley.example", role=Role.STAFF)
        for _ in range(3):
            mailing.raise_once(practice, RECONNECT)
        assert mailing.send() == 2
        mailing.raise_once(practice, RECONNECT, count=5)
        assert mailing.after(hours=1) == 0
        assert sorted(mailbox.recipients) == [PRIYA, TOM]
        assert mailbox.connections == 1

    @pytest.mark.fact(76)
    def test_a_name_made_of_markup_is_text(
        self, mailing: Mailing, mailbox: Mailbox, practice: Practice
    ) -> None:
        practice.name = MARKUP
        expired = ConnectionStatus.TOKEN_EXPIRED
        factories.make_connection(practice, xero_org_name=MARKUP, status=expired)
        mailing.raise_once(practice, RECONNECT)
        assert mailing.send() == 1
        assert f"Practice: {MARKUP}" in text_of(mailbox)
        html = text_of(mailbox, "html")
        assert "<img" not in html
        assert f"<bdi>{escape(MARKUP)}</bdi>" in html

    @pytest.mark.parametrize(
        ("cause", "moments"),
        [
            (AlertCause.RECONNECT_NEEDED, [MINUTE, 3 * DAY, 7 * DAY]),
            (AlertCause.DISCONNECTED_IN_XERO, [MINUTE]),
            (AlertCause.PERMISSION_NEEDED, [MINUTE]),
            (AlertCause.CONNECTION_PROBLEM, [6 * HOUR]),
            (AlertCause.NOT_CONFIRMED, [15 * MINUTE]),
            (AlertCause.DAY_LIMIT, []),
        ],
        ids=lambda value: value.value if isinstance(value, AlertCause) else "",
    )
    def test_each_cause_has_its_own_moments(
        self,
        mailing: Mailing,
        mailbox: Mailbox,
        practice: Practice,
        cause: AlertCause,
        moments: list[timedelta],
    ) -> None:
        mailing.raise_once(practice, cause)
        found = []
        for moment in sorted({*moments, *(m - MINUTE for m in moments), 2 * HOUR, 30 * DAY}):
            found += [moment] * mailing.at(MONDAY + moment)
        # What is due at once arrives with the first round.
        assert found == [timedelta() if m == MINUTE else m for m in moments]
        assert mailbox.recipients == [PRIYA] * len(moments)

    def test_reminders_say_that_they_are(
        self,
        mailing: Mailing,
        mailbox: Mailbox,
        practice: Practice,
        connection: XeroConnection,
    ) -> None:
        mailing.raise_once(practice, RECONNECT, text="Xero stopped accepting our access.")
        hold_documents(connection, 1)
        mailing.send()
        hold_documents(connection, 6)
        mailing.after(days=3)
        subjects = [message["Subject"] for message in mailbox.to(PRIYA)]
        assert subjects == [
            "Xero needs reconnecting: 1 document is on hold",
            "Xero still needs reconnecting: 7 documents are on hold",
        ]
        assert "Xero stopped accepting our access. 7 documents are on hold." in text_of(mailbox)

    def test_it_leads_through_signing_in_to_the_settings(
        self,
        mailing: Mailing,
        mailbox: Mailbox,
        practice: Practice,
        connection: XeroConnection,
        app: Flask,
    ) -> None:
        mailing.raise_once(practice, RECONNECT)
        mailing.send()
        plain, html = text_of(mailbox), text_of(mailbox, "html")
        assert "Reconnect to Xero:\nhttp://localhost:8000/settings\n" in plain
        assert '<a href="http://localhost:8000/settings">Reconnect to Xero</a>' in html
        for words in (plain, html):
            assert "Hello Priya," in words
            assert "Demo Company (UK)" in words
            assert "Hartley Accounting" in words
            assert "Since: 2 March 2026, 10:00 GMT" in words
        answer = app.test_client().get("/settings")
        assert (answer.status_code, answer.location) == (303, "/sign-in?next=/settings")

    def test_what_closes_before_its_time_is_never_mailed(
        self, mailing: Mailing, mailbox: Mailbox, practice: Practice
    ) -> None:
        mailing.raise_once(practice, RECONNECT)
        mailing.resolve(practice, RECONNECT)
        assert mailing.after(days=30) == 0
        assert mailbox.taken == []
        assert all(mail.dropped_at for mail in mails())

    def test_reminders_end_with_the_cause_and_begin_anew_with_it(
        self, mailing: Mailing, mailbox: Mailbox, practice: Practice
    ) -> None:
        mailing.raise_once(practice, RECONNECT)
        assert mailing.send() == 1
        mailing.resolve(practice, RECONNECT)
        assert mailing.after(days=3) == 0
        mailing.raise_once(practice, RECONNECT)
        assert mailing.send() == 1
        assert mailing.after(days=3) == 1

    def test_an_import_is_the_matter_of_who_started_it(
        self, mailing: Mailing, mailbox: Mailbox, practice: Practice, colleague: User
    ) -> None:
        cause = AlertCause.IMPORT_PROBLEMS
        mailing.raise_once(practice, cause, count=3, user_id=colleague.id)
        mailing.send()
        assert mailbox.recipients == [colleague.email]
        [message] = mailbox.to(colleague.email)
        assert message["Subject"] == "Import finished with problems: 3 contacts need attention"
        assert "because you started the import" in text_of(mailbox)
        mailing.resolve(practice, cause)
        mailing.raise_once(practice, cause, user_id=None)
        assert mailing.send() == 0

    def test_nothing_is_promised_where_no_email_is_sent(
        self, mailing: Mailing, practice: Practice
    ) -> None:
        mailing.alerts(sends=False).raise_once(practice.id, RECONNECT, "danger", "A", "B.")
        db.session.commit()
        assert mails() == []

    def test_another_practice_hears_nothing(
        self, mailing: Mailing, mailbox: Mailbox, practice: Practice, stranger: User
    ) -> None:
        mailing.raise_once(practice, RECONNECT)
        mailing.raise_once(practice, ATTENTION)
        mailing.after(days=7)
        assert set(mailbox.recipients) == {PRIYA}
        mailing.raise_once(stranger.practice, RECONNECT)
        mailing.send()
        assert mailbox.recipients[-1] == stranger.email
        assert "Other Practice" in text_of(mailbox)

    @pytest.mark.parametrize("change", ["staff now", "gone", "disabled"])
    def test_whoever_may_not_act_any_more_is_left_out(
        self,
        mailing: Mailing,
        mailbox: Mailbox,
        practice: Practice,
        change: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        second_admin = factories.make_user(practice, email=TOM, role=Role.ADMIN)
        mailing.raise_once(practice, RECONNECT)
        if change == "staff now":
            second_admin.role = Role.STAFF
        elif change == "gone":
            db.session.delete(second_admin)
        else:
            everybody_else = property(lambda user: user.email != TOM)
            monkeypatch.setattr(User, "is_active", everybody_else)
        db.session.commit()
        assert mailing.after(days=7) == 1
        assert mailbox.recipients == [PRIYA]

    def test_hostile_names_stay_words(
        self, mailing: Mailing, mailbox: Mailbox, practice: Practice, admin: User
    ) -> None:
        nasty = "<img src=x onerror=alert(1)>\r\nBcc: eve@other.example\r\n\r\n"
        practice.name = admin.name = nasty
        factories.make_connection(practice, xero_org_name=nasty)
        mailing.raise_once(practice, RECONNECT, text=nasty)
        mailing.send()
        assert mailbox.recipients == [PRIYA]
        [message] = mailbox.to(PRIYA)
        assert message["Bcc"] is None
        assert "<img" not in text_of(mailbox, "html")
        assert "&lt;img" in text_of(mailbox, "html")
        assert "Hello <img src=x onerror=alert(1)> Bcc: eve@other.example," in text_of(mailbox)


class TestDigest:
    def test_it_comes_at_eight_with_everything_that_waits(
        self, mailing: Mailing, mailbox: Mailbox, practice: Practice
    ) -> None:
        for count in (1, 2):
            mailing.raise_once(practice, ATTENTION, count=count)
        mailing.raise_once(practice, ON_HOLD, count=7)
        assert mailing.at(datetime(2026, 3, 3, 7, 59, tzinfo=UTC)) == 0
        assert mailing.at(datetime(2026, 3, 3, 8, 0, tzinfo=UTC)) == 1
        [message] = mailbox.to(PRIYA)
        assert (
            message["Subject"] == "Filing did not work for 2 documents, 7 on hold for over 3 days"
        )
        assert "http://localhost:8000/documents?tab=attention" in text_of(mailbox)
        assert "http://localhost:8000/documents?tab=on_hold" in text_of(mailbox)

    def test_it_comes_every_day_while_something_waits(
        self, mailing: Mailing, mailbox: Mailbox, practice: Practice
    ) -> None:
        mailing.raise_once(practice, ATTENTION)
        eight = datetime(2026, 3, 3, 8, 0, tzinfo=UTC)
        assert [mailing.at(eight + hour * HOUR) for hour in range(0, 72, 6)] == [1, 0, 0, 0] * 3
        newcomer = factories.make_user(practice, email=TOM, role=Role.ADMIN)
        # Told from the digest that follows the next one.
        assert [mailing.at(eight + day * DAY) for day in (3, 4)] == [1, 2]
        assert mailbox.to(newcomer.email)
        mailing.resolve(practice, ATTENTION)
        assert mailing.at(eight + 5 * DAY) == 0
        assert mailing.at(eight + 30 * DAY) == 0
        mailing.raise_once(practice, ATTENTION)
        assert mailing.at(eight + 31 * DAY - HOUR) == 2

    @pytest.mark.parametrize(
        ("zone", "raised", "eights"),
        [
            # The clocks go forward on 29 March 2026 and back on 25 October 2026.
            (
                "Europe/London",
                datetime(2026, 3, 27, 12, tzinfo=UTC),
                ["2026-03-28T08:00", "2026-03-29T07:00", "2026-03-30T07:00"],
            ),
            (
                "Europe/London",
                datetime(2026, 10, 23, 12, tzinfo=UTC),
                ["2026-10-24T07:00", "2026-10-25T08:00", "2026-10-26T08:00"],
            ),
            (
                "Australia/Sydney",
                datetime(2026, 4, 3, 12, tzinfo=UTC),
                ["2026-04-03T21:00", "2026-04-04T22:00", "2026-04-05T22:00"],
            ),
            ("No/Such/Place", MONDAY, ["2026-03-03T08:00", "2026-03-04T08:00"]),
        ],
        ids=["spring", "autumn", "south", "unknown"],
    )
    def test_eight_is_what_the_practices_clocks_show(
        self,
        mailing: Mailing,
        practice: Practice,
        zone: str,
        raised: datetime,
        eights: list[str],
    ) -> None:
        practice.time_zone = zone
        mailing.now = raised
        mailing.raise_once(practice, ATTENTION)
        for eight in eights:
            moment = datetime.fromisoformat(f"{eight}+00:00")
            assert mailing.at(moment - MINUTE) == 0
            assert mailing.at(moment) == 1


class TestTrouble:
    def test_a_server_that_was_away_gets_each_email_once(
        self, mailing: Mailing, mailbox: Mailbox, practice: Practice, second_admin: User
    ) -> None:
        there = mailing.server
        mailing.server = replace(there, port=free_port())
        mailing.raise_once(practice, RECONNECT)
        tried = 0
        for _ in range(120):
            assert mailing.after(minutes=1) == 0
            tried = sum(mail.attempts for mail in mails())
        # One of them knocks, the other waits along; the pauses grow to an hour.
        assert 6 <= tried <= 14
        trouble = queries.mail_trouble(db.session, mailing.now, practice.id)
        assert trouble is not None
        assert (trouble.error, trouble.since) == ("The mail server could not be reached.", MONDAY)
        mailing.server = there
        assert mailing.after(hours=1) == 2
        assert sorted(mailbox.recipients) == [PRIYA, TOM]
        assert mailing.after(hours=2) == 0
        assert queries.mail_trouble(db.session, mailing.now, practice.id) is None

    def test_after_a_long_absence_only_the_latest_is_sent(
        self, mailing: Mailing, mailbox: Mailbox, practice: Practice
    ) -> None:
        there = mailing.server
        mailing.server = replace(there, port=free_port())
        mailing.raise_once(practice, RECONNECT)
        assert mailing.send() == 0
        mailing.server = there
        assert mailing.after(days=8) == 1
        assert mailbox.to(PRIYA)[0]["Subject"] == "Xero still needs reconnecting"

    def test_what_was_resolved_while_the_server_was_away_is_not_sent(
        self, mailing: Mailing, practice: Practice
    ) -> None:
        there = mailing.server
        mailing.server = replace(there, port=free_port())
        mailing.raise_once(practice, RECONNECT)
        mailing.send()
        mailing.resolve(practice, RECONNECT)
        mailing.server = there
        assert mailing.after(hours=2) == 0

    def test_an_address_that_is_refused_is_not_asked_again(
        self, mailing: Mailing, mailbox: Mailbox, practice: Practice, second_admin: User
    ) -> None:
        mailbox.answers[TOM] = "550 no such person"
        mailing.raise_once(practice, AlertCause.PERMISSION_NEEDED)
        assert mailing.send() == 1
        mailbox.answers.clear()
        assert mailing.after(days=1) == 0
        assert mailbox.recipients == [PRIYA]
        alert_id = db.session.scalars(select(Alert.id)).one()
        told = {row.to: row for row in queries.mails_about(db.session, practice.id, alert_id)}
        assert told["Priya"].sent_at == MONDAY
        assert told["Tom"].error == "The mail server did not accept this address."
        assert told["Tom"].server_said == "550 no such person"

    def test_a_refused_digest_is_tried_again_the_next_day(
        self, mailing: Mailing, mailbox: Mailbox, practice: Practice
    ) -> None:
        mailing.raise_once(practice, ATTENTION)
        mailbox.answers[PRIYA] = "550 full"
        assert mailing.at(datetime(2026, 3, 3, 8, 0, tzinfo=UTC)) == 0
        mailbox.answers.clear()
        assert mailing.at(datetime(2026, 3, 3, 9, 0, tzinfo=UTC)) == 0
        assert mailing.at(datetime(2026, 3, 4, 8, 0, tzinfo=UTC)) == 1

    def test_a_server_that_says_later_is_asked_later(
        self, mailing: Mailing, mailbox: Mailbox, practice: Practice, second_admin: User
    ) -> None:
        mailbox.answers[PRIYA] = "450 greylisted"
        mailing.raise_once(practice, RECONNECT)
        assert mailing.send() == 1
        mailbox.answers.clear()
        assert mailing.after(seconds=30) == 0
        assert mailing.after(seconds=30) == 1
        assert sorted(mailbox.recipients) == [PRIYA, TOM]

    def test_dying_at_any_commit_repeats_one_email_at_most(
        self, mailing: Mailing, mailbox: Mailbox, practice: Practice, second_admin: User
    ) -> None:
        deaths = repeated = 0
        for nth in range(1, 9):
            for before in (True, False):
                mailbox.taken.clear()
                mailing.raise_once(practice, RECONNECT)
                mortal = MortalSession(db.session, nth, before=before)
                try:
                    mailing.service(session=mortal).send_due(30.0)
                except Killed:
                    deaths += 1
                db.session.rollback()
                # Under the lease nobody else may send what may have been sent.
                mailing.after(seconds=59)
                ids = [message["Message-ID"] for _, message in mailbox.taken]
                assert len(ids) == len(set(ids))
                mailing.after(seconds=61)
                ids = [message["Message-ID"] for _, message in mailbox.taken]
                assert set(mailbox.recipients) == {PRIYA, TOM}
                assert len(set(ids)) == 2
                repeated += len(ids) - 2
                assert len(ids) - 2 <= 1
                mailing.resolve(practice, RECONNECT)
        # A round of two emails commits seven times: it died at each, before and after.
        assert deaths == 14
        assert repeated == 2

    def test_two_workers_never_have_the_same_email_in_hand(
        self,
        app: Flask,
        mailing: Mailing,
        mailbox: Mailbox,
        practice: Practice,
        second_admin: User,
    ) -> None:
        mailing.raise_once(practice, RECONNECT)
        mailbox.latch = threading.Event()
        sent: list[int] = []

        def work(owner: str) -> None:
            with app.app_context():
                sent.append(mailing.service(owner, db.session).send_due(30.0).sent)
                db.session.remove()

        workers = [threading.Thread(target=work, args=(f"worker-{n}",)) for n in (2, 3)]
        for number, worker in enumerate(workers, start=1):
            worker.start()
            until(lambda number=number: mailbox.being_taken == number)  # type: ignore[misc]
        # Both are in hand: a third worker finds nothing to do, and waits for nobody.
        assert mailing.send("worker-4") == 0
        mailbox.latch.set()
        for worker in workers:
            worker.join()
        assert sent == [1, 1]
        assert sorted(mailbox.recipients) == [PRIYA, TOM]
        assert mailbox.most_at_once == 2
        assert mailing.after(hours=1) == 0

    def test_a_round_ends_with_its_time_and_says_that_more_is_waiting(
        self, mailing: Mailing, practice: Practice
    ) -> None:
        mailing.raise_once(practice, RECONNECT)
        round_ = mailing.service().send_due(0.0)
        assert (round_.sent, round_.more) == (0, True)


class TestJob:
    def test_the_sweep_rings_once_and_the_job_sends(
        self, app: Flask, mailbox: Mailbox, admin: User, session: Session
    ) -> None:
        queue = JsonQueue(connection=app.extensions["redis"])
        with mail_server(mailbox) as server:
            app.config["SETTINGS"] = replace(
                app.config["SETTINGS"], mail_server=server, mail_from=SENDER
            )
            wiring.alerts().raise_once(admin.practice_id, RECONNECT, "danger", "A", "B.")
            session.commit()
            for _ in range(2):
                alert_mail.sweep()
            assert [job.args for job in queue.jobs] == [["all"]]
            alert_mail.send_due("all")
            alert_mail.sweep()
        assert mailbox.recipients == [PRIYA]
        assert queue.count == 1
        [sent, *later] = mails()
        assert sent.sent_at is not None
        assert [mail.due_at > utcnow() for mail in later] == [True, True]

    def test_without_a_mail_server_nothing_happens(self, app: Flask, admin: User) -> None:
        wiring.alerts().raise_once(admin.practice_id, RECONNECT, "danger", "A", "B.")
        alert_mail.sweep()
        alert_mail.send_due("all")
        assert wiring.alert_mails() is None
        assert mails() == []
