//! Contracts and grants that end.

use std::collections::BTreeSet;

use jiff::Timestamp;
use portcullis_api::findings::{Finding, FindingCode};
use portcullis_domain::moment::zone;
use portcullis_domain::spec::{Kind, Spec};
use portcullis_domain::state::State;

use super::{ending, ends_in};

pub(super) fn find(state: &State, now: Timestamp, found: &mut Vec<Finding>) {
    let mut used = BTreeSet::new();
    for (name, integration) in state.of_kind(Kind::Integration) {
        let Spec::Integration(spec) = &integration.declaration.spec else { continue };
        used.insert(spec.contract.as_str());
        let contract = state.resource(Kind::Contract, &spec.contract).map(|found| &found.declaration.spec);
        let Some(Spec::Contract(contract)) = contract else { continue };
        let end = spec.ends.and_then(|ends| ends.end_in(&zone(&contract.time_zone).ok()?).ok());
        // A grant that ends with its contract is told of there.
        let Some(end) = end.filter(|end| contract.term().is_ok_and(|(_, over)| *end < over)) else {
            continue;
        };
        found.extend(ending(end, now).map(|severity| Finding {
            severity,
            code: FindingCode::GrantEnds,
            about: format!("integration/{name}"),
            message: format!("the grant of `{name}` {}; nothing of it passes then", ends_in(end, now)),
            hint: "set another `ends` in the integration's manifest, or delete the integration".to_owned(),
            due: Some(end),
        }));
    }
    for (name, contract) in state.of_kind(Kind::Contract) {
        let Spec::Contract(spec) = &contract.declaration.spec else { continue };
        let Some((_, end)) = spec.term().ok().filter(|_| used.contains(name)) else { continue };
        found.extend(ending(end, now).map(|severity| Finding {
            severity,
            code: FindingCode::ContractEnds,
            about: format!("contract/{name}"),
            message: format!(
                "the contract `{name}` with `{}` {}; nothing under it passes then",
                spec.vendor,
                ends_in(end, now)
            ),
            hint: "renew it and set `ends` in its manifest, or delete what hangs on it".to_owned(),
            due: Some(end),
        }));
    }
}
