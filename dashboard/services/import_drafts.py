"""ImportDraftService: ticks and decisions before an import, kept on the server.

They survive paging, filters, signing out and another computer. A decision is what somebody chose,
or else the suggestion: link an exact match, create a new one, and nothing for what is doubtful.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, func, literal, select, update

from dashboard.database import AnySession, insert_for
from dashboard.models import (
    Client,
    DraftDecision,
    ImportDraft,
    User,
    XeroContact,
    XeroContactMapping,
)
from dashboard.models.contact_standing import Standing, fits, standing
from dashboard.rules import import_sentences
from dashboard.rules.preview_filter import PreviewFilter
from dashboard.services.refusals import Conflict, InvalidInput, NotFound

MOST_AT_ONCE = 1_000

# "Create new" for many at once spares exact matches: it would make a second client of each.
BULK_ALLOWED = {
    "suggestion": ("new", "exact"),
    "create": ("new", "possible", "clash", "skipped"),
    "skip": ("new", "exact", "possible", "clash", "skipped"),
}


class Applied(NamedTuple):
    """How many ticked contacts took a bulk decision, and how many were left as they were."""

    applied: int
    left: int


@dataclass(frozen=True, slots=True)
class Replaced:
    """What somebody else had decided for a contact before this decision took its place."""

    contact_name: str
    action: str
    client_id: UUID | None
    client_name: str | None
    decided_by: str
    decided_at: datetime


class ImportDraftService:
    """Changes ticks and decisions of a practice's open draft."""

    def __init__(self, *, session: AnySession, clock: Callable[[], datetime]) -> None:
        self._session = session
        self._clock = clock

    # -- ticks --------------------------------------------------------------------------------

    def tick(
        self,
        practice_id: UUID,
        user_id: UUID | None,
        draft_id: UUID,
        contact_ids: Sequence[str],
        selected: bool,
    ) -> int:
        """Tick or untick some contacts; return how many of them can be ticked at all.

        Linked, archived and unknown contacts are passed over. Raises `NotFound`, `Conflict` for a
        draft that has become an import, `InvalidInput` for too many at once.
        """
        if len(contact_ids) > MOST_AT_ONCE:
            raise InvalidInput(
                f"At most {MOST_AT_ONCE:,} contacts can be ticked one by one.",
                "Use select all matching.",
            )
        draft = self._open(practice_id, draft_id)
        stands = standing(draft.xero_connection_id, draft_id)
        changed = self._set_ticks(
            draft_id, stands, XeroContact.xero_contact_id.in_(contact_ids), selected=selected
        )
        self._session.commit()
        return changed

    def tick_matching(
        self,
        practice_id: UUID,
        user_id: UUID | None,
        draft_id: UUID,
        wanted: PreviewFilter,
        selected: bool = True,
    ) -> int:
        """Tick or untick everything that fits a filter, in one statement; return how many."""
        draft = self._open(practice_id, draft_id)
        stands = standing(draft.xero_connection_id, draft_id)
        condition = fits(self._session, wanted, stands)
        changed = self._set_ticks(draft_id, stands, condition, selected=selected)
        self._session.commit()
        return changed

    def clear(self, practice_id: UUID, user_id: UUID | None, draft_id: UUID) -> int:
        """Untick everything; decisions stay. Return how many ticks were taken away."""
        self._open(practice_id, draft_id)
        changed = self._session.execute(
            update(DraftDecision)
            .where(DraftDecision.draft_id == draft_id, DraftDecision.selected)
            # `updated_at` says when somebody decided, and taking ticks away decides nothing.
            .values(selected=False, updated_at=DraftDecision.updated_at)
            .returning(DraftDecision.id)
            .execution_options(synchronize_session=False)
        ).all()
        self._session.commit()
        return len(changed)

    # -- decisions ----------------------------------------------------------------------------

    def decide(  # noqa: PLR0917 - one form row: who, where, which contact, what, with whom
        self,
        practice_id: UUID,
        user_id: UUID | None,
        draft_id: UUID,
        contact_id: str,
        action: str,
        client_id: UUID | None = None,
    ) -> Replaced | None:
        """Keep what a person chose for one contact: create, link (with a client), or skip.

        The last one to decide wins; what somebody else had decided otherwise is returned. Raises
        `InvalidInput` for an unknown action, a contact that cannot be imported or a link without a
        client; `Conflict` for a linked contact or a client that is linked already; `NotFound`.
        """
        if action not in {"create", "link", "skip"}:
            raise InvalidInput(
                f"'{action}' is not something that can be done with a contact.",
                "Choose link, create or skip.",
                field="action",
            )
        draft = self._open(practice_id, draft_id)
        self._check_contact(draft.xero_connection_id, contact_id)
        if action == "link":
            self._check_client(practice_id, draft.xero_connection_id, client_id)
        aim = client_id if action == "link" else None
        replaced = self._decided_by_others(draft, contact_id, user_id)
        self._keep_decision(
            draft_id, contact_id, action=action, client_id=aim, decided_by_id=user_id
        )
        self._session.commit()
        return (
            replaced
            if replaced and (replaced.action, replaced.client_id) != (action, aim)
            else None
        )

    def decide_ticked(
        self, practice_id: UUID, user_id: UUID | None, draft_id: UUID, decision: str
    ) -> Applied:
        """Decide for all ticked contacts at once: suggestion, create or skip.

        It applies only where it is allowed: a doubtful contact has no suggestion, and an exact
        match is never created anew in bulk. Raises `InvalidInput`, `NotFound`, `Conflict`.
        """
        allowed = BULK_ALLOWED.get(decision)
        if allowed is None:
            raise InvalidInput(
                f"'{decision}' cannot be decided for many contacts at once.",
                "Choose suggestion, create or skip.",
                field="decision",
            )
        draft = self._open(practice_id, draft_id)
        connection_id = draft.xero_connection_id
        stands = standing(connection_id, draft_id)
        ticked = self._session.scalar(
            select(func.count())
            .select_from(stands.source)
            .where(stands.belongs, DraftDecision.selected, stands.can_tick)
        )
        # What the contact is apart from decisions of this draft: a contested link is no clash here.
        plain = standing(connection_id, None)
        within = (
            select(XeroContact.xero_contact_id)
            .select_from(plain.source)
            .where(plain.belongs, plain.can_tick, plain.match.in_(allowed))
        )
        applied = self._session.execute(
            update(DraftDecision)
            .where(
                DraftDecision.draft_id == draft_id,
                DraftDecision.selected,
                DraftDecision.xero_contact_id.in_(within),
            )
            .values(
                action=None if decision == "suggestion" else decision,
                client_id=None,
                decided_by_id=user_id,
                updated_at=self._clock(),
            )
            .returning(DraftDecision.id)
            .execution_options(synchronize_session=False)
        ).all()
        self._session.commit()
        return Applied(len(applied), (ticked or 0) - len(applied))

    # -- inside -------------------------------------------------------------------------------

    def _open(self, practice_id: UUID, draft_id: UUID) -> ImportDraft:
        """Return the practice's draft, locked to the commit, so that it cannot start meanwhile."""
        draft = self._session.scalar(
            select(ImportDraft)
            .where(ImportDraft.id == draft_id, ImportDraft.practice_id == practice_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if draft is None:
            raise NotFound
        if draft.run_id is not None:
            raise Conflict(
                "This import has already been started.", "Open the import page for a new one."
            )
        return draft

    def _set_ticks(
        self,
        draft_id: UUID,
        stands: Standing,
        condition: ColumnElement[bool],
        *,
        selected: bool,
    ) -> int:
        now = self._clock()
        columns = {
            "id": _random_uuid(self._session),
            "draft_id": literal(draft_id, DraftDecision.draft_id.type),
            "xero_contact_id": XeroContact.xero_contact_id,
            "selected": literal(selected),
            "created_at": literal(now, DraftDecision.created_at.type),
            "updated_at": literal(now, DraftDecision.updated_at.type),
        }
        chosen = (
            select(*columns.values())
            .select_from(stands.source)
            .where(stands.belongs, stands.can_tick, condition)
        )
        changed = self._session.execute(
            insert_for(self._session)(DraftDecision)
            .from_select(list(columns), chosen)
            .on_conflict_do_update(
                index_elements=[DraftDecision.draft_id, DraftDecision.xero_contact_id],
                # Not `updated_at`: it says when somebody decided, and a tick decides nothing.
                set_={"selected": selected},
            )
            .returning(DraftDecision.id)
        ).all()
        return len(changed)

    def _keep_decision(self, draft_id: UUID, contact_id: str, **decided: Any) -> None:
        now = self._clock()
        self._session.execute(
            insert_for(self._session)(DraftDecision)
            .values(
                id=uuid4(),
                draft_id=draft_id,
                xero_contact_id=contact_id,
                selected=False,
                created_at=now,
                updated_at=now,
                **decided,
            )
            .on_conflict_do_update(
                index_elements=[DraftDecision.draft_id, DraftDecision.xero_contact_id],
                set_={"updated_at": now, **decided},
            )
        )

    def _decided_by_others(
        self, draft: ImportDraft, contact_id: str, user_id: UUID | None
    ) -> Replaced | None:
        found = self._session.execute(
            select(
                XeroContact.name.label("contact_name"),
                DraftDecision.action,
                DraftDecision.client_id,
                Client.name.label("client_name"),
                User.name.label("decided_by"),
                DraftDecision.updated_at.label("decided_at"),
            )
            .join(User, User.id == DraftDecision.decided_by_id)
            .join(
                XeroContact,
                (XeroContact.xero_connection_id == draft.xero_connection_id)
                & (XeroContact.xero_contact_id == DraftDecision.xero_contact_id),
            )
            .outerjoin(Client, Client.id == DraftDecision.client_id)
            .where(
                DraftDecision.draft_id == draft.id,
                DraftDecision.xero_contact_id == contact_id,
                DraftDecision.action.is_not(None),
                DraftDecision.decided_by_id != user_id,
            )
        ).first()
        return Replaced(**found._mapping) if found else None

    def _check_contact(self, connection_id: UUID, contact_id: str) -> None:
        found = self._session.execute(
            select(XeroContact.name, XeroContact.contact_status, Client.name)
            .outerjoin(
                XeroContactMapping,
                (XeroContactMapping.xero_connection_id == XeroContact.xero_connection_id)
                & (XeroContactMapping.xero_contact_id == XeroContact.xero_contact_id),
            )
            .outerjoin(Client, Client.id == XeroContactMapping.client_id)
            .where(
                XeroContact.xero_connection_id == connection_id,
                XeroContact.xero_contact_id == contact_id,
            )
        ).first()
        if found is None:
            raise NotFound
        name, status, linked_to = found
        if linked_to is not None:
            raise Conflict(import_sentences.already_linked(linked_to))
        problem = import_sentences.unavailable(name, status)
        if problem is not None:
            raise InvalidInput(problem)

    def _check_client(self, practice_id: UUID, connection_id: UUID, client_id: UUID | None) -> None:
        if client_id is None:
            raise InvalidInput("Choose the client to link to.", field="client_id")
        name = self._client_name(practice_id, client_id)
        taken = self._session.execute(
            select(XeroContactMapping.xero_contact_name).where(
                XeroContactMapping.xero_connection_id == connection_id,
                XeroContactMapping.client_id == client_id,
            )
        ).first()
        if taken is not None:
            raise Conflict(import_sentences.client_taken(name, taken[0]))

    def _client_name(self, practice_id: UUID, client_id: UUID) -> str:
        name = self._session.scalar(
            select(Client.name).where(Client.id == client_id, Client.practice_id == practice_id)
        )
        if name is None:
            raise NotFound
        return name


def open_draft(
    session: AnySession, practice_id: UUID, connection_id: UUID, now: datetime
) -> ImportDraft:
    """Return the connection's one open draft, made if there is none. Commits."""
    session.execute(
        insert_for(session)(ImportDraft)
        .values(
            id=uuid4(),
            practice_id=practice_id,
            xero_connection_id=connection_id,
            created_at=now,
            updated_at=now,
        )
        .on_conflict_do_nothing(
            index_elements=[ImportDraft.xero_connection_id],
            index_where=ImportDraft.run_id.is_(None),
        )
    )
    session.commit()
    return session.scalars(
        select(ImportDraft).where(
            ImportDraft.xero_connection_id == connection_id, ImportDraft.run_id.is_(None)
        )
    ).one()


def _random_uuid(session: AnySession) -> ColumnElement[Any]:
    """Return a new random UUID for each row of a statement, as the database writes it."""
    if session.get_bind().dialect.name == "sqlite":
        return func.lower(func.hex(func.randomblob(16)))
    return func.gen_random_uuid()
