"""Records of the ledger as Accounting writes them, in the three depths that it has.

https://developer.xero.com/documentation/api/accounting/contacts: a plain list leaves out groups,
persons and what a contact was merged into; pages and single contacts have everything; a summary
drops even addresses and the two flags.
"""

from __future__ import annotations

import uuid
from typing import Any, Literal

from dashboard.simulator.records import (
    Address,
    Contact,
    ContactGroup,
    Organisation,
    Person,
    Phone,
)
from dashboard.simulator.wire_dates import microsoft_date

Depth = Literal["summary", "list", "page", "single"]

_PHONE_KINDS = ("DDI", "DEFAULT", "FAX", "MOBILE")


def contact_fields(contact: Contact) -> dict[str, Any]:
    """Return the values that `where` and `order` may name."""
    return {
        "ContactID": contact.contact_id,
        "ContactNumber": contact.contact_number,
        "AccountNumber": contact.account_number,
        "ContactStatus": contact.status,
        "Name": contact.name,
        "FirstName": contact.first_name,
        "LastName": contact.last_name,
        "EmailAddress": contact.email,
        "CompanyNumber": contact.company_number,
        "TaxNumber": contact.tax_number,
        "IsSupplier": contact.is_supplier,
        "IsCustomer": contact.is_customer,
        "UpdatedDateUTC": contact.updated_at,
    }


CONTACT_FIELDS = tuple(contact_fields(Contact("", "", None)))  # type: ignore[arg-type]


def contact_json(
    contact: Contact, depth: Depth, groups: list[ContactGroup], currency: str = "GBP"
) -> dict[str, Any]:
    """Return a contact to that depth. Empty values are mostly absent, as they are in Xero."""
    payload: dict[str, Any] = {
        "ContactID": contact.contact_id,
        "ContactStatus": contact.status,
        "Name": contact.name,
        "EmailAddress": contact.email,
        "BankAccountDetails": contact.bank_account,
        "Phones": [_phone_json(kind, contact.phones) for kind in _PHONE_KINDS],
        "UpdatedDateUTC": microsoft_date(contact.updated_at),
        "HasAttachments": False,
        "HasValidationErrors": False,
    }
    optional = {
        "ContactNumber": contact.contact_number,
        "AccountNumber": contact.account_number,
        "FirstName": contact.first_name,
        "LastName": contact.last_name,
        "CompanyNumber": contact.company_number,
        "TaxNumber": contact.tax_number,
    }
    payload |= {key: value for key, value in optional.items() if value}
    if depth != "summary":
        payload |= {
            "Addresses": _addresses_json(contact.addresses),
            "IsSupplier": contact.is_supplier,
            "IsCustomer": contact.is_customer,
            "DefaultCurrency": currency,
        }
    if depth in ("page", "single"):
        payload |= _details(contact, groups)
    if depth == "single":
        payload["Attachments"] = []
    return payload


def _details(contact: Contact, groups: list[ContactGroup]) -> dict[str, Any]:
    details: dict[str, Any] = {
        "ContactGroups": [
            {
                "ContactGroupID": group.group_id,
                "Name": group.name,
                "Status": group.status,
                "HasValidationErrors": False,
            }
            for group in groups
            if contact.contact_id in group.contact_ids
        ],
        "ContactPersons": [_person_json(person) for person in contact.persons],
        "SalesTrackingCategories": [],
        "PurchasesTrackingCategories": [],
        "XeroNetworkKey": uuid.uuid5(uuid.NAMESPACE_OID, contact.contact_id).hex.upper(),
    }
    if contact.merged_to:
        details["MergedToContactID"] = contact.merged_to
    return details


def _person_json(person: Person) -> dict[str, Any]:
    return {
        "FirstName": person.first_name,
        "LastName": person.last_name,
        "EmailAddress": person.email,
        "IncludeInEmails": person.include_in_emails,
    }


def _phone_json(kind: str, phones: list[Phone]) -> dict[str, str]:
    phone = next((phone for phone in phones if phone.kind == kind), None)
    return {
        "PhoneType": kind,
        "PhoneNumber": phone.number if phone else "",
        "PhoneAreaCode": phone.area_code if phone else "",
        "PhoneCountryCode": phone.country_code if phone else "",
    }


def _addresses_json(addresses: list[Address]) -> list[dict[str, str]]:
    return [
        _address_json(kind, next((held for held in addresses if held.kind == kind), None))
        for kind in ("STREET", "POBOX")
    ]


def _address_json(kind: str, address: Address | None) -> dict[str, str]:
    held = address or Address("STREET")
    lines = {f"AddressLine{place}": line for place, line in enumerate(held.lines, start=1)}
    return {
        "AddressType": kind,
        **lines,
        "City": held.city,
        "Region": held.region,
        "PostalCode": held.postal_code,
        "Country": held.country,
    }


GROUP_FIELDS = ("ContactGroupID", "Name", "Status")


def group_json(group: ContactGroup, members: list[Contact] | None = None) -> dict[str, Any]:
    """Return a contact group; members only where it was asked for alone."""
    return {
        "ContactGroupID": group.group_id,
        "Name": group.name,
        "Status": group.status,
        "Contacts": [
            {
                "ContactID": contact.contact_id,
                "Name": contact.name,
                "Addresses": [],
                "Phones": [],
                "ContactGroups": [],
                "ContactPersons": [],
                "HasValidationErrors": False,
            }
            for contact in members or []
        ],
        "HasValidationErrors": False,
    }


def organisation_json(organisation: Organisation) -> dict[str, Any]:
    """Return an organisation, the key for Xero's own network among it as in real life."""
    network_key = uuid.uuid5(uuid.NAMESPACE_OID, organisation.tenant_id).hex.upper()
    return {
        "OrganisationID": organisation.tenant_id,
        "APIKey": network_key,
        "Name": organisation.name,
        "LegalName": organisation.legal_name,
        "PaysTax": bool(organisation.tax_number),
        "Version": "UK",
        "OrganisationType": organisation.organisation_type,
        "BaseCurrency": "GBP",
        "CountryCode": "GB",
        "IsDemoCompany": organisation.is_demo,
        "OrganisationStatus": "ACTIVE",
        "RegistrationNumber": organisation.registration_number,
        "TaxNumber": organisation.tax_number,
        "FinancialYearEndDay": organisation.year_end_day,
        "FinancialYearEndMonth": organisation.year_end_month,
        "SalesTaxBasis": "ACCRUALS" if organisation.tax_number else "NONE",
        "SalesTaxPeriod": "QUARTERLY" if organisation.tax_number else "NONE",
        "DefaultSalesTax": "Tax Exclusive",
        "DefaultPurchasesTax": "Tax Inclusive",
        "CreatedDateUTC": microsoft_date(organisation.created_at),
        "OrganisationEntityType": organisation.organisation_type,
        "Timezone": "GMTSTANDARDTIME",
        "ShortCode": organisation.short_code,
        "Class": organisation.plan,
        "Edition": "BUSINESS",
        "LineOfBusiness": organisation.line_of_business,
        "Addresses": _addresses_json(organisation.addresses),
        "Phones": [_phone_json(kind, organisation.phones) for kind in _PHONE_KINDS],
        "ExternalLinks": [],
        "PaymentTerms": {},
    }
