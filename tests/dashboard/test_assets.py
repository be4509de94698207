"""The foreign files: fetched once, by hash, whole or not at all."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import re
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hatch_npm_vendor.vendor import vendor_package

from dashboard.assets import (
    PACKAGES,
    AssetsUnavailable,
    Package,
    VendoredFile,
    drop_stale_copies,
    ensure_assets,
    ensure_compressed,
)

SCRIPT = b"console.log('hello')"
ROOT = Path(__file__).resolve().parents[2]


def archive_of(content: bytes) -> bytes:
    """Return an npm archive that holds `content` as package/dist/tool.js."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("package/dist/tool.js")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def integrity_of(archive: bytes) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()


class Registry:
    """A registry on the loopback that knows one package and may fail the next few requests."""

    def __init__(self) -> None:
        self.archive = archive_of(SCRIPT)
        self.requests: list[str] = []
        self.failures = 0
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.requests.append(self.path)
                if registry.failures:
                    registry.failures -= 1
                    self.send_error(503)
                    return
                body = registry.archive
                if not self.path.endswith(".tgz"):
                    body = json.dumps({"dist": {"tarball": f"{registry.url}/tool.tgz"}}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: Any) -> None:
                """Keep the test's output quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def fetch(self, target: Path, name: str, version: str, integrity: str, **_asked: str) -> None:
        vendor_package(target, name, version, integrity, registry=self.url)


@pytest.fixture
def registry() -> Iterator[Registry]:
    running = Registry()
    yield running
    running.close()


@pytest.fixture
def package(registry: Registry) -> Package:
    return Package(
        name="tool",
        version="1.2.3",
        integrity=integrity_of(registry.archive),
        files=(VendoredFile("dist/tool.js", "tool-1.2.3.js", hashlib.sha512(SCRIPT).hexdigest()),),
    )


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def ensure(registry: Registry, package: Package, waits: list[float]) -> Callable[[Path], None]:
    def ensure_in(folder: Path) -> None:
        ensure_assets(folder, packages=(package,), fetch=registry.fetch, sleep=waits.append)

    return ensure_in


class TestEnsureAssets:
    def test_the_named_file_is_served_under_its_versioned_name(
        self, ensure: Callable[[Path], None], tmp_path: Path
    ) -> None:
        ensure(tmp_path)
        assert (tmp_path / "vendor" / "tool-1.2.3.js").read_bytes() == SCRIPT

    def test_nothing_but_the_named_file_is_left(
        self, ensure: Callable[[Path], None], tmp_path: Path
    ) -> None:
        ensure(tmp_path)
        assert [path.name for path in (tmp_path / "vendor").iterdir()] == ["tool-1.2.3.js"]

    def test_nobody_is_asked_when_the_file_is_right(
        self, ensure: Callable[[Path], None], registry: Registry, tmp_path: Path
    ) -> None:
        ensure(tmp_path)
        asked = len(registry.requests)
        ensure(tmp_path)
        assert len(registry.requests) == asked == 2

    def test_a_damaged_file_is_fetched_again(
        self, ensure: Callable[[Path], None], tmp_path: Path
    ) -> None:
        ensure(tmp_path)
        script = tmp_path / "vendor" / "tool-1.2.3.js"
        script.write_bytes(b"something else")
        ensure(tmp_path)
        assert script.read_bytes() == SCRIPT

    def test_two_failures_are_survived(
        self,
        ensure: Callable[[Path], None],
        registry: Registry,
        waits: list[float],
        tmp_path: Path,
    ) -> None:
        registry.failures = 2
        ensure(tmp_path)
        assert (tmp_path / "vendor" / "tool-1.2.3.js").read_bytes() == SCRIPT
        assert waits == [1.0, 2.0]

    def test_after_three_failures_one_sentence_says_what_to_do(
        self, ensure: Callable[[Path], None], registry: Registry, tmp_path: Path
    ) -> None:
        registry.failures = 3
        with pytest.raises(AssetsUnavailable) as caught:
            ensure(tmp_path)
        assert str(caught.value) == (
            "Could not fetch tool 1.2.3 in 3 tries (Service Unavailable). "
            "Check the network and run `python -m dashboard.assets`."
        )
        assert len(registry.requests) == 3
        assert list((tmp_path / "vendor").iterdir()) == []

    def test_another_archive_than_the_pinned_one_is_refused_at_once(
        self, ensure: Callable[[Path], None], registry: Registry, tmp_path: Path
    ) -> None:
        registry.archive = archive_of(b"steal(everything)")
        with pytest.raises(AssetsUnavailable, match="another content"):
            ensure(tmp_path)
        assert len(registry.requests) == 2
        assert list((tmp_path / "vendor").iterdir()) == []

    def test_a_file_that_is_not_the_pinned_one_is_refused(
        self, registry: Registry, package: Package, tmp_path: Path
    ) -> None:
        registry.archive = archive_of(b"another build")
        rebuilt = Package(
            package.name, package.version, integrity_of(registry.archive), package.files
        )
        with pytest.raises(AssetsUnavailable, match=r"dist/tool\.js"):
            ensure_assets(tmp_path, packages=(rebuilt,), fetch=registry.fetch)
        assert list((tmp_path / "vendor").iterdir()) == []


class TestCompressedCopies:
    @pytest.fixture
    def sheet(self, tmp_path: Path) -> Path:
        """A style sheet that is worth compressing."""
        file = tmp_path / "css" / "app.css"
        file.parent.mkdir()
        file.write_text("body { color: red; }\n" * 100)
        return file

    def test_they_lie_beside_the_file_and_hold_it(self, sheet: Path, tmp_path: Path) -> None:
        ensure_compressed(tmp_path)
        copy = sheet.with_name("app.css.gz")
        assert gzip.decompress(copy.read_bytes()) == sheet.read_bytes()
        assert sheet.with_name("app.css.br").stat().st_size < sheet.stat().st_size

    def test_those_of_another_content_are_dropped_and_made_anew(
        self, sheet: Path, tmp_path: Path
    ) -> None:
        ensure_compressed(tmp_path)
        sheet.write_text("body { color: blue; }\n" * 100)
        os.utime(sheet, (sheet.stat().st_atime, sheet.stat().st_mtime + 5))
        drop_stale_copies(tmp_path)
        assert list(sheet.parent.iterdir()) == [sheet]
        ensure_compressed(tmp_path)
        copy = sheet.with_name("app.css.gz")
        assert gzip.decompress(copy.read_bytes()) == sheet.read_bytes()

    def test_what_is_not_worth_it_stays_as_it_is(self, tmp_path: Path) -> None:
        (tmp_path / "tiny.js").write_text("x")
        ensure_compressed(tmp_path)
        assert [file.name for file in tmp_path.iterdir()] == ["tiny.js"]


class TestThePins:
    def test_every_served_name_carries_its_version(self) -> None:
        for package in PACKAGES:
            assert all(package.version in file.name for file in package.files)

    def test_the_pages_ask_for_exactly_the_files_that_are_fetched(self) -> None:
        page = (ROOT / "templates" / "base.html").read_text(encoding="utf-8")
        asked = set(re.findall(r"static_url\('vendor/([^']+)'\)", page))
        assert asked == {file.name for package in PACKAGES for file in package.files}
