"""Token custody: where tokens are locked away, and how exactly one worker refreshes them.

Xero replaces the refresh token at every use, so two refreshes with the same one end the connection.
Therefore a refresher takes a lease on the row, looks again under it, calls Xero with no transaction
open, and writes with the token version that it read: whoever lost the lease writes nothing.
https://developer.xero.com/documentation/guides/oauth2/token-types
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select, update

from dashboard.crypto import TokenCipher, TokenPlace, new_salt
from dashboard.database import AnySession, insert_for
from dashboard.models import ConnectionStatus, PracticeSalt, XeroConnection
from dashboard.secret import Secret
from dashboard.services.connection_truth import ConnectionTruth
from dashboard.xero import TokenSet, XeroGrantRefused, XeroMustWait, XeroOAuth

logger = logging.getLogger(__name__)

REFRESH_EVERY = timedelta(minutes=25)
REFRESH_AHEAD = timedelta(minutes=5)
# The lease outlives the 20 seconds that one call may take in total, so that two never overlap.
LEASE = timedelta(seconds=30)
WAIT_FOR_OTHERS = timedelta(seconds=25)
LOOK_EVERY_SECONDS = 0.2
RETRY_AFTER = timedelta(minutes=1)
# Xero accepts the replaced refresh token for 30 minutes if its successor was never received.
# https://developer.xero.com/faq/oauth2
GRACE = timedelta(minutes=30)
ACCESS = "access_token"
REFRESH = "refresh_token"
PREVIOUS = "previous_refresh_token"


class AccessLost(Exception):
    """Xero refused the refresh token for good; the row says `token_expired` now."""


class TokenCustody:
    """Locks, opens and refreshes the tokens of connections."""

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
    ) -> None:
        self._session = session
        self._oauth = oauth
        self._cipher = cipher
        self._truth = truth
        self._clock = clock
        self._pause = pause
        self._owner = owner

    def salt_of(self, practice_id: UUID) -> bytes:
        """Return the practice's salt, made at the first need."""
        self._session.execute(
            insert_for(self._session)(PracticeSalt)
            .values(practice_id=practice_id, salt=new_salt())
            .on_conflict_do_nothing()
        )
        salt = self._session.scalar(
            select(PracticeSalt.salt).where(PracticeSalt.practice_id == practice_id)
        )
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
        self,
        connection: XeroConnection,
        tokens: TokenSet,
        received_at: datetime,
        replaced: Secret | None = None,
    ) -> dict[str, object]:
        """Return the column values that put *tokens* into the row under its next version."""
        version = connection.token_version + 1

        def locked(column: str, token: Secret) -> str:
            return self.lock(connection.practice_id, connection.id, column, version, token)

        return {
            "access_token_encrypted": locked(ACCESS, tokens.access),
            "refresh_token_encrypted": locked(REFRESH, tokens.refresh),
            "previous_refresh_token_encrypted": locked(PREVIOUS, replaced) if replaced else None,
            "previous_refresh_token_until": received_at + GRACE if replaced else None,
            "key_id": self._cipher.newest_key_id,
            "token_version": version,
            # Counted from our own receipt: Xero's clock and ours need not agree.
            "token_expires_at": received_at + timedelta(seconds=tokens.expires_in),
            "token_last_refreshed_at": received_at,
            "refresh_due_at": received_at + REFRESH_EVERY,
            "refresh_started_at": None,
            "refresh_lease_owner": None,
            "refresh_lease_until": None,
        }

    def access(self, connection_id: UUID) -> tuple[Secret, int]:
        """Return an access token with five minutes of life or more, and its version.

        Raises `AccessLost`, or the error of the refresh when one was needed and did not work.
        """
        connection = self._read(connection_id)
        if self._needs_refresh(connection):
            connection = self.refresh(connection_id, connection.token_version)
        return self._open_access(connection), connection.token_version

    def refresh(self, connection_id: UUID, seen_version: int) -> XeroConnection:
        """Return the row with tokens newer than *seen_version*, refreshed by us or by another.

        Raises `AccessLost` when Xero refused for good, `XeroMustWait` when another worker has been
        at it for too long, and the Xero errors of a call that did not work.
        """
        until = self._clock() + WAIT_FOR_OTHERS
        while True:
            connection = self._read(connection_id)
            if connection.token_version != seen_version:
                return connection
            if self._take_lease(connection_id, seen_version):
                return self._refresh_under_lease(connection_id)
            if self._clock() >= until:
                raise XeroMustWait(LEASE.total_seconds(), "token")
            self._pause(LOOK_EVERY_SECONDS)

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
                token_version=XeroConnection.token_version + 1,
                refresh_due_at=None,
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

    def _needs_refresh(self, connection: XeroConnection) -> bool:
        expires_at = connection.token_expires_at
        return expires_at is None or expires_at - self._clock() < REFRESH_AHEAD

    def _open_access(self, connection: XeroConnection) -> Secret:
        stored = connection.access_token_encrypted
        if stored is None:
            raise AccessLost
        version = connection.token_version
        token = self.open(connection.practice_id, connection.id, ACCESS, version, stored)
        self._session.commit()
        return token

    def _read(self, connection_id: UUID) -> XeroConnection:
        """Return the row as it is now; raises when it is not one to be refreshed."""
        self._session.rollback()
        connection = self._session.get(XeroConnection, connection_id, populate_existing=True)
        if connection is None or connection.refresh_token_encrypted is None:
            raise AccessLost
        if connection.status == ConnectionStatus.TOKEN_EXPIRED:
            raise AccessLost
        return connection

    def _take_lease(self, connection_id: UUID, seen_version: int) -> bool:
        now = self._clock()
        taken = self._session.execute(
            update(XeroConnection)
            .where(
                XeroConnection.id == connection_id,
                XeroConnection.token_version == seen_version,
                or_(
                    XeroConnection.refresh_lease_until.is_(None),
                    XeroConnection.refresh_lease_until < now,
                ),
            )
            .values(
                refresh_lease_owner=self._owner,
                refresh_lease_until=now + LEASE,
                # The intent: a worker that finds it knows that a call may have been under way.
                refresh_started_at=now,
            )
            .returning(XeroConnection.id)
        ).first()
        self._session.commit()
        return taken is not None

    def _refresh_under_lease(self, connection_id: UUID) -> XeroConnection:
        connection = self._read(connection_id)
        version = connection.token_version
        secret = self.refresh_secret(connection)
        self._session.commit()
        if secret is None:
            raise AccessLost
        try:
            tokens = self._oauth.refresh(secret)
        except XeroGrantRefused:
            return self._refused(connection_id, version)
        except BaseException:
            self._give_back(connection_id, version)
            raise
        return self._store(connection_id, version, tokens, secret)

    def _store(
        self, connection_id: UUID, version: int, tokens: TokenSet, replaced: Secret
    ) -> XeroConnection:
        connection = self._session.get_one(XeroConnection, connection_id, populate_existing=True)
        stored = self._session.execute(
            update(XeroConnection)
            .where(
                XeroConnection.id == connection_id,
                XeroConnection.token_version == version,
                XeroConnection.refresh_lease_owner == self._owner,
            )
            .values(**self.columns_for(connection, tokens, self._clock(), replaced))
            .returning(XeroConnection.id)
        ).first()
        self._session.commit()
        if stored is None:
            logger.warning("lost the refresh lease of connection %s", connection_id)
        else:
            logger.info("refreshed the tokens of connection %s", connection_id)
        return self._read(connection_id)

    def _refused(self, connection_id: UUID, version: int) -> XeroConnection:
        """Believe a refusal only if nobody else has rotated the token in the meantime."""
        if not self._truth.access_lost(connection_id, version):
            return self._read(connection_id)
        logger.warning("Xero refused the refresh token of connection %s", connection_id)
        raise AccessLost

    def _give_back(self, connection_id: UUID, version: int) -> None:
        self._session.rollback()
        self._session.execute(
            update(XeroConnection)
            .where(
                XeroConnection.id == connection_id,
                XeroConnection.token_version == version,
                XeroConnection.refresh_lease_owner == self._owner,
            )
            .values(
                refresh_lease_owner=None,
                refresh_lease_until=None,
                refresh_due_at=self._clock() + RETRY_AFTER,
            )
        )
        self._session.commit()
