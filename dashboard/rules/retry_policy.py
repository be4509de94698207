"""What follows when a step towards Xero did not succeed.

Three cases are told apart, because only the first two are known to have had no effect:

* a refusal (4xx) is final at once;
* an answered server error (5xx) is counted and tried again in five minutes with a *new*
  idempotency key, since Xero replays a stored error under the old one
  (https://developer.xero.com/documentation/guides/idempotent-requests/idempotency/);
* no answer at all leaves the outcome unknown: we look in Xero first, then go on with the *same*
  key, and nothing is counted.

Waiting for Xero's limits is not a failure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

MAX_RETRIES = 3
RETRY_AFTER_SECONDS = 300.0

MAX_LOOKS = 12
FIRST_LOOK_WITHIN_SECONDS = 30.0
SHORTEST_LOOK_SECONDS = 5.0
LONGEST_LOOK_SECONDS = 900.0

MAX_WORKER_DEATHS = 3


class Outcome(StrEnum):
    """How a call to Xero ended when it did not succeed."""

    REFUSED = "refused"
    """Xero said no (4xx, or a file too large): trying again changes nothing."""
    ANSWERED_5XX = "answered_5xx"
    """Xero answered with a fault of its own, HTML where JSON was due included."""
    NO_ANSWER = "no_answer"
    """Time-out, reset, half a body: whether it happened in Xero is unknown."""
    MUST_WAIT = "must_wait"
    """A limit, Xero's or ours, said not now; at most an empty 429 was answered."""
    CONNECTION_LOST = "connection_lost"
    """Our access does not work any more; a person has to reconnect."""


class Action(StrEnum):
    """What to do next with the step."""

    FAIL = "fail"
    TRY_AGAIN = "try_again"
    LOOK = "look"
    """Look in Xero whether it happened, and send only if it did not."""
    WAIT = "wait"
    HOLD = "hold"
    """Keep it until the connection works again."""


@dataclass(frozen=True, slots=True)
class NextStep:
    """What follows an unsuccessful call.

    `after_seconds` is None where no moment can be named. `counted`: one of the four attempts is
    spent. `new_key`: the next sending needs a fresh idempotency key.
    """

    action: Action
    after_seconds: float | None = None
    counted: bool = False
    new_key: bool = False


def next_step(
    outcome: Outcome,
    *,
    retry_count: int,
    looks: int,
    chance: float,
    wait_seconds: float | None = None,
    lag_seconds: float = 0.0,
) -> NextStep:
    """Return what follows `outcome`.

    `retry_count`: retries made so far, 0 during the first attempt. `looks`: how often we already
    looked for an unknown outcome. `chance`: a number from 0 to 1. `wait_seconds`: what Xero or the
    governor asked for. `lag_seconds`: Xero may list a file this late, so no look comes earlier.
    """
    match outcome:
        case Outcome.REFUSED:
            step = NextStep(Action.FAIL)
        case Outcome.CONNECTION_LOST:
            step = NextStep(Action.HOLD)
        case Outcome.MUST_WAIT:
            step = NextStep(Action.WAIT, after_seconds=max(0.0, wait_seconds or 0.0))
        case Outcome.ANSWERED_5XX if retry_count < MAX_RETRIES:
            step = NextStep(Action.TRY_AGAIN, RETRY_AFTER_SECONDS, counted=True, new_key=True)
        case Outcome.ANSWERED_5XX:
            step = NextStep(Action.FAIL, counted=True)
        case Outcome.NO_ANSWER if looks < MAX_LOOKS:
            after = look_after_seconds(looks, chance=chance, lag_seconds=lag_seconds)
            step = NextStep(Action.LOOK, after)
        case Outcome.NO_ANSWER:
            step = NextStep(Action.FAIL)
    return step


def look_after_seconds(looks: int, *, chance: float, lag_seconds: float = 0.0) -> float:
    """Return how long to wait before look number `looks + 1`: full jitter under a doubling roof.

    The roof starts at 30 s and ends at 15 minutes; the floor is 5 s or Xero's listing lag. `chance`
    (0 to 1) picks the point between, so that many documents do not look in the same second.
    """
    roof = min(LONGEST_LOOK_SECONDS, FIRST_LOOK_WITHIN_SECONDS * 2.0 ** min(looks, MAX_LOOKS))
    floor = min(max(SHORTEST_LOOK_SECONDS, lag_seconds), roof)
    return floor + (roof - floor) * chance


def has_tries_left(retry_count: int, next_attempt_at: datetime | None) -> bool:
    """Return whether a failed push is tried again by itself."""
    return next_attempt_at is not None and retry_count < MAX_RETRIES


def is_poison(worker_deaths: int) -> bool:
    """Return whether a document killed so many workers that we stop giving it to another."""
    return worker_deaths >= MAX_WORKER_DEATHS


def attempt_in_words(retry_count: int) -> str:
    """Return "Attempt 2 of 4": the first try plus three retries, counted from `retry_count` 0."""
    return f"Attempt {min(retry_count, MAX_RETRIES) + 1} of {MAX_RETRIES + 1}"
