//! What operators are shown of a vendor.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_api::metrics::{
    IntegrationMetrics, LatencyView, MetricsView, RouteMetrics, ServiceLevelView, VendorMetrics,
};
use portcullis_domain::decision::Verdict;
use portcullis_domain::ids::{IntegrationId, RouteId, VendorId};
use portcullis_domain::spec::{Kind, Spec};
use portcullis_domain::state::{Resource, State};
use portcullis_metrics::counts::{Ended, RefusalClass};
use portcullis_metrics::registry::{Family, Key};
use portcullis_metrics::rolling::{Totals, Window};

use super::{Metrics, PromiseStanding, seconds};

pub(super) const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

impl Metrics {
    /// The vendor called `name`, which is `vendor`.
    pub fn vendor(
        &self,
        state: &State,
        name: &str,
        vendor: &Resource,
        window: Window,
        now: Timestamp,
    ) -> VendorMetrics {
        let key = Key { vendor: VendorId(vendor.id), integration: None, route: None };
        let integrations = state
            .of_kind(Kind::Integration)
            .filter(|(name, _)| state.vendor_of_integration(name).is_some_and(|found| found.id == vendor.id));
        let kept = match &vendor.declaration.spec {
            Spec::Vendor(spec) => spec.decisions_days,
            _ => None,
        };
        let promises = self.promises(state, now);
        let mine = promises.iter().filter(|promise| promise.vendor == name);
        VendorMetrics {
            vendor: name.to_owned(),
            window: window.as_str().to_owned(),
            since: self.since_kept(kept),
            total: self.look(Family::Vendor, key, window, now),
            integrations: integrations
                .map(|(name, integration)| self.integration(state, name, integration, key, window, now))
                .collect(),
            service_levels: mine.map(service_level).collect(),
        }
    }

    fn integration(
        &self,
        state: &State,
        name: &str,
        integration: &Resource,
        vendor: Key,
        window: Window,
        now: Timestamp,
    ) -> IntegrationMetrics {
        let key = Key { integration: Some(IntegrationId(integration.id)), ..vendor };
        let granted = match &integration.declaration.spec {
            Spec::Integration(spec) => spec.routes.as_slice(),
            _ => &[],
        };
        let routes = granted.iter().filter_map(|route| {
            let key = Key { route: Some(RouteId(state.route(route)?.0.id)), ..key };
            Some(RouteMetrics { name: route.clone(), total: self.look(Family::Route, key, window, now) })
        });
        IntegrationMetrics {
            name: name.to_owned(),
            total: self.look(Family::Integration, key, window, now),
            routes: routes.collect(),
        }
    }

    fn look(&self, family: Family, key: Key, window: Window, now: Timestamp) -> MetricsView {
        let totals = self.totals(family, &[key], window, seconds(now));
        // Nothing is known of the time before; a rate over it would be too low.
        let counted = now.duration_since(self.reach()).as_secs_f64();
        let spanned = counted.clamp(1.0, window.seconds().max(1) as f64);
        MetricsView { open: self.open(family, key), ..view(&totals, spanned) }
    }
}

fn view(totals: &Totals, seconds: f64) -> MetricsView {
    let Totals { counts, latencies } = totals;
    let named = |names: &mut dyn Iterator<Item = &'static str>, counts: &[u64]| -> BTreeMap<String, u64> {
        names
            .zip(counts)
            .filter(|(_, count)| **count > 0)
            .map(|(name, count)| (name.to_owned(), *count))
            .collect()
    };
    MetricsView {
        requests: counts.requests(),
        requests_per_second: rounded(counts.requests() as f64 / seconds, 3),
        availability_percent: counts.availability().map(|share| rounded(share * 100.0, 4)),
        latency_ms: latency(totals).filter(|_| !latencies.is_empty()),
        verdicts: named(&mut Verdict::ALL.into_iter().map(Verdict::as_str), &counts.verdicts),
        refused: named(&mut RefusalClass::ALL.iter().map(|class| class.as_str()), &counts.refused),
        ended: named(&mut Ended::ALL.iter().map(|ended| ended.as_str()), &counts.ended),
        statuses: named(&mut STATUSES.into_iter(), &counts.statuses),
        request_bytes: counts.request_bytes,
        response_bytes: counts.response_bytes,
        records: counts.records,
        tokens: counts.tokens,
        open: 0,
    }
}

fn latency(totals: &Totals) -> Option<LatencyView> {
    let of = |quantile| totals.latencies.quantile(quantile).map(|us| rounded(us / 1_000.0, 3));
    Some(LatencyView { p50: of(0.5)?, p90: of(0.9)?, p95: of(0.95)?, p99: of(0.99)? })
}

pub(super) fn service_level(promise: &PromiseStanding) -> ServiceLevelView {
    let standing = &promise.standing;
    let rates = standing.rates.iter().filter_map(|(window, rate)| Some((window.as_str(), (*rate)?)));
    ServiceLevelView {
        contract: promise.contract.clone(),
        objective: promise.objective.as_str().to_owned(),
        promised: promise.objective.promised(),
        actual: promise.actual.map(|actual| rounded(actual, 4)),
        window_days: promise.days,
        exchanges: standing.tally.all,
        bad: standing.tally.bad,
        budget_left_percent: rounded((1.0 - standing.spent) * 100.0, 2),
        burn_rates: rates.map(|(window, rate)| (window.to_owned(), rounded(rate, 3))).collect(),
        alarm: standing.pace.map(|pace| pace.as_str().to_owned()),
    }
}

fn rounded(number: f64, places: i32) -> f64 {
    let unit = 10_f64.powi(places);
    (number * unit).round() / unit
}
