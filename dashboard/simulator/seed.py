"""Builds the world that a simulator starts with: three organisations, two people, a ledger.

The same seed gives the same ids, names and groups; moments are set back from the world's clock.
"""

from __future__ import annotations

import random
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from dashboard.simulator.clock import Clock
from dashboard.simulator.ledger import new_folder, store_file
from dashboard.simulator.limits import LimitRules
from dashboard.simulator.records import (
    Address,
    App,
    Contact,
    ContactGroup,
    Folder,
    Options,
    Organisation,
    Person,
    Phone,
    State,
    User,
    plain_name,
)
from dashboard.simulator.seed_cast import (
    CAST,
    DECEMBER,
    LANDLORDS,
    MARCH,
    MERGED,
    PAYROLL,
    SA,
    SECRETARIAL,
    VAT,
    Part,
)
from dashboard.simulator.seed_pools import (
    CLUBS,
    COMPANY_STEMS,
    FIRST_NAMES,
    LAST_NAMES,
    PLACES,
    STREETS,
    SUPPLIES,
    TRADES,
)
from dashboard.simulator.store import Store
from dashboard.simulator.tokens import process_signing_key
from dashboard.simulator.world import World

MAIN_NAME = "Harbourside Accountants LLP"
SECOND_NAME = "Quayside Payroll Bureau Limited"
DEMO_NAME = "Demo Company (UK)"
CONTACTS_IN_MAIN = 320
CONTACTS_IN_SECOND = 45
CONTACTS_IN_DEMO = 18

_NAMESPACE = uuid.UUID("5b1c9e0a-3f6c-4d0b-9a54-2f3a0f6f2c11")


def demo_app() -> App:
    """Return the app as the demo registers it: at localhost:8000, with a fresh secret."""
    return App(
        client_id="4C4F43414C53494D554C41544F523031",
        client_secret=secrets.token_urlsafe(32),
        redirect_uris=("http://localhost:8000/api/integrations/xero/callback",),
    )


def build_world(
    seed: int = 2026,
    *,
    app: App | None = None,
    contact_count: int = CONTACTS_IN_MAIN,
    options: Options | None = None,
    clock: Clock | None = None,
    store: Store | None = None,
    limit_rules: LimitRules | None = None,
    issuer: str | None = None,
    pause: Callable[[float], object] | None = None,
) -> World:
    """Return a world: the saved one when *store* holds one, else a new one from *seed*.

    A given *app* also replaces the registration of a saved world, except for what people changed
    in it since: its tier and whether it may connect several organisations at once.
    """
    saved = store.load() if store else None
    if saved and app:
        saved.app = replace(app, tier=saved.app.tier, bulk_connections=saved.app.bulk_connections)
    state = saved or State(process_signing_key(), app or demo_app(), options or Options())
    world = World(
        state,
        clock=clock,
        store=store,
        limit_rules=limit_rules,
        issuer=issuer,
        pause=pause,
    )
    if saved is None:
        with world.change():
            _Seeder(world, seed).fill(contact_count)
    return world


@dataclass(frozen=True, slots=True)
class _Invented:
    """A contact drawn from the pools, before it has an id."""

    part: Part
    persons: tuple[Person, ...] = field(default=())


class _Seeder:
    """Fills an empty world. All chance comes from one seeded source."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._seed = seed
        # Believable variety, no secrets.
        self._chance = random.Random(seed)  # noqa: S311
        self._now = world.clock.now()

    def fill(self, contact_count: int) -> None:
        """Make the people, the organisations, their contacts and a few files."""
        main = self._organisation(MAIN_NAME, "ACCOUNTING_PRACTICE", "PREMIUM", "OC990017")
        second = self._organisation(SECOND_NAME, "COMPANY", "STANDARD", "91888120")
        demo = self._organisation(DEMO_NAME, "COMPANY", "DEMO", "91999001", is_demo=True)
        everywhere = [main.tenant_id, second.tenant_id, demo.tenant_id]
        self._user("Amira", "Patel", "amira.patel@harbourside.example", everywhere)
        self._user("Tom", "Whitfield", "tom.whitfield@harbourside.example", everywhere[:1])
        self._cast(main)
        self._invent(main, contact_count - len(main.contacts))
        self._invent(second, CONTACTS_IN_SECOND)
        self._invent(demo, CONTACTS_IN_DEMO)
        self._papers(main)

    # People and organisations

    def _id(self, *words: object) -> str:
        return str(uuid.uuid5(_NAMESPACE, "/".join(map(str, (self._seed, *words)))))

    def _user(self, first_name: str, last_name: str, email: str, tenant_ids: list[str]) -> None:
        user = User(self._id("user", email), email, first_name, last_name, tenant_ids)
        self._world.state.users[user.user_id] = user

    def _organisation(
        self, name: str, kind: str, plan: str, number: str, *, is_demo: bool = False
    ) -> Organisation:
        tenant_id = self._id("organisation", name)
        made = Organisation(
            tenant_id=tenant_id,
            name=name,
            legal_name=name,
            short_code="!" + tenant_id.replace("-", "")[:5].upper(),
            organisation_type=kind,
            plan=plan,
            created_at=self._now - timedelta(days=1_500),
            is_demo=is_demo,
            registration_number=number,
            tax_number="GB99" + number[-6:].zfill(7),
            line_of_business="Accounting services" if not is_demo else "Demonstration",
            addresses=[Address("STREET", ("12 Narrow Quay",), "Bristol", "", "BS1 4CM", "GB")],
            phones=[Phone("DEFAULT", "496 0100", "0117", "44")],
        )
        inbox_id = self._id("inbox", name)
        mailbox = f"xero.inbox.{tenant_id[:8]}@xerofiles.example"
        made.folders[inbox_id] = Folder(
            inbox_id, "Inbox", made.created_at, is_inbox=True, email=mailbox
        )
        self._world.state.organisations[tenant_id] = made
        for group_name in (VAT, SA, PAYROLL, MARCH, DECEMBER, LANDLORDS, SECRETARIAL):
            self._group(made, group_name)
        self._group(made, "Old price list").status = "DELETED"
        return made

    def _group(self, organisation: Organisation, name: str) -> ContactGroup:
        group = ContactGroup(self._id("group", organisation.tenant_id, name), name)
        organisation.groups[group.group_id] = group
        return group

    def _papers(self, organisation: Organisation) -> None:
        """Put a few files of the practice's own into Xero Files."""
        user_id = next(iter(self._world.state.users))
        contracts = new_folder(self._world, organisation, "Contracts")
        papers = (
            (organisation.inbox, "Office insurance renewal.txt", b"Renewal is due in April.\n"),
            (organisation.inbox, "Bank charges March.csv", b"Date,Amount\n2026-03-31,12.50\n"),
            (contracts, "Lease summary.txt", b"12 Narrow Quay, ten years from 2021.\n"),
        )
        for folder, name, content in papers:
            store_file(
                self._world,
                organisation,
                folder,
                name=name,
                mime_type="text/csv" if name.endswith(".csv") else "text/plain",
                content=content,
                user_id=user_id,
            )

    # Contacts

    def _cast(self, organisation: Organisation) -> None:
        by_name: dict[str, Contact] = {}
        for part in CAST:
            made = self._add(organisation, _Invented(part))
            by_name.setdefault(part.name, made)
        for name, survivor in MERGED:
            kept = by_name[survivor]
            loser = self._add(organisation, _Invented(Part(name, kept.email, status="ARCHIVED")))
            loser.merged_to = kept.contact_id
        erased = self._add(organisation, _Invented(Part("Erased 7f3a90c2", customer=False)))
        erased.status = "GDPRREQUEST"

    def _invent(self, organisation: Organisation, count: int) -> None:
        taken = {plain_name(contact.name) for contact in organisation.contacts.values()}
        for number in range(max(0, count)):
            invented = self._draw(number)
            while plain_name(invented.part.name) in taken:
                invented = self._draw(number)
            taken.add(plain_name(invented.part.name))
            self._add(organisation, invented)

    def _add(self, organisation: Organisation, invented: _Invented) -> Contact:
        part = invented.part
        place = len(organisation.contacts)
        made = Contact(
            contact_id=self._id("contact", organisation.tenant_id, place),
            name=part.name,
            updated_at=self._some_time_ago(),
            status="ARCHIVED" if part.status == "ARCHIVED" else "ACTIVE",
            first_name=part.first_name,
            last_name=part.last_name,
            email=part.email,
            contact_number=f"C{place:05d}" if self._happens(0.3) else "",
            account_number=part.name[:3].upper() + f"{place:03d}" if self._happens(0.2) else "",
            company_number=part.company_number,
            tax_number=part.tax_number,
            bank_account=f"40-00-{place % 100:02d} {90000000 + place}" if part.supplier else "",
            addresses=self._addresses() if self._happens(0.8) else [],
            phones=_phones(part.phone),
            persons=list(invented.persons),
            is_supplier=part.supplier,
            is_customer=part.customer,
        )
        organisation.contacts[made.contact_id] = made
        for group in organisation.groups.values():
            if group.name in part.groups:
                group.contact_ids.append(made.contact_id)
        return made

    def _some_time_ago(self) -> datetime:
        return self._now - timedelta(milliseconds=self._chance.randrange(3_600_000, 60_000_000_000))

    def _addresses(self) -> list[Address]:
        town, county, area, _phone = self._chance.choice(PLACES)
        street = f"{self._chance.randrange(1, 190)} {self._chance.choice(STREETS)}"
        # The last letters are ones that no real postcode has.
        code = f"{area}{self._chance.randrange(1, 20)} {self._chance.randrange(1, 9)}CM"
        made = [Address("STREET", (street,), town, county, code, "United Kingdom")]
        if self._happens(0.3):
            box = f"PO Box {self._chance.randrange(10, 900)}"
            made.append(Address("POBOX", (box,), town, county, code, "United Kingdom"))
        return made

    def _happens(self, probability: float) -> bool:
        return self._chance.random() < probability

    # Drawing from the pools

    def _draw(self, number: int) -> _Invented:
        kinds: tuple[tuple[int, Callable[[int], _Invented]], ...] = (
            (44, self._company),
            (26, self._sole_trader),
            (9, self._couple),
            (5, self._partnership),
            (4, self._trust),
            (8, self._supplier),
            (4, self._club),
        )
        draw = self._chance.choices(
            [kind for _weight, kind in kinds], [weight for weight, _kind in kinds]
        )[0]
        return draw(number)

    def _person(self) -> tuple[str, str]:
        return self._chance.choice(FIRST_NAMES), self._chance.choice(LAST_NAMES)

    def _company(self, number: int) -> _Invented:
        stem, trade = self._chance.choice(COMPANY_STEMS), self._chance.choice(TRADES)
        suffix = self._chance.choice(("Limited", "Ltd", "Ltd", "Limited", "LTD", "plc"))
        first, last = self._person()
        domain = _domain(stem + trade)
        vat = self._happens(0.6)
        groups = [MARCH if self._happens(0.5) else DECEMBER] + [VAT] * vat
        groups += [PAYROLL] * self._happens(0.35) + [SECRETARIAL] * self._happens(0.15)
        part = Part(
            name=f"{stem} {trade} {suffix}",
            email=self._chance.choice((f"info@{domain}", f"{_mailbox(first)}@{domain}", "")),
            phone=self._land_line(),
            company_number=f"{92_000_000 + number * 37 + self._chance.randrange(30)}",
            tax_number=f"GB{920_000_000 + number * 977}" if vat else "",
            first_name=first,
            last_name=last,
            groups=tuple(groups),
            customer=self._happens(0.9),
            status="ARCHIVED" if self._happens(0.03) else "ACTIVE",
        )
        return _Invented(part, self._directors(domain))

    def _directors(self, domain: str) -> tuple[Person, ...]:
        people = (self._person() for _place in range(self._chance.choice((0, 0, 1, 1, 2, 3))))
        return tuple(
            Person(first, last, f"{_mailbox(first)}.{_mailbox(last)}@{domain}", self._happens(0.5))
            for first, last in people
        )

    def _sole_trader(self, number: int) -> _Invented:
        first, last = self._person()
        trade = self._chance.choice(TRADES)
        whole = f"{first} {last}"
        name = self._chance.choice((whole, whole, f"{last}, {first}", f"{whole} t/a {trade}"))
        email = f"{_mailbox(first)}.{_mailbox(last)}@example.{self._chance.choice(_ENDINGS)}"
        part = Part(
            name=name,
            email="" if self._happens(0.15) else email,
            phone=self._mobile(),
            tax_number=f"{9_200_000_000 + number * 7919}" if self._happens(0.6) else "",
            first_name=first,
            last_name=last,
            groups=(SA, LANDLORDS) if self._happens(0.15) else (SA,),
            customer=self._happens(0.85),
            status="ARCHIVED" if self._happens(0.04) else "ACTIVE",
        )
        return _Invented(part)

    def _couple(self, number: int) -> _Invented:
        first, last = self._person()
        other = self._chance.choice(FIRST_NAMES)
        both = self._chance.choice((f"Mr & Mrs {first[0]}", f"{first} and {other}"))
        name = f"{both} {last}"
        email = f"{_mailbox(last)}.family@example.{self._chance.choice(_ENDINGS)}"
        groups = (SA, LANDLORDS) if self._happens(0.4) else (SA,)
        return _Invented(Part(name, email, self._mobile(), groups=groups))

    def _partnership(self, number: int) -> _Invented:
        one, two = self._chance.sample(LAST_NAMES, 2)
        ending = self._chance.choice((f" & {two}", f", {two} & Partners", f" {two} LLP"))
        name = one + ending
        number_at_house = f"OC{992_000 + number}" if name.endswith("LLP") else ""
        email = f"partners@{_domain(one + two)}"
        groups = (VAT, MARCH) if self._happens(0.6) else (MARCH,)
        return _Invented(Part(name, email, self._land_line(), number_at_house, groups=groups))

    def _trust(self, number: int) -> _Invented:
        last = self._chance.choice(LAST_NAMES)
        kind = self._chance.choice(("Family Trust", "Will Trust", "Discretionary Settlement"))
        email = f"trustees@{_domain(last)}" if self._happens(0.5) else ""
        return _Invented(Part(f"The {last} {kind}", email, groups=(MARCH,)))

    def _supplier(self, number: int) -> _Invented:
        name = f"{self._chance.choice(COMPANY_STEMS)} {self._chance.choice(SUPPLIES)}"
        email = f"billing@{_domain(name)}"
        return _Invented(
            Part(name, email, self._land_line(), supplier=True, customer=self._happens(0.1))
        )

    def _club(self, number: int) -> _Invented:
        town = self._chance.choice(PLACES)[0]
        name = f"{town} {self._chance.choice(COMPANY_STEMS)} {self._chance.choice(CLUBS)}"
        return _Invented(Part(name, f"treasurer@{_domain(name)}" if self._happens(0.6) else ""))

    def _land_line(self) -> str:
        return self._chance.choice(PLACES)[3] + f"{self._chance.randrange(1_000):03d}"

    def _mobile(self) -> str:
        return f"07700 900{self._chance.randrange(1_000):03d}"


_ENDINGS = ("com", "org", "net")


def _phones(number: str) -> list[Phone]:
    if not number:
        return []
    if number.startswith("07"):
        return [Phone("MOBILE", number)]
    return [Phone("DEFAULT", number)]


def _mailbox(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isascii() and letter.isalpha())


def _domain(words: str) -> str:
    return f"{_mailbox(words)}.example"
