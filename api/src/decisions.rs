//! Decisions as they are shown and searched.

mod would_stop;

use jiff::Timestamp;
use portcullis_assurance::stops::Held;
use portcullis_domain::archive::SealedFile;
use portcullis_domain::decision::{DecisionId, DecisionRecord, OutcomeRecord, Verdict};
use portcullis_domain::ids::{TunnelId, VendorId};
use portcullis_domain::reason::{Fixer, Reason};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::would_stop::WouldStopView;
use crate::risk::{JudgementView, RiskView};

/// A decision with its outcome, once there is one, and in words.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DecisionView {
    #[serde(flatten)]
    pub record: DecisionRecord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeRecord>,
    pub names: NamesView,
    /// The decision's reason in words.
    pub why: ReasonView,
    /// The outcome's reason in words, where the exchange did not end as it should.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_ended: Option<ReasonView>,
    /// What its assessment came to; absent where nothing was scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<RiskView>,
    /// What hard stops that are only observed would have made of it; absent where that is nothing worse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_stop: Option<WouldStopView>,
    /// The tunnel that the connection came through; absent where it came through none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<TunnelId>,
    /// What an analyst has said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judgement: Option<JudgementView>,
    /// The hard stops that held for its vendor at its time, by what is known of the vendor now: those that are enforced first, then
    /// those that are only observed. Only where one decision is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stops: Vec<Held>,
}

/// Names at the time of asking; absent where the resource is gone.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NamesView {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// With the first digits of the person's id behind a slash, where it is for people and one of them has the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<String>,
}

/// A line of the table of reasons.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReasonView {
    pub code: Reason,
    /// HTTP status that it is answered with, when nothing was answered yet.
    pub status: u16,
    /// What it means.
    pub title: String,
    /// Who can put it right.
    pub fixer: Fixer,
    /// What to do about it.
    pub how: String,
}

impl From<Reason> for ReasonView {
    fn from(reason: Reason) -> Self {
        Self {
            code: reason,
            status: reason.status(),
            title: reason.title().to_owned(),
            fixer: reason.fixer(),
            how: reason.how().to_owned(),
        }
    }
}

impl DecisionView {
    #[must_use]
    pub fn new(record: DecisionRecord, outcome: Option<OutcomeRecord>, names: NamesView) -> Self {
        let why_ended = outcome
            .as_ref()
            .filter(|outcome| outcome.reason != Reason::Allowed)
            .map(|outcome| outcome.reason.into());
        let after = outcome.as_ref().and_then(|outcome| outcome.risk.as_ref());
        let risk = record.risk.as_ref().map(|risk| RiskView::new(risk, after));
        Self {
            why: record.reason.into(),
            why_ended,
            risk,
            would_stop: record.would_stop.map(WouldStopView::from),
            tunnel: record.tunnel,
            judgement: None,
            stops: Vec::new(),
            record,
            outcome,
            names,
        }
    }
}

/// One page of decisions.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DecisionPage {
    pub items: Vec<DecisionView>,
    /// What to send as `cursor` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Sealed files that could not be looked into: what they hold is missing here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<FileFault>,
}

/// A file of the decision log that is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FileFault {
    /// Path below the archive's folder.
    pub file: String,
    pub why: String,
}

/// A sealed file, as the ledger recorded it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SealedFileView {
    /// Path below the archive's folder.
    pub file: String,
    /// `decisions`, or `outcomes` that came after their decisions had been sealed.
    pub content: String,
    /// Version of the file's schema.
    pub schema: u16,
    /// Begin of the hour in which the decisions were made.
    #[schemars(with = "String")]
    pub hour: Timestamp,
    pub rows: u64,
    pub bytes: u64,
    pub sha256: String,
    /// Root of the Merkle tree (RFC 6962) over the rows, in lower-case hex.
    pub rows_root: String,
    /// The oldest and the newest decision in it.
    pub first: DecisionId,
    pub last: DecisionId,
    /// Sequence of its event in the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
}

/// Whether the sealed files are what the ledger says.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FilesReport {
    pub good: bool,
    /// Files that are whole, with their rows and bytes.
    pub files: u64,
    pub rows: u64,
    pub bytes: u64,
    /// Those that are missing, damaged, half-written or unknown to the ledger.
    pub faults: Vec<FileFault>,
    /// Segments that vanished before they were sealed, until somebody says that it is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_segments: Vec<MissingSegment>,
}

/// A segment of the decision log that vanished before it was sealed: decisions of its time that stand in no sealed file are
/// lost.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MissingSegment {
    /// Name of the file in the folder of segments.
    pub file: String,
    /// Of the gate.
    pub core: u16,
    /// Of the core's segments.
    pub sequence: u64,
    /// When it was made: not before its first decision.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// When another one was written to, or it was noticed; absent while only this process has seen it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub until: Option<Timestamp>,
}

impl MissingSegment {
    /// What to do about it.
    pub const HINT: &str = "find out who or what removed it; a copy that is put back counts at the next start. When it is known: `portcullis decisions verify --acknowledge-missing`";

    /// What it means, in a sentence without full stop.
    #[must_use]
    pub fn why(&self) -> String {
        let second = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let until = self.until.map_or("now".to_owned(), second);
        format!(
            "segment `{}` is missing: decisions of core {} from {} to {until} that were not sealed are lost",
            self.file,
            self.core,
            second(self.since)
        )
    }
}

/// What was sealed.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SealAnswer {
    pub files: Vec<SealedFileView>,
    pub rows: u64,
    /// Segments that hold nothing more that isn't sealed, and go.
    pub segments: u64,
    /// Frames that this version can't read: they stay in their segments.
    pub unreadable: u64,
}

/// A vendor whose decisions are kept, whatever its retention says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HoldView {
    /// Its name when the hold was placed.
    pub vendor: String,
    pub vendor_id: VendorId,
    pub reason: String,
    pub by: String,
    #[schemars(with = "String")]
    pub time: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldRequest {
    /// Name of a vendor; of a deleted one, its id.
    pub vendor: String,
    /// Why, for those who read it later.
    #[serde(default)]
    pub reason: String,
}

impl From<&SealedFile> for SealedFileView {
    fn from(sealed: &SealedFile) -> Self {
        Self {
            file: sealed.file.clone(),
            content: sealed.content.as_str().to_owned(),
            schema: sealed.schema,
            hour: sealed.hour,
            rows: sealed.rows,
            bytes: sealed.bytes,
            sha256: sealed.sha256.clone(),
            rows_root: sealed.rows_root.clone(),
            first: sealed.first,
            last: sealed.last,
            event: sealed.event,
        }
    }
}

/// Which decisions are wanted: the newest first.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DecisionQuery {
    /// Name of a vendor.
    pub vendor: Option<String>,
    /// Name of a client.
    pub client: Option<String>,
    pub verdict: Option<Verdict>,
    /// Of the decision, or of its outcome.
    pub reason: Option<Reason>,
    /// Only those of which enforcing would have made something worse.
    pub would: Option<Would>,
    /// Name of the tunnel that it came through.
    pub tunnel: Option<String>,
    /// Not older than this RFC 3339 instant.
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
    /// Older than this RFC 3339 instant.
    #[schemars(with = "Option<String>")]
    pub until: Option<Timestamp>,
    /// At most this many; 100 without a word, 1000 at most.
    pub limit: Option<u32>,
    /// Only those older than this decision: the `next` of the page before.
    pub cursor: Option<DecisionId>,
}

/// Whose enforcing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Would {
    /// Of hard stops that are only observed.
    Stop,
}

impl DecisionQuery {
    /// Whether a decision is among those wanted; `limit` and `cursor` are the caller's.
    #[must_use]
    pub fn takes(&self, decision: &DecisionView) -> bool {
        let record = &decision.record;
        let outcome = decision.outcome.as_ref().map(|outcome| outcome.reason);
        let named = |wanted: &Option<String>, name: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| name.as_ref() == Some(wanted))
        };
        named(&self.vendor, &decision.names.vendor)
            && named(&self.client, &decision.names.client)
            && self.verdict.is_none_or(|verdict| verdict == record.verdict)
            && self.reason.is_none_or(|reason| reason == record.reason || Some(reason) == outcome)
            && self.would.is_none_or(|Would::Stop| decision.would_stop.is_some())
            && self
                .tunnel
                .as_ref()
                .is_none_or(|wanted| is_of_tunnel(decision.names.tunnel.as_deref(), wanted))
            && self.since.is_none_or(|since| record.time >= since)
            && self.until.is_none_or(|until| record.time < until)
    }
}

/// Whether `name` is the tunnel `wanted`, or one of its people's.
fn is_of_tunnel(name: Option<&str>, wanted: &str) -> bool {
    name.and_then(|name| name.strip_prefix(wanted))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
