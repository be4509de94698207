"""Words that names of firms are made of: legal forms, abbreviations, generic words, titles."""

# Word lists read best as running text.
# ruff: noqa: SIM905

from __future__ import annotations

LEGAL_FORMS = {
    **dict.fromkeys(
        """pty ltd limited proprietary llc lllp inc incorporated corp corporation plc gmbh ag bv nv
        sarl sas srl spa ab oy oyj as aps kg kgaa ohg ltda teoranta teo cyf sdn bhd kk
        sro doo pvt cic nl unlimited lda""".split(),
        "company",
    ),
    **dict.fromkeys("llp lp".split(), "partnership"),
}
"""A word that names a legal form -> the kind of body it makes."""

FORM_STARTERS = frozenset({"co"})
"""Belongs to the legal form only before another word of it: "Co Ltd"."""

TITLES = frozenset(
    "mr mrs ms miss mx dr prof professor sir dame rev reverend hon lady lord capt fr".split()
)

JUNIOR = {"jr": "jr", "jnr": "jr", "junior": "jr", "sr": "sr", "snr": "sr", "senior": "sr"}

STOP_WORDS = frozenset("the of for a an and trustee trustees atf tf".split())

NUMBER_WORDS = {
    word: str(number)
    for number, word in enumerate(
        "one two three four five six seven eight nine ten eleven twelve".split(), start=1
    )
}
ROMAN = {
    roman: str(number)
    for number, roman in enumerate("i ii iii iv v vi vii viii ix x xi xii xiii".split(), start=1)
}

CANONICAL = {
    short: word
    for line in """
service services svcs svc serv servs
international intl internat
brother brothers bros bro
construction constructions constr const constructs construct
engineering eng engrg engr engineers engineer
australia aust au aus australian
newzealand nz
management mgmt mgt managment
associate associates assoc assocs assn
company co comp coy
group grp groups gp
centre center ctr centres centers cntr
manufacturing mfg manuf mfr manufacturers manufacturer
supply supplies supp supplys
transport transp transports trans tpt
electrical elec elect electric electrics electricals
technology tech technologies techs
industry industries ind inds industrial
consulting consult consultants consultant consultancy cons consultancies
development developments dev devs devel developers developer
national nat natl
maintenance maint
insurance ins insurances
accounting acctg accounts accountants accountant accountancy acct accts
system systems sys
department dept
saint st
mount mt
property properties props prop
investment investments invest invests inv invt
enterprise enterprises ent entp
automotive auto autos
refrigeration refrig
superannuation super smsf
fund fd funds
family fam
professional prof professionals pro
solution solutions soln solns
holding holdings hldgs hldg
trading trdg traders trader trade trades
product products prod prods
partner partners ptnrs
specialist specialists
contractor contractors contracting contr
builder builders building buildings bldg bldrs bldr
plumber plumbers plumbing plumb
painter painters painting
roofer roofing roofers
carpenter carpentry carpenters
lawyer lawyers legal
architect architects architecture
surveyor surveyors surveying
distribution distributors distributor distributions
communication communications comms comm
computer computers computing
information info
university univ uni
government govt gov
hospital hosp
restaurant rest restaurants
restoration restorations
equipment equip eqpt
commercial comm
financial fin finance finances
marketing mktg mkting
advertising advtg advert
production productions prodn
laboratory laboratories lab labs
pharmacy pharmacies pharm pharmaceutical pharmaceuticals
medical med
education educational educ edu
community comty
council cncl
administration admin
estate estates
project projects proj
machine machinery machines mach
motor motors mtr mtrs
farm farms
son sons
daughter daughters
removal removals
repair repairs
interior interiors
design designs designers designer
hotel hotels
school sch schools
house hse
kitchen kitchens
window windows
nominee nominees
asset assets
trust trusts
""".strip().split("\n")
    for word in [line.split()[0]]
    for short in line.split()
}
"""Short, plural and kindred forms -> one word for all of them."""

PHRASES = (
    ("public limited company", "plc"),
    ("public ltd co", "plc"),
    ("limited liability company", "llc"),
    ("limited liability partnership", "llp"),
    ("proprietary limited", "pty ltd"),
    ("company limited", "co ltd"),
    ("societe anonyme", "sas"),
    ("besloten vennootschap", "bv"),
    ("aktiengesellschaft", "ag"),
    ("gesellschaft mit beschrankter haftung", "gmbh"),
    ("a/c", "aircon"),
    ("air conditioning", "aircon"),
    ("air con", "aircon"),
    ("superfund", "super fund"),
    ("head office", ""),
    ("new zealand", "nz"),
    ("as trustee for", "atf"),
    ("self managed super", "super"),
)

# Each is an entity of its own beside the firm or the person of the same name.
KINDS = {
    "trust": "trust",
    "superannuation": "super fund",
    "fund": "super fund",
    "pension": "super fund",
    "estate": "estate",
    "holding": "holding company",
    "investment": "investment company",
    "property": "property company",
    "nominee": "nominee company",
    "asset": "asset company",
    "ip": "company for rights",
    "charity": "charity",
    "foundation": "foundation",
}
SOFT_KINDS = frozenset(
    "trading enterprise development financial administration management hire plant service".split()
)

VERY_GENERIC = frozenset(
    """service group company australia solution supply centre specialist work system industry
    enterprise partner associate international management brother project development maintenance
    son trust family fund superannuation holding investment trading property limited""".split()
)

PLACES = frozenset(
    """uk nz nsw vic qld wa sa tas act nt sydney melbourne brisbane perth adelaide hobart canberra
    darwin london auckland wellington dublin manchester leeds england scotland wales ireland
    queensland victoria tasmania""".split()
)
"""Places that say little about a name, though some are people's names too."""


GENERIC = frozenset(
    """plumber electrical builder construction carpenter joinery roofer painter landscaping
    gardening cleaning catering bakery cafe coffee restaurant butcher seafood produce farm dairy
    vineyard wine brewing motor automotive tyre towing transport haulage logistics freight courier
    removal storage engineering fabrication welding steel machining hydraulics pump tool hire
    scaffolding concrete concreting earthmoving excavation demolition paving fencing glass window
    door kitchen cabinet flooring tiling tile furniture interior design architect surveyor planning
    lawyer accounting bookkeeping financial insurance broker mortgage capital wealth advisory
    consulting recruitment training education learning childcare tutoring fitness physiotherapy
    dental medical pharmacy optical veterinary podiatry psychology chiropractic hair beauty nail spa
    florist gift book stationery printing sign graphic marketing media digital web software it
    technology computer data network security alarm locksmith solar aircon refrigeration heating gas
    energy water irrigation pool marine boat travel tour event photography film music sport golf
    cycle toy pet jeweller fashion clothing shoe textile packaging plastic chemical paint timber
    hardware nursery seed livestock contractor mining drilling quarry waste recycling laundry pest
    control care aged home disability premier superior elite quality express rapid reliable advanced
    modern classic complete total prime first choice master expert precision pacific southern
    northern eastern western coastal metro city country central national global universal united
    allied associated professional street road bar grill hotel house school club church shop store
    market studio online direct plus new royal""".split()
)

FREE_MAIL = frozenset(
    """gmail hotmail outlook yahoo icloud live bigpond optusnet btinternet xtra msn aol me mac
    googlemail ymail protonmail proton gmx mail tpg iinet westnet internode dodo sky virginmedia
    talktalk ntlworld blueyonder tiscali eircom comcast verizon att sbcglobal fastmail zoho hey
    orange wanadoo free web slingshot vodafone example""".split()
)
"""First label of the domains where anybody may have a mailbox."""

GENERAL_MAILBOXES = frozenset(
    """info accounts admin office sales enquiries hello contact accountspayable ap mail reception
    payable finance billing team support enquiry account bookkeeping""".split()
)

VOID_MAILBOXES = frozenset(
    """noemail none noreply donotreply test na nomail noaddress unknown null example notprovided
    noemailaddress nil xxx""".split()
)
VOID_DOMAINS = frozenset(
    """noemail none nomail test noaddress unknown na null nowhere invalid noreply""".split()
)

STREET_TYPES = {
    short: word
    for line in """
street st str strt
road rd
avenue ave av aven
place pl plc
crescent cres cr cresc
drive dr drv
court ct crt
close cl
lane ln la
parade pde
circuit cct cir circ
highway hwy hway
terrace tce ter terr
way wy
boulevard blvd bvd boul
square sq
grove gr gve
gardens gdns gdn
esplanade esp
parkway pkwy
""".strip().split("\n")
    for word in [line.split()[0]]
    for short in line.split()
}

STREET_WORDS = {
    "n": "north", "s": "south", "e": "east", "w": "west", "mt": "mount", "ft": "fort",
    "ste": "suite", "saint": "st", "nth": "north", "sth": "south",
}  # fmt: skip
