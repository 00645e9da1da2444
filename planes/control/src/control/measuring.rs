//! What is counted and found, and who may read it.

use std::net::IpAddr;
use std::sync::Arc;

use portcullis_api::decisions::MissingSegment;
use portcullis_api::feeds::{FeedView, OriginView};
use portcullis_api::findings::{Finding, Severity};
use portcullis_decision_log::Reader;

use super::{Control, token_digest};
use crate::core::Core;
use crate::decisions::Decisions;
use crate::metrics::{Metrics, Past, Surroundings};
use crate::process::MetricsAccess;
use crate::{feeds, findings};

/// Of the scheduler's scale, for the thread that counts what is past.
const HISTORY_NICE: i32 = 10;

impl Control {
    /// What somebody should look at, the most pressing first.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        findings::findings(&self.state(), &self.runtime(), self.clock().now())
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Operators may, and who holds the metrics' own token.
    pub(crate) fn may_read_metrics(&self, token: Option<&str>) -> bool {
        let access =
            self.process().map_or(MetricsAccess::Operators, |process| process.metrics_access.clone());
        match (access, token) {
            (MetricsAccess::Open, _) => true,
            (_, None) => false,
            (MetricsAccess::Operators, Some(token)) => self.operator_by_token(token).is_some(),
            (MetricsAccess::Token { sha256 }, Some(token)) => {
                let digest = token_digest(token);
                let own =
                    aws_lc_rs::constant_time::verify_slices_are_equal(sha256.as_bytes(), digest.as_bytes());
                own.is_ok() || self.operator_by_token(token).is_some()
            }
        }
    }

    /// Everything that is counted, in Prometheus' text format.
    pub(crate) fn prometheus(&self) -> String {
        let (state, now) = (self.state(), self.clock().now());
        self.0.metrics.tidy(&state, now);
        let found = self.findings();
        let severities =
            [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
        let findings = severities.map(|severity| {
            (severity.as_str(), found.iter().filter(|finding| finding.severity == severity).count())
        });
        let mut text = String::new();
        let around = Surroundings {
            state: &state,
            gates: self.gates().len(),
            decisions: self.0.decisions.counts(),
            findings: findings.to_vec(),
            clock: self.0.clock_watch.seen(),
            acted: self.0.risk.acted(),
            now,
        };
        self.0.metrics.write(&mut text, &around);
        if let Some(process) = self.process() {
            (process.metrics)(&mut text);
        }
        feeds::metrics(&self.feed_views(), now, &mut text);
        crate::tunnels::metrics(&state, &self.network_measures(), &mut text);
        text
    }

    /// What this process has seen, for the findings.
    fn runtime(&self) -> findings::Runtime {
        let postings = self.process().map(|process| (process.postings)()).unwrap_or_default();
        let promises = self.0.metrics.promises(&self.state(), self.clock().now());
        findings::Runtime {
            promises,
            postings,
            issuers: self.0.issuers.failures(),
            clock: self.0.clock_watch.seen(),
            risk: self.0.risk.told(&self.state()),
            breaches: self.0.clauses.told(&self.state()),
            missing: self.missing_segments(),
            feeds: self.feed_views(),
            sources: self.sources().views(),
            enforcer: self.enforcer_standing(),
            gates: self.gates(),
            measures: self.network_measures(),
            clock_faults: self.regimes().faults(),
            dropped: self.dropped(),
            telling: self.0.tellers.seen(&self.state()),
            webhooks: self.process().map(|process| process.webhooks.status()).unwrap_or_default(),
        }
    }

    /// A look at names of files: no more than a directory's listing.
    fn missing_segments(&self) -> Vec<MissingSegment> {
        crate::missing::named(self.0.decisions.log()).unwrap_or_else(|error| {
            let error = &error as &(dyn std::error::Error + 'static);
            tracing::warn!(error, "whether segments of the decision log are missing can't be told");
            Vec::new()
        })
    }

    /// How it stands with every feed, and every database that is installed.
    pub(crate) fn feed_views(&self) -> Vec<FeedView> {
        let intel = self.process().and_then(|process| process.intel.clone());
        feeds::views(self.feeds(), &self.state(), intel.as_ref().map(|intel| intel.library()))
    }

    /// What is known of an address.
    pub(crate) fn origin_view(&self, address: IpAddr) -> OriginView {
        let intel = self.process().and_then(|process| process.intel.clone());
        feeds::origin(intel.as_ref().map(|intel| intel.library()), address)
    }
}

/// Reads what was decided before the start, in the background and after everything else.
pub(super) fn count_history(metrics: &Arc<Metrics>, decisions: &Arc<Decisions>, core: &Arc<Core>) {
    let start = core.clock.now();
    let (metrics, decisions, states) = (Arc::clone(metrics), Arc::clone(decisions), core.watch());
    let read = move || {
        // On Linux this is the thread's own; where it isn't allowed, reading is only less polite.
        let _ = rustix::process::nice(HISTORY_NICE);
        // Nobody sends states any more once control is gone.
        let state = || states.has_changed().is_ok().then(|| Arc::clone(&states.borrow()));
        let (log, archive) = (Reader::new(decisions.log()), decisions.archive());
        let past = Past { log: &log, archive, state: &state };
        if let Err(error) = metrics.read_history(&past, start) {
            tracing::warn!(%error, "metrics begin anew: the decision log can't be read");
        }
    };
    if let Err(error) = std::thread::Builder::new().name("metrics-history".to_owned()).spawn(read) {
        tracing::warn!(%error, "metrics begin anew: there is no thread to read the decision log");
    }
}
