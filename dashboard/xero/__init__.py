"""The outside world: a thin, typed client of Xero.

Every call to Xero leaves through this room and obeys the governor. It speaks HTTP and JSON; it
knows nothing of our tables, settings or Flask, and is handed plain values (addresses, credentials,
tokens). It imports only `dashboard.secret` and `dashboard.clock`.

Read `transport.py` first (one door for every request), then `governor.py` with its two Lua scripts
(may this call leave now?), `answers.py` (what an answer means), `oauth.py` (consent and tokens),
`accounting.py` and `files.py` (what we read and write), and `client.py` (one organisation's doors).
"""

from dashboard.xero.client import XeroClient
from dashboard.xero.errors import (
    WaitReason,
    XeroAppRefused,
    XeroError,
    XeroForbidden,
    XeroGrantRefused,
    XeroIdentityUnproven,
    XeroMustWait,
    XeroNoAnswer,
    XeroNotFound,
    XeroRateLimited,
    XeroRejected,
    XeroTooLarge,
    XeroUnauthorised,
    XeroUnavailable,
)
from dashboard.xero.governor import (
    CallMemory,
    CallsLeft,
    Governor,
    Limits,
    Priority,
    Reserve,
    Spans,
    StandingWait,
)
from dashboard.xero.oauth import REQUIRED_SCOPES, XeroOAuth
from dashboard.xero.transport import Exchange, Transport
from dashboard.xero.types import (
    Association,
    CodeAnswer,
    Contact,
    ContactGroup,
    ContactPerson,
    ContactsPage,
    FilesPage,
    Folder,
    Grant,
    Organisation,
    StoredFile,
    Tenant,
    TokenSet,
)

__all__ = [
    "REQUIRED_SCOPES",
    "Association",
    "CallMemory",
    "CallsLeft",
    "CodeAnswer",
    "Contact",
    "ContactGroup",
    "ContactPerson",
    "ContactsPage",
    "Exchange",
    "FilesPage",
    "Folder",
    "Governor",
    "Grant",
    "Limits",
    "Organisation",
    "Priority",
    "Reserve",
    "Spans",
    "StandingWait",
    "StoredFile",
    "Tenant",
    "TokenSet",
    "Transport",
    "WaitReason",
    "XeroAppRefused",
    "XeroClient",
    "XeroError",
    "XeroForbidden",
    "XeroGrantRefused",
    "XeroIdentityUnproven",
    "XeroMustWait",
    "XeroNoAnswer",
    "XeroNotFound",
    "XeroOAuth",
    "XeroRateLimited",
    "XeroRejected",
    "XeroTooLarge",
    "XeroUnauthorised",
    "XeroUnavailable",
]
