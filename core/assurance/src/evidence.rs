//! Documents and facts that support what is said of a vendor.

mod life;

use jiff::Timestamp;
use jiff::civil::Date;
use portcullis_ids::ids::EvidenceId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One document or fact, as data. What it says is in `content`; what of it is proven, in `proof`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    pub id: EvidenceId,
    pub title: String,
    /// Who wrote it: the auditor, the laboratory, the vendor itself.
    pub issuer: String,
    /// What of the vendor it is about, in its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Domains of control that it speaks of; those of its kind where nothing is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covers: Vec<Domain>,
    /// First and last day of what it looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_from: Option<Date>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_to: Option<Date>,
    pub issued: Date,
    /// Last day on which it says anything; that of its kind where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
    pub channel: Channel,
    /// The document, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Document>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    #[serde(flatten)]
    pub content: Content,
    pub added_at: Timestamp,
}

/// Nine domains of control.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Domain {
    Governance,
    Identity,
    Encryption,
    Vulnerability,
    Incident,
    DataHandling,
    Resilience,
    Development,
    SupplyChain,
}

impl Domain {
    /// As manifests and commands call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Governance => "governance",
            Self::Identity => "identity",
            Self::Encryption => "encryption",
            Self::Vulnerability => "vulnerability",
            Self::Incident => "incident",
            Self::DataHandling => "data_handling",
            Self::Resilience => "resilience",
            Self::Development => "development",
            Self::SupplyChain => "supply_chain",
        }
    }
}

/// How it came to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// With a signature over its bytes.
    Signed,
    /// From the issuer's own portal.
    Portal,
    Email,
    /// By the link of an evidence request.
    Link,
    /// Our own gate has seen it.
    Gate,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// As its sender called it.
    pub name: String,
    pub media_type: String,
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
}

/// What was found when a document's signature was verified.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    pub form: ProofForm,
    pub outcome: ProofOutcome,
    /// Name of the registered key, or subject of the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// The registered auditor whose key or root it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auditor: Option<String>,
    /// What it was signed with: a key, or a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// What the verifier says, for people.
    pub detail: String,
    pub at: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProofForm {
    /// RFC 7515 appendix F, by a registered key or an X.509 chain.
    DetachedJws,
    /// ISO 32000-2, 12.8.
    Pdf,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProofOutcome {
    Valid,
    /// The signature holds, and its signer is unknown here.
    UnknownSigner,
    /// The document isn't what was signed, or the signature is broken: stop 9.
    Invalid,
}

/// What it says, by kind.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "content", rename_all = "snake_case")]
pub enum Content {
    Soc2TypeOne(Soc2),
    Soc2TypeTwo(Soc2),
    Iso27001 {
        certificate: String,
    },
    PciRoc {
        version: String,
    },
    Hipaa,
    /// Records of processing, GDPR article 30 or CCPA.
    PrivacyRecords,
    PenetrationTest(PenetrationTest),
    Policy,
    RecoveryTest(RecoveryTest),
    /// CycloneDX; what was matched is in the dossier's vulnerabilities.
    Sbom {
        components: u32,
        services: u32,
    },
    /// An attested scan for vulnerabilities.
    Scan {
        open_critical: u32,
    },
    /// Covers the time after a SOC 2 period.
    BridgeLetter {
        until: Date,
    },
    Questionnaire {
        name: String,
        answered: u32,
        unanswered: u32,
        #[serde(default, skip_serializing_if = "is_zero")]
        not_applicable: u32,
        /// A row for each question; none of those that came in before there were rows.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rows: Vec<AnswerRow>,
    },
    /// Our own gate has seen a machine of the vendor do it.
    ObservedByGate {
        what: String,
    },
    /// A contract's amendment, a certificate of insurance, a proof of deletion: paper without a model of its own.
    Other {
        name: String,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// What a vendor answered to one question, and what that is worth.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerRow {
    /// Id of the question.
    pub question: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Domain>,
    pub standing: AnswerStanding,
    /// As it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceId>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerStanding {
    /// It speaks for the control.
    Supports,
    /// It speaks against it.
    Against,
    /// In part, or not yet.
    Partly,
    /// A text, a day or a number: something is said, and people judge it.
    Stated,
    /// With a word on why.
    NotApplicable,
    /// Not answered, or not understood: neither yes nor no.
    Unknown,
}

impl AnswerStanding {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Supports => "supports",
            Self::Against => "against",
            Self::Partly => "partly",
            Self::Stated => "stated",
            Self::NotApplicable => "not applicable",
            Self::Unknown => "unknown",
        }
    }
}

/// A SOC 2 report as rows, so that an exception is data.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Soc2 {
    pub opinion: Opinion,
    /// Services of others that the auditor left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carve_outs: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<ControlTest>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Opinion {
    #[default]
    Unqualified,
    Qualified,
    Adverse,
    Disclaimed,
}

/// One row of section IV: a control, its test, and what came out.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ControlTest {
    /// Such as `CC7.1`.
    pub criterion: String,
    pub control: String,
    pub domain: Domain,
    pub test: String,
    pub samples: u32,
    pub deviations: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// What the vendor's management answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
    /// Shown to be mended by the evidence of this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediated_by: Option<EvidenceId>,
    /// Where the exception is a vulnerability: its clock runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vulnerability: Option<crate::vulnerability::Vulnerability>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PenetrationTest {
    /// Who tested, if not the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tester: Option<String>,
    #[serde(default)]
    pub open: BySeverity,
    #[serde(default)]
    pub closed: BySeverity,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BySeverity {
    pub low: u32,
    pub medium: u32,
    pub high: u32,
    pub critical: u32,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoveryTest {
    /// Promised, and achieved, in minutes.
    pub rto_minutes: u32,
    pub rto_achieved_minutes: u32,
    pub rpo_minutes: u32,
    pub rpo_achieved_minutes: u32,
    /// Sites that can carry the load alone.
    pub redundant_sites: u32,
    /// Whether leaving the vendor, or doing without it, was tried too: stop 11.
    #[serde(default)]
    pub exit_tested: bool,
}
