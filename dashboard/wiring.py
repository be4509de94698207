"""The only place where collaborators meet: plain functions that build each service.

Called inside an app context; web, worker and scheduler build the same from the same settings.
"""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable
from threading import get_ident
from typing import cast

from argon2 import PasswordHasher
from flask import Flask, current_app
from redis import Redis

from dashboard.clock import utcnow
from dashboard.config import Settings
from dashboard.crypto import TokenCipher
from dashboard.database import db
from dashboard.secret import Secret
from dashboard.services.alerts import AlertService
from dashboard.services.call_notes import CallNotes
from dashboard.services.clients import ClientService
from dashboard.services.connection_truth import ConnectionTruth
from dashboard.services.documents import DocumentService
from dashboard.services.import_drafts import ImportDraftService
from dashboard.services.practices import PracticeService
from dashboard.services.preferences import PreferenceService
from dashboard.services.token_custody import TokenCustody
from dashboard.services.virus_scan import ClamdScanner
from dashboard.services.xero_auth import XeroAuthService
from dashboard.services.xero_files import XeroFileService
from dashboard.services.xero_sync import XeroSyncService
from dashboard.storage import DocumentStore
from dashboard.xero import Exchange, Governor, Limits, Priority, Transport, XeroClient, XeroOAuth

EXTENSION = "chase_xero"


class Outside:
    """What lives as long as the process: connection pools and the limiter, built from settings."""

    def __init__(self, app: Flask) -> None:
        settings = cast(Settings, app.config["SETTINGS"])
        self.cipher = TokenCipher(settings.token_master_keys)
        self._notes = CallNotes(engine=lambda: db.engine, clock=utcnow)
        self.governor = Governor(
            cast(Redis, app.extensions["redis"]),
            Limits(
                minute=settings.xero_minute_limit,
                concurrent=settings.xero_concurrent_limit,
                day=settings.xero_day_limit,
                app_minute=settings.xero_app_minute_limit,
            ),
            called_recently=self._notes.called_recently,
        )
        self.transport = Transport(
            self.governor, settings.xero_api_url, on_exchange=self._note_exchange
        )
        self.oauth = XeroOAuth(
            self.transport,
            login_url=settings.xero_login_url,
            identity_url=settings.xero_identity_url,
            client_id=settings.xero_client_id,
            client_secret=settings.xero_client_secret,
            redirect_uri=settings.redirect_uri,
            pkce=settings.xero_pkce,
        )
        self.store = DocumentStore(settings.document_store_url)
        self.hasher = PasswordHasher()
        self.should_stop: Callable[[], bool] = _never

    def _note_exchange(self, exchange: Exchange) -> None:
        if exchange.tenant_id is not None:
            self._notes.called(exchange.tenant_id)

    def make_client(
        self,
        *,
        tenant_id: str,
        access: Secret,
        refresh_access: Callable[[], Secret],
        priority: Priority,
    ) -> XeroClient:
        """Return the client of one organisation."""
        return XeroClient(
            self.transport,
            tenant_id=tenant_id,
            access=access,
            refresh_access=refresh_access,
            priority=priority,
        )


def outside() -> Outside:
    """Return this process's connections to the world outside."""
    app = current_app
    if EXTENSION not in app.extensions:
        app.extensions[EXTENSION] = Outside(app._get_current_object())  # type: ignore[attr-defined]
    return cast(Outside, app.extensions[EXTENSION])


def settings() -> Settings:
    """Return the settings that this process was started with."""
    return cast(Settings, current_app.config["SETTINGS"])


def owner() -> str:
    """Return the name under which this thread takes leases."""
    return f"{socket.gethostname()}:{os.getpid()}:{get_ident()}"


def alerts() -> AlertService:
    """Return the service that opens and closes alerts."""
    return AlertService(session=db.session, clock=utcnow)


def practices() -> PracticeService:
    """Return the service for practices and people."""
    return PracticeService(session=db.session, hasher=outside().hasher, clock=utcnow)


def preferences() -> PreferenceService:
    """Return the service for a practice's Xero preferences."""
    return PreferenceService(session=db.session, clock=utcnow)


def xero_auth() -> XeroAuthService:
    """Return the service that connects, keeps and ends connections."""
    world = outside()
    truth = ConnectionTruth(session=db.session, alerts=alerts(), clock=utcnow)
    custody = TokenCustody(
        session=db.session,
        oauth=world.oauth,
        cipher=world.cipher,
        truth=truth,
        clock=utcnow,
        pause=time.sleep,
        owner=owner(),
    )
    return XeroAuthService(
        session=db.session,
        oauth=world.oauth,
        custody=custody,
        truth=truth,
        alerts=alerts(),
        make_client=world.make_client,
        clock=utcnow,
    )


def xero_sync() -> XeroSyncService:
    """Return the service that reads contacts and imports clients."""
    return XeroSyncService(
        session=db.session,
        auth=xero_auth(),
        alerts=alerts(),
        clock=utcnow,
        owner=owner(),
        should_stop=outside().should_stop,
    )


def import_drafts() -> ImportDraftService:
    """Return the service that keeps ticks and decisions."""
    return ImportDraftService(session=db.session, clock=utcnow)


def clients() -> ClientService:
    """Return the service for clients."""
    return ClientService(session=db.session, clock=utcnow)


def documents() -> DocumentService:
    """Return the service that receives, accepts and rejects documents."""
    return DocumentService(
        session=db.session,
        store=outside().store,
        clock=utcnow,
        scans=settings().clamd_url is not None,
    )


def xero_files() -> XeroFileService:
    """Return the service that brings documents to Xero Files."""
    clamd_url = settings().clamd_url
    return XeroFileService(
        session=db.session,
        auth=xero_auth(),
        alerts=alerts(),
        store=outside().store,
        clock=utcnow,
        owner=owner(),
        reconcile_lag=settings().reconcile_lag,
        chance=random.random,
        should_stop=outside().should_stop,
        scanner=ClamdScanner(clamd_url) if clamd_url else None,
    )


def _never() -> bool:
    return False
