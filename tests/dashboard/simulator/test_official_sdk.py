"""Xero's own SDK, pointed at the simulator: an independent reader of every answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from xero_python.accounting import AccountingApi
from xero_python.api_client import ApiClient
from xero_python.api_client.configuration import Configuration
from xero_python.api_client.oauth2 import OAuth2Token, TokenApi
from xero_python.exceptions import (
    HTTPStatusException,
    NotFoundException,
    RateLimitException,
)
from xero_python.file import FilesApi
from xero_python.file.models import Association, FileObject, Folder, ObjectGroup
from xero_python.identity import IdentityApi

from dashboard.simulator import World
from tests.dashboard.simulator.caller import CLIENT_ID, CLIENT_SECRET, SCOPES, Caller
from tests.support.pretend_xero import served

# The SDK keeps its pools until it is collected; that is its affair, not the simulator's.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture
def url(world: World) -> Iterator[str]:
    """The simulator on a real wire."""
    with served(world) as address:
        yield address


@pytest.fixture
def api_client(app: Caller) -> ApiClient:
    """The SDK's client with the tokens of an app that Amira let in."""
    oauth2_token = OAuth2Token(client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    client = ApiClient(Configuration(oauth2_token=oauth2_token), pool_threads=1)
    kept: dict[str, Any] = dict(app.tokens, scope=SCOPES.split())
    client.oauth2_token_getter(lambda: kept)
    client.oauth2_token_saver(kept.update)
    return client


@pytest.fixture
def accounting(api_client: ApiClient, url: str) -> AccountingApi:
    """The SDK's Accounting API."""
    return AccountingApi(api_client, f"{url}/api.xro/2.0")


@pytest.fixture
def files(api_client: ApiClient, url: str) -> FilesApi:
    """The SDK's Files API."""
    return FilesApi(api_client, f"{url}/files.xro/1.0")


class TestIdentityApi:
    def test_connections_are_read_and_deleted(
        self, app: Caller, api_client: ApiClient, url: str
    ) -> None:
        identity = IdentityApi(api_client, url)
        [connection] = identity.get_connections()
        assert connection.tenant_id == app.tenant_id
        assert connection.tenant_type == "ORGANISATION"
        assert connection.tenant_name == app.world.main.name
        assert connection.created_date_utc.replace(tzinfo=None) == datetime(2026, 4, 7, 12)  # noqa: DTZ001 - the SDK's
        identity.delete_connection(connection.id)
        assert identity.get_connections() == []

    def test_tokens_are_refreshed_and_revoked(
        self, app: Caller, api_client: ApiClient, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(TokenApi, "refresh_token_url", f"{url}/connect/token")
        monkeypatch.setattr(TokenApi, "revoke_token_url", f"{url}/connect/revocation")
        tokens = TokenApi(api_client, CLIENT_ID, CLIENT_SECRET)
        new = tokens.refresh_token(app.tokens["refresh_token"], SCOPES.split())
        assert new["refresh_token"] != app.tokens["refresh_token"]
        assert tokens.revoke_token(new["refresh_token"]) == 200
        assert not any(held.is_live for held in app.world.state.connections.values())


class TestAccountingApi:
    def test_the_organisation(self, app: Caller, accounting: AccountingApi) -> None:
        [organisation] = accounting.get_organisations(app.tenant_id).organisations
        assert organisation.organisation_id == app.tenant_id
        assert organisation.organisation_type == "ACCOUNTING_PRACTICE"
        assert organisation.created_date_utc < datetime(2026, 4, 7, tzinfo=UTC)
        assert organisation.base_currency.value == "GBP"
        assert organisation.timezone.value == "GMTSTANDARDTIME"

    def test_every_contact_page_by_page(self, app: Caller, accounting: AccountingApi) -> None:
        found: dict[str, Any] = {}
        pages = 1
        while True:
            answer = accounting.get_contacts(
                app.tenant_id,
                page=pages,
                page_size=150,
                order="ContactID",
                include_archived="True",
            )
            found |= {contact.contact_id: contact for contact in answer.contacts}
            assert answer.pagination.item_count == 320
            if pages >= answer.pagination.page_count:
                break
            pages += 1
        assert (pages, len(found)) == (3, 320)
        for contact_id, mine in app.world.main.contacts.items():
            theirs = found[contact_id]
            assert theirs.name == mine.name
            assert theirs.contact_status == mine.status
            assert theirs.email_address == mine.email
            assert theirs.merged_to_contact_id == mine.merged_to
            assert abs((theirs.updated_date_utc - mine.updated_at).total_seconds()) < 0.001
            assert len(theirs.phones) == 4

    def test_what_changed_since(self, app: Caller, accounting: AccountingApi) -> None:
        contact = app.world.main.active_contact_named("Wei Zhang")
        assert contact
        contact.updated_at = app.world.clock.now()
        answer = accounting.get_contacts(
            app.tenant_id, if_modified_since=datetime(2026, 4, 7, 11, 59, 59, tzinfo=UTC)
        )
        assert [held.contact_id for held in answer.contacts] == [contact.contact_id]

    def test_one_contact_with_its_groups(self, app: Caller, accounting: AccountingApi) -> None:
        mine = app.world.main.active_contact_named("Thornbury Joinery Limited")
        assert mine
        [contact] = accounting.get_contact(app.tenant_id, mine.contact_id).contacts
        assert {group.name for group in contact.contact_groups} == {
            "VAT clients",
            "Payroll",
            "Year end March",
        }
        [street] = [held for held in contact.addresses if held.address_type == "STREET"]
        assert street.country in ("United Kingdom", "")

    def test_groups_and_their_members(self, app: Caller, accounting: AccountingApi) -> None:
        groups = accounting.get_contact_groups(app.tenant_id).contact_groups
        landlords = next(group for group in groups if group.name == "Landlords")
        [full] = accounting.get_contact_group(
            app.tenant_id, landlords.contact_group_id
        ).contact_groups
        assert "Anna and Piotr Kowalski" in {contact.name for contact in full.contacts}

    def test_an_unknown_contact(self, app: Caller, accounting: AccountingApi) -> None:
        with pytest.raises((NotFoundException, HTTPStatusException)) as caught:
            accounting.get_contact(app.tenant_id, "00000000-0000-0000-0000-000000000000")
        assert caught.value.status == 404

    def test_too_many_calls(self, app: Caller, accounting: AccountingApi) -> None:
        app.world.faults.arm("429-concurrent")
        with pytest.raises((RateLimitException, HTTPStatusException)) as caught:
            accounting.get_organisations(app.tenant_id)
        assert caught.value.status == 429


class TestFilesApi:
    def test_a_document_is_filed_under_its_client(self, app: Caller, files: FilesApi) -> None:
        contact = app.world.main.active_contact_named("Wei Zhang")
        assert contact
        folder = files.create_folder(app.tenant_id, Folder(name="chase.md"), idempotency_key="f1")
        content = b"%PDF-1.7 a document"
        uploaded = files.upload_file_to_folder(
            app.tenant_id,
            folder.id,
            body=content,
            name="Wei Zhang_P60_2025-26.pdf",
            filename="Wei Zhang_P60_2025-26.pdf",
            mime_type="application/pdf",
            idempotency_key="u1",
        )
        assert (uploaded.name, uploaded.size) == ("Wei Zhang_P60_2025-26.pdf", len(content))
        assert uploaded.folder_id == folder.id
        assert re.fullmatch(r"2026-04-07T12:00:00\.0000000", str(uploaded.created_date_utc))
        made = files.create_file_association(
            app.tenant_id,
            uploaded.id,
            Association(object_id=contact.contact_id, object_group=ObjectGroup.CONTACT),
            idempotency_key="a1",
        )
        assert (made.file_id, made.object_id) == (uploaded.id, contact.contact_id)
        assert str(getattr(made.object_type, "value", made.object_type)) == "Business"

        [held] = files.get_file_associations(app.tenant_id, uploaded.id)
        assert held.object_id == contact.contact_id
        [seen] = files.get_associations_by_object(app.tenant_id, contact.contact_id)
        assert (seen.name, int(seen.size)) == (uploaded.name, len(content))
        listed = files.get_files(
            app.tenant_id, pagesize=1, page=1, sort="CreatedDateUTC", direction="DESC"
        )
        assert listed.total_count == 4
        assert len(listed.items) == 1
        with open(files.get_file_content(app.tenant_id, uploaded.id), "rb") as stored:  # noqa: PTH123
            assert stored.read() == content
        assert app.world.files_in("chase.md")[0].associated_with == [contact.contact_id]

    def test_folders_and_the_inbox(self, app: Caller, files: FilesApi) -> None:
        rows = files.get_folders(app.tenant_id, sort="Name")
        assert [(row.name, row.is_inbox) for row in rows] == [("Contracts", False), ("Inbox", True)]
        assert files.get_inbox(app.tenant_id).id == app.world.main.inbox.folder_id
        assert files.get_folder(app.tenant_id, rows[0].id).file_count == 1

    def test_a_file_is_renamed_moved_and_deleted(self, app: Caller, files: FilesApi) -> None:
        [contracts] = [row for row in files.get_folders(app.tenant_id) if not row.is_inbox]
        uploaded = files.upload_file(app.tenant_id, b"x", "a.txt", "a.txt", mime_type="text/plain")
        moved = files.update_file(
            app.tenant_id, uploaded.id, FileObject(name="b.txt", folder_id=contracts.id)
        )
        assert (moved.name, moved.folder_id) == ("b.txt", contracts.id)
        files.delete_file(app.tenant_id, uploaded.id)
        with pytest.raises(HTTPStatusException):
            files.get_file(app.tenant_id, uploaded.id)
