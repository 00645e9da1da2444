//! What is wrong, or about to be: a pure computation over what is in force and what the process
//! has seen. Each file here finds things of one sort.

mod access;
mod ceilings;
mod checkpoints;
mod clauses;
mod client_keys;
mod clock;
mod doors;
mod dossiers;
mod drills;
mod enforcer;
mod feeds;
mod incidents;
mod issuers;
mod network;
mod pages;
mod people;
mod risk;
mod segments;
mod service_levels;
mod severances;
mod sources;
mod telling;
mod terms;
mod tunnels;
mod webhooks;

#[cfg(test)]
pub(crate) mod tests;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_api::decisions::MissingSegment;
use portcullis_api::feeds::FeedView;
use portcullis_api::findings::{Finding, Severity};
use portcullis_api::ledger::Posting;
use portcullis_api::notify::WebhookView;
use portcullis_api::sources::SourceView;
use portcullis_domain::state::State;
use uuid::Uuid;

use crate::arms::EnforcerStanding;
use crate::clauses::Breach;
use crate::clock_watch::ClockSeen;
use crate::issuers::Failure;
use crate::link::GateStatus;
use crate::metrics::PromiseStanding;
use crate::network::Dropped;
use crate::telling::TellingSeen;

pub(crate) use ceilings::{BLIND_HINT, Blind, blind};
pub use risk::RiskTold;
pub use webhooks::ON_CALL;

const DAY_SECONDS: i64 = 86_400;
/// How long before its end a thing is told of.
const SOON_DAYS: i64 = 30;
const VERY_SOON_DAYS: i64 = 7;

/// What no ledger knows: seen by the running process.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Runtime {
    /// Where the service levels of contracts stand.
    pub(crate) promises: Vec<PromiseStanding>,
    /// How posting checkpoints goes.
    pub postings: Vec<Posting>,
    /// Issuers and trust domains whose keys couldn't be fetched.
    pub(crate) issuers: BTreeMap<Uuid, Failure>,
    pub(crate) clock: ClockSeen,
    pub(crate) risk: RiskTold,
    /// What was refused by clauses of contracts.
    pub(crate) breaches: Vec<Breach>,
    /// Of the decision log.
    pub missing: Vec<MissingSegment>,
    /// Feeds and installed databases.
    pub feeds: Vec<FeedView>,
    /// Registers, lists and catalogues.
    pub sources: Vec<SourceView>,
    /// How telling places outside goes.
    pub webhooks: Vec<WebhookView>,
    /// Packets of vendors' networks that were dropped.
    pub dropped: Vec<Dropped>,
    pub enforcer: EnforcerStanding,
    /// Gates with the doors that they can't open.
    pub gates: Vec<GateStatus>,
    /// What flows through tunnels.
    pub measures: std::sync::Arc<portcullis_network::order::Measures>,
    /// What is wrong with files of clocks.
    pub clock_faults: Vec<String>,
    /// How telling vendors' people goes.
    pub(crate) telling: TellingSeen,
}

/// Everything that somebody should look at, the most pressing first.
#[must_use]
pub fn findings(state: &State, runtime: &Runtime, now: Timestamp) -> Vec<Finding> {
    let mut found = Vec::new();
    people::find(state, &mut found);
    checkpoints::find(runtime, &mut found);
    segments::find(&runtime.missing, &mut found);
    terms::find(state, now, &mut found);
    access::find(state, &mut found);
    ceilings::find(state, &runtime.feeds, &mut found);
    clauses::find(state, &runtime.breaches, now, &mut found);
    client_keys::find(state, now, &mut found);
    severances::find(state, now, &mut found);
    enforcer::find(state, &runtime.enforcer, &mut found);
    enforcer::find_opened(state, &mut found);
    doors::find(state, &runtime.gates, &mut found);
    tunnels::find(state, &runtime.measures, now, &mut found);
    issuers::find(state, runtime, now, &mut found);
    risk::find(state, &runtime.risk, now, &mut found);
    clock::find(&runtime.clock, now, &mut found);
    feeds::find(&runtime.feeds, now, &mut found);
    sources::find(&runtime.sources, now, &mut found);
    dossiers::find(state, now, &mut found);
    drills::find(state, now, &mut found);
    incidents::find(state, &runtime.clock_faults, now, &mut found);
    network::find(state, &runtime.dropped, now, &mut found);
    webhooks::find(&runtime.webhooks, &mut found);
    telling::find(state, &runtime.telling, now, &mut found);
    pages::find(state, now, &mut found);
    service_levels::find(&runtime.promises, &mut found);
    found.sort_by(|one, other| {
        let key = |finding: &Finding| {
            (Reverse(finding.severity), finding.due.unwrap_or(Timestamp::MAX), finding.code)
        };
        key(one).cmp(&key(other)).then_with(|| one.about.cmp(&other.about))
    });
    found
}

/// How much it matters that something ends at `end`; nothing while that is far.
pub(crate) fn ending(end: Timestamp, now: Timestamp) -> Option<Severity> {
    let left = end.as_second().saturating_sub(now.as_second());
    match left {
        ..=0 => Some(Severity::High),
        _ if left <= VERY_SOON_DAYS * DAY_SECONDS => Some(Severity::Medium),
        _ if left <= SOON_DAYS * DAY_SECONDS => Some(Severity::Low),
        _ => None,
    }
}

/// `ends in 3 days`, or `has ended`.
pub(crate) fn ends_in(end: Timestamp, now: Timestamp) -> String {
    let left = end.as_second().saturating_sub(now.as_second());
    match (left, left / DAY_SECONDS) {
        (..=0, _) => "has ended".to_owned(),
        (_, 0) => format!("ends in {} h", left / 3_600),
        (_, 1) => "ends in 1 day".to_owned(),
        (_, days) => format!("ends in {days} days"),
    }
}
