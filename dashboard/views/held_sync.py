"""A contact check that stopped and asks: what it would change, and the two answers."""

from __future__ import annotations

from http import HTTPStatus
from typing import cast
from uuid import UUID

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for

from dashboard import wiring
from dashboard.database import db
from dashboard.queries import sync_runs
from dashboard.services.refusals import NotFound
from dashboard.views.contacts_api import readable_cursor
from dashboard.views.frame import current_frame
from dashboard.views.guards import (
    admin_required,
    ask_admins,
    current_practice_id,
    current_user_id,
    sign_in_required,
)
from dashboard.views.paging import encode_cursor, page_args
from jobs.queue import poke

pages = Blueprint("held_sync", __name__, url_prefix="/sync-history")


@pages.get("/held")
@sign_in_required
def page() -> Response | str:
    """What the held check would change; without one, the history."""
    run = sync_runs.held(db.session, current_practice_id())
    if run is None:
        flash("No contact check waits for an answer.", "info")
        return _see(url_for("sync_history.page"))
    wanted = page_args()
    with readable_cursor():
        found = sync_runs.items(
            db.session,
            current_practice_id(),
            run.id,
            outcome="waiting",
            told=True,
            limit=wanted.limit,
            cursor=wanted.cursor,
        )
    cursor = encode_cursor(found.next_cursor)
    frame = current_frame()
    return render_template(
        "sync_history/held.html",
        run=run,
        rows=found.rows,
        is_first_page=wanted.cursor is None,
        next_url=url_for("held_sync.page", cursor=cursor) if cursor else None,
        ask=ask_admins(frame.admins if frame else []),
    )


@pages.post("/held/<uuid:run_id>")
@admin_required
def answer(run_id: UUID) -> Response:
    """Take an admin's answer: apply, or leave the clients as they are."""
    brake = wiring.sync_brake()
    if request.form.get("answer") == "apply":
        brake.apply(current_practice_id(), run_id)
        flash("The changes are applied now.", "success")
    elif request.form.get("answer") == "leave":
        brake.leave(current_practice_id(), run_id, current_user_id())
        flash("The clients stay as they are. Each client’s page shows what Xero has.", "success")
    else:
        raise NotFound
    poke("contact-sync", current_practice_id())
    return _see(url_for("sync_history.one", run_id=run_id))


def _see(target: str) -> Response:
    return cast(Response, redirect(target, HTTPStatus.SEE_OTHER))
