"""One push on its way: virus check, look, place, send, put on the contact.

Each step ends in a commit, and the row alone says which step comes next. So whoever finds the row
later, after a crash on any line, goes on where it stands: what may have reached Xero is looked for,
never sent again blindly.
"""

from __future__ import annotations

from collections.abc import Callable

from dashboard.rules.push_sentences import PushCause
from dashboard.rules.retry_policy import is_poison
from dashboard.services import push_timeline
from dashboard.services.push_claims import LeaseLost, Push
from dashboard.services.push_desk import PushDesk
from dashboard.services.push_linking import PushLinking
from dashboard.services.push_results import Ending
from dashboard.services.push_sending import PushSending
from dashboard.services.push_virus_check import PushVirusCheck


class PushJourney:
    """Takes one claimed push as far as it goes."""

    def __init__(self, desk: PushDesk) -> None:
        self._desk = desk
        self._virus_check = PushVirusCheck(desk)
        self._sending = PushSending(desk)
        self._linking = PushLinking(desk)

    def carry(self, push: Push) -> Ending:
        """Return how it ended; the row is given back then, unless the lease was lost."""
        try:
            if is_poison(push.deaths):
                return self._desk.fail(push, PushCause.WORKER_CRASH)
            return self._carried(push)
        except LeaseLost:
            return Ending.LOST

    def _carried(self, push: Push) -> Ending:
        while True:
            if self._desk.should_stop():
                self._desk.rest(push, push_timeline.stopped())
                return Ending.STOPPED
            if push.contact_id is None:
                # Unlinked while we worked: it waits until the client is linked again.
                self._desk.rest(push)
                return Ending.WAITS
            result = self._step_of(push)(push)
            if isinstance(result, Ending):
                return result
            push = result

    def _step_of(self, push: Push) -> Callable[[Push], Push | Ending]:
        if push.xero_file_id is not None:
            return self._linking.run
        if self._virus_check.is_due(push):
            return self._virus_check.run
        return self._sending.run
