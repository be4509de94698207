"""Practices, people, passwords."""

from __future__ import annotations

from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from dashboard import wiring
from dashboard.models import Practice, Role, User
from dashboard.secret import Secret
from dashboard.services.practices import PracticeService, name_from
from dashboard.services.refusals import Conflict, InvalidInput, NotFound

PASSWORD = Secret("correct horse battery")


@pytest.fixture
def practices(app: Flask) -> PracticeService:
    return wiring.practices()


class TestPracticeService:
    def test_a_practice_begins_with_an_admin(
        self, practices: PracticeService, session: Session
    ) -> None:
        practice_id = practices.create_practice("Hartley", "Priya.Shah@Example.com", PASSWORD)
        assert session.get_one(Practice, practice_id).name == "Hartley"
        user = practices.check_password("priya.shah@example.com", PASSWORD)
        assert user is not None
        assert user.is_admin
        assert user.name == "Priya Shah"
        assert PASSWORD.reveal() not in user.password_hash

    def test_staff_are_no_admins(self, practices: PracticeService, session: Session) -> None:
        practice_id = practices.create_practice("Hartley", "a@example.com", PASSWORD)
        user_id = practices.create_user(practice_id, "b@example.com", PASSWORD, Role.STAFF)
        assert not session.get_one(User, user_id).is_admin

    def test_an_address_is_one_person_however_it_is_written(
        self, practices: PracticeService
    ) -> None:
        practices.create_practice("Hartley", "a@example.com", PASSWORD)
        with pytest.raises(Conflict):
            practices.create_practice("Other", " A@EXAMPLE.COM ", PASSWORD)

    @pytest.mark.parametrize(
        ("name", "email", "password"),
        [
            ("", "a@example.com", "correct horse battery"),
            ("x" * 256, "a@example.com", "correct horse battery"),
            ("Hartley", "nobody", "correct horse battery"),
            ("Hartley", "a@example.com", "short"),
        ],
    )
    def test_bad_input_is_refused_in_a_sentence(
        self, practices: PracticeService, name: str, email: str, password: str
    ) -> None:
        with pytest.raises(InvalidInput) as refused:
            practices.create_practice(name, email, Secret(password))
        assert refused.value.sentence.endswith(".")

    def test_a_user_needs_a_practice(self, practices: PracticeService) -> None:
        with pytest.raises(NotFound):
            practices.create_user(uuid4(), "a@example.com", PASSWORD, Role.STAFF)

    @pytest.mark.parametrize("password", ["", "correct horse batter", "Correct horse battery"])
    def test_a_wrong_password_is_nobody(self, practices: PracticeService, password: str) -> None:
        practices.create_practice("Hartley", "a@example.com", PASSWORD)
        assert practices.check_password("a@example.com", Secret(password)) is None
        assert practices.check_password("b@example.com", Secret(password)) is None


@pytest.mark.parametrize(
    ("email", "name"),
    [("priya.shah@x.example", "Priya Shah"), ("tom@x.example", "Tom"), ("a_b@x", "A B")],
)
def test_a_name_is_read_from_the_address(email: str, name: str) -> None:
    assert name_from(email) == name
