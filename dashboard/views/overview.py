"""The front page: is Xero connected, what needs me, what is on its way, what came in."""

from __future__ import annotations

from flask import Blueprint, render_template

from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.queries import connections, contact_counts, documents, sync_runs
from dashboard.rules.preview_filter import PreviewFilter
from dashboard.rules.status_words import run_word
from dashboard.views.frame import word_for
from dashboard.views.guards import current_practice_id, sign_in_required

pages = Blueprint("overview", __name__)

LATEST = 5


@pages.get("/")
@sign_in_required
def page() -> str:
    """Everything in one look; the numbers lead to the lists behind them."""
    practice_id = current_practice_id()
    summary = connections.summary(db.session, practice_id)
    runs = sync_runs.history(db.session, practice_id, limit=LATEST, with_changes_only=True)
    latest = documents.page(db.session, practice_id, now=utcnow(), limit=LATEST)
    return render_template(
        "overview/page.html",
        summary=summary,
        word=word_for(summary),
        counts=documents.counts(db.session, practice_id),
        contacts=contact_counts.counts(db.session, practice_id, PreviewFilter(type="likely")),
        latest=latest.rows,
        runs=[(run, run_word(run.status)) for run in runs.rows],
    )
