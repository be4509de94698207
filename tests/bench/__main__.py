"""Run every bench with its default counts, one after another, and print what each found.

`python -m tests.bench` runs all of them; names choose some: `python -m tests.bench day`. Each is a
module with a command line of its own: `python -m tests.bench.day --help`.
"""

from __future__ import annotations

import sys

from tests.support.command_lines import run_named

BENCHES = (
    "governor",
    "limiter_loss",
    "day",
    "redis_bytes",
    "contacts",
    "preview",
    "pages",
    "viewers",
    "filing",
)

if __name__ == "__main__":
    sys.exit(run_named("tests.bench", BENCHES, sys.argv[1:]))
