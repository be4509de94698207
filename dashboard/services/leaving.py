"""Leaving Xero: a connection that is ended, and a consent that is given back unused.

Leaving always succeeds on our side. At Xero the connection is deleted by its own id; the grant is
revoked only when nobody else here needs it, because that ends every connection of its person.
https://developer.xero.com/documentation/guides/oauth2/tenants
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, update

from dashboard.crypto import TokenUnreadable
from dashboard.database import AnySession
from dashboard.models import (
    AlertCause,
    Client,
    ConnectionStatus,
    XeroConnection,
    XeroContactMapping,
)
from dashboard.secret import Secret
from dashboard.services.alerts import AlertService
from dashboard.services.client_list import changing_clients
from dashboard.services.connection_truth import CONNECTION_CAUSES, NO_ERROR, ConnectionTruth
from dashboard.services.refusals import NotConnected
from dashboard.services.results import DisconnectResult
from dashboard.services.token_custody import AccessLost, TokenCustody
from dashboard.xero import (
    Tenant,
    TokenSet,
    XeroError,
    XeroForbidden,
    XeroNotFound,
    XeroOAuth,
)

logger = logging.getLogger(__name__)


class Leaving:
    """Ends connections here and at Xero."""

    def __init__(
        self,
        *,
        session: AnySession,
        oauth: XeroOAuth,
        custody: TokenCustody,
        truth: ConnectionTruth,
        alerts: AlertService,
        clock: Callable[[], datetime],
    ) -> None:
        self._session = session
        self._oauth = oauth
        self._custody = custody
        self._truth = truth
        self._alerts = alerts
        self._clock = clock

    def disconnect(self, practice_id: UUID, *, remove_links: bool) -> DisconnectResult:
        """End the practice's connection: stop work, tell Xero, erase our tokens in any case."""
        connection = self.current(practice_id)
        if connection is None:
            raise NotConnected
        connection_id, now = connection.id, self._clock()
        organisation = connection.xero_org_name or "Xero"
        self.mark(connection)
        if remove_links:
            self._remove_links(practice_id, connection_id)
        self._session.commit()
        return DisconnectResult(organisation, self.finish(connection_id), now)

    def current(self, practice_id: UUID) -> XeroConnection | None:
        """Return the practice's connection that is not disconnected."""
        return self._session.scalar(
            select(XeroConnection).where(
                XeroConnection.practice_id == practice_id,
                XeroConnection.status != ConnectionStatus.DISCONNECTED,
            )
        )

    def mark(self, connection: XeroConnection) -> None:
        """End the connection on our side; part of the caller's transaction, `finish` follows it."""
        now = self._clock()
        connection.status = ConnectionStatus.DISCONNECTED
        connection.disconnected_at = now
        for name, value in NO_ERROR.items():
            setattr(connection, name, value)
        # Should the process die before the tokens are erased, the health check finishes the job.
        connection.health_due_at = now
        self._truth.stop_runs(connection)
        self._alerts.resolve(
            connection.practice_id,
            *CONNECTION_CAUSES,
            AlertCause.DISCONNECTED_IN_XERO,
            AlertCause.PERMISSION_NEEDED,
        )

    def finish(self, connection_id: UUID) -> bool:
        """Remove the connection at Xero if it can be done, then erase our tokens in any case.

        Returns whether Xero confirmed it. Commits.
        """
        try:
            confirmed = self._tell_xero(connection_id)
        except (AccessLost, TokenUnreadable, XeroError) as problem:
            self._session.rollback()
            logger.warning("Xero did not confirm leaving connection %s: %s", connection_id, problem)
            confirmed = False
        self._custody.erase(connection_id)
        self._session.commit()
        return confirmed

    def give_back(
        self,
        tokens: TokenSet,
        xero_userid: str | None,
        auth_event_id: str | None,
        tenants: Iterable[Tenant] = (),
    ) -> None:
        """Undo at Xero what a consent that is not used left there, as far as it is nobody else's.

        *tenants* is what the consent reaches, as far as that was found out. Xero's refusals are
        logged: nothing here depends on them. Commits.
        """
        made = [
            tenant
            for tenant in tenants
            if auth_event_id is not None and tenant.auth_event_id == auth_event_id
        ]
        held = self._held(tenant.tenant_id for tenant in made)
        unused = [
            tenant.connection_id
            for tenant in made
            if not _is_anothers(tenant, xero_userid, held.get(tenant.tenant_id))
        ]
        shared = self._uses_grant(xero_userid)
        # What lives by the same grant, or is held here, stays; no transaction while Xero is asked.
        self._session.commit()
        try:
            for at_xero in unused:
                self._delete(tokens.access, at_xero)
            if not shared:
                self._oauth.revoke(tokens.refresh)
        except XeroError as problem:
            logger.warning("a consent that is not used could not be given back: %s", problem)

    def _tell_xero(self, connection_id: UUID) -> bool:
        """Return whether Xero confirmed one of the two ways to end the access."""
        access, _ = self._custody.access(connection_id)
        connection = self._session.get_one(XeroConnection, connection_id)
        at_xero = connection.xero_connection_id
        shared = self._uses_grant(connection.xero_userid, besides=connection_id)
        secret = self._custody.refresh_secret(connection)
        self._session.commit()
        silence: XeroError | None = None
        if at_xero:
            try:
                self._delete(access, at_xero)
            except XeroError as problem:
                logger.warning("connection %s could not be deleted: %s", connection_id, problem)
                silence = problem
        if secret is not None and not shared:
            # This ends the access as well, should deleting it not have worked.
            self._oauth.revoke(secret)
            return True
        if silence is not None:
            raise silence
        return True

    def _delete(self, access: Secret, at_xero: str) -> None:
        try:
            self._oauth.delete_connection(access, at_xero)
        except (XeroForbidden, XeroNotFound):
            logger.info("a connection was already gone at Xero")

    def _held(self, tenant_ids: Iterable[str]) -> dict[str, XeroConnection]:
        """Return who holds these organisations here now."""
        found = self._session.scalars(
            select(XeroConnection).where(
                XeroConnection.xero_tenant_id.in_(list(tenant_ids)),
                XeroConnection.status != ConnectionStatus.DISCONNECTED,
            )
        )
        return {connection.xero_tenant_id: connection for connection in found}

    def _uses_grant(self, xero_userid: str | None, besides: UUID | None = None) -> bool:
        """Tell whether another connection lives by this person's grant; so does an unknown one."""
        if xero_userid is None:
            return True
        users = self._session.scalars(
            select(XeroConnection.id).where(
                XeroConnection.xero_userid == xero_userid,
                XeroConnection.status != ConnectionStatus.DISCONNECTED,
            )
        )
        return any(user != besides for user in users)

    def _remove_links(self, practice_id: UUID, connection_id: UUID) -> None:
        changing_clients(self._session, practice_id, self._clock)
        mapped = select(XeroContactMapping.client_id).where(
            XeroContactMapping.xero_connection_id == connection_id
        )
        self._session.execute(
            update(Client)
            .where(Client.practice_id == practice_id, Client.id.in_(mapped))
            .values(xero_contact_id=None)
        )
        self._session.execute(
            delete(XeroContactMapping).where(XeroContactMapping.xero_connection_id == connection_id)
        )


def _is_anothers(tenant: Tenant, xero_userid: str | None, holder: XeroConnection | None) -> bool:
    """Tell whether the connection at Xero may be the one that *holder* lives by."""
    if holder is None:
        return False
    same_person = xero_userid is None or holder.xero_userid in (None, xero_userid)
    return same_person or holder.xero_connection_id in (None, tenant.connection_id)
