//! The metrics as Prometheus reads them (text format 0.0.4).
//!
//! [`FAMILIES`] is the table of everything that is there; `docs/reference/metrics.md` says the same, and a test
//! compares the two. Labels are names of declared things and words of fixed lists; what is beyond the limit of
//! series stands under `_other`, which nothing can be called.

use std::collections::HashMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use portcullis_domain::decision::Verdict;
use portcullis_domain::state::State;
use portcullis_metrics::counts::{Ended, RefusalClass};
use portcullis_metrics::registry::{Family, Key};
use portcullis_metrics::rolling::Window;
use portcullis_metrics::series::{HISTOGRAM_US, Series};
use uuid::Uuid;

use crate::clock_watch::ClockSeen;
use crate::risk::Acted;

use super::{Metrics, lock, seconds, view};

/// One metric, with all its labels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Metric {
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

const ROUTE: [&str; 3] = ["vendor", "integration", "route"];

macro_rules! families {
    ($($constant:ident $name:literal $kind:literal [$($label:literal)*] $help:literal;)+) => {
        $(const $constant: Metric = Metric { name: $name, kind: $kind, labels: &[$($label),*], help: $help };)+

        /// Every metric there is.
        pub const FAMILIES: &[Metric] = &[$($constant),+];
    };
}

families! {
    BUILD "portcullis_build_info" "gauge" ["version"] "1, with the version that runs.";
    LEDGER_SIZE "portcullis_ledger_size" "gauge" [] "Events in the ledger.";
    SEVERANCES "portcullis_severances_open" "gauge" [] "Severances in force.";
    GATES "portcullis_gates" "gauge" [] "Gates that are attached.";
    FINDINGS "portcullis_findings" "gauge" ["severity"] "Things that somebody should look at.";
    DECISIONS "portcullis_decisions_total" "counter" ["verdict"] "Decisions that gates reported, about strangers too.";
    REQUESTS "portcullis_requests_total" "counter" ["vendor" "integration" "route" "verdict"] "Decisions about identified clients.";
    REFUSALS "portcullis_refusals_total" "counter" ["vendor" "integration" "route" "class"] "Requests that were refused, by whose move it is.";
    RISK "portcullis_risk_actions_total" "counter" ["vendor" "action" "cause"] "Requests that were limited, challenged, denied or severed by the assessment of risk.";
    EXCHANGES "portcullis_exchanges_total" "counter" ["vendor" "integration" "route" "ending"] "Allowed exchanges that have ended.";
    EXCHANGES_OPEN "portcullis_exchanges_open" "gauge" ["vendor" "integration" "route"] "Allowed exchanges under way.";
    RESPONSES "portcullis_responses_total" "counter" ["vendor" "integration" "route" "code"] "Answers to allowed exchanges, by class of status.";
    AVAILABLE "portcullis_availability_total" "counter" ["vendor" "integration" "route" "served"] "Exchanges that our side served or failed.";
    REQUEST_BYTES "portcullis_request_bytes_total" "counter" ["vendor" "integration" "route"] "Bytes of requests' bodies.";
    RESPONSE_BYTES "portcullis_response_bytes_total" "counter" ["vendor" "integration" "route"] "Bytes of responses' bodies.";
    RECORDS "portcullis_records_total" "counter" ["vendor" "integration" "route"] "Records that left.";
    TOKENS "portcullis_tokens_total" "counter" ["vendor" "integration"] "Answers of the authorization server to identified clients.";
    LATENCY "portcullis_latency_seconds" "histogram" ["vendor" "integration" "route"] "From the decision to the end of complete answers.";
    VENDOR_LATENCY "portcullis_vendor_latency_seconds" "gauge" ["vendor" "percentile"] "Percentiles of the last five minutes, within one percent.";
    VENDOR_AVAILABILITY "portcullis_vendor_availability_ratio" "gauge" ["vendor" "window"] "The share of exchanges that our side served.";
    BUDGET "portcullis_service_level_budget_left_ratio" "gauge" ["vendor" "contract" "objective"] "The part of the error budget that is left; below zero the promise is broken.";
    BURN "portcullis_service_level_burn_rate" "gauge" ["vendor" "contract" "objective" "window"] "How fast the error budget is spent; at 1 it lasts exactly the promise's window.";
    CLOCK_JUMPS "portcullis_clock_jumps_total" "counter" [] "Jumps of the machine's clock by more than two seconds.";
    CLOCK_AHEAD "portcullis_clock_ahead_seconds" "gauge" [] "How far the time that decides is ahead of the machine's clock.";
    SERIES "portcullis_metrics_series" "gauge" ["family"] "Things that are told apart.";
    OTHER "portcullis_metrics_other_total" "counter" ["family"] "Decisions counted under no name, because the limit of series was reached.";
    UNMATCHED "portcullis_metrics_unmatched_total" "counter" [] "Outcomes whose decision isn't known.";
    MEMORY "portcullis_metrics_bytes" "gauge" [] "Bytes that the windows hold.";
    FEED_AGE "portcullis_feed_age_seconds" "gauge" ["feed"] "Age of the data of a feed that is in use.";
    FEED_ENTRIES "portcullis_feed_entries" "gauge" ["feed"] "Entries of the content of a feed that is in use; 0 if none is.";
    FEED_FAILING "portcullis_feed_failing" "gauge" ["feed"] "1 while the newest content of a feed can't be fetched or read.";
    TUNNEL_UP "portcullis_tunnel_up" "gauge" ["tunnel"] "1 while a tunnel is up.";
    TUNNEL_BYTES "portcullis_tunnel_bytes" "gauge" ["tunnel" "direction"] "Bytes through a tunnel since its association was made.";
    TUNNEL_HANDSHAKE "portcullis_tunnel_handshake_age_seconds" "gauge" ["tunnel"] "Seconds since the last handshake of a tunnel.";
    STRANGERS "portcullis_strangers_refused_total" "counter" ["reason"] "Connections that the gate refused before a request.";
}

/// Writes the head of a metric of the table, by its name, and then its samples: labels and value of each.
pub fn write_metric(text: &mut String, name: &str, samples: impl IntoIterator<Item = (Vec<String>, f64)>) {
    let Some(metric) = FAMILIES.iter().find(|metric| metric.name == name) else { return };
    metric.head(text);
    for (labels, value) in samples {
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        metric.sample(text, &labels, value);
    }
}

/// What is known without the counting.
pub(crate) struct Surroundings<'a> {
    pub state: &'a State,
    pub gates: usize,
    pub decisions: [(Verdict, u64); Verdict::ALL.len()],
    /// By severity.
    pub findings: Vec<(&'static str, usize)>,
    pub clock: ClockSeen,
    pub acted: Acted,
    pub now: Timestamp,
}

impl Metrics {
    /// Everything that control counts.
    pub fn write(&self, text: &mut String, around: &Surroundings<'_>) {
        let count = |number: usize| number as f64;
        let size = around.state.size as f64;
        BUILD.all(text, [(&[env!("CARGO_PKG_VERSION")][..], 1.0)]);
        LEDGER_SIZE.all(text, [(&[][..], size)]);
        SEVERANCES.all(text, [(&[][..], count(around.state.severances.len()))]);
        GATES.all(text, [(&[][..], count(around.gates))]);
        FINDINGS.head(text);
        for (severity, number) in &around.findings {
            FINDINGS.sample(text, &[severity], count(*number));
        }
        DECISIONS.head(text);
        for (verdict, number) in around.decisions {
            DECISIONS.sample(text, &[verdict.as_str()], number as f64);
        }
        write_acted(text, around);
        self.write_routes(text, around.state);
        self.write_vendors(text, around);
        self.write_promises(text, around);
        CLOCK_JUMPS.all(text, [(&[][..], around.clock.jumps as f64)]);
        CLOCK_AHEAD.all(text, [(&[][..], around.clock.ahead_us as f64 / 1e6)]);
        self.write_itself(text);
    }

    fn write_routes(&self, text: &mut String, state: &State) {
        let names = Names::new(state);
        let live = lock(&self.live);
        let mut series: Vec<([&str; 3], &Series)> =
            live.series(Family::Route).map(|(key, series)| (names.labels(key), series)).collect();
        series.sort_unstable_by_key(|(labels, _)| *labels);
        let other = live.other(Family::Route).filter(|other| other.counts.requests() > 0);
        series.extend(other.map(|other| ([OTHER_LABEL; 3], other)));
        let verdicts = Verdict::ALL.map(Verdict::as_str);
        let classes: Vec<_> = RefusalClass::ALL.iter().map(|class| class.as_str()).collect();
        let endings: Vec<_> = Ended::ALL.iter().map(|ended| ended.as_str()).collect();
        REQUESTS.by_word(text, &series, &verdicts, |series| &series.counts.verdicts);
        REFUSALS.by_word(text, &series, &classes, |series| &series.counts.refused);
        EXCHANGES.by_word(text, &series, &endings, |series| &series.counts.ended);
        EXCHANGES_OPEN.of_each(text, &series, |series| series.open);
        RESPONSES.by_word(text, &series, &view::STATUSES, |series| &series.counts.statuses);
        AVAILABLE.head(text);
        for (labels, series) in &series {
            for (word, number) in [("yes", series.counts.good), ("no", series.counts.failed)] {
                AVAILABLE.sample(text, &[&labels[..], &[word]].concat(), number as f64);
            }
        }
        REQUEST_BYTES.of_each(text, &series, |series| series.counts.request_bytes);
        RESPONSE_BYTES.of_each(text, &series, |series| series.counts.response_bytes);
        RECORDS.of_each(text, &series, |series| series.counts.records);
        TOKENS.head(text);
        let mut tokens: Vec<_> = live
            .series(Family::Integration)
            .map(|(key, series)| (names.labels(key), series.counts.tokens))
            .collect();
        tokens.sort_unstable();
        for ([vendor, integration, _], number) in tokens {
            TOKENS.sample(text, &[vendor, integration], number as f64);
        }
        LATENCY.head(text);
        for (labels, series) in &series {
            LATENCY.histogram(text, labels, series);
        }
    }

    fn write_vendors(&self, text: &mut String, around: &Surroundings<'_>) {
        let names = Names::new(around.state);
        let mut keys: Vec<(&str, Key)> = lock(&self.live)
            .series(Family::Vendor)
            .map(|(key, _)| (names.name(Some(key.vendor.0)), key))
            .collect();
        keys.sort_unstable();
        let now = seconds(around.now);
        VENDOR_LATENCY.head(text);
        for (name, key) in &keys {
            let latencies = self.totals(Family::Vendor, &[*key], Window::FiveMinutes, now).latencies;
            for (word, quantile) in [("50", 0.5), ("90", 0.9), ("95", 0.95), ("99", 0.99)] {
                if let Some(us) = latencies.quantile(quantile) {
                    VENDOR_LATENCY.sample(text, &[name, word], us / 1e6);
                }
            }
        }
        VENDOR_AVAILABILITY.head(text);
        for (name, key) in &keys {
            for window in [Window::FiveMinutes, Window::Hour, Window::Day] {
                let counts = self.totals(Family::Vendor, &[*key], window, now).counts;
                if let Some(share) = counts.availability() {
                    VENDOR_AVAILABILITY.sample(text, &[name, window.as_str()], share);
                }
            }
        }
    }

    fn write_promises(&self, text: &mut String, around: &Surroundings<'_>) {
        let promises = self.promises(around.state, around.now);
        BUDGET.head(text);
        for promise in &promises {
            let labels = [promise.vendor.as_str(), &promise.contract, promise.objective.as_str()];
            BUDGET.sample(text, &labels, 1.0 - promise.standing.spent);
        }
        BURN.head(text);
        for promise in &promises {
            for (window, rate) in promise.standing.rates {
                let labels =
                    [promise.vendor.as_str(), &promise.contract, promise.objective.as_str(), window.as_str()];
                if let Some(rate) = rate {
                    BURN.sample(text, &labels, rate);
                }
            }
        }
    }

    fn write_itself(&self, text: &mut String) {
        let live = lock(&self.live);
        SERIES.head(text);
        for family in Family::ALL {
            SERIES.sample(text, &[family.as_str()], live.series(family).count() as f64);
        }
        OTHER.head(text);
        for family in Family::ALL {
            let other = live.other(family).map_or(0, |other| other.counts.requests());
            OTHER.sample(text, &[family.as_str()], other as f64);
        }
        UNMATCHED.all(text, [(&[][..], live.unmatched() as f64)]);
        let bytes = live.bytes();
        drop(live);
        MEMORY.all(text, [(&[][..], (bytes + lock(&self.history).bytes()) as f64)]);
    }
}

/// What stands for everything beyond the limit.
const OTHER_LABEL: &str = "_other";

/// Names by id.
fn write_acted(text: &mut String, around: &Surroundings<'_>) {
    let names = Names::new(around.state);
    RISK.head(text);
    // Names of vendors that were deleted count together.
    let mut sums: std::collections::BTreeMap<(&str, &str, &str), u64> = std::collections::BTreeMap::new();
    for ((vendor, action, cause), number) in &around.acted {
        let vendor = vendor.map_or(OTHER_LABEL, |vendor| names.name(Some(vendor.0)));
        let vendor = if vendor.is_empty() { OTHER_LABEL } else { vendor };
        *sums.entry((vendor, action.as_str(), cause.as_str())).or_default() += number;
    }
    for ((vendor, action, cause), number) in sums {
        RISK.sample(text, &[vendor, action, cause], number as f64);
    }
}

struct Names<'a>(HashMap<Uuid, &'a str>);

impl<'a> Names<'a> {
    fn new(state: &'a State) -> Self {
        Self(state.resources.iter().map(|((_, name), resource)| (resource.id, name.as_str())).collect())
    }

    /// Empty where there is none, or where it was deleted a moment ago.
    fn name(&self, id: Option<Uuid>) -> &'a str {
        id.and_then(|id| self.0.get(&id).copied()).unwrap_or_default()
    }

    fn labels(&self, key: Key) -> [&'a str; 3] {
        [
            self.name(Some(key.vendor.0)),
            self.name(key.integration.map(|id| id.0)),
            self.name(key.route.map(|id| id.0)),
        ]
    }
}

impl Metric {
    fn head(&self, text: &mut String) {
        // Writing to a string can't fail.
        let _ = writeln!(text, "# HELP {} {}\n# TYPE {} {}", self.name, self.help, self.name, self.kind);
    }

    fn all<'a>(&self, text: &mut String, samples: impl IntoIterator<Item = (&'a [&'a str], f64)>) {
        self.head(text);
        for (labels, value) in samples {
            self.sample(text, labels, value);
        }
    }

    fn sample(&self, text: &mut String, labels: &[&str], value: f64) {
        line(text, self.name, "", self.labels, labels, &value.to_string());
    }

    fn of_each(&self, text: &mut String, all: &[([&str; 3], &Series)], number: impl Fn(&Series) -> u64) {
        self.head(text);
        for (labels, series) in all {
            self.sample(text, labels, number(series) as f64);
        }
    }

    fn by_word<'a>(
        &self,
        text: &mut String,
        all: &[([&str; 3], &'a Series)],
        words: &[&str],
        numbers: impl Fn(&'a Series) -> &'a [u64],
    ) {
        self.head(text);
        for (labels, series) in all {
            for (word, number) in words.iter().zip(numbers(series)) {
                self.sample(text, &[&labels[..], &[word]].concat(), *number as f64);
            }
        }
    }

    fn histogram(&self, text: &mut String, labels: &[&str; 3], series: &Series) {
        let mut below = 0;
        let names = [&ROUTE[..], &["le"]].concat();
        let bounds = HISTOGRAM_US.iter().map(|bound| (*bound as f64 / 1e6).to_string());
        for (bound, number) in bounds.chain(["+Inf".to_owned()]).zip(series.histogram) {
            below += number;
            let labels = [&labels[..], &[bound.as_str()]].concat();
            line(text, self.name, "_bucket", &names, &labels, &below.to_string());
        }
        let sum = series.latency_sum_us as f64 / 1e6;
        line(text, self.name, "_sum", &ROUTE, labels, &sum.to_string());
        line(text, self.name, "_count", &ROUTE, labels, &below.to_string());
    }
}

/// Names need no escapes: they are lower-case letters, digits, hyphens and underscores.
fn line(text: &mut String, name: &str, suffix: &str, names: &[&str], labels: &[&str], value: &str) {
    text.push_str(name);
    text.push_str(suffix);
    for (place, (name, label)) in names.iter().zip(labels).enumerate() {
        let open = if place == 0 { '{' } else { ',' };
        let _ = write!(text, "{open}{name}=\"{label}\"");
    }
    text.push_str(if labels.is_empty() { " " } else { "} " });
    text.push_str(value);
    text.push('\n');
}
