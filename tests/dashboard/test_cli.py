"""The commands that people type."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard import wiring
from dashboard.embedded import free_port
from dashboard.mail_settings import MailServer, Sender
from dashboard.models import AlertCause, Practice, User
from dashboard.secret import Secret

PASSWORD = "a long enough password\n"


class TestPracticeCreate:
    def test_it_prints_the_id_alone_on_the_last_line(self, app: Flask, session: Session) -> None:
        done = app.test_cli_runner().invoke(
            args=[
                "practice",
                "create",
                "Hartley",
                "--admin-email",
                "a@x.example",
                "--password-stdin",
            ],
            input=PASSWORD,
        )
        assert done.exit_code == 0, done.output
        practice_id = UUID(done.output.splitlines()[-1])
        assert session.get_one(Practice, practice_id).name == "Hartley"

    def test_a_short_password_is_refused_in_a_sentence(self, app: Flask) -> None:
        done = app.test_cli_runner().invoke(
            args=[
                "practice",
                "create",
                "Hartley",
                "--admin-email",
                "a@x.example",
                "--password-stdin",
            ],
            input="short\n",
        )
        assert done.exit_code == 1
        assert "The password is too short." in done.output
        assert "Traceback" not in done.output


class TestUserCreate:
    def test_a_member_of_staff(self, app: Flask, practice: Practice, session: Session) -> None:
        done = app.test_cli_runner().invoke(
            args=["user", "create", "tom@x.example", "--practice", str(practice.id)]
            + ["--role", "staff", "--password-stdin"],
            input=PASSWORD,
        )
        assert done.exit_code == 0, done.output
        user = session.scalars(select(User)).one()
        assert str(user.id) == done.output.splitlines()[-1]
        assert not user.is_admin

    def test_an_unknown_practice(self, app: Flask) -> None:
        done = app.test_cli_runner().invoke(
            args=["user", "create", "tom@x.example", "--practice", str(UUID(int=1))]
            + ["--role", "staff", "--password-stdin"],
            input=PASSWORD,
        )
        assert done.exit_code == 1
        assert "There is no practice with this id." in done.output


class TestDoctor:
    def test_a_good_installation(self, app: Flask) -> None:
        done = app.test_cli_runner().invoke(args=["doctor"])
        assert done.exit_code == 0
        assert "Nothing is wrong." in done.output

    def test_a_redis_that_is_away(self, app: Flask) -> None:
        app.extensions["redis"].connection_pool.connection_kwargs["path"] = "/nowhere"
        app.extensions["redis"].connection_pool.disconnect()
        done = app.test_cli_runner().invoke(args=["doctor"])
        assert done.exit_code == 1
        assert "Redis does not answer" in done.output

    def test_a_mail_server_that_is_not_there_is_told_with_what_waits_for_it(
        self, app: Flask, admin: User, session: Session
    ) -> None:
        nobody = MailServer("localhost", free_port(), "none", "", Secret(""))
        app.config["SETTINGS"] = replace(
            app.config["SETTINGS"], mail_server=nobody, mail_from=Sender("", "a@x.example")
        )
        wiring.alerts().raise_once(
            admin.practice_id, AlertCause.RECONNECT_NEEDED, "danger", "A", "B."
        )
        session.commit()
        mails = wiring.alert_mails()
        assert mails is not None
        assert mails.send_due(5.0).sent == 0
        done = app.test_cli_runner().invoke(args=["doctor"])
        server, waiting = done.output.splitlines()
        assert done.exit_code == 1
        assert server.startswith("The mail server could not be reached. Check SMTP_URL")
        assert waiting.startswith("Emails could not be sent since ")
        assert "1 wait, 0 were refused for good." in waiting
