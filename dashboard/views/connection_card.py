"""The connection as its card shows it: one word, one sentence, the figures behind them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import RunKind
from dashboard.queries import connections, documents, sync_runs
from dashboard.queries.connections import ConnectionSummary
from dashboard.queries.document_states import shown_by
from dashboard.queries.documents import DocumentCounts
from dashboard.queries.sync_runs import RunRow
from dashboard.rules.connection_sentences import ACCESS_UNREADABLE, problem_sentence
from dashboard.rules.permissions import needed_sentence
from dashboard.rules.status_words import StatusWord
from dashboard.rules.waiting_sentences import DAY, wait_sentence
from dashboard.views.filters import full_time, place_of_request, start_of_day
from dashboard.views.frame import word_for

# If renewal stops, Xero lets a refresh token live for 60 days.
# https://developer.xero.com/faq/oauth2
REFRESH_LIFE = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Card:
    """What the card says; `seen` is its stamp, `heard` the word that its reader has heard.

    `links` are those that were kept when the connection was left; none while it is held.
    """

    summary: ConnectionSummary
    word: StatusWord
    reading: RunRow | None
    counts: DocumentCounts
    links: int
    seen: str | None

    @property
    def heard(self) -> str:
        """What the reader of this card knows; another word is worth saying aloud."""
        return self.word.code

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
    def why_it_waits(self) -> str:
        """Why nothing is asked of Xero now."""
        return wait_sentence(self.summary.waits_because)

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


def card_of(practice_id: UUID, seen: str | None, summary: ConnectionSummary) -> Card:
    """Return the card for the practice's connection; two queries, three for one that was left.

    *seen* is its stamp, taken before what the card shows was read.
    """
    run = sync_runs.latest(db.session, practice_id, RunKind.CONTACT_SYNC)
    # A check that stopped and asks has the banner of every page.
    is_reading = run is not None and not run.is_final and run.held_at is None
    today = start_of_day(place_of_request(utcnow()))
    shown = shown_by(summary)
    return Card(
        summary=summary,
        word=word_for(summary),
        reading=run if is_reading else None,
        counts=documents.counts(db.session, practice_id, filed_since=today, shown=shown),
        links=0 if summary.is_current else connections.links(db.session, summary.id),
        seen=seen,
    )


def _full(moment: datetime | None) -> str | None:
    return full_time(moment, place_of_request(utcnow())) if moment else None


def _days(since: datetime | None) -> str | None:
    if since is None:
        return None
    return f"{(utcnow() - since).days} of {REFRESH_LIFE.days}"
