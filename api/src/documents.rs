//! Documents of evidence: bytes in, bytes out, and what was found of their signatures.

use jiff::civil::Date;
use portcullis_assurance::evidence::{Evidence, Proof};
use portcullis_domain::ids::{EvidenceId, RequestId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::dossiers::DossierAnswer;
use crate::operators::Secret;

/// The longest document that is taken.
pub const DOCUMENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A document that is kept now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DocumentKept {
    /// Lower-case hex.
    pub sha256: String,
    pub bytes: u64,
    /// Whether it wasn't there before.
    pub is_new: bool,
}

/// Evidence, with the signature over its document.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceRequest {
    /// Its id, time and proof are made here. Without `channel` it came by e-mail, or `signed` where its signature holds;
    /// without `issuer` it is by the registered auditor who has signed it.
    #[schemars(with = "Evidence")]
    pub evidence: Value,
    /// The document, which was sent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentNamed>,
    /// A detached signature (JWS) over it; without one, signatures inside of a PDF are looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentNamed {
    pub sha256: String,
    /// As its sender called it.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceAnswer {
    pub id: EvidenceId,
    /// None where there was no signature to look at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    pub answer: DossierAnswer,
}

/// What is asked of a vendor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceAsked {
    /// A kind of evidence, such as `penetration_test`.
    pub wanted: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whom it goes to.
    pub contact: String,
    pub due: Date,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RequestMade {
    pub id: RequestId,
    /// Said once. The ledger keeps a digest of its code only.
    pub link: Secret,
    /// Last day on which the link works.
    pub good_until: Date,
    pub ledger_size: u64,
}

/// What was found when stored documents were looked at.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DocumentsReport {
    pub checked: usize,
    /// Those that aren't what was taken in: their vendors are stopped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<DocumentFound>,
    /// Those that are whole again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mended: Vec<DocumentFound>,
    /// Those that the disk doesn't give: nothing is known of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<DocumentFound>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DocumentFound {
    pub vendor: String,
    pub evidence: EvidenceId,
    pub sha256: String,
    pub why: String,
}
