"""The answers that Xero gives when something is wrong, word for word where the words are known.

https://developer.xero.com/documentation/api/accounting/responsecodes and live recordings. Shapes
differ between Xero's layers on purpose: the gateway, Accounting and Files each have their own.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Response, g, request
from markupsafe import escape

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

NOT_FOUND = "The resource you're looking for cannot be found"
SERVER_ERROR_PAGE = (
    "<!DOCTYPE html><html><head><title>Runtime Error</title></head>"
    "<body><h1>Server Error in '/' Application.</h1></body></html>"
)
TOO_LARGE_PAGE = (
    "<!DOCTYPE html><html><head><title>413 - Request Entity Too Large</title></head>"
    "<body><h2>413 - Request entity is too large.</h2></body></html>"
)
MAINTENANCE_PAGE = (
    "<!DOCTYPE html><html><head><title>Xero</title></head>"
    "<body><p>We're just giving things a spruce up.</p></body></html>"
)


class Refused(Exception):
    """Stop here and answer with this response."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def _connection_of(environ: WSGIEnvironment) -> socket.socket | None:
    """Return the caller's socket, which both of our servers hand down; None in process."""
    return environ.get("gunicorn.socket") or environ.get("werkzeug.socket")


def _hear_no_more(connection: socket.socket | None) -> None:
    """Let a server that keeps connections alive find the end of this one, and close it."""
    if connection is not None:
        connection.shutdown(socket.SHUT_RD)


def _reset(connection: socket.socket) -> None:
    """Send a reset to the caller and leave the server a socket that it can close in peace.

    Lingering for zero seconds turns the close into a reset, but both servers say a polite
    goodbye before they close. So the connection is closed under them, by putting one end of a
    pair that nobody uses in its place.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stand_in, other_end = socket.socketpair()
    with stand_in, other_end:
        os.dup2(stand_in.fileno(), connection.fileno())


class Dropped(Response):
    """No answer: the connection is reset."""

    wire = "reset"

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Reset the connection. In-process callers see ConnectionResetError as it is."""
        if connection := _connection_of(environ):
            _reset(connection)
        raise ConnectionResetError(errno.ECONNRESET, "The simulator dropped this call on order")


class HalfBody(Response):
    """Promises a whole body, sends half of it and hangs up."""

    wire = "half body"

    @classmethod
    def of(cls, response: Response) -> HalfBody:
        """Return *response* as one that breaks off in the middle."""
        return cls(response.get_data(), response.status, response.headers.to_wsgi_list())

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Send the first half."""
        body = self.get_data()
        start_response(self.status, self.headers.to_wsgi_list())
        return self._first_half_of(body, _connection_of(environ))

    @staticmethod
    def _first_half_of(body: bytes, connection: socket.socket | None) -> Iterator[bytes]:
        yield body[: len(body) // 2]
        _hear_no_more(connection)
        raise ConnectionResetError(errno.ECONNRESET, "The simulator broke off on order")


def as_json(payload: Any, status: int = HTTPStatus.OK) -> Response:
    """Return *payload* as JSON."""
    text = json.dumps(payload, ensure_ascii=False)
    return Response(text, status, content_type="application/json; charset=utf-8")


def as_text(text: str, status: int) -> Response:
    """Return plain text."""
    return Response(text, status, content_type="text/plain; charset=utf-8")


def as_html(page: str, status: int = HTTPStatus.OK) -> Response:
    """Return an HTML page."""
    return Response(page, status, content_type="text/html; charset=utf-8")


def _gateway(status: HTTPStatus, title: str, detail: str) -> Response:
    return as_json(
        {
            "Type": None,
            "Title": title,
            "Status": status,
            "Detail": detail,
            "Instance": g.correlation_id,
            "Extensions": {},
        },
        status,
    )


def unauthorised(detail: str = "AuthenticationUnsuccessful") -> Response:
    """Return the 401 of the gateway."""
    response = _gateway(HTTPStatus.UNAUTHORIZED, "Unauthorized", detail)
    response.headers["WWW-Authenticate"] = "Bearer error=invalid_token"
    return response


def token_expired(at: datetime) -> Response:
    """Return the 401 for a token that expired *at* that moment."""
    return unauthorised(f"TokenExpired: token expired at {at:%m/%d/%Y %H:%M:%S}")


def missing_scope() -> Response:
    """Return the 401 for a token without the scope that a call needs."""
    return unauthorised("AuthorizationUnsuccessful")


def forbidden() -> Response:
    """Return the 403 for an organisation that this token does not open."""
    return _gateway(HTTPStatus.FORBIDDEN, "Forbidden", "AuthenticationUnsuccessful")


def not_found() -> Response:
    """Return the 404, which is text and not JSON."""
    return Response(NOT_FOUND, HTTPStatus.NOT_FOUND, content_type="text/html; charset=utf-8")


def too_many(problem: str, retry_after: int | None) -> Response:
    """Return the 429: an empty body, everything is in the headers."""
    response = Response(b"", HTTPStatus.TOO_MANY_REQUESTS)
    del response.headers["Content-Type"]
    response.headers["X-Rate-Limit-Problem"] = problem
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def too_large(*, html: bool) -> Response:
    """Return the 413, which comes as JSON or as a page of the web server."""
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    if html:
        return as_html(TOO_LARGE_PAGE, status)
    return _gateway(status, "RequestEntityTooLarge", "PayloadTooLarge")


def files_refusal(
    detail: str, kind: str = "Validation", title: str = "Validation failure"
) -> Response:
    """Return the 400 of Files: an array of problems."""
    return as_json([{"type": kind, "title": title, "detail": detail}], HTTPStatus.BAD_REQUEST)


def files_refusal_object(detail: str) -> Response:
    """Return the other 400 of Files: one bare object, as seen live."""
    return as_json(
        {"type": "Validation", "title": "Validation failure", "detail": detail},
        HTTPStatus.BAD_REQUEST,
    )


def wants_json() -> bool:
    """Whether the caller asked Accounting for JSON; its default is XML."""
    return "application/json" in request.headers.get("Accept", "").lower()


def accounting_refusal(
    number: int, kind: str, message: str, status: int = HTTPStatus.BAD_REQUEST
) -> Response:
    """Return an error of Accounting in the format that the caller asked for."""
    if wants_json():
        payload: dict[str, Any] = {"ErrorNumber": number, "Type": kind, "Message": message}
        return as_json(payload, status)
    page = (
        '<?xml version="1.0" encoding="utf-8"?><ApiException>'
        f"<ErrorNumber>{number}</ErrorNumber><Type>{escape(kind)}</Type>"
        f"<Message>{escape(message)}</Message></ApiException>"
    )
    return Response(page, status, content_type="text/xml; charset=utf-8")
