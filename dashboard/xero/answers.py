"""What an answer of Xero means, decided once from its status and body.

The shapes are those of https://developer.xero.com/documentation/api/accounting/responsecodes and of
the official OpenAPI files; live answers add lower-case keys, single objects where an array is
documented, plain text, HTML and empty bodies, so all of them are read here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Protocol, TypeVar

import msgspec
from requests.structures import CaseInsensitiveDict

from dashboard.xero.errors import (
    XeroError,
    XeroForbidden,
    XeroNoAnswer,
    XeroNotFound,
    XeroRateLimited,
    XeroRejected,
    XeroTooLarge,
    XeroUnauthorised,
    XeroUnavailable,
)

T = TypeVar("T")
Read_co = TypeVar("Read_co", covariant=True)

LONGEST_MESSAGE = 500
MOST_MESSAGES = 20
CORRELATION_HEADER = "xero-correlation-id"
# Some servers of Microsoft's put it before every text.
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DATA_BEGINS = (b"{", b"[")

# What a decoder raises for a body that is not JSON, or nested beyond any honest one.
_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_PROBLEMS = {
    "minute": "minute",
    "day": "day",
    "concurrent": "concurrent",
    "appminute": "app-minute",
    "app-minute": "app-minute",
    "app": "app-minute",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer, body included."""

    status: int
    headers: CaseInsensitiveDict[str]
    body: bytes

    @property
    def correlation_id(self) -> str | None:
        """What Xero's support wants to hear."""
        return self.headers.get(CORRELATION_HEADER)

    @property
    def is_page(self) -> bool:
        """Whether this is a web page, whatever was asked for."""
        kind = self.headers.get("Content-Type", "").lower()
        return "html" in kind or self.words[:14].lower().startswith((b"<!doctype", b"<html"))

    @property
    def words(self) -> bytes:
        """The body of an answer that is text, without what may stand before the text."""
        return self.body.removeprefix(_BYTE_ORDER_MARK).lstrip()


class Decoder(Protocol[Read_co]):
    """Turns JSON into a type, or raises `msgspec.DecodeError`."""

    def decode(self, body: bytes, /) -> Read_co:
        """Return the value in *body*."""


def decode(answer: Answer, decoder: Decoder[T]) -> T:
    """Return the JSON of *answer* as the decoder's type.

    A page or text where JSON was due is `XeroUnavailable`; JSON that breaks off is `XeroNoAnswer`.
    """
    failure: XeroError
    try:
        return decoder.decode(answer.words)
    except msgspec.ValidationError as error:
        failure = _unusable(answer, f"Xero's answer has an unknown shape: {error}.")
    except _NO_JSON:
        failure = _undecodable(answer)
    raise failure


def _undecodable(answer: Answer) -> XeroError:
    if answer.words.startswith(_DATA_BEGINS):
        # JSON that began and broke off: the rest was lost on the way.
        return XeroNoAnswer("Xero's answer broke off in the middle.")
    return _unusable(answer, "Xero answered with something other than data.")


def _unusable(answer: Answer, message: str) -> XeroUnavailable:
    return XeroUnavailable(
        message[:LONGEST_MESSAGE], status=answer.status, correlation_id=answer.correlation_id
    )


def error_for(answer: Answer, *, may_be_unmodified: bool = False) -> XeroError | None:
    """Return what *answer* means when it is not a success, else None.

    With *may_be_unmodified*, 304 counts as a success.
    """
    status = answer.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    if status == HTTPStatus.NOT_MODIFIED and may_be_unmodified:
        return None
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return _rate_limited(answer)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status < HTTPStatus.BAD_REQUEST:
        # A redirect is never followed: it could carry a token to another host.
        return _said(XeroUnavailable, answer, _unavailable_sentence(status))
    return _client_error(answer)


def _unavailable_sentence(status: int) -> str:
    if status < HTTPStatus.BAD_REQUEST:
        return f"Xero sent us to another address ({status}), which we never follow."
    return f"Xero has a problem of its own ({status})."


def _client_error(answer: Answer) -> XeroError:
    match answer.status:
        case HTTPStatus.UNAUTHORIZED:
            return _said(XeroUnauthorised, answer, "Xero did not accept the access token.")
        case HTTPStatus.FORBIDDEN:
            return _said(XeroForbidden, answer, "Xero gives no access to this organisation.")
        case HTTPStatus.NOT_FOUND:
            return _said(XeroNotFound, answer, "Xero does not know this id.")
        case HTTPStatus.REQUEST_TIMEOUT:
            return _said(XeroUnavailable, answer, "Xero grew tired of waiting for the request.")
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return _said(XeroTooLarge, answer, "The file is too large for Xero.")
    messages = _messages(answer)
    return XeroRejected(
        "; ".join(messages)[:LONGEST_MESSAGE] or f"Xero refused the request ({answer.status}).",
        messages=messages,
        status=answer.status,
        correlation_id=_correlation_id(answer),
    )


def _said(kind: type[XeroError], answer: Answer, otherwise: str) -> XeroError:
    message = "; ".join(_messages(answer))[:LONGEST_MESSAGE]
    return kind(message or otherwise, status=answer.status, correlation_id=_correlation_id(answer))


def _rate_limited(answer: Answer) -> XeroRateLimited:
    # The body of a 429 is empty; the facts are in its headers.
    problem = rate_problem(answer.headers)
    return XeroRateLimited(
        f"Xero asked us to slow down ({problem}).",
        retry_after=retry_after(answer.headers),
        problem=problem,
        correlation_id=answer.correlation_id,
    )


def rate_problem(headers: Mapping[str, str]) -> str:
    """Return which limit a 429 names, in our words; `unknown` for a word we have not met."""
    return _PROBLEMS.get(headers.get("X-Rate-Limit-Problem", "").strip().lower(), "unknown")


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds that `Retry-After` asks for, or None when it names no time.

    Both forms of https://www.rfc-editor.org/rfc/rfc9110#name-retry-after are read; a date counts
    from *now*, by default the answer's own `Date`, so that our clock does not matter.
    """
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    if value.isdecimal():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
        since = now or parsedate_to_datetime(headers.get("Date", ""))
    except ValueError:
        return None
    return max(0.0, (until.astimezone(UTC) - since.astimezone(UTC)).total_seconds())


def _correlation_id(answer: Answer) -> str | None:
    if answer.correlation_id:
        return answer.correlation_id
    body = _json(answer)
    instance = _lower_keys(body).get("instance") if isinstance(body, dict) else None
    return instance if isinstance(instance, str) and instance else None


def _messages(answer: Answer) -> tuple[str, ...]:
    """Return each reason that the body gives, in Xero's words."""
    body = _json(answer)
    if body is None:
        return _plain_text(answer)
    found = dict.fromkeys(message.strip() for message in _reasons(body))
    return tuple(each for each in found if each and not each.startswith("<"))[:MOST_MESSAGES]


def _json(answer: Answer) -> Any:
    try:
        return msgspec.json.decode(answer.words) if answer.words else None
    except _NO_JSON:
        return None


def _plain_text(answer: Answer) -> tuple[str, ...]:
    kind = answer.headers.get("Content-Type", "").lower()
    text = answer.words[: LONGEST_MESSAGE * 4].decode("utf-8", "replace").strip()
    # Markup says nothing that a person could use, and broken data may echo a whole record.
    if not text or answer.is_page or "xml" in kind or text.startswith(("<", "{", "[")):
        return ()
    return (text[:LONGEST_MESSAGE],)


def _reasons(body: Any) -> Iterator[str]:
    if isinstance(body, str):
        yield body
    if isinstance(body, list):
        for item in body:
            yield from _reasons(item)
    if isinstance(body, dict):
        yield from _reasons_of_object(_lower_keys(body))


def _reasons_of_object(body: dict[str, Any]) -> Iterator[str]:
    # The reasons inside Elements say more than the envelope's "A validation exception occurred".
    # Only the messages are taken: the elements echo whole records back, bank details included.
    nested = [*_validation_messages(body)]
    if nested:
        yield from nested
        return
    for key in ("detail", "message", "title", "error_description", "error"):
        if isinstance(body.get(key), str) and body[key].strip():
            yield body[key]
            return


def _validation_messages(body: dict[str, Any]) -> Iterator[str]:
    for element in (body, *_objects(body.get("elements"))):
        for error in _objects(element.get("validationerrors")):
            if isinstance(error.get("message"), str):
                yield error["message"]


def _objects(value: Any) -> list[dict[str, Any]]:
    items = value if isinstance(value, list) else []
    return [_lower_keys(item) for item in items if isinstance(item, dict)]


def _lower_keys(value: dict[str, Any]) -> dict[str, Any]:
    return {str(key).lower(): item for key, item in value.items()}
