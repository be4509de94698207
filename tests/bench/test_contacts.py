"""A small run of the bench at scale, in processes of its own as in the long one."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from tests.support.servers import PROJECT

DATABASE = os.environ.get("TEST_DATABASE") or "sqlite"


class TestContactsAtScale:
    def test_every_step_is_measured_and_an_unchanged_re_sync_writes_nothing(
        self, database_url: str
    ) -> None:
        command = [sys.executable, "-m", "tests.bench.contacts", "--database", DATABASE]
        done = subprocess.run(
            [*command, "--database-url", database_url, "--size", "300"],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        figures = re.findall(r"^  (\S.*?) {2,}([\d.]+) +([\d,]+) +(\d+)", done.stdout, re.MULTILINE)
        assert [name for name, *_ in figures] == [
            "sync",
            "limit of sync",
            "unchanged re-sync",
            "detection",
            "sync and detection of 100",
            "starting the import",
            "import",
            "limit of import",
        ]
        assert all(float(seconds) > 0 for _, seconds, *_ in figures)
        assert "0 rows written again" in done.stdout
