//! Answers of GLEIF's API: LEI records, relationships between parents and children, reporting exceptions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::json::{self, OneOrRows, Rows, Text, some};
use super::{SourceError, day, instant};
use crate::entity::{Address, EntityRecord, EntitySource, EntityStanding, LeiStatus};
use crate::lei::Lei;

const OF: &str = "GLEIF";

/// Records in one answer; a page has at most 200.
pub const RECORDS_MAX: usize = 10_000;

/// The LEI records of an answer with one or many, as of its publication, or of `fetched` where it says none.
///
/// # Errors
/// [`SourceError`], with the line or the LEI.
pub fn records(bytes: &[u8], fetched: Timestamp) -> Result<Vec<EntityRecord>, SourceError> {
    let answer: Answer<Record> = json::read(OF, bytes)?;
    let at = answer.published(fetched)?;
    answer.data.0.into_iter().map(|record| record.attributes.read(at)).collect()
}

/// Who consolidates whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Relationship {
    pub child: Lei,
    pub parent: Lei,
    pub kind: ParentKind,
    pub active: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParentKind {
    Direct,
    Ultimate,
}

/// # Errors
/// [`SourceError`], with the line or the LEI.
pub fn relationships(bytes: &[u8]) -> Result<Vec<Relationship>, SourceError> {
    let answer: Answer<RelationshipRecord> = json::read(OF, bytes)?;
    let mut relationships = Vec::new();
    for record in answer.data.0 {
        let relationship = record.attributes.relationship;
        let kind = match relationship.kind.0.as_str() {
            "IS_DIRECTLY_CONSOLIDATED_BY" => ParentKind::Direct,
            "IS_ULTIMATELY_CONSOLIDATED_BY" => ParentKind::Ultimate,
            // Of funds and branches: no parents.
            _ => continue,
        };
        relationships.push(Relationship {
            child: lei(&relationship.start_node.id.0)?,
            parent: lei(&relationship.end_node.id.0)?,
            kind,
            active: relationship.status.is_none_or(|status| status.0 == "ACTIVE"),
        });
    }
    Ok(relationships)
}

/// Why a parent isn't named.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReportingException {
    pub lei: Lei,
    pub kind: ParentKind,
    /// As GLEIF has it, such as `NATURAL_PERSONS` or `NON_CONSOLIDATING`.
    pub reason: String,
}

/// # Errors
/// [`SourceError`], with the line or the LEI.
pub fn exceptions(bytes: &[u8]) -> Result<Vec<ReportingException>, SourceError> {
    let answer: Answer<Exception> = json::read(OF, bytes)?;
    let read = |exception: ExceptionAttributes| {
        let kind = match exception.category.0.as_str() {
            "DIRECT_ACCOUNTING_CONSOLIDATION_PARENT" => ParentKind::Direct,
            "ULTIMATE_ACCOUNTING_CONSOLIDATION_PARENT" => ParentKind::Ultimate,
            other => return Err(unknown(&exception.lei.0, "category", other)),
        };
        let reason = some(exception.reason).unwrap_or_default();
        Ok(ReportingException { lei: lei(&exception.lei.0)?, kind, reason })
    };
    answer.data.0.into_iter().map(|exception| read(exception.attributes)).collect()
}

/// Enters the parents that are active into `records`.
pub fn enter_parents(records: &mut [EntityRecord], relationships: &[Relationship]) {
    for record in records {
        let of = |kind| {
            relationships
                .iter()
                .find(|found| {
                    found.active && found.kind == kind && Some(found.child.as_str()) == record.lei.as_deref()
                })
                .map(|found| found.parent.to_string())
        };
        let (direct, ultimate) = (of(ParentKind::Direct), of(ParentKind::Ultimate));
        record.parent = direct.or_else(|| record.parent.take());
        record.ultimate_parent = ultimate.or_else(|| record.ultimate_parent.take());
    }
}

/// What says nothing of parents leaves those that are known.
#[must_use]
pub fn with_parents_of(record: EntityRecord, known: Option<&EntityRecord>) -> EntityRecord {
    match known {
        Some(known) if record.parent.is_none() && record.ultimate_parent.is_none() => EntityRecord {
            parent: known.parent.clone(),
            ultimate_parent: known.ultimate_parent.clone(),
            ..record
        },
        _ => record,
    }
}

/// Firms that own themselves through others: each circle once, beginning with its smallest LEI. Nobody owns them, as
/// far as the register says, and somebody has to look.
#[must_use]
pub fn circles(relationships: &[Relationship]) -> Vec<Vec<Lei>> {
    let parents: BTreeMap<&Lei, &Lei> = relationships
        .iter()
        .filter(|found| found.active && found.kind == ParentKind::Direct)
        .map(|found| (&found.child, &found.parent))
        .collect();
    let mut seen: BTreeMap<&Lei, usize> = BTreeMap::new();
    let mut circles = Vec::new();
    for (walk, start) in parents.keys().enumerate() {
        let (mut at, mut path) = (*start, Vec::new());
        while !seen.contains_key(at) {
            seen.insert(at, walk);
            path.push(at.clone());
            let Some(parent) = parents.get(at) else { break };
            at = parent;
        }
        // Only a walk that came back to itself has gone round; others ran into what was seen before.
        if seen.get(at) == Some(&walk)
            && parents.contains_key(at)
            && let Some(begin) = path.iter().position(|lei| lei == at)
        {
            let mut circle = path.split_off(begin);
            let smallest =
                circle.iter().enumerate().min_by_key(|(_, lei)| (*lei).clone()).map_or(0, |(at, _)| at);
            circle.rotate_left(smallest);
            circles.push(circle);
        }
    }
    circles
}

/// Of the API and of the golden copy alike.
pub(super) fn lei_status(lei: &str, status: &str) -> Result<LeiStatus, SourceError> {
    Ok(match status {
        "ISSUED" => LeiStatus::Issued,
        "LAPSED" => LeiStatus::Lapsed,
        "RETIRED" => LeiStatus::Retired,
        "MERGED" => LeiStatus::Merged,
        "ANNULLED" | "CANCELLED" => LeiStatus::Annulled,
        "DUPLICATE" => LeiStatus::Duplicate,
        "PENDING_VALIDATION" | "PENDING_TRANSFER" | "PENDING_ARCHIVAL" | "TRANSFERRED" => LeiStatus::Pending,
        other => return Err(unknown(lei, "status of a registration", other)),
    })
}

pub(super) fn standing(
    lei: &str,
    status: Option<&str>,
    expiration_reason: Option<&str>,
    lei_status: LeiStatus,
) -> Result<EntityStanding, SourceError> {
    Ok(match (status, expiration_reason, lei_status) {
        (_, _, LeiStatus::Merged) | (Some("INACTIVE"), Some("CORPORATE_ACTION"), _) => EntityStanding::Merged,
        (Some("INACTIVE"), Some("DISSOLVED"), _) => EntityStanding::Dissolved,
        (Some("INACTIVE"), _, _) => EntityStanding::Inactive,
        (Some("ACTIVE"), _, _) => EntityStanding::Active,
        (None | Some("NULL" | ""), _, _) => EntityStanding::Unknown,
        (Some(other), _, _) => return Err(unknown(lei, "status of a firm", other)),
    })
}

pub(super) fn lei(text: &str) -> Result<Lei, SourceError> {
    Lei::parse(text).map_err(|error| SourceError::Entry {
        of: OF,
        entry: super::short(text),
        message: error.to_string(),
    })
}

fn unknown(lei: &str, what: &str, found: &str) -> SourceError {
    let message = format!("`{}` is no {what} that is known", super::short(found));
    SourceError::Entry { of: OF, entry: super::short(lei), message }
}

#[derive(Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
struct Answer<T> {
    #[serde(default)]
    meta: Option<Meta>,
    data: OneOrRows<T, RECORDS_MAX>,
}

impl<T> Answer<T> {
    fn published(&self, fetched: Timestamp) -> Result<Timestamp, SourceError> {
        match self.meta.as_ref().and_then(|meta| meta.golden_copy.as_ref()) {
            Some(golden) => instant(OF, "meta.goldenCopy.publishDate", &golden.publish_date.0),
            None => Ok(fetched),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    #[serde(default)]
    golden_copy: Option<GoldenCopy>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GoldenCopy {
    publish_date: Text,
}

#[derive(Deserialize)]
struct Record {
    attributes: RecordAttributes,
}

#[derive(Deserialize)]
struct RecordAttributes {
    lei: Text,
    entity: Entity,
    registration: Registration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entity {
    legal_name: Name,
    #[serde(default)]
    legal_address: Option<ApiAddress>,
    #[serde(default)]
    headquarters_address: Option<ApiAddress>,
    #[serde(default)]
    registered_as: Option<Text>,
    #[serde(default)]
    jurisdiction: Option<Text>,
    #[serde(default)]
    legal_form: Option<Form>,
    #[serde(default)]
    status: Option<Text>,
    #[serde(default)]
    expiration: Option<Expiration>,
    #[serde(default)]
    creation_date: Option<Text>,
}

#[derive(Deserialize)]
struct Name {
    name: Text,
}

#[derive(Deserialize)]
struct Form {
    #[serde(default)]
    id: Option<Text>,
    #[serde(default)]
    other: Option<Text>,
}

#[derive(Deserialize)]
struct Expiration {
    #[serde(default)]
    reason: Option<Text>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiAddress {
    #[serde(default)]
    address_lines: Rows<Text, 20>,
    #[serde(default)]
    city: Option<Text>,
    #[serde(default)]
    region: Option<Text>,
    #[serde(default)]
    country: Option<Text>,
    #[serde(default)]
    postal_code: Option<Text>,
}

#[derive(Deserialize)]
struct Registration {
    status: Text,
}

#[derive(Deserialize)]
struct RelationshipRecord {
    attributes: RelationshipAttributes,
}

#[derive(Deserialize)]
struct RelationshipAttributes {
    relationship: ApiRelationship,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiRelationship {
    start_node: Node,
    end_node: Node,
    #[serde(rename = "type")]
    kind: Text,
    #[serde(default)]
    status: Option<Text>,
}

#[derive(Deserialize)]
struct Node {
    id: Text,
}

#[derive(Deserialize)]
struct Exception {
    attributes: ExceptionAttributes,
}

#[derive(Deserialize)]
struct ExceptionAttributes {
    lei: Text,
    category: Text,
    #[serde(default)]
    reason: Option<Text>,
}

impl RecordAttributes {
    fn read(self, at: Timestamp) -> Result<EntityRecord, SourceError> {
        let lei = lei(&self.lei.0)?.to_string();
        let entity = self.entity;
        let status = lei_status(&lei, &self.registration.status.0)?;
        let expiration = entity.expiration.and_then(|expiration| some(expiration.reason));
        let formed = some(entity.creation_date).map(|date| day(OF, &lei, &date)).transpose()?;
        Ok(EntityRecord {
            source: EntitySource::Gleif,
            at,
            legal_name: entity.legal_name.name.0,
            standing: standing(&lei, some(entity.status).as_deref(), expiration.as_deref(), status)?,
            lei_status: Some(status),
            lei: Some(lei),
            registry_number: some(entity.registered_as),
            jurisdiction: some(entity.jurisdiction),
            formed,
            legal_form: entity.legal_form.and_then(|form| some(form.id).or_else(|| some(form.other))),
            registered_address: entity.legal_address.map(ApiAddress::read),
            head_office: entity.headquarters_address.map(ApiAddress::read),
            officers: Vec::new(),
            parent: None,
            ultimate_parent: None,
        })
    }
}

impl ApiAddress {
    fn read(self) -> Address {
        Address {
            lines: self.address_lines.0.into_iter().map(|line| line.0).collect(),
            city: some(self.city),
            region: some(self.region),
            country: some(self.country),
            postal_code: some(self.postal_code),
            shared_by: None,
            registered_agent: false,
        }
    }
}
