"""What the pretend Xero knows: plain records, all of which survive a restart.

Moments are aware and in UTC. Ids are UUIDs in their text form, as they travel on the wire.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

SCOPES_OF_A_NEW_APP = (
    "openid",
    "profile",
    "email",
    "offline_access",
    "accounting.contacts",
    "accounting.contacts.read",
    "accounting.settings",
    "accounting.settings.read",
    "accounting.attachments",
    "accounting.attachments.read",
    "files",
    "files.read",
)
"""What an app made after March 2026 may ask for, as far as this simulator goes.

https://developer.xero.com/documentation/guides/oauth2/scopes: the old broad scopes such as
accounting.transactions are refused for new apps.
"""

MAX_REDIRECT_URIS = 50
# The class of the person's choice, not a password: names of Xero's price list.
Tier = Literal["starter", "core", "plus", "advanced"]


def check_redirect_uri(uri: str) -> None:
    """Refuse, with ValueError, a redirect URI that Xero would not let an app register.

    https anywhere, http on the name localhost alone; 127.0.0.1 and wildcards are refused.
    """
    parts = urlsplit(uri)
    secure = parts.scheme == "https" and bool(parts.hostname)
    local = parts.scheme == "http" and parts.hostname == "localhost"
    if not (secure or local) or "*" in uri or parts.fragment:
        raise ValueError(f"Xero does not accept {uri} as a redirect URI.")


@dataclass
class App:
    """The app as registered with Xero. There is one per simulator."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uris: tuple[str, ...]
    name: str = "Practice dashboard"
    scopes: tuple[str, ...] = SCOPES_OF_A_NEW_APP
    tier: Tier = "core"
    bulk_connections: bool = False

    def __post_init__(self) -> None:
        if len(self.redirect_uris) > MAX_REDIRECT_URIS:
            raise ValueError("Xero lets an app register at most 50 redirect URIs.")
        for uri in self.redirect_uris:
            check_redirect_uri(uri)


@dataclass
class Options:
    """Where Xero's behaviour is unknown or varies: either answer can be switched on."""

    strict_rotation: bool = False
    """A used refresh token is dead at once, without the 30 minutes of grace."""
    files_lag_seconds: float = 0
    """A new file appears in listings (not in reads by its id) this much later."""
    missing_folder_status: int = 404
    """The answer to an upload into a folder that is gone: 404 or 400."""
    folder_created_status: int = 200
    """The answer to POST /Folders: 200 as in the OpenAPI file, or 201."""
    deleted_folder_files: Literal["inbox", "deleted"] = "inbox"
    refuse_archived_associations: bool = False
    too_large_as_html: bool = False
    unchanged_as_304: bool = False
    """An incremental read without news answers 304 instead of an empty list."""
    withheld_scopes: str = ""
    """Scopes, separated by spaces, that people do not grant although the app asks for them."""
    nameless_connections: bool = False
    """The list of connections gives no names, as it does for some tenants."""


@dataclass
class User:
    """A person who can sign in to Xero, and the organisations that they may see."""

    user_id: str
    email: str
    first_name: str
    last_name: str
    tenant_ids: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"


@dataclass
class Connection:
    """One user let the app into one organisation."""

    connection_id: str
    user_id: str
    tenant_id: str
    auth_event_id: str
    created_at: datetime
    updated_at: datetime
    disconnected_at: datetime | None = None

    @property
    def is_live(self) -> bool:
        """Whether it still opens the organisation."""
        return self.disconnected_at is None


@dataclass
class AuthorisationCode:
    """What the browser carries back: good once, for five minutes."""

    code: str = field(repr=False)
    client_id: str
    redirect_uri: str
    user_id: str
    scopes: tuple[str, ...]
    auth_event_id: str
    session_id: str
    expires_at: datetime
    nonce: str | None = None
    code_challenge: str | None = None


@dataclass
class RefreshToken:
    """An opaque token: 60 days, replaced at every use, the old one good for 30 minutes more."""

    value: str = field(repr=False)
    user_id: str
    scopes: tuple[str, ...]
    auth_event_id: str
    session_id: str
    issued_at: datetime
    expires_at: datetime
    parent: str | None = field(default=None, repr=False)
    replaced_at: datetime | None = None
    successor_used: bool = False


@dataclass
class Address:
    """A contact's or an organisation's address."""

    kind: Literal["POBOX", "STREET"]
    lines: tuple[str, ...] = ()
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: str = ""


@dataclass
class Phone:
    """One of the four phones that every contact has, mostly blank."""

    kind: Literal["DEFAULT", "DDI", "MOBILE", "FAX"]
    number: str
    area_code: str = ""
    country_code: str = ""


@dataclass
class Person:
    """A further person at a contact; at most five."""

    first_name: str
    last_name: str
    email: str
    include_in_emails: bool = False


@dataclass
class Contact:
    """A person or firm in one organisation's ledger."""

    contact_id: str
    name: str
    updated_at: datetime
    status: Literal["ACTIVE", "ARCHIVED", "GDPRREQUEST"] = "ACTIVE"
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    contact_number: str = ""
    account_number: str = ""
    company_number: str = ""
    tax_number: str = ""
    bank_account: str = ""
    addresses: list[Address] = field(default_factory=list)
    phones: list[Phone] = field(default_factory=list)
    persons: list[Person] = field(default_factory=list)
    is_supplier: bool = False
    is_customer: bool = False
    merged_to: str | None = None


@dataclass
class ContactGroup:
    """A label that people stick on contacts."""

    group_id: str
    name: str
    contact_ids: list[str] = field(default_factory=list)
    status: Literal["ACTIVE", "DELETED"] = "ACTIVE"


@dataclass
class Folder:
    """A folder in Xero Files. There are no folders in folders."""

    folder_id: str
    name: str
    created_at: datetime
    is_inbox: bool = False
    email: str = ""


@dataclass
class StoredFile:
    """A file in Xero Files; its bytes lie in the archive under its id."""

    file_id: str
    name: str
    mime_type: str
    size: int
    sha256: str
    folder_id: str
    user_id: str
    created_at: datetime
    updated_at: datetime
    associations: list[Association] = field(default_factory=list)

    @property
    def associated_with(self) -> list[str]:
        """The ids of the contacts that show this file."""
        return [association.object_id for association in self.associations]


@dataclass
class Association:
    """A file is shown at an object; here the objects are contacts."""

    object_id: str
    object_type: str
    created_at: datetime


@dataclass
class Organisation:
    """One Xero organisation with its ledger and its files."""

    tenant_id: str
    name: str
    legal_name: str
    short_code: str
    organisation_type: str
    plan: str
    created_at: datetime
    is_demo: bool = False
    registration_number: str = ""
    tax_number: str = ""
    line_of_business: str = ""
    year_end_day: int = 31
    year_end_month: int = 3
    addresses: list[Address] = field(default_factory=list)
    phones: list[Phone] = field(default_factory=list)
    contacts: dict[str, Contact] = field(default_factory=dict)
    groups: dict[str, ContactGroup] = field(default_factory=dict)
    folders: dict[str, Folder] = field(default_factory=dict)
    files: dict[str, StoredFile] = field(default_factory=dict)

    @property
    def inbox(self) -> Folder:
        """The folder that every organisation has and nobody can delete."""
        return next(folder for folder in self.folders.values() if folder.is_inbox)

    def active_contact_named(self, name: str) -> Contact | None:
        """Return the active contact of that name; names are unique among active contacts."""
        wanted = plain_name(name)
        for contact in self.contacts.values():
            if contact.status == "ACTIVE" and plain_name(contact.name) == wanted:
                return contact
        return None


@dataclass
class KeptAnswer:
    """What an Idempotency-Key was answered, kept for six minutes."""

    fingerprint: str
    status: int
    content_type: str
    body: bytes
    kept_at: datetime


@dataclass
class State:
    """Everything that survives a restart."""

    signing_key: str = field(repr=False)
    app: App
    options: Options
    clock_offset_seconds: float = 0
    users: dict[str, User] = field(default_factory=dict)
    organisations: dict[str, Organisation] = field(default_factory=dict)
    connections: dict[str, Connection] = field(default_factory=dict)
    granted_scopes: dict[str, list[str]] = field(default_factory=dict)
    codes: dict[str, AuthorisationCode] = field(default_factory=dict, repr=False)
    refresh_tokens: dict[str, RefreshToken] = field(default_factory=dict, repr=False)
    kept_answers: dict[str, KeptAnswer] = field(default_factory=dict, repr=False)


def plain_name(name: str) -> str:
    """Return *name* in the form in which two names are the same to Xero."""
    return re.sub(r"\s+", " ", name).strip().casefold()
