"""A process that was not told everything says so, sentence by sentence, and does not start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
COMMANDS = [
    ["flask", "worker"],
    ["flask", "scheduler"],
    ["flask", "db", "upgrade"],
    ["gunicorn", "wsgi:app", "--bind", "127.0.0.1:0", "--no-control-socket"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_missing_settings_are_named(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=PROJECT,
        env={"PATH": "/usr/bin:/bin", "FLASK_SKIP_DOTENV": "1", "REDIS_URL": "nonsense"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    for sentence in (
        "REDIS_URL is malformed: give redis://…, rediss://… or unix://….",
        "SECRET_KEY is not set: give at least 16 random characters",
        "TOKEN_MASTER_KEYS is not set: ",
        "XERO_CLIENT_ID is not set: ",
        "XERO_CLIENT_SECRET is not set: ",
    ):
        assert sentence in done.stderr
