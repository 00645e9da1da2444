//! Answers of a collection of registers that speaks as OpenCorporates does: one company, with its officers.

use jiff::Timestamp;
use portcullis_ids::personal::Personal;
use serde::Deserialize;

use super::companies_house::OFFICERS_MAX;
use super::json::{self, Rows, Text, some};
use super::{SourceError, day};
use crate::entity::{Address, EntityRecord, EntitySource, EntityStanding, Officer};

const OF: &str = "open-corporates";

/// # Errors
/// [`SourceError`], with the line, or the company's number.
pub fn record(bytes: &[u8], at: Timestamp) -> Result<EntityRecord, SourceError> {
    let answer: Answer = json::read(OF, bytes)?;
    let company = answer.results.company;
    let number = company.company_number.0;
    let date = |text: Option<Text>| some(text).map(|date| day(OF, &number, &date)).transpose();
    let dissolved = date(company.dissolution_date)?;
    let formed = date(company.incorporation_date)?;
    let status = some(company.current_status).unwrap_or_default().to_lowercase();
    let standing = if dissolved.is_some() || status.contains("dissolved") || status.contains("struck off") {
        EntityStanding::Dissolved
    } else if status.contains("merged") {
        EntityStanding::Merged
    } else {
        match company.inactive {
            Some(true) => EntityStanding::Inactive,
            Some(false) => EntityStanding::Active,
            None if status == "active" || status == "good standing" => EntityStanding::Active,
            None => EntityStanding::Unknown,
        }
    };
    let whole = some(company.registered_address_in_full);
    let officers =
        company.officers.0.into_iter().map(|row| row.officer).filter(|officer| officer.end_date.is_none());
    Ok(EntityRecord {
        source: EntitySource::Registry { name: OF.to_owned() },
        at,
        legal_name: company.name.0,
        lei: None,
        lei_status: None,
        standing,
        // `us_de` is US-DE.
        jurisdiction: some(company.jurisdiction_code).map(|code| code.replace('_', "-").to_uppercase()),
        formed,
        legal_form: some(company.company_type),
        registered_address: company.registered_address.map(Office::read).or_else(|| {
            whole.map(|text| Address {
                lines: text.lines().map(str::trim).map(str::to_owned).collect(),
                ..Address::default()
            })
        }),
        head_office: None,
        officers: officers
            .map(|officer| Officer { name: Personal::Plain(officer.name.0), role: some(officer.position) })
            .collect(),
        parent: None,
        ultimate_parent: None,
        registry_number: Some(number),
    })
}

#[derive(Deserialize)]
struct Answer {
    results: Results,
}

#[derive(Deserialize)]
struct Results {
    company: Company,
}

#[derive(Deserialize)]
struct Company {
    name: Text,
    company_number: Text,
    #[serde(default)]
    jurisdiction_code: Option<Text>,
    #[serde(default)]
    incorporation_date: Option<Text>,
    #[serde(default)]
    dissolution_date: Option<Text>,
    #[serde(default)]
    company_type: Option<Text>,
    #[serde(default)]
    current_status: Option<Text>,
    #[serde(default)]
    inactive: Option<bool>,
    #[serde(default)]
    registered_address: Option<Office>,
    #[serde(default)]
    registered_address_in_full: Option<Text>,
    #[serde(default)]
    officers: Rows<Row, OFFICERS_MAX>,
}

#[derive(Deserialize)]
struct Row {
    officer: ApiOfficer,
}

#[derive(Deserialize)]
struct ApiOfficer {
    name: Text,
    #[serde(default)]
    position: Option<Text>,
    #[serde(default)]
    end_date: Option<Text>,
}

#[derive(Deserialize)]
struct Office {
    #[serde(default)]
    street_address: Option<Text>,
    #[serde(default)]
    locality: Option<Text>,
    #[serde(default)]
    region: Option<Text>,
    #[serde(default)]
    postal_code: Option<Text>,
    #[serde(default)]
    country: Option<Text>,
}

impl Office {
    fn read(self) -> Address {
        Address {
            lines: some(self.street_address)
                .map(|lines| lines.lines().map(|line| line.trim().to_owned()).collect())
                .unwrap_or_default(),
            city: some(self.locality),
            region: some(self.region),
            country: some(self.country),
            postal_code: some(self.postal_code),
            shared_by: None,
            registered_agent: false,
        }
    }
}
