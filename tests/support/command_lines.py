"""Harnesses and benches by their names: each is a module with a command line of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence


def run_named(package: str, names: Sequence[str], arguments: Sequence[str]) -> int:
    """Run the modules that *arguments* begin with, or all of *names*, one after another.

    What follows the names goes to each of them. Each runs in a process of its own, so that one that
    breaks off keeps nobody else from its turn. Return 0 if each returned 0, 1 if one did not, and 2
    for a name that does not exist.
    """
    first_option = next(
        (place for place, word in enumerate(arguments) if word.startswith("-")), len(arguments)
    )
    chosen, options = arguments[:first_option], list(arguments[first_option:])
    unknown = set(chosen) - set(names)
    if unknown:
        sys.stderr.write(f"There is nothing called {', '.join(sorted(unknown))} in {package}.\n")
        return 2
    results = {}
    for name in chosen or names:
        print(f"\n=== {name}", flush=True)
        began = time.monotonic()
        command = [sys.executable, "-m", f"{package}.{name}", *options]
        code = subprocess.run(command, check=False).returncode
        results[name] = (code, time.monotonic() - began)
    print(f"\n=== all of {package}")
    for name, (code, seconds) in results.items():
        print(f"  {name:<24}{'passed' if code == 0 else 'FAILED':<10}{seconds:>6.0f} s")
    return 1 if any(code for code, _ in results.values()) else 0
