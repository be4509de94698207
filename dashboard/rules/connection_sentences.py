"""What the pages say about a connection that does not work, and when it is looked at again."""

from __future__ import annotations

from datetime import timedelta

REMOVED_IN_XERO = "Someone removed chase.md under Connected apps in Xero."
ACCESS_LOST = "Xero stopped accepting our access."
ACCESS_UNREADABLE = "The stored access to Xero cannot be read."
KEY_AMISS = "This installation lacks the key to the stored access."
NO_REASON = "Xero refused access and did not say why."

# Xero names some causes by one word.
# https://developer.xero.com/documentation/api/accounting/responsecodes
_SAID = {
    "AuthenticationUnsuccessful": "that the person who connected may not use this organisation now",
    "AuthorizationUnsuccessful": "that a permission is missing",
}
# Soon at first, because most troubles are short; then often enough to be back before anybody asks.
_LOOK_AGAIN_MINUTES = (1, 2, 5, 10, 20, 30)


def problem_sentence(xero_said: str | None) -> str:
    """Return what stands in the way of a connection that Xero refuses to serve."""
    if not xero_said:
        return f"We cannot use the connection: {NO_REASON}"
    said = _SAID.get(xero_said, f"“{xero_said.rstrip('.')}”")
    return f"We cannot use the connection: Xero says {said}."


def look_again_after(errors_in_a_row: int) -> timedelta:
    """Return how soon a connection is checked again after its errors; sooner than its hour."""
    at = min(max(errors_in_a_row, 1), len(_LOOK_AGAIN_MINUTES)) - 1
    return timedelta(minutes=_LOOK_AGAIN_MINUTES[at])
