"""One door for every request to Xero's API: governed, timed, and answered in types."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import TypeVar
from urllib.parse import quote, urlencode

import requests
from authlib.integrations.requests_client import OAuth2Auth

from dashboard.secret import Secret
from dashboard.xero.answers import Answer, error_for
from dashboard.xero.deadline import DeadlineAdapter
from dashboard.xero.errors import XeroError, XeroNoAnswer, XeroUnauthorised
from dashboard.xero.governor import Governor, Priority

LONGEST_IDEMPOTENCY_KEY = 128
# So much of a token, from either end, is enough to take an answer for an echo of the request.
ECHO_LENGTH = 24
# The version that Xero sees in its logs; the same as in pyproject.toml.
VERSION = "0.1.0"

SessionT = TypeVar("SessionT", bound=requests.Session)


@dataclass(frozen=True, slots=True)
class XeroRequest:
    """One call to the API, without its token.

    `path` begins with a slash and is already quoted (see `segment`); `tenant_id` is None only for
    `/connections`.
    """

    method: str
    path: str
    priority: Priority
    tenant_id: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    content_type: str | None = None
    idempotency_key: str | None = None
    accept: str = "application/json"

    @property
    def is_conditional(self) -> bool:
        """Whether "nothing has changed" is a good answer."""
        return "If-Modified-Since" in self.headers


@dataclass(frozen=True, slots=True)
class Exchange:
    """What one call cost: for counting, never for deciding.

    `sent` is False when not one byte left: that was no call. `status` is None when no answer came;
    bytes are those on the wire (compressed), heads excluded.
    """

    tenant_id: str | None
    priority: Priority
    method: str
    path: str
    sent: bool
    status: int | None
    bytes_sent: int
    bytes_received: int
    seconds: float


class Bearer:
    """The access token of a series of calls, and the way to a fresh one."""

    def __init__(self, access: Secret, refresh_access: Callable[[], Secret] | None = None) -> None:
        self._access = access
        self._refresh_access = refresh_access

    @property
    def access(self) -> Secret:
        """The token to use now."""
        return self._access

    @property
    def can_renew(self) -> bool:
        """Whether a 401 can be answered with a fresh token."""
        return self._refresh_access is not None

    def renew(self) -> None:
        """Replace the token by a fresh one."""
        if self._refresh_access is not None:
            self._access = self._refresh_access()


class Transport:
    """Sends requests to the API's one address.

    *api_url* has no path; *version* is ours, for the `User-Agent`. *on_exchange* is told the cost
    of every call that left or tried to.
    """

    def __init__(
        self,
        governor: Governor,
        api_url: str,
        *,
        version: str = VERSION,
        adapter: DeadlineAdapter | None = None,
        total_seconds: float = 20.0,
        on_exchange: Callable[[Exchange], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._governor = governor
        self._api_url = api_url.rstrip("/")
        self._total_seconds = total_seconds
        self._on_exchange = on_exchange
        self._monotonic = monotonic
        self.adapter = adapter or DeadlineAdapter(total=total_seconds)
        self.user_agent = f"chase.md-xero-dashboard/{version}"
        self._session = prepared(requests.Session(), self.adapter, self.user_agent)

    def close(self) -> None:
        """Close the kept-alive connections."""
        self.adapter.close()

    def send(self, request: XeroRequest, bearer: Bearer) -> Answer:
        """Return Xero's successful answer; anything else is an `XeroError`.

        A 401 is cured once with a fresh token. Only a GET is ever repeated by itself, once, when
        the kept-alive connection had been dropped before it. Takes at most twice the total time
        plus what the refresh takes. `XeroMustWait` means that the governor let nothing leave.
        """
        refusal = self._first_try(request, bearer)
        if isinstance(refusal, Answer):
            return refusal
        if not bearer.can_renew:
            raise refusal
        bearer.renew()
        return self._try(request, bearer.access)

    def _first_try(self, request: XeroRequest, bearer: Bearer) -> Answer | XeroUnauthorised:
        try:
            return self._try(request, bearer.access)
        except XeroUnauthorised as refusal:
            return refusal

    def _try(self, request: XeroRequest, access: Secret) -> Answer:
        ends_at = self._monotonic() + self._total_seconds
        try:
            return self._exchange(request, access, self._total_seconds)
        except XeroNoAnswer as silence:
            if request.method != "GET" or not silence.dropped_idle:
                raise
        return self._exchange(request, access, max(ends_at - self._monotonic(), 0.001))

    def _exchange(self, request: XeroRequest, access: Secret, seconds: float) -> Answer:
        headers = _headers(request)
        slot = self._governor.acquire(request.tenant_id, request.priority)
        began_at = self._monotonic()
        answer: Answer | None = None
        received = 0
        sent = True
        try:
            response = self._call(request, headers, access, seconds)
            answer = Answer(response.status_code, response.headers, response.content)
            received = response.raw.tell() or len(response.content)
        except XeroNoAnswer as silence:
            sent = silence.maybe_sent
            raise
        finally:
            self._governor.release(
                slot,
                status=answer.status if answer else None,
                headers=answer.headers if answer else None,
                sent=sent,
            )
            self._report(request, answer, received, self._monotonic() - began_at, sent=sent)
        error = error_for(_without_echo(answer, access), may_be_unmodified=request.is_conditional)
        if error is not None:
            raise error
        return answer

    def _call(
        self, request: XeroRequest, headers: dict[str, str], access: Secret, seconds: float
    ) -> requests.Response:
        query = f"?{urlencode(request.query, quote_via=quote)}" if request.query else ""
        failure: XeroError
        try:
            return self._session.request(
                request.method,
                f"{self._api_url}{request.path}{query}",
                headers=headers,
                data=request.body,
                auth=OAuth2Auth({"access_token": access.reveal(), "token_type": "Bearer"}),
                timeout=seconds,
                allow_redirects=False,
            )
        except requests.RequestException:
            # Nothing was sent: requests could not even make a request of it.
            failure = XeroNoAnswer("The request to Xero could not be made.", maybe_sent=False)
        raise failure

    def _report(
        self,
        request: XeroRequest,
        answer: Answer | None,
        received: int,
        seconds: float,
        *,
        sent: bool,
    ) -> None:
        if self._on_exchange is None:
            return
        self._on_exchange(
            Exchange(
                tenant_id=request.tenant_id,
                priority=request.priority,
                method=request.method,
                path=request.path,
                sent=sent,
                status=answer.status if answer else None,
                bytes_sent=len(request.body or b"") if sent else 0,
                bytes_received=received,
                seconds=seconds,
            )
        )


def prepared(session: SessionT, adapter: DeadlineAdapter, user_agent: str) -> SessionT:
    """Return *session* with our connections and manners, and nothing from the environment."""
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    # A .netrc or a proxy variable of the machine must not change where a token goes.
    session.trust_env = False
    # Cookies of one organisation's answers must not travel with another one's calls.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update(
        {"User-Agent": user_agent, "Accept": "application/json", "Accept-Encoding": "gzip"}
    )
    return session


def _without_echo(answer: Answer, access: Secret) -> Answer:
    """Return *answer*, without its body if that repeats our token: people read its words."""
    told = access.reveal()[-ECHO_LENGTH:].encode() in answer.body
    told = told or access.reveal()[:ECHO_LENGTH].encode() in answer.body
    return Answer(answer.status, answer.headers, b"") if told else answer


def segment(value: str) -> str:
    """Return *value* as one piece of a path; it can never climb to another path."""
    if not value or value in (".", ".."):
        raise ValueError("An empty or relative id cannot be part of an address.")
    return quote(value, safe="")


def _headers(request: XeroRequest) -> dict[str, str]:
    headers = {"Accept": request.accept, **request.headers}
    if request.tenant_id is not None:
        headers["xero-tenant-id"] = request.tenant_id
    if request.content_type is not None:
        headers["Content-Type"] = request.content_type
    if request.idempotency_key is not None:
        headers["Idempotency-Key"] = _fitting_key(request.idempotency_key)
    return headers


def _fitting_key(key: str) -> str:
    if not key.isascii() or not key.isprintable() or not 0 < len(key) <= LONGEST_IDEMPOTENCY_KEY:
        raise ValueError("An idempotency key is 1 to 128 printable ASCII characters.")
    return key
