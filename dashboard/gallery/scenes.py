"""What a scene is, and the list of all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from dashboard.gallery.office import Office


class Who(StrEnum):
    """Who looks at a scene."""

    ADMIN = "admin"
    STAFF = "staff"
    NOBODY = "nobody"


class Outside(StrEnum):
    """What must happen outside of us before a scene shows its state."""

    REDIS_AWAY = "Redis is away"
    XERO_ANSWERS = "Xero answers"
    OFFLINE = "the browser is offline"
    SILENT = "polls are not answered"
    SIGNED_OUT = "the session has ended"


@dataclass(frozen=True, slots=True)
class Press:
    """A state that only a form leads to: where it is posted, and with what."""

    url: str
    fields: dict[str, str] = field(default_factory=dict)
    button: str = "Open this state"


Way = str | Press
Make = Callable[[Office], Way]


@dataclass(frozen=True, slots=True)
class Scene:
    """One state of one screen.

    `make` brings the rows into being and returns where the state is seen. `session` goes into the
    browser's session, `outside` is what somebody else has to bring about, `status` what the page
    answers with. `stands_for_screen`: it is the one that slow judges look at.
    """

    screen: str
    state: str
    make: Make
    who: Who = Who.ADMIN
    session: dict[str, Any] = field(default_factory=dict)
    outside: Outside | None = None
    status: int = HTTPStatus.OK
    stands_for_screen: bool = False

    @property
    def slug(self) -> str:
        """The scene's name in addresses and of its pictures."""
        return f"{self.screen} {self.state}".casefold().translate(_IN_ADDRESSES)

    @property
    def email(self) -> str:
        """How the scene's admin is known; with it the practice is found again."""
        return f"hannah@{self.slug}.example"


_IN_ADDRESSES = str.maketrans({" ": "-", ",": None, ":": None, "’": None})
SCENES: dict[str, Scene] = {}


def scene(screen: str, state: str, **more: Any) -> Callable[[Make], Make]:
    """Put a function that makes a state on the list."""

    def listed(make: Make) -> Make:
        made = Scene(screen, state, make, **more)
        if made.slug in SCENES:
            raise ValueError(f"There are two scenes called {made.slug}.")
        SCENES[made.slug] = made
        return make

    return listed
