"""Errors that can be caught together, shown to a person, and quoted to Xero's support."""

from __future__ import annotations

import pytest

from dashboard.xero import errors
from dashboard.xero.errors import WaitReason, XeroError, XeroMustWait, XeroNoAnswer

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, XeroError) and kind is not XeroError
]


class TestFamily:
    @pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
    def test_no_kind_hides_behind_another(self, kind: type[XeroError]):
        assert kind.__bases__ == (XeroError,)

    def test_a_wait_says_how_long_and_why(self):
        wait = XeroMustWait(1.5, WaitReason.MINUTE)
        assert (wait.seconds, wait.reason, wait.status) == (1.5, "minute", None)
        assert str(wait) == "No call was made: wait 1.5 s (minute)."

    def test_silence_is_taken_for_a_call_that_may_have_arrived(self):
        assert XeroNoAnswer("silence").maybe_sent is True
