"""How a contact stands at this moment, as SQL: its match word, its decision, who aims at whom.

Pages read it and services write by it, so it is said once. Whether a contact is linked, skipped or
cannot be imported depends on other rows and is worked out in the statement, never stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Uuid,
    and_,
    case,
    cast,
    column,
    exists,
    func,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB

from dashboard.database import AnySession
from dashboard.models.client import Client
from dashboard.models.sync_run import DraftDecision
from dashboard.models.xero_contact import MatchDecision, Verdict, XeroContact, XeroContactMapping

IMPORTABLE = "ACTIVE"


class Wanted(Protocol):
    """What a filter must say to become conditions; `rules.preview_filter` has the one we use."""

    @property
    def match(self) -> str: ...
    @property
    def needle(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def selected(self) -> bool | None: ...
    @property
    def leaves_out_skipped(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Standing:
    """The parts of a statement over the contacts of one connection and one draft.

    `source` joins each contact with its mapping and its decision in the draft (both may be
    missing); `chosen` is what a person decided, `action` and `client_id` say what an import would
    do, NULL while undecided. `left_out` are the ids of the contacts whose word is "skipped".
    """

    source: FromClause
    belongs: ColumnElement[bool]
    left_out: Select[Any]
    match: ColumnElement[str]
    contested: ColumnElement[bool]
    can_tick: ColumnElement[bool]
    selected: ColumnElement[bool]
    chosen: ColumnElement[str]
    action: ColumnElement[str]
    client_id: ColumnElement[UUID]

    @property
    def decided(self) -> ColumnElement[bool]:
        """Whether an import would know what to do with the contact."""
        return and_(self.action.is_not(None), ~self.contested)


def best_candidate() -> ColumnElement[UUID]:
    """Return the client that the detector means first, NULL if it means none."""
    written = XeroContact.candidates[(0, "client_id")].as_string()
    # SQLite keeps a UUID without its dashes, PostgreSQL reads it either way.
    return cast(func.replace(written, "-", ""), Uuid())


@lru_cache(maxsize=64)
def standing(connection_id: UUID, draft_id: UUID | None) -> Standing:
    """Return how the contacts of a connection stand, with the decisions of a draft if given."""
    contested = _contested(connection_id, draft_id)
    skipped = _skipped(connection_id)
    chosen = _chosen_action()
    aim = case(
        (chosen == "link", DraftDecision.client_id),
        (and_(chosen.is_(None), XeroContact.match == "exact"), best_candidate()),
        else_=null(),
    )
    source = (
        XeroContact.__table__.outerjoin(
            XeroContactMapping.__table__,
            and_(
                XeroContactMapping.xero_connection_id == XeroContact.xero_connection_id,
                XeroContactMapping.xero_contact_id == XeroContact.xero_contact_id,
            ),
        )
        .outerjoin(
            DraftDecision.__table__,
            and_(
                DraftDecision.draft_id == draft_id,
                DraftDecision.xero_contact_id == XeroContact.xero_contact_id,
            ),
        )
        .outerjoin(skipped, skipped.c.xero_contact_id == XeroContact.xero_contact_id)
        .outerjoin(contested, contested.c.client_id == aim)
    )
    is_linked = XeroContactMapping.id.is_not(None)
    is_contested = and_(~is_linked, contested.c.client_id.is_not(None))
    is_available = and_(XeroContact.contact_status == IMPORTABLE, XeroContact.name != "")
    match = case(
        (is_linked, "linked"),
        (~is_available, "unavailable"),
        (is_contested, "clash"),
        (skipped.c.xero_contact_id.is_not(None), "skipped"),
        else_=XeroContact.match,
    )
    can_tick = and_(~is_linked, is_available)
    suggestion = case({"exact": "link", "new": "create", "skipped": "skip"}, value=match)
    # A client may be deleted between two comparisons: nobody can be linked to it any more.
    aimed_at = Client.__table__.alias("aimed_at")
    is_gone = and_(aim.is_not(None), ~exists(aimed_at.c.id).where(aimed_at.c.id == aim))
    action = case((is_gone, null()), else_=func.coalesce(chosen, suggestion))
    return Standing(
        source=source,
        belongs=XeroContact.xero_connection_id == connection_id,
        left_out=select(XeroContact.id)
        .select_from(source)
        .where(
            XeroContact.xero_connection_id == connection_id,
            # The word says so already; said like this, databases begin with these few.
            XeroContact.xero_contact_id.in_(select(skipped.c.xero_contact_id)),
            match == "skipped",
        )
        .correlate(None),
        match=match,
        contested=is_contested,
        can_tick=can_tick,
        selected=and_(can_tick, func.coalesce(DraftDecision.selected, False)),
        chosen=chosen,
        action=action,
        client_id=case((action == "link", aim), else_=null()),
    )


def fits(session: AnySession, wanted: Wanted, stands: Standing) -> ColumnElement[bool]:
    """Return the condition that a contact is what the filter asks for."""
    conditions: list[ColumnElement[bool]] = [true()]
    if wanted.match:
        conditions.append(stands.match == wanted.match)
    if wanted.leaves_out_skipped:
        conditions.append(XeroContact.id.not_in(stands.left_out))
    if wanted.needle:
        conditions.append(XeroContact.search_text.contains(wanted.needle, autoescape=True))
    if wanted.group:
        conditions.append(_in_group(session, wanted.group))
    if wanted.type:
        conditions.append(_of_type(wanted.type))
    if wanted.selected is not None:
        conditions.append(stands.selected if wanted.selected else ~stands.selected)
    if wanted.selected:
        # Says no more, but bare: so databases begin with the decisions.
        conditions.append(DraftDecision.selected.is_(True))
    return and_(*conditions)


def asks_how_it_stands(wanted: Wanted) -> bool:
    """Return whether contacts alone cannot tell what fits: `Standing.source` must be read too."""
    return bool(wanted.match) or wanted.selected is not None


def group_elements(
    session: AnySession,
) -> tuple[FromClause, ColumnElement[str], ColumnElement[str]]:
    """Return the groups of each contact as rows to join laterally, and id and name of one."""
    if session.get_bind().dialect.name == "sqlite":
        rows: Any = func.json_each(XeroContact.groups).table_valued("value", name="contact_group")
        return rows, *(func.json_extract(rows.c.value, path) for path in ("$.id", "$.name"))
    rows = func.jsonb_array_elements(XeroContact.groups).table_valued(
        column("value", JSONB), name="contact_group"
    )
    return rows, rows.c.value["id"].astext, rows.c.value["name"].astext


def group_names(session: AnySession, connection_id: UUID) -> dict[str, str]:
    """Return the contact groups that the mirror has read, by id, with the names Xero has."""
    # Few combinations of groups stand for many contacts.
    found = session.scalars(
        select(XeroContact.groups).where(XeroContact.xero_connection_id == connection_id).distinct()
    )
    return {group["id"]: group["name"] for together in found for group in together}


def _chosen_action() -> ColumnElement[str]:
    """Return what a person decided; a link to a client that was deleted since is no decision."""
    is_void = and_(DraftDecision.action == "link", DraftDecision.client_id.is_(None))
    return case((is_void, null()), else_=DraftDecision.action)


def _in_group(session: AnySession, name: str) -> ColumnElement[bool]:
    rows, _, group_name = group_elements(session)
    return exists(select(1).select_from(rows).where(group_name == name))


def _of_type(kind: str) -> ColumnElement[bool]:
    supplier, customer = XeroContact.is_supplier, XeroContact.is_customer
    return {
        "likely": or_(~supplier, customer),
        "customer": customer.is_(True),
        "supplier": supplier.is_(True),
        "neither": and_(~supplier, ~customer),
    }[kind]


def _skipped(connection_id: UUID) -> FromClause:
    """Return the contacts that somebody skipped for good."""
    return (
        select(MatchDecision.xero_contact_id)
        .where(
            MatchDecision.xero_connection_id == connection_id,
            MatchDecision.verdict == Verdict.SKIP,
        )
        .distinct()
        .subquery("skipped")
    )


def _contested(connection_id: UUID, draft_id: UUID | None) -> FromClause:
    """Return the clients that more than one unlinked contact would be linked to.

    The detector itself never suggests one client twice, so that nothing is contested before a
    person has chosen a link: only the clients of such links are looked at.
    """
    chosen = (
        select(DraftDecision.client_id.label("client_id"))
        .where(
            DraftDecision.draft_id == draft_id,
            DraftDecision.action == "link",
            DraftDecision.client_id.is_not(None),
            ~exists().where(
                XeroContactMapping.xero_connection_id == connection_id,
                XeroContactMapping.xero_contact_id == DraftDecision.xero_contact_id,
            ),
        )
        .correlate(None)
    )
    suggested = (
        select(best_candidate().label("client_id"))
        .where(
            XeroContact.xero_connection_id == connection_id,
            XeroContact.match == "exact",
            XeroContact.contact_status == IMPORTABLE,
            # Asked once and first: without such a link no contact has to be looked at.
            chosen.exists(),
            best_candidate().in_(chosen),
            ~exists().where(
                DraftDecision.draft_id == draft_id,
                DraftDecision.xero_contact_id == XeroContact.xero_contact_id,
                _chosen_action().is_not(None),
            ),
            ~exists().where(
                XeroContactMapping.xero_connection_id == connection_id,
                XeroContactMapping.xero_contact_id == XeroContact.xero_contact_id,
            ),
        )
        .correlate(None)
    )
    aims = union_all(chosen, suggested).subquery("aims")
    return (
        select(aims.c.client_id)
        .group_by(aims.c.client_id)
        .having(func.count() > 1)
        .subquery("contested")
    )
