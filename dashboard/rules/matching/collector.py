"""Keep Python's cycle collector still while millions of values are made, none in a cycle."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_off() -> Iterator[None]:
    """Switch the collector off for the block, and on again only if it was on."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            # Makes old what is new without walking it, which would take a tenth of the whole.
            gc.freeze()
            gc.unfreeze()
            gc.enable()
