"""The access token of one piece of work, and which version of the connection's tokens it is."""

from __future__ import annotations

from uuid import UUID

from dashboard.secret import Secret
from dashboard.services.token_custody import TokenCustody


class AccessInUse:
    """Opens the access token once and renews it when Xero says 401.

    `version` is the version of what was last used: a refusal is believed for that one only, since
    another worker may have refreshed the tokens in the meantime.
    """

    def __init__(self, custody: TokenCustody, connection_id: UUID) -> None:
        self._custody = custody
        self._connection_id = connection_id
        self.secret, self.version = custody.access(connection_id)

    def renew(self) -> Secret:
        """Return access newer than what was used so far."""
        self._custody.refresh(self._connection_id, self.version)
        self.secret, self.version = self._custody.access(self._connection_id)
        return self.secret
