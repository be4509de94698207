"""XeroFileService: accepted documents into Xero Files, each exactly once.

One drain works for a practice at a time and takes its pushes in the order of their acceptance.
`push_claims.py` says who works on what, `push_journey.py` what happens to one push,
`push_troubles.py` what follows when Xero does not play along.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID, uuid4, uuid5

from sqlalchemy import case, literal, select, update

from dashboard.database import AnySession
from dashboard.models import ClientDocument, PushStatus, XeroFilePush
from dashboard.rules.retry_policy import MAX_RETRIES
from dashboard.services import push_timeline
from dashboard.services.alerts import AlertService
from dashboard.services.push_attention import PushAttention
from dashboard.services.push_claims import Lease, LeaseLost, PushClaims, add_lines
from dashboard.services.push_desk import PushDesk, PushTools
from dashboard.services.push_folders import PushFolders
from dashboard.services.push_journey import PushJourney
from dashboard.services.push_linking import is_on_contact, put_on_contact
from dashboard.services.push_results import DrainResult, Ending, PushResult
from dashboard.services.push_troubles import PushTroubles
from dashboard.services.refusals import Conflict, NotFound
from dashboard.services.turn import Turn, nobody_waits
from dashboard.services.virus_scan import VirusScanner
from dashboard.services.xero_auth import XeroAuthService
from dashboard.storage import DocumentStore
from dashboard.xero import Folder, Priority

logger = logging.getLogger(__name__)

# Two documents in a row without a proper answer: it is Xero, not the document.
SILENCES = 2
SILENCE_PAUSE_SECONDS = 20.0
ENDS_THE_DRAIN = (Ending.MUST_WAIT, Ending.HELD, Ending.STOPPED, Ending.LOST)
# After these nothing more can be done at once, by nobody.
LEAVES_NO_MORE = (Ending.MUST_WAIT, Ending.HELD, Ending.LOST)


class XeroFileService:
    """Brings documents to Xero Files and onto their clients' contacts."""

    def __init__(
        self,
        *,
        session: AnySession,
        auth: XeroAuthService,
        alerts: AlertService,
        store: DocumentStore,
        clock: Callable[[], datetime],
        owner: str,
        reconcile_lag: float,
        chance: Callable[[], float],
        should_stop: Callable[[], bool],
        others_wait: Callable[[], bool] = nobody_waits,
        scanner: VirusScanner | None = None,
    ) -> None:
        self._session = session
        self._auth = auth
        self._clock = clock
        self._owner = owner
        self._should_stop = should_stop
        self._others_wait = others_wait
        self._claims = PushClaims(session=session, clock=clock)
        self._attention = PushAttention(session=session, alerts=alerts)
        self._tools = PushTools(
            session=session,
            auth=auth,
            store=store,
            scanner=scanner,
            claims=self._claims,
            troubles=PushTroubles(
                session=session,
                claims=self._claims,
                attention=self._attention,
                clock=clock,
                chance=chance,
                reconcile_lag=reconcile_lag,
            ),
            clock=clock,
            reconcile_lag=reconcile_lag,
            should_stop=should_stop,
        )

    def drain(self, practice_id: UUID, seconds: float) -> DrainResult:
        """Work through the practice's due pushes for about *seconds* and say what became of them.

        While others wait for their turn it is a short one.
        Does nothing while another worker sends for this practice, while Xero asked us to wait,
        while sending is switched off, or while the connection does not work.
        """
        turn = Turn(self._clock, timedelta(seconds=seconds), self._others_wait)
        self.retry_failed_pushes(practice_id)
        lease = self._claims.hold_practice(practice_id, self._lease_owner())
        if lease is None:
            return DrainResult()
        try:
            return self._drained(lease, turn)
        except Exception:
            # The row itself stays leased: that its worker broke off on it is to be counted.
            self._session.rollback()
            self._claims.release_practice(lease)
            raise

    def push_document(self, document_id: UUID) -> PushResult:
        """Push this one document now, if its turn may come, and say where it stands.

        Raises `NotFound` when there is no push: the document was not accepted, or Xero was not
        connected then.
        """
        found = self._session.execute(
            select(XeroFilePush.practice_id).where(XeroFilePush.document_id == document_id).limit(1)
        ).one_or_none()
        self._session.commit()
        if found is None:
            raise NotFound
        lease = self._claims.hold_practice(found[0], self._lease_owner())
        if lease is not None:
            self._pushed(lease, document_id)
        return self._standing(document_id)

    def retry_failed_pushes(self, practice_id: UUID) -> int:
        """Put failed pushes with tries left, whose time has come, back in line; return how many."""
        now = self._clock()
        due = (
            update(XeroFilePush)
            .where(
                XeroFilePush.practice_id == practice_id,
                XeroFilePush.status == PushStatus.FAILED,
                XeroFilePush.not_before <= now,
                XeroFilePush.retry_count < MAX_RETRIES,
            )
            .values(
                status=case(
                    (XeroFilePush.xero_file_id.is_(None), _status(PushStatus.PENDING)),
                    else_=_status(PushStatus.UPLOADED),
                ),
                retry_count=XeroFilePush.retry_count + 1,
                not_before=None,
                cause=None,
                error=None,
                updated_at=now,
            )
            .returning(XeroFilePush.id, XeroFilePush.retry_count)
            .execution_options(synchronize_session=False)
        )
        rows = self._session.execute(due).all()
        for push_id, retry_count in rows:
            line = push_timeline.tried_again(retry_count)
            add_lines(self._session, push_id, practice_id, now, line)
        self._session.commit()
        return len(rows)

    def ensure_folder(self, practice_id: UUID, name: str) -> str:
        """Return the id of the folder *name* in Xero Files, found or made, never made twice.

        Raises `Conflict` while documents of the practice are being sent.
        """
        with self._auth.calling(practice_id, Priority.PERSON) as call:
            lease = self._claims.hold_practice(practice_id, self._lease_owner(), for_sending=False)
            if lease is None:
                raise Conflict(
                    "Documents are on their way to Xero just now.", "Try again in half a minute."
                )
            folders = PushFolders(
                session=self._session, clock=self._clock, connection_id=call.connection_id
            )
            try:
                return folders.ensure(call.xero, practice_id, name)
            finally:
                self._session.rollback()
                self._claims.release_practice(lease)

    def associate_file(self, practice_id: UUID, xero_file_id: str, xero_contact_id: str) -> None:
        """Show a file of Xero Files at a contact; being there already is as good."""
        with self._auth.calling(practice_id, Priority.PUSH) as call:
            if is_on_contact(call.xero, xero_file_id, xero_contact_id):
                return
            # Made from what it joins: asked twice it is the same request.
            name = f"{xero_file_id}:{xero_contact_id}"
            key = f"{call.xero.tenant_id}:{uuid5(call.connection_id, name)}:assoc"
            put_on_contact(call.xero, xero_file_id, xero_contact_id, key)

    def folders(self, practice_id: UUID) -> list[Folder]:
        """Return the organisation's folders by name, for choosing one; costs one call to Xero."""
        with self._auth.calling(practice_id, Priority.PERSON) as call:
            found = call.xero.files.folders()
        return sorted(found, key=lambda folder: (not folder.is_inbox, folder.name.casefold()))

    def _drained(self, lease: Lease, turn: Turn) -> DrainResult:
        endings: Counter[Ending] = Counter()
        silences, more = 0, True
        while not turn.is_over() and not self._should_stop() and silences < SILENCES:
            ending = self._next(lease)
            if ending is None:
                more = False
                break
            endings[ending] += 1
            silences = silences + 1 if ending is Ending.SILENT else 0
            if ending in ENDS_THE_DRAIN:
                more = ending not in LEAVES_NO_MORE
                break
        if endings[Ending.FILED]:
            self._claims.read_back_soon(lease)
        resumes_at = self._leave(lease, SILENCE_PAUSE_SECONDS if silences >= SILENCES else 0.0)
        return DrainResult(
            filed=endings[Ending.FILED],
            failed=endings[Ending.FAILED],
            waiting=endings.total() - endings[Ending.FILED] - endings[Ending.FAILED],
            more=more,
            resumes_at=resumes_at,
        )

    def _next(self, lease: Lease, document_id: UUID | None = None) -> Ending | None:
        try:
            push = self._claims.claim_next(lease, document_id)
        except LeaseLost:
            return Ending.LOST
        if push is None:
            return None
        ending = PushJourney(PushDesk(self._tools, lease)).carry(push)
        logger.info("push %s of practice %s: %s", push.id, push.practice_id, ending)
        return ending

    def _pushed(self, lease: Lease, document_id: UUID) -> None:
        try:
            self._next(lease, document_id)
        except Exception:
            self._session.rollback()
            self._claims.release_practice(lease)
            raise
        self._leave(lease, 0.0)

    def _leave(self, lease: Lease, pause_seconds: float) -> datetime | None:
        self._attention.refresh(lease.practice_id, lease.connection_id)
        return self._claims.release_practice(lease, pause_seconds=pause_seconds)

    def _standing(self, document_id: UUID) -> PushResult:
        row = self._session.execute(
            select(XeroFilePush.status, XeroFilePush.error)
            .join(ClientDocument, ClientDocument.id == XeroFilePush.document_id)
            .where(ClientDocument.id == document_id)
            .order_by(XeroFilePush.updated_at.desc())
            .limit(1)
        ).one()
        self._session.commit()
        return PushResult(document_id, row[0], row[1])

    def _lease_owner(self) -> str:
        # One worker may drain twice at once in tests; each drain is an owner of its own.
        return f"{self._owner}:{uuid4().hex[:12]}"


def _status(status: PushStatus) -> object:
    return literal(status, XeroFilePush.status.type)
