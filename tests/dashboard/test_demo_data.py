from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from dashboard import demo_data, wiring
from dashboard.database import db
from dashboard.demo_data import ARRIVALS, load
from dashboard.models import Client, ClientDocument, DocumentStatus, Practice, User
from dashboard.secret import Secret
from dashboard.simulator import demo_clients


@pytest.fixture
def done(app: Flask, tmp_path: Path) -> Path:
    return tmp_path / "done"


def counts() -> tuple[int, ...]:
    tables = (Practice, User, Client, ClientDocument)
    return tuple(
        db.session.scalar(select(func.count()).select_from(table)) or 0 for table in tables
    )


EVERYTHING = (1, 2, len(demo_clients()), len(ARRIVALS))


class TestLoad:
    def test_it_makes_a_practice_with_people_clients_and_documents(self, done: Path) -> None:
        load("1234abcd", done)
        assert counts() == EVERYTHING

    def test_its_people_can_sign_in(self, done: Path) -> None:
        for person in load("1234abcd", done):
            user = wiring.practices().check_password(person.email, Secret(person.password))
            assert user is not None
            assert user.role == person.role

    def test_its_documents_are_of_several_types_and_wait_for_a_decision(self, done: Path) -> None:
        load("1234abcd", done)
        documents = db.session.scalars(select(ClientDocument)).all()
        assert {d.extension for d in documents} == {"pdf", "png", "jpg", "docx", "xlsx", "csv"}
        assert {d.status for d in documents} == {DocumentStatus.RECEIVED}

    def test_a_second_start_loads_nothing(self, done: Path) -> None:
        load("1234abcd", done)
        load("1234abcd", done)
        assert counts() == EVERYTHING

    def test_what_a_killed_start_left_undone_is_completed(
        self, done: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(demo_data, "demo_clients", lambda: demo_clients()[:7])
            patched.setattr(demo_data, "ARRIVALS", ARRIVALS[:1])
            load("1234abcd", done)
        done.unlink()
        load("1234abcd", done)
        assert counts() == EVERYTHING
