"""How many contacts there are of each kind, in which groups, and what is ticked.

`where` is a practice, or its place if the caller has looked that up already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, func, literal, select, true

from dashboard.database import AnySession
from dashboard.models import (
    DraftDecision,
    GroupChoice,
    Tag,
    TagSource,
    XeroConnection,
    XeroContact,
)
from dashboard.models.contact_standing import fits, group_elements, standing
from dashboard.queries.import_places import Where, place_of
from dashboard.rules.preview_filter import PreviewFilter

NO_FILTER = PreviewFilter()


@dataclass(frozen=True, slots=True)
class Counts:
    """How many contacts have each match word."""

    new: int = 0
    exact: int = 0
    possible: int = 0
    clash: int = 0
    linked: int = 0
    unavailable: int = 0
    skipped: int = 0

    @property
    def all(self) -> int:
        """All contacts."""
        return (
            self.new
            + self.exact
            + self.possible
            + self.clash
            + self.linked
            + self.unavailable
            + self.skipped
        )

    def of(self, wanted: PreviewFilter) -> int:
        """How many of these *wanted* shows."""
        return sum(number for word, number in asdict(self).items() if wanted.shows(word))


@dataclass(frozen=True, slots=True)
class Group:
    """A contact group of the organisation and how many contacts of the mirror are in it."""

    name: str
    contacts: int


@dataclass(frozen=True, slots=True)
class GroupToCome:
    """A contact group that is no tag yet, and what it is to be called as one.

    `tag_name` is the group's own `name` unless somebody chose another, None if it was left out.
    """

    id: str
    name: str
    tag_name: str | None


@dataclass(frozen=True, slots=True)
class Selection:
    """What is ticked in the open draft: in all, of those not shown by the filter, and undecided.

    `create`, `link` and `skip` count ticked contacts by what will happen to them; together with
    `undecided` they add up to `selected`. Linked or unavailable contacts are never counted.
    """

    selected: int = 0
    hidden: int = 0
    undecided: int = 0
    create: int = 0
    link: int = 0
    skip: int = 0
    create_without_email: int = 0

    @property
    def to_import(self) -> int:
        """How many contacts the import would create or link."""
        return self.create + self.link


@dataclass(frozen=True, slots=True)
class Overview:
    """What stands around a page of the preview.

    `counts` are those of what the filter leaves, its own `match` ignored (the tabs); `everything`
    those of all contacts. `total` is how many rows the filter has in all.
    """

    counts: Counts
    everything: Counts
    selection: Selection
    total: int


def overview(session: AnySession, where: Where, wanted: PreviewFilter = NO_FILTER) -> Overview:
    """Return all counts of the preview at once: one query, which looks at each contact once."""
    place = place_of(session, where)
    if place is None:
        return Overview(Counts(), Counts(), Selection(), 0)
    stands = place.standing
    undecided = literal("undecided")
    each = (
        select(
            stands.match.label("word"),
            fits(session, wanted.without_match(), stands).label("fits_but_for_word"),
            case(
                (and_(stands.selected, stands.contested), undecided),
                (stands.selected, func.coalesce(stands.action, undecided)),
            ).label("ticked_as"),
            XeroContact.email.is_(None).label("without_email"),
        )
        .select_from(stands.source)
        .where(stands.belongs)
        .subquery()
    )
    kinds = session.execute(select(*each.c, func.count().label("number")).group_by(*each.c)).all()
    counts = _counts(kind for kind in kinds if kind.fits_but_for_word)
    return Overview(
        counts=counts,
        everything=_counts(kinds),
        selection=_selection(kinds, wanted),
        total=counts.of(wanted),
    )


def to_look_at(session: AnySession, connection_id: UUID, wanted: PreviewFilter = NO_FILTER) -> int:
    """Return how many contacts may be imported and are neither linked nor skipped; one query.

    Those with the words new, exact, possible and clash, without telling them apart: that is a
    fraction of the work.
    """
    stands = standing(connection_id, None)
    counted = (
        select(func.count())
        .select_from(stands.source)
        .where(stands.belongs, stands.can_tick, ~stands.skipped, fits(session, wanted, stands))
    )
    return session.scalars(counted).one()


def selection(session: AnySession, where: Where, wanted: PreviewFilter = NO_FILTER) -> Selection:
    """Return what is ticked in the open draft; `hidden` counts what *wanted* does not show."""
    return overview(session, where, wanted).selection


def groups(session: AnySession, where: Where) -> tuple[Group, ...]:
    """Return the contact groups of the mirror by name, for the filter and the future tags."""
    place = place_of(session, where)
    if place is None:
        return ()
    # Few combinations of groups stand for many contacts: what is in them is counted here.
    found = session.execute(
        select(XeroContact.groups, func.count())
        .where(XeroContact.xero_connection_id == place.connection_id)
        .group_by(XeroContact.groups)
    )
    members: Counter[str] = Counter()
    for together, number in found:
        for name in {group["name"] for group in together}:
            members[name] += number
    return tuple(Group(name, members[name]) for name in sorted(members))


def groups_to_come(session: AnySession, where: Where) -> tuple[GroupToCome, ...]:
    """Return the groups of ticked contacts that an import would make new tags of, by name.

    Those that somebody left out are among them. A tag follows its group by id, so that a group
    which was renamed in Xero is nothing new.
    """
    place = place_of(session, where)
    if place is None:
        return ()
    stands = place.standing
    ticked = (
        select(XeroContact.id)
        .select_from(stands.source)
        .where(
            stands.belongs,
            DraftDecision.selected,
            stands.can_tick,
            stands.decided,
            stands.action != "skip",
        )
    )
    elements, group_id, name = group_elements(session)
    practice_id = select(XeroConnection.practice_id).where(XeroConnection.id == place.connection_id)
    known = select(Tag.xero_group_id).where(
        Tag.practice_id == practice_id.scalar_subquery(),
        Tag.source == TagSource.XERO,
        Tag.xero_group_id.is_not(None),
    )
    members = (
        select(group_id.label("group_id"), name.label("name"))
        .select_from(XeroContact)
        .join(elements, true())
        .where(XeroContact.id.in_(ticked))
        .subquery()
    )
    # A contact that was read before a group was renamed still has the old name.
    one_name = func.min(members.c.name)
    found = session.execute(
        select(
            members.c.group_id,
            one_name,
            func.max(GroupChoice.tag_name),
            func.count(GroupChoice.xero_group_id),
        )
        .outerjoin(
            GroupChoice,
            and_(
                GroupChoice.practice_id == practice_id.scalar_subquery(),
                GroupChoice.xero_group_id == members.c.group_id,
            ),
        )
        .where(members.c.group_id.not_in(known))
        .group_by(members.c.group_id)
        .order_by(one_name)
    )
    return tuple(
        GroupToCome(group_id, name, chosen if is_chosen else name)
        for group_id, name, chosen, is_chosen in found
    )


def _counts(kinds: Iterable[Any]) -> Counts:
    numbers: Counter[str] = Counter()
    for kind in kinds:
        numbers[kind.word] += kind.number
    return Counts(**numbers)


def _selection(kinds: Iterable[Any], wanted: PreviewFilter) -> Selection:
    numbers: Counter[str] = Counter()
    for kind in kinds:
        if kind.ticked_as is None:
            continue
        numbers["selected"] += kind.number
        numbers[kind.ticked_as] += kind.number
        if not (kind.fits_but_for_word and wanted.shows(kind.word)):
            numbers["hidden"] += kind.number
        if kind.ticked_as == "create" and kind.without_email:
            numbers["create_without_email"] += kind.number
    return Selection(**numbers)
