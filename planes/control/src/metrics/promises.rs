//! Where the service levels of contracts stand.

use jiff::Timestamp;
use portcullis_domain::ids::{IntegrationId, VendorId};
use portcullis_domain::spec::{ContractSpec, Kind, ServiceLevels, Spec};
use portcullis_domain::state::State;
use portcullis_metrics::registry::{Family, Key};
use portcullis_metrics::service_level::{Objective, Standing};

use super::{Metrics, seconds};

/// One promise of one contract.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct PromiseStanding {
    pub contract: String,
    pub vendor: String,
    pub days: u8,
    pub objective: Objective,
    /// Percent or milliseconds; none without an exchange.
    pub actual: Option<f64>,
    pub standing: Standing,
}

impl Metrics {
    /// Every promise of every contract.
    pub fn promises(&self, state: &State, now: Timestamp) -> Vec<PromiseStanding> {
        let contracts = state.of_kind(Kind::Contract).filter_map(|(name, contract)| {
            let Spec::Contract(spec) = &contract.declaration.spec else { return None };
            Some((name, spec, spec.service_levels.as_ref()?))
        });
        contracts.flat_map(|(name, spec, levels)| self.of_contract(state, name, spec, levels, now)).collect()
    }

    fn of_contract(
        &self,
        state: &State,
        name: &str,
        spec: &ContractSpec,
        levels: &ServiceLevels,
        now: Timestamp,
    ) -> Vec<PromiseStanding> {
        let keys = keys(state, name, spec);
        let look = |window| self.totals(Family::Integration, &keys, window, seconds(now));
        let days = portcullis_metrics::rolling::Window::Days(levels.window_days);
        let availability =
            levels.availability_percent.map(|percent| Objective::Availability(percent / 100.0));
        let latency = levels.latency_p99_ms.map(|limit| Objective::LatencyP99(u64::from(limit) * 1_000));
        let objectives = availability.into_iter().chain(latency);
        objectives
            .map(|objective| PromiseStanding {
                contract: name.to_owned(),
                vendor: spec.vendor.clone(),
                days: levels.window_days,
                objective,
                actual: match objective {
                    Objective::Availability(_) => look(days).counts.availability().map(|share| share * 100.0),
                    Objective::LatencyP99(_) => look(days).latencies.quantile(0.99).map(|us| us / 1_000.0),
                },
                standing: objective.standing(levels.window_days, look),
            })
            .collect()
    }
}

/// The integrations under a contract.
fn keys(state: &State, contract: &str, spec: &ContractSpec) -> Vec<Key> {
    let Some(vendor) = state.resource(Kind::Vendor, &spec.vendor) else { return Vec::new() };
    let integrations = state.of_kind(Kind::Integration).filter(|(_, integration)| {
        matches!(&integration.declaration.spec, Spec::Integration(spec) if spec.contract == contract)
    });
    integrations
        .map(|(_, integration)| Key {
            vendor: VendorId(vendor.id),
            integration: Some(IntegrationId(integration.id)),
            route: None,
        })
        .collect()
}
