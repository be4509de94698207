"""What services answer with: frozen, named, and with a sentence where people read it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from dashboard.rules.organisation_change import OrganisationChange

if TYPE_CHECKING:
    from dashboard.xero import XeroClient


@dataclass(frozen=True, slots=True)
class ConsentRequest:
    """Where to send the person who pressed Connect."""

    url: str


@dataclass(frozen=True, slots=True)
class Connected:
    """A consent that became a connection.

    `warnings` say what was not allowed; contacts can be read at all with `reads_contacts`.
    """

    connection_id: UUID
    organisation: str
    reads_contacts: bool = True
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OrganisationOption:
    """An organisation that a person may choose."""

    tenant_id: str
    name: str


@dataclass(frozen=True, slots=True)
class OrganisationChoice:
    """What a consent still asks: which organisation, or whether to leave the one from before.

    `change` is None while several organisations stand to choose from.
    """

    options: tuple[OrganisationOption, ...]
    change: OrganisationChange | None


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
    at: datetime

    def sentence(self, at: str) -> str:
        """Return what the admin reads afterwards; *at* is the moment in words ("14:20")."""
        if self.confirmed_by_xero:
            return (
                f"Disconnected from {self.organisation} at {at}. Access was revoked and our copy"
                " deleted."
            )
        return (
            "Our copy of the access is deleted and nothing more will be sent. Xero did not confirm."
            " To be sure, remove chase.md in Xero under Settings, Connected apps."
        )
