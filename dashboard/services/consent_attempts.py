"""Attempts to connect: a state that is good once, and a consent that is kept while it is asked."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import delete, select, update

from dashboard.crypto import TokenUnreadable
from dashboard.database import AnySession
from dashboard.models import OAuthAttempt
from dashboard.rules.consent_sentences import TOO_OLD
from dashboard.rules.organisation_change import OrganisationChange
from dashboard.secret import Secret
from dashboard.services.refusals import ChoiceNeeded, ConsentRefused
from dashboard.services.token_custody import (
    ACCESS,
    CODE_VERIFIER,
    NONCE,
    REFRESH,
    TokenCustody,
)
from dashboard.xero import Grant, Tenant, TokenSet

logger = logging.getLogger(__name__)

ATTEMPT_LIFE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Attempt:
    """Whose attempt it is."""

    id: UUID
    practice_id: UUID
    user_id: UUID


@dataclass(frozen=True, slots=True)
class Begun:
    """What goes to Xero with a new attempt; only the state comes back through the browser."""

    state: str
    nonce: str
    code_verifier: str | None


@dataclass(frozen=True, slots=True)
class Taken:
    """An attempt that came back from Xero, used up, with what was sent along."""

    attempt: Attempt
    nonce: str
    code_verifier: str | None


@dataclass(frozen=True, slots=True)
class KeptConsent:
    """A consent that waits for its person's answer.

    `asked_at` is when its access counts from. `change` is None while several organisations stand
    to choose from.
    """

    attempt: Attempt
    grant: Grant
    asked_at: datetime
    options: tuple[Tenant, ...]
    change: OrganisationChange | None


class ConsentAttempts:
    """Keeps attempts, their secrets locked. Each method commits."""

    def __init__(
        self, *, session: AnySession, custody: TokenCustody, clock: Callable[[], datetime]
    ) -> None:
        self._session = session
        self._custody = custody
        self._clock = clock

    def begin(
        self, practice_id: UUID, user_id: UUID, browser_key: str, *, with_verifier: bool
    ) -> Begun:
        """Remember a new attempt, for ten minutes and one use in this browser session."""
        now, attempt_id = self._clock(), uuid4()
        begun = Begun(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            code_verifier=secrets.token_urlsafe(48) if with_verifier else None,
        )

        def locked(name: str, value: str) -> str:
            return self._custody.lock(practice_id, attempt_id, name, 0, Secret(value))

        # Those that keep a consent are not only deleted: it is given back, see `abandoned`.
        self._session.execute(
            delete(OAuthAttempt).where(
                OAuthAttempt.expires_at < now, OAuthAttempt.choices.is_(None)
            )
        )
        verifier = begun.code_verifier
        self._session.add(
            OAuthAttempt(
                id=attempt_id,
                practice_id=practice_id,
                user_id=user_id,
                browser_hash=_hashed(browser_key),
                state_hash=_hashed(begun.state),
                nonce_encrypted=locked(NONCE, begun.nonce),
                code_verifier_encrypted=locked(CODE_VERIFIER, verifier) if verifier else None,
                created_at=now,
                expires_at=now + ATTEMPT_LIFE,
            )
        )
        self._session.commit()
        return begun

    def take(self, practice_id: UUID, user_id: UUID, browser_key: str, state: str) -> Taken:
        """Use up the attempt that *state* belongs to.

        Raises `ConsentRefused` unless it was begun by this person in this browser session, is not
        used and not old.
        """
        row = self._session.execute(
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
            .returning(
                OAuthAttempt.id, OAuthAttempt.nonce_encrypted, OAuthAttempt.code_verifier_encrypted
            )
        ).one_or_none()
        self._session.commit()
        if row is None:
            raise ConsentRefused.saying(TOO_OLD)
        attempt = Attempt(row[0], practice_id, user_id)
        nonce = self._opened(attempt, NONCE, row[1]).reveal()
        verifier = self._opened(attempt, CODE_VERIFIER, row[2]).reveal() if row[2] else None
        self._session.commit()
        return Taken(attempt, nonce, verifier)

    def keep(
        self,
        attempt: Attempt,
        grant: Grant,
        asked_at: datetime,
        options: Iterable[Tenant],
        change: OrganisationChange | None,
    ) -> ChoiceNeeded:
        """Keep the consent for ten minutes more; return what its person is asked by."""

        def locked(column: str, token: Secret) -> str:
            return self._custody.lock(attempt.practice_id, attempt.id, column, 0, token)

        self._session.execute(
            update(OAuthAttempt)
            .where(OAuthAttempt.id == attempt.id)
            .values(
                access_token_encrypted=locked(ACCESS, grant.tokens.access),
                refresh_token_encrypted=locked(REFRESH, grant.tokens.refresh),
                token_expires_at=asked_at + timedelta(seconds=grant.tokens.expires_in),
                grant={
                    "scopes": list(grant.tokens.scopes),
                    "xero_userid": grant.xero_userid,
                    "email": grant.email,
                    "name": grant.name,
                    "authentication_event_id": grant.authentication_event_id,
                },
                choices=[_stored(tenant) for tenant in options],
                change=asdict(change) if change is not None else None,
                expires_at=self._clock() + ATTEMPT_LIFE,
            )
        )
        self._session.commit()
        return ChoiceNeeded(str(attempt.id))

    def question(
        self, practice_id: UUID, user_id: UUID, attempt_id: UUID
    ) -> tuple[tuple[Tenant, ...], OrganisationChange | None]:
        """Return the options of a kept consent and what the change would mean; opens no token."""
        row = self._open_row(practice_id, user_id, attempt_id)
        return _tenants_of(row), _change_of(row)

    def kept(self, practice_id: UUID, user_id: UUID, attempt_id: UUID) -> KeptConsent:
        """Return a kept consent; raises `ConsentRefused` when it is too old, or not this one's."""
        return self._consent_of(self._open_row(practice_id, user_id, attempt_id))

    def abandoned(self, attempt_id: UUID) -> KeptConsent | None:
        """Return a kept consent whose time is over, if there is one that can be read."""
        row = self._session.scalar(
            select(OAuthAttempt).where(
                OAuthAttempt.id == attempt_id,
                OAuthAttempt.choices.is_not(None),
                OAuthAttempt.expires_at <= self._clock(),
            )
        )
        if row is None:
            return None
        try:
            return self._consent_of(row)
        except ConsentRefused:
            # What cannot be opened cannot be given back either: the row itself is all we can end.
            self.drop(attempt_id)
            return None

    def drop(self, attempt_id: UUID) -> None:
        """Forget an attempt with all that it keeps."""
        self._session.execute(delete(OAuthAttempt).where(OAuthAttempt.id == attempt_id))
        self._session.commit()

    def _open_row(self, practice_id: UUID, user_id: UUID, attempt_id: UUID) -> OAuthAttempt:
        row = self._session.scalar(
            select(OAuthAttempt).where(
                OAuthAttempt.id == attempt_id,
                OAuthAttempt.practice_id == practice_id,
                OAuthAttempt.user_id == user_id,
                OAuthAttempt.choices.is_not(None),
                OAuthAttempt.expires_at > self._clock(),
            )
        )
        if row is None or row.choices is None:
            raise ConsentRefused.saying(TOO_OLD)
        return row

    def _consent_of(self, row: OAuthAttempt) -> KeptConsent:
        attempt = Attempt(row.id, row.practice_id, row.user_id)
        kept, now = row.grant or {}, self._custody.now()
        expires_at = row.token_expires_at or now
        tokens = TokenSet(
            access=self._opened(attempt, ACCESS, row.access_token_encrypted),
            refresh=self._opened(attempt, REFRESH, row.refresh_token_encrypted),
            expires_in=max(0, int((expires_at - now).total_seconds())),
            scopes=tuple(kept.get("scopes", ())),
        )
        grant = Grant(
            tokens=tokens,
            xero_userid=kept.get("xero_userid"),
            email=kept.get("email"),
            name=kept.get("name"),
            authentication_event_id=kept.get("authentication_event_id"),
        )
        consent = KeptConsent(attempt, grant, now, _tenants_of(row), _change_of(row))
        self._session.commit()
        return consent

    def _opened(self, attempt: Attempt, column: str, stored: str | None) -> Secret:
        try:
            return self._custody.open(attempt.practice_id, attempt.id, column, 0, stored or "")
        except TokenUnreadable as problem:
            self._session.rollback()
            logger.warning("attempt %s cannot be opened: %s", attempt.id, problem)
            raise ConsentRefused.saying(TOO_OLD) from problem


def _hashed(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _tenants_of(row: OAuthAttempt) -> tuple[Tenant, ...]:
    return tuple(Tenant(created_at=None, updated_at=None, **stored) for stored in row.choices or [])


def _change_of(row: OAuthAttempt) -> OrganisationChange | None:
    return msgspec.convert(row.change, OrganisationChange) if row.change else None


def _stored(tenant: Tenant) -> dict[str, Any]:
    return {
        "connection_id": tenant.connection_id,
        "tenant_id": tenant.tenant_id,
        "tenant_type": tenant.tenant_type,
        "name": tenant.name,
        "auth_event_id": tenant.auth_event_id,
    }
