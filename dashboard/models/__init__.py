"""What we remember: one file per subject, a table or two in each.

Rows hold values, enums name the statuses, and a property answers a question about its own row;
decisions live in `rules/`, transactions in `services/`. Nothing here knows Flask or HTTP.
May import: `dashboard.database`, `dashboard.clock`. Importing this package loads every table, so
that migrations see them. Read `xero_file_push.py` first: it shows how leases and history look.
"""

from dashboard.models.alert import Alert, AlertCause, AlertMail
from dashboard.models.client import Client, GroupChoice, Tag, TagSource, client_tags
from dashboard.models.document import ClientDocument, DocumentStatus, ScanStatus
from dashboard.models.key_check import KeyCheck
from dashboard.models.practice import Practice, PracticeSalt, Role, User
from dashboard.models.sync_run import (
    DraftDecision,
    ImportDraft,
    ItemOutcome,
    RunKind,
    RunStatus,
    SyncRun,
    SyncRunItem,
)
from dashboard.models.xero_calls import CallPurpose, XeroCalls
from dashboard.models.xero_connection import ConnectionStatus, OAuthAttempt, XeroConnection
from dashboard.models.xero_contact import (
    ContactTwins,
    MatchDecision,
    MatchFile,
    Verdict,
    XeroContact,
    XeroContactMapping,
)
from dashboard.models.xero_file_push import PushEvent, PushStatus, XeroFilePush, XeroFolder

__all__ = [
    "Alert",
    "AlertCause",
    "AlertMail",
    "CallPurpose",
    "Client",
    "ClientDocument",
    "ConnectionStatus",
    "ContactTwins",
    "DocumentStatus",
    "DraftDecision",
    "GroupChoice",
    "ImportDraft",
    "ItemOutcome",
    "KeyCheck",
    "MatchDecision",
    "MatchFile",
    "OAuthAttempt",
    "Practice",
    "PracticeSalt",
    "PushEvent",
    "PushStatus",
    "Role",
    "RunKind",
    "RunStatus",
    "ScanStatus",
    "SyncRun",
    "SyncRunItem",
    "Tag",
    "TagSource",
    "User",
    "Verdict",
    "XeroCalls",
    "XeroConnection",
    "XeroContact",
    "XeroContactMapping",
    "XeroFilePush",
    "XeroFolder",
    "client_tags",
]
