"""The journey in a real Xero Demo Company, with credentials from the environment.

It needs XERO_CLIENT_ID, XERO_CLIENT_SECRET, XERO_REDIRECT_URI and XERO_LIVE_TOKEN_FILE, a file that
holds a refresh token of somebody who connected a Demo Company to this app. Xero replaces the token
at each use, so the file is rewritten. Nothing but a folder and a small file is made there.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest
import redis

from dashboard.secret import Secret
from dashboard.xero import Governor, Limits, Priority, Transport, XeroClient, XeroOAuth

NAMES = ("XERO_CLIENT_ID", "XERO_CLIENT_SECRET", "XERO_REDIRECT_URI", "XERO_LIVE_TOKEN_FILE")
MISSING = [name for name in NAMES if not os.environ.get(name)]

pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"NOT RUN: {', '.join(MISSING)} not set in the environment"
)


@pytest.fixture
def transport(redis_url: str) -> Transport:
    """The door to the real Xero."""
    governor = Governor(redis.Redis.from_url(redis_url), Limits())
    return Transport(governor, "https://api.xero.com")


@pytest.fixture
def xero(transport: Transport) -> XeroClient:
    """The Demo Company, reached with a fresh access token."""
    oauth = XeroOAuth(
        transport,
        login_url="https://login.xero.com",
        identity_url="https://identity.xero.com",
        client_id=os.environ["XERO_CLIENT_ID"],
        client_secret=Secret(os.environ["XERO_CLIENT_SECRET"]),
        redirect_uri=os.environ["XERO_REDIRECT_URI"],
    )
    token_file = Path(os.environ["XERO_LIVE_TOKEN_FILE"])
    tokens = oauth.refresh(Secret(token_file.read_text().strip()))
    token_file.write_text(tokens.refresh.reveal())
    tenants = [
        tenant
        for tenant in oauth.tenants(tokens.access)
        if tenant.is_organisation and "Demo Company" in (tenant.name or "")
    ]
    assert tenants, "No Demo Company is connected to this app."
    return XeroClient(
        transport,
        tenant_id=tenants[0].tenant_id,
        access=tokens.access,
        refresh_access=lambda: tokens.access,
        priority=Priority.PERSON,
    )


class TestDemoCompany:
    def test_contacts_are_read_and_a_document_is_filed(self, xero: XeroClient) -> None:
        assert xero.accounting.organisation().name
        contact = next(iter(xero.accounting.contacts_page(1).contacts))
        folders = {folder.name: folder for folder in xero.files.folders()}
        folder = folders.get("chase.md") or xero.files.create_folder(
            "chase.md", idempotency_key=str(uuid.uuid4())
        )
        key = str(uuid.uuid4())
        content = b"A live test of chase.md.\n"
        file = xero.files.upload(
            folder.folder_id,
            f"chase.md live test {key[:8]}.txt",
            "text/plain",
            content,
            len(content),
            idempotency_key=f"{key}:upload:1",
        )
        xero.files.associate(file.file_id, contact.contact_id, idempotency_key=f"{key}:assoc:1")
        associated = xero.files.associations(file.file_id)
        assert [each.object_id for each in associated] == [contact.contact_id]
