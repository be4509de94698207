"""A real clamd over its real protocol: what it knows is found, plain and packed, and never sent."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from dashboard.config import Settings
from dashboard.models import Practice, PushStatus, ScanStatus, User
from dashboard.services.virus_scan import ClamdScanner, ScannerDown
from dashboard.simulator import World
from dashboard.storage import DocumentStore
from tests.dashboard.services.filing import PDF, Filing, make_filing, roomy, roomy_world
from tests.support import clamd


@pytest.fixture(scope="module")
def scanner() -> Iterator[ClamdScanner]:
    program = clamd.ensure()
    if program is None:
        pytest.skip(clamd.SENTENCE)
    with clamd.real_clamd(program) as url:
        yield ClamdScanner(url, seconds=20)


def zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("letter.txt", content)
    return buffer.getvalue()


class TestTheScanner:
    @pytest.mark.parametrize(
        "content",
        [clamd.EICAR, zipped(clamd.EICAR), zipped(zipped(clamd.EICAR))],
        ids=["plain", "zipped", "zipped twice"],
    )
    def test_what_it_knows_is_found_however_it_is_packed(
        self, scanner: ClamdScanner, content: bytes
    ) -> None:
        found = scanner.scan(io.BytesIO(content))
        assert clamd.SIGNATURE_NAME in found.signature

    def test_ten_megabytes_of_a_clean_file_are_clean(self, scanner: ClamdScanner) -> None:
        assert scanner.scan(io.BytesIO(PDF.ljust(10_000_000, b" "))).is_clean

    def test_more_than_it_takes_is_no_proof_of_anything(self, scanner: ClamdScanner) -> None:
        with pytest.raises(ScannerDown):
            scanner.scan(io.BytesIO(b" " * 30_000_000))


class TestADocument:
    @pytest.fixture
    def world(self) -> World:
        return roomy_world()

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return roomy(settings)

    @pytest.fixture
    def filing(
        self, app: Flask, practice: Practice, admin: User, world: World, tmp_path: Path
    ) -> Filing:
        return make_filing(practice, admin, world, DocumentStore(f"file://{tmp_path / 'store'}"))

    @pytest.mark.parametrize(
        ("name", "content"),
        [("a.txt", clamd.EICAR), ("a.zip", zipped(clamd.EICAR))],
        ids=["plain", "zipped"],
    )
    def test_one_with_a_virus_never_leaves(
        self, scanner: ClamdScanner, filing: Filing, name: str, content: bytes
    ) -> None:
        filing.scanner = scanner
        bad = filing.accepted(filing.client(), file_name=name, content=content)
        good = filing.accepted(filing.client("Bo Ltd", contact=1))
        filing.drain_until_settled()
        assert filing.files_of(bad) == []
        assert filing.document(bad).scan_status == ScanStatus.INFECTED
        assert (filing.push(bad).status, filing.push(bad).cause) == (PushStatus.FAILED, "infected")
        assert filing.document(good).scan_status == ScanStatus.CLEAN
        assert filing.is_filed_once(good, contact=1)
