"""make_…(): rows for tests, with every value that a test does not care about."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import uuid4

from argon2 import PasswordHasher
from sqlalchemy import insert

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    Client,
    ClientDocument,
    ConnectionStatus,
    ContactTwins,
    DocumentStatus,
    Practice,
    Role,
    ScanStatus,
    Tag,
    TagSource,
    User,
    XeroConnection,
    XeroContact,
    XeroContactMapping,
    XeroFilePush,
    client_tags,
)

PASSWORD = "a long enough password"


@cache
def _password_hash() -> str:
    # One cheap hash for all: the tests of passwords make their own.
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


def _saved(row: Any) -> Any:
    db.session.add(row)
    db.session.commit()
    return row


def make_practice(**values: Any) -> Practice:
    """Return a stored practice."""
    return _saved(Practice(**{"name": "A practice", **values}))


def make_user(practice: Practice, **values: Any) -> User:
    """Return a stored user of *practice*."""
    email = values.get("email", f"{uuid4().hex[:8]}@example.com")
    given = {
        "email": email,
        "name": email.partition("@")[0].capitalize(),
        "password_hash": _password_hash(),
        "role": Role.STAFF,
    }
    return _saved(User(practice_id=practice.id, **{**given, **values}))


def make_client(practice: Practice, **values: Any) -> Client:
    """Return a stored client of *practice*."""
    return _saved(Client(practice_id=practice.id, **{"name": "Ada Ltd", **values}))


def make_tag(practice: Practice, name: str, **values: Any) -> Tag:
    """Return a stored tag, one of the practice's own unless *values* say otherwise."""
    return _saved(Tag(practice_id=practice.id, name=name, **{"source": TagSource.OWN, **values}))


def put_tag(tag: Tag, *clients: Client) -> None:
    """Give clients a tag."""
    rows = [{"client_id": client.id, "tag_id": tag.id} for client in clients]
    db.session.execute(insert(client_tags), rows)
    db.session.commit()


def make_connection(practice: Practice, **values: Any) -> XeroConnection:
    """Return a stored connection that looks alive but has no tokens that open."""
    now = utcnow()
    given = {
        "xero_tenant_id": str(uuid4()),
        "xero_org_name": "Demo Company (UK)",
        "status": ConnectionStatus.ACTIVE,
        "connected_at": now,
        "last_good_call_at": now,
        "token_expires_at": now + timedelta(minutes=30),
        "sync_due_at": now + timedelta(minutes=15),
        "scopes": [
            "openid",
            "profile",
            "email",
            "accounting.contacts.read",
            "accounting.settings.read",
            "files",
            "offline_access",
        ],
    }
    return _saved(XeroConnection(practice_id=practice.id, **{**given, **values}))


def make_contact(connection: XeroConnection, **values: Any) -> XeroContact:
    """Return a stored contact of the mirror."""
    name = values.get("name", "Ada Ltd")
    given = {
        "xero_contact_id": str(uuid4()),
        "name": name,
        "contact_status": "ACTIVE",
        "content_hash": uuid4().hex,
        "sort_name": name.casefold(),
        "search_text": f"{name} {values.get('email') or ''}".casefold(),
        "read_at": utcnow(),
    }
    return _saved(
        XeroContact(
            practice_id=connection.practice_id,
            xero_connection_id=connection.id,
            **{**given, **values},
        )
    )


def make_twins(connection: XeroConnection, one: XeroContact, other: XeroContact) -> ContactTwins:
    """Store that two contacts may be the same one."""
    first, second = sorted((one.xero_contact_id, other.xero_contact_id))
    return _saved(
        ContactTwins(
            practice_id=connection.practice_id,
            xero_connection_id=connection.id,
            first_contact_id=first,
            second_contact_id=second,
            score=800,
            reasons=["Same email."],
        )
    )


def make_mapping(
    connection: XeroConnection, client: Client, xero_contact_id: str
) -> XeroContactMapping:
    """Map *client* to a contact."""
    client.xero_contact_id = xero_contact_id
    return _saved(
        XeroContactMapping(
            practice_id=connection.practice_id,
            xero_connection_id=connection.id,
            client_id=client.id,
            xero_contact_id=xero_contact_id,
            xero_contact_name=client.name,
        )
    )


def make_document(client: Client, **values: Any) -> ClientDocument:
    """Return a stored document of *client*; a test itself puts something into the store."""
    document_id = uuid4()
    given = {
        "id": document_id,
        "document_type": "P60",
        "tax_year": "2025-26",
        "file_name": "p60.pdf",
        "extension": "pdf",
        "mime_type": "application/pdf",
        "size": 1000,
        "content_sha256": hashlib.sha256(b"").hexdigest(),
        "storage_key": f"{client.practice_id}/{document_id}",
        "status": DocumentStatus.RECEIVED,
        "scan_status": ScanStatus.NOT_SCANNED,
    }
    return _saved(
        ClientDocument(practice_id=client.practice_id, client_id=client.id, **{**given, **values})
    )


def make_push(connection: XeroConnection, document: ClientDocument, **values: Any) -> XeroFilePush:
    """Return the stored promise to file *document* in the connection's organisation."""
    return _saved(
        XeroFilePush(
            practice_id=document.practice_id,
            xero_connection_id=connection.id,
            document_id=document.id,
            client_id=document.client_id,
            content_sha256=document.content_sha256,
            size=document.size,
            **values,
        )
    )
