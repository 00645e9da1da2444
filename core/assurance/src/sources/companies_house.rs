//! Answers of a register of companies that speaks as Companies House does: a company's profile, and its officers.

use jiff::Timestamp;
use portcullis_ids::personal::Personal;
use serde::Deserialize;

use super::json::{self, Rows, Text, some};
use super::{SourceError, day, short};
use crate::entity::{Address, EntityRecord, EntitySource, EntityStanding, Officer};

const OF: &str = "companies-house";

/// Officers of one company that are read.
pub const OFFICERS_MAX: usize = 1_000;

/// What the profile says, and the officers who haven't resigned, where their list is given.
///
/// # Errors
/// [`SourceError`], with the line, or the company's number.
pub fn record(profile: &[u8], officers: Option<&[u8]>, at: Timestamp) -> Result<EntityRecord, SourceError> {
    let profile: Profile = json::read(OF, profile)?;
    let number = profile.company_number.0;
    let list: Officers = officers.map(|officers| json::read(OF, officers)).transpose()?.unwrap_or_default();
    let officers = list.items.0.into_iter().filter(|officer| officer.resigned_on.is_none());
    Ok(EntityRecord {
        source: EntitySource::Registry { name: OF.to_owned() },
        at,
        legal_name: profile.company_name.0,
        lei: None,
        lei_status: None,
        standing: standing(&number, profile.company_status.as_ref().map(|status| status.0.as_str()))?,
        jurisdiction: some(profile.jurisdiction),
        formed: some(profile.date_of_creation).map(|date| day(OF, &number, &date)).transpose()?,
        legal_form: some(profile.kind),
        registered_address: profile.registered_office_address.map(Office::read),
        head_office: None,
        officers: officers
            .map(|officer| Officer {
                name: Personal::Plain(officer.name.0),
                role: some(officer.officer_role),
            })
            .collect(),
        parent: None,
        ultimate_parent: None,
        registry_number: Some(number),
    })
}

fn standing(number: &str, status: Option<&str>) -> Result<EntityStanding, SourceError> {
    Ok(match status {
        Some("active" | "open" | "registered") => EntityStanding::Active,
        Some("dissolved" | "closed" | "removed") => EntityStanding::Dissolved,
        Some("converted-closed") => EntityStanding::Merged,
        // It still exists, but is no longer run by whoever signs for it.
        Some(
            "liquidation"
            | "receivership"
            | "administration"
            | "insolvency-proceedings"
            | "voluntary-arrangement",
        ) => EntityStanding::Inactive,
        None => EntityStanding::Unknown,
        Some(other) => {
            let message = format!("`{}` is no status of a company that is known", short(other));
            return Err(SourceError::Entry { of: OF, entry: short(number), message });
        }
    })
}

#[derive(Deserialize)]
struct Profile {
    company_name: Text,
    company_number: Text,
    #[serde(default)]
    company_status: Option<Text>,
    #[serde(default, rename = "type")]
    kind: Option<Text>,
    #[serde(default)]
    date_of_creation: Option<Text>,
    #[serde(default)]
    jurisdiction: Option<Text>,
    #[serde(default)]
    registered_office_address: Option<Office>,
}

#[derive(Deserialize)]
struct Office {
    #[serde(default)]
    premises: Option<Text>,
    #[serde(default)]
    address_line_1: Option<Text>,
    #[serde(default)]
    address_line_2: Option<Text>,
    #[serde(default)]
    locality: Option<Text>,
    #[serde(default)]
    region: Option<Text>,
    #[serde(default)]
    country: Option<Text>,
    #[serde(default)]
    postal_code: Option<Text>,
}

impl Office {
    fn read(self) -> Address {
        Address {
            lines: [self.premises, self.address_line_1, self.address_line_2]
                .into_iter()
                .filter_map(some)
                .collect(),
            city: some(self.locality),
            region: some(self.region),
            country: some(self.country),
            postal_code: some(self.postal_code),
            shared_by: None,
            registered_agent: false,
        }
    }
}

#[derive(Deserialize, Default)]
struct Officers {
    #[serde(default)]
    items: Rows<ApiOfficer, OFFICERS_MAX>,
}

#[derive(Deserialize)]
struct ApiOfficer {
    name: Text,
    #[serde(default)]
    officer_role: Option<Text>,
    #[serde(default)]
    resigned_on: Option<Text>,
}
