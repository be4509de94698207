"""How far a contact check is: what the run's row keeps between two pieces of work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dashboard.models import SyncRun, XeroConnection

# Xero compares to the second and says nothing about its edges, so each check looks back a little;
# a row that comes twice is not written twice.
# https://developer.xero.com/documentation/api/accounting/requests-and-responses (If-Modified-Since)
OVERLAP = timedelta(minutes=5)

# Moving a contact between groups, and its first invoice, may leave its time of change as it is:
# once a day everything is read.
FULLY_EVERY = timedelta(hours=24)

READ, FOLLOW, MATCH = "read", "follow", "match"


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a check goes on. `modified_since` None means that everything is read.

    `allowed`: the brake has been passed, by weight or by a person.
    """

    page: int = 1
    modified_since: datetime | None = None
    server_time: datetime | None = None
    step: str = READ
    new: int = 0
    changed: int = 0
    allowed: bool = False

    @classmethod
    def first(cls, connection: XeroConnection, now: datetime) -> Progress:
        """Return where a new check of this connection begins."""
        fully, checkpoint = connection.fully_read_at, connection.contacts_checkpoint
        if checkpoint is None or fully is None or fully <= now - FULLY_EVERY:
            return cls()
        return cls(modified_since=checkpoint - OVERLAP)

    @classmethod
    def of(cls, run: SyncRun) -> Progress:
        """Return where a run goes on that was begun."""
        kept = run.progress
        return cls(
            page=kept["page"],
            modified_since=_moment(kept["modified_since"]),
            server_time=_moment(kept["server_time"]),
            step=kept["step"],
            new=kept["new"],
            changed=kept["changed"],
            allowed=kept.get("allowed", False),
        )

    @property
    def kept(self) -> dict[str, Any]:
        """What the run's row keeps of it."""
        return {
            "page": self.page,
            "modified_since": _text(self.modified_since),
            "server_time": _text(self.server_time),
            "step": self.step,
            "new": self.new,
            "changed": self.changed,
            "allowed": self.allowed,
        }


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
