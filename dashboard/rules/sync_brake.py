"""When a contact check would change so much at once that a person has to look first."""

from __future__ import annotations

from dataclasses import dataclass

# Few changes are never held back, however few clients there are.
ALWAYS_ALLOWED = 9
DEFAULT_PERCENT = 20
PERCENTS = (10, 20, 30, 50, 100)


@dataclass(frozen=True, slots=True)
class Weight:
    """What a check would do to the clients: `changed` of the `linked` ones.

    `archived` of the changed ones lose their contact, because it was archived or erased in Xero.
    """

    linked: int
    changed: int = 0
    archived: int = 0

    def is_too_much(self, percent: int) -> bool:
        """Whether that is more than *percent* of the linked clients; never at 100."""
        return self.changed > ALWAYS_ALLOWED and self.changed * 100 > self.linked * percent

    def sentence(self, percent: int) -> str:
        """Return what happened, what it means and what to do."""
        lost = f", {self.archived:,} of them archived or erased in Xero" if self.archived else ""
        return (
            f"Stopped before changing anything: {self.changed:,} of {self.linked:,} linked clients"
            f" would change{lost}. That is more than {percent}\N{NO-BREAK SPACE}%."
            " Look at the list, then apply it or leave the clients as they are."
        )


def left_sentence(by: str) -> str:
    """Return why a client did not follow its contact after the brake."""
    return f"Left as it was by {by}."
