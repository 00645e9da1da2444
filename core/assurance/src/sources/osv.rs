//! Vulnerabilities in the format of OSV (1.x): one record, a list of them, or the answer of a query.

use jiff::Timestamp;
use serde::Deserialize;

use super::json::{self, OneOrRows, Rows, Text, some};
use super::{SourceError, instant};
use crate::sbom::{cvss, version};

const OF: &str = "OSV";

/// Records of one file, and packages, ranges and versions of one record.
pub const RECORDS_MAX: usize = 200_000;
const PARTS_MAX: usize = 20_000;

#[derive(Clone, PartialEq, Debug)]
pub struct Osv {
    pub id: String,
    /// Other names of it, CVE ids above all.
    pub aliases: Vec<String>,
    pub title: Option<String>,
    pub published: Option<Timestamp>,
    /// CVSS base score in tenths.
    pub cvss_tenths: Option<u8>,
    pub affected: Vec<Affected>,
}

/// A package, and which of its versions.
#[derive(Clone, PartialEq, Debug)]
pub struct Affected {
    /// Such as `npm` or `PyPI`.
    pub ecosystem: String,
    pub name: String,
    /// Without a version.
    pub purl: Option<String>,
    pub versions: Vec<String>,
    pub ranges: Vec<Range>,
}

/// From a version on, up to another.
#[derive(Clone, PartialEq, Debug)]
pub struct Range {
    pub introduced: String,
    pub end: End,
}

#[derive(Clone, PartialEq, Debug)]
pub enum End {
    Fixed(String),
    LastAffected(String),
    Open,
}

impl Affected {
    /// The version is among those that are affected. One that is unknown is: silence is no assurance.
    #[must_use]
    pub fn holds(&self, version: Option<&str>) -> bool {
        let Some(found) = version else { return true };
        if self.versions.iter().any(|affected| affected == found) {
            return true;
        }
        self.ranges.iter().any(|range| {
            let begun = range.introduced == "0" || version::compare(found, &range.introduced).is_ge();
            begun
                && match &range.end {
                    End::Fixed(fixed) => version::compare(found, fixed).is_lt(),
                    End::LastAffected(last) => version::compare(found, last).is_le(),
                    End::Open => true,
                }
        })
    }
}

/// The records of a file; those that were withdrawn are left out.
///
/// # Errors
/// [`SourceError`], with the line or the id.
pub fn read(bytes: &[u8]) -> Result<Vec<Osv>, SourceError> {
    let file: OneOrRows<Row, RECORDS_MAX> = json::read(OF, bytes)?;
    let mut records = Vec::new();
    for row in file.0 {
        match row {
            Row { vulns: Some(vulns), .. } => {
                for record in vulns.0 {
                    records.extend(record.read()?);
                }
            }
            Row { vulns: None, record } => records.extend(record.read()?),
        }
    }
    Ok(records)
}

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    vulns: Option<Rows<Record, RECORDS_MAX>>,
    #[serde(flatten)]
    record: Record,
}

#[derive(Deserialize, Default)]
struct Record {
    #[serde(default)]
    id: Text,
    #[serde(default)]
    aliases: Rows<Text, PARTS_MAX>,
    #[serde(default)]
    upstream: Rows<Text, PARTS_MAX>,
    #[serde(default)]
    summary: Option<Text>,
    #[serde(default)]
    published: Option<Text>,
    #[serde(default)]
    withdrawn: Option<Text>,
    #[serde(default)]
    severity: Rows<Severity, 20>,
    #[serde(default)]
    database_specific: Option<Specific>,
    #[serde(default)]
    affected: Rows<ApiAffected, PARTS_MAX>,
}

#[derive(Deserialize)]
struct Severity {
    score: Text,
}

#[derive(Deserialize)]
struct Specific {
    #[serde(default)]
    severity: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct ApiAffected {
    #[serde(default)]
    package: Option<Package>,
    #[serde(default)]
    versions: Rows<Text, PARTS_MAX>,
    #[serde(default)]
    ranges: Rows<ApiRange, PARTS_MAX>,
}

#[derive(Deserialize)]
struct Package {
    ecosystem: Text,
    name: Text,
    #[serde(default)]
    purl: Option<Text>,
}

#[derive(Deserialize)]
struct ApiRange {
    #[serde(rename = "type")]
    kind: Text,
    #[serde(default)]
    events: Rows<Event, PARTS_MAX>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    introduced: Option<Text>,
    #[serde(default)]
    fixed: Option<Text>,
    #[serde(default)]
    last_affected: Option<Text>,
}

impl Record {
    fn read(self) -> Result<Option<Osv>, SourceError> {
        let id = self.id.0;
        if id.is_empty() {
            return Err(SourceError::Entry {
                of: OF,
                entry: String::new(),
                message: "a record without an id".to_owned(),
            });
        }
        if self.withdrawn.is_some() {
            return Ok(None);
        }
        let vector =
            self.severity.0.iter().filter_map(|severity| cvss::score_tenths(&severity.score.0)).max();
        let word = self.database_specific.and_then(|specific| specific.severity);
        let word = word.as_ref().and_then(serde_json::Value::as_str).and_then(cvss::of_word);
        let aliases = self.aliases.0.into_iter().chain(self.upstream.0).map(|alias| alias.0).collect();
        Ok(Some(Osv {
            published: some(self.published).map(|text| instant(OF, &id, &text)).transpose()?,
            aliases,
            title: some(self.summary),
            cvss_tenths: vector.or(word),
            affected: self.affected.0.into_iter().filter_map(ApiAffected::read).collect(),
            id,
        }))
    }
}

impl ApiAffected {
    fn read(self) -> Option<Affected> {
        let package = self.package?;
        let mut ranges = Vec::new();
        // Commits of a repository can't be compared with versions.
        for range in self.ranges.0.into_iter().filter(|range| range.kind.0 != "GIT") {
            let mut open: Option<String> = None;
            for event in range.events.0 {
                let end = match (some(event.introduced), some(event.fixed), some(event.last_affected)) {
                    (Some(introduced), _, _) => {
                        ranges.extend(
                            open.replace(introduced).map(|introduced| Range { introduced, end: End::Open }),
                        );
                        continue;
                    }
                    (None, Some(fixed), _) => End::Fixed(fixed),
                    (None, None, Some(last)) => End::LastAffected(last),
                    _ => continue,
                };
                ranges.extend(open.take().map(|introduced| Range { introduced, end }));
            }
            ranges.extend(open.map(|introduced| Range { introduced, end: End::Open }));
        }
        Some(Affected {
            ecosystem: package.ecosystem.0,
            name: package.name.0,
            purl: some(package.purl),
            versions: self.versions.0.into_iter().map(|version| version.0).collect(),
            ranges,
        })
    }
}
