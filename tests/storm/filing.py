"""What the harnesses of filing share: practices with documents, a Xero in its own process, a judge.

The judge asks the pretend Xero's own store which files there are; our rows are only compared with
it.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, or_, select

from dashboard import wiring
from dashboard.database import db
from dashboard.embedded import free_port
from dashboard.models import (
    ClientDocument,
    Practice,
    PushEvent,
    PushStatus,
    XeroConnection,
    XeroFilePush,
)
from dashboard.rules.file_naming import BASE_FOLDER
from dashboard.rules.retry_policy import MAX_RETRIES
from dashboard.secret import Secret
from dashboard.services import push_desk
from dashboard.services.push_heartbeat import BEAT_SECONDS, beating
from dashboard.xero import TokenSet
from jobs import sweeping
from tests import factories
from tests.storm.installation import Pace, calls_end_after, connected
from tests.storm.report import Report
from tests.support import servers

LAG = 15.0
PLENTY = 1_000_000
NO_LIMITS = {
    "xero_minute_limit": PLENTY,
    "xero_concurrent_limit": PLENTY,
    "xero_day_limit": PLENTY,
    "xero_app_minute_limit": PLENTY,
}
DOCUMENT_TYPES = ("P60", "Bank statement", "VAT return", "Payslip")
PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"


class Xero:
    """The pretend Xero's other side: what only a harness may ask it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def new_organisation(self, contacts: int) -> dict[str, Any]:
        """Return a new organisation that lets the app in: its ids and our tokens for it."""
        return self._asked("POST", "/test/organisations", contacts=contacts)

    def weather(self, *, bad: bool) -> None:
        """Make calls to Files fail by the dice, or no longer."""
        self._asked("POST", "/test/weather", bad=bad)

    def list_late(self, seconds: float) -> None:
        """Let listings name new files this much later."""
        self._asked("POST", "/test/lag", seconds=seconds)

    def let_pass(self, seconds: float) -> None:
        """Put Xero's clock forward."""
        self._asked("POST", "/simulator/admin", action="shift_clock", seconds=seconds)

    def arm(self, kind: str, **details: Any) -> None:
        """Let the next call that fits meet this trouble."""
        self._asked("POST", "/simulator/faults", kind=kind, **details)

    def injected(self) -> Counter[str]:
        """Return how often each trouble struck."""
        return Counter(self._asked("GET", "/test/injected"))

    def calls(self, tenant_id: str) -> list[tuple[datetime, int]]:
        """Return when each call of the organisation came, and the status of its answer."""
        found = self._asked("GET", f"/test/calls?tenant_id={tenant_id}")["calls"]
        return [(datetime.fromisoformat(call["at"]), call["status"]) for call in found]

    def files(self, tenant_id: str) -> dict[str, Any]:
        """Return the organisation's files, and how many folders there are of each name."""
        return self._asked("GET", f"/test/files?tenant_id={tenant_id}")

    def _asked(self, method: str, path: str, /, **sent: Any) -> dict[str, Any]:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        headers = {"Content-Type": "application/json"}
        try:
            connection.request(method, path, json.dumps(sent) if sent else None, headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            raise AssertionError(f"{path} answered {answer.status}: {body[:500]!r}")
        said: dict[str, Any] = json.loads(body)
        return said


@contextmanager
def xero_server(pace: Pace, *more: str, lag: float = LAG, seed: int = 1) -> Iterator[Xero]:
    """Run a pretend Xero whose time runs at *pace*; *more* are further options of its command."""
    port = free_port()
    command = [sys.executable, "-m", "tests.storm.xero_server", "--port", str(port)]
    command += ["--pace", str(pace.factor), "--began-at", pace.began_at.isoformat()]
    command += ["--lag", str(lag), "--seed", str(seed), *more]
    with servers.running(command, {}) as server:
        url = f"http://127.0.0.1:{port}"
        server.wait_until(lambda: servers.answers(url))
        yield Xero(url)


@contextmanager
def at_pace(pace: Pace, now: Callable[[], datetime] | None = None) -> Iterator[None]:
    """Let everything that the product does in this process and its children run at *pace*."""
    now = now or pace.local_now
    beats = partial(beating, every_seconds=BEAT_SECONDS / pace.factor)
    with ExitStack() as stack:
        for module, name, replacement in (
            (wiring, "utcnow", now),
            (wiring, "shared_clock", now),
            (sweeping, "utcnow", now),
            (push_desk, "beating", beats),
        ):
            stack.enter_context(patch.object(module, name, replacement))
        yield


@contextmanager
def hasty_calls(pace: Pace) -> Iterator[None]:
    """Let calls to Xero end after their total time at *pace*."""
    with calls_end_after(wiring.SENDING_SECONDS / pace.factor):
        yield


@dataclass(frozen=True, slots=True)
class Firm:
    """A practice that is connected to an organisation of its own, with clients on its contacts."""

    practice_id: UUID
    tenant_id: str
    clients: tuple[tuple[UUID, str], ...]


def new_firm(xero: Xero, pace: Pace, clients: int) -> Firm:
    """Return a new practice, connected, with so many clients."""
    made = xero.new_organisation(clients)
    tokens = made["tokens"]
    connection_id = connected(
        TokenSet(
            access=Secret(tokens["access_token"]),
            refresh=Secret(tokens["refresh_token"]),
            expires_in=tokens["expires_in"],
            scopes=tuple(tokens["scope"].split()),
        ),
        pace,
    )
    connection = db.session.get_one(XeroConnection, connection_id)
    connection.xero_tenant_id = made["tenant_id"]
    connection.scopes = tokens["scope"].split()
    connection.refresh_due_at = connection.sync_due_at = connection.health_due_at = None
    db.session.commit()
    practice = db.session.get_one(Practice, connection.practice_id)
    mapped = []
    for number, contact_id in enumerate(made["contact_ids"]):
        client = factories.make_client(practice, name=f"Client {number}")
        factories.make_mapping(connection, client, contact_id)
        mapped.append((client.id, contact_id))
    return Firm(practice.id, made["tenant_id"], tuple(mapped))


@dataclass(frozen=True, slots=True)
class Paper:
    """A document that was received, and where it has to arrive."""

    document_id: UUID
    firm: Firm
    sha256: str
    contact_id: str


def receive(firm: Firm, number: int) -> Paper:
    """Store the *number*-th document of a firm; many have the same name and size as others."""
    client_id, contact_id = firm.clients[number % len(firm.clients)]
    content = PDF + f"% {number:06d} {firm.tenant_id}\n".encode()
    document = wiring.documents().receive(
        firm.practice_id,
        None,
        client_id=client_id,
        file_name="p60.pdf",
        stream=io.BytesIO(content),
        document_type=DOCUMENT_TYPES[number // len(firm.clients) % len(DOCUMENT_TYPES)],
        tax_year="2025-26",
    )
    return Paper(document.id, firm, hashlib.sha256(content).hexdigest(), contact_id)


def accept(paper: Paper) -> None:
    """Accept a document; doing it again changes nothing."""
    wiring.documents().accept(paper.firm.practice_id, None, paper.document_id)


def forget_earlier_runs() -> None:
    """Delete what an earlier run left on a database that was given: its Xero is gone."""
    db.session.execute(delete(XeroFilePush))
    db.session.commit()


def needs_a_person() -> ColumnElement[bool]:
    """Return the condition of a push that nothing but a person's Retry moves on."""
    return or_(
        and_(
            XeroFilePush.status == PushStatus.FAILED,
            or_(XeroFilePush.not_before.is_(None), XeroFilePush.retry_count >= MAX_RETRIES),
        ),
        and_(XeroFilePush.status == PushStatus.UPLOADED, XeroFilePush.cause.is_not(None)),
    )


def is_terminal() -> ColumnElement[bool]:
    """Return the condition of a push that is filed or waits for a person."""
    return or_(XeroFilePush.status == PushStatus.ASSOCIATED, needs_a_person())


def count_pushes(condition: ColumnElement[bool]) -> int:
    """Return how many pushes there are like this."""
    found = db.session.scalar(select(func.count()).select_from(XeroFilePush).where(condition)) or 0
    db.session.rollback()
    return found


def retry_as_a_person() -> int:
    """Press Retry on every push that needs it; return how many."""
    stuck = db.session.execute(
        select(XeroFilePush.practice_id, XeroFilePush.document_id).where(needs_a_person())
    ).all()
    db.session.rollback()
    for practice_id, document_id in stuck:
        wiring.documents().retry(practice_id, None, document_id)
    return len(stuck)


def lines_of_kind(kind: str) -> int:
    """Return how often the timelines hold a line of this kind."""
    counted = select(func.count()).select_from(PushEvent).where(PushEvent.kind == kind)
    found = db.session.scalar(counted) or 0
    db.session.rollback()
    return found


@dataclass
class Verdict:
    """What the judge found in Xero's own store, and where our rows disagree with it."""

    lost: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    astray: list[str] = field(default_factory=list)
    strangers: int = 0
    folders: int = 0
    rows_wrong: list[str] = field(default_factory=list)

    def tell(self, report: Report) -> None:
        """Write the findings into *report*."""
        report.facts |= {
            "documents lost": len(self.lost),
            "documents twice in Xero": len(self.duplicates),
            "in a wrong folder or on a wrong contact": len(self.astray),
            "files in Xero that no document has": self.strangers,
            "folders made twice": self.folders,
            "rows that say something else": len(self.rows_wrong),
        }
        report.expect(not self.lost, f"lost: {self.lost[:3]}")
        report.expect(not self.duplicates, f"twice in Xero: {self.duplicates[:3]}")
        report.expect(not self.astray, f"astray: {self.astray[:3]}")
        report.expect(self.strangers == 0, f"{self.strangers} files belong to no document")
        report.expect(self.folders == 0, f"{self.folders} folders were made twice")
        report.expect(not self.rows_wrong, f"rows disagree: {self.rows_wrong[:3]}")


def judge(xero: Xero, papers: Sequence[Paper]) -> Verdict:
    """Compare what was accepted with what Xero has."""
    verdict = Verdict()
    firms = {paper.firm.tenant_id: paper.firm for paper in papers}
    stores = {tenant_id: xero.files(tenant_id) for tenant_id in firms}
    held: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for tenant_id, store in stores.items():
        verdict.folders += sum(count - 1 for count in store["folders"].values())
        for file in store["files"]:
            held.setdefault((tenant_id, file["sha256"]), []).append(file)
    for paper in papers:
        _judge_one(verdict, paper, held.pop((paper.firm.tenant_id, paper.sha256), []))
    verdict.strangers = sum(len(files) for files in held.values())
    return verdict


def _judge_one(verdict: Verdict, paper: Paper, files: list[dict[str, Any]]) -> None:
    story = f"{paper.document_id}"
    if not files:
        verdict.lost.append(story)
        return
    if len(files) > 1:
        verdict.duplicates.append(f"{story} {told(paper.document_id)}")
    file = files[0]
    if (file["folder"], file["contacts"]) != (BASE_FOLDER, [paper.contact_id]):
        verdict.astray.append(f"{story} {file['folder']} {file['contacts']}")
    row = db.session.execute(
        select(
            XeroFilePush.status,
            XeroFilePush.xero_file_id,
            XeroFilePush.lease_owner,
            ClientDocument.xero_file_id,
        )
        .join(ClientDocument, ClientDocument.id == XeroFilePush.document_id)
        .where(XeroFilePush.document_id == paper.document_id)
    ).one_or_none()
    db.session.rollback()
    if tuple(row or ()) != (PushStatus.ASSOCIATED, file["id"], None, file["id"]):
        verdict.rows_wrong.append(f"{story} {row}")


def told(document_id: UUID) -> str:
    """Return the timeline of a document in one line."""
    lines = db.session.execute(
        select(PushEvent.at, PushEvent.kind)
        .join(XeroFilePush, XeroFilePush.id == PushEvent.push_id)
        .where(XeroFilePush.document_id == document_id)
        .order_by(PushEvent.id)
    ).all()
    db.session.rollback()
    if not lines:
        return ""
    start = lines[0][0]
    return " ".join(f"{(at - start) / timedelta(seconds=1):.0f}:{kind}" for at, kind in lines)
