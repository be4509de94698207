"""A few seconds of each long bench: what must never happen does not. How fast is not asked."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.judge import JUDGINGS
from tests.support.command_lines import run_named
from tests.support.servers import PROJECT


def run(bench: str, *arguments: str) -> list[dict[str, str]]:
    """Run a bench and return the facts of each of its runs; fails unless all invariants hold."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{bench}", *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    runs = done.stdout.split("\n\n")
    found = (re.findall(r"^  (\S.*?) {2,}(\S.*)$", each, re.MULTILINE) for each in runs)
    return [dict(facts) for facts in found if facts]


class TestAllOfThem:
    def test_one_that_breaks_off_keeps_nobody_from_its_turn(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "some").mkdir()
        (tmp_path / "some" / "breaks.py").write_text("raise RuntimeError('a bug')")
        (tmp_path / "some" / "works.py").write_text("import sys; print('given', sys.argv[1:])")
        monkeypatch.chdir(tmp_path)
        assert run_named("some", ["breaks", "works"], ["--fast"]) == 1
        said = capfd.readouterr()
        assert "given ['--fast']" in said.out
        assert re.search(r"breaks +FAILED.*\n +works +passed", said.out)
        assert "a bug" in said.err
        assert run_named("some", ["breaks", "works"], ["works"]) == 0


class TestGovernor:
    def test_real_processes_never_get_a_429_and_a_naive_limiter_does(self) -> None:
        runs = run(
            "governor",
            *("--callers", "21", "--window", "1", "--seconds", "2", "--goal", "0.01", "--no-long"),
            *("--judging", "rolling", "--answer-after", "0.05", "--naive", "stamped at send"),
        )
        steady, killed, naive = runs
        assert steady["answers of 429 (minute, at once)"] == "0, 0"
        assert killed["answers of 429 (minute, at once)"] == "0, 0"
        assert int(killed["callers killed"]) > 0
        assert int(naive["violations seen, as it must be"]) > 0


class TestLimiterLoss:
    def test_a_redis_that_was_emptied_or_away_lets_no_call_too_many_through(self) -> None:
        runs = run(
            "limiter_loss",
            *("--callers", "9", "--window", "1.5", "--seconds", "3", "--away", "0.5", "--no-long"),
            *("--no-naive", "--patient"),
        )
        assert [each["answers of 429"] for each in runs[:2]] == ["0", "0"]
        assert runs[1]["calls while it was away"] == "0"


class TestDay:
    def test_no_limit_is_broken_and_every_sync_has_its_turn(self) -> None:
        [day] = run(
            "day",
            *("--practices", "120", "--loaded", "6", "--documents", "60", "--heavy", "1"),
            *("--hours", "0.6", "--backlog-at", "0.2", "--compare-after", "120"),
        )
        assert day["over the limit: minute, day, app, at once"] == "0, 0, 0, 0"
        assert "documents, minute" in day["waits"]


class TestRedisBytes:
    def test_the_state_of_a_practice_has_a_known_size(self) -> None:
        [found] = run("redis_bytes", "--practices", "3000")
        assert 100 < int(found["bytes of a practice's day"]) < 500


class TestJudges:
    """The judges themselves: a limit of three, a window of sixty."""

    @pytest.mark.parametrize("judging", JUDGINGS)
    def test_the_fourth_at_once_is_too_many(self, judging: str) -> None:
        minute = JUDGINGS[judging](3, 60.0)
        for _ in range(3):
            assert minute.left(1000.0) > 0
            minute.add(1000.0)
        assert minute.left(1000.0) == 0

    @pytest.mark.parametrize(
        ("judging", "after", "left"),
        [
            ("rolling", 59.9, 0),
            ("rolling", 60.0, 3),
            ("grained", 59.0, 0),
            ("grained", 60.0, 3),
            ("bucket", 19.0, 0),
            ("bucket", 20.5, 1),
            ("bucket", 600.0, 3),
            ("fixed", 60.0, 3),
        ],
    )
    def test_later_there_is_room_again(self, judging: str, after: float, left: int) -> None:
        minute = JUDGINGS[judging](3, 60.0)
        for _ in range(3):
            minute.left(1000.0)
            minute.add(1000.0)
        assert minute.left(1000.0 + after) == left
