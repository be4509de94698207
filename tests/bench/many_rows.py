"""Rows of one practice in any number, as plain values for bulk inserts; the same ones each time."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from dashboard.models import (
    CallPurpose,
    DocumentStatus,
    ItemOutcome,
    PushStatus,
    RunKind,
    RunStatus,
    ScanStatus,
)
from dashboard.models.xero_calls import full_hour

Row = dict[str, Any]

FIRST = ("Robert", "Aoife", "Željka", "Mohammed", "Priya", "Wei", "Nuala", "Tomás")
LAST = ("Smith", "O'Brien", "Šarić", "Khan", "Patel", "Zhang", "Byrne", "da Silva")
TRADES = ("Joinery", "Stores", "Bakery", "Plumbing", "Holdings", "Farm", "Design", "Transport")
DOCUMENT_TYPES = ("P60", "Accounts", "Receipt", "Bank statement", "VAT return", "Payslip")
TAX_YEARS = ("2023-24", "2024-25", "2025-26")
# Of a hundred documents so many are in this state; no push state stands for no push.
STATES: tuple[tuple[int, DocumentStatus, PushStatus | None, Row], ...] = (
    (76, DocumentStatus.ACCEPTED, PushStatus.ASSOCIATED, {}),
    (6, DocumentStatus.ACCEPTED, PushStatus.PENDING, {}),
    (5, DocumentStatus.RECEIVED, None, {}),
    (3, DocumentStatus.ACCEPTED, PushStatus.FAILED, {"cause": "xero_down", "retry_count": 3}),
    (3, DocumentStatus.ACCEPTED, PushStatus.FAILED, {"cause": "too_large"}),
    (2, DocumentStatus.ACCEPTED, PushStatus.UPLOADED, {"cause": "contact_archived"}),
    (2, DocumentStatus.REJECTED, None, {}),
    (1, DocumentStatus.ACCEPTED, PushStatus.UPLOADED, {}),
    (1, DocumentStatus.ACCEPTED, PushStatus.UPLOADING, {}),
    (1, DocumentStatus.ACCEPTED, None, {}),
)
OUTCOMES = (
    *(ItemOutcome.CREATED, ItemOutcome.LINKED, ItemOutcome.UPDATED),
    *(ItemOutcome.SKIPPED, ItemOutcome.PROBLEM),
)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
DAYS_OF_WORK = 90


@dataclass(frozen=True, slots=True)
class Ground:
    """Whose rows they are, and when now is."""

    practice_id: UUID
    connection_id: UUID
    admin_id: UUID
    now: datetime

    @property
    def owned(self) -> Row:
        """What every row of the practice's connection begins with."""
        return {"practice_id": self.practice_id, "xero_connection_id": self.connection_id}


def clients(on: Ground, number: int) -> list[Row]:
    """Return so many clients, none of them linked."""
    return [
        {
            "id": uuid4(),
            "practice_id": on.practice_id,
            "name": f"{_person(at)} {TRADES[at % 8]} {at}",
            "email": f"office{at}@bench.example" if at % 3 else None,
            "xero_contact_id": None,
            "created_at": on.now,
            "updated_at": on.now,
        }
        for at in range(number)
    ]


def contacts(on: Ground, number: int, ours: list[Row]) -> list[Row]:
    """Return so many contacts as the detector left them: most are new, some mean clients."""
    dice = random.Random(7)  # noqa: S311 - the same contacts each time
    return [_contact(on, ours, at, dice) for at in range(number)]


def _contact(on: Ground, ours: list[Row], at: int, dice: random.Random) -> Row:
    word = dice.choices(("new", "exact", "possible", "clash"), (60, 25, 12, 3))[0]
    meant = {"new": 0, "exact": 1, "possible": 1, "clash": 2}[word]
    name = f"{_person(at * 5)} {TRADES[at % 8]} {at}"
    email = f"contact{at}@bench.example" if at % 4 else None
    return {
        **on.owned,
        "id": uuid4(),
        "xero_contact_id": str(uuid4()),
        "name": name,
        "email": email,
        "phones": [{"kind": "DEFAULT", "number": f"020 7946 {at:05d}"}],
        "addresses": [],
        "contact_status": "ACTIVE" if at % 50 else "ARCHIVED",
        "is_supplier": at % 3 == 0,
        "is_customer": at % 4 != 0,
        "groups": [{"id": f"g{n}", "name": f"Group {n:02d}"} for n in range(at % 4)],
        "content_hash": f"{at:064d}",
        "sort_name": name.casefold(),
        "search_text": f"{name} {email or ''}".casefold(),
        "match": word,
        "candidates": [
            {
                "client_id": str(ours[(at + n) % len(ours)]["id"]),
                "score": 0.95 if word == "exact" else 0.7,
                "reasons": [f"Same email {email}", "Ltd and Limited ignored"],
            }
            for n in range(meant)
        ],
        "read_at": on.now,
    }


def links(on: Ground, pairs: Iterable[tuple[Row, Row]]) -> list[Row]:
    """Return the links of these clients to these contacts."""
    return [
        {
            **on.owned,
            "client_id": client["id"],
            "xero_contact_id": contact["xero_contact_id"],
            "xero_contact_name": contact["name"],
            "last_synced_at": on.now,
        }
        for client, contact in pairs
    ]


def decisions(on: Ground, draft_id: UUID, theirs: list[Row]) -> list[Row]:
    """Return ticks on every third contact, some of them with a person's decision."""
    return [
        {
            "draft_id": draft_id,
            "xero_contact_id": contact["xero_contact_id"],
            "selected": True,
            "action": "skip" if at % 7 == 0 else None,
            "decided_by_id": on.admin_id if at % 7 == 0 else None,
        }
        for at, contact in enumerate(theirs)
        if at % 3 == 0
    ]


def twins(on: Ground, theirs: list[Row], number: int) -> list[Row]:
    """Return so many pairs of contacts that may be the same, every fourth told apart."""
    ids = [
        contact["xero_contact_id"] for contact in theirs if contact["contact_status"] == "ACTIVE"
    ]
    return [
        {
            **on.owned,
            "first_contact_id": min(one, other),
            "second_contact_id": max(one, other),
            "score": 600 + at % 400,
            "reasons": ["Same email."],
            "apart_at": None if at % 4 else on.now,
            "apart_by_id": None if at % 4 else on.admin_id,
        }
        for at, (one, other) in enumerate(zip(ids[:number], ids[number:], strict=False))
    ]


def documents(on: Ground, number: int, ours: list[Row]) -> tuple[list[Row], list[Row]]:
    """Return so many documents, and the pushes of those that have one; the newest come last.

    Every fiftieth is the first client's: the busiest one.
    """
    dice = random.Random(11)  # noqa: S311 - the same documents each time
    states = dice.choices(STATES, [state[0] for state in STATES], k=number)
    stored: list[Row] = []
    pushes: list[Row] = []
    for at, (_, decided, push_status, more) in enumerate(states):
        client = ours[at % len(ours) if at % 50 else 0]
        moment = on.now - (number - at) * (DAYS_OF_WORK * DAY / number)
        stored.append(_document(on, at, client, decided, moment))
        if push_status is not None:
            pushes.append(_push(on, stored[-1], push_status, more))
    return stored, pushes


def _document(on: Ground, at: int, client: Row, decided: DocumentStatus, moment: datetime) -> Row:
    kind, is_decided = DOCUMENT_TYPES[at % 6], decided != DocumentStatus.RECEIVED
    return {
        "id": uuid4(),
        "practice_id": on.practice_id,
        "client_id": client["id"],
        "document_type": kind,
        "tax_year": TAX_YEARS[at % 3],
        "file_name": f"{kind.casefold().replace(' ', '-')}-{at}.pdf",
        "extension": "pdf",
        "mime_type": "application/pdf",
        "size": 248_000,
        "content_sha256": f"{at:064d}",
        "storage_key": f"{on.practice_id}/{at}",
        "status": decided,
        "scan_status": ScanStatus.CLEAN,
        "uploaded_by_id": on.admin_id,
        "decided_by_id": on.admin_id if is_decided else None,
        "decided_at": moment if is_decided else None,
        "created_at": moment,
        "updated_at": moment,
    }


def _push(on: Ground, document: Row, status: PushStatus, more: Row) -> Row:
    in_xero = status in {PushStatus.UPLOADED, PushStatus.ASSOCIATED}
    moment = document["created_at"]
    return {
        **on.owned,
        "id": uuid4(),
        "document_id": document["id"],
        "client_id": document["client_id"],
        "xero_file_id": str(uuid4()) if in_xero else None,
        "folder_name": "chase.md",
        "file_name": f"{document['file_name']} {document['id'].hex[:8]}.pdf",
        "content_sha256": document["content_sha256"],
        "size": document["size"],
        "status": status,
        "pushed_at": moment + MINUTE if status == PushStatus.ASSOCIATED else None,
        "created_at": moment,
        "updated_at": moment + MINUTE,
        "cause": None,
        "retry_count": 0,
        **more,
    }


def timelines(on: Ground, pushes: list[Row]) -> list[Row]:
    """Return three lines of history for each push."""
    sentences = ("Accepted by Sam.", "Sending 248 kB to chase.md in Xero Files.", "Xero has it.")
    return [
        {
            "push_id": push["id"],
            "practice_id": on.practice_id,
            "at": push["created_at"],
            "kind": "line",
            "sentence": sentence,
            "attempt": 1,
        }
        for push in pushes
        for sentence in sentences
    ]


def run(on: Ground, kind: RunKind, status: RunStatus, at: datetime, **more: Any) -> Row:
    """Return a run that was asked for at this moment."""
    return {
        **on.owned,
        "id": uuid4(),
        "kind": kind,
        "status": status,
        "created_at": at,
        "updated_at": at,
        "started_at": at,
        "finished_at": at + MINUTE if status.is_final else None,
        "started_by_id": None,
        "updated": 0,
        "done": 0,
        "total": None,
        "held_at": None,
        "progress": {},
        **more,
    }


def checks(on: Ground, number: int) -> list[Row]:
    """Return so many automatic contact checks, of which every fifth changed something."""
    return [
        run(
            on,
            RunKind.CONTACT_SYNC,
            RunStatus.FINISHED if at % 50 else RunStatus.FAILED,
            on.now - (at + 1) * 15 * MINUTE,
            updated=0 if at % 5 else 3,
        )
        for at in range(number)
    ]


def items(on: Ground, of: Row, pairs: Iterable[tuple[Row, Row]], *, waiting: bool) -> list[Row]:
    """Return an item of a run for each client with its contact; what was done, or is to be."""
    changed = {"email": {"before": "old@bench.example", "after": "new@bench.example"}}
    return [
        {
            "run_id": of["id"],
            "practice_id": on.practice_id,
            "xero_contact_id": contact["xero_contact_id"],
            "contact_name": contact["name"],
            "action": "update" if waiting else "create",
            "client_id": client["id"],
            "outcome": ItemOutcome.WAITING if waiting else OUTCOMES[at % len(OUTCOMES)],
            "reason": "Email: from Xero.",
            "changes": changed if waiting or at % len(OUTCOMES) == 2 else None,  # noqa: PLR2004
        }
        for at, (client, contact) in enumerate(pairs)
    ]


def calls(on: Ground, tenant_id: str) -> list[Row]:
    """Return the calls of every hour and purpose of the last month."""
    return [
        {
            "xero_tenant_id": tenant_id,
            "hour": full_hour(on.now) - hours * timedelta(hours=1),
            "purpose": purpose,
            "calls": 40,
            "bytes_sent": 40_000,
            "bytes_received": 400_000,
            "last_at": on.now - hours * timedelta(hours=1),
        }
        for hours in range(30 * 24)
        for purpose in CallPurpose
    ]


def _person(at: int) -> str:
    return f"{FIRST[at % 8]} {LAST[at // 8 % 8]}"
