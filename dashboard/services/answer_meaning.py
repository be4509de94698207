"""What an error of Xero's means for a connection: the rule by which statuses are told apart.

401 is cured once with fresh access; 401 again means that a person must reconnect. 403 is asked
about: an organisation that is no longer listed was disconnected inside Xero, one that is listed is
a problem of permission. Nothing else changes a status.
https://developer.xero.com/documentation/api/accounting/responsecodes
"""

from __future__ import annotations

import logging
from uuid import UUID

from dashboard.crypto import TokenUnreadable
from dashboard.database import AnySession
from dashboard.models import ConnectionStatus, XeroConnection
from dashboard.rules.connection_sentences import (
    ACCESS_LOST,
    ACCESS_UNREADABLE,
    KEY_AMISS,
    NO_REASON,
    REMOVED_IN_XERO,
)
from dashboard.rules.permissions import missing_permissions
from dashboard.services.access_in_use import AccessInUse
from dashboard.services.connection_truth import ConnectionTruth
from dashboard.services.key_checks import KeyChecks
from dashboard.services.leaving import Leaving
from dashboard.services.refusals import ConnectionNotUsable, NotConnected
from dashboard.services.token_custody import AccessLost, TokenCustody
from dashboard.xero import (
    Priority,
    WaitReason,
    XeroAppRefused,
    XeroError,
    XeroForbidden,
    XeroMustWait,
    XeroNoAnswer,
    XeroOAuth,
    XeroRateLimited,
    XeroUnauthorised,
    XeroUnavailable,
)
from dashboard.xero.governor import ROUNDING

logger = logging.getLogger(__name__)

# What a 429 that names no time is worth, by its limit: the rest of a minute, unless it says other.
UNNAMED_PAUSE = 60.0
UNNAMED_PAUSES = {"concurrent": 2.0, "day": 3600.0}
LONGEST_PAUSE = 86_400.0
OWN_COUNTS = (WaitReason.MINUTE, WaitReason.CONCURRENT, WaitReason.DAY, WaitReason.APP_MINUTE)
MISSING_SCOPE = "AuthorizationUnsuccessful"


class AnswerMeaning:
    """Reads errors, has them written down, and returns what the caller should see instead."""

    def __init__(
        self,
        *,
        session: AnySession,
        oauth: XeroOAuth,
        custody: TokenCustody,
        truth: ConnectionTruth,
        leaving: Leaving,
        keys: KeyChecks,
    ) -> None:
        self._session = session
        self._oauth = oauth
        self._custody = custody
        self._truth = truth
        self._leaving = leaving
        self._keys = keys

    def of(
        self,
        problem: Exception,
        connection_id: UUID,
        version: int | None = None,
        priority: Priority | None = None,
    ) -> Exception:
        """Record what *problem* says about the connection; return what the caller should see.

        *version* is that of the tokens in use when it happened, None if there were none; *priority*
        that of the call. Commits.
        """
        match problem:
            case AccessLost() | TokenUnreadable():
                return self._without_access(problem, connection_id)
            case XeroMustWait():
                self._must_wait(connection_id, problem, priority)
            case XeroRateLimited():
                seconds = _pause(problem)
                self._truth.must_wait(connection_id, seconds, problem.problem or "minute")
                return XeroMustWait(seconds, problem.problem or "minute")
            case XeroForbidden():
                return self._forbidden(connection_id, problem)
            case XeroUnauthorised() if MISSING_SCOPE in str(problem):
                return self._scope_missing(connection_id, problem)
            case XeroUnauthorised():
                return self._unauthorised(connection_id, version)
            case XeroUnavailable() | XeroNoAnswer() | XeroAppRefused():
                logger.warning("connection %s got no good answer: %s", connection_id, problem)
                self._truth.no_good_answer(connection_id, _no_good_answer(problem), problem)
            case _:
                # Xero answered and refused this one request: the connection itself works.
                self._truth.good_call(connection_id)
        return problem

    def still_listed(self, connection_id: UUID, access: AccessInUse, priority: Priority) -> bool:
        """Ask Xero whether the connection's organisation is still among the person's connections.

        Raises `AccessLost` and the errors of the call.
        """
        tenant_id = self._session.get_one(XeroConnection, connection_id).xero_tenant_id
        self._session.commit()
        listed = self._oauth.tenants(access.secret, priority=priority, refresh_access=access.renew)
        return any(tenant.tenant_id == tenant_id for tenant in listed)

    def gone(self, connection_id: UUID) -> ConnectionNotUsable:
        """Write down that somebody removed us inside Xero, and give back what is left there."""
        self._truth.gone_from_xero(connection_id)
        self._leaving.finish(connection_id)
        return disconnected_in_xero()

    def _must_wait(
        self, connection_id: UUID, problem: XeroMustWait, priority: Priority | None
    ) -> None:
        # Contacts stop first: whoever reads them waits alone, and documents may still go.
        if priority is not Priority.SYNC or problem.reason not in OWN_COUNTS:
            self._truth.must_wait(connection_id, problem.seconds, problem.reason)

    def _without_access(
        self, problem: AccessLost | TokenUnreadable, connection_id: UUID
    ) -> Exception:
        if isinstance(problem, TokenUnreadable):
            return self._unreadable(problem, connection_id)
        connection = self._session.get(XeroConnection, connection_id, populate_existing=True)
        left = connection is None or connection.status == ConnectionStatus.DISCONNECTED
        self._session.commit()
        return NotConnected() if left else reconnect_needed()

    def _unreadable(self, problem: TokenUnreadable, connection_id: UUID) -> Exception:
        """Tell a damaged value, which reconnecting mends, from a key that the operator must list.

        No connection may look lost because a key is missing, or listed with other bytes.
        """
        connection = self._session.get_one(XeroConnection, connection_id, populate_existing=True)
        key_id = connection.key_id
        self._session.commit()
        if key_id is not None and not self._keys.is_right(key_id):
            logger.error("connection %s needs master key %s: %s", connection_id, key_id, problem)
            silence = XeroNoAnswer(KEY_AMISS, maybe_sent=False)
            self._truth.no_good_answer(connection_id, KEY_AMISS, silence)
            return silence
        logger.error("the tokens of connection %s cannot be read: %s", connection_id, problem)
        version = problem.version
        if version is not None and self._truth.access_lost(
            connection_id, version, because=ACCESS_UNREADABLE
        ):
            return reconnect_needed(ACCESS_UNREADABLE)
        return XeroNoAnswer("The stored access has been replaced since.", maybe_sent=False)

    def _unauthorised(self, connection_id: UUID, version: int | None) -> Exception:
        if version is not None and self._truth.access_lost(connection_id, version):
            return reconnect_needed()
        # The tokens changed hands while we asked: what was refused is not what is stored now, and a
        # refused call has done nothing.
        sentence = "Xero refused an access token that has been replaced since."
        return XeroNoAnswer(sentence, maybe_sent=False)

    def _scope_missing(self, connection_id: UUID, problem: XeroError) -> Exception:
        connection = self._session.get_one(XeroConnection, connection_id, populate_existing=True)
        known = missing_permissions(connection.scopes)
        self._session.commit()
        # What the person did not allow is told as "Permission needed"; nothing new has happened.
        return problem if known else self._forbidden(connection_id, problem)

    def _forbidden(self, connection_id: UUID, problem: XeroError) -> Exception:
        """Tell a removed connection from a missing permission by asking for the connections.

        https://developer.xero.com/documentation/guides/oauth2/tenants
        """
        access: AccessInUse | None = None
        try:
            access = AccessInUse(self._custody, connection_id)
            listed = self.still_listed(connection_id, access, Priority.PERSON)
        except (
            AccessLost,
            TokenUnreadable,
            XeroMustWait,
            XeroRateLimited,
            XeroUnauthorised,
        ) as other:
            self._session.rollback()
            return self.of(other, connection_id, access.version if access else None)
        except XeroError as silence:
            self._session.rollback()
            self._truth.no_good_answer(connection_id, NO_REASON, problem)
            return XeroUnavailable(NO_REASON, status=silence.status)
        if not listed:
            return self.gone(connection_id)
        self._truth.permission_problem(connection_id, problem)
        return problem


def reconnect_needed(because: str | None = None) -> ConnectionNotUsable:
    """Return what everybody hears who asks for Xero while a person must reconnect."""
    return ConnectionNotUsable(
        because or ACCESS_LOST,
        "Nothing is lost: work goes on by itself after a practice admin has reconnected Xero.",
    )


def disconnected_in_xero() -> ConnectionNotUsable:
    """Return what everybody hears when the app was removed inside Xero."""
    return ConnectionNotUsable(
        REMOVED_IN_XERO,
        "Nothing is lost: work goes on after a practice admin has connected Xero again.",
    )


def _pause(problem: XeroRateLimited) -> float:
    """Return for how many seconds nothing is asked; never more than a day, whatever is named."""
    if problem.retry_after is not None:
        # The governor admits nobody earlier.
        return min(problem.retry_after, LONGEST_PAUSE) + ROUNDING
    return UNNAMED_PAUSES.get(problem.problem or "", UNNAMED_PAUSE)


def _no_good_answer(problem: XeroError) -> str:
    if isinstance(problem, XeroAppRefused):
        # Nobody's connection is at fault, and none of them works: the operator's turn.
        return "Xero does not accept this installation’s app."
    return f"Xero did not answer properly. {problem.message}"
