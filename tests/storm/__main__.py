"""Run every harness with its default counts, one after another, and print what each found.

`python -m tests.storm` runs all of them; names choose some, and options after a name are passed on
to it: `python -m tests.storm push_storm --pushes 3000`.
"""

from __future__ import annotations

import sys
import time
from importlib import import_module

HARNESSES = (
    "refresh_storm",
    "refresh_kills",
    "refresh_faults",
    "key_rotation_kills",
    "contact_kills",
    "push_storm",
    "push_kills",
)


def main(given: list[str]) -> int:
    """Return 0 if every chosen harness returned 0."""
    first_option = next((at for at, word in enumerate(given) if word.startswith("-")), len(given))
    chosen, options = given[:first_option], given[first_option:]
    unknown = set(chosen) - set(HARNESSES)
    if unknown:
        sys.stderr.write(f"There is no harness called {', '.join(sorted(unknown))}.\n")
        return 2
    results = {}
    for name in chosen or HARNESSES:
        print(f"\n=== {name}", flush=True)
        began = time.monotonic()
        code = import_module(f"tests.storm.{name}").main(options)
        results[name] = (code, time.monotonic() - began)
    print("\n=== all harnesses")
    for name, (code, seconds) in results.items():
        print(f"  {name:<24}{'passed' if code == 0 else 'FAILED':<10}{seconds:>6.0f} s")
    return 1 if any(code for code, _ in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
