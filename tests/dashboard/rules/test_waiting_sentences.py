"""Why we wait, in words."""

from __future__ import annotations

import pytest

from dashboard.rules.waiting_sentences import ASKED, NOT_COUNTED, wait_sentence
from dashboard.xero import WaitReason

PAUSE = "We pause before we ask Xero again."


@pytest.mark.parametrize("reason", ["unknown", None, "minute", "concurrent", "app-minute"])
def test_what_xero_asked_for(reason: str | None) -> None:
    assert wait_sentence(reason) == ASKED


def test_every_reason_of_the_limiter_has_its_sentence() -> None:
    assert {reason: wait_sentence(reason) for reason in WaitReason} == {
        WaitReason.MINUTE: ASKED,
        WaitReason.CONCURRENT: ASKED,
        WaitReason.APP_MINUTE: ASKED,
        WaitReason.BLOCKED: ASKED,
        WaitReason.DAY: "Xero’s daily limit for this organisation is used up.",
        WaitReason.LIMITER_UNAVAILABLE: NOT_COUNTED,
        WaitReason.SAFE_START: PAUSE,
    }


def test_a_reason_of_our_own() -> None:
    assert wait_sentence("token") == PAUSE
    assert wait_sentence("no-answer") == "Xero did not answer."
    assert wait_sentence("not-reached") == "We could not reach Xero."
