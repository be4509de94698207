"""Documents reach Xero exactly once, whatever Xero, the network and our own processes do."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import delete, select, update

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.config import Settings
from dashboard.models import (
    Alert,
    ClientDocument,
    ConnectionStatus,
    Practice,
    PushStatus,
    User,
    XeroCalls,
    XeroConnection,
    XeroContactMapping,
    XeroFilePush,
)
from dashboard.services.push_claims import LEASE, Push, PushClaims
from dashboard.services.push_heartbeat import beating
from dashboard.services.push_sending import PushSending
from dashboard.services.refusals import InvalidInput, NotFound
from dashboard.simulator import World
from dashboard.storage import DocumentStore
from tests.conftest import ON_POSTGRESQL
from tests.dashboard.services.filing import (
    PDF,
    Filing,
    Killed,
    MortalSession,
    make_filing,
    roomy,
    roomy_world,
)

FILES = "/files.xro/1.0/Files"
FOLDERS = "/files.xro/1.0/Folders"
MINUTES = 60


@pytest.fixture
def world() -> World:
    return roomy_world()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return roomy(settings)


@pytest.fixture
def filing(app: Flask, practice: Practice, admin: User, world: World, tmp_path: Path) -> Filing:
    return make_filing(practice, admin, world, DocumentStore(f"file://{tmp_path / 'store'}"))


class TestOneDocument:
    def test_it_ends_in_the_folder_and_on_the_contact(self, filing: Filing) -> None:
        document_id = filing.accepted(filing.client())
        result = filing.drain()
        assert (result.filed, result.failed, result.waiting, result.more) == (1, 0, 0, False)
        assert filing.is_filed_once(document_id)
        push = filing.push(document_id)
        assert (push.folder_name, push.file_name) == ("chase.md", "Ada Ltd_P60_2025-26.pdf")
        document = filing.document(document_id)
        assert document.xero_file_id == push.xero_file_id
        assert document.xero_pushed_at == push.pushed_at

    def test_its_timeline_tells_each_step(self, filing: Filing) -> None:
        document_id = filing.accepted(filing.client())
        filing.drain()
        assert filing.sentences(document_id) == [
            "Accepted by Priya.",
            "We made the folder chase.md in Xero Files.",
            "Sending 81 bytes to chase.md in Xero Files as Ada Ltd_P60_2025-26.pdf.",
            "Xero has the file, in the folder chase.md.",
            "Putting the file on Ada Ltd.",
            "Filed in chase.md, on Ada Ltd.",
        ]

    def test_it_costs_two_calls_once_the_folder_is_known(self, filing: Filing) -> None:
        client = filing.client()
        filing.accepted(client)
        filing.drain()
        filing.world.calls.clear()
        filing.accepted(client)
        filing.drain()
        assert [call.method for call in filing.world.calls.last()] == ["POST", "POST"]

    def test_draining_again_does_nothing(self, filing: Filing) -> None:
        filing.accepted(filing.client())
        filing.drain()
        filing.world.calls.clear()
        assert filing.drain().filed == 0
        assert filing.world.calls.last() == []

    def test_push_document_sends_this_one_and_says_where_it_stands(self, filing: Filing) -> None:
        client = filing.client()
        first, second = filing.accepted(client), filing.accepted(client)
        assert filing.files().push_document(second).is_filed
        assert filing.is_filed_once(second)
        assert filing.push(first).status == PushStatus.PENDING

    def test_push_document_without_a_push_is_not_found(self, filing: Filing) -> None:
        document = filing.received(filing.client())
        with pytest.raises(NotFound):
            filing.files().push_document(document.id)


class TestOrderAndNames:
    def test_documents_go_out_in_the_order_of_their_acceptance(self, filing: Filing) -> None:
        client = filing.client()
        received = [filing.received(client).id for _ in range(4)]
        order = [received[2], received[0], received[3], received[1]]
        for document_id in order:
            filing.documents().accept(filing.practice.id, filing.admin.id, document_id)
        filing.drain()
        filed = sorted(filing.pushes(), key=lambda push: push.pushed_at or utcnow())
        assert [push.document_id for push in filed] == order

    def test_documents_of_one_name_get_suffixes(self, filing: Filing) -> None:
        client = filing.client()
        ids = [filing.accepted(client) for _ in range(3)]
        filing.drain()
        assert [filing.push(document_id).file_name for document_id in ids] == [
            "Ada Ltd_P60_2025-26.pdf",
            "Ada Ltd_P60_2025-26 (2).pdf",
            "Ada Ltd_P60_2025-26 (3).pdf",
        ]

    def test_two_clients_of_one_name_do_not_clash(self, filing: Filing) -> None:
        ids = [filing.accepted(filing.client(contact=number)) for number in (0, 1)]
        filing.drain()
        assert filing.is_filed_once(ids[0], contact=0)
        assert filing.is_filed_once(ids[1], contact=1)

    def test_a_name_taken_meanwhile_is_passed_over(self, filing: Filing) -> None:
        client = filing.client()
        first, second = filing.accepted(client), filing.accepted(client)
        filing.drain()
        filing.session.execute(
            update(XeroFilePush)
            .where(XeroFilePush.document_id == second)
            .values(file_name="ada ltd_p60_2025-26 (3).pdf")
        )
        filing.session.commit()
        third = filing.accepted(client)
        filing.drain()
        assert filing.push(third).file_name == "Ada Ltd_P60_2025-26 (2).pdf"
        assert filing.is_filed_once(first)

    def test_names_are_plain_ascii(self, filing: Filing) -> None:
        document_id = filing.accepted(filing.client("Çelik & Søn “Ltd”"))
        filing.drain()
        assert filing.push(document_id).file_name == "Celik and Son Ltd_P60_2025-26.pdf"


class TestFolders:
    def test_a_folder_is_found_however_it_is_written(self, filing: Filing) -> None:
        _made_by_hand(filing, " Chase.MD ")
        document_id = filing.accepted(filing.client())
        filing.drain()
        assert filing.folder_of(filing.files_of(document_id)[0]) == " Chase.MD "
        assert filing.calls("POST", FOLDERS) == 0

    def test_years_have_flat_folders_of_their_own(self, filing: Filing) -> None:
        _set(filing, create_year_folders=True)
        client = filing.client()
        ids = [filing.accepted(client, tax_year=year) for year in ("2024/25", "2025/26", "")]
        filing.drain()
        assert [filing.folder_of(filing.files_of(each)[0]) for each in ids] == [
            "chase.md 2024-25",
            "chase.md 2025-26",
            "chase.md",
        ]

    def test_the_folder_that_an_admin_chose_is_used(self, filing: Filing) -> None:
        folder_id = _made_by_hand(filing, "Accountant")
        _set(filing, xero_folder_id=folder_id)
        client = filing.client()
        document_id = filing.accepted(client)
        filing.drain()
        assert filing.push(document_id).folder_name == "Accountant"
        assert filing.files_of(document_id)[0].folder_id == folder_id
        _set(filing, create_year_folders=True)
        yearly = filing.accepted(client)
        filing.drain()
        assert filing.push(yearly).folder_name == "Accountant 2025-26"
        assert filing.is_filed_once(yearly)

    @pytest.mark.parametrize("status", [400, 404])
    def test_a_folder_that_somebody_deleted_is_made_again(
        self, filing: Filing, status: int
    ) -> None:
        filing.world.options.missing_folder_status = status
        client = filing.client()
        filing.accepted(client)
        filing.drain()
        _delete_folder(filing, "chase.md")
        document_id = filing.accepted(client)
        filing.drain()
        assert filing.is_filed_once(document_id)
        assert filing.folder_of(filing.files_of(document_id)[0]) == "chase.md"
        assert "The folder chase.md is no longer in Xero, so we look for another." in (
            filing.sentences(document_id)
        )

    def test_a_chosen_folder_that_is_gone_is_forgotten(self, filing: Filing) -> None:
        folder_id = _made_by_hand(filing, "Accountant")
        _set(filing, xero_folder_id=folder_id)
        client = filing.client()
        filing.accepted(client)
        filing.drain()
        _delete_folder(filing, "Accountant")
        document_id = filing.accepted(client)
        filing.drain()
        assert filing.push(document_id).folder_name == "chase.md"
        assert filing.connection.xero_folder_id is None
        assert filing.connection.missing_folder_name == "Accountant"
        assert filing.is_filed_once(document_id)

    def test_only_a_folder_that_xero_has_can_be_chosen(self, filing: Filing) -> None:
        folder_id = _made_by_hand(filing, "Accountant")
        choose = wiring.preferences().update_settings
        with pytest.raises(InvalidInput, match="not in Xero Files"):
            choose(filing.practice.id, {"xero_folder_id": "f", "create_year_folders": True})
        assert (filing.connection.xero_folder_id, filing.connection.create_year_folders) == (
            None,
            False,
        )
        choose(filing.practice.id, {"xero_folder_id": folder_id.upper()})
        assert filing.connection.xero_folder_id == folder_id
        document_id = filing.accepted(filing.client())
        filing.drain()
        assert filing.push(document_id).folder_name == "Accountant"
        _delete_folder(filing, "Accountant")
        filing.accepted(filing.client("Bo Ltd", contact=1))
        filing.drain()
        assert filing.connection.missing_folder_name == "Accountant"
        choose(filing.practice.id, {"xero_folder_id": None})
        assert filing.connection.missing_folder_name is None

    def test_a_refused_dot_is_left_out(self, filing: Filing) -> None:
        filing.world.faults.arm("400-array", method="POST", path=FOLDERS)
        document_id = filing.accepted(filing.client())
        filing.drain()
        assert filing.push(document_id).folder_name == "chase md"
        assert filing.is_filed_once(document_id)

    def test_the_inbox_takes_what_no_folder_can(self, filing: Filing) -> None:
        filing.world.faults.arm("400-object", method="POST", path=FOLDERS, times=2)
        document_id = filing.accepted(filing.client())
        filing.drain()
        assert filing.push(document_id).folder_name == "Inbox"
        assert filing.files_of(document_id)[0].folder_id == filing.organisation.inbox.folder_id

    def test_a_lost_answer_does_not_make_a_second_folder(self, filing: Filing) -> None:
        filing.world.faults.arm("store-then-reset", method="POST", path=FOLDERS)
        document_id = filing.accepted(filing.client())
        filing.drain_until_settled()
        names = [folder.name for folder in filing.organisation.folders.values()]
        assert names.count("chase.md") == 1
        assert filing.is_filed_once(document_id)

    def test_ensure_folder_finds_what_it_made(self, filing: Filing) -> None:
        made = filing.files().ensure_folder(filing.practice.id, "Payroll")
        assert filing.files().ensure_folder(filing.practice.id, "payroll ") == made
        assert filing.organisation.folders[made].name == "Payroll"
        assert filing.connection.push_lease_until is None

    def test_folders_are_listed_for_choosing(self, filing: Filing) -> None:
        _made_by_hand(filing, "zeta")
        _made_by_hand(filing, "Alpha")
        names = [folder.name for folder in filing.files().folders(filing.practice.id)]
        assert names[0] == "Inbox"
        assert names.index("Alpha") < names.index("zeta")


class TestAnUploadThatGoesWrong:
    @pytest.mark.parametrize(
        "fault", ["store-then-500", "store-then-reset", "store-then-hang", "half-body", "200-html"]
    )
    def test_whatever_xero_did_there_is_one_file(self, filing: Filing, fault: str) -> None:
        filing.world.faults.arm(fault, method="POST", path=FILES, seconds=0.05)
        document_id = filing.accepted(filing.client())
        filing.drain()
        assert filing.push(document_id).outcome_unknown
        filing.drain_until_settled()
        assert filing.is_filed_once(document_id)
        assert filing.world.faults.injected[fault] == 1

    @pytest.mark.parametrize("fault", ["store-then-500", "store-then-reset"])
    def test_it_also_holds_when_xero_forgot_the_key(self, filing: Filing, fault: str) -> None:
        filing.world.faults.arm(fault, method="POST", path=FILES)
        document_id = filing.accepted(filing.client())
        filing.drain()
        filing.later(7 * MINUTES)
        filing.world.state.kept_answers.clear()
        filing.drain_until_settled()
        assert filing.is_filed_once(document_id)
        assert filing.calls("POST", f"{FILES}/") == 2  # one upload, one association

    def test_a_file_that_is_listed_late_is_waited_for(self, filing: Filing) -> None:
        filing.lag = 15.0
        filing.world.options.files_lag_seconds = 14.0
        filing.world.faults.arm("store-then-reset", method="POST", path=FILES)
        document_id = filing.accepted(filing.client())
        filing.drain()
        filing.session.execute(update(XeroFilePush).values(not_before=None))
        filing.session.commit()
        filing.world.state.kept_answers.clear()
        filing.drain()
        push = filing.push(document_id)
        assert (push.status, push.outcome_unknown) == (PushStatus.PENDING, True)
        assert push.not_before is not None
        filing.later(16)
        filing.drain()
        assert filing.is_filed_once(document_id)

    def test_a_500_is_counted_and_tried_again_with_a_new_key_in_five_minutes(
        self, filing: Filing
    ) -> None:
        filing.world.faults.arm("500-html", method="POST", path=FILES)
        document_id = filing.accepted(filing.client())
        filing.drain()
        push = filing.push(document_id)
        assert (push.status, push.retry_count, push.cause) == ("failed", 0, "xero_down")
        assert push.not_before is not None
        assert timedelta(seconds=290) < push.not_before - filing.clock() <= timedelta(seconds=300)
        filing.later(200)
        assert filing.drain().filed == 0
        filing.later(101)
        assert filing.drain().filed == 1
        assert filing.is_filed_once(document_id)
        assert filing.push(document_id).retry_count == 1
        keys = [c.idempotency_key for c in _uploads(filing)]
        assert len(set(keys)) == 2

    def test_after_four_attempts_a_person_has_to_act(self, filing: Filing) -> None:
        filing.world.faults.arm("500-json", method="POST", path=FILES, times=9)
        document_id = filing.accepted(filing.client())
        for _ in range(6):
            filing.drain()
            filing.later(301)
        push = filing.push(document_id)
        assert (push.status, push.cause, push.not_before) == ("failed", "xero_down", None)
        assert filing.world.faults.injected["500-json"] == 4
        assert _open_alert(filing) == 1

    def test_retry_then_resolves_the_alert_and_makes_one_file(self, filing: Filing) -> None:
        filing.world.faults.arm("500-json", method="POST", path=FILES, times=4)
        document_id = filing.accepted(filing.client())
        for _ in range(5):
            filing.drain()
            filing.later(301)
        filing.documents().retry(filing.practice.id, filing.admin.id, document_id)
        filing.drain()
        assert filing.is_filed_once(document_id)
        assert _open_alert(filing) is None

    def test_silence_is_not_counted_and_the_same_key_is_sent(self, filing: Filing) -> None:
        filing.world.faults.arm("reset", method="POST", path=FILES, times=2)
        document_id = filing.accepted(filing.client())
        filing.drain()
        push = filing.push(document_id)
        assert (push.status, push.retry_count, push.looks) == (PushStatus.PENDING, 0, 1)
        assert push.not_before is not None
        assert push.not_before - filing.clock() <= timedelta(seconds=30)
        filing.drain_until_settled()
        assert filing.is_filed_once(document_id)
        assert filing.push(document_id).retry_count == 0
        assert len({c.idempotency_key for c in _uploads(filing)}) == 1

    def test_after_twelve_looks_a_person_has_to_act(self, filing: Filing) -> None:
        filing.world.faults.arm("reset", method="POST", path=FILES, times=99)
        document_id = filing.accepted(filing.client())
        for _ in range(20):
            filing.drain()
            filing.later(16 * MINUTES)
        push = filing.push(document_id)
        assert (push.status, push.cause, push.outcome_unknown) == ("failed", "no_answer", True)
        assert filing.world.faults.injected["reset"] == 13

    def test_a_request_that_never_left_is_repeated_within_half_a_minute(
        self, filing: Filing, settings: Settings
    ) -> None:
        document_id = filing.accepted(filing.client())
        filing.drain()
        document_id = filing.accepted(filing.client("Bea Ltd", contact=1))
        transport = wiring.outside().transport
        address, transport._api_url = transport._api_url, "http://127.0.0.1:9"
        filing.drain()
        transport._api_url = address
        push = filing.push(document_id)
        assert (push.status, push.outcome_unknown, push.looks) == (PushStatus.PENDING, False, 0)
        assert push.not_before is not None
        assert push.not_before - filing.clock() <= timedelta(seconds=30)
        filing.later(31)
        filing.drain()
        assert filing.is_filed_once(document_id, contact=1)

    @pytest.mark.parametrize(
        ("fault", "cause"),
        [
            ("400-array", "refused"),
            ("400-object", "refused"),
            ("413-html", "too_large"),
            ("413-json", "too_large"),
        ],
    )
    def test_a_refusal_is_final_at_once(self, filing: Filing, fault: str, cause: str) -> None:
        filing.world.faults.arm(fault, method="POST", path=FILES)
        document_id = filing.accepted(filing.client())
        result = filing.drain()
        push = filing.push(document_id)
        assert (result.failed, push.status, push.cause) == (1, "failed", cause)
        assert push.not_before is None
        assert filing.files_of(document_id) == []
        if cause == "refused":
            assert "Refused by the simulator on order" in (push.error or "")
        filing.documents().retry(filing.practice.id, filing.admin.id, document_id)
        filing.drain()
        assert filing.is_filed_once(document_id)

    def test_a_key_that_xero_holds_for_something_else_is_looked_into(self, filing: Filing) -> None:
        client = filing.client()
        document_id = filing.accepted(client)
        filing.world.faults.arm("store-then-reset", method="POST", path=FILES)
        filing.drain()
        # The request differs from the one that Xero keeps, as it would after a mistake of ours.
        stored = filing.files_of(document_id)[0]
        stored.name = "renamed.pdf"
        filing.session.execute(update(XeroFilePush).values(file_name="Other.pdf", not_before=None))
        filing.session.commit()
        filing.later(16)
        filing.lag = 15.0
        filing.drain()
        push = filing.push(document_id)
        assert (push.status, push.upload_key_number) == (PushStatus.PENDING, 2)
        stored.name = "Other.pdf"
        filing.drain_until_settled()
        assert filing.is_filed_once(document_id)

    def test_a_file_that_was_moved_is_known_by_its_bytes(self, filing: Filing) -> None:
        document_id = filing.accepted(filing.client())
        filing.world.faults.arm("store-then-reset", method="POST", path=FILES)
        filing.drain()
        inbox_id = filing.organisation.inbox.folder_id
        filing.files_of(document_id)[0].folder_id = inbox_id
        filing.drain_until_settled()
        filing.is_filed_once(document_id)
        assert filing.push(document_id).xero_folder_id == inbox_id

    def test_of_two_files_alike_the_bytes_decide(self, filing: Filing) -> None:
        client = filing.client()
        content = PDF + b"%1234\n"
        document_id = filing.accepted(client, content=content)
        filing.world.faults.arm("store-then-reset", method="POST", path=FILES)
        filing.drain()
        ours = filing.files_of(document_id)[0]
        _put_by_hand(filing, ours.name, PDF + b"%4321\n", ours.folder_id)
        filing.drain_until_settled()
        assert filing.push(document_id).xero_file_id == ours.file_id
        assert filing.is_filed_once(document_id)


class TestAnAssociationThatGoesWrong:
    @pytest.mark.parametrize("fault", ["store-then-500", "store-then-reset", "500-json", "reset"])
    def test_the_file_is_sent_once_and_shown_once(self, filing: Filing, fault: str) -> None:
        filing.world.faults.arm(fault, method="POST", path=FILES, skip=1)
        document_id = filing.accepted(filing.client())
        filing.drain()
        assert filing.push(document_id).xero_file_id is not None
        filing.drain_until_settled()
        assert filing.is_filed_once(document_id)
        assert len(_uploads(filing)) == 1

    @pytest.mark.fact(53)
    def test_a_refused_association_says_so_and_retry_repeats_only_that(
        self, filing: Filing
    ) -> None:
        filing.world.options.refuse_archived_associations = True
        contact = filing.organisation.contacts[filing.contact_id()]
        document_id = filing.accepted(filing.client())
        contact.status = "ARCHIVED"
        filing.drain()
        push = filing.push(document_id)
        assert (push.status, push.cause) == (PushStatus.UPLOADED, "refused")
        assert (push.error or "").startswith("The file is in Xero Files, but we could not put it")
        assert _open_alert(filing) == 1
        contact.status = "ACTIVE"
        filing.documents().retry(filing.practice.id, filing.admin.id, document_id)
        filing.drain()
        assert filing.is_filed_once(document_id)
        assert len(_uploads(filing)) == 1

    def test_after_four_attempts_it_is_in_xero_but_not_on_the_contact(self, filing: Filing) -> None:
        filing.world.faults.arm("500-json", method="POST", path=FILES, skip=1, times=9)
        document_id = filing.accepted(filing.client())
        for _ in range(6):
            filing.drain()
            filing.later(301)
        push = filing.push(document_id)
        assert (push.status, push.cause) == (PushStatus.UPLOADED, "xero_down")
        assert filing.world.faults.injected["500-json"] == 4

    def test_a_file_deleted_meanwhile_is_sent_anew(self, filing: Filing) -> None:
        filing.world.faults.arm("429-minute", method="POST", path=FILES, skip=1, retry_after=1)
        document_id = filing.accepted(filing.client())
        filing.drain()
        stored = filing.files_of(document_id)[0]
        del filing.organisation.files[stored.file_id]
        _stop_waiting(filing)
        filing.drain_until_settled()
        assert filing.is_filed_once(document_id)

    def test_a_client_linked_to_another_contact_meanwhile_goes_there(self, filing: Filing) -> None:
        filing.world.faults.arm("500-json", method="POST", path=FILES, skip=1)
        document_id = filing.accepted(filing.client())
        filing.drain()
        filing.session.execute(
            update(XeroContactMapping).values(xero_contact_id=filing.contact_id(3))
        )
        filing.session.commit()
        filing.drain_until_settled()
        assert filing.is_filed_once(document_id, contact=3)

    def test_associate_file_may_be_asked_twice(self, filing: Filing) -> None:
        file_id = _put_by_hand(filing, "a.pdf", PDF, filing.organisation.inbox.folder_id)
        for _ in range(2):
            filing.files().associate_file(filing.practice.id, file_id, filing.contact_id())
        assert filing.organisation.files[file_id].associated_with == [filing.contact_id()]


class TestWhatHoldsADocumentBack:
    def test_a_client_without_a_contact(self, filing: Filing) -> None:
        client = filing.client(contact=None)
        document_id = filing.accepted(client)
        filing.drain()
        assert filing.push(document_id).status == PushStatus.PENDING
        assert filing.push(document_id).first_attempt_at is None
        _map(filing, client)
        filing.drain()
        assert filing.is_filed_once(document_id)

    def test_a_contact_that_the_mirror_knows_as_archived(self, filing: Filing) -> None:
        from tests import factories

        client = filing.client()
        contact = factories.make_contact(
            filing.connection, xero_contact_id=filing.contact_id(), contact_status="ARCHIVED"
        )
        document_id = filing.accepted(client)
        assert filing.drain().filed == 0
        contact.contact_status = "ACTIVE"
        filing.session.commit()
        filing.drain()
        assert filing.is_filed_once(document_id)

    def test_sending_that_is_switched_off(self, filing: Filing) -> None:
        _set(filing, push_documents_to_xero=False)
        document_id = filing.accepted(filing.client())
        assert filing.drain().filed == 0
        _set(filing, push_documents_to_xero=True)
        filing.drain()
        assert filing.is_filed_once(document_id)

    def test_a_connection_that_ends_holds_everything_and_reconnecting_sends_it_in_order(
        self, filing: Filing
    ) -> None:
        client = filing.client()
        ids = [filing.accepted(client) for _ in range(3)]
        wiring.xero_auth().disconnect(filing.practice.id)
        assert filing.drain().filed == 0
        filing.connect()
        assert filing.drain().filed == 3
        filed = sorted(filing.pushes(), key=lambda push: push.pushed_at or utcnow())
        assert [push.document_id for push in filed] == ids

    def test_access_lost_in_the_middle_is_no_failure(self, filing: Filing) -> None:
        document_id = filing.accepted(filing.client())
        for token in filing.world.state.refresh_tokens.values():
            token.expires_at = filing.world.clock.now() - timedelta(days=1)
        filing.world.faults.arm("401-expired", path=FOLDERS)
        filing.drain()
        assert filing.connection.status == ConnectionStatus.TOKEN_EXPIRED
        push = filing.push(document_id)
        assert (push.status, push.retry_count, push.lease_owner) == (PushStatus.PENDING, 0, None)
        filing.connect()
        filing.drain()
        assert filing.is_filed_once(document_id)

    def test_being_asked_to_wait_is_no_failure_and_keeps_the_order(self, filing: Filing) -> None:
        client = filing.client()
        ids = [filing.accepted(client) for _ in range(3)]
        filing.world.faults.arm("429-minute", method="POST", path=FILES, retry_after=7)
        filing.drain()
        push = filing.push(ids[0])
        assert (push.status, push.retry_count, push.outcome_unknown) == ("pending", 0, False)
        assert "Xero asked us to slow down (8 seconds)." in filing.sentences(ids[0])
        calls = len(filing.world.calls.last())
        filing.drain()
        assert len(filing.world.calls.last()) == calls
        _stop_waiting(filing)
        filing.drain()
        filed = sorted(filing.pushes(), key=lambda push: push.pushed_at or utcnow())
        assert [push.document_id for push in filed] == ids

    def test_one_bad_document_does_not_delay_the_others(self, filing: Filing) -> None:
        client = filing.client()
        bad, good = filing.accepted(client), filing.accepted(client)
        filing.world.faults.arm("500-json", method="POST", path=FILES)
        filing.drain()
        assert filing.push(bad).status == PushStatus.FAILED
        assert filing.is_filed_once(good)

    def test_two_silences_in_a_row_pause_the_practice(self, filing: Filing) -> None:
        client = filing.client()
        ids = [filing.accepted(client) for _ in range(4)]
        filing.world.faults.arm("500-json", method="POST", path=FILES, times=99)
        filing.drain()
        assert [filing.push(each).status for each in ids] == [
            "failed",
            "failed",
            "pending",
            "pending",
        ]
        filing.world.faults.clear()
        assert filing.drain().filed == 0
        filing.later(21)
        assert filing.drain().filed == 2

    def test_bytes_that_the_store_lost(self, filing: Filing) -> None:
        document_id = filing.accepted(filing.client())
        filing.store.delete(filing.document(document_id).storage_key)
        filing.drain()
        push = filing.push(document_id)
        assert (push.status, push.cause) == (PushStatus.FAILED, "store_lost")

    def test_bytes_that_the_store_changed_never_leave(self, filing: Filing) -> None:
        import io

        document_id = filing.accepted(filing.client())
        key = filing.document(document_id).storage_key
        filing.store.put(key, io.BytesIO(PDF), 1000)
        filing.drain()
        assert filing.push(document_id).cause == "store_lost"
        assert _uploads(filing) == []


class TestWorkersThatDie:
    @pytest.mark.parametrize("before", [True, False])
    def test_death_around_every_commit_leaves_exactly_one_file(
        self, filing: Filing, before: bool
    ) -> None:
        client = filing.client()
        deaths = 0
        for nth in range(1, 40):
            document_id = filing.accepted(client)
            mortal = MortalSession(filing.session, nth, before=before)
            try:
                filing.drain(session=mortal)
            except Killed:
                deaths += 1
                filing.session.rollback()
                # The keys must not be what saves us: Xero keeps them for six minutes only.
                filing.world.state.kept_answers.clear()
            filing.later(25)
            filing.drain_until_settled()
            assert filing.is_filed_once(document_id)
            if mortal.commits < nth:
                break
        assert deaths > 10

    def test_a_send_ends_before_the_lease_does(self, filing: Filing) -> None:
        make_client = wiring.xero_files()._auth._make_client
        assert isinstance(make_client, partial)
        (transport,) = make_client.args
        assert transport._total_seconds < LEASE.total_seconds() <= 20

    def test_a_lease_of_the_dead_ends_within_twenty_seconds(self, filing: Filing) -> None:
        document_id = filing.accepted(filing.client())
        with pytest.raises(Killed):
            filing.drain(session=MortalSession(filing.session, 8, before=False))
        filing.session.rollback()
        assert filing.push(document_id).lease_owner is not None
        assert filing.drain().filed == 0
        filing.later(21)
        assert filing.drain().filed == 1
        assert filing.is_filed_once(document_id)

    def test_a_document_that_kills_three_workers_is_given_to_no_other(self, filing: Filing) -> None:
        filing.lag = 0.0
        document_id = filing.accepted(filing.client())
        for _ in range(3):
            with pytest.raises(Killed):
                filing.drain(session=MortalSession(filing.session, 4, before=True))
            filing.session.rollback()
            filing.later(21)
        filing.drain()
        push = filing.push(document_id)
        assert (push.status, push.cause, push.deaths) == ("failed", "worker_crash", 3)
        filing.documents().retry(filing.practice.id, filing.admin.id, document_id)
        filing.drain()
        assert filing.is_filed_once(document_id)

    def test_a_worker_that_was_declared_dead_writes_nothing(self, filing: Filing) -> None:
        """A zombie wakes after another worker filed the document: its answers come to nothing."""
        document_id = filing.accepted(filing.client())
        claims = PushClaims(session=filing.session, clock=filing.clock)
        lease = claims.hold_practice(filing.practice.id, "zombie")
        assert lease is not None
        push = claims.claim_next(lease)
        assert push is not None
        filing.later(21)
        filing.drain()
        from dashboard.services.push_claims import LeaseLost

        with pytest.raises(LeaseLost):
            claims.write(lease, push, values={"status": PushStatus.UPLOADED})
        with pytest.raises(LeaseLost):
            claims.claim_next(lease)
        assert not claims.renewer(lease, push)()
        assert filing.is_filed_once(document_id)

    def test_a_machine_that_slept_before_the_upload_sends_nothing(
        self, filing: Filing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        document_id = filing.accepted(filing.client())
        mark = PushSending._mark_sending

        def mark_and_sleep(self: PushSending, push: Push) -> Push:
            marked = mark(self, push)
            filing.later(10 * MINUTES)
            return marked

        with monkeypatch.context() as asleep:
            asleep.setattr(PushSending, "_mark_sending", mark_and_sleep)
            filing.drain()
        assert filing.calls("POST", FILES) == 0
        filing.drain_until_settled()
        assert filing.is_filed_once(document_id)
        assert filing.calls("POST", f"{FILES}/{filing.push(document_id).xero_folder_id}") == 1

    def test_a_heartbeat_keeps_the_lease_while_a_call_lasts(self, filing: Filing) -> None:
        filing.accepted(filing.client())
        # Time passes with the beats alone: a slow machine must not let the lease run out.
        began = filing.clock()

        def clock() -> datetime:
            return began + filing.ahead

        claims = PushClaims(session=filing.session, clock=clock)
        lease = claims.hold_practice(filing.practice.id, "busy")
        assert lease is not None
        push = claims.claim_next(lease)
        assert push is not None
        renew = claims.renewer(lease, push)
        beats: list[bool] = []
        enough = threading.Event()

        def counted() -> bool:
            filing.ahead += timedelta(seconds=15)
            beats.append(renew())
            if len(beats) == 3 or not beats[-1]:
                enough.set()
            return not enough.is_set()

        with beating(counted, every_seconds=0.01):
            assert enough.wait(60)
        assert beats == [True, True, True]
        assert filing.drain(clock=clock).filed == 0
        assert claims.hold_practice(filing.practice.id, "other") is None

    def test_being_asked_to_end_hands_the_work_back(self, filing: Filing) -> None:
        document_id = filing.accepted(filing.client())
        answers = iter([False, False, False, True, True])
        filing.drain(should_stop=lambda: next(answers))
        push = filing.push(document_id)
        assert (push.lease_owner, push.deaths) == (None, 0)
        assert filing.connection.push_lease_owner is None
        filing.drain()
        assert filing.is_filed_once(document_id)

    def test_an_error_of_ours_counts_as_a_death_and_frees_the_practice(
        self, filing: Filing
    ) -> None:
        class Broken(DocumentStore):
            def copy_to(self, *_: object) -> None:  # type: ignore[override]
                raise RuntimeError("a bug")

        document_id = filing.accepted(filing.client())
        broken = Broken("memory://nowhere")
        with pytest.raises(RuntimeError):
            filing.drain(store=broken)
        assert filing.connection.push_lease_owner is None
        filing.later(21)
        filing.drain()
        assert filing.is_filed_once(document_id)
        assert filing.push(document_id).deaths == 1

    def test_only_one_worker_sends_for_a_practice(self, filing: Filing) -> None:
        filing.accepted(filing.client())
        claims = PushClaims(session=filing.session, clock=filing.clock)
        assert claims.hold_practice(filing.practice.id, "first") is not None
        assert claims.hold_practice(filing.practice.id, "second") is None
        assert filing.drain().filed == 0

    @pytest.mark.skipif(not ON_POSTGRESQL, reason="SQLite has no clock of its own")
    @pytest.mark.parametrize("off", [1, -1], ids=["ahead", "behind"])
    def test_a_machine_with_a_wrong_clock_takes_nobody_elses_work(
        self, filing: Filing, monkeypatch: pytest.MonkeyPatch, off: int
    ) -> None:
        document_id = filing.accepted(filing.client())
        claims = PushClaims(session=filing.session, clock=filing.clock)
        lease = claims.hold_practice(filing.practice.id, "another machine")
        monkeypatch.setattr(wiring, "utcnow", lambda: utcnow() + timedelta(days=off))
        assert wiring.xero_files().drain(filing.practice.id, 5).filed == 0
        assert lease is not None
        claims.release_practice(lease)
        # And its own leases end when those of others do.
        lease = PushClaims(
            session=filing.session, clock=wiring.running_shared_clock()
        ).hold_practice(filing.practice.id, "wrong clock")
        assert filing.connection.push_lease_until is not None
        left = filing.connection.push_lease_until - utcnow()
        assert timedelta(0) < left <= LEASE + timedelta(seconds=1)
        assert filing.push(document_id).status == PushStatus.PENDING


class TestDocumentsThatAreDeleted:
    def test_one_that_waits_in_line_holds_nobody_up(self, filing: Filing) -> None:
        client = filing.client()
        gone, stays = filing.accepted(client), filing.accepted(client)
        _delete_document(filing, gone)
        assert filing.drain().filed == 1
        assert filing.is_filed_once(stays)

    @pytest.mark.parametrize("step", range(1, 5))
    def test_one_that_a_worker_has_in_hand_ends_its_work(self, filing: Filing, step: int) -> None:
        client = filing.client()
        gone, stays = filing.accepted(client), filing.accepted(client)
        asked = iter(range(100))

        def is_deleted_at_its_step() -> bool:
            if next(asked) == step:
                _delete_document(filing, gone)
            return False

        filing.stop = is_deleted_at_its_step
        filing.drain()
        filing.drain_until_settled()
        assert filing.is_filed_once(stays)
        assert [push.document_id for push in filing.pushes()] == [stays]


def _delete_document(filing: Filing, document_id: UUID) -> None:
    filing.session.execute(delete(ClientDocument).where(ClientDocument.id == document_id))
    filing.session.commit()


def _uploads(filing: Filing) -> list:  # type: ignore[type-arg]
    return [
        call
        for call in filing.world.calls.last(method="POST", path=FILES)
        if not call.path.endswith("/Associations")
    ]


def _set(filing: Filing, **values: object) -> None:
    filing.session.execute(
        update(XeroConnection)
        .where(XeroConnection.practice_id == filing.practice.id)
        .values(**values)
    )
    filing.session.commit()


def _map(filing: Filing, client: object) -> None:
    from tests import factories

    factories.make_mapping(filing.connection, client, filing.contact_id())  # type: ignore[arg-type]


def _stop_waiting(filing: Filing) -> None:
    _set(filing, waits_until=None)
    from flask import current_app

    current_app.extensions["redis"].flushall()
    filing.session.execute(delete(XeroCalls))
    filing.session.commit()


def _made_by_hand(filing: Filing, name: str) -> str:
    from dashboard.simulator.ledger import new_folder

    with filing.world.change():
        return new_folder(filing.world, filing.organisation, name).folder_id


def _delete_folder(filing: Filing, name: str) -> None:
    with filing.world.change():
        folder = filing.world.folder_named(filing.organisation.tenant_id, name)
        assert folder is not None
        for file in filing.organisation.files.values():
            if file.folder_id == folder.folder_id:
                file.folder_id = filing.organisation.inbox.folder_id
        del filing.organisation.folders[folder.folder_id]


def _put_by_hand(filing: Filing, name: str, content: bytes, folder_id: str) -> str:
    from dashboard.simulator.ledger import store_file

    with filing.world.change():
        stored = store_file(
            filing.world,
            filing.organisation,
            filing.organisation.folders[folder_id],
            name=name,
            mime_type="application/pdf",
            content=content,
            user_id=next(iter(filing.world.state.users)),
        )
    return stored.file_id


def _open_alert(filing: Filing) -> int | None:
    filing.session.rollback()
    return filing.session.scalar(
        select(Alert.count).where(
            Alert.practice_id == filing.practice.id, Alert.closed_at.is_(None)
        )
    )
