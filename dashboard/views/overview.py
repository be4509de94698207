"""The front page: is Xero connected, what needs me, what is on its way, what came in."""

from __future__ import annotations

from typing import cast

from flask import Blueprint, render_template

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.queries import activity, contact_counts, documents, sync_runs
from dashboard.queries.connections import ConnectionSummary
from dashboard.queries.document_states import shown_by
from dashboard.rules.day_chart import chart_of
from dashboard.rules.preview_filter import PAGE_PRESET_TYPE, PreviewFilter
from dashboard.rules.status_words import run_word
from dashboard.views.filters import day_month, last_midnights, place_of_request
from dashboard.views.frame import Frame, current_frame, word_for
from dashboard.views.guards import current_practice_id, sign_in_required

pages = Blueprint("overview", __name__)

LATEST = 5
CHART_DAYS = 14


@pages.get("/")
@sign_in_required
def page() -> str:
    """Everything in one look; the numbers lead to the lists behind them."""
    practice_id = current_practice_id()
    summary = cast(Frame, current_frame()).summary
    shown = shown_by(summary)
    place = place_of_request(utcnow())
    midnights = last_midnights(place, CHART_DAYS)
    days = activity.by_day(
        db.session, practice_id, summary.tenant_id if summary else None, midnights
    )
    runs = sync_runs.history(db.session, practice_id, limit=LATEST, with_changes_only=True)
    latest = documents.page(db.session, practice_id, now=utcnow(), limit=LATEST, shown=shown)
    return render_template(
        "overview/page.html",
        summary=summary,
        word=word_for(summary),
        counts=documents.counts(db.session, practice_id, shown=shown),
        open_contacts=_open_contacts(summary),
        latest=latest.rows,
        days=[day_month(midnight, place) for midnight in midnights[:-1]],
        filed=chart_of([day.filed for day in days]),
        calls=chart_of([day.calls for day in days]),
        runs=[(run, run_word(run.status)) for run in runs.rows],
    )


def _open_contacts(summary: ConnectionSummary | None) -> int:
    if summary is None or not summary.is_current:
        return 0
    # As the import preview begins: without those that are only suppliers.
    wanted = PreviewFilter(type=PAGE_PRESET_TYPE)
    return contact_counts.to_look_at(db.session, summary.id, wanted)
