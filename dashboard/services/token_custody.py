"""Token custody: where tokens are locked away, and how exactly one worker refreshes them.

Xero replaces the refresh token at every use, so two refreshes with the same one can end the
connection. Therefore a refresher takes a lease on the row, calls Xero with no transaction open, and
writes only while the lease and the token version are still those it took: whoever lost the lease
writes nothing. A worker that dies in between leaves a row that is due; the next one repeats the
call with the stored token, which Xero accepts for 30 minutes if the answer was never received.
https://developer.xero.com/documentation/guides/oauth2/token-types
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select, update

from dashboard.crypto import TokenCipher, TokenPlace, new_salt
from dashboard.database import AnySession, insert_for
from dashboard.models import ConnectionStatus, PracticeSalt, XeroConnection
from dashboard.rules.phase import (
    REFRESH_EVERY,
    REFRESH_LEASE,
    is_refresh_due,
    latest_lease_end,
    needs_refresh,
    refresh_turn,
)
from dashboard.secret import Secret
from dashboard.services.connection_truth import ConnectionTruth
from dashboard.xero import (
    TokenSet,
    XeroError,
    XeroGrantRefused,
    XeroMustWait,
    XeroNoAnswer,
    XeroOAuth,
    XeroRateLimited,
    XeroUnavailable,
)

logger = logging.getLogger(__name__)

# The lease of 30 seconds outlives the 20 that one call may take in total, so that two never
# overlap; whoever was held up for so long after taking it does not begin the call any more.
LATEST_START = timedelta(seconds=5)
WAIT_FOR_OTHERS = timedelta(seconds=25)
LOOK_EVERY_SECONDS = 0.2
RETRY_AFTER = timedelta(minutes=1)
# While a refresh does not work, what is there is used down to this last minute of its life.
LAST_LIFE = timedelta(minutes=1)
# Xero accepts the replaced refresh token for 30 minutes if its successor was never received.
# https://developer.xero.com/faq/oauth2
GRACE = timedelta(minutes=30)
ACCESS = "access_token"
REFRESH = "refresh_token"
PREVIOUS = "previous_refresh_token"
NONCE = "nonce"
CODE_VERIFIER = "code_verifier"


class AccessLost(Exception):
    """Xero refused the refresh token for good, or there is none (any more)."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to refresh one version of one connection's tokens, for 30 seconds.

    `owner` is new for each lease; `asked_at` is the database's time at which it was taken and
    `taken_at` the same by this process's own stopwatch. `refresh_token` is still locked.
    """

    connection_id: UUID
    practice_id: UUID
    version: int
    owner: str
    asked_at: datetime
    taken_at: float
    refresh_token: str = field(repr=False)


class TokenCustody:
    """Locks, opens and refreshes the tokens of connections.

    *clock* is the time that all workers share, the database's, and is asked inside a transaction;
    *monotonic* is this process's stopwatch. *owner* names the worker on its leases.
    """

    def __init__(
        self,
        *,
        session: AnySession,
        oauth: XeroOAuth,
        cipher: TokenCipher,
        truth: ConnectionTruth,
        clock: Callable[[], datetime],
        pause: Callable[[float], None],
        owner: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._oauth = oauth
        self._cipher = cipher
        self._truth = truth
        self._clock = clock
        self._pause = pause
        self._owner = owner
        self._monotonic = monotonic

    def now(self) -> datetime:
        """Return the time that all workers share; opens a transaction."""
        return self._clock()

    # -- under lock and key -------------------------------------------------------------------

    def salt_of(self, practice_id: UUID) -> bytes:
        """Return the practice's salt, made at the first need."""
        wanted = select(PracticeSalt.salt).where(PracticeSalt.practice_id == practice_id)
        salt = self._session.scalar(wanted)
        if salt is None:
            self._session.execute(
                insert_for(self._session)(PracticeSalt)
                .values(practice_id=practice_id, salt=new_salt())
                .on_conflict_do_nothing()
            )
            salt = self._session.scalar(wanted)
        assert salt is not None  # noqa: S101 - inserted above
        return salt

    def lock(
        self, practice_id: UUID, row_id: UUID, column: str, version: int, token: Secret
    ) -> str:
        """Return *token* as the text that is stored in that row, column and version only."""
        place = TokenPlace(practice_id, row_id, column, version)
        return self._cipher.lock(token, self.salt_of(practice_id), place)

    def open(
        self, practice_id: UUID, row_id: UUID, column: str, version: int, stored: str
    ) -> Secret:
        """Return the token that was stored there, or raise `TokenUnreadable`."""
        place = TokenPlace(practice_id, row_id, column, version)
        return self._cipher.open(stored, self.salt_of(practice_id), place)

    def columns_for(
        self, connection: XeroConnection, tokens: TokenSet, asked_at: datetime
    ) -> dict[str, object]:
        """Return the column values that put *tokens* into the row under its next version.

        *asked_at* is when Xero was asked for them, by the time that all workers share (`now`).
        """
        version = connection.token_version + 1
        return self._columns(
            connection.practice_id, connection.id, tokens, version=version, asked_at=asked_at
        )

    def erase(self, connection_id: UUID) -> None:
        """Delete our copy of the tokens; part of the caller's transaction."""
        self._session.execute(
            update(XeroConnection)
            .where(XeroConnection.id == connection_id)
            .values(
                access_token_encrypted=None,
                refresh_token_encrypted=None,
                previous_refresh_token_encrypted=None,
                previous_refresh_token_until=None,
                token_expires_at=None,
                # A refresh that is under way finds another version and stores nothing.
                token_version=XeroConnection.token_version + 1,
                refresh_due_at=None,
                refresh_started_at=None,
                refresh_lease_owner=None,
                refresh_lease_until=None,
            )
        )

    def refresh_secret(self, connection: XeroConnection) -> Secret | None:
        """Return the refresh token, if the row still has one."""
        stored = connection.refresh_token_encrypted
        if stored is None:
            return None
        version = connection.token_version
        return self.open(connection.practice_id, connection.id, REFRESH, version, stored)

    # -- access -------------------------------------------------------------------------------

    def access(self, connection_id: UUID) -> tuple[Secret, int]:
        """Return an access token with five minutes of life or more, and its version.

        While a refresh does not work, a token with a minute of life is given too. Raises
        `AccessLost`, or the error of the refresh when one was needed and did not work; where it is
        `XeroNoAnswer`, nothing was asked of the organisation.
        """
        connection = self._read(connection_id)
        if self._lacks_life(connection) and not self._may_wait(connection):
            connection = self._refreshed_or_alive(connection_id, connection.token_version)
        return self._open_access(connection)

    def due_version(self, connection_id: UUID) -> int | None:
        """Return the version of the tokens whose turn to be refreshed has come, else None."""
        connection = self._session.get(XeroConnection, connection_id, populate_existing=True)
        if connection is None or not self._is_due(connection):
            return None
        return connection.token_version

    def refresh(self, connection_id: UUID, seen_version: int) -> XeroConnection:
        """Return the row with tokens newer than *seen_version*, refreshed by us or by another.

        Raises `AccessLost` when Xero refused for good, `XeroMustWait` when another worker has been
        at it for too long or has failed a moment ago, and the Xero errors of our own call.
        """
        gives_up_at = self._monotonic() + WAIT_FOR_OTHERS.total_seconds()
        waited = False
        while True:
            connection = self._read(connection_id)
            if connection.token_version != seen_version:
                return connection
            if waited and connection.refresh_lease_owner is None:
                # Asking once more in the same moment would only ask a troubled Xero twice.
                raise XeroMustWait(RETRY_AFTER.total_seconds(), "token")
            lease = self._take_lease(connection)
            if lease is not None:
                self._refresh_under(lease)
            elif self._monotonic() >= gives_up_at:
                raise XeroMustWait(REFRESH_LEASE.total_seconds(), "token")
            else:
                waited = True
                self._pause(LOOK_EVERY_SECONDS)

    # -- inside -------------------------------------------------------------------------------

    def _columns(
        self,
        practice_id: UUID,
        connection_id: UUID,
        tokens: TokenSet,
        *,
        version: int,
        asked_at: datetime,
        replaced: Secret | None = None,
    ) -> dict[str, object]:
        salt = self.salt_of(practice_id)

        def locked(column: str, token: Secret) -> str:
            place = TokenPlace(practice_id, connection_id, column, version)
            return self._cipher.lock(token, salt, place)

        # Counted from our own question: Xero's clock and ours need not agree, and no token is
        # older than the question for it.
        expires_at = asked_at + timedelta(seconds=tokens.expires_in)
        return {
            "access_token_encrypted": locked(ACCESS, tokens.access),
            "refresh_token_encrypted": locked(REFRESH, tokens.refresh),
            "previous_refresh_token_encrypted": locked(PREVIOUS, replaced) if replaced else None,
            "previous_refresh_token_until": asked_at + GRACE if replaced else None,
            "key_id": self._cipher.newest_key_id,
            "token_version": version,
            "token_expires_at": expires_at,
            "token_last_refreshed_at": asked_at,
            "refresh_due_at": refresh_turn(practice_id, asked_at, expires_at),
            "refresh_started_at": None,
            "refresh_lease_owner": None,
            "refresh_lease_until": None,
        }

    def _lacks_life(self, connection: XeroConnection) -> bool:
        asked_at, expires_at = connection.token_last_refreshed_at, connection.token_expires_at
        return needs_refresh(self._clock(), asked_at, expires_at)

    def _is_due(self, connection: XeroConnection) -> bool:
        return is_refresh_due(connection.refresh_due_at, self._clock())

    def _is_alive(self, connection: XeroConnection) -> bool:
        expires_at = connection.token_expires_at
        return expires_at is not None and expires_at - self._clock() > LAST_LIFE

    def _may_wait(self, connection: XeroConnection) -> bool:
        """Whether a try has failed, the next is not due yet, and what is there still serves."""
        has_failed = connection.refresh_started_at is not None
        return has_failed and not self._is_due(connection) and self._is_alive(connection)

    def _refreshed_or_alive(self, connection_id: UUID, seen_version: int) -> XeroConnection:
        try:
            return self.refresh(connection_id, seen_version)
        except XeroError as problem:
            connection = self._read(connection_id)
            if self._is_alive(connection):
                logger.warning("connection %s keeps its access: %s", connection_id, problem)
                return connection
            if isinstance(problem, XeroUnavailable | XeroNoAnswer):
                # Nobody must think that the call which needed the access may have reached Xero.
                sentence = "Xero did not give us new access."
                raise XeroNoAnswer(sentence, maybe_sent=False) from problem
            raise

    def _open_access(self, connection: XeroConnection) -> tuple[Secret, int]:
        """Return the access token and its version, with no transaction open."""
        stored, version = connection.access_token_encrypted, connection.token_version
        if stored is None:
            raise AccessLost
        token = self.open(connection.practice_id, connection.id, ACCESS, version, stored)
        self._session.commit()
        return token, version

    def _read(self, connection_id: UUID) -> XeroConnection:
        """Return the row as it is now; raises when it is not one to be refreshed."""
        self._session.rollback()
        connection = self._session.get(XeroConnection, connection_id, populate_existing=True)
        if connection is None or connection.refresh_token_encrypted is None:
            raise AccessLost
        if connection.status == ConnectionStatus.TOKEN_EXPIRED:
            raise AccessLost
        return connection

    def _take_lease(self, connection: XeroConnection) -> Lease | None:
        """Return the lease on the tokens as they were read, or None while another holds one."""
        taken_at, asked_at = self._monotonic(), self._clock()
        held_until = connection.refresh_lease_until
        if held_until is not None and held_until > asked_at:
            self._shorten(connection, asked_at)
            self._session.commit()
            return None
        owner = f"{self._owner}#{secrets.token_hex(4)}"
        connection_id, version = connection.id, connection.token_version
        taken = self._session.execute(
            update(XeroConnection)
            .where(
                XeroConnection.id == connection_id,
                XeroConnection.token_version == version,
                XeroConnection.status != ConnectionStatus.TOKEN_EXPIRED,
                XeroConnection.refresh_token_encrypted.is_not(None),
                or_(
                    XeroConnection.refresh_lease_until.is_(None),
                    XeroConnection.refresh_lease_until <= asked_at,
                ),
            )
            .values(
                refresh_lease_owner=owner,
                refresh_lease_until=asked_at + REFRESH_LEASE,
                # The intent, and the promise: if we die now, the sweep finds a row that is due.
                refresh_started_at=asked_at,
                refresh_due_at=asked_at,
            )
            .returning(XeroConnection.practice_id, XeroConnection.refresh_token_encrypted)
            .execution_options(synchronize_session=False)
        ).first()
        self._session.commit()
        if taken is None:
            return None
        return Lease(
            connection_id=connection_id,
            practice_id=taken.practice_id,
            version=version,
            owner=owner,
            asked_at=asked_at,
            taken_at=taken_at,
            # The condition above leaves no row without one.
            refresh_token=taken.refresh_token_encrypted or "",
        )

    def _shorten(self, connection: XeroConnection, now: datetime) -> None:
        """Bring a lease that a wrong clock made too long down to one that begins now."""
        held_until = connection.refresh_lease_until
        if held_until is None or held_until <= latest_lease_end(now):
            return
        self._session.execute(
            update(XeroConnection)
            .where(
                XeroConnection.id == connection.id,
                XeroConnection.refresh_lease_until == held_until,
            )
            .values(refresh_lease_until=now + REFRESH_LEASE)
            .execution_options(synchronize_session=False)
        )

    def _refresh_under(self, lease: Lease) -> None:
        """Refresh; the row tells the outcome. Raises when Xero refused or did not answer."""
        try:
            secret = self._open_leased(lease)
            tokens = self._oauth.refresh(secret)
        except XeroGrantRefused:
            self._refused(lease)
        except BaseException as problem:
            self._give_back(lease, _pause_after(problem))
            raise
        else:
            self._store(lease, tokens, secret)

    def _open_leased(self, lease: Lease) -> Secret:
        """Return the refresh token, with no transaction open and enough of the lease left."""
        secret = self.open(
            lease.practice_id, lease.connection_id, REFRESH, lease.version, lease.refresh_token
        )
        # By both: a stopwatch may stand still while the machine sleeps, a clock may be put back.
        by_stopwatch = timedelta(seconds=self._monotonic() - lease.taken_at)
        held_up_for = max(by_stopwatch, self._clock() - lease.asked_at)
        self._session.commit()
        if held_up_for > LATEST_START:
            raise XeroMustWait(LOOK_EVERY_SECONDS, "token")
        return secret

    def _store(self, lease: Lease, tokens: TokenSet, replaced: Secret) -> None:
        values = self._columns(
            lease.practice_id,
            lease.connection_id,
            tokens,
            version=lease.version + 1,
            asked_at=lease.asked_at,
            replaced=replaced,
        )
        if self._write(lease, values):
            logger.info("refreshed the tokens of connection %s", lease.connection_id)
        else:
            logger.warning("lost the refresh lease of connection %s", lease.connection_id)

    def _refused(self, lease: Lease) -> None:
        """Believe a refusal only while nobody else can have rotated the token in the meantime."""
        connection_id, version, owner = lease.connection_id, lease.version, lease.owner
        if self._truth.access_lost(connection_id, version, lease_owner=owner):
            logger.warning("Xero refused the refresh token of connection %s", connection_id)
            raise AccessLost
        if self._give_back(lease, RETRY_AFTER):
            # Still ours, but disconnected in the meantime: there is nothing more to be had.
            raise AccessLost
        logger.info("a refusal to connection %s came too late to mean anything", connection_id)

    def _give_back(self, lease: Lease, try_again_after: timedelta) -> bool:
        self._session.rollback()
        due_at = self._clock() + try_again_after
        freed = {"refresh_lease_owner": None, "refresh_lease_until": None}
        return self._write(lease, {**freed, "refresh_due_at": due_at})

    def _write(self, lease: Lease, values: dict[str, object]) -> bool:
        """Write and commit if the lease and the version are still those that were taken."""
        written = self._session.execute(
            update(XeroConnection)
            .where(
                XeroConnection.id == lease.connection_id,
                XeroConnection.token_version == lease.version,
                XeroConnection.refresh_lease_owner == lease.owner,
            )
            .values(**values)
            .returning(XeroConnection.id)
            .execution_options(synchronize_session=False)
        ).first()
        self._session.commit()
        return written is not None


def _pause_after(problem: BaseException) -> timedelta:
    """Return when to try again: in a minute, or when Xero asked for it, within the usual turn."""
    asked = problem.retry_after if isinstance(problem, XeroRateLimited) else None
    if asked is None:
        return RETRY_AFTER
    return min(max(timedelta(seconds=asked), RETRY_AFTER), REFRESH_EVERY)
