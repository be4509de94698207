"""No process that needs tokens starts with master keys that do not fit them, and it says why."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from dashboard.app import create_app
from dashboard.clock import utcnow
from dashboard.config import MasterKey, Settings, SettingsError
from dashboard.crypto import TokenCipher
from dashboard.doctor import check_master_keys
from dashboard.models import KeyCheck
from dashboard.services.key_checks import KeyChecks
from tests.support import vault
from tests.support.servers import PROJECT
from tests.support.vault import keys_in_settings, master_key

FIRST, OTHER_FIRST, SECOND, THIRD = (
    master_key(1),
    master_key(1, "other bytes"),
    master_key(2),
    master_key(3),
)
MISSING = "Stored tokens need master key 3, which is not in TOKEN_MASTER_KEYS: list it there again"
WRONG = "Master key 1 in TOKEN_MASTER_KEYS is not the key 1 that stored tokens were locked with"
# What needs tokens refuses; what puts it right must not.
WEB = ["gunicorn", "wsgi:app", "--bind", "127.0.0.1:0", "--no-control-socket", "--workers", "2"]


def run(command: Sequence[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], "FLASK_SKIP_DOTENV": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """The settings of a process that lists a newer key and a first key of other bytes."""
    return {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "SECRET_KEY": settings.secret_key.reveal(),
        "TOKEN_MASTER_KEYS": keys_in_settings([SECOND, OTHER_FIRST]),
        "XERO_CLIENT_ID": settings.xero_client_id,
        "XERO_CLIENT_SECRET": settings.xero_client_secret.reveal(),
        "DOCUMENT_STORE_URL": settings.document_store_url,
    }


@pytest.fixture
def stored(session: Session) -> None:
    """Tokens under the first key, which has its check, and under a third."""
    vault.fill(session, TokenCipher([FIRST]), 3)
    checks = KeyChecks(session=session, cipher=TokenCipher([FIRST]), clock=utcnow)
    checks.seal(checks.examine())
    vault.fill(session, TokenCipher([THIRD]), 2, first=3)
    session.rollback()


@pytest.mark.usefixtures("stored")
class TestProcesses:
    def test_the_web_server_ends_with_sentences(self, environment: dict[str, str]) -> None:
        done = run(WEB, environment)
        # gunicorn ends with 3; with 1 and a traceback of its own when a worker is faster than it.
        assert done.returncode in {1, 3}
        assert MISSING in done.stderr
        assert WRONG in done.stderr
        assert "Worker failed to boot" in done.stderr

    def test_the_doctor_is_let_in(self, environment: dict[str, str]) -> None:
        done = run(["flask", "doctor"], environment)
        assert done.returncode == 1
        assert MISSING in done.stdout
        assert WRONG in done.stdout
        assert done.stderr == ""

    @pytest.mark.parametrize("command", ["worker", "scheduler"])
    def test_what_works_in_the_background_does_not_start(self, app: Flask, command: str) -> None:
        done = listing(app, SECOND, OTHER_FIRST).test_cli_runner().invoke(args=[command])
        assert done.exit_code == 3
        assert done.stdout == ""
        assert [line.partition(":")[0] for line in done.stderr.splitlines()] == [
            MISSING.partition(":")[0],
            WRONG,
        ]

    def test_a_rotation_says_which_key_is_needed_for_what(self, app: Flask) -> None:
        done = listing(app, SECOND, OTHER_FIRST).test_cli_runner().invoke(args=["keys", "rotate"])
        assert done.exit_code == 1
        assert "Values on master key 1: 6. Keep it listed" in done.output
        assert done.output.index(WRONG) < done.output.index(str(vault.connection_id_of(0)))
        assert done.output.index(MISSING) < done.output.index(str(vault.connection_id_of(3)))
        assert "reconnect" not in done.output


def listing(app: Flask, *keys: MasterKey) -> Flask:
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], token_master_keys=keys)
    return app


class TestCheck:
    @pytest.mark.usefixtures("stored")
    def test_every_problem_is_a_sentence(self, app: Flask) -> None:
        with pytest.raises(SettingsError) as wrong:
            check_master_keys(listing(app, SECOND, OTHER_FIRST))
        assert len(wrong.value.problems) == 2

    @pytest.mark.usefixtures("stored")
    def test_the_right_keys_start_in_any_order(self, app: Flask, session: Session) -> None:
        check_master_keys(listing(app, SECOND, THIRD, FIRST))
        assert {row.key_id for row in session.query(KeyCheck)} == {1, 2, 3}

    @pytest.mark.parametrize(
        "address", ["sqlite:////nowhere/at/all.sqlite3", "postgresql+psycopg://x@127.0.0.1:1/x"]
    )
    def test_a_database_that_is_away_says_nothing_of_keys(
        self, settings: Settings, address: str
    ) -> None:
        check_master_keys(create_app(replace(settings, database_url=address)))

    def test_nor_does_one_without_tables(self, settings: Settings, tmp_path: Path) -> None:
        empty = f"sqlite:///{tmp_path / 'empty.sqlite3'}"
        check_master_keys(create_app(replace(settings, database_url=empty)))
