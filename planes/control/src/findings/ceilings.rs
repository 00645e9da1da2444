//! Ceilings that nothing can be held to.

use portcullis_api::feeds::FeedView;
use portcullis_api::findings::{Finding, FindingCode, Severity};
use portcullis_domain::spec::{Holds, IntegrationSpec, Kind, Spec};
use portcullis_domain::state::State;

pub(crate) const BLIND_HINT: &str = "run `make geo`, declare a Feed, or take the ceiling out";

/// Integrations with a ceiling of what no database says, in the order of their names.
pub(crate) struct Blind {
    /// `countries`, or `autonomous systems`.
    pub what: &'static str,
    pub integrations: Vec<String>,
}

/// Of each sort of ceiling that lacks its data.
pub(crate) fn blind(state: &State, feeds: &[FeedView]) -> Vec<Blind> {
    let has = |holds: Holds| feeds.iter().any(|feed| feed.holds == holds && feed.in_use);
    let by_clause = |contract: &str| {
        let contract = state.resource(Kind::Contract, contract).map(|found| &found.declaration.spec);
        let Some(Spec::Contract(spec)) = contract else { return false };
        spec.clauses.iter().any(|clause| clause.countries.is_some())
    };
    let named = |spec: &IntegrationSpec, holds: Holds| match holds {
        Holds::Country => spec.ceilings.countries.is_some() || by_clause(&spec.contract),
        _ => spec.ceilings.networks.iter().flatten().any(|network| network.starts_with("AS")),
    };
    let of = |(holds, what): (Holds, &'static str)| {
        let integrations = state.of_kind(Kind::Integration).filter(
            |(_, found)| matches!(&found.declaration.spec, Spec::Integration(spec) if named(spec, holds)),
        );
        Blind { what, integrations: integrations.map(|(name, _)| name.to_owned()).collect() }
    };
    let needed = [(Holds::Country, "countries"), (Holds::Asn, "autonomous systems")];
    needed.into_iter().filter(|(holds, _)| !has(*holds)).map(of).collect()
}

/// One for each integration and sort.
pub(super) fn find(state: &State, feeds: &[FeedView], found: &mut Vec<Finding>) {
    for Blind { what, integrations } in blind(state, feeds) {
        found.extend(integrations.into_iter().map(|name| Finding {
            severity: Severity::High,
            code: FindingCode::CeilingWithoutData,
            about: format!("integration/{name}"),
            message: format!(
                "`{name}` has a ceiling of {what}, and no database says them: what needs it is refused"
            ),
            hint: BLIND_HINT.to_owned(),
            due: None,
        }));
    }
}
