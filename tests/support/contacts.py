"""Contacts in the pretend Xero, a practice that is connected to it, and workers that may die."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dashboard import wiring
from dashboard.clock import utcnow
from dashboard.database import db
from dashboard.models import User, XeroConnection
from dashboard.services.xero_sync import XeroSyncService
from dashboard.simulator import World
from dashboard.simulator.records import Contact, ContactGroup, Phone
from tests.support.pretend_xero import give_consent


class Killed(BaseException):
    """The worker's process is gone: nothing of it runs any more, not even its clean-up."""


class MovableClock:
    """The real time, put forward by what a test adds."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return utcnow() + self._ahead

    def forward(self, **span: float) -> None:
        self._ahead += timedelta(**span)


class DiesAt:
    """A `should_stop` that kills the worker when it is asked for the *number*-th time."""

    def __init__(self, number: int) -> None:
        self._left = number

    def __call__(self) -> bool:
        self._left -= 1
        if self._left == 0:
            raise Killed
        return False


def never() -> bool:
    return False


def connect(world: World, admin: User) -> XeroConnection:
    """Connect the admin's practice to the first organisation, through the whole consent."""
    auth = wiring.xero_auth()
    request = auth.generate_auth_url(admin.practice_id, admin.id, "a browser")
    back = parse_qs(urlsplit(give_consent(world, request.url)).query)
    connected = auth.handle_callback(
        admin.practice_id, admin.id, "a browser", back["code"][0], back["state"][0]
    )
    return db.session.get_one(XeroConnection, connected.connection_id)


def sync_service(
    *,
    clock: Callable[[], datetime] = utcnow,
    owner: str = "worker-1",
    should_stop: Callable[[], bool] = never,
    others_wait: Callable[[], bool] = never,
    page_size: int = 1_000,
) -> XeroSyncService:
    """Return the service of one worker, calling the pretend Xero through the real door."""
    return XeroSyncService(
        session=db.session,
        auth=wiring.xero_auth(),
        alerts=wiring.alerts(),
        clock=clock,
        owner=owner,
        should_stop=should_stop,
        others_wait=others_wait,
        page_size=page_size,
    )


def keep_contacts(world: World, number: int) -> list[Contact]:
    """Leave only *number* active contacts without groups in the first organisation."""
    with world.change():
        contacts = world.main.contacts
        chosen = [one for one in contacts.values() if one.status == "ACTIVE"][:number]
        contacts.clear()
        contacts.update({one.contact_id: one for one in chosen})
        world.main.groups.clear()
    return chosen


def add_contact(world: World, name: str, **fields: Any) -> Contact:
    """Add a contact to the first organisation."""
    phone = fields.pop("phone", None)
    contact = Contact(
        contact_id=world.new_id(),
        name=name,
        updated_at=world.clock.now(),
        phones=[Phone("DEFAULT", phone)] if phone else [],
        **fields,
    )
    with world.change():
        world.main.contacts[contact.contact_id] = contact
    return contact


def change_contact(world: World, contact: Contact, **fields: Any) -> None:
    """Edit a contact as a person in Xero would, which moves its time of change."""
    with world.change():
        for name, value in fields.items():
            setattr(contact, name, value)
        contact.updated_at = world.clock.now()


def put_in_group(world: World, name: str, *contacts: Contact) -> ContactGroup:
    """Put contacts into a group of that name; their time of change moves."""
    with world.change():
        group = ContactGroup(world.new_id(), name, [one.contact_id for one in contacts])
        world.main.groups[group.group_id] = group
        for contact in contacts:
            contact.updated_at = world.clock.now()
    return group
