"""The static files of the pages: foreign ones fetched by hash, all of them compressed beside it.

`python -m dashboard.assets` fetches htmx and Tabler's style sheet, which are never committed, and
writes what WhiteNoise serves to browsers that take gzip or Brotli; what is right already is left.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from hatch_npm_vendor.plugin import DEFAULT_REGISTRY
from hatch_npm_vendor.vendor import vendor_package
from whitenoise.compress import Compressor

TRIES = 3
SECONDS_FOR_AN_ANSWER = 30.0

Fetch = Callable[..., Any]


class AssetsUnavailable(RuntimeError):
    """The files could not be had; the message is the one sentence to show."""


@dataclass(frozen=True, slots=True)
class VendoredFile:
    """One file of a package: where it lies inside, the name we serve it by, and its content's hash.

    The version is part of the name, so that a browser may keep the file for ever.
    """

    path: str
    name: str
    sha512: str


@dataclass(frozen=True, slots=True)
class Package:
    """One npm package, pinned by version and by the integrity npm publishes for its archive."""

    name: str
    version: str
    integrity: str
    files: tuple[VendoredFile, ...]


PACKAGES = (
    Package(
        name="htmx.org",
        version="2.0.11",
        integrity=(
            "sha512-Thx/WtpeOQqSrqBCw/A1cwGJGg4UrVa3+sW0GmrM3p4gJgO89ecH4qtbnyzDDWFv"
            "BTqjnIMCgELTNt636dtamA=="
        ),
        files=(
            VendoredFile(
                path="dist/htmx.min.js",
                name="htmx-2.0.11.min.js",
                sha512=(
                    "61d1f2e85ce30f8aa8c88ff258621bb0a9c91def7cafdea7a7d5de629de8bc52"
                    "fed2c34ffcd6c3ad89522c3af96ba35d8b9b118bd1a0263facb84ef22de50c35"
                ),
            ),
        ),
    ),
    Package(
        name="@tabler/core",
        version="1.6.1",
        integrity=(
            "sha512-lgmR9gcxRp5JlLxcmRi9Rz85JrEvH6Bz71KnlcPVSa97wtwQNjgSs3g3fxwbAlul"
            "HyRMghhIV04QUuW3pqDsIg=="
        ),
        files=(
            VendoredFile(
                path="dist/css/tabler.min.css",
                name="tabler-1.6.1.min.css",
                sha512=(
                    "6a316743226211172bc059546b9964b550d370fd3041ddb51c09e59755ae3bbb"
                    "61e7e69fef8a2bc2700a7eb9d63a99d21ee956488071f909b7bd555bb2564466"
                ),
            ),
        ),
    ),
)


def ensure_assets(
    static_folder: Path,
    *,
    packages: tuple[Package, ...] = PACKAGES,
    fetch: Fetch = vendor_package,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Leave every vendored file in `static_folder`/vendor with exactly the content we pinned.

    Does nothing when the files are there and their hashes are right, so every start may call it.
    Raises AssetsUnavailable with one sentence when the network gives no answer or other content.
    """
    vendor_folder = static_folder / "vendor"
    for package in packages:
        if all(_is_right(vendor_folder / file.name, file.sha512) for file in package.files):
            continue
        _install(package, vendor_folder, fetch, sleep)


def ensure_compressed(static_folder: Path) -> None:
    """Leave beside every style sheet and script its compressed copies, as new as itself."""
    for path in _compressible(static_folder):
        if any(not _is_fresh(path, copy) for copy in _copies(path)):
            with tempfile.TemporaryDirectory() as folder:
                source = Path(shutil.copy2(path, folder))
                Compressor(quiet=True).compress(str(source))
                for made, copy in zip(_copies(source), _copies(path), strict=True):
                    # A file that does not shrink has no copies.
                    if made.exists():
                        _put_in_place(made, copy)
                        shutil.copystat(path, copy)


def drop_stale_copies(static_folder: Path) -> None:
    """Remove compressed copies of files that have changed since: they would be served instead."""
    for path in _compressible(static_folder):
        for copy in _copies(path):
            if copy.exists() and not _is_fresh(path, copy):
                copy.unlink(missing_ok=True)


def _compressible(static_folder: Path) -> Iterator[Path]:
    for kind in ("css", "js"):
        yield from static_folder.rglob(f"*.{kind}")


def _copies(path: Path) -> list[Path]:
    return [path.with_name(f"{path.name}.{kind}") for kind in ("gz", "br")]


def _is_fresh(path: Path, copy: Path) -> bool:
    return copy.exists() and copy.stat().st_mtime >= path.stat().st_mtime


def _is_right(path: Path, sha512: str) -> bool:
    return path.is_file() and hashlib.sha512(path.read_bytes()).hexdigest() == sha512


def _install(
    package: Package, vendor_folder: Path, fetch: Fetch, sleep: Callable[[float], None]
) -> None:
    vendor_folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        unpacked = Path(folder) / "package"
        _fetch_with_patience(package, unpacked, fetch, sleep)
        for file in package.files:
            source = unpacked / file.path
            if not _is_right(source, file.sha512):
                raise AssetsUnavailable(
                    f"{package.name} {package.version} does not hold the {file.path} that we know; "
                    "nothing was kept."
                )
            _put_in_place(source, vendor_folder / file.name)


def _put_in_place(source: Path, target: Path) -> None:
    # Several processes may start at once: each writes its own copy, and the rename is one step,
    # so that nobody ever serves half a file.
    handle, own_copy = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    try:
        shutil.copyfile(source, own_copy)
        Path(own_copy).chmod(0o644)
        Path(own_copy).replace(target)
    finally:
        Path(own_copy).unlink(missing_ok=True)


def _fetch_with_patience(
    package: Package, target: Path, fetch: Fetch, sleep: Callable[[float], None]
) -> None:
    for attempt in range(1, TRIES + 1):
        try:
            with _answer_within(SECONDS_FOR_AN_ANSWER):
                fetch(
                    target,
                    package.name,
                    package.version,
                    package.integrity,
                    registry=DEFAULT_REGISTRY,
                )
        except RuntimeError as error:
            # The archive came, but it is not the one we pinned: asking again would not mend that.
            raise AssetsUnavailable(
                f"{package.name} {package.version} came with another content than the one we "
                "pinned; nothing was kept."
            ) from error
        except (OSError, HTTPException, ValueError, KeyError) as error:
            if attempt == TRIES:
                raise AssetsUnavailable(
                    f"Could not fetch {package.name} {package.version} in {TRIES} tries "
                    f"({_reason(error)}). Check the network and run `python -m dashboard.assets`."
                ) from error
            sleep(float(attempt))
        else:
            return


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error) or type(error).__name__


@contextmanager
def _answer_within(seconds: float) -> Iterator[None]:
    # The fetching library sets no time-out of its own, and this is the only way to give it one.
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def main() -> int:
    """Make this installation's static folder complete; the exit code says whether it is."""
    static_folder = Path(__file__).resolve().parents[1] / "static"
    try:
        ensure_assets(static_folder)
        ensure_compressed(static_folder)
    except AssetsUnavailable as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
