"""Run every harness with its default counts, one after another, and print what each found.

`python -m tests.storm` runs all of them; names choose some, and options after a name are passed on
to it: `python -m tests.storm push_storm --pushes 3000`.
"""

from __future__ import annotations

import sys

from tests.support.command_lines import run_named

HARNESSES = (
    "refresh_storm",
    "refresh_kills",
    "refresh_faults",
    "key_rotation_kills",
    "contact_kills",
    "push_storm",
    "push_kills",
)

if __name__ == "__main__":
    sys.exit(run_named("tests.storm", HARNESSES, sys.argv[1:]))
