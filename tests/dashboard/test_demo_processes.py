from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dashboard.demo_processes import Command, Crew, DemoFailed

FOR_EVER = "import time\nprint('ready', flush=True)\ntime.sleep(60)"


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def crew(out: io.StringIO) -> Iterator[Crew]:
    crew = Crew({"GIVEN": "yes"}, out=out)
    yield crew
    crew.stop()


def python(name: str, script: str, *, may_restart: bool = False) -> Command:
    return Command(name, (sys.executable, "-c", script), may_restart=may_restart)


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class TestCrew:
    def test_each_line_carries_the_name_of_its_process(self, crew: Crew, out: io.StringIO) -> None:
        crew.start(python("web", FOR_EVER))
        wait_for(lambda: "web       | ready\n" in out.getvalue())

    def test_a_process_gets_the_given_settings_and_none_of_the_persons_own(
        self, crew: Crew, out: io.StringIO, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XERO_CLIENT_SECRET", "a real one")
        script = "import os; print(os.environ.get('GIVEN'), os.environ.get('XERO_CLIENT_SECRET'))"
        crew.start(python("web", f"{script}\n{FOR_EVER}"))
        wait_for(lambda: "yes None" in out.getvalue())

    def test_one_that_must_not_end_ends_the_demo(self, crew: Crew) -> None:
        crew.start(python("web", "print('broken')"))
        with pytest.raises(DemoFailed, match="The web process ended"):
            crew.wait_until("The web server", lambda: False, seconds=10)

    def test_one_that_never_answers_is_named(self, crew: Crew) -> None:
        crew.start(python("web", FOR_EVER))
        with pytest.raises(DemoFailed, match="The web server did not answer within 0 seconds"):
            crew.wait_until("The web server", lambda: False, seconds=0.1)

    def test_one_that_may_restart_is_started_again_each_time_later(
        self, crew: Crew, out: io.StringIO
    ) -> None:
        moment = [1000.0]
        crew.clock = lambda: moment[0]
        crew.start(python("worker", "print('started')", may_restart=True))
        for times, seconds in ((1, 1.0), (2, 2.0), (3, 4.0)):
            wait_for(lambda times=times: started(out) == times)  # type: ignore[misc]
            wait_for(lambda: has_ended(crew))
            crew.look_after()
            moment[0] += seconds - 0.1
            crew.look_after()
            assert has_ended(crew)
            moment[0] += 0.1
            crew.look_after()
        wait_for(lambda: started(out) == 4)


def started(out: io.StringIO) -> int:
    return out.getvalue().count("started")


def has_ended(crew: Crew) -> bool:
    return crew._children[0].process.poll() is not None


class TestStop:
    def test_it_ends_a_process_and_what_that_started(self, crew: Crew, tmp_path: Path) -> None:
        beat = tmp_path / "beat"
        grandchild = (
            "import pathlib, signal, time\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            f"while True: pathlib.Path({str(beat)!r}).touch(); time.sleep(0.02)"
        )
        script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"
        crew.start(python("web", script))
        wait_for(beat.exists)
        crew.stop()
        beat.unlink()
        time.sleep(0.2)
        assert not beat.exists()

    def test_it_ends_the_named_ones_only(self, crew: Crew, out: io.StringIO) -> None:
        crew.start(python("web", FOR_EVER))
        crew.start(python("xero", FOR_EVER))
        wait_for(lambda: out.getvalue().count("ready") == 2)
        crew.stop("web")
        crew.look_after()
