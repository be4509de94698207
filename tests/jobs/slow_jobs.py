"""Jobs for the worker's tests: they take long, and say when they began."""

from __future__ import annotations

import time
from pathlib import Path

from dashboard import wiring


def listens(began: str) -> None:
    """Work in small steps until told to stop, as services do."""
    Path(began).touch()
    while not wiring.outside().should_stop():
        time.sleep(0.02)
    Path(began).write_text("stopped in good order")


def does_not_listen(began: str) -> None:
    """Work for a minute, whatever anybody says."""
    Path(began).touch()
    time.sleep(60)


def writes(file: str) -> None:
    """Leave a mark."""
    Path(file).touch()
