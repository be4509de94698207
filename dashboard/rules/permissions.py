"""What we ask of Xero, in words, and what is missing from what was granted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Permission:
    """Some scopes as a person understands them; `lost` says what does not work without them."""

    scopes: tuple[str, ...]
    words: str
    lost: str


# The scopes that the product needs and no more.
# https://developer.xero.com/documentation/guides/oauth2/scopes
PERMISSIONS = (
    Permission(
        ("openid", "profile", "email"), "Know who connected", "We cannot say who connected."
    ),
    Permission(
        ("accounting.contacts.read",),
        "Read contacts and contact groups",
        "Contacts cannot be read or imported.",
    ),
    Permission(
        ("accounting.settings.read",),
        "Read your organisation's name and settings",
        "The organisation's details cannot be checked.",
    ),
    Permission(
        ("files",), "Add files and folders to Xero Files", "Documents cannot be sent to Xero."
    ),
    Permission(
        ("offline_access",),
        "Stay connected when nobody is signed in",
        "The connection ends after half an hour.",
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
