//! The keys of an issuer or a trust domain, as they are shown.

use jiff::Timestamp;
use portcullis_api::resource::SourceView;
use portcullis_domain::event::ExternalKeys;
use portcullis_domain::spec::Kind;
use portcullis_domain::state::{Resource, State};
use portcullis_policy::facts::FetchedKeys;
use serde_json::Value;

use crate::control::Control;
use crate::projection::issuers::of_resource;

pub(super) fn of(control: &Control, state: &State, resource: &Resource) -> Option<SourceView> {
    if !matches!(resource.declaration.spec.kind(), Kind::Issuer | Kind::TrustDomain) {
        return None;
    }
    let fetched = |id| control.issuers().fetched(id);
    let FetchedKeys { keys, good_until_seconds } = of_resource(state, resource, &fetched)?;
    let status = control.issuers().status_of(resource.id).unwrap_or_default();
    let known = state.issuer_keys.get(&resource.id);
    Some(SourceView {
        keys: named(&keys),
        roots: keys.roots.len() as u64,
        changed: known.map(|known| known.since),
        fetched: status.fetched,
        next: status.schedule.next,
        good_until: known.and_then(|_| Timestamp::from_second(good_until_seconds).ok()),
        error: status.schedule.error,
        left_out: status.left_out,
    })
}

fn named(keys: &ExternalKeys) -> Vec<String> {
    let text = |key: &Value, name: &str| key.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let named = |key: &Value| {
        let algorithm = text(key, "alg");
        let kind = if algorithm.is_empty() { text(key, "kty") } else { algorithm };
        format!("{} ({kind})", text(key, "kid"))
    };
    keys.jwks.iter().map(named).collect()
}
