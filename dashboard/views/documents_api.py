"""Documents as JSON."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, BinaryIO, cast
from uuid import UUID

from flask import Blueprint, Response, jsonify, request

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.queries import documents
from dashboard.queries.documents import DocumentRow
from dashboard.services.refusals import InvalidInput, NotFound
from dashboard.views.guards import current_practice_id, current_user_id, sign_in_required
from dashboard.views.json_values import iso
from dashboard.views.paging import encode_cursor, page_args
from jobs.queue import poke

api = Blueprint("documents_api", __name__, url_prefix="/api/documents")


@api.post("")
@sign_in_required
def receive() -> tuple[Response, int]:
    """Take a document: multipart with file, client_id, document_type, tax_year."""
    document_id = receive_upload()
    return jsonify(_document(document_id)), HTTPStatus.CREATED


@api.get("")
@sign_in_required
def page() -> Response:
    """The practice's documents, newest first; `client_id` and `tab` narrow the list."""
    wanted = page_args()
    try:
        found = documents.page(
            db.session,
            current_practice_id(),
            now=utcnow(),
            tab=request.args.get("tab", ""),
            client_id=_client_filter(),
            q=request.args.get("q", ""),
            limit=wanted.limit,
            cursor=wanted.cursor,
        )
    except ValueError as wrong:
        raise InvalidInput(str(wrong)) from wrong
    return jsonify(
        items=[document_json(row) for row in found.rows], next=encode_cursor(found.next_cursor)
    )


@api.get("/<uuid:document_id>")
@sign_in_required
def one(document_id: UUID) -> Response:
    """One document with its push."""
    return jsonify(_document(document_id))


@api.post("/<uuid:document_id>/accept")
@sign_in_required
def accept(document_id: UUID) -> Response:
    """Accept it: from here on its way to Xero is promised."""
    wiring.documents().accept(current_practice_id(), current_user_id(), document_id)
    poke("file-push", current_practice_id())
    return jsonify(_document(document_id))


@api.post("/<uuid:document_id>/reject")
@sign_in_required
def reject(document_id: UUID) -> Response:
    """Reject it."""
    wiring.documents().reject(current_practice_id(), current_user_id(), document_id)
    return jsonify(_document(document_id))


@api.post("/<uuid:document_id>/retry")
@sign_in_required
def retry(document_id: UUID) -> tuple[Response, int]:
    """Try again now, from the step that did not work."""
    wiring.documents().retry(current_practice_id(), current_user_id(), document_id)
    poke("file-push", current_practice_id())
    return jsonify(_document(document_id)), HTTPStatus.ACCEPTED


def receive_upload() -> UUID:
    """Store the uploaded document of this request and return its id."""
    upload = request.files.get("file")
    if upload is None or not upload.filename:
        raise InvalidInput("No file was chosen.", field="file")
    document = wiring.documents().receive(
        current_practice_id(),
        current_user_id(),
        client_id=_uuid(request.form.get("client_id", ""), "client_id"),
        file_name=upload.filename,
        stream=cast(BinaryIO, upload.stream),
        document_type=request.form.get("document_type", ""),
        tax_year=request.form.get("tax_year", ""),
    )
    return document.id


def document_json(row: DocumentRow) -> dict[str, Any]:
    """Return a document as JSON has it; `push` is null before it is accepted."""
    push = row.push
    return {
        "id": str(row.id),
        "client_id": str(row.client_id),
        "document_type": row.document_type,
        "tax_year": row.tax_year,
        "file_name": row.file_name,
        "status": str(row.status),
        "scan_status": str(row.scan_status),
        "push": push
        and {
            "status": str(push.status),
            "xero_file_id": push.xero_file_id,
            "xero_folder_id": push.xero_folder_id,
            "file_name": push.file_name,
            "retry_count": push.retry_count,
            "error": push.error,
            "next_attempt_at": iso(push.next_attempt_at),
            "pushed_at": iso(push.pushed_at),
        },
    }


def _document(document_id: UUID) -> dict[str, Any]:
    found = documents.one(db.session, current_practice_id(), document_id, now=utcnow())
    if found is None:
        raise NotFound
    return document_json(found.document)


def _client_filter() -> UUID | None:
    given = request.args.get("client_id", "")
    return _uuid(given, "client_id") if given else None


def _uuid(given: str, field: str) -> UUID:
    try:
        return UUID(given)
    except ValueError as wrong:
        raise InvalidInput(f"{field} is not an id.", field=field) from wrong
