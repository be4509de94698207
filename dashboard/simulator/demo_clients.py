"""The clients that a practice has in its own books before it ever connects to Xero.

About a third are contacts of the main ledger beyond doubt (same number, or same name and e-mail),
about a quarter might be (only the e-mail, or nearly the name), the rest are nobody in Xero.
"""

from __future__ import annotations

DemoClient = dict[str, str]

_BEYOND_DOUBT = (
    ("Thornbury Joinery Limited", "office@thornburyjoinery.example", "01174960112", "90214470", ""),
    ("Cafe Ete Limited", "bonjour@cafe-ete.example", "", "90331208", "GB 903 3120 86"),
    ("O'Brien & Daughters Roofing Ltd", "siobhan@obrienroofing.example", "", "", ""),
    ("Bright and Early Childcare CIC", "accounts@brightandearly.example", "", "90550017", ""),
    ("R & D & Sons Haulage Limited", "transport@rdandsons.example", "01632960121", "", ""),
    ("Severn Vale Vets", "", "", "90725561", "GB907255610"),
    ("Soren Odegard Furniture Ltd", "soren@odegard.example", "", "90803390", ""),
    ("Wójcik Electrical Limited", "biuro@wojcik-electrical.example", "", "", "GB908711321"),
    ("Clifton Bridge Dental Limited", "reception@cliftonbridgedental.example", "", "", ""),
    ("Loch Fyne Smokehouse Ltd", "catriona@lfsmokehouse.example", "", "SC990112", ""),
    ("Ty Gwyn Holidays Cyf", "post@tygwyn.example", "", "91104400", ""),
    ("Penrose Marine Surveyors LLP", "mail@penrosemarine.example", "", "OC990871", ""),
    ("Kestrel Properties (No. 1) Limited", "kestrel@quayagents.example", "", "91201340", ""),
    ("Kestrel Properties (No. 2) Limited", "kestrel@quayagents.example", "", "91202340", ""),
    ("Zoe Bronte-Walsh", "zoe.bw@example.com", "07700900127", "", "9012345678"),
    ("Jose Nunez", "jose.nunez@example.org", "", "", "9023456789"),
    ("Mary-Anne D'Souza", "maryanne@dsouza.example", "07700 900141", "", ""),
    ("مريم الحسيني", "maryam.alhusseini@example.com", "", "", ""),
    ("Bob Fairweather", "bob@fairweatherplumbing.example", "", "", ""),
    ("Mr & Mrs P Henderson", "the.hendersons@example.com", "0117 496 0241", "", ""),
    ("Larkrise Yoga Ltd", "namaste@larkrise.example", "", "91610044", ""),
    ("The Bellweather Will Trust", "trustees@bellweather.example", "", "", ""),
)

_PERHAPS = (
    ("Nans Kitchen", "", "0117 496 0204", "", ""),
    ("Anand Krishnamurthy", "", "07700 900166", "", ""),
    ("Lizzie Harcourt", "lizzie@looms.example", "", "", ""),
    ("Jonathan Smythe", "", "07700 900201", "", ""),
    ("John Smith", "", "", "", ""),
    ("J Smith & Co", "john.smith@example.com", "", "", ""),
    ("Kestrel Properties Limited", "kestrel@quayagents.example", "", "", ""),
    ("Kestrel Properties (No 3) Ltd", "", "", "", ""),
    ("Harbour View Management Company 1 Limited", "", "", "", ""),
    ("Emily Henderson", "the.hendersons@example.com", "", "", ""),
    ("P. Kowalski", "kowalscy@example.org", "", "", ""),
    ("Tadhg O'Sullivan", "osuilleabhain@example.net", "", "", ""),
    ("Robert Fairweather Plumbing", "bob@fairweatherplumbing.example", "", "", ""),
    ("Seun Adeyemi Clarke", "seun@example.com", "07700 900255", "", ""),
    ("St Werburghs Allotments", "", "", "", ""),
    ("Mendip Caravans Ltd", "office@mendipcaravans.example", "", "91700120", ""),
)

_NOBODY = (
    ("Aldous Blackwood Interiors Ltd", "aldous@blackwoodinteriors.example", "", "97000101", ""),
    ("Thornbury Joinery Supplies Ltd", "trade@tjsupplies.example", "", "97000202", ""),
    ("Ffion Gruffydd", "ffion.g@example.net", "07700 900301", "", ""),
    ("Kwame Boateng-Lewis", "kwame@example.org", "07700 900302", "", "9700001112"),
    ("Moorland Honey Company", "bees@moorlandhoney.example", "", "", ""),
    ("Saoirse Mac Giolla Phádraig", "saoirse@example.com", "", "", ""),
    ("Quantock Cider Makers Ltd", "press@quantockcider.example", "01632 960301", "97000303", ""),
    ("Ivo & Partners Architects LLP", "studio@ivopartners.example", "", "OC997001", ""),
    ("Penny Farthing Cycles Ltd", "shop@pennyfarthing.example", "", "97000404", "GB970004040"),
    ("Dmitri Volkov", "", "07700 900303", "", ""),
    ("Greta Lindqvist", "greta@example.com", "", "", "9700002223"),
    ("Tamar Estuary Ferries Ltd", "ops@tamarferries.example", "", "97000505", ""),
    ("Mr & Mrs L Fontaine", "fontaines@example.org", "", "", ""),
    ("The Ashcombe Settlement", "trustees@ashcombe.example", "", "", ""),
    ("Blue Door Bakery", "flour@bluedoor.example", "01632 960302", "", ""),
    ("Yusuf Demir t/a Demir Tailoring", "yusuf@demirtailoring.example", "", "", ""),
    ("Wookey Climbing Centre Ltd", "desk@wookeyclimbing.example", "", "97000606", ""),
    ("Hana Sato", "hana.sato@example.net", "07700 900304", "", ""),
    ("Second Spring Textiles CIC", "team@secondspring.example", "", "97000707", ""),
    ("Gethin Pugh", "", "", "", "9700003334"),
    ("Noor Rahman", "noor.rahman@example.com", "07700 900305", "", ""),
    ("Fosse Way Timber Ltd", "yard@fossewaytimber.example", "", "97000808", "GB970008085"),
)


def demo_clients() -> list[DemoClient]:
    """Return sixty clients: dicts of name, email, phone, company_number and tax_number."""
    keys = ("name", "email", "phone", "company_number", "tax_number")
    rows = _BEYOND_DOUBT + _PERHAPS + _NOBODY
    return [dict(zip(keys, row, strict=True)) for row in rows]
