"""Documents are received whole, decided on by people, and promised to Xero in the same commit."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard import wiring
from dashboard.config import Settings
from dashboard.database import db
from dashboard.models import (
    ClientDocument,
    DocumentStatus,
    Practice,
    PushStatus,
    ScanStatus,
    User,
    XeroFilePush,
)
from dashboard.services.documents import DocumentService, StoreDown
from dashboard.services.refusals import (
    Conflict,
    InvalidInput,
    NotConnected,
    NotFound,
    UploadRefused,
)
from dashboard.services.virus_scan import ScannerDown, ScanResult
from dashboard.simulator import World
from dashboard.storage import DocumentStore, StoreUnavailable
from tests import factories
from tests.dashboard.services.filing import (
    PDF,
    Filing,
    make_filing,
    roomy,
    roomy_world,
    sha256,
)


@pytest.fixture
def world() -> World:
    return roomy_world()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return roomy(settings)


@pytest.fixture
def filing(app: Flask, practice: Practice, admin: User, world: World, tmp_path: Path) -> Filing:
    return make_filing(practice, admin, world, DocumentStore(f"file://{tmp_path / 'store'}"))


@pytest.fixture
def unconnected(
    app: Flask, practice: Practice, admin: User, world: World, tmp_path: Path
) -> Filing:
    store = DocumentStore(f"file://{tmp_path / 'store'}")
    wiring.outside().governor._called_recently = lambda _tenant_id: False
    return Filing(practice=practice, admin=admin, world=world, store=store, session=db.session)


def stored_files(tmp_path: Path) -> int:
    return sum(path.is_file() for path in (tmp_path / "store").rglob("*"))


class TestReceiving:
    def test_a_document_is_stored_with_its_true_type_and_hash(self, filing: Filing) -> None:
        content = PDF + b"% a\n"
        document = filing.received(filing.client(), content=content, file_name="Mum's P60.PDF")
        assert (document.file_name, document.extension) == ("Mum's P60.PDF", "pdf")
        assert (document.mime_type, document.size) == ("application/pdf", len(content))
        assert document.content_sha256 == sha256(content)
        assert document.storage_key == f"{filing.practice.id}/{document.id}"
        assert (document.status, document.scan_status) == ("received", "not_scanned")
        with filing.store.open(document.storage_key) as kept:
            assert kept.read() == content

    @pytest.mark.parametrize(
        ("values", "status", "code"),
        [
            ({"content": b""}, 422, "empty"),
            ({"content": PDF, "file_name": "x.exe"}, 415, "type_not_accepted"),
            ({"content": b"hello", "file_name": "x.pdf"}, 422, "content_mismatch"),
            ({"content": PDF + b"0" * 10_000_000}, 413, "too_large"),
        ],
    )
    def test_a_file_that_xero_does_not_take_is_refused_with_a_way_on(
        self, filing: Filing, tmp_path: Path, values: dict[str, object], status: int, code: str
    ) -> None:
        with pytest.raises(UploadRefused) as refused:
            filing.received(filing.client(), **values)
        assert (refused.value.status, refused.value.code) == (status, code)
        assert refused.value.sentence
        assert refused.value.fix
        assert stored_files(tmp_path) == 0
        assert filing.session.scalars(select(ClientDocument)).all() == []

    @pytest.mark.parametrize(
        ("field", "values"),
        [
            ("document_type", {"document_type": "  "}),
            ("document_type", {"document_type": "x" * 61}),
            ("tax_year", {"tax_year": "x" * 21}),
        ],
    )
    def test_words_are_checked(self, filing: Filing, field: str, values: dict[str, str]) -> None:
        with pytest.raises(InvalidInput) as refused:
            filing.received(filing.client(), **values)
        assert refused.value.field == field

    def test_the_longest_words_are_taken(self, filing: Filing) -> None:
        document = filing.received(
            filing.client(), document_type="x" * 60, tax_year="y" * 20, file_name="n" * 400 + ".pdf"
        )
        assert len(document.document_type) == 60
        assert len(document.file_name) == 255
        assert document.file_name.endswith(".pdf")

    def test_a_name_is_shown_without_folders_and_tricks(self, filing: Filing) -> None:
        document = filing.received(
            filing.client(), file_name="C:\\temp\\..\\evil\u202efdp.\x00 x.pdf"
        )
        assert document.file_name == "evilfdp. x.pdf"

    def test_another_practices_client_is_not_found(self, filing: Filing, stranger: User) -> None:
        theirs = factories.make_client(stranger.practice)
        with pytest.raises(NotFound):
            filing.received(theirs)

    def test_a_commit_that_fails_takes_the_bytes_along(
        self, filing: Filing, tmp_path: Path
    ) -> None:
        class Full:
            def __init__(self) -> None:
                self.commits = 0

            def __getattr__(self, name: str) -> object:
                return getattr(filing.session, name)

            def commit(self) -> None:
                self.commits += 1
                if self.commits > 1:
                    raise RuntimeError("disk full")
                filing.session.commit()

        client = filing.client()
        service = DocumentService(session=Full(), store=filing.store, clock=filing.clock)  # type: ignore[arg-type]
        with pytest.raises(RuntimeError):
            service.receive(
                filing.practice.id,
                filing.admin.id,
                client_id=client.id,
                file_name="a.pdf",
                stream=io.BytesIO(PDF),
                document_type="P60",
            )
        assert stored_files(tmp_path) == 0

    def test_a_store_that_is_down_loses_nothing(self, filing: Filing) -> None:
        class Down(DocumentStore):
            def put(self, *_: object) -> object:  # type: ignore[override]
                raise StoreUnavailable("The document store did not work: No space left.")

        filing.store = Down("memory://down")
        with pytest.raises(StoreDown) as refused:
            filing.received(filing.client())
        assert refused.value.status == 503
        assert filing.session.scalars(select(ClientDocument)).all() == []

    def test_where_a_scanner_is_configured_new_documents_wait_for_it(self, filing: Filing) -> None:
        filing.scanner = Scanner()
        assert filing.received(filing.client()).scan_status == ScanStatus.PENDING

    def test_a_person_may_read_it_and_a_stranger_may_not(
        self, filing: Filing, stranger: User
    ) -> None:
        document_id = filing.received(filing.client(), content=PDF).id
        _, stream = filing.documents().open(filing.practice.id, document_id)
        with stream:
            assert stream.read() == PDF
        with pytest.raises(NotFound):
            filing.documents().open(stranger.practice_id, document_id)
        filing.store.delete(filing.document(document_id).storage_key)
        with pytest.raises(NotFound, match="our copy"):
            filing.documents().open(filing.practice.id, document_id)


class TestDeciding:
    def test_accepting_promises_to_send_in_the_same_commit(self, filing: Filing) -> None:
        document_id = filing.accepted(filing.client())
        document, push = filing.document(document_id), filing.push(document_id)
        assert document.status == DocumentStatus.ACCEPTED
        assert document.decided_by_id == filing.admin.id
        assert (push.status, push.content_sha256) == (PushStatus.PENDING, document.content_sha256)
        assert (push.size, push.xero_connection_id) == (document.size, filing.connection.id)

    def test_accepting_twice_promises_once(self, filing: Filing) -> None:
        document_id = filing.accepted(filing.client())
        decided_at = filing.document(document_id).decided_at
        filing.later(5)
        filing.documents().accept(filing.practice.id, filing.admin.id, document_id)
        assert filing.document(document_id).decided_at == decided_at
        assert len(filing.pushes()) == 1

    def test_rejected_may_be_accepted_after_all(self, filing: Filing) -> None:
        document_id = filing.received(filing.client()).id
        documents = filing.documents()
        documents.reject(filing.practice.id, filing.admin.id, document_id)
        assert filing.document(document_id).status == DocumentStatus.REJECTED
        assert filing.pushes() == []
        documents.accept(filing.practice.id, filing.admin.id, document_id)
        assert len(filing.pushes()) == 1

    def test_what_is_on_its_way_cannot_be_rejected(self, filing: Filing) -> None:
        document_id = filing.accepted(filing.client())
        with pytest.raises(Conflict):
            filing.documents().reject(filing.practice.id, filing.admin.id, document_id)
        assert filing.document(document_id).status == DocumentStatus.ACCEPTED

    @pytest.mark.parametrize("verb", ["accept", "reject", "retry"])
    def test_another_practices_document_is_not_found(
        self, filing: Filing, stranger: User, verb: str
    ) -> None:
        document_id = filing.accepted(filing.client())
        with pytest.raises(NotFound):
            getattr(filing.documents(), verb)(stranger.practice_id, stranger.id, document_id)
        with pytest.raises(NotFound):
            getattr(filing.documents(), verb)(filing.practice.id, filing.admin.id, uuid4())

    def test_an_infected_document_is_not_accepted(self, filing: Filing) -> None:
        document = filing.received(filing.client())
        document.scan_status = ScanStatus.INFECTED
        filing.session.commit()
        with pytest.raises(Conflict, match="virus"):
            filing.documents().accept(filing.practice.id, filing.admin.id, document.id)


class TestBeforeConnecting:
    def test_what_was_accepted_is_not_sent_unasked(self, unconnected: Filing) -> None:
        client = factories.make_client(unconnected.practice)
        document_id = unconnected.accepted(client)
        unconnected.connect()
        factories.make_mapping(unconnected.connection, client, unconnected.contact_id())
        unconnected.documents().accept(unconnected.practice.id, unconnected.admin.id, document_id)
        unconnected.drain()
        assert unconnected.pushes() == []
        with pytest.raises(Conflict, match="before Xero was connected"):
            unconnected.documents().retry(
                unconnected.practice.id, unconnected.admin.id, document_id
            )

    def test_it_is_sent_when_a_person_asks_and_only_what_is_ours_and_accepted(
        self, unconnected: Filing, stranger: User
    ) -> None:
        client = factories.make_client(unconnected.practice)
        accepted, received = unconnected.accepted(client), unconnected.received(client).id
        theirs = factories.make_document(
            factories.make_client(stranger.practice), status=DocumentStatus.ACCEPTED
        ).id
        send = unconnected.documents().send_unsent
        ids = [accepted, received, theirs]
        with pytest.raises(NotConnected):
            send(unconnected.practice.id, unconnected.admin.id, ids)
        unconnected.connect()
        factories.make_mapping(unconnected.connection, client, unconnected.contact_id())
        assert send(unconnected.practice.id, unconnected.admin.id, ids) == 1
        assert send(unconnected.practice.id, unconnected.admin.id, ids) == 0
        unconnected.drain()
        assert unconnected.is_filed_once(accepted)


class TestRetrying:
    def test_it_makes_a_waiting_push_due_at_once(self, filing: Filing) -> None:
        filing.world.faults.arm("reset", method="POST", path="/files.xro/1.0/Files")
        filing.chance = 1.0
        document_id = filing.accepted(filing.client())
        filing.drain()
        assert filing.drain().filed == 0
        filing.documents().retry(filing.practice.id, filing.admin.id, document_id)
        assert filing.push(document_id).outcome_unknown
        filing.drain()
        assert filing.is_filed_once(document_id)
        assert filing.sentences(document_id).count(
            "Priya asked to try again. We go on at the step that did not work."
        )

    def test_what_is_filed_stays_filed(self, filing: Filing) -> None:
        document_id = filing.accepted(filing.client())
        filing.drain()
        before = filing.push(document_id).updated_at
        filing.documents().retry(filing.practice.id, filing.admin.id, document_id)
        push = filing.push(document_id)
        assert (push.status, push.updated_at) == (PushStatus.ASSOCIATED, before)

    def test_what_a_worker_has_is_left_to_it(self, filing: Filing) -> None:
        document_id = filing.accepted(filing.client())
        push = filing.push(document_id)
        push.status, push.lease_owner, push.lease_until = (
            PushStatus.UPLOADING,
            "worker",
            filing.clock(),
        )
        filing.session.commit()
        filing.documents().retry(filing.practice.id, filing.admin.id, document_id)
        assert filing.push(document_id).lease_owner == "worker"

    def test_a_document_that_is_not_accepted_has_nothing_to_retry(self, filing: Filing) -> None:
        document = filing.received(filing.client())
        with pytest.raises(Conflict, match="not accepted"):
            filing.documents().retry(filing.practice.id, filing.admin.id, document.id)


class Scanner:
    """A scanner that says what it was told."""

    def __init__(self, result: ScanResult | None = ScanResult()) -> None:  # noqa: B008 - frozen
        self.result = result
        self.scanned: list[bytes] = []

    def scan(self, content: BinaryIO) -> ScanResult:
        self.scanned.append(content.read())
        if self.result is None:
            raise ScannerDown("The virus scanner did not answer.")
        return self.result


class TestVirusCheck:
    def test_nothing_leaves_before_the_scanner_says_clean(self, filing: Filing) -> None:
        filing.scanner = Scanner(None)
        document_id = filing.accepted(filing.client(), content=PDF)
        filing.drain()
        assert filing.world.calls.last(path="/files.xro") == []
        push = filing.push(document_id)
        assert (push.status, push.cause, push.retry_count) == ("pending", "scan_missing", 0)
        filing.scanner = scanner = Scanner()
        filing.later(61)
        filing.drain()
        assert scanner.scanned == [PDF]
        assert filing.document(document_id).scan_status == ScanStatus.CLEAN
        assert filing.is_filed_once(document_id)

    def test_what_is_infected_never_leaves(self, filing: Filing) -> None:
        filing.scanner = Scanner(ScanResult("Eicar-Test-Signature"))
        document_id = filing.accepted(filing.client())
        filing.drain()
        push = filing.push(document_id)
        assert (push.status, push.cause) == (PushStatus.FAILED, "infected")
        assert filing.document(document_id).scan_status == ScanStatus.INFECTED
        filing.documents().retry(filing.practice.id, filing.admin.id, document_id)
        filing.drain()
        assert filing.push(document_id).cause == "infected"
        filing.scanner = None
        filing.documents().retry(filing.practice.id, filing.admin.id, document_id)
        filing.drain()
        assert filing.push(document_id).cause == "infected"
        assert filing.world.calls.last(path="/files.xro") == []

    def test_a_document_from_before_the_scanner_is_scanned_too(self, filing: Filing) -> None:
        document_id = filing.accepted(filing.client())
        filing.scanner = Scanner()
        filing.drain()
        assert filing.document(document_id).scan_status == ScanStatus.CLEAN

    def test_checking_that_was_switched_off_is_said(self, filing: Filing) -> None:
        filing.scanner = Scanner()
        document_id = filing.accepted(filing.client())
        filing.scanner = None
        filing.drain()
        assert filing.is_filed_once(document_id)
        assert filing.document(document_id).scan_status == ScanStatus.NOT_SCANNED
        assert "Virus checking was switched off, so the file is sent without it." in (
            filing.sentences(document_id)
        )


def test_no_push_outlives_its_document(filing: Filing) -> None:
    document_id = filing.accepted(filing.client())
    filing.session.delete(filing.document(document_id))
    filing.session.commit()
    assert filing.session.scalars(select(XeroFilePush)).all() == []
    assert filing.drain().filed == 0
