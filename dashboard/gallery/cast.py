"""The clients and contacts of the scenes: every match word and every awkward name appears."""

from __future__ import annotations

from dashboard.xero.types import Contact, ContactGroup, Phone

LONGEST = "The Worshipful Company of Watermen and Lightermen of the River Thames Pension Trustees"
ARABIC = "شركة النور للتجارة"
MARKUP = "<img src=x onerror=alert(1)>"

VAT = ContactGroup("11111111-1111-4111-8111-111111111111", "VAT clients")
MONTHLY = ContactGroup("22222222-2222-4222-8222-222222222222", "Monthly bookkeeping")

CLIENTS: tuple[dict[str, str], ...] = (
    {
        "name": "Hartley & Co Ltd",
        "email": "office@hartleyco.example",
        "phone": "020 7946 0018",
        "company_number": "04512345",
    },
    {"name": "Smith Joinery", "email": "accounts@smithjoinery.example"},
    {"name": "Thornbury Joinery Ltd", "email": "info@thornbury.example", "phone": "0117 496 0102"},
    {"name": "Rob Smith", "email": "rob@smith.example"},
    {"name": "Wojcik Electrical", "email": "hello@wojcik.example"},
    {"name": "Severn Vale Vets", "email": "reception@severnvale.example"},
    {"name": LONGEST, "email": "trustees@watermen.example"},
    {"name": ARABIC, "email": "contact@alnour.example"},
    {"name": "Café Luna 🌙", "email": "ciao@luna.example"},
    {"name": MARKUP, "email": "markup@odd.example"},
)


def contacts() -> tuple[Contact, ...]:
    """Return what the organisation holds; the first two are meant for the first two clients."""
    return (
        _contact(1, "Hartley & Co Ltd", "office@hartleyco.example", groups=(VAT, MONTHLY)),
        _contact(2, "Smith Joinery", "accounts@smithjoinery.example", groups=(VAT,)),
        _contact(3, "Thornbury Joinery Limited", "info@thornbury.example", groups=(MONTHLY,)),
        _contact(4, "Robert Smith", "rob@smith.example", groups=(VAT,)),
        _contact(5, "Wójcik Electrical Limited", "office@we-power.example"),
        _contact(6, "Severn Vale Vets", "reception@severnvale.example"),
        _contact(7, "Severn Vale Vets", "reception@severnvale.example"),
        _contact(8, "Yarrow Stores", None, is_supplier=True),
        _contact(9, "Bluebell Nursery", "hello@bluebell.example", is_supplier=True),
        _contact(10, "O'Brien & Daughters Roofing Ltd", "aoife@obrienroofing.example"),
        _contact(11, "Northgate Pharmacy", "accounts@northgate.example", status="ARCHIVED"),
        _contact(12, LONGEST.upper(), "treasurer@watermen.example"),
        _contact(13, "مطعم الياسمين", "info@yasmin.example"),
        _contact(14, "Bakery & Sons 🥐", "bread@bakery.example"),
        _contact(15, f"{MARKUP} Ltd", "sales@odd.example"),
    )


def many(count: int) -> tuple[Contact, ...]:
    """Return so many contacts more, for pages with numbers."""
    return tuple(
        _contact(100 + number, f"Millbrook Tenant {number:03}", f"tenant{number}@millbrook.example")
        for number in range(1, count + 1)
    )


def contact_id(number: int) -> str:
    """Return Xero's id of a contact by its number in the list."""
    return f"c0ffee00-0000-4000-8000-{number:012}"


def _contact(
    number: int,
    name: str,
    email: str | None,
    *,
    groups: tuple[ContactGroup, ...] = (),
    is_supplier: bool = False,
    status: str = "ACTIVE",
) -> Contact:
    return Contact(
        contact_id=contact_id(number),
        name=name,
        email=email,
        phones=(Phone("DEFAULT", f"020 7946 {number:04}"),),
        company_number="04512345" if number == 1 else None,
        status=status,
        is_customer=number % 3 != 0,
        is_supplier=is_supplier,
        groups=groups,
    )
