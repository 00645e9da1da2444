//! Bills of material in CycloneDX JSON, 1.4 to 1.6: components, services with the data that flows through them, and
//! what the vendor says of vulnerabilities (VEX).

use jiff::Timestamp;
use serde::Deserialize;

use super::json::{self, Rows, Text, some};
use super::{SourceError, instant, short};
use crate::sbom::{Component, DataFlow, Sbom, Service, Statement, cvss};
use crate::vulnerability::Exploitability;

const OF: &str = "CycloneDX";

/// Components, services and vulnerabilities of one bill, and how deep they may be nested.
pub const PARTS_MAX: usize = 200_000;
const DEPTH_MAX: usize = 16;

/// # Errors
/// [`SourceError`], with the line or the reference.
pub fn read(bytes: &[u8]) -> Result<Sbom, SourceError> {
    let bill: Bill = json::read(OF, bytes)?;
    if bill.bom_format.0 != OF {
        return Err(SourceError::Format {
            of: OF,
            found: "another kind of bill",
            expected: "`bomFormat: CycloneDX`",
        });
    }
    if !matches!(bill.spec_version.0.as_str(), "1.4" | "1.5" | "1.6") {
        let message =
            "this version isn't read\nhint: export the bill as CycloneDX 1.4, 1.5 or 1.6".to_owned();
        return Err(SourceError::Entry { of: OF, entry: short(&bill.spec_version.0), message });
    }
    let mut sbom = Sbom {
        spec_version: bill.spec_version.0,
        serial_number: some(bill.serial_number),
        ..Sbom::default()
    };
    if let Some(metadata) = bill.metadata {
        sbom.made =
            some(metadata.timestamp).map(|text| instant(OF, "metadata.timestamp", &text)).transpose()?;
        components(metadata.component.into_iter().collect(), 0, &mut sbom.components)?;
    }
    components(bill.components.0, 0, &mut sbom.components)?;
    services(bill.services.0, 0, &mut sbom.services)?;
    for row in bill.vulnerabilities.0 {
        sbom.statements.push(row.read()?);
    }
    Ok(sbom)
}

fn components(rows: Vec<ApiComponent>, depth: usize, into: &mut Vec<Component>) -> Result<(), SourceError> {
    bounded(depth, into.len() + rows.len())?;
    for row in rows {
        into.push(Component {
            reference: some(row.bom_ref),
            group: some(row.group),
            name: row.name.0,
            version: some(row.version),
            purl: some(row.purl),
            cpe: some(row.cpe),
        });
        components(row.components.0, depth + 1, into)?;
    }
    Ok(())
}

fn services(rows: Vec<ApiService>, depth: usize, into: &mut Vec<Service>) -> Result<(), SourceError> {
    bounded(depth, into.len() + rows.len())?;
    for row in rows {
        into.push(Service {
            reference: some(row.bom_ref),
            provider: row.provider.and_then(|provider| some(provider.name)),
            name: row.name.0,
            version: some(row.version),
            endpoints: row.endpoints.0.into_iter().map(|endpoint| endpoint.0).collect(),
            authenticated: row.authenticated,
            crosses_boundary: row.x_trust_boundary,
            data: row
                .data
                .0
                .into_iter()
                .map(|data| DataFlow { flow: data.flow.0, classification: data.classification.0 })
                .collect(),
        });
        services(row.services.0, depth + 1, into)?;
    }
    Ok(())
}

fn bounded(depth: usize, parts: usize) -> Result<(), SourceError> {
    if depth > DEPTH_MAX {
        return Err(SourceError::TooMany { of: OF, what: "levels of parts within parts", max: DEPTH_MAX });
    }
    if parts > PARTS_MAX {
        return Err(SourceError::TooMany { of: OF, what: "components or services", max: PARTS_MAX });
    }
    Ok(())
}

impl ApiVulnerability {
    fn read(self) -> Result<Statement, SourceError> {
        let Some(id) = some(self.id) else {
            let entry = some(self.bom_ref).map_or_else(String::new, |reference| short(&reference));
            return Err(SourceError::Entry {
                of: OF,
                entry,
                message: "a vulnerability without an id".to_owned(),
            });
        };
        let date = |text: Option<Text>| some(text).map(|text| instant(OF, &id, &text)).transpose();
        let published: Option<Timestamp> = date(self.published)?;
        let created = date(self.created)?;
        let (state, justification, detail) = match self.analysis {
            Some(analysis) => (some(analysis.state), some(analysis.justification), some(analysis.detail)),
            None => (None, None, None),
        };
        let word = match state.as_deref() {
            // Words of CycloneDX; `resolved_with_pedigree` has its patch in the bill.
            Some("resolved" | "resolved_with_pedigree") => Some(Exploitability::Fixed),
            Some("exploitable") => Some(Exploitability::Affected),
            Some("in_triage") => Some(Exploitability::UnderInvestigation),
            Some("false_positive" | "not_affected") => Some(Exploitability::NotAffected),
            None => None,
            Some(other) => {
                let message = format!("`{}` is no state of an analysis", short(other));
                return Err(SourceError::Entry { of: OF, entry: short(&id), message });
            }
        };
        let scores = self.ratings.0.iter().filter_map(|rating| {
            let vector = rating.vector.as_ref().and_then(|vector| cvss::score_tenths(&vector.0));
            let method = rating.method.as_ref().map_or("", |method| method.0.as_str());
            let score =
                rating.score.filter(|score| (0.0..=10.0).contains(score) && method.starts_with("CVSS"));
            // Proven to lie between 0 and 100.
            let score = score.map(|score| (score * 10.0).round() as u8);
            let word = rating.severity.as_ref().and_then(|severity| cvss::of_word(&severity.0));
            vector.or(score).or(word)
        });
        Ok(Statement {
            cvss_tenths: scores.max(),
            published: published.or(created),
            word,
            justification: justification.or(detail),
            affects: self.affects.0.into_iter().map(|affected| affected.reference.0).collect(),
            id,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bill {
    bom_format: Text,
    spec_version: Text,
    #[serde(default)]
    serial_number: Option<Text>,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    components: Rows<ApiComponent, PARTS_MAX>,
    #[serde(default)]
    services: Rows<ApiService, PARTS_MAX>,
    #[serde(default)]
    vulnerabilities: Rows<ApiVulnerability, PARTS_MAX>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    timestamp: Option<Text>,
    #[serde(default)]
    component: Option<ApiComponent>,
}

#[derive(Deserialize)]
struct ApiComponent {
    #[serde(default, rename = "bom-ref")]
    bom_ref: Option<Text>,
    #[serde(default)]
    group: Option<Text>,
    name: Text,
    #[serde(default)]
    version: Option<Text>,
    #[serde(default)]
    purl: Option<Text>,
    #[serde(default)]
    cpe: Option<Text>,
    #[serde(default)]
    components: Rows<ApiComponent, PARTS_MAX>,
}

#[derive(Deserialize)]
struct ApiService {
    #[serde(default, rename = "bom-ref")]
    bom_ref: Option<Text>,
    #[serde(default)]
    provider: Option<Provider>,
    name: Text,
    #[serde(default)]
    version: Option<Text>,
    #[serde(default)]
    endpoints: Rows<Text, 10_000>,
    #[serde(default)]
    authenticated: Option<bool>,
    #[serde(default, rename = "x-trust-boundary")]
    x_trust_boundary: Option<bool>,
    #[serde(default)]
    data: Rows<Data, 10_000>,
    #[serde(default)]
    services: Rows<ApiService, PARTS_MAX>,
}

#[derive(Deserialize)]
struct Provider {
    #[serde(default)]
    name: Option<Text>,
}

#[derive(Deserialize)]
struct Data {
    flow: Text,
    classification: Text,
}

#[derive(Deserialize)]
struct ApiVulnerability {
    #[serde(default, rename = "bom-ref")]
    bom_ref: Option<Text>,
    #[serde(default)]
    id: Option<Text>,
    #[serde(default)]
    published: Option<Text>,
    #[serde(default)]
    created: Option<Text>,
    #[serde(default)]
    ratings: Rows<Rating, 1_000>,
    #[serde(default)]
    analysis: Option<Analysis>,
    #[serde(default)]
    affects: Rows<AffectedPart, PARTS_MAX>,
}

#[derive(Deserialize)]
struct Rating {
    #[serde(default)]
    score: Option<f64>,
    #[serde(default)]
    severity: Option<Text>,
    #[serde(default)]
    method: Option<Text>,
    #[serde(default)]
    vector: Option<Text>,
}

#[derive(Deserialize)]
struct Analysis {
    #[serde(default)]
    state: Option<Text>,
    #[serde(default)]
    justification: Option<Text>,
    #[serde(default)]
    detail: Option<Text>,
}

#[derive(Deserialize)]
struct AffectedPart {
    #[serde(rename = "ref")]
    reference: Text,
}
