"""Many believable contacts and clients from a seed, and a Xero that hands them out as pages.

Nothing waits here: pages lie in files as Xero's own JSON and are read through the real client
types, so that what is measured, or killed, is the product's own work.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid5

import msgspec
from requests.structures import CaseInsensitiveDict

from dashboard.services.results import XeroCall
from dashboard.xero.accounting import AccountingApi
from dashboard.xero.answers import Answer
from dashboard.xero.door import TenantDoor
from dashboard.xero.errors import XeroError

SPACE = UUID(int=5)
EPOCH_MS = 1_790_000_000_000


def _words(text: str) -> list[str]:
    return text.split()


_STARTS = _words(
    """Ac Al Ash Bar Beck Bel Bran Brook Cal Car Ches Clay Cor Cran Dal Den Dun East El Fair Farn
    Gar Glen Grims Hal Har Haw Hol Kel Kirk Lang Led Lin Mal Mar Mel Nor Oak Pem Pres Rad Rav Row
    Sel Shel Stan Stock Sut Thorn Til Wal Wex Whit Win"""
)
_MIDDLES = ["", *_words("a e i o ar en er in on ing ham wick stan ley mor")]
_ENDS = _words(
    """ater berry bourne bridge brook bury by cliff combe cott croft dale den don field ford gate
    grave hurst kirk land leigh low mere more ridge sett shaw stead stone thorpe ton vale ville wall
    well wick wold wood worth"""
)
_GIVEN = _words(
    """Ada Alan Amir Anna Ben Carol Chloe Daniel David Ella Emma Farah George Grace Hannah Harry
    Ines Jack James Jane Joan John Karen Laura Leo Lucy Mark Mary Mia Nadia Noah Olivia Omar Oscar
    Paul Peter Priya Rachel Robert Rosa Ruth Sam Sarah Sofia Thomas Tom Victor William Yusuf Zoe"""
)
_TRADES = _words(
    """Plumbing Electrical Builders Joinery Haulage Catering Bakery Accountants Consulting Design
    Engineering Motors Dental Farms Fencing Flooring Garages Glazing Holdings Interiors Landscapes
    Logistics Marine Media Optical Physiotherapy Printing Properties Roofing Scaffolding Software
    Stationery Tiling Transport Travel Veterinary"""
)
_TOWNS = _words(
    """Leeds York Hull Bath Derby Truro Exeter Preston Durham Lincoln Norwich Oxford Ripon Salford
    Wells"""
)
_STREETS = _words("High Mill Church Station Park Victoria Queen King North South Bridge Spring")
_FORMS = ("Ltd", "Limited", "LLP", "", "", "plc")
_GROUPS = ("VAT clients", "Payroll", "Year end March", "Self assessment")


class Book:
    """Contacts and clients by number; the same seed gives the same ones.

    Every fifth client is contact of the same number as it is, every fifth is it with another
    spelling, the others are nobody's contact.
    """

    def __init__(self, seed: int = 5) -> None:
        self._seed = seed

    def contact(self, number: int, **changes: Any) -> dict[str, Any]:
        """Return a contact as Xero writes it; *changes* replace fields."""
        who = self._who(number)
        dice = self._dice("contact", number)
        street = f"{dice.randrange(1, 200)} {dice.choice(_STREETS)} Street"
        return {
            "ContactID": self.contact_id(number),
            "ContactStatus": "ACTIVE",
            "Name": who["name"],
            "FirstName": who["first"],
            "LastName": who["last"],
            "EmailAddress": who["email"],
            "TaxNumber": who["tax"],
            "CompanyNumber": who["company"],
            "BankAccountDetails": "",
            "Phones": [
                {"PhoneType": "DDI", "PhoneNumber": ""},
                {"PhoneType": "DEFAULT", "PhoneNumber": who["phone"], "PhoneAreaCode": "0113"},
                {"PhoneType": "FAX", "PhoneNumber": ""},
                {"PhoneType": "MOBILE", "PhoneNumber": ""},
            ],
            "Addresses": [
                {"AddressType": "STREET", "City": "", "Region": "", "PostalCode": ""},
                {
                    "AddressType": "POBOX",
                    "AddressLine1": street,
                    "City": dice.choice(_TOWNS),
                    "PostalCode": f"LS{dice.randrange(1, 30)} {dice.randrange(1, 9)}AB",
                },
            ],
            "IsSupplier": dice.random() < 0.2,  # noqa: PLR2004 - a share
            "IsCustomer": dice.random() < 0.8,  # noqa: PLR2004 - a share
            "ContactGroups": [
                {"ContactGroupID": str(uuid5(SPACE, name)), "Name": name, "Status": "ACTIVE"}
                for name in dice.sample(_GROUPS, dice.choice((0, 0, 1, 2)))
            ],
            "UpdatedDateUTC": f"/Date({EPOCH_MS + number}+0000)/",
            "HasAttachments": False,
            "HasValidationErrors": False,
            **changes,
        }

    def client(self, number: int) -> dict[str, Any]:
        """Return the fields of a client."""
        kind = number % 5
        who = self._who(number if kind < 2 else number + 10_000_000)  # noqa: PLR2004 - two in five
        name = who["name"]
        if kind == 1:
            name = name.replace(" Limited", " Ltd").upper().replace("&", "and")
            who["email"] = who["tax"] = None
        return {
            "name": name,
            "email": who["email"],
            "phone": f"0113 {who['phone']}",
            "company_number": who["company"] or None,
            "tax_number": who["tax"] or None,
        }

    def contact_id(self, number: int) -> str:
        """Return Xero's id of the contact."""
        return str(uuid5(SPACE, f"{self._seed} contact {number}"))

    def _who(self, number: int) -> dict[str, Any]:
        dice = self._dice("who", number)
        surname = dice.choice(_STARTS) + dice.choice(_MIDDLES) + dice.choice(_ENDS)
        given = dice.choice(_GIVEN)
        firm = dice.random() < 0.6  # noqa: PLR2004 - a share
        if firm:
            second = dice.choice(_STARTS) + dice.choice(_ENDS)
            words = [surname, second if dice.random() < 0.4 else "", dice.choice(_TRADES)]  # noqa: PLR2004
            name = " ".join(word for word in [*words, dice.choice(_FORMS)] if word)
        else:
            name = f"{given} {surname}"
        mailbox = dice.choice((f"{given}.{surname}", f"info{number}", f"{surname}{number % 977}"))
        return {
            "name": name,
            "first": given,
            "last": surname if not firm else dice.choice(_STARTS) + dice.choice(_ENDS),
            "email": f"{mailbox}@{surname}{number % 89}.example".lower(),
            "phone": f"{dice.randrange(2_000_000, 9_999_999)}",
            "tax": f"{dice.randrange(10**9, 10**10)}" if dice.random() < 0.5 else "",  # noqa: PLR2004
            "company": f"{dice.randrange(10**7, 10**8)}" if firm else "",
        }

    def _dice(self, purpose: str, number: int) -> random.Random:
        return random.Random(f"{self._seed} {purpose} {number}")  # noqa: S311 - dice


class Feed:
    """Stands where access to Xero stands: `calling` gives an organisation whose pages are files.

    `asked` are the pages that were asked for, each with its If-Modified-Since; `trouble` are pages
    that are answered with an error.
    """

    def __init__(self, folder: Path, connection_id: UUID) -> None:
        self._folder = folder
        self._connection_id = connection_id
        self.pages = 0
        self.asked: list[tuple[int, str | None]] = []
        self.trouble: dict[int, XeroError] = {}

    def hold(self, contacts: Iterable[dict[str, Any]], page_size: int = 1_000) -> None:
        """Let these contacts be all that Xero answers, in this order."""
        rest, items = iter(contacts), 0
        self.pages = 0
        while page := list(islice(rest, page_size)):
            self.pages += 1
            items += len(page)
            self._file(self.pages).write_bytes(msgspec.json.encode(page))
        (self._folder / "feed.json").write_bytes(msgspec.json.encode([self.pages, items]))

    @contextmanager
    def calling(self, _practice_id: UUID, _priority: object) -> Iterator[XeroCall]:
        """Yield the organisation, as `XeroAuthService.calling` does."""
        xero = SimpleNamespace(accounting=AccountingApi(cast(TenantDoor, self)))
        yield XeroCall(cast(Any, xero), self._connection_id)

    def get(self, _path: str, *, query: Any = None, headers: Any = None) -> Answer:
        """Return the answer to a GET, as the door does."""
        number = int(query["page"])
        self.asked.append((number, (headers or {}).get("If-Modified-Since")))
        if number in self.trouble:
            raise self.trouble[number]
        pages, items = msgspec.json.decode((self._folder / "feed.json").read_bytes())
        listed = self._file(number).read_bytes() if number <= pages else b"[]"
        served = int(datetime.now(UTC).timestamp() * 1_000)
        pagination = msgspec.json.encode({"page": number, "pageCount": pages, "itemCount": items})
        return self._answer(
            b'{"DateTimeUTC":"/Date(%d)/","pagination":%s,"Contacts":%s}'
            % (served, pagination, listed)
        )

    def _answer(self, body: bytes) -> Answer:
        return Answer(200, CaseInsensitiveDict({"Content-Type": "application/json"}), body)

    def _file(self, number: int) -> Path:
        return self._folder / f"page-{number}.json"


def in_portions(rows: Iterable[Any], size: int = 1_000) -> Iterator[Sequence[Any]]:
    """Yield *rows* as lists of at most *size*."""
    rest = iter(rows)
    while portion := list(islice(rest, size)):
        yield portion
