"""Performing an import: chunk by chunk, resumable at each, under a lease, without a call to Xero.

What a contact says is in the mirror, so that an import works while Xero does not answer. Each chunk
is one transaction that holds clients, links, tags, what each item became, and how far the run is.
What was true when the import was started is looked at again at the moment of writing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import Select, and_, select

from dashboard.database import AnySession
from dashboard.models import (
    AlertCause,
    Client,
    ItemOutcome,
    MatchDecision,
    RunKind,
    RunStatus,
    SyncRun,
    SyncRunItem,
    Verdict,
    XeroContact,
    XeroContactMapping,
)
from dashboard.rules import import_sentences
from dashboard.services.alerts import AlertService
from dashboard.services.client_list import changing_clients
from dashboard.services.contact_matches import ContactMatches
from dashboard.services.import_chunk import ImportChunk, write_chunk
from dashboard.services.import_tags import merged
from dashboard.services.run_lease import LeaseLost, RunLease, unfinished_run
from dashboard.services.run_results import ImportResult
from dashboard.services.turn import Turn

logger = logging.getLogger(__name__)

CHUNK = 1_000
TURN = timedelta(seconds=45)
AnySelect: TypeAlias = Select[*tuple[Any, ...]]


class ContactImport:
    """Performs imports for one worker."""

    def __init__(
        self,
        *,
        session: AnySession,
        alerts: AlertService,
        matches: ContactMatches,
        clock: Callable[[], datetime],
        owner: str,
        should_stop: Callable[[], bool],
        others_wait: Callable[[], bool],
    ) -> None:
        self._session = session
        self._alerts = alerts
        self._matches = matches
        self._clock = clock
        self._leases = RunLease(session=session, clock=clock, owner=owner)
        self._should_stop = should_stop
        self._others_wait = others_wait

    def perform(self, practice_id: UUID) -> ImportResult:
        """Do, or go on with, the import that was started; return how far it came in this turn."""
        run = self._leases.claim(practice_id, RunKind.IMPORT)
        if run is None:
            return self._nothing_to_claim(practice_id)
        run_id, connection_id = run.id, run.xero_connection_id
        self._session.commit()
        more = False
        try:
            more = not self._all_chunks(run_id, practice_id, connection_id)
            if not more:
                self._finish(run_id, practice_id)
                # Of many contacts a job of its own compares those that are left.
                self._matches.refresh_if_small(practice_id)
        except LeaseLost:
            self._session.rollback()
            logger.info("import %s is no longer ours", run_id)
        result = ImportResult.of(self._leases.read(run_id), more=more)
        self._session.commit()
        return result

    def _nothing_to_claim(self, practice_id: UUID) -> ImportResult:
        run = unfinished_run(self._session, practice_id, RunKind.IMPORT)
        result = ImportResult.of(run) if run else ImportResult()
        self._session.commit()
        return result

    def _all_chunks(self, run_id: UUID, practice_id: UUID, connection_id: UUID) -> bool:
        """Do chunk after chunk; return False when the turn ended before the items did."""
        turn = Turn(self._clock, TURN, self._others_wait)
        while not (self._should_stop() or turn.is_over()):
            if not self._next_chunk(run_id, practice_id, connection_id):
                return True
        # Still running to whoever looks: the next turn takes it up within seconds.
        self._leases.release(run_id, RunStatus.RUNNING)
        self._session.commit()
        return False

    def _next_chunk(self, run_id: UUID, practice_id: UUID, connection_id: UUID) -> bool:
        """Do one chunk in one transaction; return False when there was nothing left."""
        self._leases.hold(run_id)
        now = changing_clients(self._session, practice_id, self._clock)
        found = self._session.execute(_waiting_items(run_id, connection_id)).all()
        if not found:
            return False
        chunk = ImportChunk(run_id, practice_id, connection_id, now)
        for item in found:
            chunk.decide(item)
        made = write_chunk(self._session, chunk)
        run = self._leases.read(run_id)
        self._leases.hold(
            run_id,
            done=SyncRun.done + len(found),
            created=SyncRun.created + chunk.count(ItemOutcome.CREATED),
            linked=SyncRun.linked + chunk.count(ItemOutcome.LINKED),
            skipped=SyncRun.skipped + chunk.count(ItemOutcome.SKIPPED),
            problems=SyncRun.problems + chunk.count(ItemOutcome.PROBLEM),
            progress={**run.progress, "tags": merged(run.progress.get("tags"), made)},
        )
        self._session.commit()
        return True

    def _finish(self, run_id: UUID, practice_id: UUID) -> None:
        run = self._leases.read(run_id)
        problems, started_by = run.problems, run.started_by_id
        status = RunStatus.FINISHED_WITH_PROBLEMS if problems else RunStatus.FINISHED
        self._leases.release(run_id, status)
        # What is told is the last import: its problems are another person's, and told anew.
        self._alerts.resolve(practice_id, AlertCause.IMPORT_PROBLEMS)
        if problems:
            self._alerts.raise_once(
                practice_id,
                AlertCause.IMPORT_PROBLEMS,
                "warning",
                "Import finished with problems",
                import_sentences.problems(problems),
                count=problems,
                user_id=started_by,
            )
        self._session.commit()
        logger.info("import %s finished, %d problems", run_id, problems)


def _waiting_items(run_id: UUID, connection_id: UUID) -> AnySelect:
    """Return the next items with all that decides about them, as it is at the moment of writing.

    `holder` is the link that the contact has already, `rival` the one that the client has.
    """
    client, holder_client = Client.__table__.alias("client"), Client.__table__.alias("held_by")
    holder = XeroContactMapping.__table__.alias("holder")
    rival = XeroContactMapping.__table__.alias("rival")
    skip = MatchDecision.__table__.alias("skip")
    skip_id = (
        select(skip.c.id)
        .where(
            skip.c.xero_connection_id == connection_id,
            skip.c.xero_contact_id == SyncRunItem.xero_contact_id,
            skip.c.verdict == Verdict.SKIP,
        )
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(
            SyncRunItem.id,
            SyncRunItem.xero_contact_id,
            SyncRunItem.action,
            SyncRunItem.client_id,
            SyncRunItem.decided_by_id,
            XeroContact.id.label("mirror_id"),
            XeroContact.name,
            XeroContact.email,
            XeroContact.phones,
            XeroContact.company_number,
            XeroContact.tax_number,
            XeroContact.contact_status,
            XeroContact.groups,
            XeroContact.read_at,
            client.c.name.label("client_name"),
            client.c.updated_at.label("client_updated_at"),
            client.c.xero_contact_id.label("client_contact_id"),
            holder.c.client_id.label("holder_id"),
            holder_client.c.name.label("holder_name"),
            rival.c.id.label("rival_id"),
            rival.c.xero_contact_name.label("rival_name"),
            skip_id.label("skip_id"),
            SyncRun.started_by_id,
        )
        .join(SyncRun, SyncRun.id == SyncRunItem.run_id)
        .outerjoin(
            XeroContact,
            and_(
                XeroContact.xero_connection_id == connection_id,
                XeroContact.xero_contact_id == SyncRunItem.xero_contact_id,
            ),
        )
        .outerjoin(
            holder,
            and_(
                holder.c.xero_connection_id == connection_id,
                holder.c.xero_contact_id == SyncRunItem.xero_contact_id,
            ),
        )
        .outerjoin(holder_client, holder_client.c.id == holder.c.client_id)
        .outerjoin(client, client.c.id == SyncRunItem.client_id)
        .outerjoin(
            rival,
            and_(
                rival.c.xero_connection_id == connection_id,
                rival.c.client_id == SyncRunItem.client_id,
            ),
        )
        .where(SyncRunItem.run_id == run_id, SyncRunItem.outcome == ItemOutcome.WAITING)
        .order_by(SyncRunItem.id)
        .limit(CHUNK)
    )
