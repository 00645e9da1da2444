//! How hard stops are set: whether what is known of vendors acts, or is only shown.

use portcullis_api::checks::{Check, Health};
use portcullis_assurance::stops::{Stop, StopMode};
use portcullis_domain::spec::{Kind, PolicySpec, Spec};
use portcullis_domain::state::State;

/// Policies and vendors that are named one by one.
const NAMED_MAX: usize = 4;
const HINT: &str = "`portcullis decisions --would stop` lists what enforcing would have refused; `stops: {default: enforce}` in a Policy about all vendors makes stops act";

pub(super) fn stops(state: &State) -> Check {
    let founded = state.founded_with().unwrap_or(StopMode::Observe);
    // Of vendors that no policy names.
    let rules = state.stop_rules("");
    let (health, mut detail) = match rules.otherwise {
        StopMode::Enforce => (Health::Good, "they are enforced".to_owned()),
        StopMode::Observe => {
            (Health::Warning, "they are only observed: what is known of vendors refuses nobody".to_owned())
        }
        StopMode::Off => {
            (Health::Warning, "they are off: nobody looks at what is known of vendors".to_owned())
        }
    };
    let differing: Vec<String> = state
        .of_kind(Kind::Policy)
        .filter_map(|(name, policy)| match &policy.declaration.spec {
            Spec::Policy(spec) => differing(name, spec, founded),
            _ => None,
        })
        .collect();
    if !differing.is_empty() {
        detail.push_str(&format!(
            "; the installation was founded with `{}`, and other modes have: {}",
            word(founded),
            some(&differing)
        ));
    }
    let check = Check::new("hard stops", health, detail);
    if health == Health::Good { check } else { check.hint(HINT) }
}

/// What a policy says otherwise than the installation.
fn differing(name: &str, spec: &PolicySpec, founded: StopMode) -> Option<String> {
    let modes = spec.stops.as_ref()?;
    let default = modes.default.map(|mode| ("default", mode));
    let named = Stop::ALL.into_iter().filter_map(|stop| Some((stop.name(), modes.of(stop)?)));
    let other: Vec<String> = default
        .into_iter()
        .chain(named)
        .filter(|(_, mode)| *mode != founded)
        .map(|(stop, mode)| format!("{stop} {}", word(mode)))
        .collect();
    if other.is_empty() {
        return None;
    }
    let vendors = spec.vendors.as_ref().map(|vendors| {
        let vendors: Vec<String> = vendors.iter().map(|vendor| format!("`{vendor}`")).collect();
        format!(" for {}", some(&vendors))
    });
    Some(format!("policy `{name}`{} ({})", vendors.unwrap_or_default(), other.join(", ")))
}

fn some(texts: &[String]) -> String {
    let shown = texts.get(..texts.len().min(NAMED_MAX)).unwrap_or_default().join(", ");
    match texts.len().saturating_sub(NAMED_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn word(mode: StopMode) -> &'static str {
    match mode {
        StopMode::Off => "off",
        StopMode::Observe => "observe",
        StopMode::Enforce => "enforce",
    }
}

#[cfg(test)]
mod tests {
    use portcullis_domain::event::Event;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;

    fn state(founded: Option<StopMode>, policies: &[(&str, Value)]) -> State {
        let mut state = State::default();
        let issuer = "https://gate.example".to_owned();
        state.apply(&Event::InstallationFounded { installation: Uuid::nil(), issuer, stops: founded });
        for (number, (name, spec)) in (1..).zip(policies) {
            let declaration = json!({ "kind": "Policy", "name": name, "spec": spec });
            state.apply(&Event::ResourceDefined {
                id: Uuid::from_u128(number),
                declaration: serde_json::from_value(declaration).unwrap(),
                keys: Vec::new(),
                time: None,
            });
        }
        state
    }

    #[test]
    fn an_installation_that_only_observes_is_warned_of_and_differing_policies_are_named() {
        let told = |founded, policies: &[(&str, Value)]| {
            let check = stops(&state(founded, policies));
            assert_eq!(check.hint.is_some(), check.finding != Health::Good);
            (check.finding, check.detail)
        };
        let observed = "they are only observed: what is known of vendors refuses nobody";
        assert_eq!(told(Some(StopMode::Enforce), &[]), (Health::Good, "they are enforced".to_owned()));
        assert_eq!(told(Some(StopMode::Observe), &[]), (Health::Warning, observed.to_owned()));
        // Founded by a version that knew of no stops.
        assert_eq!(told(None, &[]), (Health::Warning, observed.to_owned()));
        // A policy about all counts for all, one about some for those.
        let enforce = json!({ "stops": { "default": "enforce" } });
        let (health, detail) = told(None, &[("all", enforce.clone())]);
        assert_eq!(
            (health, detail.as_str()),
            (
                Health::Good,
                "they are enforced; the installation was founded with `observe`, and other modes have: policy `all` (default enforce)"
            )
        );
        let easy = json!({ "vendors": ["acme", "tarn"], "stops": { "default": "observe", "exit": "off", "clause": "enforce" } });
        let (health, detail) = told(Some(StopMode::Enforce), &[("easy", easy), ("same", enforce)]);
        assert_eq!(
            (health, detail.as_str()),
            (
                Health::Good,
                "they are enforced; the installation was founded with `enforce`, and other modes have: policy `easy` for `acme`, `tarn` (default observe, exit off)"
            )
        );
        let many: Vec<_> = (1..=7).map(|number| format!("p{number}")).collect();
        let many: Vec<_> =
            many.iter().map(|name| (name.as_str(), json!({ "stops": { "exit": "off" } }))).collect();
        let (_, detail) = told(Some(StopMode::Enforce), &many);
        assert!(detail.ends_with("policy `p4` (exit off) and 3 more"), "{detail}");
    }
}
