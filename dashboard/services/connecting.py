"""Connecting: a consent that a person has settled on becomes the practice's connection."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from dashboard.database import AnySession
from dashboard.models import AlertCause, ConnectionStatus, OAuthAttempt, XeroConnection
from dashboard.rules.consent_sentences import TOO_OLD
from dashboard.rules.permissions import (
    CONTACTS,
    is_granted,
    needed_sentence,
    refused_sentences,
)
from dashboard.rules.tenant_choice import shown_name
from dashboard.services.alerts import AlertService
from dashboard.services.connection_truth import CONNECTION_CAUSES, NO_ERROR
from dashboard.services.consent_attempts import Attempt
from dashboard.services.leaving import Leaving
from dashboard.services.refusals import ConsentRefused, OrganisationHeld
from dashboard.services.results import Connected
from dashboard.services.token_custody import TokenCustody
from dashboard.xero import Grant, Tenant

logger = logging.getLogger(__name__)


class Connecting:
    """Stores connections."""

    def __init__(
        self,
        *,
        session: AnySession,
        custody: TokenCustody,
        leaving: Leaving,
        alerts: AlertService,
        clock: Callable[[], datetime],
    ) -> None:
        self._session = session
        self._custody = custody
        self._leaving = leaving
        self._alerts = alerts
        self._clock = clock

    def connect(
        self, attempt: Attempt, grant: Grant, asked_at: datetime, tenant: Tenant
    ) -> Connected:
        """Store the connection, active and due to be read at once, in one commit.

        The organisation from before is left in the same commit, and afterwards at Xero. Raises
        `OrganisationHeld` when another practice is connected to this one; then nothing changes.
        """
        practice_id = attempt.practice_id
        try:
            if not self._use_up(attempt):
                raise ConsentRefused.saying(TOO_OLD)
            left_id = self._leave_current(practice_id, tenant)
            connected = self._store(attempt, grant, asked_at, tenant)
            self._session.commit()
        except IntegrityError as held:
            self._session.rollback()
            self._use_up(attempt)
            self._session.commit()
            self._leaving.give_back(
                grant.tokens, grant.xero_userid, grant.authentication_event_id, [tenant]
            )
            raise OrganisationHeld from held
        logger.info("practice %s connected to a Xero organisation", practice_id)
        if left_id is not None:
            self._leaving.finish(left_id)
        return connected

    def _store(
        self, attempt: Attempt, grant: Grant, asked_at: datetime, tenant: Tenant
    ) -> Connected:
        connection = self._row_for(attempt.practice_id, tenant)
        values = self._values(connection, grant, asked_at, tenant, attempt.user_id)
        for name, value in values.items():
            setattr(connection, name, value)
        self._set_alerts(attempt.practice_id, grant)
        self._session.flush()
        scopes = grant.tokens.scopes
        return Connected(
            connection.id,
            connection.xero_org_name or "",
            is_granted(CONTACTS, scopes),
            refused_sentences(scopes),
        )

    def _use_up(self, attempt: Attempt) -> bool:
        """Remove the attempt; False if somebody pressed twice and it is gone already."""
        gone = self._session.execute(
            delete(OAuthAttempt).where(OAuthAttempt.id == attempt.id).returning(OAuthAttempt.id)
        ).first()
        return gone is not None

    def _leave_current(self, practice_id: UUID, tenant: Tenant) -> UUID | None:
        current = self._leaving.current(practice_id)
        if current is None or current.xero_tenant_id == tenant.tenant_id:
            return None
        self._leaving.mark(current)
        # First out, then in: a practice has at most one connection at every moment.
        self._session.flush()
        return current.id

    def _row_for(self, practice_id: UUID, tenant: Tenant) -> XeroConnection:
        connection = self._session.scalar(
            select(XeroConnection)
            .where(
                XeroConnection.practice_id == practice_id,
                XeroConnection.xero_tenant_id == tenant.tenant_id,
            )
            # A refresh that ends in this moment must not store the same version of the tokens.
            .with_for_update()
        )
        if connection is None:
            connection = XeroConnection(
                id=uuid4(),
                practice_id=practice_id,
                xero_tenant_id=tenant.tenant_id,
                token_version=0,
                status=ConnectionStatus.ACTIVE,
            )
            self._session.add(connection)
            self._session.flush()
        return connection

    def _values(
        self,
        connection: XeroConnection,
        grant: Grant,
        asked_at: datetime,
        tenant: Tenant,
        user_id: UUID,
    ) -> dict[str, Any]:
        now = self._clock()
        return {
            **self._custody.columns_for(connection, grant.tokens, asked_at),
            **NO_ERROR,
            "xero_org_name": tenant.name or connection.xero_org_name or shown_name(tenant),
            "tenant_type": tenant.tenant_type,
            # Xero gives a new id to what was disconnected and is connected again.
            "xero_connection_id": tenant.connection_id,
            "auth_event_id": tenant.auth_event_id or grant.authentication_event_id,
            "xero_userid": grant.xero_userid,
            "connected_by_id": user_id,
            "connected_at": now,
            "disconnected_at": None,
            "scopes": list(grant.tokens.scopes),
            "status": ConnectionStatus.ACTIVE,
            "consecutive_errors": 0,
            # The list of connections was just read with this access: a real call that worked.
            "last_good_call_at": now,
            "waits_until": None,
            "waits_because": None,
            "sync_due_at": now,
            # Checked at once, which also reads the organisation's details.
            "health_due_at": now,
        }

    def _set_alerts(self, practice_id: UUID, grant: Grant) -> None:
        self._alerts.resolve(practice_id, *CONNECTION_CAUSES)
        needed = needed_sentence(grant.tokens.scopes)
        if not needed:
            self._alerts.resolve(practice_id, AlertCause.PERMISSION_NEEDED)
            return
        self._alerts.raise_once(
            practice_id, AlertCause.PERMISSION_NEEDED, "warning", "Permission needed", needed
        )
