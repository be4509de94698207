"""What people do inside Xero, as actions by name: the same for tests, JSON and the human page.

Every action takes texts, as a form sends them, and answers with a sentence. What cannot be done
raises ActionRefused with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any, get_args

from dashboard.simulator import ledger
from dashboard.simulator.grants import disconnect, forget_user
from dashboard.simulator.limits import LimitRules
from dashboard.simulator.records import (
    Contact,
    ContactGroup,
    Folder,
    Options,
    Organisation,
    Phone,
    StoredFile,
    Tier,
    User,
)
from dashboard.simulator.uploads import has_bad_characters
from dashboard.simulator.world import World

Details = Mapping[str, Any]
Action = Callable[[World, Details], str]

ACTIONS: dict[str, Action] = {}


class ActionRefused(ValueError):
    """The action makes no sense; the message says why."""


def perform(world: World, action: str, details: Details) -> str:
    """Do *action* and return a sentence about it; ActionRefused when it cannot be done."""
    if action not in ACTIONS:
        raise ActionRefused(f"There is no action called {action}.")
    with world.change():
        return ACTIONS[action](world, details)


def _action(function: Action) -> Action:
    ACTIONS[function.__name__] = function
    return function


def _text(details: Details, name: str) -> str:
    value = details.get(name)
    if value is None or str(value).strip() == "":
        raise ActionRefused(f"{name} is missing.")
    return str(value).strip()


def _number(details: Details, name: str) -> float:
    try:
        return float(_text(details, name))
    except ValueError:
        raise ActionRefused(f"{name} must be a number.") from None


def _organisation(world: World, details: Details) -> Organisation:
    try:
        return world.organisation(_text(details, "tenant_id"))
    except KeyError:
        raise ActionRefused("There is no such organisation.") from None


def _contact(world: World, details: Details, name: str = "contact_id") -> Contact:
    found = _organisation(world, details).contacts.get(_text(details, name).lower())
    if found is None:
        raise ActionRefused("There is no such contact in this organisation.")
    return found


def _folder(world: World, details: Details) -> Folder:
    found = _organisation(world, details).folders.get(_text(details, "folder_id").lower())
    if found is None:
        raise ActionRefused("There is no such folder in this organisation.")
    return found


def _file(world: World, details: Details) -> StoredFile:
    found = _organisation(world, details).files.get(_text(details, "file_id").lower())
    if found is None:
        raise ActionRefused("There is no such file in this organisation.")
    return found


def _user(world: World, details: Details) -> User:
    found = world.state.users.get(_text(details, "user_id"))
    if found is None:
        raise ActionRefused("There is no such person.")
    return found


# Connections and people


@_action
def disconnect_organisation(world: World, details: Details) -> str:
    """Disconnect the app inside Xero, for one person or (without user_id) for everybody."""
    tenant_id = _organisation(world, details).tenant_id
    user_id = details.get("user_id")
    ended = 0
    for connection in world.state.connections.values():
        meant = connection.tenant_id == tenant_id and user_id in (None, "", connection.user_id)
        if meant and connection.is_live:
            disconnect(world, connection)
            ended += 1
    return f"Connections ended: {ended}."


@_action
def revoke_user(world: World, details: Details) -> str:
    """End all connections and refresh tokens of one person."""
    user = _user(world, details)
    forget_user(world, user.user_id)
    return f"{user.name} no longer lets the app in anywhere."


@_action
def remove_role(world: World, details: Details) -> str:
    """Take a person out of an organisation. The connection stays listed; calls get 403."""
    user, organisation = _user(world, details), _organisation(world, details)
    if organisation.tenant_id not in user.tenant_ids:
        raise ActionRefused(f"{user.name} does not belong to {organisation.name}.")
    user.tenant_ids.remove(organisation.tenant_id)
    return f"{user.name} no longer belongs to {organisation.name}."


@_action
def restore_role(world: World, details: Details) -> str:
    """Let a person into an organisation again."""
    user, organisation = _user(world, details), _organisation(world, details)
    if organisation.tenant_id not in user.tenant_ids:
        user.tenant_ids.append(organisation.tenant_id)
    return f"{user.name} belongs to {organisation.name}."


# Contacts

_EDITABLE = (
    "name",
    "first_name",
    "last_name",
    "email",
    "company_number",
    "tax_number",
    "account_number",
    "contact_number",
)


@_action
def add_contact(world: World, details: Details) -> str:
    """Add a contact; its name must be unique among the active ones."""
    organisation = _organisation(world, details)
    contact = Contact(world.new_id(), "", world.clock.now())
    _write_contact(organisation, contact, {"name": _text(details, "name")} | dict(details))
    organisation.contacts[contact.contact_id] = contact
    return f"Added {contact.name} as {contact.contact_id}."


@_action
def edit_contact(world: World, details: Details) -> str:
    """Change some values of a contact."""
    contact = _contact(world, details)
    _write_contact(_organisation(world, details), contact, details)
    contact.updated_at = world.clock.now()
    return f"Changed {contact.name}."


def _write_contact(organisation: Organisation, contact: Contact, details: Details) -> None:
    given = {name: str(details[name]).strip() for name in _EDITABLE if name in details}
    name = given.get("name", contact.name)
    if not name or "<" in name or ">" in name:
        raise ActionRefused("A contact needs a name without < and >.")
    same = organisation.active_contact_named(name)
    if same is not None and same is not contact and contact.status == "ACTIVE":
        raise ActionRefused(f"The contact name {name} must be unique across all active contacts.")
    for field, value in given.items():
        setattr(contact, field, value)
    if "phone" in details:
        contact.phones = [phone for phone in contact.phones if phone.kind != "DEFAULT"]
        contact.phones.append(Phone("DEFAULT", str(details["phone"]).strip()))


@_action
def archive_contact(world: World, details: Details) -> str:
    """Archive a contact, so that only includeArchived shows it."""
    contact = _contact(world, details)
    contact.status, contact.updated_at = "ARCHIVED", world.clock.now()
    return f"Archived {contact.name}."


@_action
def restore_contact(world: World, details: Details) -> str:
    """Bring an archived contact back."""
    contact = _contact(world, details)
    if contact.status != "ARCHIVED" or contact.merged_to:
        raise ActionRefused("Only an archived contact that was not merged can come back.")
    if _organisation(world, details).active_contact_named(contact.name):
        raise ActionRefused(f"There is an active contact named {contact.name} by now.")
    contact.status, contact.updated_at = "ACTIVE", world.clock.now()
    return f"{contact.name} is active again."


@_action
def merge_contact(world: World, details: Details) -> str:
    """Merge a contact into another: it is archived and names its survivor."""
    loser, survivor = _contact(world, details), _contact(world, details, "into")
    if loser is survivor or survivor.status != "ACTIVE" or loser.status != "ACTIVE":
        raise ActionRefused("Two different active contacts are needed.")
    now = world.clock.now()
    loser.status, loser.merged_to = "ARCHIVED", survivor.contact_id
    loser.updated_at = survivor.updated_at = now
    return f"Merged {loser.name} into {survivor.name}."


@_action
def erase_contact(world: World, details: Details) -> str:
    """Erase a person's data for good, as a GDPR request does."""
    contact = _contact(world, details)
    erased = Contact(
        contact.contact_id,
        f"Erased {contact.contact_id[:8]}",
        world.clock.now(),
        status="GDPRREQUEST",
        is_supplier=contact.is_supplier,
        is_customer=contact.is_customer,
    )
    _organisation(world, details).contacts[contact.contact_id] = erased
    return f"Erased the data of {contact.name}."


@_action
def add_to_group(world: World, details: Details) -> str:
    """Put a contact in a group, made if need be. It does not count as a change of the contact."""
    organisation, contact = _organisation(world, details), _contact(world, details)
    name = _text(details, "group")
    group = _group_named(organisation, name)
    if group is None:
        group = ContactGroup(world.new_id(), name)
        organisation.groups[group.group_id] = group
    if contact.contact_id not in group.contact_ids:
        group.contact_ids.append(contact.contact_id)
    return f"{contact.name} is in {group.name}."


@_action
def remove_from_group(world: World, details: Details) -> str:
    """Take a contact out of a group."""
    contact = _contact(world, details)
    group = _group_named(_organisation(world, details), _text(details, "group"))
    if group is None or contact.contact_id not in group.contact_ids:
        raise ActionRefused("The contact is not in that group.")
    group.contact_ids.remove(contact.contact_id)
    return f"{contact.name} is no longer in {group.name}."


def _group_named(organisation: Organisation, name: str) -> ContactGroup | None:
    return next((group for group in organisation.groups.values() if group.name == name), None)


# Files


@_action
def add_folder(world: World, details: Details) -> str:
    """Make a folder, as a person would in Xero."""
    folder = ledger.new_folder(
        world, _organisation(world, details), _good_name(_text(details, "name"))
    )
    return f"Added the folder {folder.name}."


@_action
def rename_folder(world: World, details: Details) -> str:
    """Rename a folder."""
    folder, name = _folder(world, details), _good_name(_text(details, "name"))
    if folder.is_inbox:
        raise ActionRefused("The Inbox cannot be renamed.")
    before, folder.name = folder.name, name
    return f"Renamed {before} to {name}."


@_action
def delete_folder(world: World, details: Details) -> str:
    """Delete a folder."""
    folder = _folder(world, details)
    if folder.is_inbox:
        raise ActionRefused("The Inbox cannot be deleted.")
    ledger.remove_folder(world, _organisation(world, details), folder)
    return f"Deleted the folder {folder.name}."


@_action
def rename_file(world: World, details: Details) -> str:
    """Rename a file."""
    file, name = _file(world, details), _good_name(_text(details, "name"))
    before, file.name, file.updated_at = file.name, name, world.clock.now()
    return f"Renamed {before} to {name}."


@_action
def delete_file(world: World, details: Details) -> str:
    """Delete a file."""
    file = _file(world, details)
    ledger.remove_file(world, _organisation(world, details), file)
    return f"Deleted {file.name}."


@_action
def move_file(world: World, details: Details) -> str:
    """Move a file to another folder."""
    file, folder = _file(world, details), _folder(world, details)
    file.folder_id, file.updated_at = folder.folder_id, world.clock.now()
    return f"Moved {file.name} to {folder.name}."


@_action
def unlink_file(world: World, details: Details) -> str:
    """Take a file off one contact, or (without contact_id) off all of them."""
    file = _file(world, details)
    contact_id = str(details.get("contact_id") or "").lower()
    file.associations = [
        held for held in file.associations if contact_id and held.object_id != contact_id
    ]
    return f"Unlinked {file.name}."


def _good_name(name: str) -> str:
    if has_bad_characters(name):
        raise ActionRefused('A name cannot hold any of < > : " / \\ | ? *.')
    return name


# Time, tier and the rest


@_action
def shift_clock(world: World, details: Details) -> str:
    """Put the simulator's clock forward (or back) by some seconds."""
    world.shift_clock(_number(details, "seconds"))
    return f"It is now {world.clock.now():%Y-%m-%d %H:%M:%S} UTC in the simulator."


@_action
def change_tier(world: World, details: Details) -> str:
    """Move the app to another price tier; Starter allows 1,000 calls a day."""
    tier = _text(details, "tier")
    if tier not in get_args(Tier):
        raise ActionRefused(f"There is no tier called {tier}.")
    world.state.app = replace(world.app, tier=tier)  # type: ignore[arg-type]
    return f"The app is on the {tier} tier: {world.tier_day_limit()} calls a day."


@_action
def set_bulk_connections(world: World, details: Details) -> str:
    """Let people choose several organisations in one consent, or only one."""
    world.state.app = replace(world.app, bulk_connections=_is_yes(details, "value"))
    return "Changed what the consent page offers."


@_action
def set_option(world: World, details: Details) -> str:
    """Switch one of the behaviours about which Xero's documentation is silent."""
    name = _text(details, "name")
    if name not in {option.name for option in fields(Options)}:
        raise ActionRefused(f"There is no option called {name}.")
    _set_like(world.options, name, details)
    return f"{name} is {getattr(world.options, name)}."


@_action
def set_limit(world: World, details: Details) -> str:
    """Change one of the limits on calls and forget the calls so far."""
    name = _text(details, "name")
    if name not in {rule.name for rule in fields(LimitRules)}:
        raise ActionRefused(f"There is no limit called {name}.")
    rules = world.limits.rules
    if name == "window":
        rules.window = "fixed" if _text(details, "value") == "fixed" else "rolling"
    elif name == "minute_seconds":
        rules.minute_seconds = _number(details, "value")
    else:
        setattr(rules, name, int(_number(details, "value")))
    world.limits.reset()
    return f"{name} is {getattr(rules, name)}."


def _set_like(target: object, name: str, details: Details) -> None:
    """Set an attribute to a value of the type that it has already."""
    present = getattr(target, name)
    if isinstance(present, bool):
        setattr(target, name, _is_yes(details, "value"))
    elif isinstance(present, str):
        setattr(target, name, _text(details, "value"))
    else:
        setattr(target, name, type(present)(_number(details, "value")))


def _is_yes(details: Details, name: str) -> bool:
    return str(details.get(name, "")).lower() in ("1", "true", "yes", "on")


@_action
def reset_limits(world: World, details: Details) -> str:
    """Forget every call that counts towards a limit."""
    world.limits.reset()
    return "No call counts towards a limit any more."


@_action
def forget_idempotency_keys(world: World, details: Details) -> str:
    """Forget the answers kept for Idempotency-Keys."""
    world.state.kept_answers.clear()
    return "Forgot every Idempotency-Key."


@_action
def clear_calls(world: World, details: Details) -> str:
    """Empty the log of calls."""
    world.calls.clear()
    return "The log of calls is empty."
