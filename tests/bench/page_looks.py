"""What the bench of all pages opens: every address that shows something, and over which rows.

A page is named by its endpoint, so that one which is new and not on a list here is noticed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from flask import Flask
from sqlalchemy import Table, func, insert, select
from werkzeug.routing import Rule

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import (
    Alert,
    AlertCause,
    AlertMail,
    Client,
    ClientDocument,
    ContactTwins,
    DraftDecision,
    ImportDraft,
    MatchDecision,
    PushEvent,
    PushStatus,
    Role,
    RunKind,
    RunStatus,
    SyncRun,
    SyncRunItem,
    Tag,
    TagSource,
    User,
    Verdict,
    XeroCalls,
    XeroContact,
    XeroContactMapping,
    XeroFilePush,
    client_tags,
)
from dashboard.queries.documents import TABS
from dashboard.rules.preview_filter import MATCH_WORDS, SORTS
from dashboard.views.paging import encode_cursor
from tests import factories
from tests.bench import many_rows
from tests.bench.many_rows import DAY, MINUTE, Ground, Row

TAGS = 30
SEEN_AT_ONCE = 50
FROM_THE_END = 30

# What stands in braces is one of the places of the practice.
LOOKS: dict[str, tuple[str, ...]] = {
    "overview.page": ("",),
    "sign_in.page": ("",),
    "alerts.page": ("", "?state=closed"),
    "alerts.detail": ("",),
    "frame.panel": ("",),
    "clients.page": (
        *("", "?q=smith", "?q=zzzz", "?tag=Tag+03", "?attention=1", "?cursor={last_clients}"),
        *(f"?xero={word}" for word in ("linked", "unlinked", "archived")),
        "?q=a&tag=Tag+03&xero=linked&attention=1",
    ),
    "clients.new": ("",),
    "clients.one": ("",),
    "clients.edit": ("",),
    "clients.ask_unlink": ("",),
    "clients.choose_contact": ("", "?q=smith", "?q=zzzz"),
    "contact_twins.page": ("", "?show=apart"),
    "documents.page": (
        *("", "?q=smith", "?q=zzzz", "?type=P60", "?year=2024-25", "?client={client_id}"),
        *(f"?tab={tab}" for tab in TABS),
        *("?cursor={last_documents}", "?tab=attention&cursor={last_documents}"),
        *("?tab=attention&q=smith", "?q=p60&type=P60&year=2025-26"),
    ),
    "documents.badges_panel": ("?{documents}&since={long_ago}",),
    "documents.new": ("", "?q=smith", "?client_id={client_id}"),
    "documents.one": ("",),
    "documents.push_panel": ("",),
    "document_retry.ask": ("?cause=xero_down", "?cause=unlinked"),
    "settings.page": ("",),
    "settings.connection_panel": ("",),
    "settings.calls_panel": ("",),
    "settings.example_panel": ("",),
    "settings.disconnect_page": ("",),
    "contact_import.begin": ("",),
    "contact_import.page": (
        *("", "?type=", "?q=smith", "?q=zzzz", "?group=Group+02&type=", "?selected=1&type="),
        *(f"?match={word}&type=" for word in MATCH_WORDS),
        *(f"?sort={order}&type=" for order in SORTS),
        *("?page=99999&type=", "?page=99999&selected=1&type=", "?per=100&type="),
        "?match=new&q=a&group=Group+02&type=customer&selected=1&sort=email",
    ),
    "contact_import.results_panel": ("", "?match=possible&q=a"),
    "contact_import.reading_panel": ("",),
    "import_choices.compare": ("", "?client_q=smith"),
    "import_review.page": ("",),
    "sync_history.page": (
        *("", "?all=1", "?kind=import", "?status=problems", "?all=1&cursor={last_runs}"),
        "?from=2020-01-01&to=2020-01-31",
    ),
    "sync_history.one": (
        *("", "?result=created", "?result=problem", "?result=created&cursor={last_items}"),
        "{running}",
    ),
    "sync_history.badges_panel": ("?run={running_id}&run={held_id}",),
    "sync_history.progress_panel": ("{running}", ""),
    "held_sync.page": ("",),
    "run_actions.undo_page": ("",),
    "clients_api.listing": ("", "?q=smith"),
    "clients_api.one": ("",),
    "documents_api.page": ("", "?tab=attention"),
    "documents_api.one": ("",),
    "contacts_api.import_preview": ("", "?match=possible"),
    "contacts_api.one_run": ("",),
    "contacts_api.sync_history": ("",),
    "integration_api.status": ("",),
}
FILES = {"run_actions.results_csv": "", "run_actions.runs_csv": "?all=1"}
# Opens the practice's draft, or makes it, and leads on to it.
NO_PAGES = {"contact_import.begin"}
LEFT_OUT = {
    "static": "counted with the pages that refer to it",
    "health.healthz": "for machines: reads nothing",
    "health.readyz": "for machines: reads nothing of a practice",
    "documents.content": "a document itself, as large as it is",
    "settings.folder_page": "asks Xero for its folders",
    "integration_api.callback": "the way back from Xero; leads on to the settings",
}


@dataclass(frozen=True, slots=True)
class Look:
    """One address to open; `name` reads the same for every practice."""

    endpoint: str
    name: str
    address: str
    is_panel: bool

    @property
    def is_file(self) -> bool:
        """Whether it is a file to keep, written portion by portion."""
        return self.endpoint in FILES

    @property
    def is_page(self) -> bool:
        """Whether a person reads it; not an answer to a program, nor the making of a draft."""
        return not (self.is_file or self.endpoint in NO_PAGES or self.address.startswith("/api/"))


@dataclass(frozen=True, slots=True)
class Practice:
    """A practice that was filled: its admin, and the values that addresses are made of."""

    admin: User
    places: dict[str, Any]

    def looks(self, app: Flask) -> Iterator[Look]:
        """Give every look of the lists above at this practice."""
        for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
            yield from (self._look(app, rule, query) for query in _queries(rule))

    def _look(self, app: Flask, rule: Rule, query: str) -> Look:
        of_running = query == "{running}"
        values = self.places | ({"run_id": self.places["running_id"]} if of_running else {})
        query = "" if of_running else query
        with app.test_request_context():
            path = app.url_map.bind("").build(
                rule.endpoint, {name: values[name] for name in rule.arguments}
            )
        return Look(
            endpoint=rule.endpoint,
            name=_short(rule.rule) + query + (" (running)" if of_running else ""),
            address=path + query.format_map(values),
            is_panel="/panels/" in rule.rule,
        )


def forgotten(app: Flask) -> list[str]:
    """Return the endpoints that answer to GET and are on none of the lists."""
    known = LOOKS.keys() | FILES.keys() | LEFT_OUT.keys()
    return sorted({rule.endpoint for rule in app.url_map.iter_rules() if _gets(rule)} - known)


def _gets(rule: Rule) -> bool:
    return "GET" in (rule.methods or ())


def _queries(rule: Rule) -> tuple[str, ...]:
    if not _gets(rule):
        return ()
    if rule.endpoint in FILES:
        return (FILES[rule.endpoint],)
    return LOOKS.get(rule.endpoint, ())


def _short(rule: str) -> str:
    return rule.replace("uuid:", "").replace("_id>", ">")


def fill(number: int, email: str) -> Practice:
    """Return a practice with so many clients, contacts and documents, and all that hangs on them.

    Three in five clients are linked; the first is the busiest, with every fiftieth document.
    """
    practice = factories.make_practice()
    admin = factories.make_user(practice, email=email, role=Role.ADMIN)
    now = utcnow()
    connection = factories.make_connection(
        practice, last_sync_at=now, matched_at=now, short_code="!bench"
    )
    on = Ground(practice.id, connection.id, admin.id, now)
    ours = many_rows.clients(on, number)
    theirs = many_rows.contacts(on, number, ours)
    pairs = [
        pair
        for at, pair in enumerate(zip(ours, theirs, strict=True))
        if at % 5 < 3  # noqa: PLR2004
    ]
    for client, contact in pairs:
        client["xero_contact_id"] = contact["xero_contact_id"]
    _write(Client, ours)
    _write(XeroContact, theirs)
    _write(XeroContactMapping, many_rows.links(on, pairs))
    _write(ContactTwins, many_rows.twins(on, theirs, number // 20))
    _write(XeroCalls, many_rows.calls(on, connection.xero_tenant_id))
    _fill_tags(on, ours)
    stored, pushes = many_rows.documents(on, number, ours)
    _write(ClientDocument, stored)
    _write(XeroFilePush, pushes)
    _write(PushEvent, many_rows.timelines(on, pushes))
    places = {
        "client_id": ours[0]["id"],
        "contact_id": next(c for c in theirs[3:] if c["match"] == "clash")["xero_contact_id"],
        "document_id": next(p for p in pushes if p["status"] == PushStatus.PENDING)["document_id"],
        "documents": "&".join(f"id={document['id']}" for document in stored[-SEEN_AT_ONCE:]),
        "long_ago": (now - 365 * DAY).isoformat().replace("+", "%2B"),
        "last_clients": encode_cursor(_after(sorted(ours, key=_by_name)[-FROM_THE_END], "name")),
        "last_documents": encode_cursor(_after(stored[FROM_THE_END], "created_at")),
        "draft_id": _fill_draft(on, theirs),
        **_fill_runs(on, pairs, number),
        "alert_id": _fill_alerts(on, max(number // 100, 10)),
    }
    db.session.commit()
    return Practice(admin, places)


def _by_name(row: Row) -> tuple[str, str]:
    return row["name"], str(row["id"])


def _after(row: Row, column: str) -> dict[str, str]:
    value = row[column]
    return {column: value if isinstance(value, str) else value.isoformat(), "id": str(row["id"])}


def _write(table: type[Any] | Table, rows: list[Row]) -> None:
    db.session.execute(insert(table), rows)


def _fill_tags(on: Ground, ours: list[Row]) -> None:
    tags = [
        {
            "id": uuid4(),
            "practice_id": on.practice_id,
            "name": f"Tag {at:02d}",
            "source": TagSource.XERO if at % 2 else TagSource.OWN,
        }
        for at in range(TAGS)
    ]
    _write(Tag, tags)
    held = (
        {"client_id": client["id"], "tag_id": tags[(at + n) % TAGS]["id"]}
        for at, client in enumerate(ours)
        for n in range(at % 4)
    )
    _write(client_tags, list(held))


def _fill_draft(on: Ground, theirs: list[Row]) -> Any:
    draft = ImportDraft(**on.owned)
    db.session.add(draft)
    db.session.flush()
    _write(DraftDecision, many_rows.decisions(on, draft.id, theirs))
    skipped = [
        {
            **on.owned,
            "xero_contact_id": contact["xero_contact_id"],
            "verdict": Verdict.SKIP,
            "decided_by_id": on.admin_id,
            "decided_at": on.now,
        }
        for contact in theirs[4::10]
    ]
    _write(MatchDecision, skipped)
    return draft.id


def _fill_runs(on: Ground, pairs: list[tuple[Row, Row]], number: int) -> dict[str, Any]:
    size = len(pairs)
    done = {"total": size, "done": size, "started_by_id": on.admin_id}
    finished = many_rows.run(on, RunKind.IMPORT, RunStatus.FINISHED, on.now - DAY, **done)
    running = many_rows.run(on, RunKind.IMPORT, RunStatus.RUNNING, on.now, **done)
    held = many_rows.run(
        on, RunKind.CONTACT_SYNC, RunStatus.WAITING, on.now - MINUTE, held_at=on.now
    )
    checks = many_rows.checks(on, max(number // 100, 2))
    _write(
        SyncRun,
        [finished | {"created": size // 5}, running | {"created": 0}, held | {"created": 0}],
    )
    _write(SyncRun, checks)
    _write(SyncRunItem, many_rows.items(on, finished, pairs, waiting=False))
    _write(SyncRunItem, many_rows.items(on, held, pairs[: max(number // 100, 3)], waiting=True))
    ids = select(func.max(SyncRunItem.id)).where(SyncRunItem.run_id == finished["id"])
    last = db.session.scalars(ids).one()
    return {
        "run_id": finished["id"],
        "running_id": running["id"],
        "held_id": held["id"],
        "last_items": encode_cursor({"number": last - FROM_THE_END}),
        "last_runs": encode_cursor(
            {"at": checks[-2]["created_at"].isoformat(), "id": str(checks[-2]["id"])}
        ),
    }


def _fill_alerts(on: Ground, number: int) -> Any:
    about = {"practice_id": on.practice_id, "tone": "warning", "title": "Look", "text": "There."}
    causes = list(AlertCause)
    opened = [about | {"id": uuid4(), "cause": cause, "created_at": on.now} for cause in causes]
    _write(Alert, opened)
    over = (
        {"cause": causes[at % len(causes)], "closed_at": on.now - at * MINUTE}
        for at in range(number)
    )
    _write(Alert, [about | each for each in over])
    mails = (
        {
            "practice_id": on.practice_id,
            "alert_id": alert["id"],
            "user_id": on.admin_id,
            "number": place,
            "due_at": on.now,
            "not_before": on.now,
            "sent_at": on.now,
        }
        for alert in opened
        for place in range(1, 5)
    )
    _write(AlertMail, list(mails))
    return opened[0]["id"]
