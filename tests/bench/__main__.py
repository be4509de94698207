"""Run every bench with its default counts, one after another, and print what each found.

`python -m tests.bench` runs all of them; names choose some: `python -m tests.bench day`. Each is a
module with a command line of its own: `python -m tests.bench.day --help`.
"""

from __future__ import annotations

import sys
import time
from importlib import import_module

BENCHES = ("governor", "limiter_loss", "day", "redis_bytes", "contacts", "preview", "viewers")


def main(chosen: list[str]) -> int:
    """Return 0 if every chosen bench met its goals."""
    unknown = set(chosen) - set(BENCHES)
    if unknown:
        sys.stderr.write(f"There is no bench called {', '.join(sorted(unknown))}.\n")
        return 2
    results = {}
    for name in chosen or BENCHES:
        print(f"\n=== {name}", flush=True)
        began = time.monotonic()
        code = import_module(f"tests.bench.{name}").main([])
        results[name] = (code, time.monotonic() - began)
    print("\n=== all benches")
    for name, (code, seconds) in results.items():
        print(f"  {name:<24}{'passed' if code == 0 else 'FAILED':<10}{seconds:>6.0f} s")
    return 1 if any(code for code, _ in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
