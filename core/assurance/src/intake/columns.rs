//! Which column is what.

use serde::Serialize;

use super::dates::DayOrder;
use super::{IntakeError, Options};
use crate::names::fold::plain;
use crate::sheet::{COLUMNS_MAX, Row, Sheet, letters};

/// What can be known of a vendor by a spreadsheet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    LegalName,
    Name,
    Country,
    State,
    RegistryNumber,
    Lei,
    Purpose,
    BusinessUnit,
    Owner,
    ContactName,
    ContactMail,
    ContactPhone,
    Website,
    ContractStart,
    ContractEnd,
    ContractReference,
    DataClasses,
    Records,
    /// Of who mends what was left: `new` or `skip`.
    Decision,
}

impl Field {
    pub const ALL: [Self; 19] = [
        Self::LegalName,
        Self::Name,
        Self::Country,
        Self::State,
        Self::RegistryNumber,
        Self::Lei,
        Self::Purpose,
        Self::BusinessUnit,
        Self::Owner,
        Self::ContactName,
        Self::ContactMail,
        Self::ContactPhone,
        Self::Website,
        Self::ContractStart,
        Self::ContractEnd,
        Self::ContractReference,
        Self::DataClasses,
        Self::Records,
        Self::Decision,
    ];

    /// As `--map` calls it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::LegalName => "legal_name",
            Self::Name => "name",
            Self::Country => "country",
            Self::State => "state",
            Self::RegistryNumber => "registry_number",
            Self::Lei => "lei",
            Self::Purpose => "purpose",
            Self::BusinessUnit => "business_unit",
            Self::Owner => "owner",
            Self::ContactName => "contact_name",
            Self::ContactMail => "contact_mail",
            Self::ContactPhone => "contact_phone",
            Self::Website => "website",
            Self::ContractStart => "contract_start",
            Self::ContractEnd => "contract_end",
            Self::ContractReference => "contract_reference",
            Self::DataClasses => "data_classes",
            Self::Records => "records",
            Self::Decision => "decision",
        }
    }

    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        let word = word.trim().to_ascii_lowercase().replace(['-', ' '], "_");
        Self::ALL.into_iter().find(|field| field.word() == word)
    }

    /// Headers that mean it, folded and without spaces, the surest first.
    fn synonyms(self) -> &'static [&'static str] {
        match self {
            Self::LegalName => &[
                "legalname",
                "fulllegalname",
                "legalentityname",
                "registeredname",
                "legalentity",
                "entityname",
                "officialname",
                "legalcompanyname",
                "firmenname",
                "firmierung",
                "raisonsociale",
                "razonsocial",
            ],
            Self::Name => &[
                "vendorname",
                "vendor",
                "suppliername",
                "supplier",
                "thirdpartyname",
                "thirdparty",
                "companyname",
                "company",
                "providername",
                "provider",
                "serviceprovider",
                "partner",
                "name",
                "tradingname",
                "displayname",
                "lieferant",
                "dienstleister",
                "anbieter",
                "firma",
                "fournisseur",
                "proveedor",
            ],
            Self::Country => &[
                "countryofincorporation",
                "jurisdiction",
                "countryofregistration",
                "country",
                "countrycode",
                "incorporatedin",
                "domicile",
                "hqcountry",
                "land",
                "sitz",
                "pays",
                "pais",
            ],
            Self::State => &["stateofincorporation", "state", "incorporationstate", "bundesstaat"],
            Self::RegistryNumber => &[
                "registrynumber",
                "registrationnumber",
                "companynumber",
                "companyregistrationnumber",
                "registrationno",
                "companyno",
                "regno",
                "registernumber",
                "companyregno",
                "handelsregisternummer",
                "hrbnummer",
                "hrb",
                "siren",
                "registerno",
                "crn",
                "companieshousenumber",
                "registrationnr",
            ],
            Self::Lei => &["lei", "leicode", "legalentityidentifier", "leinumber", "leino"],
            Self::Purpose => &[
                "purpose",
                "service",
                "services",
                "servicesprovided",
                "servicedescription",
                "description",
                "whattheydo",
                "leistung",
                "zweck",
            ],
            Self::BusinessUnit => &[
                "businessunit",
                "bu",
                "department",
                "dept",
                "division",
                "costcenter",
                "costcentre",
                "unit",
                "abteilung",
                "bereich",
                "geschaftsbereich",
            ],
            Self::Owner => &[
                "owner",
                "vendorowner",
                "businessowner",
                "internalowner",
                "relationshipowner",
                "relationshipmanager",
                "responsible",
                "accountowner",
                "vendormanager",
                "sponsor",
                "verantwortlich",
                "verantwortlicher",
            ],
            Self::ContactName => &[
                "contactname",
                "contactperson",
                "vendorcontact",
                "primarycontact",
                "contact",
                "maincontact",
                "ansprechpartner",
                "kontakt",
            ],
            Self::ContactMail => &[
                "contactmail",
                "contactemail",
                "contactemailaddress",
                "vendoremail",
                "email",
                "emailaddress",
                "mail",
                "primarycontactemail",
                "emailcontact",
                "supplieremail",
            ],
            Self::ContactPhone => &["contactphone", "phone", "telephone", "phonenumber", "tel", "telefon"],
            Self::Website => &["website", "domain", "domains", "url", "homepage", "webseite", "web"],
            Self::ContractStart => &[
                "contractstart",
                "contractstartdate",
                "contractfrom",
                "startdate",
                "start",
                "effectivedate",
                "contracteffective",
                "agreementdate",
                "vertragsbeginn",
                "beginn",
            ],
            Self::ContractEnd => &[
                "contractend",
                "contractenddate",
                "contractto",
                "contractexpiry",
                "contractexpirydate",
                "contractexpiration",
                "expirydate",
                "expirationdate",
                "enddate",
                "end",
                "expires",
                "renewaldate",
                "vertragsende",
                "ende",
            ],
            Self::ContractReference => &[
                "contractreference",
                "contractnumber",
                "contractno",
                "contractid",
                "contractref",
                "agreementnumber",
                "vertragsnummer",
            ],
            Self::DataClasses => &[
                "dataclasses",
                "dataclass",
                "dataclassification",
                "datatypes",
                "datatype",
                "typeofdata",
                "datacategory",
                "datacategories",
                "dataaccess",
                "dataaccessed",
                "datenarten",
                "datenklasse",
                "data",
            ],
            Self::Records => &[
                "records",
                "recordcount",
                "numberofrecords",
                "noofrecords",
                "recordsheld",
                "datasubjects",
                "recordvolume",
                "datensatze",
            ],
            Self::Decision => &["portcullisdecision"],
        }
    }
}

/// Columns that what was left comes back with; nothing is read from them.
pub(super) const OWN: [&str; 2] = ["portcullisrow", "portcullisreasons"];

/// What was made of the header.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Columns {
    pub header_row: u32,
    pub used: Vec<Column>,
    /// Headers that mean nothing here.
    pub unused: Vec<String>,
    #[serde(skip)]
    header: Vec<String>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Column {
    pub field: Field,
    /// From 0 on.
    pub place: usize,
    /// `A`
    pub letter: String,
    pub header: String,
    /// The header itself says how its dates are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<DayOrder>,
}

/// Rows that are searched for the header.
const HEADER_WITHIN: usize = 40;

impl Columns {
    pub(super) fn find(sheet: &Sheet, options: &Options) -> Result<Self, IntakeError> {
        if sheet.rows.is_empty() {
            return Err(IntakeError::Empty);
        }
        let row = match options.header_row {
            Some(number) => sheet.rows.iter().find(|row| row.number == number),
            None => likeliest(sheet, options),
        };
        let row = row.ok_or(options.header_row.map_or(IntakeError::NoHeader, IntakeError::NoHeaderRow))?;
        let header: Vec<String> =
            row.values.iter().take(COLUMNS_MAX).map(|value| short(&value.shown())).collect();
        let mut columns =
            Self { header_row: row.number, used: Vec::new(), unused: Vec::new(), header: header.clone() };
        for (field, asked) in &options.mapped {
            let place =
                header.iter().position(|name| same(name, asked)).or_else(|| by_letters(asked, &header));
            let place =
                place.ok_or_else(|| IntakeError::NoColumn { asked: short(asked), there: listed(&header) })?;
            columns.take(*field, place);
        }
        for field in Field::ALL {
            if columns.of(field).is_none() {
                columns.take_named(field)?;
            }
        }
        if columns.of(Field::LegalName).or_else(|| columns.of(Field::Name)).is_none() {
            return Err(IntakeError::NoName(listed(&header)));
        }
        let is_used = |place: usize| columns.used.iter().any(|column| column.place == place);
        let named = header.iter().enumerate().filter(|(place, name)| !name.is_empty() && !is_used(*place));
        let foreign = named.filter(|(_, name)| !OWN.contains(&folded(name).as_str()));
        columns.unused = foreign.map(|(_, name)| name.clone()).collect();
        columns.used.sort_by_key(|column| column.place);
        Ok(columns)
    }

    #[must_use]
    pub fn of(&self, field: Field) -> Option<&Column> {
        self.used.iter().find(|column| column.field == field)
    }

    pub(super) fn used(&self) -> impl Iterator<Item = &Column> {
        self.used.iter().filter(|column| column.field != Field::Decision)
    }

    /// Every header, in its place.
    #[must_use]
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Whether a row says what the header says: lists are often printed page by page.
    pub(super) fn is_header(&self, row: &Row) -> bool {
        self.used.len() > 1
            && self.used.iter().all(|column| same(&row.value(column.place).shown(), &column.header))
    }

    fn take(&mut self, field: Field, place: usize) {
        self.used.retain(|column| column.place != place && column.field != field);
        let header = self.header.get(place).cloned().unwrap_or_default();
        let order = order_of(&header);
        self.used.push(Column { field, place, letter: letters(place), header, order });
    }

    /// The column whose header means a field surest; two that mean it equally are a question.
    fn take_named(&mut self, field: Field) -> Result<(), IntakeError> {
        let free = |place: &usize| !self.used.iter().any(|column| column.place == *place);
        let ranked = self.header.iter().enumerate().filter(|(place, _)| free(place));
        let mut ranked: Vec<(usize, usize)> =
            ranked.filter_map(|(place, name)| Some((rank(field, name)?, place))).collect();
        ranked.sort_unstable();
        let header = |place: usize| self.header.get(place).cloned().unwrap_or_default();
        match ranked.as_slice() {
            [] => {}
            [(first, one), (second, other), ..] if first == second => {
                return Err(IntakeError::Twice {
                    field: field.word(),
                    first: header(*one),
                    second: header(*other),
                });
            }
            [(_, place), ..] => self.take(field, *place),
        }
        Ok(())
    }
}

/// The row that names most fields, the first of several; a name must be among them.
fn likeliest<'a>(sheet: &'a Sheet, options: &Options) -> Option<&'a Row> {
    let count = |row: &Row| {
        let shown: Vec<String> = row.values.iter().take(COLUMNS_MAX).map(|value| value.shown()).collect();
        let names = |field: Field| {
            let mapped = options
                .mapped
                .iter()
                .any(|(own, header)| *own == field && shown.iter().any(|name| same(name, header)));
            mapped || shown.iter().any(|name| rank(field, name).is_some())
        };
        let named = names(Field::LegalName) || names(Field::Name);
        if named { Field::ALL.into_iter().filter(|field| names(*field)).count() } else { 0 }
    };
    let rows =
        sheet.rows.iter().take(HEADER_WITHIN).map(|row| (count(row), row)).filter(|(count, _)| *count > 0);
    rows.rev().max_by_key(|(count, _)| *count).map(|(_, row)| row)
}

fn rank(field: Field, header: &str) -> Option<usize> {
    let folded = folded(header);
    if folded.is_empty() || folded.len() > 60 {
        return None;
    }
    field.synonyms().iter().position(|synonym| *synonym == folded)
}

/// `Contract end (dd/mm/yyyy) *` is `contractend`.
fn folded(header: &str) -> String {
    let plainly = header.split(['(', '[', '\n']).next().unwrap_or_default();
    plain(plainly).replace(' ', "")
}

fn same(name: &str, asked: &str) -> bool {
    let bare = |text: &str| plain(text).replace(' ', "");
    !asked.trim().is_empty()
        && (name.trim() == asked.trim() || bare(name) == bare(asked) && !bare(name).is_empty())
}

/// `--map lei=E` where no header is called so.
fn by_letters(asked: &str, header: &[String]) -> Option<usize> {
    (0..header.len()).find(|place| letters(*place).eq_ignore_ascii_case(asked.trim()))
}

fn order_of(header: &str) -> Option<DayOrder> {
    let bare: String = header.to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    [
        ("ddmmyy", DayOrder::Dmy),
        ("ttmmjj", DayOrder::Dmy),
        ("mmddyy", DayOrder::Mdy),
        ("yyyymmdd", DayOrder::Ymd),
    ]
    .into_iter()
    .find_map(|(written, order)| bare.contains(written).then_some(order))
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

fn listed(header: &[String]) -> String {
    let named: Vec<String> =
        header.iter().filter(|name| !name.is_empty()).take(40).map(|name| format!("`{name}`")).collect();
    if named.is_empty() { "none".to_owned() } else { named.join(", ") }
}
