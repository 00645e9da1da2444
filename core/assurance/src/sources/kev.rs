//! The catalogue of known exploited vulnerabilities, as CISA publishes it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::json::{self, Rows, Text};
use super::{SourceError, instant, short};

const OF: &str = "KEV";

pub const ENTRIES_MAX: usize = 100_000;

#[derive(Clone, PartialEq, Debug, Default)]
pub struct Kev {
    pub version: String,
    pub released: Timestamp,
    /// By CVE id.
    pub entries: BTreeMap<String, KevEntry>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct KevEntry {
    pub title: String,
    pub vendor: String,
    pub product: String,
    /// The day on which it was added, from its beginning in UTC.
    pub listed: Timestamp,
}

/// The whole catalogue, or none of it: a catalogue that was cut off says less than there is.
///
/// # Errors
/// [`SourceError`], with the line or the CVE id.
pub fn read(bytes: &[u8]) -> Result<Kev, SourceError> {
    let catalogue: Catalogue = json::read(OF, bytes)?;
    let found = catalogue.vulnerabilities.0.len();
    if found != catalogue.count {
        return Err(SourceError::CutOff { of: OF, expected: catalogue.count, found });
    }
    let mut entries = BTreeMap::new();
    for row in catalogue.vulnerabilities.0 {
        let id = row.cve_id.0;
        let wrong =
            |message: &str| SourceError::Entry { of: OF, entry: short(&id), message: message.to_owned() };
        if !is_cve(&id) {
            return Err(wrong("this is no CVE id"));
        }
        let listed = instant(OF, &id, &row.date_added.0)?;
        let title = row.vulnerability_name.0;
        let entry = KevEntry { title, vendor: row.vendor_project.0, product: row.product.0, listed };
        if entries.contains_key(&id) {
            return Err(wrong("it stands twice"));
        }
        entries.insert(id, entry);
    }
    let released = instant(OF, "dateReleased", &catalogue.date_released.0)?;
    Ok(Kev { version: catalogue.catalog_version.0, released, entries })
}

/// `CVE-`, four digits of a year, and at least four of a number.
#[must_use]
pub fn is_cve(id: &str) -> bool {
    let digits = |text: &str, range: std::ops::RangeInclusive<usize>| {
        range.contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit())
    };
    id.strip_prefix("CVE-")
        .and_then(|rest| rest.split_once('-'))
        .is_some_and(|(year, number)| digits(year, 4..=4) && digits(number, 4..=19))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Catalogue {
    catalog_version: Text,
    date_released: Text,
    count: usize,
    vulnerabilities: Rows<Row, ENTRIES_MAX>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    #[serde(rename = "cveID")]
    cve_id: Text,
    vendor_project: Text,
    product: Text,
    vulnerability_name: Text,
    date_added: Text,
}
