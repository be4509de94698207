"""Before an import starts: what it will do in numbers, what groups become, and the start."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from flask import Blueprint, Response, flash, make_response, render_template, request, url_for

from dashboard import wiring
from dashboard.database import db
from dashboard.queries import contact_counts
from dashboard.queries.import_places import Draft
from dashboard.services.group_choices import GroupWish
from dashboard.services.refusals import InvalidInput
from dashboard.views.contact_import import around, desk, draft_of_practice, leads_elsewhere, see
from dashboard.views.guards import current_practice_id, current_user_id, sign_in_required
from jobs.queue import poke

pages = Blueprint("import_review", __name__, url_prefix="/import")

TAG, LEAVE = "tag-", "leave-"


@pages.get("/<uuid:draft_id>/review")
@sign_in_required
def page(draft_id: UUID) -> Response | str:
    """What pressing Import will do, in numbers, and what groups become."""
    draft = desk(draft_id)
    return leads_elsewhere(draft) or _page_of(draft)


@pages.post("/<uuid:draft_id>/groups")
@sign_in_required
def groups(draft_id: UUID) -> Response:
    """Keep what groups shall become; a name that cannot be a tag's is said at its field."""
    draft_of_practice(draft_id)
    refused = _keep_groups(draft_id)
    if refused is not None:
        return refused
    flash("The tags are saved.", "success")
    return see(url_for("import_review.page", draft_id=draft_id))


@pages.post("/<uuid:draft_id>/start")
@sign_in_required
def start(draft_id: UUID) -> Response:
    """Turn the draft into a run; a second press leads to the same run."""
    if draft_of_practice(draft_id).run_id is None:
        refused = _keep_groups(draft_id)
        if refused is not None:
            return refused
    service = wiring.xero_sync()
    if not service.refresh_matches_if_stale(current_practice_id()):
        poke("contact-sync", current_practice_id())
    run = service.start_draft_import(current_practice_id(), current_user_id(), draft_id)
    poke("contact-import", run.practice_id)
    return see(url_for("sync_history.one", run_id=run.id))


def _page_of(draft: Draft, refusal: InvalidInput | None = None) -> str:
    typed = request.form
    fields = [
        {
            "group": group,
            "tag_name": typed.get(TAG + group.id, group.tag_name or group.name),
            "is_left_out": LEAVE + group.id in typed if refusal else group.tag_name is None,
        }
        for group in contact_counts.groups_to_come(db.session, draft.place)
    ]
    return render_template(
        "contact_import/review.html",
        selection=contact_counts.selection(db.session, draft.place),
        groups=fields,
        errors={refusal.field: refusal.text} if refusal else {},
        back_url=url_for("contact_import.page", draft_id=draft.id),
        undecided_url=url_for("contact_import.page", draft_id=draft.id, selected=1, type=""),
        **around(draft),
    )


def _keep_groups(draft_id: UUID) -> Response | None:
    """Keep the choices that the form has; return the page again if one of them is refused."""
    wishes = [
        GroupWish(
            group_id,
            request.form.get(TAG + group_id, ""),
            is_left_out=LEAVE + group_id in request.form,
        )
        for group_id in request.form.getlist("group")
    ]
    if not wishes:
        return None
    try:
        wiring.group_choices().keep(current_practice_id(), current_user_id(), wishes)
    except InvalidInput as refusal:
        db.session.rollback()
        return make_response(_page_of(desk(draft_id), refusal), HTTPStatus.UNPROCESSABLE_ENTITY)
    return None
