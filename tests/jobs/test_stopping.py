from __future__ import annotations

import signal
import threading

import pytest

from jobs.stopping import StopNow, Stopping


class TestStopping:
    def test_it_is_false_until_somebody_asks(self) -> None:
        stopping = Stopping(leave=lambda _code: None)
        assert not stopping()
        stopping.ask()
        assert stopping()

    def test_a_signal_while_idle_leaves_at_once(self) -> None:
        stopping = Stopping(leave=lambda _code: None)
        with pytest.raises(StopNow):
            stopping.on_signal(signal.SIGTERM, None)

    def test_a_signal_during_work_only_asks(self) -> None:
        stopping = Stopping(leave=lambda _code: None)
        with stopping.work():
            stopping.on_signal(signal.SIGTERM, None)
        assert stopping()

    def test_work_that_does_not_end_is_cut_off_after_the_grace_time(self) -> None:
        left: list[int] = []
        gone = threading.Event()

        def leave(code: int) -> None:
            left.append(code)
            gone.set()

        stopping = Stopping(grace_seconds=0.05, leave=leave)
        with stopping.work():
            stopping.on_signal(signal.SIGTERM, None)
            assert gone.wait(5)
        assert left == [0]
