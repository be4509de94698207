"""What we ask of Xero, in words, and what is missing from what was granted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

FILES_SCOPE = "files"
CONTACTS_SCOPE = "accounting.contacts.read"


@dataclass(frozen=True, slots=True)
class Permission:
    """Some scopes as a person understands them; `lost` says what does not work without them.

    `short` names it in a sentence of its own, `refused` is told once after a consent without it.
    """

    scopes: tuple[str, ...]
    words: str
    lost: str
    short: str
    refused: str


CONTACTS = Permission(
    (CONTACTS_SCOPE,),
    "Read contacts and contact groups",
    "Contacts cannot be read or imported.",
    "Read contacts",
    "Connected, but without permission to read contacts. They will not be read until you allow it.",
)
FILES = Permission(
    (FILES_SCOPE,),
    "Add files and folders to Xero Files",
    "Documents cannot be sent to Xero.",
    "Add files to Xero",
    "Connected, but without permission to add files. Documents will not be sent until you allow"
    " it.",
)
# The scopes that the product needs and no more.
# https://developer.xero.com/documentation/guides/oauth2/scopes
PERMISSIONS = (
    Permission(
        ("openid", "profile", "email"),
        "Know who connected",
        "We cannot say who connected.",
        "Know who connected",
        "Connected, but without permission to know who connected.",
    ),
    CONTACTS,
    Permission(
        ("accounting.settings.read",),
        "Read your organisation’s name and settings",
        "The organisation’s details cannot be checked.",
        "Read your organisation’s settings",
        "Connected, but without permission to read your organisation’s name and settings.",
    ),
    FILES,
    Permission(
        ("offline_access",),
        "Stay connected when nobody is signed in",
        "The connection ends after half an hour.",
        "Stay connected",
        "Connected, but without permission to stay connected: access ends after half an hour.",
    ),
)


def is_granted(permission: Permission, granted: Iterable[str]) -> bool:
    """Tell whether every scope of *permission* was granted; a full scope includes its `.read`."""
    held = set(granted)
    return all(scope in held or scope.removesuffix(".read") in held for scope in permission.scopes)


def missing_permissions(granted: Iterable[str]) -> tuple[Permission, ...]:
    """Return the permissions that were asked for and not granted."""
    held = frozenset(granted)
    return tuple(permission for permission in PERMISSIONS if not is_granted(permission, held))


def needed_sentence(granted: Iterable[str]) -> str:
    """Return which permissions we still need; empty when nothing is missing."""
    missing = [permission.short for permission in missing_permissions(granted)]
    if not missing:
        return ""
    if len(missing) == 1:
        return f"We need one more permission: {missing[0]}."
    return f"We need {len(missing)} more permissions: {', '.join(missing)}."


def refused_sentences(granted: Iterable[str]) -> tuple[str, ...]:
    """Return what to tell right after a consent that did not give everything."""
    return tuple(permission.refused for permission in missing_permissions(granted))
