"""The demo's processes: started with a clean environment, heard, restarted, and all ended again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TextIO

from dashboard.config import PROJECT
from dashboard.embedded import die_with_parent

STOP_SECONDS = 10.0
LOOK_EVERY_SECONDS = 0.2
FIRST_BACK_OFF_SECONDS = 1.0
LONGEST_BACK_OFF_SECONDS = 10.0
LONG_ENOUGH_SECONDS = 30.0
PREFIX_WIDTH = 9

# What a program needs of the person's own environment; settings of theirs must not leak in.
PASSED_ON = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")


class DemoFailed(Exception):
    """The demo cannot go on; the message is the one sentence to show."""


@dataclass(frozen=True, slots=True)
class Command:
    """One process of the demo. One that may be restarted does not end the demo when it ends."""

    name: str
    arguments: Sequence[str]
    may_restart: bool = False


@dataclass(slots=True)
class _Child:
    command: Command
    process: subprocess.Popen[str]
    started: float
    back_off: float = FIRST_BACK_OFF_SECONDS
    start_again_at: float | None = None


@dataclass(slots=True)
class Crew:
    """The running processes. Start them from the main thread: they end when it does."""

    environment: Mapping[str, str]
    out: TextIO = sys.stdout
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _children: list[_Child] = field(default_factory=list)
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def start(self, command: Command) -> None:
        """Start a process; every line it writes appears here with its name in front."""
        self._children.append(_Child(command, self._spawn(command), self.clock()))

    def wait_until(self, name: str, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until *ready*; raise `DemoFailed` when a process ends or time runs out before."""
        deadline = self.clock() + seconds
        while not ready():
            self.look_after()
            if self.clock() > deadline:
                raise DemoFailed(f"{name} did not answer within {seconds:.0f} seconds.")
            self.sleep(LOOK_EVERY_SECONDS)

    def look_after(self) -> None:
        """Restart what may be restarted; raise `DemoFailed` when something else has ended."""
        now = self.clock()
        for child in self._children:
            if child.process.poll() is None:
                continue
            if not child.command.may_restart:
                raise DemoFailed(f"The {child.command.name} process ended; see its lines above.")
            self._restart(child, now)

    def serve(self) -> None:
        """Look after the processes until a signal or a failure ends this."""
        while True:
            self.look_after()
            self.sleep(LOOK_EVERY_SECONDS)

    def stop(self, *names: str) -> None:
        """End the named processes, or all, with everything that they started."""
        chosen = [child for child in self._children if not names or child.command.name in names]
        for child in chosen:
            _signal_group(child.process, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for child in chosen:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline - time.monotonic()))
            _signal_group(child.process, signal.SIGKILL)
            child.process.wait()
            self._children.remove(child)

    def _spawn(self, command: Command) -> subprocess.Popen[str]:
        passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        process = subprocess.Popen(  # noqa: S603 - our own commands, no shell
            command.arguments,
            cwd=PROJECT,
            env={**passed_on, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # A session of its own: Ctrl-C reaches us alone, and we end the others in order.
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - nothing but a prctl call happens in it
        )
        threading.Thread(target=self._repeat, args=(command.name, process), daemon=True).start()
        return process

    def _repeat(self, name: str, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        with process.stdout as lines:
            for line in lines:
                with self._writing:
                    self.out.write(f"{name:<{PREFIX_WIDTH}} | {line.rstrip()}\n")
                    self.out.flush()

    def _restart(self, child: _Child, now: float) -> None:
        if child.start_again_at is None:
            if now - child.started > LONG_ENOUGH_SECONDS:
                child.back_off = FIRST_BACK_OFF_SECONDS
            child.start_again_at = now + child.back_off
            child.back_off = min(LONGEST_BACK_OFF_SECONDS, child.back_off * 2)
            return
        if now >= child.start_again_at:
            child.process = self._spawn(child.command)
            child.started, child.start_again_at = now, None


def _signal_group(process: subprocess.Popen[str], number: signal.Signals) -> None:
    # Also after the leader has ended: its own children may still be there.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
