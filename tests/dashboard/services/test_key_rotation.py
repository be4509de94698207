"""Values move to the newest master key, whole, while everything else goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from dashboard.clock import utcnow
from dashboard.config import Settings
from dashboard.crypto import TokenCipher, TokenPlace, key_id_of
from dashboard.database import Base
from dashboard.models import KeyCheck, OAuthAttempt, PracticeSalt, User, XeroConnection
from dashboard.services.key_checks import KeyChecks
from dashboard.services.key_rotation import KeyRotation, NewestKeyWrong
from dashboard.services.locked_values import CONNECTIONS, SHELVES
from dashboard.services.rotation_report import Unopened
from tests.support import vault
from tests.support.vault import connection_id_of, master_key, token_of

FIRST, SECOND, THIRD = master_key(1), master_key(2), master_key(3)
ALL_TOKENS = 3


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The installation knows the first key and a newer one."""
    return replace(settings, token_master_keys=(SECOND, FIRST))


@pytest.fixture
def fill(session: Session) -> Callable[..., None]:
    """Fills the vault under the first key."""

    def filled(connections: int = 5, **how: Any) -> None:
        cipher = how.pop("cipher", TokenCipher([FIRST]))
        vault.fill(session, cipher, connections, with_previous=True, **how)

    return filled


def checks(session: Session, *keys: Any) -> KeyChecks:
    return KeyChecks(session=session, cipher=TokenCipher(keys), clock=utcnow)


def rotation(session: Session, *keys: Any, cipher: TokenCipher | None = None) -> KeyRotation:
    return KeyRotation(
        session=session,
        cipher=cipher or TokenCipher(keys),
        checks=checks(session, *keys),
        clock=utcnow,
        batch=2,
    )


def connections(session: Session) -> list[XeroConnection]:
    session.rollback()
    session.expire_all()
    return list(session.scalars(select(XeroConnection).order_by(XeroConnection.id)))


def opened(session: Session, connection: XeroConnection, *keys: Any) -> dict[str, str]:
    """Return the tokens of a row, opened with these keys alone."""
    cipher, version = TokenCipher(keys), connection.token_version
    salt = session.scalar(
        select(PracticeSalt.salt).where(PracticeSalt.practice_id == connection.practice_id)
    )
    assert salt is not None
    return {
        name: cipher.open(
            getattr(connection, column),
            salt,
            TokenPlace(connection.practice_id, connection.id, name, version),
        ).reveal()
        for column, name in CONNECTIONS.names.items()
    }


def foretold(connection: XeroConnection) -> dict[str, str]:
    return {
        name: token_of(connection.id, name, connection.token_version).reveal()
        for name in CONNECTIONS.names.values()
    }


class TestRotate:
    def test_every_value_opens_with_the_newest_key_alone(
        self, session: Session, fill: Callable[..., None]
    ) -> None:
        fill()
        before = {each.id: each.updated_at for each in connections(session)}
        heard: list[int] = []
        done = rotation(session, SECOND, FIRST).rotate(heard.append)
        assert done.is_complete
        assert done.relocked == 5 * ALL_TOKENS
        assert heard == [6, 6, 3]
        assert done.after.by_key == {2: 15}
        for connection in connections(session):
            assert opened(session, connection, SECOND) == foretold(connection)
            assert (connection.key_id, connection.token_version) == (2, 1)
            assert connection.updated_at == before[connection.id]

    def test_again_does_nothing(self, session: Session, fill: Callable[..., None]) -> None:
        fill()
        rotation(session, SECOND, FIRST).rotate()
        before = [each.access_token_encrypted for each in connections(session)]
        assert rotation(session, SECOND, FIRST).rotate().relocked == 0
        assert [each.access_token_encrypted for each in connections(session)] == before

    def test_a_refresh_in_between_wins(
        self, session: Session, app: Flask, fill: Callable[..., None], settings: Settings
    ) -> None:
        fill(1)
        newest = TokenCipher([SECOND])
        engine = vault.own_engine(settings.database_url)

        class Overtaken(TokenCipher):
            """Whoever locks anew is overtaken by a refresh before anything is written."""

            turns = 0

            def relock(self, stored: str, salt: bytes, place: TokenPlace) -> str:
                if not self.turns:
                    row = vault.locked_values(
                        newest, place.practice_id, place.connection_id, salt, version=2
                    )
                    with Session(engine) as other:
                        other.execute(update(XeroConnection).values(**row))
                        other.commit()
                self.turns += 1
                return super().relock(stored, salt, place)

        overtaken = Overtaken([SECOND, FIRST])
        done = rotation(session, SECOND, FIRST, cipher=overtaken).rotate()
        assert overtaken.turns == ALL_TOKENS
        assert (done.is_complete, done.relocked) == (True, 0)
        [connection] = connections(session)
        assert connection.token_version == 2
        assert opened(session, connection, SECOND) == foretold(connection)

    def test_what_does_not_open_is_named_and_the_others_go_on(
        self, session: Session, fill: Callable[..., None]
    ) -> None:
        fill(4)
        fill(1, cipher=TokenCipher([THIRD]), first=4)
        damaged, lost = connection_id_of(1), connection_id_of(2)
        session.execute(
            update(XeroConnection)
            .where(XeroConnection.id == damaged)
            .values(access_token_encrypted=XeroConnection.refresh_token_encrypted)
        )
        practice_id = session.get_one(XeroConnection, lost).practice_id
        session.execute(delete(PracticeSalt).where(PracticeSalt.practice_id == practice_id))
        session.commit()
        done = rotation(session, SECOND, FIRST).rotate()
        assert not done.is_complete
        assert done.relocked == 2 * ALL_TOKENS + 2
        assert set(done.unopened) == {
            Unopened(damaged, None),
            Unopened(lost, None),
            Unopened(connection_id_of(4), 3),
        }
        assert done.after.by_key == {1: 1 + ALL_TOKENS, 2: done.relocked, 3: ALL_TOKENS}
        rows = {each.id: each for each in connections(session)}
        # A row keeps the name of its old key as long as something of it needs that key.
        assert [rows[each].key_id for each in (damaged, lost, connection_id_of(4))] == [1, 1, 3]
        assert rows[damaged].refresh_token_encrypted is not None
        assert key_id_of(rows[damaged].refresh_token_encrypted) == 2

    def test_tokens_that_wait_for_a_choice_move_too_and_old_ones_go(
        self, session: Session, admin: User
    ) -> None:
        kept, gone = UUID(int=7), UUID(int=8)
        salt = vault.new_salt()
        session.add(PracticeSalt(practice_id=admin.practice_id, salt=salt))
        locks = TokenCipher([FIRST])
        for attempt_id, life in ((kept, timedelta(minutes=5)), (gone, timedelta(minutes=-5))):
            values = {
                column: locks.lock(
                    token_of(attempt_id, name, 0),
                    salt,
                    TokenPlace(admin.practice_id, attempt_id, name, 0),
                )
                for column, name in ATTEMPT_TOKENS.items()
            }
            session.add(
                OAuthAttempt(
                    id=attempt_id,
                    practice_id=admin.practice_id,
                    user_id=admin.id,
                    browser_hash="b",
                    state_hash=attempt_id.hex,
                    created_at=utcnow(),
                    expires_at=utcnow() + life,
                    **values,
                )
            )
        session.commit()
        done = rotation(session, SECOND, FIRST).rotate()
        assert (done.is_complete, done.relocked) == (True, len(ATTEMPT_TOKENS))
        [attempt] = session.scalars(select(OAuthAttempt)).all()
        assert attempt.id == kept
        for column, name in ATTEMPT_TOKENS.items():
            place = TokenPlace(admin.practice_id, kept, name, 0)
            stored = getattr(attempt, column)
            assert TokenCipher([SECOND]).open(stored, salt, place) == token_of(kept, name, 0)

    def test_nothing_is_locked_with_a_key_that_is_not_the_one_of_its_id(
        self, session: Session, fill: Callable[..., None]
    ) -> None:
        fill()
        rotation(session, SECOND, FIRST).rotate()
        other = master_key(2, "other bytes")
        with pytest.raises(NewestKeyWrong, match="Master key 2 in TOKEN_MASTER_KEYS is not"):
            rotation(session, other, FIRST).rotate()
        assert {each.key_id for each in connections(session)} == {2}


ATTEMPT_TOKENS = {
    "nonce_encrypted": "nonce",
    "code_verifier_encrypted": "code_verifier",
    "access_token_encrypted": "access_token",
    "refresh_token_encrypted": "refresh_token",
}


class TestShelves:
    def test_every_column_of_locked_values_is_on_one(self) -> None:
        there_are = {
            (table.name, column.name)
            for table in Base.metadata.tables.values()
            for column in table.columns
            if column.name.endswith("_encrypted")
        }
        assert {(shelf.table.name, name) for shelf in SHELVES for name in shelf.names} == there_are


class TestKeyChecks:
    def test_the_listed_keys_fit(self, session: Session, fill: Callable[..., None]) -> None:
        fill()
        own = checks(session, SECOND, FIRST)
        report = own.examine()
        assert report.problems == []
        assert report.left_behind == {1: 15}
        assert report.unsealed == (1, 2)
        own.seal(report)
        assert own.examine().unsealed == ()

    def test_a_key_that_is_not_listed(self, session: Session, fill: Callable[..., None]) -> None:
        fill()
        assert checks(session, SECOND).examine().problems == [
            "Stored tokens need master key 1, which is not in TOKEN_MASTER_KEYS: list it there"
            " again, after the newest one."
        ]

    @pytest.mark.parametrize("sealed", [True, False])
    def test_a_key_of_other_bytes(
        self, session: Session, fill: Callable[..., None], sealed: bool
    ) -> None:
        fill()
        if sealed:
            own = checks(session, FIRST)
            own.seal(own.examine())
        other = checks(session, SECOND, master_key(1, "other bytes"))
        report = other.examine()
        assert report.problems == [
            "Master key 1 in TOKEN_MASTER_KEYS is not the key 1 that stored tokens were locked"
            " with: put that one back, and give a new key a new id."
        ]
        other.seal(report)
        assert checks(session, FIRST).examine().problems == []

    def test_damaged_rows_say_nothing_about_a_key(
        self, session: Session, fill: Callable[..., None]
    ) -> None:
        fill()
        own = checks(session, FIRST)
        own.seal(own.examine())
        # Every value was moved to another column, and one names a key that never was.
        session.execute(
            update(XeroConnection).values(
                access_token_encrypted=XeroConnection.refresh_token_encrypted,
                refresh_token_encrypted=XeroConnection.access_token_encrypted,
                previous_refresh_token_encrypted="Ab" + "A" * 60,
            )
        )
        session.commit()
        assert own.examine().problems == []

    def test_a_key_that_locks_nothing_may_be_another(self, session: Session) -> None:
        own = checks(session, FIRST)
        own.seal(own.examine())
        other = checks(session, master_key(1, "other bytes"))
        report = other.examine()
        assert (report.problems, report.unsealed) == ([], (1,))
        other.seal(report)
        assert other.examine().unsealed == ()
        assert len(session.scalars(select(KeyCheck)).all()) == 1


class TestCommand:
    def test_it_prints_the_counts_and_when_a_key_may_go(
        self, app: Flask, fill: Callable[..., None]
    ) -> None:
        fill()
        done = app.test_cli_runner().invoke(args=["keys", "rotate"])
        assert done.exit_code == 0, done.output
        lines = done.output.splitlines()
        assert lines[0].startswith("15 values locked anew in ")
        assert lines[0].endswith(" a second).")
        assert lines[1] == "Values on master key 2, the newest: 15."
        assert lines[2].startswith("Values on master key 1: 0. It may be removed from")
        assert len(lines) == 3

    def test_it_says_what_it_could_not_open(
        self, app: Flask, session: Session, fill: Callable[..., None]
    ) -> None:
        fill(2)
        fill(1, cipher=TokenCipher([THIRD]), first=2)
        session.execute(
            update(XeroConnection)
            .where(XeroConnection.id == connection_id_of(0))
            .values(refresh_token_encrypted=XeroConnection.access_token_encrypted)
        )
        session.commit()
        done = app.test_cli_runner().invoke(args=["keys", "rotate"])
        assert done.exit_code == 1
        lines = done.output.splitlines()
        assert lines[2] == (
            "Values on master key 1: 1. Keep it listed until the values named below are gone."
        )
        assert lines[3].startswith("Stored tokens need master key 3, which is not in TOKEN_MASTER")
        assert lines[5] == str(connection_id_of(2))
        assert lines[6].startswith("What these connections hold was changed")
        assert lines[7] == str(connection_id_of(0))

    def test_a_newest_key_of_other_bytes_locks_nothing(
        self, app: Flask, session: Session, settings: Settings, fill: Callable[..., None]
    ) -> None:
        fill(cipher=TokenCipher([SECOND]))
        other = master_key(2, "other bytes")
        app.config["SETTINGS"] = replace(settings, token_master_keys=(other, FIRST))
        done = app.test_cli_runner().invoke(args=["keys", "rotate"])
        assert done.exit_code == 1
        assert done.output.startswith("Error: Master key 2 in TOKEN_MASTER_KEYS is not the key 2")
        assert session.scalars(select(KeyCheck)).all() == []

    def test_the_doctor_counts_what_is_left_behind(
        self, app: Flask, fill: Callable[..., None]
    ) -> None:
        fill()
        fill(1, cipher=TokenCipher([THIRD]), first=5)
        done = app.test_cli_runner().invoke(args=["doctor"])
        assert done.exit_code == 1
        assert "Stored tokens need master key 3, which is not in" in done.output
        assert "15 stored values are still locked with master key 1: run" in done.output
