"""The connection as its card shows it: one word, one sentence, the figures behind them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import RunKind
from dashboard.queries import documents, sync_runs
from dashboard.queries.connections import ConnectionSummary
from dashboard.queries.documents import DocumentCounts, NamedDocument
from dashboard.queries.sync_runs import RunRow
from dashboard.rules.connection_sentences import ACCESS_UNREADABLE, problem_sentence
from dashboard.rules.permissions import needed_sentence
from dashboard.rules.status_words import StatusWord
from dashboard.views.filters import full_time, place_of_request, start_of_day
from dashboard.views.frame import word_for
from dashboard.xero import CallsLeft, XeroMustWait

# If renewal stops, Xero lets a refresh token live for 60 days.
# https://developer.xero.com/faq/oauth2
REFRESH_LIFE = timedelta(days=60)
DAY = "day"
# Who asked us to wait; every other reason is one of our own.
XERO_ASKED = frozenset({"minute", "concurrent", "app-minute", "unknown", "blocked", DAY})


@dataclass(frozen=True, slots=True)
class Card:
    """What the card says. `seen` changes whenever it would read differently."""

    summary: ConnectionSummary
    word: StatusWord
    reading: RunRow | None
    counts: DocumentCounts
    filed_today: int
    last_document: NamedDocument | None
    calls: CallsLeft | None
    seen: str

    @property
    def held(self) -> int:
        """How many documents have not been filed and need nobody but Xero."""
        return self.counts.way + self.counts.on_hold

    @property
    def problem(self) -> str:
        """Why Xero does not serve the connection."""
        return problem_sentence(self.summary.last_error)

    @property
    def unreadable(self) -> bool:
        """Whether it is our own copy of the access that is of no use any more."""
        return self.summary.last_error == ACCESS_UNREADABLE

    @property
    def needed(self) -> str:
        """Which permissions are missing."""
        return needed_sentence(self.summary.scopes)

    @property
    def waits_for_day(self) -> bool:
        """Whether the day's calls are used up."""
        return self.summary.waits_because == DAY

    @property
    def xero_asked(self) -> bool:
        """Whether it is Xero that wants us to wait."""
        return self.summary.waits_because in XERO_ASKED

    @property
    def technical(self) -> list[tuple[str, object]]:
        """Names and values for people who ask Xero; nothing of it is needed to use the product."""
        summary = self.summary
        refreshed_at = summary.token_last_refreshed_at if summary.is_current else None
        return [
            ("Organisation id", summary.tenant_id),
            ("Access token good until", _full(summary.token_expires_at)),
            (
                "If renewal stops, access ends",
                _full(refreshed_at + REFRESH_LIFE if refreshed_at else None),
            ),
            ("Days since the last renewal", _days(refreshed_at)),
            ("Errors in a row", summary.consecutive_errors or None),
            ("What went wrong", summary.last_error),
            ("HTTP status", summary.last_error_status),
            ("Reference", summary.last_error_reference),
            ("Time", _full(summary.last_error_at)),
        ]

    def was_other_than(self, seen: str) -> bool:
        """Tell whether whoever has *seen* that reads another state now, not only other figures."""
        return bool(seen) and seen.partition("-")[0] != self.word.code


def card_of(practice_id: UUID, summary: ConnectionSummary) -> Card:
    """Return the card for the practice's connection; four queries."""
    run = sync_runs.latest(db.session, practice_id, RunKind.CONTACT_SYNC)
    reading = run if run is not None and not run.is_final else None
    counts = documents.counts(db.session, practice_id)
    today = start_of_day(place_of_request(utcnow()))
    filing = documents.filing_facts(db.session, practice_id, today)
    word = word_for(summary)
    parts = (
        word.code,
        _stamp(summary.updated_at),
        filing.filed,
        counts.attention,
        counts.way + counts.on_hold,
        _stamp(reading.updated_at if reading else None),
    )
    return Card(
        summary=summary,
        word=word,
        reading=reading,
        counts=counts,
        filed_today=filing.filed,
        last_document=filing.last,
        calls=_calls_left(summary),
        seen="-".join(map(str, parts)),
    )


def _calls_left(summary: ConnectionSummary) -> CallsLeft | None:
    if not summary.is_current:
        return None
    try:
        return wiring.outside().governor.calls_left(summary.tenant_id)
    except XeroMustWait:
        return None


def _stamp(moment: datetime | None) -> str:
    return f"{moment.timestamp():.3f}" if moment else "0"


def _full(moment: datetime | None) -> str | None:
    return full_time(moment, place_of_request(utcnow())) if moment else None


def _days(since: datetime | None) -> str | None:
    if since is None:
        return None
    return f"{(utcnow() - since).days} of {REFRESH_LIFE.days}"
