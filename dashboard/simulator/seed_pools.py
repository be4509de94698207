"""Words from which believable clients of a small practice in the West Country are drawn."""


def _words(text: str) -> list[str]:
    return text.split()


def _phrases(text: str) -> list[str]:
    return text.split(";")


FIRST_NAMES = _words(
    "Alison Andrew Aoife Arjun Asha Benedict Bethan Bryony Callum Catherine Chloe Chidi Ciara "
    "Daniel Deborah Dilys Duncan Edmund Eleanor Emeka Fatima Fergus Fiona Gareth Gemma George "
    "Gwendolen Hamish Harriet Ibrahim Imogen Isabel Jasper Jaswinder Joanna Josephine Keith Kirsty "
    "Laura Leon Lorna Malcolm Marta Matthew Meera Miriam Mohammed Naomi Nasreen Nigel Nuala Oscar "
    "Patience Paul Philippa Rachel Rhodri Roisin Rowena Rupert Ruth Samuel Sanjay Sarah Shanice "
    "Stephen Sunita Tamsin Theo Tobias Trevor Ursula Valerie Victor Wendy Winston Yasmin Yvonne"
)

LAST_NAMES = _words(
    "Abernathy Adeleke Ahmed Ainsworth Ashworth Bannerman Barraclough Begum Bellamy Birtwistle "
    "Blackmore Bondarenko Bramley Brathwaite Butterworth Caddick Carmichael Chaudhry Choudhury "
    "Cholmondeley Coldicott Copperfield Cottrell Culpepper Dabrowski Dalgleish Davenport Delacroix "
    "Drinkwater Eastwood Ellsworth Evershed Farquhar Featherstone Ferreira Fitzgerald Gallagher "
    "Gill Gooding Grantham Greenhalgh Hathaway Hawthorne Heppenstall Higginbotham Hussain Idowu "
    "Inglethorpe Jankowski Kaur Keswick Khan Kinghorn Lethbridge Llewellyn Lovelock MacAskill "
    "Mahmood Maskelyne McAllister Merriweather Mistry Mukherjee Nakamura Nightingale Nwosu "
    "O'Connell O'Hara Oakeshott Osei Pemberton Pettigrew Popescu Postlethwaite Quigley Rafferty "
    "Ravenscroft Rosenberg Rothwell Saunders Shackleton Sidhu Silverstone St-John Stavropoulos "
    "Sutcliffe Tanaka Thistlethwaite Trelawney Tremayne Uddin Underhill Van-der-Berg Venkataraman "
    "Wadsworth Wainwright Whittaker Willoughby Wolstenholme Yeoman Zielinski"
)

PLACES = (
    ("Bristol", "Avon", "BS", "0117 496 0"),
    ("Bath", "Somerset", "BA", "01632 960"),
    ("Gloucester", "Gloucestershire", "GL", "01632 960"),
    ("Taunton", "Somerset", "TA", "01632 960"),
    ("Exeter", "Devon", "EX", "01632 960"),
    ("Cardiff", "South Glamorgan", "CF", "029 2018 0"),
    ("Swindon", "Wiltshire", "SN", "01632 960"),
    ("London", "Greater London", "SE", "020 7946 0"),
    ("Birmingham", "West Midlands", "B", "0121 496 0"),
)

STREETS = _phrases(
    "High Street;Church Lane;Station Road;Mill Lane;Queen's Parade;The Old Dairy;Harbour Road;"
    "Albert Terrace;Victoria Square;Quarry Hill;Orchard Close;Cathedral Walk;King's Court;Park Row"
)

COMPANY_STEMS = _phrases(
    "Acorn;Alder & Ash;Amberley;Anvil;Arrowsmith;Badgers Wood;Beacon;Birchgrove;Blackthorn;"
    "Bluestone;Bramble;Bridgewater;Brunel;Camellia;Cavendish;Cheddar Gorge;Clearwater;Cobalt;"
    "Copper Beech;Cotswold Edge;Crown & Anchor;Damson;Doubleday;Eastgate;Elderflower;Emberton;"
    "Evergreen;Fairholme;Fern Hill;Five Acres;Foxglove;Glasshouse;Golden Hinde;Greyfriars;"
    "Hazelmere;Heronsgate;High Tor;Honeysuckle;Inkwell;Ironbridge;Jubilee;Juniper;Kingfisher;"
    "Lantern;Lighthouse;Limekiln;Longmead;Magpie;Marigold;Millrace;Moonraker;Nettlefold;Northstar;"
    "Oakhanger;Old Orchard;Osprey;Paper Mill;Pendragon;Pinewood;Pitville;Redcliffe;Ridgeway;"
    "Riverside;Rook & Raven;Rosewood;Saltmarsh;Sandpiper;Silverbirch;Skylark;Spinney;Stonehouse;"
    "Sunnyside;Swallowtail;Tall Trees;Teasel;Tidewater;Topsail;Twelve Oaks;Underwood;Valley View;"
    "Wayfarer;Westbury;Whitehorse;Willowbrook;Windmill;Woodpecker;Wren & Co;Yew Tree"
)

TRADES = _phrases(
    "Architects;Bakery;Brewing;Builders;Care Homes;Carpentry;Catering;Consulting;Construction;"
    "Dental Care;Design Studio;Developments;Electrical;Engineering;Estates;Events;Farm Shop;"
    "Film & Media;Fitness;Flooring;Florists;Garage;Glazing;Groundworks;Hair & Beauty;Heating;"
    "Holdings;Homes;Hospitality;Interiors;IT Services;Landscapes;Letting Agents;Logistics;"
    "Motor Repairs;Nursery;Opticians;Osteopathy;Painting & Decorating;Pharmacy;Photography;"
    "Physiotherapy;Plumbing;Print & Sign;Recruitment;Scaffolding;Security;Software;Stables;"
    "Stonemasonry;Surveyors;Taxis;Translations;Tree Care;Upholstery;Veterinary;Vineyards;Wine Bar"
)

SUPPLIES = _phrases(
    "Business Broadband;Card Payments;Cleaning Services;Coffee Machines;Couriers;Energy;"
    "Fire Safety;Insurance Brokers;Legal Services;Office Furniture;Payroll Software;Photocopiers;"
    "Postal Franking;Professional Indemnity;Shredding;Signage;Stationers;Telephones;Training;"
    "Vehicle Leasing"
)

CLUBS = _phrases(
    "Amateur Dramatic Society;Brass Band;Community Centre;Cricket Club;Food Bank;Parish Hall;"
    "Pre-School;Residents' Association;Rowing Club;Twinning Association"
)
