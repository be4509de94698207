"""The product's duplicate detector in the shape that the matching harness calls.

    er_bench.py --target tests.bench.matching:link --dedupe tests.bench.matching:within --path .

Records are dictionaries with Xero's field names; positions stand for keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dashboard.rules.contact_matching import (
    ClientIndex,
    MatchAddress,
    MatchRecord,
    Reason,
    duplicates_within,
    match_contacts,
)

Found = tuple[int, int, float, list[str]]


def link(contacts: Sequence[dict[str, Any]], clients: Sequence[dict[str, Any]]) -> list[Found]:
    """Return (contact, client, score, reasons) for every candidate of every contact."""
    index = ClientIndex.build(_records(clients))
    return [
        (int(key), int(candidate.client_key), candidate.score, _texts(candidate.reasons))
        for key, result in match_contacts(_records(contacts), index).items()
        for candidate in result.candidates
    ]


def within(contacts: Sequence[dict[str, Any]]) -> list[Found]:
    """Return (i, j, score, reasons) for every pair of contacts that may be one."""
    return [
        (int(pair.first_key), int(pair.second_key), pair.score, _texts(pair.reasons))
        for pair in duplicates_within(_records(contacts))
    ]


def _texts(reasons: tuple[Reason, ...]) -> list[str]:
    return [f"{reason.text} ({reason.points:+.1f})" for reason in reasons]


def _records(rows: Sequence[dict[str, Any]]) -> Iterator[MatchRecord]:
    for position, row in enumerate(rows):
        mail = row.get("EmailAddress") or ""
        yield MatchRecord(
            key=str(position),
            name=row.get("Name") or "",
            first_name=row.get("FirstName") or "",
            last_name=row.get("LastName") or "",
            emails=(mail,) if mail else (),
            phones=tuple(_phone(phone) for phone in row.get("Phones") or ()),
            addresses=tuple(_address(address) for address in row.get("Addresses") or ()),
            tax_number=row.get("TaxNumber") or "",
            company_number=row.get("CompanyNumber") or "",
            trading_name=row.get("TradingName") or "",
        )


def _phone(phone: dict[str, str]) -> str:
    return (phone.get("PhoneAreaCode") or "") + (phone.get("PhoneNumber") or "")


def _address(address: dict[str, str]) -> MatchAddress:
    return MatchAddress(
        line1=address.get("AddressLine1") or "",
        line2=address.get("AddressLine2") or "",
        city=address.get("City") or "",
        region=address.get("Region") or "",
        postal_code=address.get("PostalCode") or "",
        country=address.get("Country") or "",
    )
