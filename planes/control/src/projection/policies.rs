//! Policies and analysts' words as the gate needs them.

use std::collections::BTreeMap;

use portcullis_domain::ids::{IntegrationId, RouteId, VendorId};
use portcullis_domain::spec::{Kind, MoneySpec, PolicySpec, Spec};
use portcullis_domain::state::State;
use portcullis_policy::facts::JudgementFacts;
use portcullis_policy::policies::PolicyFacts;
use uuid::Uuid;

pub fn policies(state: &State) -> Vec<PolicyFacts> {
    let all = state.of_kind(Kind::Policy);
    all.filter_map(|(name, found)| match &found.declaration.spec {
        Spec::Policy(spec) => Some(policy(state, name, spec)),
        _ => None,
    })
    .collect()
}

/// A policy of this spec, by the ids of what `state` has. What isn't there any more is left out of its list; the list
/// stays, so that a policy about something never becomes one about everything.
#[must_use]
pub fn policy(state: &State, name: &str, spec: &PolicySpec) -> PolicyFacts {
    let ids = |kind: Kind, names: &Option<Vec<String>>| -> Option<Vec<Uuid>> {
        let names = names.as_ref()?;
        Some(names.iter().filter_map(|name| Some(state.resource(kind, name)?.id)).collect())
    };
    let MoneySpec { per_record, reach, lateral } = spec.money.unwrap_or_default();
    PolicyFacts {
        name: name.to_owned(),
        vendors: ids(Kind::Vendor, &spec.vendors).map(|ids| ids.into_iter().map(VendorId).collect()),
        integrations: ids(Kind::Integration, &spec.integrations)
            .map(|ids| ids.into_iter().map(IntegrationId).collect()),
        routes: ids(Kind::Route, &spec.routes).map(|ids| ids.into_iter().map(RouteId).collect()),
        impacts: spec.impacts.clone(),
        mode: spec.mode,
        families: spec.families.iter().map(|(family, mode)| (*family, *mode)).collect::<BTreeMap<_, _>>(),
        sever_by_evidence: spec.sever_by_evidence,
        money_per_record: per_record,
        reach,
        lateral,
    }
}

/// Of clients that are there, in the ledger's order.
pub fn judgements(state: &State) -> Vec<JudgementFacts> {
    let all = state.judgements.iter();
    all.filter_map(|judged| {
        let word = &judged.word;
        state.by_id(word.client.0)?;
        Some(JudgementFacts {
            sequence: judged.sequence,
            client: word.client,
            decision: word.decision,
            context: word.context.context()?,
            judgement: word.judgement,
            undo: word.undo,
            at_us: word.time.as_microsecond(),
        })
    })
    .collect()
}
