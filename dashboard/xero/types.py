"""What Xero tells us, as frozen values.

Fields that the product has no use for are not here, so they cannot be stored by accident: bank
details, batch payments, network and API keys, dates of birth.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from dashboard.secret import Secret

ACTIVE = "ACTIVE"
ARCHIVED = "ARCHIVED"
GDPR_REQUEST = "GDPRREQUEST"

PRACTICE_TYPES = frozenset({"PRACTICE", "PRACTICEMANAGER", "PRACTICE_MANAGER"})


class TokenSet(msgspec.Struct, frozen=True):
    """An access token, the refresh token that replaces the one spent, and what they allow.

    `expires_in` is in seconds from the moment of the answer.
    """

    access: Secret
    refresh: Secret
    expires_in: int
    scopes: tuple[str, ...]


class CodeAnswer(msgspec.Struct, frozen=True):
    """What a code was exchanged for, before anybody's identity is proven.

    `xero_userid` and `authentication_event_id` are the access token's own words. `answered_at` is
    Xero's clock (the answer's `Date`), None when it gave none.
    """

    tokens: TokenSet
    id_token: Secret
    xero_userid: str | None
    authentication_event_id: str | None
    answered_at: datetime | None


class Grant(msgspec.Struct, frozen=True):
    """The outcome of a consent: the tokens and who gave them."""

    tokens: TokenSet
    xero_userid: str | None
    email: str | None
    name: str | None
    authentication_event_id: str | None


class Tenant(msgspec.Struct, frozen=True):
    """One organisation that a person has connected to our app.

    `connection_id` is what a disconnect needs, `tenant_id` what every other call needs.
    """

    connection_id: str
    tenant_id: str
    tenant_type: str
    name: str | None
    auth_event_id: str | None
    created_at: datetime | None
    updated_at: datetime | None

    @property
    def is_organisation(self) -> bool:
        """Whether Accounting and Files calls make sense for it."""
        return self.tenant_type == "ORGANISATION"

    @property
    def is_practice_manager(self) -> bool:
        """Whether it is a Practice Manager tenant; Xero writes that in three ways."""
        return self.tenant_type in PRACTICE_TYPES


class Organisation(msgspec.Struct, frozen=True):
    """The organisation behind a tenant."""

    organisation_id: str | None
    name: str | None
    legal_name: str | None = None
    short_code: str | None = None
    country_code: str | None = None
    base_currency: str | None = None
    class_: str | None = None
    organisation_type: str | None = None
    status: str | None = None
    timezone: str | None = None
    financial_year_end_day: int | None = None
    financial_year_end_month: int | None = None


class ContactGroup(msgspec.Struct, frozen=True, gc=False):
    """A group that contacts of an organisation belong to."""

    id: str
    name: str


class ContactPerson(msgspec.Struct, frozen=True, gc=False):
    """A further person at a contact."""

    first_name: str | None
    last_name: str | None
    email: str | None


class Phone(msgspec.Struct, frozen=True, gc=False):
    """A number as one text, `+64 9 1234567`; `kind` is DEFAULT, DDI, MOBILE, FAX or OFFICE."""

    kind: str
    number: str


class Address(msgspec.Struct, frozen=True, gc=False):
    """An address; `kind` is STREET or POBOX."""

    kind: str
    lines: tuple[str, ...]
    city: str | None
    region: str | None
    postal_code: str | None
    country: str | None


class Contact(msgspec.Struct, frozen=True, gc=False):
    """A person or firm in Xero; `contact_id` is its only lasting key.

    `email` is the contact's own address, else the first one among its persons. `groups`, `persons`
    and `merged_to_contact_id` are given by paged and single reads only.
    """

    contact_id: str
    name: str
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phones: tuple[Phone, ...] = ()
    addresses: tuple[Address, ...] = ()
    tax_number: str | None = None
    company_number: str | None = None
    account_number: str | None = None
    status: str = ACTIVE
    is_supplier: bool = False
    is_customer: bool = False
    groups: tuple[ContactGroup, ...] = ()
    persons: tuple[ContactPerson, ...] = ()
    merged_to_contact_id: str | None = None
    updated_at: datetime | None = None

    @property
    def phone(self) -> str | None:
        """The number to show: the main one, else mobile, office or direct; never a fax."""
        by_kind = {phone.kind: phone.number for phone in self.phones}
        kinds = ("DEFAULT", "MOBILE", "OFFICE", "DDI")
        return next((by_kind[kind] for kind in kinds if kind in by_kind), None)


class ContactsPage(msgspec.Struct, frozen=True):
    """One page of contacts.

    `server_time` is Xero's clock, the base of the next checkpoint; None when Xero gave none.
    `is_last` is decided by Xero's page count, else by a page that is not full.
    """

    contacts: tuple[Contact, ...]
    page: int
    page_count: int | None
    item_count: int | None
    server_time: datetime | None
    is_last: bool


class Folder(msgspec.Struct, frozen=True):
    """A folder of Xero Files; folders are flat."""

    folder_id: str
    name: str
    is_inbox: bool
    file_count: int | None


class StoredFile(msgspec.Struct, frozen=True):
    """A file in Xero Files; `size` in bytes."""

    file_id: str
    name: str
    mime_type: str | None
    size: int | None
    folder_id: str | None
    created_at: datetime | None
    updated_at: datetime | None


class FilesPage(msgspec.Struct, frozen=True):
    """One page of the file listing."""

    items: tuple[StoredFile, ...]
    page: int
    per_page: int
    total_count: int


class Association(msgspec.Struct, frozen=True):
    """A file shown at an object, for us always a contact (`object_group` "Contact")."""

    file_id: str | None
    object_id: str | None
    object_group: str | None
    object_type: str | None
