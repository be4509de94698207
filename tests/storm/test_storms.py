"""A few seconds of each long harness, in processes of their own as in the long run."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from tests.support.servers import PROJECT

DATABASE = os.environ.get("TEST_DATABASE") or "sqlite"


def run(harness: str, database_url: str, *arguments: str) -> dict[str, str]:
    """Run a harness on this database and return its facts; fails unless it found nothing wrong."""
    command = [sys.executable, "-m", f"tests.storm.{harness}", "--database", DATABASE]
    done = subprocess.run(
        [*command, "--database-url", database_url, *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "VIOLATED" not in done.stdout
    return dict(re.findall(r"^  (\S.*?) {2,}(\S.*)$", done.stdout, re.MULTILINE))


class TestRefreshStorm:
    def test_colliding_workers_never_refresh_one_token_twice(self, database_url: str) -> None:
        facts = run(
            "refresh_storm", database_url, "--refreshes", "60", "--connections", "6", "--strict"
        )
        assert int(facts["refreshes (rotations at the server)"]) >= 60
        assert facts["refused with invalid_grant"] == "0"
        # The run before, under a Redis lock that runs out.
        assert int(facts["violations seen, as it must be"]) > 0


class TestRefreshKills:
    def test_whoever_dies_at_any_step_is_followed_by_somebody_who_recovers(
        self, database_url: str
    ) -> None:
        facts = run("refresh_kills", database_url, "--named", "--way", "refused by Xero")
        assert int(facts["killed"]) > 20


class TestRefreshFaults:
    def test_no_trouble_of_xero_or_the_clock_ends_a_connection(self, database_url: str) -> None:
        facts = run("refresh_faults", database_url, "--faults", "40")
        assert facts["connections falsely ended"] == "0"
        assert facts["true revocations"] == facts["of these told at the first refused call"] == "1"


class TestContactKills:
    def test_a_check_an_import_and_an_undo_killed_anywhere_lose_and_double_nothing(
        self, database_url: str
    ) -> None:
        facts = run("contact_kills", database_url, "--every", "53")
        # Of the last of the runs, that of the product's undo.
        assert int(facts["killed"]) > 3
        assert facts["kills after which anything was wrong"] == "0"
        # The run before, of a naive one.
        assert int(facts["violations seen, as it must be"]) > 0


class TestKeyRotationKills:
    def test_a_rotation_killed_anywhere_leaves_nothing_behind(self, database_url: str) -> None:
        facts = run(
            "key_rotation_kills",
            database_url,
            *("--connections", "80", "--batch", "8", "--random-kills", "6", "--in-process"),
        )
        assert int(facts["killed just before a commit"]) > 2
        assert int(facts["killed just after a commit"]) > 2
        assert int(facts["killed at random"]) == 6
        assert facts["failed reads"] == "0"
        assert facts["left on an old key, that key removed"] == "0"
        # The run before, of a rotation that marks a row before it writes.
        assert int(facts["violations seen, as it must be"]) > 0


class TestPushStorm:
    def test_documents_arrive_once_whatever_breaks(self, database_url: str) -> None:
        facts = run("push_storm", database_url, "--pushes", "20", "--pace", "30")
        assert facts["documents lost"] == facts["documents twice in Xero"] == "0"
        # The run before, of the usual job body.
        assert int(facts["violations seen, as it must be"]) > 0


class TestPushKills:
    def test_a_push_killed_anywhere_is_taken_over_and_arrives_once(self, database_url: str) -> None:
        facts = run(
            "push_kills",
            database_url,
            *("--named", "--way", "one that got no answer", "--every", "12"),
        )
        assert int(facts["killed"]) > 8
        assert int(facts["worked on again within, at most (seconds)"]) <= 30
        assert int(facts["violations seen, as it must be"]) > 0
