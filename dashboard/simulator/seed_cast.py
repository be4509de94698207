"""Contacts of the main ledger with a part to play: the traps of matching and of odd names.

Companies carry numbers from ranges that Companies House and HMRC have not given out, phones come
from Ofcom's numbers for drama, e-mail addresses end in names that nobody can register.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One contact with chosen details; the rest is left blank."""

    name: str
    email: str = ""
    phone: str = ""
    company_number: str = ""
    tax_number: str = ""
    first_name: str = ""
    last_name: str = ""
    groups: tuple[str, ...] = ()
    supplier: bool = False
    customer: bool = True
    status: str = "ACTIVE"


VAT, SA, PAYROLL = "VAT clients", "Self Assessment", "Payroll"
MARCH, DECEMBER, LANDLORDS = "Year end March", "Year end December", "Landlords"
SECRETARIAL = "Company secretarial"

LONG_NAME = (
    "The Trustees of the Upper Severn and Lower Wye Valleys Joint Agricultural Machinery, Seed "
    "Potato and Allotment Holders' Mutual Improvement Society (incorporating the former "
    "Lydbrook & Ruardean Pig Club) Limited"
)

CAST: tuple[Part, ...] = (
    # Companies that the practice has as clients too.
    Part(
        "Thornbury Joinery Limited",
        "office@thornburyjoinery.example",
        "0117 496 0112",
        "90214470",
        "GB902144701",
        "Graham",
        "Thornbury",
        (VAT, PAYROLL, MARCH),
    ),
    Part(
        "Café Été Limited",
        "bonjour@cafe-ete.example",
        "0117 496 0135",
        "90331208",
        "GB903312086",
        "Élodie",
        "Marchand",
        (VAT, PAYROLL),
    ),
    Part(
        "O'Brien & Daughters Roofing Ltd",
        "siobhan@obrienroofing.example",
        "0117 496 0158",
        "90418823",
        "GB904188230",
        "Siobhán",
        "O'Brien",
        (VAT, MARCH),
    ),
    Part(
        "Bright & Early Childcare C.I.C.",
        "hello@brightandearly.example",
        "01632 960114",
        "90550017",
        "",
        "Ngozi",
        "Okafor",
        (PAYROLL, MARCH),
    ),
    Part(
        "R & D & Sons Haulage Limited",
        "transport@rdandsons.example",
        "01632 960121",
        "90619944",
        "GB906199447",
        "Raymond",
        "Doyle",
        (VAT, PAYROLL, DECEMBER),
    ),
    Part(
        "Severn Vale Veterinary Practice Ltd",
        "practice.manager@severnvalevets.example",
        "01632 960133",
        "90725561",
        "GB907255610",
        "Hannah",
        "Pryce-Jones",
        (VAT, PAYROLL, MARCH, SECRETARIAL),
    ),
    Part(
        "Søren Ødegård Furniture Ltd",
        "soren@odegard.example",
        "0117 496 0171",
        "90803390",
        "GB908033905",
        "Søren",
        "Ødegård",
        (VAT,),
    ),
    Part(
        "Wójcik Electrical Limited",
        "biuro@wojcik-electrical.example",
        "07700 900118",
        "90871132",
        "GB908711321",
        "Łukasz",
        "Wójcik",
        (VAT, PAYROLL),
    ),
    Part(
        "Clifton Bridge Dental Limited",
        "reception@cliftonbridgedental.example",
        "0117 496 0190",
        "90910075",
        "",
        "Priya",
        "Raghunathan",
        (PAYROLL, SECRETARIAL, DECEMBER),
    ),
    Part(
        "Nan's Kitchen (Bristol) Limited",
        "orders@nanskitchen.example",
        "0117 496 0204",
        "90995518",
        "GB909955182",
        "Marguerite",
        "Achebe",
        (VAT, PAYROLL),
    ),
    Part(
        "Loch Fyne Smokehouse Ltd",
        "accounts@lfsmokehouse.example",
        "01632 960150",
        "SC990112",
        "GB911011204",
        "Catriona",
        "MacInnes",
        (VAT, MARCH),
    ),
    Part(
        "Tŷ Gwyn Holidays Cyf",
        "post@tygwyn.example",
        "029 2018 0127",
        "91104400",
        "",
        "Siân",
        "ap Rhys",
        (MARCH, LANDLORDS),
    ),
    Part(
        "Penrose Marine Surveyors LLP",
        "mail@penrosemarine.example",
        "01632 960162",
        "OC990871",
        "GB912087110",
        "Jago",
        "Penrose",
        (VAT, DECEMBER),
    ),
    # The numbered series: alike in all but a digit.
    *(
        Part(
            f"Kestrel Properties (No. {number}) Limited",
            "kestrel@quayagents.example",
            "0117 496 0220",
            f"9120{number}340",
            "",
            "Julian",
            "Hargreave",
            (LANDLORDS, SECRETARIAL),
        )
        for number in range(1, 7)
    ),
    Part("Kestrel Property Holdings Ltd", "kestrel@quayagents.example", "", "91209340"),
    Part("Harbour View Management Company 1 Ltd", "", "", "91311001", groups=(SECRETARIAL,)),
    Part("Harbour View Management Company 2 Ltd", "", "", "91311002", groups=(SECRETARIAL,)),
    Part("Harbour View Management Company 11 Ltd", "", "", "91311011", groups=(SECRETARIAL,)),
    # People.
    Part(
        "Zoë Brontë-Walsh",
        "zoe.bw@example.com",
        "07700 900127",
        "",
        "9012345678",
        "Zoë",
        "Brontë-Walsh",
        (SA,),
    ),
    Part(
        "José Núñez",
        "jose.nunez@example.org",
        "07700 900133",
        "",
        "9023456789",
        "José",
        "Núñez",
        (SA, VAT),
    ),
    Part(
        "Mary-Anne D'Souza",
        "maryanne@dsouza.example",
        "07700 900141",
        "",
        "9034567890",
        "Mary-Anne",
        "D'Souza",
        (SA,),
    ),
    Part("مريم الحسيني", "maryam.alhusseini@example.com", "07700 900152", "", "", groups=(SA,)),
    Part(
        "Dr Anand Krishnamurthy",
        "a.krishnamurthy@example.net",
        "07700 900166",
        "",
        "9045678901",
        "Anand",
        "Krishnamurthy",
        (SA, LANDLORDS),
    ),
    Part("Bob Fairweather", "bob@fairweatherplumbing.example", "07700 900173", groups=(SA,)),
    Part(
        "Elizabeth Harcourt t/a Lizzie's Looms",
        "lizzie@looms.example",
        "07700 900185",
        "",
        "9056789012",
        "Elizabeth",
        "Harcourt",
        (SA,),
    ),
    Part("Wei Zhang", "wei.zhang@example.com", "07700 900190", "", "", "Wei", "Zhang", (SA,)),
    Part("Zhang Wei Trading Ltd", "wei.zhang@example.com", "", "91420077", "GB914200777"),
    Part("Jon Smythe", "jon.smythe@example.com", "07700 900201", "", "9067890123", groups=(SA,)),
    Part("John Smith", "john.smith@example.com", "07700 900212", "", "9078901234", groups=(SA,)),
    Part("John Smith (Totterdown)", "johnsmith.bs4@example.net", "", "", "", groups=(SA,)),
    Part("Smith, John A", "", "07700 900223", "", "9089012345", groups=(SA,)),
    # Families that share one address.
    Part("Mr & Mrs P Henderson", "the.hendersons@example.com", "0117 496 0241", groups=(SA,)),
    Part("Peter Henderson", "the.hendersons@example.com", "07700 900231", groups=(SA,)),
    Part("Olivia Henderson", "the.hendersons@example.com", "07700 900232", groups=(SA,)),
    Part("Henderson Family Discretionary Trust", "the.hendersons@example.com"),
    Part("Anna and Piotr Kowalski", "kowalscy@example.org", "07700 900244", groups=(LANDLORDS,)),
    Part("Piotr Kowalski", "kowalscy@example.org", "07700 900244", groups=(SA,)),
    Part("Mr and Mrs T Ó Súilleabháin", "osuilleabhain@example.net", groups=(LANDLORDS,)),
    # Trusts, clubs and the long name.
    Part("The Bellweather Will Trust", "trustees@bellweather.example", groups=(MARCH,)),
    Part("St Werburgh's Allotment Association", "treasurer@stwerburghs.example"),
    Part("Bedminster Bowls Club", "", "0117 496 0263"),
    Part(LONG_NAME, "secretary@severnwye.example", "01632 960177", "IP990231"),
    # Suppliers, and one who is both.
    Part(
        "Avon Office Supplies Ltd",
        "sales@avonoffice.example",
        "0117 496 0277",
        "91530021",
        supplier=True,
        customer=False,
    ),
    Part(
        "City Water & Drainage",
        "business@citywater.example",
        "0117 496 0281",
        supplier=True,
        customer=False,
    ),
    Part("Hollis IT Support", "help@hollis-it.example", "0117 496 0290", supplier=True),
    # New: never invoiced, so not a customer to Xero yet.
    Part("Larkrise Yoga Ltd", "namaste@larkrise.example", "", "91610044", customer=False),
    Part("Oluwaseun Adeyemi-Clarke", "seun@example.com", "07700 900255", customer=False),
    # Gone: an archived namesake of an active contact, and clients who left.
    Part("Thornbury Joinery Ltd", "graham@thornbury.example", status="ARCHIVED"),
    Part("Bob Fairweather", "bob.f@example.org", status="ARCHIVED"),
    Part(
        "Mendip Caravans Limited",
        "office@mendipcaravans.example",
        "",
        "91700120",
        "",
        "",
        "",
        (VAT,),
        status="ARCHIVED",
    ),
)

MERGED: tuple[tuple[str, str], ...] = (
    # The loser's name and e-mail's owner: the loser is archived and points to the survivor.
    ("Cafe Ete Ltd", "Café Été Limited"),
    ("Wojcik Electrical", "Wójcik Electrical Limited"),
    ("Lizzies Looms", "Elizabeth Harcourt t/a Lizzie's Looms"),
    ("P Henderson", "Peter Henderson"),
)
