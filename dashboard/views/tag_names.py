"""What the practice calls a tag that follows a contact group of Xero's."""

from __future__ import annotations

from http import HTTPStatus
from typing import cast

from flask import (
    Blueprint,
    Response,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)

from dashboard import wiring
from dashboard.database import db
from dashboard.queries import clients
from dashboard.queries.document_states import shown_by
from dashboard.services.refusals import InvalidInput, NotFound
from dashboard.views.frame import current_frame
from dashboard.views.guards import admin_required, current_practice_id, current_user_id

pages = Blueprint("tag_names", __name__, url_prefix="/clients/tag-name")


@pages.get("")
@admin_required
def page() -> str:
    """The form with the tag's name, and what Xero calls its group."""
    return _page_of(request.args.get("tag", ""))


@pages.post("")
@admin_required
def save() -> Response:
    """Call the tag otherwise; contact checks go by it from then on."""
    tag, name = request.form.get("tag", ""), request.form.get("name", "")
    try:
        called = wiring.group_choices().rename(
            current_practice_id(), current_user_id(), request.form.get("group", ""), name
        )
    except InvalidInput as refusal:
        db.session.rollback()
        form = _page_of(tag, typed=name, error=refusal.text)
        return make_response(form, HTTPStatus.UNPROCESSABLE_ENTITY)
    flash(f"The tag is called “{called}” now.", "success")
    target = url_for("clients.page", tag=called)
    return cast(Response, redirect(target, HTTPStatus.SEE_OTHER))


def _page_of(name: str, *, typed: str | None = None, error: str | None = None) -> str:
    frame = current_frame()
    shown = shown_by(frame.summary if frame else None)
    tag = clients.group_tag(db.session, current_practice_id(), name, shown=shown)
    if tag is None or not shown.is_current:
        raise NotFound
    return render_template(
        "clients/tag_name.html", tag=tag, value=tag.name if typed is None else typed, error=error
    )
