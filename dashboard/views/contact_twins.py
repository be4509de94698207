"""Contacts that may be in Xero twice, and a person's word that two of them are not the same."""

from __future__ import annotations

from http import HTTPStatus
from typing import cast

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for

from dashboard import wiring
from dashboard.database import db
from dashboard.queries import contact_twins
from dashboard.views.guards import current_practice_id, current_user_id, sign_in_required

pages = Blueprint("contact_twins", __name__, url_prefix="/clients/in-xero-twice")

APART = "apart"


@pages.get("")
@sign_in_required
def page() -> str:
    """Contacts of the organisation that may be the same, or those that were told apart."""
    apart = request.args.get("show") == APART
    found = contact_twins.page(db.session, current_practice_id(), apart=apart)
    return render_template(
        "clients/twins.html",
        found=found,
        apart=apart,
        total=found.apart if apart else found.same,
        tabs=[
            {
                "label": label,
                "count": count,
                "url": url_for("contact_twins.page", show=show),
                "current": apart == bool(show),
            }
            for label, count, show in (
                ("May be the same", found.same, None),
                ("Not the same", found.apart, APART),
            )
        ],
    )


@pages.post("")
@sign_in_required
def tell() -> Response:
    """Remember that two contacts are not the same, or show them again."""
    first, _, second = request.form.get("pair", "").partition(" ")
    apart = request.form.get("word") == APART
    wiring.twin_verdicts().tell_apart(
        current_practice_id(), current_user_id(), first, second, apart=apart
    )
    if apart:
        flash("These two are not shown as the same again.", "success")
        return _see(url_for("contact_twins.page"))
    flash("These two are shown again while they look the same.", "success")
    return _see(url_for("contact_twins.page", show=APART))


def _see(target: str) -> Response:
    return cast(Response, redirect(target, HTTPStatus.SEE_OTHER))
