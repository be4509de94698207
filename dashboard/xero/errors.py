"""What can go wrong with Xero, as types: read once from status and body."""

from __future__ import annotations

from enum import StrEnum


class XeroError(Exception):
    """Xero, or the way to it, said no.

    `message` is a sentence without secrets (Xero's own words where it gave some), `status` the HTTP
    status when there was an answer, `correlation_id` what to quote to Xero's support.
    """

    def __init__(
        self, message: str, *, status: int | None = None, correlation_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.correlation_id = correlation_id


class XeroUnauthorised(XeroError):
    """401 that a fresh access token did not cure, or that came where none could be had."""


class XeroForbidden(XeroError):
    """403: the organisation is gone from the connection, or the person lost access to it."""


class XeroNotFound(XeroError):
    """404: Xero does not know this id."""


class XeroRejected(XeroError):
    """Another 4xx: the request itself is refused, and repeating it cannot help.

    `messages` holds each reason in Xero's words; 413 has its own type.
    """

    def __init__(
        self,
        message: str,
        *,
        messages: tuple[str, ...] = (),
        status: int | None = None,
        correlation_id: str | None = None,
    ) -> None:
        super().__init__(message, status=status, correlation_id=correlation_id)
        self.messages = messages


class XeroTooLarge(XeroError):
    """413: the file is larger than Xero takes (10 MB through its API)."""


class XeroRateLimited(XeroError):
    """429: Xero asked us to slow down; the governor has already noted it.

    `retry_after` is in seconds, None when Xero named no time; `problem` is one of `minute`, `day`,
    `concurrent`, `app-minute` or, for a word we do not know, `unknown`.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        problem: str = "unknown",
        status: int | None = 429,
        correlation_id: str | None = None,
    ) -> None:
        super().__init__(message, status=status, correlation_id=correlation_id)
        self.retry_after = retry_after
        self.problem = problem


class XeroUnavailable(XeroError):
    """Xero answered, but with nothing usable: a 5xx, a redirect, or a page where data was due."""


class XeroNoAnswer(XeroError):
    """No whole answer came: time-out, reset, unknown host, half a body.

    What happened at Xero is unknown unless `maybe_sent` is False: then not one byte of the request
    left. `dropped_idle` marks a kept-alive connection that Xero had closed in the meantime.
    """

    def __init__(
        self, message: str, *, maybe_sent: bool = True, dropped_idle: bool = False
    ) -> None:
        super().__init__(message)
        self.maybe_sent = maybe_sent
        self.dropped_idle = dropped_idle


class XeroGrantRefused(XeroError):
    """`invalid_grant`: this code or refresh token is no longer good."""


class XeroAppRefused(XeroError):
    """Xero does not accept our app's own credentials or scopes: a matter for the operator.

    `error` is the OAuth word, for example `invalid_client`.
    """

    def __init__(
        self,
        message: str,
        *,
        error: str,
        status: int | None = None,
        correlation_id: str | None = None,
    ) -> None:
        super().__init__(message, status=status, correlation_id=correlation_id)
        self.error = error


class XeroIdentityUnproven(XeroError):
    """The id_token of a sign-in did not verify, so nobody can say whose tokens these are.

    `about_time` means that only its times did not fit: one of the two clocks is off.
    """

    def __init__(self, message: str, *, about_time: bool = False) -> None:
        super().__init__(message)
        self.about_time = about_time


class WaitReason(StrEnum):
    """Why the governor let no call leave."""

    MINUTE = "minute"
    CONCURRENT = "concurrent"
    DAY = "day"
    APP_MINUTE = "app-minute"
    BLOCKED = "blocked"
    LIMITER_UNAVAILABLE = "limiter-unavailable"
    SAFE_START = "safe-start"


class XeroMustWait(XeroError):
    """Our own governor said "not now": no call was made, and waiting is not a failure.

    `seconds` is how long to wait before asking again, `reason` which limit it is, a `WaitReason`
    where the governor said it.
    """

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(f"No call was made: wait {seconds:.1f} s ({reason}).")
        self.seconds = seconds
        self.reason = reason
