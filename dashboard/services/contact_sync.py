"""A contact check: Xero's contacts into the mirror, changes over to clients, and comparing.

Three steps, resumable at each piece, under a lease. Each page is one call outside any transaction
and then one transaction that holds the page's rows, a note of each linked client that they concern,
and how far the run is. Then the notes are weighed and carried over, some at a time, unless they
would change so much that a person is asked first. Killed anywhere, the next worker goes on with the
piece that was not committed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import update

from dashboard.database import AnySession, only_reading
from dashboard.models import (
    ConnectionStatus,
    Practice,
    RunKind,
    RunStatus,
    SyncRun,
    XeroConnection,
)
from dashboard.rules import run_sentences
from dashboard.rules.phase import CONTACT_SYNC_EVERY, first_slot
from dashboard.rules.waiting_sentences import NO_ANSWER
from dashboard.services.client_list import changing_clients, current_connection
from dashboard.services.contact_matches import ContactMatches
from dashboard.services.contact_mirror import active_contacts, write_page
from dashboard.services.linked_clients import LinkedClients, note_changes, take_over
from dashboard.services.refusals import ConnectionNotUsable, NotConnected
from dashboard.services.run_lease import LEASE, LeaseLost, RunLease, new_run, unfinished_run
from dashboard.services.run_results import SyncResult
from dashboard.services.sync_brake import SyncBrake
from dashboard.services.sync_progress import FOLLOW, MATCH, READ, Progress
from dashboard.services.turn import Turn
from dashboard.services.xero_auth import XeroAuthService
from dashboard.xero.errors import XeroError, XeroMustWait, XeroNoAnswer, XeroUnavailable
from dashboard.xero.governor import Priority
from dashboard.xero.types import ContactsPage

logger = logging.getLogger(__name__)

PAGE_SIZE = 1_000

# One turn: afterwards other practices have theirs, and this one is taken up again.
TURN = timedelta(seconds=45)

PAUSES = (5, 30, 120, 300)
MATCHED_PER_SECOND = 1_000


class ContactSync:
    """Performs contact syncs for one worker."""

    def __init__(
        self,
        *,
        session: AnySession,
        auth: XeroAuthService,
        matches: ContactMatches,
        brake: SyncBrake,
        clock: Callable[[], datetime],
        owner: str,
        should_stop: Callable[[], bool],
        others_wait: Callable[[], bool],
        page_size: int = PAGE_SIZE,
    ) -> None:
        self._session = session
        self._auth = auth
        self._matches = matches
        self._brake = brake
        self._clock = clock
        self._leases = RunLease(session=session, clock=clock, owner=owner)
        self._should_stop = should_stop
        self._others_wait = others_wait
        self._page_size = page_size

    def perform(self, practice_id: UUID) -> SyncResult:
        """Do, or go on with, the sync that is due; return how far it came in this turn.

        With nothing due it brings stale matches up to date instead. Expected trouble (limits, Xero
        down, reconnecting needed) is written on the run and not raised.
        """
        self._start_if_due(practice_id)
        run = self._leases.claim(practice_id, RunKind.CONTACT_SYNC)
        if run is None:
            return self._nothing_to_claim(practice_id)
        run_id = run.id
        more = False
        try:
            more = self._go_on(run)
        except LeaseLost:
            self._session.rollback()
            logger.info("sync %s is no longer ours", run_id)
        except XeroMustWait as wait:
            self._wait_for_xero(run_id, wait.seconds, wait.reason)
        except (XeroUnavailable, XeroNoAnswer) as problem:
            self._try_again_later(run_id, problem)
        except (NotConnected, ConnectionNotUsable):
            done = self._leases.read(run_id).done
            self._end(run_id, RunStatus.FAILED, run_sentences.reconnect_needed(done=done))
        except XeroError as problem:
            sentence = run_sentences.refused_by_xero(problem.message)
            self._end(run_id, RunStatus.FAILED, sentence, problem)
        return self._result(run_id, more=more)

    # -- starting -----------------------------------------------------------------------------

    def _start_if_due(self, practice_id: UUID) -> None:
        """Make the automatic run of a practice whose turn has come."""
        connection = current_connection(self._session, practice_id)
        now = self._clock()
        if connection is not None and _is_due(connection, now):
            new_run(
                self._session,
                practice_id=practice_id,
                connection_id=connection.id,
                kind=RunKind.CONTACT_SYNC,
                user_id=None,
                now=now,
            )
        self._session.commit()

    def _nothing_to_claim(self, practice_id: UUID) -> SyncResult:
        run = unfinished_run(self._session, practice_id, RunKind.CONTACT_SYNC)
        result = SyncResult.of(run) if run else SyncResult()
        is_busy = run is not None and not run.rests
        connection = current_connection(self._session, practice_id)
        connection_id = connection.id if connection and not is_busy else None
        stale = connection_id is not None and self._matches.is_stale(connection_id)
        self._session.commit()
        if connection_id is not None and stale:
            self._matches.rematch(practice_id, connection_id)
        return result

    # -- reading ------------------------------------------------------------------------------

    def _go_on(self, run: SyncRun) -> bool:
        """Read and match; return whether the turn ended before that was done."""
        run_id, practice_id, connection_id = run.id, run.practice_id, run.xero_connection_id
        progress: Progress | None = Progress.of(run) if run.progress else self._begin(run)
        self._session.commit()
        turn = Turn(self._clock, TURN, self._others_wait)
        while progress is not None and progress.step != MATCH:
            if self._should_stop() or turn.is_over():
                # Still running to whoever looks: the next turn takes it up.
                self._leases.release(run_id, RunStatus.RUNNING)
                self._session.commit()
                return True
            if progress.step == READ:
                page = self._read(practice_id, connection_id, progress)
                progress = self._write(run_id, practice_id, connection_id, page, progress)
            else:
                progress = self._follow(run_id, practice_id, connection_id, progress)
        if progress is not None:
            self._match(run_id, practice_id, connection_id, progress)
            self._finish(run_id, practice_id, connection_id, progress)
        return False

    def _begin(self, run: SyncRun) -> Progress:
        connection = self._session.get_one(
            XeroConnection, run.xero_connection_id, populate_existing=True
        )
        self._leases.hold(run.id)
        take_over(self._session, connection.id, run.id)
        return Progress.first(connection, self._clock())

    def _read(self, practice_id: UUID, connection_id: UUID, progress: Progress) -> ContactsPage:
        # https://developer.xero.com/documentation/api/accounting/contacts
        with self._auth.calling(practice_id, Priority.SYNC) as call:
            if call.connection_id != connection_id:
                raise LeaseLost
            return call.xero.accounting.contacts_page(
                progress.page,
                page_size=self._page_size,
                modified_since=progress.modified_since,
                include_archived=True,
            )

    def _write(
        self,
        run_id: UUID,
        practice_id: UUID,
        connection_id: UUID,
        page: ContactsPage,
        progress: Progress,
    ) -> Progress:
        """Keep one page and how far we are, in one transaction; return where to go on."""
        self._leases.hold(run_id)
        changes = write_page(
            self._session,
            practice_id=practice_id,
            connection_id=connection_id,
            contacts=page.contacts,
            now=self._clock(),
        )
        if changes:
            note_changes(
                self._session,
                practice_id=practice_id,
                connection_id=connection_id,
                run_id=run_id,
                changes=changes,
            )
            self._change_connection(connection_id, matched_at=None)
        new = sum(change.before is None for change in changes)
        progress = replace(
            progress,
            page=progress.page + 1,
            # The clock of the first answer: what changes while we read comes again next time.
            server_time=progress.server_time or page.server_time,
            step=FOLLOW if page.is_last else READ,
            new=progress.new + new,
            changed=progress.changed + len(changes) - new,
        )
        self._leases.hold(
            run_id,
            progress=progress.kept,
            total=page.item_count if page.item_count is not None else SyncRun.total,
            done=SyncRun.done + len(page.contacts),
            attempts=0,
            error=None,
            technical_details=None,
        )
        self._session.commit()
        return progress

    # -- carrying over ------------------------------------------------------------------------

    def _follow(
        self, run_id: UUID, practice_id: UUID, connection_id: UUID, progress: Progress
    ) -> Progress | None:
        """Carry some changes over to clients; return where to go on, None if a person is asked."""
        clients = LinkedClients(
            session=self._session,
            practice_id=practice_id,
            connection_id=connection_id,
            run_id=run_id,
        )
        if not progress.allowed:
            return self._weighed(run_id, practice_id, connection_id, clients, progress)
        self._leases.hold(run_id)
        followed = clients.follow_some(changing_clients(self._session, practice_id, self._clock))
        if followed is None:
            # Nothing was changed after all: what was compared stays true.
            self._session.rollback()
            progress = replace(progress, step=MATCH)
            self._leases.hold(run_id, progress=progress.kept)
        else:
            self._leases.hold(
                run_id,
                updated=SyncRun.updated + followed.updated,
                skipped=SyncRun.skipped + followed.skipped,
                problems=SyncRun.problems + followed.problems,
            )
        self._session.commit()
        return progress

    def _weighed(
        self,
        run_id: UUID,
        practice_id: UUID,
        connection_id: UUID,
        clients: LinkedClients,
        progress: Progress,
    ) -> Progress | None:
        """Let the changes pass if they are few enough; otherwise stop the run and ask."""
        self._leases.hold(
            run_id, lease=LEASE + timedelta(seconds=clients.waiting() // MATCHED_PER_SECOND)
        )
        self._session.commit()
        with only_reading(self._session):
            weight = clients.weigh()
            percent = self._session.get_one(XeroConnection, connection_id).brake_percent
        if weight.is_too_much(percent):
            for _ in clients.say_what_would_change():
                self._session.commit()
            values = self._brake.values_of_hold(practice_id, weight, percent)
            self._leases.release(run_id, RunStatus.WAITING, progress=progress.kept, **values)
            self._session.commit()
            return None
        progress = replace(progress, allowed=True)
        self._leases.hold(run_id, progress=progress.kept)
        self._session.commit()
        return progress

    # -- comparing ----------------------------------------------------------------------------

    def _match(
        self, run_id: UUID, practice_id: UUID, connection_id: UUID, progress: Progress
    ) -> None:
        stale = self._matches.is_stale(connection_id)
        rows = self._matches.size(practice_id, connection_id)
        self._leases.hold(run_id, lease=LEASE + timedelta(seconds=rows // MATCHED_PER_SECOND))
        self._session.commit()
        if stale or progress.new or progress.changed:
            self._matches.rematch(practice_id, connection_id)

    def _finish(
        self, run_id: UUID, practice_id: UUID, connection_id: UUID, progress: Progress
    ) -> None:
        run = self._leases.read(run_id)
        status = RunStatus.FINISHED_WITH_PROBLEMS if run.problems else RunStatus.FINISHED
        done = run.done
        self._leases.release(run_id, status, total=done)
        now = self._clock()
        read_all = progress.modified_since is None
        self._change_connection(
            connection_id,
            contacts_checkpoint=progress.server_time or XeroConnection.contacts_checkpoint,
            fully_read_at=now if read_all else XeroConnection.fully_read_at,
            last_sync_at=now,
            last_sync_contact_count=active_contacts(self._session, connection_id),
            sync_due_at=first_slot(practice_id, CONTACT_SYNC_EVERY, now),
        )
        self._session.commit()
        logger.info("sync %s read %d contacts", run_id, done)

    # -- trouble ------------------------------------------------------------------------------

    def _wait_for_xero(self, run_id: UUID, seconds: float, because: str, **values: Any) -> None:
        self._release(
            run_id,
            RunStatus.WAITING_FOR_XERO,
            not_before=self._clock() + timedelta(seconds=seconds),
            waits_because=because,
            **values,
        )

    def _try_again_later(self, run_id: UUID, problem: XeroError) -> None:
        run = self._leases.read(run_id)
        attempt, done, practice_id = run.attempts, run.done, run.practice_id
        if attempt < len(PAUSES):
            self._wait_for_xero(
                run_id,
                PAUSES[attempt],
                NO_ANSWER,
                attempts=attempt + 1,
                technical_details=_details(problem),
            )
            return
        sentence = run_sentences.no_answer(
            done=done,
            next_at=first_slot(practice_id, CONTACT_SYNC_EVERY, self._clock()),
            time_zone=self._session.get_one(Practice, practice_id).time_zone,
        )
        self._end(run_id, RunStatus.FAILED, sentence, problem)

    def _end(
        self, run_id: UUID, status: RunStatus, sentence: str, problem: XeroError | None = None
    ) -> None:
        run = self._leases.read(run_id)
        self._change_connection(
            run.xero_connection_id,
            sync_due_at=first_slot(run.practice_id, CONTACT_SYNC_EVERY, self._clock()),
        )
        self._release(
            run_id,
            status,
            error=sentence,
            technical_details=_details(problem) if problem else None,
        )

    def _release(self, run_id: UUID, status: RunStatus, **values: Any) -> None:
        try:
            self._leases.release(run_id, status, **values)
            self._session.commit()
        except LeaseLost:
            self._session.rollback()

    def _change_connection(self, connection_id: UUID, **values: Any) -> None:
        self._session.execute(
            update(XeroConnection)
            .where(XeroConnection.id == connection_id)
            .values(updated_at=self._clock(), **values)
            .execution_options(synchronize_session=False)
        )

    def _result(self, run_id: UUID, *, more: bool) -> SyncResult:
        result = SyncResult.of(self._leases.read(run_id), more=more)
        self._session.commit()
        return result


def _is_due(connection: XeroConnection, now: datetime) -> bool:
    return (
        connection.status == ConnectionStatus.ACTIVE
        and connection.auto_sync_contacts
        and connection.sync_due_at is not None
        and connection.sync_due_at <= now
    )


def _details(problem: XeroError) -> dict[str, Any]:
    """Return what a person who asks Xero needs; no secret is ever in an error."""
    return {
        "xero_said": problem.message,
        "http_status": problem.status,
        "reference": problem.correlation_id,
    }
