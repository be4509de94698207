"""What every step of a push works with: its lease, Xero, the bytes, and the ways to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

from dashboard.database import AnySession
from dashboard.rules.push_sentences import PushCause
from dashboard.services import push_timeline
from dashboard.services.push_claims import Lease, Push, PushClaims
from dashboard.services.push_folders import PushFolders
from dashboard.services.push_heartbeat import beating
from dashboard.services.push_results import Ending
from dashboard.services.push_troubles import Effect, PushTroubles
from dashboard.services.refusals import NotConnected
from dashboard.services.virus_scan import VirusScanner
from dashboard.services.xero_auth import XeroAuthService
from dashboard.storage import DocumentLost, DocumentStore
from dashboard.xero import Priority, XeroClient, XeroError

IN_MEMORY = 1024 * 1024
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class PushTools:
    """What the whole service shares."""

    session: AnySession
    auth: XeroAuthService
    store: DocumentStore
    scanner: VirusScanner | None
    claims: PushClaims
    troubles: PushTroubles
    clock: Callable[[], datetime]
    reconcile_lag: float
    should_stop: Callable[[], bool]


class PushDesk:
    """The tools together with the lease under which they are used."""

    def __init__(self, tools: PushTools, lease: Lease) -> None:
        self._tools = tools
        self._lease = lease
        self.session = tools.session
        self.scanner = tools.scanner
        self.clock = tools.clock
        self.reconcile_lag = tools.reconcile_lag
        self.should_stop = tools.should_stop
        self.folders = PushFolders(
            session=tools.session, clock=tools.clock, connection_id=lease.connection_id
        )

    # -- the row ------------------------------------------------------------------------------

    def write(
        self,
        push: Push,
        *lines: push_timeline.Line,
        document: dict[str, Any] | None = None,
        **values: Any,
    ) -> Push:
        """Write columns and lines in one commit and return the push as it is now."""
        return self._tools.claims.write(self._lease, push, *lines, document=document, values=values)

    def finish(
        self, push: Push, line: push_timeline.Line, document: dict[str, Any], **values: Any
    ) -> Ending:
        """Write the last line and end the lease: the document is filed."""
        self._tools.claims.give_back(self._lease, push, line, document=document, values=values)
        return Ending.FILED

    def last_moment_of_doubt(self, push: Push) -> datetime | None:
        """Return the last moment at which an earlier sending may have reached Xero."""
        return self._tools.claims.last_moment_of_doubt(push)

    # -- ways to end --------------------------------------------------------------------------

    def after(self, push: Push, problem: Exception, effect: Effect) -> Ending:
        """End as *problem* demands."""
        return self._tools.troubles.after(self._lease, push, problem, effect)

    def fail(
        self,
        push: Push,
        cause: PushCause,
        problem: XeroError | None = None,
        *,
        document: dict[str, Any] | None = None,
        **values: Any,
    ) -> Ending:
        """End and leave the push to a person."""
        return self._tools.troubles.fail(
            self._lease, push, cause, problem, document=document, values=values
        )

    def rest(self, push: Push, *lines: push_timeline.Line) -> None:
        """End as it is, to be taken up again at once."""
        self._tools.troubles.rest(self._lease, push, *lines)

    def wait(
        self,
        push: Push,
        line: push_timeline.Line,
        seconds: float,
        cause: PushCause | None = None,
        **values: Any,
    ) -> Ending:
        """End, to be taken up in *seconds*."""
        return self._tools.troubles.wait(
            self._lease, push, line, seconds, cause=cause, values=values
        )

    def no_bytes(self, push: Push, problem: Exception) -> Ending:
        """End because the store did not give the document's bytes."""
        if isinstance(problem, DocumentLost):
            return self.fail(push, PushCause.STORE_LOST)
        return self.wait(push, push_timeline.store_waits(PATIENCE_SECONDS), PATIENCE_SECONDS)

    # -- the outside --------------------------------------------------------------------------

    @contextmanager
    def calling(self, push: Push) -> Iterator[XeroClient]:
        """Give the organisation's Xero, with a heartbeat while it is called."""
        with (
            self.beating(push),
            self._tools.auth.calling(push.practice_id, Priority.PUSH) as call,
        ):
            if call.connection_id != push.connection_id:
                # The practice has left for another organisation; this one's documents stay here.
                raise NotConnected
            yield call.xero

    def beating(self, push: Push) -> AbstractContextManager[None]:
        """Renew the leases while the block lasts."""
        return beating(self._tools.claims.renewer(self._lease, push))

    @contextmanager
    def bytes_of(self, push: Push) -> Iterator[BinaryIO]:
        """Give the document's bytes, proven to be those that were accepted.

        Raises `DocumentLost` when they are gone or are others, `StoreUnavailable`.
        """
        with SpooledTemporaryFile(max_size=IN_MEMORY) as spool:
            content = cast(BinaryIO, spool)
            stored = self._tools.store.copy_to(push.storage_key, content)
            if (stored.size, stored.sha256) != (push.size, push.content_sha256):
                raise DocumentLost(push.storage_key)
            content.seek(0)
            yield content
