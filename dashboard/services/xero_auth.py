"""XeroAuthService: from the Connect button to a living connection, and back."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError

from dashboard.database import AnySession
from dashboard.models import (
    AlertCause,
    ConnectionStatus,
    OAuthAttempt,
    XeroConnection,
    XeroContactMapping,
)
from dashboard.models.client import Client
from dashboard.rules.permissions import missing_permissions
from dashboard.rules.phase import HEALTH_EVERY, first_slot
from dashboard.rules.tenant_choice import choose_tenant
from dashboard.secret import Secret
from dashboard.services.alerts import AlertService
from dashboard.services.connection_truth import CONNECTION_CAUSES, ConnectionTruth
from dashboard.services.refusals import (
    ChoiceNeeded,
    ConnectionNotUsable,
    ConsentRefused,
    NotConnected,
    NotFound,
    OrganisationHeld,
)
from dashboard.services.results import Connected, ConsentRequest, DisconnectResult, XeroCall
from dashboard.services.token_custody import ACCESS, REFRESH, AccessLost, TokenCustody
from dashboard.xero import (
    Grant,
    Priority,
    Tenant,
    TokenSet,
    XeroAppRefused,
    XeroClient,
    XeroError,
    XeroForbidden,
    XeroMustWait,
    XeroNoAnswer,
    XeroNotFound,
    XeroOAuth,
    XeroRateLimited,
    XeroUnauthorised,
    XeroUnavailable,
)

logger = logging.getLogger(__name__)

ATTEMPT_LIFE = timedelta(minutes=10)
# What a 429 that names no time is worth, by its limit: the rest of a minute, unless it says other.
UNNAMED_PAUSE = 60.0
UNNAMED_PAUSES = {"concurrent": 2.0, "day": 3600.0}
LONGEST_PAUSE = 86_400.0
MISSING_SCOPE = "AuthorizationUnsuccessful"


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


class XeroAuthService:
    """Connects, keeps and ends a practice's connection to one Xero organisation."""

    def __init__(
        self,
        *,
        session: AnySession,
        oauth: XeroOAuth,
        custody: TokenCustody,
        truth: ConnectionTruth,
        alerts: AlertService,
        make_client: ClientFactory,
        clock: Callable[[], datetime],
    ) -> None:
        self._session = session
        self._oauth = oauth
        self._custody = custody
        self._truth = truth
        self._alerts = alerts
        self._make_client = make_client
        self._clock = clock

    # -- connecting ---------------------------------------------------------------------------

    def generate_auth_url(
        self, practice_id: UUID, user_id: UUID, browser_key: str
    ) -> ConsentRequest:
        """Return the Xero page to send this person to, remembered for ten minutes and one use."""
        now = self._clock()
        state, nonce = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        verifier = secrets.token_urlsafe(48) if self._oauth.uses_pkce else None
        self._session.execute(delete(OAuthAttempt).where(OAuthAttempt.expires_at < now))
        self._session.add(
            OAuthAttempt(
                practice_id=practice_id,
                user_id=user_id,
                browser_hash=_hashed(browser_key),
                state_hash=_hashed(state),
                nonce=nonce,
                code_verifier=verifier,
                created_at=now,
                expires_at=now + ATTEMPT_LIFE,
            )
        )
        self._session.commit()
        return ConsentRequest(self._oauth.authorization_url(state, nonce, verifier))

    def cancel_consent(
        self, practice_id: UUID, user_id: UUID, browser_key: str, state: str
    ) -> None:
        """Close the attempt of somebody who pressed Cancel at Xero."""
        self._take_attempt(practice_id, user_id, browser_key, state)

    def handle_callback(
        self, practice_id: UUID, user_id: UUID, browser_key: str, code: str, state: str
    ) -> Connected:
        """Return the connection that this consent made.

        Raises `ConsentRefused`, `OrganisationHeld`, or `ChoiceNeeded` when a person has to choose
        among several organisations (or to leave the one that is connected now).
        """
        attempt = self._take_attempt(practice_id, user_id, browser_key, state)
        try:
            grant = self._oauth.exchange_code(code, attempt.nonce, attempt.code_verifier)
            received_at = self._clock()
            tenants = self._oauth.tenants(grant.tokens.access)
        except XeroError as problem:
            logger.warning("consent of practice %s failed: %s", practice_id, problem)
            raise ConsentRefused(
                "Xero did not finish the connection. Nothing was saved.", "Try again."
            ) from problem
        choice = choose_tenant(
            tenants, grant.authentication_event_id, self._tenants_known_to(practice_id)
        )
        if not choice.options:
            raise ConsentRefused(
                "Xero did not tell us which organisation to use.", "Start again and choose one."
            )
        if choice.chosen is None or self._leaves_another(practice_id, choice.chosen):
            raise self._ask_person(attempt, grant, received_at, choice.options)
        return self._connect(practice_id, user_id, grant, received_at, choice.chosen)

    def choices(self, practice_id: UUID, user_id: UUID, attempt_id: UUID) -> list[Tenant]:
        """Return the organisations that this attempt may still choose from."""
        return [
            _tenant_from(stored)
            for stored in self._open_choice(practice_id, user_id, attempt_id).choices or []
        ]

    def choose_organisation(
        self, practice_id: UUID, user_id: UUID, attempt_id: UUID, tenant_id: str
    ) -> Connected:
        """Return the connection to the chosen organisation; the attempt is used up."""
        attempt = self._open_choice(practice_id, user_id, attempt_id)
        chosen = next(
            (
                _tenant_from(stored)
                for stored in attempt.choices or []
                if stored["tenant_id"] == tenant_id
            ),
            None,
        )
        if chosen is None:
            raise NotFound
        grant, received_at = self._kept_grant(attempt)
        self._session.execute(delete(OAuthAttempt).where(OAuthAttempt.id == attempt_id))
        self._session.commit()
        if self._leaves_another(practice_id, chosen):
            self.disconnect(practice_id)
        return self._connect(practice_id, user_id, grant, received_at, chosen)

    # -- calling ------------------------------------------------------------------------------

    @contextmanager
    def calling(
        self, practice_id: UUID, priority: Priority, *, even_if_error: bool = False
    ) -> Iterator[XeroCall]:
        """Yield the practice's Xero with fresh access; write down what its answers mean.

        Entering and leaving commits the session. Xero's errors are recorded on the connection and
        raised on: `ConnectionNotUsable` when only a person can help, `XeroMustWait` for every kind
        of limit, and the others as they are.
        """
        connection = self._current(practice_id, even_if_error=even_if_error)
        connection_id, tenant_id = connection.id, connection.xero_tenant_id
        try:
            access, version = self._custody.access(connection_id)
            xero = self._make_client(
                tenant_id=tenant_id,
                access=access,
                refresh_access=lambda: self._fresh_access(connection_id, version),
                priority=priority,
            )
            self._session.commit()
            yield XeroCall(xero, connection_id)
        except (AccessLost, XeroError) as problem:
            self._session.rollback()
            raise self._meaning_of(problem, connection_id) from problem
        self._session.commit()
        self._truth.good_call(connection_id)

    def get_valid_client(self, practice_id: UUID, priority: Priority = Priority.PUSH) -> XeroClient:
        """Return a client with five minutes of access or more, refreshed if it was needed."""
        with self.calling(practice_id, priority) as call:
            return call.xero

    def refresh_if_due(self, connection_id: UUID) -> None:
        """Refresh the connection's tokens if their time has come: a doubled bell does nothing."""
        connection = self._session.get(XeroConnection, connection_id)
        due_at = connection.refresh_due_at if connection else None
        if due_at is not None and due_at <= self._clock():
            self.refresh_token(connection_id)

    def refresh_token(self, connection_id: UUID) -> None:
        """Refresh the connection's tokens now, once, however many workers ask for it."""
        connection = self._session.get(XeroConnection, connection_id)
        if connection is None or connection.status != ConnectionStatus.ACTIVE:
            return
        version = connection.token_version
        try:
            self._custody.refresh(connection_id, version)
        except (AccessLost, XeroError) as problem:
            self._session.rollback()
            raise self._meaning_of(problem, connection_id) from problem

    def check_health(self, connection_id: UUID) -> None:
        """Find out whether the connection really works: still listed at Xero, and answering."""
        connection = self._session.get(XeroConnection, connection_id)
        if connection is None:
            return
        practice_id = connection.practice_id
        self._session.execute(
            update(XeroConnection)
            .where(XeroConnection.id == connection_id)
            .values(health_due_at=first_slot(practice_id, HEALTH_EVERY, self._clock()))
        )
        self._session.commit()
        if connection.status == ConnectionStatus.DISCONNECTED:
            self._leave_xero(connection_id)
            return
        with self.calling(practice_id, Priority.SYNC, even_if_error=True) as call:
            if not self._still_listed(call.connection_id):
                self._truth.gone_from_xero(call.connection_id)
                raise _disconnected_in_xero()
            organisation = call.xero.accounting.organisation()
            self._session.execute(
                update(XeroConnection)
                .where(XeroConnection.id == call.connection_id)
                .values(xero_org_name=organisation.name, short_code=organisation.short_code)
            )

    # -- disconnecting ------------------------------------------------------------------------

    def disconnect(self, practice_id: UUID, *, remove_links: bool = False) -> DisconnectResult:
        """End the connection: stop work, tell Xero, erase our tokens whatever Xero answers."""
        connection = self._session.scalar(
            select(XeroConnection).where(
                XeroConnection.practice_id == practice_id,
                XeroConnection.status != ConnectionStatus.DISCONNECTED,
            )
        )
        if connection is None:
            raise NotConnected
        connection_id = connection.id
        organisation = connection.xero_org_name or "Xero"
        connection.status = ConnectionStatus.DISCONNECTED
        connection.disconnected_at = self._clock()
        # Should the process die before the tokens are erased, the health check finishes the job.
        connection.health_due_at = self._clock()
        self._truth.stop_runs(connection)
        self._alerts.resolve(practice_id, *CONNECTION_CAUSES, AlertCause.DISCONNECTED_IN_XERO)
        if remove_links:
            self._remove_links(practice_id, connection_id)
        self._session.commit()
        return DisconnectResult(organisation, self._leave_xero(connection_id))

    # -- inside -------------------------------------------------------------------------------

    def _take_attempt(
        self, practice_id: UUID, user_id: UUID, browser_key: str, state: str
    ) -> OAuthAttempt:
        taken = self._session.execute(
            update(OAuthAttempt)
            .where(
                OAuthAttempt.state_hash == _hashed(state),
                OAuthAttempt.practice_id == practice_id,
                OAuthAttempt.user_id == user_id,
                OAuthAttempt.browser_hash == _hashed(browser_key),
                OAuthAttempt.used_at.is_(None),
                OAuthAttempt.expires_at > self._clock(),
            )
            .values(used_at=self._clock())
            .returning(OAuthAttempt.id)
        ).scalar()
        self._session.commit()
        if taken is None:
            raise ConsentRefused("That connection attempt was too old to accept.", "Start again.")
        attempt = self._session.get_one(OAuthAttempt, taken)
        # Loaded now and cut loose, so that no transaction is open while Xero is asked.
        self._session.refresh(attempt)
        self._session.expunge(attempt)
        self._session.commit()
        return attempt

    def _tenants_known_to(self, practice_id: UUID) -> frozenset[str]:
        known = self._session.scalars(
            select(XeroConnection.xero_tenant_id).where(XeroConnection.practice_id == practice_id)
        ).all()
        self._session.commit()
        return frozenset(known)

    def _leaves_another(self, practice_id: UUID, tenant: Tenant) -> bool:
        """Whether taking *tenant* means to leave an organisation that is connected now."""
        other = self._session.scalar(
            select(XeroConnection.id).where(
                XeroConnection.practice_id == practice_id,
                XeroConnection.status != ConnectionStatus.DISCONNECTED,
                XeroConnection.xero_tenant_id != tenant.tenant_id,
            )
        )
        self._session.commit()
        return other is not None

    def _ask_person(
        self,
        attempt: OAuthAttempt,
        grant: Grant,
        received_at: datetime,
        options: tuple[Tenant, ...],
    ) -> ChoiceNeeded:
        practice_id, attempt_id = attempt.practice_id, attempt.id

        def locked(column: str, token: Secret) -> str:
            return self._custody.lock(practice_id, attempt_id, column, 0, token)

        self._session.execute(
            update(OAuthAttempt)
            .where(OAuthAttempt.id == attempt_id)
            .values(
                access_token_encrypted=locked(ACCESS, grant.tokens.access),
                refresh_token_encrypted=locked(REFRESH, grant.tokens.refresh),
                token_expires_at=received_at + timedelta(seconds=grant.tokens.expires_in),
                grant={
                    "scopes": list(grant.tokens.scopes),
                    "xero_userid": grant.xero_userid,
                    "email": grant.email,
                    "name": grant.name,
                    "authentication_event_id": grant.authentication_event_id,
                },
                choices=[_stored(tenant) for tenant in options],
                expires_at=self._clock() + ATTEMPT_LIFE,
            )
        )
        self._session.commit()
        return ChoiceNeeded(str(attempt_id))

    def _open_choice(self, practice_id: UUID, user_id: UUID, attempt_id: UUID) -> OAuthAttempt:
        attempt = self._session.scalar(
            select(OAuthAttempt).where(
                OAuthAttempt.id == attempt_id,
                OAuthAttempt.practice_id == practice_id,
                OAuthAttempt.user_id == user_id,
                OAuthAttempt.choices.is_not(None),
                OAuthAttempt.expires_at > self._clock(),
            )
        )
        if attempt is None or attempt.choices is None:
            raise ConsentRefused("That connection attempt was too old to accept.", "Start again.")
        return attempt

    def _kept_grant(self, attempt: OAuthAttempt) -> tuple[Grant, datetime]:
        kept = attempt.grant or {}

        def opened(column: str, stored: str | None) -> Secret:
            return self._custody.open(attempt.practice_id, attempt.id, column, 0, stored or "")

        received_at = self._clock()
        expires_at = attempt.token_expires_at or received_at
        tokens = TokenSet(
            access=opened(ACCESS, attempt.access_token_encrypted),
            refresh=opened(REFRESH, attempt.refresh_token_encrypted),
            expires_in=max(0, int((expires_at - received_at).total_seconds())),
            scopes=tuple(kept.get("scopes", ())),
        )
        grant = Grant(
            tokens=tokens,
            xero_userid=kept.get("xero_userid"),
            email=kept.get("email"),
            name=kept.get("name"),
            authentication_event_id=kept.get("authentication_event_id"),
        )
        return grant, received_at

    def _connect(
        self,
        practice_id: UUID,
        user_id: UUID,
        grant: Grant,
        received_at: datetime,
        tenant: Tenant,
    ) -> Connected:
        """Store the connection, active and due to be read at once, in one commit."""
        try:
            connection = self._row_for(practice_id, tenant)
            values: dict[str, Any] = {
                **self._custody.columns_for(connection, grant.tokens, received_at),
                "xero_org_name": tenant.name or connection.xero_org_name or "Xero organisation",
                "tenant_type": tenant.tenant_type,
                "xero_connection_id": tenant.connection_id,
                "auth_event_id": tenant.auth_event_id or grant.authentication_event_id,
                "xero_userid": grant.xero_userid,
                "connected_by_id": user_id,
                "connected_at": received_at,
                "disconnected_at": None,
                "scopes": list(grant.tokens.scopes),
                "status": ConnectionStatus.ACTIVE,
                "last_error": None,
                "consecutive_errors": 0,
                # The list of connections was just read with this access: a real call that worked.
                "last_good_call_at": received_at,
                "waits_until": None,
                "waits_because": None,
                "sync_due_at": received_at,
                # Checked at once, which also reads the organisation's details.
                "health_due_at": received_at,
            }
            for name, value in values.items():
                setattr(connection, name, value)
            self._alerts.resolve(practice_id, *CONNECTION_CAUSES)
            missing = missing_permissions(grant.tokens.scopes)
            if missing:
                self._alerts.raise_once(
                    practice_id,
                    AlertCause.PERMISSION_NEEDED,
                    "warning",
                    "Permission needed",
                    "Xero did not give every permission that was asked for. Connect again and"
                    " allow all of them.",
                )
            else:
                self._alerts.resolve(practice_id, AlertCause.PERMISSION_NEEDED)
            self._session.flush()
            connected = Connected(connection.id, connection.xero_org_name or "")
            self._session.commit()
        except IntegrityError as held:
            self._session.rollback()
            raise OrganisationHeld from held
        logger.info("practice %s connected to a Xero organisation", practice_id)
        return connected

    def _row_for(self, practice_id: UUID, tenant: Tenant) -> XeroConnection:
        connection = self._session.scalar(
            select(XeroConnection).where(
                XeroConnection.practice_id == practice_id,
                XeroConnection.xero_tenant_id == tenant.tenant_id,
            )
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

    def _current(self, practice_id: UUID, *, even_if_error: bool) -> XeroConnection:
        connection = self._session.scalar(
            select(XeroConnection).where(
                XeroConnection.practice_id == practice_id,
                XeroConnection.status != ConnectionStatus.DISCONNECTED,
            )
        )
        if connection is None:
            raise NotConnected
        if connection.status == ConnectionStatus.TOKEN_EXPIRED:
            raise _reconnect_needed()
        if connection.status == ConnectionStatus.ERROR and not even_if_error:
            raise ConnectionNotUsable(
                f"We cannot use the connection to Xero: {connection.last_error}",
                "Work goes on by itself when Xero accepts us again.",
            )
        return connection

    def _fresh_access(self, connection_id: UUID, version: int) -> Secret:
        """Return access newer than *version*: the answer to a 401 in the middle of the work."""
        self._custody.refresh(connection_id, version)
        access, _ = self._custody.access(connection_id)
        return access

    def _meaning_of(self, problem: Exception, connection_id: UUID) -> Exception:
        """Record what *problem* says about the connection; return what the caller should see."""
        match problem:
            case AccessLost():
                return _reconnect_needed()
            case XeroMustWait():
                self._truth.must_wait(connection_id, problem.seconds, problem.reason)
            case XeroRateLimited():
                seconds = _pause(problem)
                self._truth.must_wait(connection_id, seconds, problem.problem or "minute")
                return XeroMustWait(seconds, problem.problem or "minute")
            case XeroForbidden():
                return self._forbidden(connection_id, problem)
            case XeroUnauthorised() if MISSING_SCOPE in str(problem):
                return self._forbidden(connection_id, problem)
            case XeroUnauthorised():
                connection = self._session.get_one(XeroConnection, connection_id)
                self._truth.access_lost(connection_id, connection.token_version)
                return _reconnect_needed()
            case XeroUnavailable() | XeroNoAnswer() | XeroAppRefused():
                logger.warning("connection %s got no good answer: %s", connection_id, problem)
                self._truth.no_good_answer(connection_id, _no_good_answer(problem))
            case _:
                # Xero answered and refused this one request: the connection itself works.
                self._truth.good_call(connection_id)
        return problem

    def _forbidden(self, connection_id: UUID, problem: XeroError) -> Exception:
        """Tell a removed connection from a missing permission by asking for the connections.

        https://developer.xero.com/documentation/guides/oauth2/tenants
        """
        try:
            listed = self._still_listed(connection_id)
        except (AccessLost, XeroError):
            self._session.rollback()
            self._truth.no_good_answer(connection_id, "Xero refused access and gave no reason.")
            return problem
        if not listed:
            self._truth.gone_from_xero(connection_id)
            self._leave_xero(connection_id)
            return _disconnected_in_xero()
        self._truth.permission_problem(connection_id, str(problem))
        return problem

    def _still_listed(self, connection_id: UUID) -> bool:
        access, _ = self._custody.access(connection_id)
        tenant_id = self._session.get_one(XeroConnection, connection_id).xero_tenant_id
        self._session.commit()
        return any(tenant.tenant_id == tenant_id for tenant in self._oauth.tenants(access))

    def _leave_xero(self, connection_id: UUID) -> bool:
        """Remove the connection at Xero if it can be done, then erase our tokens in any case."""
        try:
            confirmed = self._tell_xero(connection_id)
        except (AccessLost, XeroError) as problem:
            self._session.rollback()
            logger.warning("Xero did not confirm leaving connection %s: %s", connection_id, problem)
            confirmed = False
        self._custody.erase(connection_id)
        self._session.commit()
        return confirmed

    def _tell_xero(self, connection_id: UUID) -> bool:
        access, _ = self._custody.access(connection_id)
        connection = self._session.get_one(XeroConnection, connection_id)
        at_xero, shared = connection.xero_connection_id, self._shares_grant(connection)
        secret = self._custody.refresh_secret(connection)
        self._session.commit()
        try:
            if at_xero:
                self._oauth.delete_connection(access, at_xero)
        except (XeroForbidden, XeroNotFound):
            logger.info("connection %s was already gone at Xero", connection_id)
        # Revoking ends every connection of that person: only when nobody else needs them.
        if secret is not None and not shared:
            self._oauth.revoke(secret)
        return True

    def _shares_grant(self, connection: XeroConnection) -> bool:
        if connection.xero_userid is None:
            return True
        others = self._session.scalar(
            select(func.count())
            .select_from(XeroConnection)
            .where(
                XeroConnection.xero_userid == connection.xero_userid,
                XeroConnection.id != connection.id,
                XeroConnection.status != ConnectionStatus.DISCONNECTED,
            )
        )
        return bool(others)

    def _remove_links(self, practice_id: UUID, connection_id: UUID) -> None:
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


def _pause(problem: XeroRateLimited) -> float:
    """Return for how many seconds nothing is asked; never more than a day, whatever is named."""
    if problem.retry_after is not None:
        return min(problem.retry_after, LONGEST_PAUSE)
    return UNNAMED_PAUSES.get(problem.problem or "", UNNAMED_PAUSE)


def _no_good_answer(problem: XeroError) -> str:
    if isinstance(problem, XeroAppRefused):
        # Nobody's connection is at fault, and none of them works: the operator's turn.
        return "Xero does not accept this installation's app."
    return "Xero did not answer properly."


def _hashed(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _reconnect_needed() -> ConnectionNotUsable:
    return ConnectionNotUsable(
        "Xero stopped accepting our access.",
        "Nothing is lost: work goes on by itself after a practice admin has reconnected Xero.",
    )


def _disconnected_in_xero() -> ConnectionNotUsable:
    return ConnectionNotUsable(
        "Someone removed chase.md under Connected apps in Xero.",
        "Nothing is lost: work goes on after a practice admin has connected Xero again.",
    )


def _stored(tenant: Tenant) -> dict[str, Any]:
    return {
        "connection_id": tenant.connection_id,
        "tenant_id": tenant.tenant_id,
        "tenant_type": tenant.tenant_type,
        "name": tenant.name,
        "auth_event_id": tenant.auth_event_id,
    }


def _tenant_from(stored: dict[str, Any]) -> Tenant:
    return Tenant(created_at=None, updated_at=None, **stored)
