//! Decisions as they are shown and searched.

use jiff::Timestamp;
use portcullis_domain::decision::{DecisionId, DecisionRecord, OutcomeRecord, Verdict};
use portcullis_domain::reason::{Fixer, Reason};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
        Self { why: record.reason.into(), why_ended, record, outcome, names }
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
    /// Not older than this RFC 3339 instant.
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
    /// At most this many; 100 without a word, 1000 at most.
    pub limit: Option<u32>,
    /// Only those older than this decision: the `next` of the page before.
    pub cursor: Option<DecisionId>,
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
            && self.since.is_none_or(|since| record.time >= since)
    }
}
