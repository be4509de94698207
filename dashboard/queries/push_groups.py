"""Documents that need attention, by their cause, and what a retry of many of them would meet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, TypedDict
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, func, null, select

from dashboard.database import AnySession
from dashboard.models import (
    ClientDocument,
    PushStatus,
    XeroContact,
    XeroContactMapping,
    XeroFilePush,
)
from dashboard.queries.document_states import (
    ACTIVE_CONTACT,
    AnySelect,
    Shown,
    counted,
    has_tries_left,
    narrowed,
    tab_column,
)
from dashboard.rules.push_sentences import PushCause
from dashboard.rules.retry_groups import GROUPS, MENDED_BY_RETRY, NOT_ON_CONTACT, UNLINKED

ATTENTION, FILED, NOT_SENT = "attention", "filed", "not_sent"


class Filters(TypedDict):
    """What narrows a list of documents; see `document_states.narrowed`."""

    client_id: UUID | None
    q: str
    type_: str
    year: str


NO_FILTERS = Filters(client_id=None, q="", type_="", year="")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Documents to retry: all of one cause that pass the filters, or those of these ids."""

    cause: str = ""
    filters: Filters | None = None
    ids: Collection[UUID] = ()

    @property
    def looks_through_names(self) -> bool:
        """Whether a text is looked for, in clients' names too."""
        return bool(self.filters and self.filters["q"])


@dataclass(frozen=True, slots=True)
class Group:
    """How many documents need attention for one cause, and how many of them can be retried."""

    cause: str
    total: int
    ready: int


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a retry would meet.

    `ready` can be retried, `in_xero` of these only have to be put on their contact. `blocked` says
    how many cannot, by cause, the most frequent first. The others need no retry.
    """

    ready: int = 0
    in_xero: int = 0
    blocked: tuple[tuple[str, int], ...] = ()
    on_its_way: int = 0
    filed: int = 0
    not_sent: int = 0

    @property
    def total(self) -> int:
        """How many documents were chosen."""
        blocked = sum(count for _, count in self.blocked)
        return self.ready + blocked + self.on_its_way + self.filed + self.not_sent


def groups(
    session: AnySession, practice_id: UUID, seen: Shown, filters: Filters
) -> tuple[Group, ...]:
    """Return the causes for which documents need attention, in the order of a page; one query."""
    total, ready = Counter[str](), Counter[str]()
    grouped = _grouped(seen, practice_id, _cause(), _obstacle(), names=bool(filters["q"]))
    chosen = narrowed(grouped, **filters).where(tab_column(seen) == ATTENTION)
    for cause, obstacle, count in session.execute(chosen):
        total[cause] += count
        ready[cause] += 0 if obstacle else count
    order = {cause: place for place, cause in enumerate(GROUPS)}
    return tuple(
        Group(cause, total[cause], ready[cause])
        for cause in sorted(total, key=lambda cause: order.get(cause, len(order)))
    )


def preflight(session: AnySession, practice_id: UUID, seen: Shown, chosen: Chosen) -> Preflight:
    """Return what a retry of these documents would meet; one query."""
    in_xero = XeroFilePush.xero_file_id.is_not(None)
    columns = (tab_column(seen), _obstacle(), in_xero)
    grouped = _grouped(seen, practice_id, *columns, names=chosen.looks_through_names)
    rows = session.execute(_limited(grouped, seen, chosen)).all()
    blocked: Counter[str] = Counter()
    for tab, obstacle, _, count in rows:
        if tab == ATTENTION and obstacle:
            blocked[obstacle] += count
    ready = [row for row in rows if row[0] == ATTENTION and not row[1]]
    return Preflight(
        ready=sum(row[3] for row in ready),
        in_xero=sum(row[3] for row in ready if row[2]),
        blocked=tuple(blocked.most_common()),
        on_its_way=_sum(rows, {"way", "on_hold"}),
        filed=_sum(rows, {FILED}),
        not_sent=_sum(rows, {NOT_SENT}),
    )


def ready_ids(
    session: AnySession, practice_id: UUID, seen: Shown, chosen: Chosen
) -> tuple[UUID, ...]:
    """Return the documents among these that a retry can help, the longest accepted first."""
    names = chosen.looks_through_names
    every = counted(select(ClientDocument.id), seen, practice_id, names=names)
    wanted = _limited(every, seen, chosen)
    can_be_retried = and_(tab_column(seen) == ATTENTION, _obstacle().is_(None))
    order = (ClientDocument.decided_at, ClientDocument.id)
    return tuple(session.scalars(wanted.where(can_be_retried).order_by(*order)))


def _grouped(
    seen: Shown, practice_id: UUID, *columns: ColumnElement[Any], names: bool
) -> AnySelect:
    named = [column.label(f"part_{place}") for place, column in enumerate(columns)]
    every = counted(select(*named, func.count()), seen, practice_id, names=names)
    return every.group_by(*named)


def _limited(wanted: AnySelect, seen: Shown, chosen: Chosen) -> AnySelect:
    if not chosen.cause:
        return wanted.where(ClientDocument.id.in_(chosen.ids))
    of_cause = and_(tab_column(seen) == ATTENTION, _cause() == chosen.cause)
    return narrowed(wanted, **(chosen.filters or NO_FILTERS)).where(of_cause)


def _sum(rows: Iterable[Any], tabs: set[str]) -> int:
    return sum(row[3] for row in rows if row[0] in tabs)


def _contact_problem() -> ColumnElement[Any]:
    status = func.coalesce(XeroContact.contact_status, ACTIVE_CONTACT)
    return case(
        (XeroContactMapping.id.is_(None), UNLINKED),
        (status == ACTIVE_CONTACT, null()),
        (XeroContact.merged_to_contact_id.is_not(None), PushCause.CONTACT_MERGED.value),
        (status == "ARCHIVED", PushCause.CONTACT_ARCHIVED.value),
        else_=PushCause.CONTACT_GONE.value,
    )


def _cause() -> ColumnElement[str]:
    """Return why a document of the tab "attention" is there, as its own page tells it."""
    told = func.coalesce(XeroFilePush.cause, PushCause.REFUSED.value)
    is_uploaded = XeroFilePush.status == PushStatus.UPLOADED
    has_failed = and_(XeroFilePush.status == PushStatus.FAILED, ~has_tries_left())
    has_lost_contact = and_(XeroContactMapping.id.is_not(None), _contact_problem().is_not(None))
    return case(
        (has_lost_contact, _contact_problem()),
        (and_(is_uploaded, told == PushCause.UNLINKED_IN_XERO.value), told),
        (and_(is_uploaded, XeroFilePush.cause.is_not(None)), NOT_ON_CONTACT),
        (has_failed, told),
        else_=UNLINKED,
    )


def _obstacle() -> ColumnElement[Any]:
    """Return what makes a retry useless, or NULL."""
    cause = _cause()
    return case(
        (_contact_problem().is_not(None), _contact_problem()),
        (cause.in_(MENDED_BY_RETRY), null()),
        else_=cause,
    )
