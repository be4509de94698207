"""MatchVerdicts: a person's lasting word that a contact is not a client."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select, update

from dashboard.database import AnySession, insert_for
from dashboard.models import (
    Client,
    DraftDecision,
    ImportDraft,
    MatchDecision,
    Verdict,
    XeroConnection,
    XeroContact,
)
from dashboard.services.client_list import current_connection
from dashboard.services.refusals import NotConnected, NotFound


class MatchVerdicts:
    """Takes a person's word about a contact and a client."""

    def __init__(self, *, session: AnySession, clock: Callable[[], datetime]) -> None:
        self._session = session
        self._clock = clock

    def not_a_match(
        self, practice_id: UUID, user_id: UUID | None, contact_id: str, client_id: UUID
    ) -> None:
        """Remember for good that this contact is not that client, and stop suggesting it.

        Raises `NotConnected`, and `NotFound` for a contact or client that is not the practice's.
        """
        connection = current_connection(self._session, practice_id)
        if connection is None:
            raise NotConnected
        connection_id = connection.id
        self._find_client(practice_id, client_id)
        contact = self._session.execute(
            select(XeroContact.id, XeroContact.match, XeroContact.candidates).where(
                XeroContact.xero_connection_id == connection_id,
                XeroContact.xero_contact_id == contact_id,
            )
        ).first()
        if contact is None:
            raise NotFound
        self._remember_refusal(practice_id, user_id, connection_id, contact_id, client_id)
        self._drop_candidate(connection_id, contact, client_id)
        self._session.execute(
            update(DraftDecision)
            .where(
                DraftDecision.draft_id.in_(
                    select(ImportDraft.id).where(
                        ImportDraft.xero_connection_id == connection_id,
                        ImportDraft.run_id.is_(None),
                    )
                ),
                DraftDecision.xero_contact_id == contact_id,
                DraftDecision.client_id == client_id,
            )
            .values(action=None, client_id=None, updated_at=self._clock())
            .execution_options(synchronize_session=False)
        )
        self._session.commit()

    def _find_client(self, practice_id: UUID, client_id: UUID) -> None:
        found = self._session.scalar(
            select(Client.id).where(Client.id == client_id, Client.practice_id == practice_id)
        )
        if found is None:
            raise NotFound

    def _remember_refusal(
        self,
        practice_id: UUID,
        user_id: UUID | None,
        connection_id: UUID,
        contact_id: str,
        client_id: UUID,
    ) -> None:
        said = {
            "verdict": Verdict.NOT_A_MATCH,
            "decided_by_id": user_id,
            "decided_at": self._clock(),
        }
        self._session.execute(
            insert_for(self._session)(MatchDecision)
            .values(
                id=uuid4(),
                practice_id=practice_id,
                xero_connection_id=connection_id,
                xero_contact_id=contact_id,
                client_id=client_id,
                **said,
            )
            .on_conflict_do_update(
                index_elements=[
                    MatchDecision.xero_connection_id,
                    MatchDecision.xero_contact_id,
                    MatchDecision.client_id,
                ],
                set_=said,
            )
        )

    def _drop_candidate(self, connection_id: UUID, contact: Any, client_id: UUID) -> None:
        """Show the answer at once; where other contacts are concerned too, have all compared."""
        left = [one for one in contact.candidates if UUID(one["client_id"]) != client_id]
        if len(left) == len(contact.candidates):
            return
        word = contact.match if len(left) > 1 and contact.match == "clash" else "possible"
        self._session.execute(
            update(XeroContact)
            .where(XeroContact.id == contact.id)
            .values(candidates=left, match=word if left else "new")
            .execution_options(synchronize_session=False)
        )
        if contact.match == "clash":
            self._session.execute(
                update(XeroConnection)
                .where(XeroConnection.id == connection_id)
                .values(matched_at=None)
                .execution_options(synchronize_session=False)
            )
