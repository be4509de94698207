"""The judges from npm: fetched once, asked through standard input, answering as JSON.

`python -m tests.pages.judges` fetches them, and Node.js before them where it is missing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tests.support import debian

NODE = Path(__file__).parent / "node"
SENTENCE = "Node.js 18 or newer with npm is needed for `make pages`; nothing else needs it."
FETCH_SECONDS, JUDGE_SECONDS = 300, 900


@cache
def fetched() -> Path:
    """Return the folder of the judges; fetch them unless what lies there is what is asked for."""
    if not _is_there():
        debian.install("nodejs", "npm")
    npm = shutil.which("npm")
    if npm is None or not _is_there():
        raise AssertionError(SENTENCE)
    wanted, there = NODE / "package-lock.json", NODE / "node_modules" / ".fetched"
    if not there.exists() or there.read_bytes() != wanted.read_bytes():
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=NODE, check=True, timeout=FETCH_SECONDS)
        # The package would fetch the list of preloaded sites from afar; ours is on none.
        conf = NODE / "node_modules" / "@mdn" / "mdn-http-observatory" / "conf"
        conf.mkdir(exist_ok=True)
        (conf / "hsts-preload.json").write_text("{}")
        there.write_bytes(wanted.read_bytes())
    return NODE


def _is_there() -> bool:
    return shutil.which("node") is not None and shutil.which("npm") is not None


def asked(judge: str, question: Any, **environment: str) -> Sequence[dict[str, Any]]:
    """Return what a judge answers: one mapping for each page it was asked about."""
    done = subprocess.run(
        ["node", f"{judge}.mjs"],
        cwd=fetched(),
        env={**os.environ, **environment},
        input=json.dumps(question),
        capture_output=True,
        text=True,
        timeout=JUDGE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def main() -> int:
    """Make sure that the judges are there; 1 and a sentence when they cannot be had."""
    try:
        fetched()
    except AssertionError as missing:
        sys.stderr.write(f"{missing}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
