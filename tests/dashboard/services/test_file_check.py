"""What was filed is looked for in Xero again, and what people did to it there is repaired."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask

from dashboard import wiring
from dashboard.config import Settings
from dashboard.models import Practice, PushStatus, User
from dashboard.queries import documents, due
from dashboard.services.file_check import FileCheck
from dashboard.services.push_attention import PushAttention
from dashboard.simulator import World
from dashboard.simulator.admin import perform
from dashboard.storage import DocumentStore
from dashboard.xero import XeroUnavailable
from tests.dashboard.services.filing import Filing, make_filing, roomy, roomy_world

LIST = "/files.xro/1.0/Files"
DAY = 24 * 3600


@pytest.fixture
def world() -> World:
    return roomy_world()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return roomy(settings)


@pytest.fixture
def filing(app: Flask, practice: Practice, admin: User, world: World, tmp_path: Path) -> Filing:
    return make_filing(practice, admin, world, DocumentStore(f"file://{tmp_path / 'store'}"))


def check_when_due(filing: Filing) -> bool:
    """Do what the sweep and its job do; return whether it was due."""
    connection_id = filing.connection.id
    filing.session.rollback()
    if connection_id not in due.connections_to_read_back(filing.session, filing.clock()):
        filing.session.rollback()
        return False
    filing.session.rollback()
    FileCheck(
        session=filing.session,
        auth=wiring.xero_auth(),
        attention=PushAttention(session=filing.session, alerts=wiring.alerts()),
        clock=filing.clock,
    ).check(connection_id)
    return True


def in_xero(filing: Filing, action: str, document_id: UUID, **details: str) -> None:
    """Do to the document's file what a person does in Xero."""
    sent = {
        "tenant_id": filing.organisation.tenant_id,
        "file_id": filing.push(document_id).xero_file_id,
    }
    perform(filing.world, action, {**sent, **details})


def filed_and_read_back(filing: Filing) -> UUID:
    document_id = filing.accepted(filing.client())
    filing.drain()
    filing.later(61)
    assert check_when_due(filing)
    return document_id


class TestReadingBack:
    def test_one_listing_answers_for_many_documents(self, filing: Filing) -> None:
        client = filing.client()
        ids = [filing.accepted(client) for _ in range(5)]
        filing.drain()
        assert not check_when_due(filing)
        filing.later(61)
        before = filing.calls("GET", LIST)
        assert check_when_due(filing)
        assert filing.calls("GET", LIST) == before + 1
        assert all(filing.push(each).read_back_at for each in ids)
        assert filing.sentences(ids[0])[-1] == "We looked in Xero: the file is in chase.md."
        assert not check_when_due(filing)

    def test_it_comes_again_in_the_night_and_says_nothing_new(self, filing: Filing) -> None:
        document_id = filed_and_read_back(filing)
        told = filing.sentences(document_id)
        first = filing.push(document_id).read_back_at
        filing.later(DAY + 5 * 3600)
        assert check_when_due(filing)
        assert filing.sentences(document_id) == told
        assert filing.push(document_id).read_back_at > first  # type: ignore[operator]

    def test_xero_that_does_not_answer_is_asked_again(self, filing: Filing) -> None:
        document_id = filing.accepted(filing.client())
        filing.drain()
        filing.later(61)
        filing.world.faults.arm("500-json", method="GET", path=LIST)
        with pytest.raises(XeroUnavailable):
            check_when_due(filing)
        assert not check_when_due(filing)
        filing.later(15 * 60)
        assert check_when_due(filing)
        assert filing.push(document_id).read_back_at is not None


class TestWhatPeopleDoInXero:
    def test_a_deleted_file_needs_a_person_and_retry_sends_it_again(self, filing: Filing) -> None:
        document_id = filed_and_read_back(filing)
        in_xero(filing, "delete_file", document_id)
        filing.later(DAY + 5 * 3600)
        check_when_due(filing)
        push = filing.push(document_id)
        assert (push.status, push.cause) == (PushStatus.FAILED, "deleted_in_xero")
        assert "Somebody deleted this file in Xero" in (push.error or "")
        filing.documents().retry(filing.practice.id, filing.admin.id, document_id)
        filing.drain()
        assert filing.is_filed_once(document_id)

    def test_a_file_off_its_contact_is_put_back_and_not_sent_again(self, filing: Filing) -> None:
        document_id = filed_and_read_back(filing)
        in_xero(filing, "unlink_file", document_id)
        filing.later(DAY + 5 * 3600)
        check_when_due(filing)
        push = filing.push(document_id)
        assert (push.status, push.cause) == (PushStatus.UPLOADED, "unlinked_in_xero")
        filing.documents().retry(filing.practice.id, filing.admin.id, document_id)
        filing.drain()
        assert filing.is_filed_once(document_id)

    def test_a_moved_file_is_shown_where_it_lies(self, filing: Filing) -> None:
        document_id = filed_and_read_back(filing)
        inbox = filing.organisation.inbox.folder_id
        in_xero(filing, "move_file", document_id, folder_id=inbox)
        for _ in range(2):
            filing.later(DAY + 5 * 3600)
            check_when_due(filing)
        assert filing.push(document_id).status == PushStatus.ASSOCIATED
        assert filing.push(document_id).xero_folder_id == inbox
        detail = documents.one(filing.session, filing.practice.id, document_id, now=filing.clock())
        assert detail is not None
        assert detail.folder_path == "Inbox"
        moved = "Somebody moved the file in Xero. It is in Inbox now."
        assert filing.sentences(document_id).count(moved) == 1

    def test_a_deleted_folder_is_made_again_with_the_next_document(self, filing: Filing) -> None:
        document_id = filed_and_read_back(filing)
        folder_id = filing.push(document_id).xero_folder_id
        sent = {"tenant_id": filing.organisation.tenant_id, "folder_id": folder_id}
        perform(filing.world, "delete_folder", sent)
        filing.later(DAY + 5 * 3600)
        check_when_due(filing)
        uploads = filing.calls("POST", LIST)
        another = filing.accepted(filing.client("Bo Ltd", contact=1))
        filing.drain()
        assert filing.is_filed_once(another, contact=1)
        # It was known beforehand: no upload met the missing folder.
        assert filing.calls("POST", LIST) == uploads + 2
