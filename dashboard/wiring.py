"""The only place where collaborators meet: plain functions that build each service.

Called inside an app context; web, worker and scheduler build the same from the same settings.
"""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from threading import get_ident
from typing import cast

from argon2 import PasswordHasher
from flask import Flask, current_app
from redis import Redis

from dashboard.clock import utcnow
from dashboard.config import Settings
from dashboard.crypto import TokenCipher
from dashboard.database import database_time, db
from dashboard.mail import MailDoor
from dashboard.services.alert_checks import AlertChecks
from dashboard.services.alert_mail import AlertMailService
from dashboard.services.alert_mail_writer import AlertMailWriter
from dashboard.services.alert_promises import MailPromises
from dashboard.services.alerts import AlertService
from dashboard.services.answer_meaning import AnswerMeaning
from dashboard.services.call_notes import CallNotes
from dashboard.services.clients import ClientService
from dashboard.services.connecting import Connecting
from dashboard.services.connection_truth import ConnectionTruth
from dashboard.services.consent import ConsentService
from dashboard.services.consent_attempts import ConsentAttempts
from dashboard.services.contact_twins import TwinVerdicts
from dashboard.services.documents import DocumentService
from dashboard.services.file_check import FileCheck
from dashboard.services.group_choices import GroupChoices
from dashboard.services.import_drafts import ImportDraftService
from dashboard.services.key_checks import KeyChecks
from dashboard.services.key_rotation import KeyRotation
from dashboard.services.leaving import Leaving
from dashboard.services.match_verdicts import MatchVerdicts
from dashboard.services.organisation_comparison import OrganisationComparison
from dashboard.services.own_tags import OwnTags
from dashboard.services.practices import PracticeService
from dashboard.services.preferences import PreferenceService
from dashboard.services.push_attention import PushAttention
from dashboard.services.sync_brake import SyncBrake
from dashboard.services.token_custody import TokenCustody
from dashboard.services.turn import nobody_waits
from dashboard.services.virus_scan import ClamdScanner
from dashboard.services.xero_auth import XeroAuthService
from dashboard.services.xero_files import XeroFileService
from dashboard.services.xero_sync import XeroSyncService
from dashboard.storage import DocumentStore
from dashboard.xero import Governor, Limits, Transport, XeroClient, XeroOAuth

EXTENSION = "chase_xero"
HASTY_SECONDS = 6.0
# Shorter than the lease of a push, so that no document is still being sent when another worker may
# take it up: 10 MB in this time needs 6 Mbit/s.
SENDING_SECONDS = 15.0


class Outside:
    """What lives as long as the process: connection pools and the limiter, built from settings."""

    def __init__(self, app: Flask) -> None:
        settings = cast(Settings, app.config["SETTINGS"])
        self.cipher = TokenCipher(settings.token_master_keys)
        self.notes = CallNotes(engine=lambda: db.engine, clock=utcnow)
        self.limits = Limits(
            minute=settings.xero_minute_limit,
            concurrent=settings.xero_concurrent_limit,
            day=settings.xero_day_limit,
            app_minute=settings.xero_app_minute_limit,
        )
        self.governor = Governor(
            cast(Redis, app.extensions["redis"]),
            self.limits,
            memory=self.notes,
        )
        # A page that tells what may still be asked does not wait for it as a call does.
        self.governor_for_pages = Governor(
            cast(Redis, app.extensions["redis_for_pages"]), self.limits, memory=self.notes
        )
        self.transport = Transport(
            self.governor, settings.xero_api_url, on_exchange=self.notes.note
        )
        self.sending_transport = self._shorter(settings, SENDING_SECONDS)
        # Somebody waits for these calls in front of a page: each ends sooner than a worker's.
        self.hasty_transport = self._shorter(settings, HASTY_SECONDS)
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
        self.others_wait: Callable[[], bool] = nobody_waits

    def _shorter(self, settings: Settings, seconds: float) -> Transport:
        return Transport(
            self.governor,
            settings.xero_api_url,
            adapter=self.transport.adapter,
            total_seconds=seconds,
            on_exchange=self.notes.note,
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


def shared_clock() -> datetime:
    """Return the time that all machines share, whatever their own clocks say."""
    return database_time(db.session)


def running_shared_clock() -> Callable[[], datetime]:
    """Return a clock that keeps the time that all machines share without asking for it again.

    For leases that are renewed while a call is in the air, when no transaction may be open.
    """
    ahead = shared_clock() - utcnow()
    return lambda: utcnow() + ahead


def alerts() -> AlertService:
    """Return the service that opens and closes alerts."""
    promises = MailPromises(session=db.session) if settings().sends_mail else None
    return AlertService(session=db.session, clock=utcnow, promises=promises)


def alert_checks() -> AlertChecks:
    """Return the service for the alerts that time alone brings."""
    return AlertChecks(session=db.session, alerts=alerts(), clock=utcnow)


def mail_door() -> MailDoor | None:
    """Return the door to the mail server; None where no email is sent."""
    server, sender = settings().mail_server, settings().mail_from
    return MailDoor(server, sender) if server and sender else None


def alert_mails() -> AlertMailService | None:
    """Return the service that sends what alerts promised; None where no email is sent."""
    door = mail_door()
    if door is None:
        return None
    return AlertMailService(
        session=db.session,
        door=door,
        writer=alert_mail_writer(),
        promises=MailPromises(session=db.session),
        clock=shared_clock,
        owner=owner(),
        should_stop=outside().should_stop,
    )


def alert_mail_writer(clock: Callable[[], datetime] = utcnow) -> AlertMailWriter:
    """Return what writes the emails about alerts."""
    templates = current_app.jinja_env

    def render(template: str, **values: object) -> str:
        return templates.get_template(template).render(**values)

    return AlertMailWriter(
        session=db.session, render=render, public_url=settings().public_url, clock=clock
    )


def practices() -> PracticeService:
    """Return the service for practices and people."""
    return PracticeService(session=db.session, hasher=outside().hasher, clock=utcnow)


def preferences() -> PreferenceService:
    """Return the service for a practice's Xero preferences."""
    return PreferenceService(
        session=db.session, clock=utcnow, folders=lambda practice: xero_files().folders(practice)
    )


def connection_truth() -> ConnectionTruth:
    """Return the service that keeps what is known of connections true."""
    return ConnectionTruth(session=db.session, alerts=alerts(), clock=shared_clock)


def token_custody(truth: ConnectionTruth) -> TokenCustody:
    """Return the service that locks, opens and refreshes tokens."""
    world = outside()
    return TokenCustody(
        session=db.session,
        oauth=world.oauth,
        cipher=world.cipher,
        truth=truth,
        clock=shared_clock,
        pause=time.sleep,
        owner=owner(),
    )


def xero_auth(transport: Transport | None = None) -> XeroAuthService:
    """Return the service that connects, keeps and ends connections.

    Its calls go over *transport*, the usual one without it.
    """
    world, truth = outside(), connection_truth()
    custody = token_custody(truth)
    leaving = Leaving(
        session=db.session,
        oauth=world.oauth,
        custody=custody,
        truth=truth,
        alerts=alerts(),
        clock=shared_clock,
    )
    connecting = Connecting(
        session=db.session, custody=custody, leaving=leaving, alerts=alerts(), clock=shared_clock
    )
    consents = ConsentService(
        session=db.session,
        oauth=world.oauth,
        custody=custody,
        attempts=ConsentAttempts(session=db.session, custody=custody, clock=utcnow),
        connecting=connecting,
        leaving=leaving,
        comparison=OrganisationComparison(session=db.session),
        make_client=partial(XeroClient, world.hasty_transport),
        clock=utcnow,
    )
    meaning = AnswerMeaning(
        session=db.session,
        oauth=world.oauth,
        custody=custody,
        truth=truth,
        leaving=leaving,
        keys=key_checks(),
    )
    return XeroAuthService(
        session=db.session,
        custody=custody,
        truth=truth,
        consents=consents,
        meaning=meaning,
        leaving=leaving,
        make_client=partial(XeroClient, transport or world.transport),
        clock=shared_clock,
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
        others_wait=outside().others_wait,
    )


def sync_brake() -> SyncBrake:
    """Return the service that takes a person's answer to a contact check that stopped."""
    return SyncBrake(session=db.session, alerts=alerts(), clock=utcnow)


def key_checks() -> KeyChecks:
    """Return what compares the listed master keys with the stored values."""
    return KeyChecks(session=db.session, cipher=outside().cipher, clock=utcnow)


def key_rotation() -> KeyRotation:
    """Return the service that locks every stored value with the newest master key."""
    return KeyRotation(
        session=db.session, cipher=outside().cipher, checks=key_checks(), clock=utcnow
    )


def import_drafts() -> ImportDraftService:
    """Return the service that keeps ticks and decisions."""
    return ImportDraftService(session=db.session, clock=utcnow)


def match_verdicts() -> MatchVerdicts:
    """Return the service that takes a person's word about a contact and a client."""
    return MatchVerdicts(session=db.session, clock=utcnow)


def clients() -> ClientService:
    """Return the service for clients."""
    return ClientService(session=db.session, clock=utcnow)


def twin_verdicts() -> TwinVerdicts:
    """Return the service that takes a person's word about contacts that may be the same."""
    return TwinVerdicts(session=db.session, clock=utcnow)


def group_choices() -> GroupChoices:
    """Return the service that keeps what contact groups shall become."""
    return GroupChoices(session=db.session, clock=utcnow)


def own_tags() -> OwnTags:
    """Return the service for the practice's own tags on clients."""
    return OwnTags(session=db.session)


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
        auth=xero_auth(outside().sending_transport),
        alerts=alerts(),
        store=outside().store,
        clock=running_shared_clock(),
        owner=owner(),
        reconcile_lag=settings().reconcile_lag,
        chance=random.random,
        should_stop=outside().should_stop,
        others_wait=outside().others_wait,
        scanner=ClamdScanner(clamd_url) if clamd_url else None,
    )


def file_check() -> FileCheck:
    """Return the service that looks whether filed documents are still where we say."""
    return FileCheck(
        session=db.session,
        auth=xero_auth(),
        attention=PushAttention(session=db.session, alerts=alerts()),
        clock=utcnow,
    )


def _never() -> bool:
    return False
