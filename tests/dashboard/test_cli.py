"""The commands that people type."""

from __future__ import annotations

from uuid import UUID

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.models import Practice, User

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
