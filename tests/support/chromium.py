"""The browser of the tests: found, or installed. `python -m tests.support.chromium` does both.

On Debian and Ubuntu, as root, it comes from the distribution's package; elsewhere, or where that
package is no real browser, from Playwright's own download.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support import debian

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "about:blank")
START_SECONDS = 60
ASK_PLAYWRIGHT = """
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)
"""
SENTENCE = (
    "No Chromium could be found or installed for the browser tests: put `chromium` on the PATH, "
    "or give its path in CHROMIUM_PATH."
)


@cache
def find() -> str | None:
    """Return the path of a Chromium that really starts here, or None."""
    return next((path for path in _candidates() if _starts(path)), None)


def ensure() -> str | None:
    """Return the path of a Chromium that starts, installing one where that can be done."""
    for install in (None, _install_package, _download):
        if install is not None:
            install()
            find.cache_clear()
        found = find()
        if found is not None:
            return found
    return None


def _candidates() -> Iterator[str]:
    given = os.environ.get("CHROMIUM_PATH")
    if given:
        yield given
        return
    for name in NAMES:
        path = shutil.which(name)
        if path:
            yield path
    asked = subprocess.run(
        [sys.executable, "-c", ASK_PLAYWRIGHT], capture_output=True, text=True, check=False
    )
    if Path(asked.stdout.strip()).is_file():
        yield asked.stdout.strip()


def _starts(path: str) -> bool:
    # Asked for its version, even a stand-in that only tells people to install a snap would answer.
    try:
        done = subprocess.run(
            [path, *FLAGS], capture_output=True, timeout=START_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return b"<html>" in done.stdout


def _install_package() -> None:
    debian.install("chromium")


def _download() -> None:
    print("Downloading Playwright's Chromium ...", flush=True)
    # The system libraries that it needs can only be installed by root.
    libraries = ["--with-deps"] if os.geteuid() == 0 else []
    subprocess.run(
        [sys.executable, "-m", "playwright", "install", *libraries, "chromium"],
        capture_output=True,
        check=False,
    )


def main() -> int:
    """Make sure that there is a browser; 1 and a sentence when there is none."""
    if ensure() is not None:
        return 0
    sys.stderr.write(f"{SENTENCE}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
