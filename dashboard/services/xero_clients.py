"""How services come by a client of one organisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from dashboard.secret import Secret
from dashboard.xero import Priority, XeroClient


class ClientFactory(Protocol):
    """Builds a `XeroClient` for one tenant; `wiring` knows how."""

    def __call__(
        self,
        *,
        tenant_id: str,
        access: Secret,
        refresh_access: Callable[[], Secret],
        priority: Priority,
    ) -> XeroClient:
        """Return the client."""
