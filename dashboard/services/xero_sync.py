"""XeroSyncService: contacts from Xero into the mirror, and from the mirror to clients.

The class is the door; the work lies next to it: `contact_sync` reads, `contact_matches` compares,
`import_start` turns decisions into a run, `contact_import` carries it out, and `run_undo` takes it
back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update

from dashboard.database import AnySession
from dashboard.models import (
    ConnectionStatus,
    ImportDraft,
    RunKind,
    RunStatus,
    SyncRun,
    User,
    XeroConnection,
)
from dashboard.rules import run_sentences
from dashboard.rules.phase import CONTACT_SYNC_EVERY, first_slot
from dashboard.services.alerts import AlertService
from dashboard.services.client_list import current_connection
from dashboard.services.contact_import import ContactImport
from dashboard.services.contact_matches import ContactMatches
from dashboard.services.contact_sync import PAGE_SIZE, ContactSync
from dashboard.services.import_drafts import open_draft
from dashboard.services.import_start import ImportStart
from dashboard.services.refusals import Conflict, ConnectionNotUsable, NotConnected, NotFound
from dashboard.services.run_lease import new_run, unfinished_run
from dashboard.services.run_results import ImportDecision, ImportResult, SyncResult
from dashboard.services.run_undo import RunUndo
from dashboard.services.sync_brake import SyncBrake
from dashboard.services.turn import nobody_waits
from dashboard.services.xero_auth import XeroAuthService
from dashboard.xero.governor import Priority


class XeroSyncService:
    """Reads a practice's contacts and imports them as clients."""

    def __init__(
        self,
        *,
        session: AnySession,
        auth: XeroAuthService,
        alerts: AlertService,
        clock: Callable[[], datetime],
        owner: str,
        should_stop: Callable[[], bool],
        others_wait: Callable[[], bool] = nobody_waits,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self._session = session
        self._auth = auth
        self._clock = clock
        self._matches = ContactMatches(session=session, clock=clock)
        self._start = ImportStart(session=session, clock=clock)
        self._sync = ContactSync(
            session=session,
            auth=auth,
            matches=self._matches,
            brake=SyncBrake(session=session, alerts=alerts, clock=clock),
            clock=clock,
            owner=owner,
            should_stop=should_stop,
            others_wait=others_wait,
            page_size=page_size,
        )
        self._import = ContactImport(
            session=session,
            alerts=alerts,
            matches=self._matches,
            clock=clock,
            owner=owner,
            should_stop=should_stop,
            others_wait=others_wait,
        )
        self._undo = RunUndo(
            session=session,
            matches=self._matches,
            clock=clock,
            owner=owner,
            should_stop=should_stop,
            others_wait=others_wait,
        )

    # -- reading ------------------------------------------------------------------------------

    def request_sync(self, practice_id: UUID, user_id: UUID | None) -> SyncRun:
        """Return the run that a worker will perform: a new one, or the one that is unfinished.

        Raises `NotConnected`, or `ConnectionNotUsable` when Xero needs reconnecting first.
        """
        connection = current_connection(self._session, practice_id)
        if connection is None:
            raise NotConnected
        if connection.status == ConnectionStatus.TOKEN_EXPIRED:
            raise ConnectionNotUsable(
                "Contacts cannot be read: Xero needs reconnecting.",
                "Ask a practice admin to reconnect Xero on the settings page.",
            )
        new_run(
            self._session,
            practice_id=practice_id,
            connection_id=connection.id,
            kind=RunKind.CONTACT_SYNC,
            user_id=user_id,
            now=self._clock(),
        )
        self._session.commit()
        run = unfinished_run(self._session, practice_id, RunKind.CONTACT_SYNC)
        # A worker may have finished it between the two statements: then it is the newest one.
        return run or self._latest(practice_id, RunKind.CONTACT_SYNC)

    def sync_contacts(self, practice_id: UUID) -> SyncResult:
        """Read what is due, or go on with what was begun; return how far it came in this turn.

        A run that another worker holds, or that waits for its moment, is left alone. Never raises
        for what Xero may answer: the run's row says it.
        """
        return self._sync.perform(practice_id)

    def sync_organisation(self, practice_id: UUID) -> None:
        """Bring name and short code of the practice's organisation up to date."""
        # https://developer.xero.com/documentation/api/accounting/organisation
        with self._auth.calling(practice_id, Priority.SYNC) as call:
            organisation = call.xero.accounting.organisation()
        self._session.execute(
            update(XeroConnection)
            .where(XeroConnection.id == call.connection_id)
            .values(
                xero_org_name=organisation.name or XeroConnection.xero_org_name,
                short_code=organisation.short_code,
                updated_at=self._clock(),
            )
            .execution_options(synchronize_session=False)
        )
        self._session.commit()

    def rematch(self, practice_id: UUID) -> int:
        """Compare all unlinked contacts with all clients; return how many answers changed."""
        connection = current_connection(self._session, practice_id)
        if connection is None:
            raise NotConnected
        return self._matches.rematch(practice_id, connection.id)

    def refresh_matches_if_stale(self, practice_id: UUID) -> bool:
        """Compare now if that is due and quick; return False if it is left to the next sync job."""
        return self._matches.refresh_if_small(practice_id)

    # -- importing ----------------------------------------------------------------------------

    def get_import_preview(self, practice_id: UUID) -> ImportDraft:
        """Return the practice's one open draft, over matches as fresh as can be had at once.

        The rows are read with `dashboard.queries.contacts`. Raises `NotConnected`.
        """
        connection = current_connection(self._session, practice_id)
        if connection is None:
            raise NotConnected
        connection_id = connection.id
        self._matches.refresh_if_small(practice_id)
        return open_draft(self._session, practice_id, connection_id, self._clock())

    def start_import(
        self, practice_id: UUID, user_id: UUID | None, decisions: Sequence[ImportDecision]
    ) -> SyncRun:
        """Return the waiting run that will carry out *decisions*.

        Raises `InvalidInput` for decisions that make no sense, `Conflict` while an import is
        unfinished, `NotConnected`. Trouble with a single contact becomes an item with its reason.
        """
        return self._start.from_decisions(practice_id, user_id, decisions)

    def accept_suggestions(
        self, practice_id: UUID, user_id: UUID | None, words: Iterable[str]
    ) -> SyncRun:
        """Return the waiting run that creates all new contacts, links all exact ones, or both.

        Raises as `start_import` does.
        """
        self._matches.refresh_if_small(practice_id)
        return self._start.from_suggestions(practice_id, user_id, words)

    def start_draft_import(
        self, practice_id: UUID, user_id: UUID | None, draft_id: UUID
    ) -> SyncRun:
        """Return the waiting run of a draft's ticks; a second press returns the same run.

        Raises `NotFound`, and otherwise as `start_import` does.
        """
        return self._start.from_draft(practice_id, user_id, draft_id)

    def import_again(self, practice_id: UUID, user_id: UUID | None, run_id: UUID) -> SyncRun:
        """Return the waiting run of what an import left undone, decided as it was.

        That is what needed attention, and what a cancelled import did not reach. Raises
        `NotFound`, and otherwise as `start_import` does.
        """
        return self._start.from_run(practice_id, user_id, run_id)

    def import_contacts(self, practice_id: UUID) -> ImportResult:
        """Carry out the import that was started; return how far it came in this turn.

        Needs no call to Xero. Safe to run twice, or twice at once.
        """
        return self._import.perform(practice_id)

    # -- undoing ------------------------------------------------------------------------------

    def start_undo(self, practice_id: UUID, user_id: UUID | None, run_id: UUID) -> SyncRun:
        """Return the waiting run that takes back what *run_id* changed; a second press, the same.

        Raises `NotFound`, and `Conflict` for a run that cannot be undone (any more).
        """
        return self._undo.start(practice_id, user_id, run_id)

    def undo(self, practice_id: UUID) -> ImportResult:
        """Carry out the undo that was started; safe to run twice, or twice at once."""
        return self._undo.perform(practice_id)

    # -- cancelling ---------------------------------------------------------------------------

    def cancel(self, practice_id: UUID, run_id: UUID, user_id: UUID | None) -> SyncRun:
        """Return the run, cancelled; what was done until now is kept.

        A worker in the middle of it notices before it writes again. Raises `NotFound`, and
        `Conflict` for a run that has ended, or that is held: only an admin's answer ends that.
        """
        run = self._session.scalar(
            select(SyncRun)
            .where(SyncRun.id == run_id, SyncRun.practice_id == practice_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if run is None:
            raise NotFound
        if run.status.is_final:
            raise Conflict("This run has already ended.")
        if run.held_at is not None:
            raise Conflict(
                "This contact check waits for an answer.",
                "A practice admin can apply its changes, or leave the clients as they are.",
            )
        now = self._clock()
        person = self._session.get(User, user_id) if user_id else None
        run.status = RunStatus.CANCELLED
        run.finished_at = now
        run.updated_at = now
        run.not_before = None
        run.lease_owner = None
        run.lease_until = None
        run.error = run_sentences.cancelled(
            kind=run.kind,
            by=person.name if person else "someone",
            done=run.done,
            total=run.total,
        )
        if run.kind == RunKind.CONTACT_SYNC:
            # Otherwise the next sweep would begin at once what was just cancelled.
            self._session.execute(
                update(XeroConnection)
                .where(XeroConnection.id == run.xero_connection_id)
                .values(sync_due_at=first_slot(practice_id, CONTACT_SYNC_EVERY, now))
                .execution_options(synchronize_session=False)
            )
        self._session.commit()
        return run

    def _latest(self, practice_id: UUID, kind: RunKind) -> SyncRun:
        return self._session.scalars(
            select(SyncRun)
            .where(SyncRun.practice_id == practice_id, SyncRun.kind == kind)
            .order_by(SyncRun.created_at.desc(), SyncRun.id.desc())
            .limit(1)
        ).one()
