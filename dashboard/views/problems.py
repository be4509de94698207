"""Errors in JSON: RFC 9457 problem details."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, jsonify


def problem(status: int, code: str, detail: str, **more: object) -> Response:
    """Return a problem answer: `status`, `title`, `detail` for people and `code` for programs."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "code": code,
        "detail": detail,
        **{name: value for name, value in more.items() if value is not None},
    }
    answer = jsonify(body)
    answer.status_code = status
    answer.content_type = "application/problem+json"
    return answer
