"""A practice that files documents: connected to the pretend Xero, with a clock to be moved."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, scoped_session

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.config import CALLBACK_PATH, Settings
from dashboard.database import db
from dashboard.models import (
    Client,
    ClientDocument,
    Practice,
    PushEvent,
    PushStatus,
    User,
    XeroConnection,
    XeroFilePush,
)
from dashboard.services.documents import DocumentService
from dashboard.services.push_results import DrainResult
from dashboard.services.virus_scan import VirusScanner
from dashboard.services.xero_files import XeroFileService
from dashboard.simulator import App, LimitRules, World, build_world
from dashboard.simulator.records import Organisation, StoredFile
from dashboard.storage import DocumentStore
from dashboard.xero import CallMemory
from tests import factories
from tests.support.pretend_xero import give_consent

PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
CALLBACK = f"http://localhost:8000{CALLBACK_PATH}"
TERMINAL = (PushStatus.ASSOCIATED, PushStatus.FAILED)


class Killed(BaseException):
    """The process died here; nothing on the way may catch it."""


class MortalSession:
    """The database session of a process that dies around its nth commit."""

    def __init__(self, session: Any, nth: int, *, before: bool) -> None:
        self._session = session
        self._nth = nth
        self._before = before
        self.commits = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def commit(self) -> None:
        self.commits += 1
        if self.commits == self._nth and self._before:
            raise Killed
        self._session.commit()
        if self.commits == self._nth:
            raise Killed


@dataclass
class Filing:
    """One practice, its connection, and the services at a moment that a test may move."""

    practice: Practice
    admin: User
    world: World
    store: DocumentStore
    session: scoped_session[Session]
    ahead: timedelta = field(default_factory=timedelta)
    chance: float = 0.0
    lag: float = 0.0
    scanner: VirusScanner | None = None
    stop: Callable[[], bool] = field(default=lambda: False)
    _made: int = 0

    # -- setting up ---------------------------------------------------------------------------

    def connect(self, organisation: str | None = None) -> None:
        auth = wiring.xero_auth()
        url = auth.generate_auth_url(self.practice.id, self.admin.id, "browser").url
        back = parse_qs(urlsplit(give_consent(self.world, url, organisation)).query)
        auth.handle_callback(
            self.practice.id, self.admin.id, "browser", back["code"][0], back["state"][0]
        )

    @property
    def connection(self) -> XeroConnection:
        self.session.rollback()
        return self.session.scalars(
            select(XeroConnection)
            .where(XeroConnection.practice_id == self.practice.id)
            .execution_options(populate_existing=True)
        ).one()

    @property
    def organisation(self) -> Organisation:
        return self.world.organisation(self.connection.xero_tenant_id)

    def contact_id(self, number: int = 0) -> str:
        active = [c for c in self.organisation.contacts.values() if c.status == "ACTIVE"]
        return active[number].contact_id

    def client(self, name: str = "Ada Ltd", *, contact: int | None = 0) -> Client:
        """Return a client that is mapped to the organisation's *contact*th active contact."""
        client = factories.make_client(self.practice, name=name)
        if contact is not None:
            factories.make_mapping(self.connection, client, self.contact_id(contact))
        return client

    def received(self, client: Client, **values: Any) -> ClientDocument:
        self._made += 1
        content = values.pop("content", PDF + f"% {self._made}\n".encode())
        given = {"file_name": "p60.pdf", "document_type": "P60", "tax_year": "2025-26"}
        return self.documents().receive(
            self.practice.id,
            self.admin.id,
            client_id=client.id,
            stream=io.BytesIO(content),
            **{**given, **values},
        )

    def accepted(self, client: Client, **values: Any) -> UUID:
        """Return the id of a document that was received and accepted."""
        document_id = self.received(client, **values).id
        self.documents().accept(self.practice.id, self.admin.id, document_id)
        return document_id

    # -- services -----------------------------------------------------------------------------

    def clock(self) -> datetime:
        return utcnow() + self.ahead

    def later(self, seconds: float) -> None:
        """Let time pass for us and for Xero."""
        self.ahead += timedelta(seconds=seconds)
        self.world.shift_clock(seconds)

    def documents(self) -> DocumentService:
        return DocumentService(
            session=self.session,
            store=self.store,
            clock=self.clock,
            scans=self.scanner is not None,
        )

    def files(self, session: Any = None, **changes: Any) -> XeroFileService:
        given: dict[str, Any] = {
            "session": session or self.session,
            "auth": wiring.xero_auth(),
            "alerts": wiring.alerts(),
            "store": self.store,
            "clock": self.clock,
            "owner": "test",
            "reconcile_lag": self.lag,
            "chance": lambda: self.chance,
            "should_stop": self.stop,
            "scanner": self.scanner,
        }
        return XeroFileService(**{**given, **changes})

    def drain(self, **changes: Any) -> DrainResult:
        return self.files(**changes).drain(self.practice.id, 60)

    def drain_until_settled(self, *, rounds: int = 30) -> None:
        """Work with growing patience until every push waits for nothing any more."""
        for _ in range(rounds):
            self.drain()
            if all(push.status in TERMINAL and not push.not_before for push in self.pushes()):
                return
            self.later(60)
        raise AssertionError([(p.status, p.cause, p.error) for p in self.pushes()])

    # -- what came of it ----------------------------------------------------------------------

    def pushes(self) -> list[XeroFilePush]:
        self.session.rollback()
        return list(
            self.session.scalars(
                select(XeroFilePush)
                .where(XeroFilePush.practice_id == self.practice.id)
                .order_by(XeroFilePush.created_at)
                .execution_options(populate_existing=True)
            )
        )

    def push(self, document_id: UUID) -> XeroFilePush:
        return next(push for push in self.pushes() if push.document_id == document_id)

    def document(self, document_id: UUID) -> ClientDocument:
        self.session.rollback()
        return self.session.get_one(ClientDocument, document_id, populate_existing=True)

    def sentences(self, document_id: UUID) -> list[str]:
        push = self.push(document_id)
        return list(
            self.session.scalars(
                select(PushEvent.sentence)
                .where(PushEvent.push_id == push.id)
                .order_by(PushEvent.id)
            )
        )

    def files_of(self, document_id: UUID) -> list[StoredFile]:
        """Return the files in Xero that hold exactly this document's bytes."""
        wanted = self.document(document_id).content_sha256
        return [file for file in self.organisation.files.values() if file.sha256 == wanted]

    def folder_of(self, file: StoredFile) -> str:
        return self.organisation.folders[file.folder_id].name

    def is_filed_once(self, document_id: UUID, contact: int = 0) -> bool:
        files = self.files_of(document_id)
        assert len(files) == 1, f"{len(files)} files: {self.sentences(document_id)}"
        assert files[0].associated_with == [self.contact_id(contact)]
        push = self.push(document_id)
        assert push.status == PushStatus.ASSOCIATED, self.sentences(document_id)
        assert push.xero_file_id == files[0].file_id
        assert push.lease_owner is None
        return self.folder_of(files[0]) == push.folder_name

    def calls(self, method: str, path: str) -> int:
        """Return how often Xero was called like this."""
        return len(self.world.calls.last(method=method, path=path))


def sha256(content: bytes) -> str:
    """Return the hex SHA-256 of *content*."""
    return hashlib.sha256(content).hexdigest()


def roomy(settings: Settings) -> Settings:
    """Return *settings* of an installation that limits do not bother."""
    return replace(settings, xero_minute_limit=100_000, xero_day_limit=100_000)


def roomy_world() -> World:
    """Return a pretend Xero that limits do not bother."""
    state = pickle.loads(_small_state())  # noqa: S301 - from a few lines below
    return World(state, limit_rules=LimitRules(minute=100_000, day=100_000))


@cache
def _small_state() -> bytes:
    app = App(client_id="demo-client", client_secret="demo-secret", redirect_uris=(CALLBACK,))
    return pickle.dumps(build_world(app=app, contact_count=12).state)


def make_filing(
    practice: Practice,
    admin: User,
    world: World,
    store: DocumentStore,
    organisation: str | None = None,
) -> Filing:
    """Return a practice that is connected to an organisation of the pretend Xero, by name or id.

    Without one it is the first.
    """
    # The limiter's wait after Redis lost its data is not what these tests are about.
    wiring.outside().governor._memory = CallMemory()
    filing = Filing(practice=practice, admin=admin, world=world, store=store, session=db.session)
    filing.connect(organisation)
    return filing
