"""A page of every kind, and one, two or more of everything that they list."""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy import select

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    DocumentStatus,
    ItemOutcome,
    Practice,
    PushStatus,
    RunKind,
    RunStatus,
    SyncRun,
    SyncRunItem,
    XeroConnection,
)
from tests import factories

PAGES = (
    "/",
    "/settings",
    "/settings/disconnect",
    "/sync-history",
    "/documents",
    "/documents?tab=attention",
    "/documents/retry?cause=refused",
    "/documents?q=p60&type=P60&year=2025-26",
    "/alerts",
    "/alerts?state=closed",
    "/clients",
    "/clients?q=a&tag=VAT&xero=linked&attention=1",
    "/clients?xero=archived",
    "/clients/in-xero-twice",
    "/clients/new",
    "/documents/new",
    "/import/{draft}",
    "/import/{draft}?match=new&q=a&group=VAT&type=customer&selected=1&sort=email",
    "/import/{draft}/review",
    "/import/{draft}/contacts/{contact}",
    "/import/{draft}/contacts/{contact}?client_q=ada",
    "/clients/{client}",
    "/clients/{client}/edit",
    "/clients/{client}/link",
    "/clients/{client}/unlink",
    "/documents/new?client_id={client}",
    "/sync-history/{run}",
    "/sync-history/{run}/undo",
    "/sync-history/held",
)


def add_rows(practice: Practice, connection: XeroConnection, number: int) -> dict[str, object]:
    """Add so many of everything that pages list; return what stands in their addresses."""
    tag = factories.make_tag(practice, f"Tag {uuid4().hex[:6]}")
    for _ in range(number):
        client = factories.make_client(practice)
        factories.put_tag(tag, client)
        contact = factories.make_contact(connection)
        factories.make_mapping(connection, client, contact.xero_contact_id)
        for stuck in ({}, {"status": PushStatus.FAILED, "cause": "refused"}):
            document = factories.make_document(
                client, status=DocumentStatus.ACCEPTED, decided_at=utcnow()
            )
            factories.make_push(connection, document, **stuck)
        free = factories.make_contact(connection, groups=[{"id": "g1", "name": "VAT"}])
        candidate = {"client_id": str(client.id), "score": 0.7, "reasons": ["Same name"]}
        unsure = factories.make_contact(connection, match="possible", candidates=[candidate])
        factories.make_twins(connection, free, unsure)
    return {"client": client.id, "contact": unsure.xero_contact_id}


def ended_import(practice: Practice, connection: XeroConnection) -> SyncRun:
    """Return an import that has ended, and hold a contact check that asks."""
    common = {"practice_id": practice.id, "xero_connection_id": connection.id}
    ended = SyncRun(
        **common, kind=RunKind.IMPORT, status=RunStatus.FINISHED, finished_at=utcnow(), created=1
    )
    held = SyncRun(
        **common,
        kind=RunKind.CONTACT_SYNC,
        status=RunStatus.WAITING,
        held_at=utcnow(),
        error="Why.",
    )
    db.session.add_all([ended, held])
    db.session.commit()
    return ended


def add_items(practice: Practice, run: SyncRun, number: int) -> None:
    """Let the import have made so many clients, and so many wait in the held check."""
    held = db.session.scalars(select(SyncRun).where(SyncRun.held_at.is_not(None))).one()
    for _ in range(number):
        client = factories.make_client(practice)
        for each, outcome in ((run, ItemOutcome.CREATED), (held, ItemOutcome.WAITING)):
            db.session.add(
                SyncRunItem(
                    run_id=each.id,
                    practice_id=practice.id,
                    xero_contact_id=str(uuid4()),
                    contact_name="Ada",
                    action="create",
                    client_id=client.id,
                    outcome=outcome,
                    reason="Why.",
                )
            )
    db.session.commit()
