//! What a word of a name tells: a rare word nearly all, `group` next to nothing.
//!
//! Weights come from kinds of words and not from counts over a list: a score must not change because somebody else
//! was put on the list or taken off it.

use std::collections::HashMap;
use std::sync::LazyLock;

/// In thousandths of a rare word.
pub type Weight = u32;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// What the firm is called by.
    Rare,
    /// What it does: `bank`, `shipping`.
    Business,
    /// Where: a country or a large town.
    Place,
    /// Larger than a country.
    Region,
    /// One of a series: `3`, `III`, `2004`, `AHL1`.
    Serial,
    /// How it is built: `group`, `holding`.
    Structure,
    /// `the`, `of`, `and`.
    Small,
}

impl Class {
    #[must_use]
    pub fn of(word: &str) -> Self {
        if let Some(class) = CLASSES.get(word) {
            return *class;
        }
        if word.chars().any(|letter| letter.is_ascii_digit()) { Self::Serial } else { Self::Rare }
    }

    #[must_use]
    pub fn weight(self, letters: usize) -> Weight {
        match self {
            Self::Rare => match letters {
                0 | 1 => 250,
                2 => 500,
                3 => 800,
                _ => 1_000,
            },
            Self::Business => 700,
            Self::Place => 350,
            Self::Region => 300,
            Self::Serial => 400,
            Self::Structure => 250,
            Self::Small => 50,
        }
    }
}

/// A word in the spelling that stands for all of its spellings: `int'l` is `international`, `banking` is `bank`.
#[must_use]
pub fn canonical(word: &str) -> &str {
    SPELLINGS.get(word).copied().unwrap_or(word)
}

static CLASSES: LazyLock<HashMap<&'static str, Class>> = LazyLock::new(|| {
    let mut classes = HashMap::new();
    for (class, words) in [
        (Class::Business, BUSINESS),
        (Class::Place, PLACES),
        (Class::Region, REGIONS),
        (Class::Structure, STRUCTURE),
        (Class::Small, SMALL),
    ] {
        classes.extend(words.split_whitespace().map(|word| (word, class)));
    }
    classes
});

static SPELLINGS: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    ALIKE
        .lines()
        .filter_map(|line| line.trim().split_once(": "))
        .flat_map(|(word, others)| others.split_whitespace().map(move |other| (other, word)))
        .collect()
});

const SMALL: &str = "the of and for in on at by to a an und der die das den des von vom zu zur et le la les l du de del della \
    delle dei di da do dos das e i y el los las en och og van het ten";

const STRUCTURE: &str = "group holding international global worldwide enterprise company corporation subsidiary branch division \
    general associated united organization org association partner sub asset branches office limited private public \
    joint stock national state federal new";

const BUSINESS: &str = "bank trust capital fund finance financial insurance securities investment asset management credit loan \
    mortgage leasing lease lending payment exchange money savings reserve trade commerce commercial import export general_trading \
    shipping marine maritime transport logistic freight cargo airline air aviation railway motor automotive auto \
    oil gas petroleum petrochemical energy power electric electronic electrical engineering construction building \
    contracting steel metal mining mineral aluminium cement chemical plastic textile paper glass machine machinery equipment \
    instrument tool industry industrial manufacturing product production factory plant agriculture agricultural \
    food beverage pharmaceutical medical health hospital clinic care laboratory research science scientific technology technical \
    technological software system solution service consulting consultant advisory network communication telecom \
    telecommunication media broadcast broadcasting television radio press publishing data digital computer information internet \
    security defence defense military aerospace space space property real estate hotel tourism travel tour school university \
    college institute academy foundation center centre department ministry government agency bureau authority committee \
    council union society development project supply distribution retail wholesale store market marketing sale \
    brigade army force unit series platform operation business work workshop house shop studio design \
    farm fishery seafood water environmental waste recycling rent rental cars fashion jewelry gold diamond \
    card cash wealth vision human resource legal law audit accounting construction_company banco banque";

const REGIONS: &str = "europe european asia asian africa african america american americas latin pacific atlantic middle east \
    eastern west western north northern south southern central emea apac gulf arab arabian mediterranean caribbean balkan baltic \
    nordic scandinavia overseas offshore";

const PLACES: &str = "afghanistan albania algeria andorra angola argentina armenia australia austria azerbaijan bahamas bahrain \
    bangladesh barbados belarus belgium belize benin bermuda bhutan bolivia bosnia botswana brazil brasil brunei bulgaria burkina \
    burundi cambodia cameroon canada cayman chad chile china colombia congo croatia cuba curacao cyprus czechia czech denmark djibouti \
    dominica ecuador egypt eritrea estonia eswatini ethiopia fiji finland france gabon gambia georgia germany ghana gibraltar greece \
    grenada guatemala guernsey guinea guyana haiti honduras hungary iceland india indonesia iran iraq ireland israel italy jamaica japan \
    jersey jordan kazakhstan kenya korea kosovo kuwait kyrgyzstan laos latvia lebanon lesotho liberia libya liechtenstein lithuania \
    luxembourg macau macedonia madagascar malawi malaysia maldives mali malta mauritania mauritius mexico moldova monaco mongolia \
    montenegro morocco mozambique myanmar namibia nepal netherlands nicaragua niger nigeria norway oman pakistan palestine panama \
    paraguay peru philippines poland portugal qatar romania russia rwanda samoa senegal serbia seychelles singapore slovakia \
    slovenia somalia spain sudan suriname sweden switzerland syria taiwan tajikistan tanzania thailand togo trinidad tunisia turkey \
    turkmenistan uganda ukraine emirates uae uk usa uruguay uzbekistan vanuatu venezuela vietnam yemen zambia zimbabwe britain \
    england scotland wales kong hong \
    london paris berlin frankfurt munich hamburg zurich geneva vienna brussels amsterdam rotterdam madrid barcelona lisbon rome milan \
    dublin edinburgh manchester stockholm oslo copenhagen helsinki warsaw prague budapest bucharest sofia athens istanbul ankara moscow \
    petersburg kiev kyiv minsk dubai sharjah doha riyadh jeddah tehran baghdad damascus beirut cairo tripoli tunis lagos nairobi \
    johannesburg mumbai delhi karachi lahore dhaka shanghai beijing shenzhen guangzhou tokyo osaka seoul taipei bangkok jakarta \
    manila hanoi sydney melbourne auckland toronto montreal vancouver york boston chicago atlanta dallas houston phoenix miami seattle \
    denver philadelphia detroit angeles francisco vegas havana bogota lima santiago caracas paulo aires montevideo \
    texas california florida delaware nevada ohio virginia illinois";

const ALIKE: &str =
    "international: intl int internat internationale internacional internationaler internazionale
    group: grp gruppe groupe grupo gruppo groep grupa gruppen groups
    holding: holdings hldg hldgs
    company: co companies cos
    corporation: corp corporations
    enterprise: enterprises entreprise empresa
    brothers: bros
    bank: banking banks bk
    banco: bancos
    national: natl nat nacional nationale
    manufacturing: mfg manufacture manufacturers manufacturer
    management: mgmt mgt
    department: dept
    university: univ
    association: assoc assn associations
    associated: associates
    organization: organisation organizations organisations
    industry: industries ind industrie industria
    trade: trading trades
    investment: investments invest
    service: services svc svcs
    system: systems sys
    solution: solutions
    technology: technologies tech
    technical: technics
    engineering: engineers engrg
    construction: constructions construct
    development: developments dev
    partner: partners
    product: products prod
    railway: railways
    airline: airlines airways
    logistic: logistics
    electronic: electronics
    electric: electrics
    communication: communications
    telecommunication: telecommunications
    pharmaceutical: pharmaceuticals pharma
    chemical: chemicals
    petrochemical: petrochemicals
    fund: funds
    finance: finances financing
    exchange: exchanges
    mine: mines
    mineral: minerals
    metal: metals
    network: networks
    property: properties
    resource: resources
    supply: supplies
    hotel: hotels
    motor: motors
    plant: plants
    tool: tools
    machine: machines
    consultant: consultants consulting
    agriculture: agricultural agri agro
    laboratory: laboratories labs lab
    platform: platforms
    operation: operations
    project: projects
    market: markets
    centre: center centers centres centro zentrum tsentr
    defense: defence
    aluminium: aluminum
    general_trading: generaltrading
    germany: deutschland
    switzerland: schweiz suisse svizzera
    austria: osterreich
    netherlands: nederland holland
    norway: norge
    sweden: sverige
    denmark: danmark
    finland: suomi
    france: frankreich
    spain: espana
    italy: italia
    belgium: belgique belgie
    poland: polska
    hungary: magyarorszag
    czechia: cesko
    romania: rumania
    greece: hellas
    turkey: turkiye
    russia: rossiya rossiia
    brazil: brasil
    mexico: mexiko
    japan: nippon
    usa: us
    saint: st
    and: und et y och og
    emirates: uae";
