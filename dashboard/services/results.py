"""What services answer with: frozen, named, and with a sentence where people read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from dashboard.xero import XeroClient


@dataclass(frozen=True, slots=True)
class ConsentRequest:
    """Where to send the person who pressed Connect."""

    url: str


@dataclass(frozen=True, slots=True)
class Connected:
    """A consent that became a connection."""

    connection_id: UUID
    organisation: str


@dataclass(frozen=True, slots=True)
class XeroCall:
    """The practice's Xero, ready to be called, and the connection that it belongs to."""

    xero: XeroClient
    connection_id: UUID


@dataclass(frozen=True, slots=True)
class DisconnectResult:
    """What became of a disconnection; on our side it always succeeds."""

    organisation: str
    confirmed_by_xero: bool

    @property
    def sentence(self) -> str:
        """What the admin reads afterwards."""
        if self.confirmed_by_xero:
            return (
                f"Disconnected from {self.organisation}. Access was revoked and our copy deleted."
            )
        return (
            "Our copy of the access is deleted and nothing more will be sent. Xero did not confirm."
            " To be sure, remove chase.md in Xero under Settings, Connected apps."
        )
