"""What many projects do, kept to show that the harnesses see it: each of these must turn red.

They do the same work on the same rows as the product's custody, and lack one thought each.
"""

from __future__ import annotations

import time
from uuid import UUID

import redis
from sqlalchemy import update

from dashboard import wiring
from dashboard.database import db
from dashboard.models import ConnectionStatus, XeroConnection
from dashboard.secret import Secret
from dashboard.services.token_custody import TokenCustody
from dashboard.xero import XeroError, XeroGrantRefused
from tests.storm.installation import Pace, custody


class RedisLock:
    """Refreshes under a Redis lock that runs out: once an answer is slower, two refresh at once."""

    def __init__(self, pace: Pace, redis_url: str, ttl: float) -> None:
        self._pace = pace
        self._custody = custody(pace)
        self._redis = redis.Redis.from_url(redis_url)
        self._ttl = ttl

    def refresh(self, connection_id: UUID, seen_version: int) -> None:
        """Refresh the tokens unless somebody else already did."""
        lock = f"naive:{connection_id}"
        while not self._redis.set(lock, "1", nx=True, px=round(self._ttl * 1000)):
            time.sleep(0.005)
        try:
            _refresh_once(self._custody, self._pace, connection_id, seen_version)
        finally:
            # Whoever holds it by now.
            self._redis.delete(lock)


class TakenOffTheList:
    """Clears the due time first, so that no other worker comes: neither does one after a crash."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._custody = custody(pace)

    def refresh_if_due(self, connection_id: UUID) -> None:
        """Refresh the tokens if they are due."""
        version = self._custody.due_version(connection_id)
        if version is None:
            return
        db.session.execute(
            update(XeroConnection)
            .where(XeroConnection.id == connection_id)
            .values(refresh_due_at=None)
        )
        db.session.commit()
        _refresh_once(self._custody, self._pace, connection_id, version)


class AnyFailureIsTheEnd:
    """Takes every failed refresh for a lost consent."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._custody = custody(pace)

    def refresh_if_due(self, connection_id: UUID) -> None:
        """Refresh the tokens if they are due."""
        version = self._custody.due_version(connection_id)
        if version is None:
            return
        try:
            _refresh_once(self._custody, self._pace, connection_id, version)
        except XeroError:
            db.session.rollback()
            _end(connection_id)


def _refresh_once(store: TokenCustody, pace: Pace, connection_id: UUID, seen_version: int) -> None:
    db.session.rollback()
    connection = db.session.get_one(XeroConnection, connection_id, populate_existing=True)
    if connection.token_version != seen_version or connection.status != ConnectionStatus.ACTIVE:
        db.session.rollback()
        return
    old = store.refresh_secret(connection)
    db.session.commit()
    try:
        tokens = wiring.outside().oauth.refresh(old or Secret(""))
    except XeroGrantRefused:
        _end(connection_id)
        return
    connection = db.session.get_one(XeroConnection, connection_id, populate_existing=True)
    for name, value in store.columns_for(connection, tokens, pace.now()).items():
        setattr(connection, name, value)
    db.session.commit()


def _end(connection_id: UUID) -> None:
    db.session.execute(
        update(XeroConnection)
        .where(XeroConnection.id == connection_id)
        .values(status=ConnectionStatus.TOKEN_EXPIRED, refresh_due_at=None)
    )
    db.session.commit()
