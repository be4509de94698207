"""Connections to the database: what happens to those that rested while the server was away."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import text

from dashboard import database
from dashboard.database import db, one_query
from tests.conftest import ON_POSTGRESQL

pytestmark = pytest.mark.skipif(not ON_POSTGRESQL, reason="SQLite has no server to lose")

WHO = text("SELECT pg_backend_pid()")
STATE = text("SELECT state FROM pg_stat_activity WHERE pid = :pid")


def test_a_connection_that_the_server_ended_is_replaced(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "TRUSTED_SECONDS", 0.0)
    with app.app_context():
        with db.engine.connect() as other:
            with one_query(db.engine) as rests:
                ended = rests.scalar(WHO)
            other.execute(text(f"SELECT pg_terminate_backend({ended}, 5000)"))

        with one_query(db.engine) as first, db.engine.connect() as second:
            assert ended not in (first.scalar(WHO), second.scalar(WHO))


def test_one_query_opens_no_transaction_and_leaves_the_next_borrower_one(app: Flask) -> None:
    with app.app_context():
        with one_query(db.engine) as reader, db.engine.connect() as watcher:
            pid = reader.scalar(WHO)
            assert watcher.scalar(STATE, {"pid": pid}) == "idle"

        with db.engine.connect() as first, db.engine.connect() as second:
            for borrower in (first, second):
                borrower.execute(text("CREATE TEMPORARY TABLE undone (id int)"))
                borrower.rollback()
                assert borrower.scalar(text("SELECT to_regclass('undone')")) is None
