"""The product's app with one more address that does nothing: the limit for what a poll may cost."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response

from wsgi import app


@app.get("/bare")
def bare() -> Response:
    """Answer 204."""
    return Response(status=HTTPStatus.NO_CONTENT)
