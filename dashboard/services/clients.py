"""ClientService: clients by hand, and which contact each of them is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select

from dashboard.database import AnySession
from dashboard.models import (
    Client,
    MatchDecision,
    XeroConnection,
    XeroContact,
    XeroContactMapping,
)
from dashboard.rules import import_sentences
from dashboard.rules.client_fields import FIELD_NAMES, FIELDS
from dashboard.rules.contact_text import TEXT_MAX
from dashboard.services.client_list import changing_clients, current_connection
from dashboard.services.contact_mirror import shared_fields
from dashboard.services.group_tags import drop_group_tags, follow_groups
from dashboard.services.refusals import Conflict, InvalidInput, NotConnected, NotFound
from dashboard.xero.types import ACTIVE

SHARED = ("name", "email", "phones", "company_number", "tax_number")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


class ClientService:
    """Makes clients and changes their links to contacts."""

    def __init__(self, *, session: AnySession, clock: Callable[[], datetime]) -> None:
        self._session = session
        self._clock = clock

    def create(self, practice_id: UUID, fields: Mapping[str, Any]) -> Client:
        """Return a new client made of *fields*: name (required), email, phone and the two numbers.

        Raises `InvalidInput` that names the field. Anything else in *fields* is passed over.
        """
        values = _all_checked(fields)
        now = changing_clients(self._session, practice_id, self._clock)
        client = Client(practice_id=practice_id, created_at=now, updated_at=now, **values)
        self._session.add(client)
        self._session.commit()
        return client

    def change(self, practice_id: UUID, client_id: UUID, fields: Mapping[str, Any]) -> Client:
        """Return the client with all of *fields* as given; one that is missing becomes empty.

        Raises `NotFound`, and `InvalidInput` that names the field.
        """
        values = _all_checked(fields)
        now = changing_clients(self._session, practice_id, self._clock)
        client = self._client(practice_id, client_id)
        for field, value in values.items():
            setattr(client, field, value)
        client.updated_at = now
        self._session.commit()
        return client

    def use_xeros(self, practice_id: UUID, client_id: UUID, field: str) -> Client:
        """Return the client with what its contact has in *field*.

        Raises `NotFound`, `NotConnected`, `InvalidInput` for a field that is not shared or a name
        that would be emptied, `Conflict` for a client without an active contact.
        """
        now = changing_clients(self._session, practice_id, self._clock)
        client, mapping, theirs = self._compared(practice_id, client_id, field)
        if field == "name" and theirs is None:
            raise InvalidInput("The contact in Xero has no name, and a client needs one.")
        setattr(client, field, theirs)
        mapping.kept = {name: value for name, value in mapping.kept.items() if name != field}
        client.updated_at = now
        self._session.commit()
        return client

    def keep_ours(self, practice_id: UUID, client_id: UUID, field: str) -> Client:
        """Return the client, which keeps its own *field* until Xero has something else there.

        Raises as `use_xeros` does.
        """
        client, mapping, theirs = self._compared(practice_id, client_id, field)
        mapping.kept = {**mapping.kept, field: theirs}
        self._session.commit()
        return client

    def link(
        self, practice_id: UUID, user_id: UUID | None, client_id: UUID, contact_id: str
    ) -> Client:
        """Return the client, linked to this contact instead of any other.

        Its tags from Xero become the contact's groups; its own fields stay as they are. Raises
        `NotFound`, `NotConnected`, `InvalidInput` for a contact that is archived or has no name,
        `Conflict` for one that another client has.
        """
        now = changing_clients(self._session, practice_id, self._clock)
        client, connection = self._found(practice_id, client_id)
        contact = self._contact(connection.id, contact_id)
        holder = self._holder(connection.id, contact_id)
        if holder is not None and holder.id == client_id:
            self._session.rollback()
            return self._session.get_one(Client, client_id)
        if holder is not None:
            raise Conflict(
                f"{contact.name} is already linked to {holder.name}.", "Unlink that client first."
            )
        problem = import_sentences.unavailable(contact.name, contact.contact_status)
        if problem is not None:
            raise InvalidInput(problem, "Choose another contact.")
        self._forget_link(connection.id, client_id)
        self._forget_verdicts(connection.id, contact_id, client_id)
        self._session.add(
            XeroContactMapping(
                practice_id=practice_id,
                client_id=client_id,
                xero_connection_id=connection.id,
                xero_contact_id=contact_id,
                xero_contact_name=contact.name,
                last_synced_at=contact.read_at,
                linked_by_id=user_id,
                created_at=now,
                updated_at=now,
            )
        )
        client.xero_contact_id = contact_id
        client.updated_at = now
        self._session.flush()
        follow_groups(self._session, practice_id, {client_id: contact.groups}, now)
        self._session.commit()
        return client

    def unlink(self, practice_id: UUID, user_id: UUID | None, client_id: UUID) -> Client:
        """Return the client without a contact; the files that lie in Xero stay there.

        Its tags from Xero go, because nothing would keep them true. Raises `NotFound`,
        `NotConnected`.
        """
        now = changing_clients(self._session, practice_id, self._clock)
        client, connection = self._found(practice_id, client_id)
        self._forget_link(connection.id, client_id)
        client.xero_contact_id = None
        client.updated_at = now
        self._session.flush()
        drop_group_tags(self._session, practice_id, client_id, now)
        self._session.commit()
        return client

    # -- inside -------------------------------------------------------------------------------

    def _client(self, practice_id: UUID, client_id: UUID) -> Client:
        client = self._session.scalar(
            select(Client)
            .where(Client.id == client_id, Client.practice_id == practice_id)
            .execution_options(populate_existing=True)
        )
        if client is None:
            raise NotFound
        return client

    def _compared(
        self, practice_id: UUID, client_id: UUID, field: str
    ) -> tuple[Client, XeroContactMapping, str | None]:
        """Return a client, its link, and what the contact has in *field*."""
        if field not in FIELDS:
            raise InvalidInput("There is no such field to choose.", field="field")
        client, connection = self._found(practice_id, client_id)
        found = self._session.execute(
            select(XeroContactMapping, XeroContact)
            .join(
                XeroContact,
                (XeroContact.xero_connection_id == XeroContactMapping.xero_connection_id)
                & (XeroContact.xero_contact_id == XeroContactMapping.xero_contact_id),
            )
            .where(
                XeroContactMapping.xero_connection_id == connection.id,
                XeroContactMapping.client_id == client_id,
                XeroContact.contact_status == ACTIVE,
            )
            .execution_options(populate_existing=True)
        ).first()
        if found is None:
            raise Conflict("This client has no active contact in Xero any more.")
        mapping, contact = found
        theirs = shared_fields({name: getattr(contact, name) for name in SHARED})[field]
        return client, mapping, theirs

    def _found(self, practice_id: UUID, client_id: UUID) -> tuple[Client, XeroConnection]:
        client = self._client(practice_id, client_id)
        connection = current_connection(self._session, practice_id)
        if connection is None:
            raise NotConnected
        return client, connection

    def _contact(self, connection_id: UUID, contact_id: str) -> XeroContact:
        contact = self._session.scalar(
            select(XeroContact)
            .where(
                XeroContact.xero_connection_id == connection_id,
                XeroContact.xero_contact_id == contact_id,
            )
            .execution_options(populate_existing=True)
        )
        if contact is None:
            raise NotFound
        return contact

    def _holder(self, connection_id: UUID, contact_id: str) -> Client | None:
        return self._session.scalar(
            select(Client)
            .join(XeroContactMapping, XeroContactMapping.client_id == Client.id)
            .where(
                XeroContactMapping.xero_connection_id == connection_id,
                XeroContactMapping.xero_contact_id == contact_id,
            )
        )

    def _forget_link(self, connection_id: UUID, client_id: UUID) -> None:
        self._session.execute(
            delete(XeroContactMapping)
            .where(
                XeroContactMapping.xero_connection_id == connection_id,
                XeroContactMapping.client_id == client_id,
            )
            .execution_options(synchronize_session=False)
        )

    def _forget_verdicts(self, connection_id: UUID, contact_id: str, client_id: UUID) -> None:
        """Linking by hand takes back "not a match" for this pair, and "skip" for the contact."""
        self._session.execute(
            delete(MatchDecision)
            .where(
                MatchDecision.xero_connection_id == connection_id,
                MatchDecision.xero_contact_id == contact_id,
                (MatchDecision.client_id == client_id) | MatchDecision.client_id.is_(None),
            )
            .execution_options(synchronize_session=False)
        )


def _all_checked(fields: Mapping[str, Any]) -> dict[str, str | None]:
    values = {field: _checked(field, fields.get(field)) for field in FIELDS}
    if values["name"] is None:
        raise InvalidInput("A client needs a name.", "Enter the name.", field="name")
    return values


def _checked(field: str, value: Any) -> str | None:
    """Return the value trimmed, None if it is empty; raise `InvalidInput` if it cannot be kept."""
    if value is None:
        return None
    label = FIELD_NAMES[field]
    if not isinstance(value, str):
        raise InvalidInput(f"The {label} must be text.", field=field)
    text = value.replace("\x00", "").strip()
    if len(text) > TEXT_MAX:
        raise InvalidInput(
            f"The {label} is {len(text):,} characters long.",
            f"Use at most {TEXT_MAX}.",
            field=field,
        )
    if field == "email" and text and not EMAIL.fullmatch(text):
        raise InvalidInput(
            "This does not look like an email address.",
            "Enter one like name@example.com, or leave it empty.",
            field=field,
        )
    return text or None
