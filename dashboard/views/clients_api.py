"""Clients as JSON: the list, one of them, and adding one."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, jsonify, request, url_for

from dashboard import wiring
from dashboard.database import db
from dashboard.queries import clients
from dashboard.queries.clients import ClientRow
from dashboard.services.refusals import NotFound
from dashboard.views.contacts_api import readable_cursor
from dashboard.views.guards import current_practice_id, sign_in_required
from dashboard.views.json_values import json_body
from dashboard.views.paging import encode_cursor, page_args

api = Blueprint("clients_api", __name__, url_prefix="/api/clients")


@api.get("")
@sign_in_required
def listing() -> Response:
    """The practice's clients by name."""
    wanted = page_args()
    with readable_cursor():
        page = clients.page(
            db.session,
            current_practice_id(),
            q=request.args.get("q", ""),
            limit=wanted.limit,
            cursor=wanted.cursor,
        )
    return jsonify(
        items=[client_json(client) for client in page.rows], next=encode_cursor(page.next_cursor)
    )


@api.post("")
@sign_in_required
def create() -> tuple[Response, int, dict[str, str]]:
    """Add a client."""
    client = wiring.clients().create(current_practice_id(), json_body())
    address = url_for("clients_api.one", client_id=client.id)
    return one(client.id), HTTPStatus.CREATED, {"Location": address}


@api.get("/<uuid:client_id>")
@sign_in_required
def one(client_id: UUID) -> Response:
    """One client of the practice."""
    found = clients.one(db.session, current_practice_id(), client_id)
    if found is None:
        raise NotFound
    return jsonify(client_json(found.client))


def client_json(client: ClientRow) -> dict[str, Any]:
    """Return a client as JSON has it."""
    return {
        "id": str(client.id),
        "name": client.name,
        "email": client.email,
        "phone": client.phone,
        "company_number": client.company_number,
        "tax_number": client.tax_number,
        "xero_contact_id": client.xero_contact_id,
        "tags": [tag.name for tag in client.tags],
    }
