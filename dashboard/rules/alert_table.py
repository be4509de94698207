"""The table of alerts: for each cause who sees it, where, when it is mailed, and what to do.

One alert is open for each cause. It opens and closes by what happens; nobody can wave it away while
its cause lasts. Banners are seen by everybody, staff read there whom to ask. Nobody is mailed about
what mends itself: tries that are repeated by themselves, a limit that ends with the day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Audience = Literal["everybody", "admins", "starter"]

# No good call for so long makes an alert; the word "Not confirmed" comes after two hours.
NOT_CONFIRMED_AFTER = timedelta(hours=6)
ON_HOLD_AFTER = timedelta(days=3)

AT_ONCE = timedelta()
# A connection that was only asleep, as after an upgrade, confirms itself before anybody is mailed.
AFTER_A_LOOK = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class AlertKind:
    """What holds for every alert of one cause.

    `seen_by`: staff see less than admins, and what one person started is that person's alone, or
    the admins' where nobody is known. `action` and `path`: the words and the page of its button,
    which only admins can use where `only_admins_act`. `is_told_there`: that page says all of it, so
    that no banner repeats it there. `holds_documents`: they may wait until it is
    over. `mailed_after`: how long after its opening its emails are due, the later ones being
    reminders. `in_digest`: it is told in the email of the morning, day by day.
    """

    cause: str
    action: str
    path: str
    seen_by: Audience = "everybody"
    is_banner: bool = False
    only_admins_act: bool = False
    is_told_there: bool = False
    holds_documents: bool = False
    mailed_after: tuple[timedelta, ...] = ()
    in_digest: bool = False


# The most serious first: the first open one with a banner is the banner of every page.
TABLE = (
    AlertKind(
        "disconnected_in_xero",
        "Connect to Xero",
        "/settings",
        is_banner=True,
        only_admins_act=True,
        holds_documents=True,
        mailed_after=(AT_ONCE,),
    ),
    AlertKind(
        "reconnect_needed",
        "Reconnect to Xero",
        "/settings",
        is_banner=True,
        only_admins_act=True,
        holds_documents=True,
        mailed_after=(AT_ONCE, timedelta(days=3), timedelta(days=7)),
    ),
    AlertKind(
        "connection_problem",
        "See the connection",
        "/settings",
        is_banner=True,
        only_admins_act=True,
        holds_documents=True,
        # We look again every hour; it is told when it lasts as long as an unconfirmed connection.
        mailed_after=(NOT_CONFIRMED_AFTER,),
    ),
    AlertKind(
        "permission_needed",
        "Allow in Xero",
        "/settings",
        is_banner=True,
        only_admins_act=True,
        holds_documents=True,
        mailed_after=(AT_ONCE,),
    ),
    AlertKind(
        "sync_held",
        "See what would change",
        "/sync-history/held",
        is_banner=True,
        only_admins_act=True,
        is_told_there=True,
        mailed_after=(AT_ONCE, timedelta(days=3)),
    ),
    AlertKind("day_limit", "See the connection", "/settings", is_banner=True),
    AlertKind(
        "pushes_need_attention",
        "See documents",
        "/documents?tab=attention",
        is_banner=True,
        in_digest=True,
    ),
    AlertKind(
        "not_confirmed",
        "See the connection",
        "/settings",
        seen_by="admins",
        mailed_after=(AFTER_A_LOOK,),
    ),
    AlertKind(
        "documents_on_hold",
        "See documents",
        "/documents?tab=on_hold",
        seen_by="admins",
        in_digest=True,
    ),
    AlertKind(
        "import_problems",
        "See sync history",
        "/sync-history",
        seen_by="starter",
        mailed_after=(AT_ONCE,),
    ),
)
_ORDER = {kind.cause: number for number, kind in enumerate(TABLE)}
HOLDING = tuple(kind.cause for kind in TABLE if kind.holds_documents)
IN_DIGEST = tuple(kind.cause for kind in TABLE if kind.in_digest)


def kind_of(cause: str) -> AlertKind:
    """Return what holds for alerts of *cause*; KeyError for one that the table does not know."""
    return TABLE[_ORDER[cause]]


def seriousness(cause: str) -> int:
    """Return a number by which alerts are sorted, the most serious first."""
    return _ORDER[cause]
