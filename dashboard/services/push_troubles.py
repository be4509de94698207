"""What becomes of a push when a call to Xero did not succeed.

The question is always whether Xero may have done it: after no answer, and after an answered fault
of Xero's own, we look before anything is sent again. `rules.retry_policy` decides what follows;
this module writes it down and gives the lease back.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import select

from dashboard.database import AnySession
from dashboard.models import ConnectionStatus, PushStatus, XeroConnection
from dashboard.rules.push_sentences import Cause, PushCause, cause_sentence
from dashboard.rules.retry_policy import Action, NextStep, Outcome, next_step
from dashboard.services import push_timeline
from dashboard.services.push_attention import PushAttention
from dashboard.services.push_claims import Lease, Push, PushClaims
from dashboard.services.push_results import Ending
from dashboard.services.refusals import Refusal
from dashboard.xero import (
    XeroError,
    XeroForbidden,
    XeroMustWait,
    XeroNoAnswer,
    XeroTooLarge,
    XeroUnavailable,
)

# A call that never left is repeated within half a minute.
SOONEST_SECONDS = 5.0
LATEST_SECONDS = 30.0
OPERATOR_SECONDS = 300.0
# Xero's words for a key that it remembers with another request, in lower case.
KEY_MISMATCH = "different request"
NOT_ON_CONTACT = "The file is in Xero Files, but we could not put it on the contact."


class Effect(StrEnum):
    """What Xero may have done when the call ended badly."""

    NONE = "none"
    """Nothing: we only read, or the call never left."""
    UPLOAD = "upload"
    ASSOCIATION = "association"


class PushTroubles:
    """Writes down what follows a call that failed, and gives the push back."""

    def __init__(
        self,
        *,
        session: AnySession,
        claims: PushClaims,
        attention: PushAttention,
        clock: Callable[[], datetime],
        chance: Callable[[], float],
        reconcile_lag: float,
    ) -> None:
        self._session = session
        self._claims = claims
        self._attention = attention
        self._clock = clock
        self._chance = chance
        self._reconcile_lag = reconcile_lag

    def after(self, lease: Lease, push: Push, problem: Exception, effect: Effect) -> Ending:
        """Give *push* back as *problem* demands and say how it ended.

        *push* is what was read before the call; other exceptions than Xero's and refusals of the
        connection are not for here and are raised on.
        """
        match problem:
            case XeroMustWait():
                ending = self._must_wait(lease, push, problem)
            case Refusal():
                ending = self.hold(lease, push)
            case XeroForbidden():
                ending = self._forbidden(lease, push, problem)
            case XeroNoAnswer() if not problem.maybe_sent:
                ending = self.not_reached(lease, push)
            case XeroNoAnswer():
                ending = self._no_answer(lease, push, effect)
            case XeroUnavailable():
                ending = self._server_error(lease, push, problem, effect)
            case XeroTooLarge():
                ending = self.fail(lease, push, PushCause.TOO_LARGE, problem)
            case _:
                ending = self._operator(lease, push, problem)
        return ending

    def fail(
        self,
        lease: Lease,
        push: Push,
        cause: PushCause,
        problem: XeroError | None = None,
        *,
        document: dict[str, Any] | None = None,
        values: dict[str, Any] | None = None,
    ) -> Ending:
        """Leave the push to a person, with the cause in words."""
        details = _details(problem)
        sentence = _sentence(push, cause, details)
        self._claims.give_back(
            lease,
            push,
            push_timeline.failed(sentence, push.retry_count, details),
            document=document,
            in_same_commit=lambda: self._attention.refresh(push.practice_id, push.connection_id),
            values={
                # "Uploaded" with a cause reads "In Xero, not on contact".
                "status": PushStatus.UPLOADED if push.xero_file_id else PushStatus.FAILED,
                "cause": cause.value,
                "error": sentence,
                "not_before": None,
                "last_http_status": problem.status if problem is not None else None,
                "technical_details": details or None,
                **(values or {}),
            },
        )
        return Ending.FAILED

    def hold(self, lease: Lease, push: Push) -> Ending:
        """Keep the push until the connection works again."""
        self._claims.give_back(lease, push, push_timeline.on_hold(), values=_resting(push))
        return Ending.HELD

    def rest(self, lease: Lease, push: Push, *lines: push_timeline.Line) -> None:
        """Give the push back as it is, to be taken up again at once."""
        self._claims.give_back(lease, push, *lines, values=_resting(push))

    def wait(
        self,
        lease: Lease,
        push: Push,
        line: push_timeline.Line,
        seconds: float,
        *,
        cause: PushCause | None = None,
        values: dict[str, Any] | None = None,
    ) -> Ending:
        """Give the push back, to be taken up in *seconds*; nothing is counted."""
        resting = _resting(push)
        if cause is not None and push.xero_file_id is None:
            resting["cause"] = cause.value
        until = self._clock() + timedelta(seconds=seconds)
        after = {**resting, "not_before": until, **(values or {})}
        self._claims.give_back(lease, push, line, values=after)
        return Ending.WAITS

    def not_reached(self, lease: Lease, push: Push) -> Ending:
        """Wait a little: the call never left, so nothing happened."""
        seconds = SOONEST_SECONDS + (LATEST_SECONDS - SOONEST_SECONDS) * self._chance()
        self.wait(lease, push, push_timeline.not_reached(seconds), seconds)
        return Ending.SILENT

    def _must_wait(self, lease: Lease, push: Push, wait: XeroMustWait) -> Ending:
        # The connection remembers until when; a moment on this row alone would upset the order.
        self.rest(lease, push, push_timeline.must_wait(wait.seconds, wait.reason))
        return Ending.MUST_WAIT

    def _forbidden(self, lease: Lease, push: Push, problem: XeroError) -> Ending:
        status = self._session.scalar(
            select(XeroConnection.status).where(XeroConnection.id == push.connection_id)
        )
        self._session.commit()
        if status != ConnectionStatus.ACTIVE:
            return self.hold(lease, push)
        return self.fail(lease, push, PushCause.PERMISSION, problem)

    def _no_answer(self, lease: Lease, push: Push, effect: Effect) -> Ending:
        step = self._step(Outcome.NO_ANSWER, push)
        doubt = push.outcome_unknown or effect is not Effect.NONE
        if step.action is Action.FAIL:
            after: dict[str, Any] = {"looks": 0, "outcome_unknown": doubt}
            self.fail(lease, push, PushCause.NO_ANSWER, values=after)
            return Ending.SILENT
        seconds = step.after_seconds or 0.0
        after = {"looks": push.looks + 1, "outcome_unknown": doubt}
        if not doubt:
            self.wait(lease, push, push_timeline.not_reached(seconds), seconds, values=after)
            return Ending.SILENT
        line = push_timeline.no_answer(seconds)
        self.wait(lease, push, line, seconds, cause=PushCause.NO_ANSWER, values=after)
        return Ending.SILENT

    def _server_error(self, lease: Lease, push: Push, problem: XeroError, effect: Effect) -> Ending:
        step = self._step(Outcome.ANSWERED_5XX, push)
        # Xero may have stored it before it stumbled; and it replays a stored error for an old key.
        after = _after_fault(push, effect)
        if step.action is Action.FAIL:
            self.fail(lease, push, PushCause.XERO_DOWN, problem, values=after)
            return Ending.SILENT
        seconds, details = step.after_seconds or 0.0, _details(problem)
        self._claims.give_back(
            lease,
            push,
            push_timeline.server_error(push.retry_count, seconds, details),
            values={
                "status": PushStatus.FAILED,
                "cause": PushCause.XERO_DOWN.value,
                "error": "Xero had a problem of its own. We try again by ourselves.",
                "not_before": self._clock() + timedelta(seconds=seconds),
                "last_http_status": problem.status,
                "technical_details": details,
                **after,
            },
        )
        return Ending.SILENT

    def _operator(self, lease: Lease, push: Push, problem: Exception) -> Ending:
        if not isinstance(problem, XeroError):
            raise problem
        # Our app itself is not accepted (its secret, its scopes): no document can change that.
        self.wait(lease, push, push_timeline.not_reached(OPERATOR_SECONDS), OPERATOR_SECONDS)
        return Ending.HELD

    def _step(self, outcome: Outcome, push: Push) -> NextStep:
        return next_step(
            outcome,
            retry_count=push.retry_count,
            looks=push.looks,
            chance=self._chance(),
            lag_seconds=self._reconcile_lag,
        )


def is_key_mismatch(problem: XeroError) -> bool:
    """Return whether Xero refused because it knows the idempotency key from another request.

    https://developer.xero.com/documentation/guides/idempotent-requests/idempotency/
    """
    return KEY_MISMATCH in problem.message.lower()


def _resting(push: Push) -> dict[str, Any]:
    status = PushStatus.UPLOADED if push.xero_file_id else PushStatus.PENDING
    return {"status": status, "cause": None, "error": None, "outcome_unknown": push.outcome_unknown}


def _after_fault(push: Push, effect: Effect) -> dict[str, Any]:
    if effect is Effect.UPLOAD:
        return {"outcome_unknown": True, "upload_key_number": push.upload_key_number + 1}
    if effect is Effect.ASSOCIATION:
        return {"outcome_unknown": True, "association_key_number": push.association_key_number + 1}
    return {}


def _details(problem: XeroError | None) -> dict[str, Any]:
    if problem is None:
        return {}
    found = {
        "http_status": problem.status,
        "xero_said": problem.message,
        "reference": problem.correlation_id,
    }
    return {name: value for name, value in found.items() if value}


def _sentence(push: Push, cause: PushCause, details: dict[str, Any]) -> str:
    said = str(details.get("xero_said", ""))
    if push.xero_file_id is not None:
        return f"{NOT_ON_CONTACT} Xero said: “{said}”" if said else NOT_ON_CONTACT
    return cause_sentence(
        Cause(
            cause,
            client_name=push.client_name,
            folder_name=push.folder_name or "chase.md",
            size=push.size,
            extension=push.extension,
            xero_said=said,
            reference=str(details.get("reference", "")),
        )
    ).text
