//! What must hold for exercises, and for the canary that they may cut and open by themselves.

use super::{After, fault};
use crate::command::{Fault, Prepared};
use crate::spec::{Declaration, ExerciseSpec, Kind, Spec, VendorSpec};
use crate::state::State;

const EXERCISES_MAX: usize = 200;

pub fn check(after: &After<'_>, declaration: &Declaration, spec: &ExerciseSpec, faults: &mut Vec<Fault>) {
    if after.keys().filter(|(kind, _)| *kind == Kind::Exercise).count() > EXERCISES_MAX {
        let message = format!("there would be more than {EXERCISES_MAX} exercises");
        faults.push(fault(declaration, "", message, None));
    }
    for found in portcullis_exercise::check::check(spec) {
        let pointer = format!("/spec{}", found.pointer);
        faults.push(fault(declaration, &pointer, found.message, found.hint));
    }
    if declaration.name == portcullis_exercise::run::DRILL {
        let message = format!("`{}` is the kill drill's own name", declaration.name);
        faults.push(fault(declaration, "/name", message, Some("choose another name")));
    }
    // On paper it needs none, so it may come later.
    if let Some(Spec::Vendor(vendor)) = after.get(&(Kind::Vendor, spec.canary.as_str()))
        && !vendor.canary
    {
        let message = format!("vendor `{}` is not a canary: exercises touch no other", spec.canary);
        let hint = "`portcullis exercise canary` makes one";
        faults.push(fault(declaration, "/spec/canary", message, Some(hint)));
    }
}

/// A vendor is a canary from its beginning or never: nobody gets round the second person by saying so later.
pub fn check_vendor(state: &State, declaration: &Declaration, spec: &VendorSpec, faults: &mut Vec<Fault>) {
    let known = state.resource(Kind::Vendor, &declaration.name).map(|known| &known.declaration.spec);
    if let Some(Spec::Vendor(known)) = known
        && known.canary != spec.canary
    {
        let message = "whether a vendor is a canary is said when it is declared, and never changed".into();
        let hint = "declare another vendor for exercises: `portcullis exercise canary` makes one";
        faults.push(fault(declaration, "/spec/canary", message, Some(hint)));
    }
}

/// One canary, which reaches servers of the gate's own machine alone, and nobody else's routes.
pub fn check_canary(after: &After<'_>, resources: &[Prepared], faults: &mut Vec<Fault>) {
    let is_canary =
        |name: &str| matches!(after.get(&(Kind::Vendor, name)), Some(Spec::Vendor(vendor)) if vendor.canary);
    let canaries = after.iter().filter(|(_, spec)| matches!(spec, Spec::Vendor(vendor) if vendor.canary));
    let canaries: Vec<&str> = canaries.map(|((_, name), _)| *name).collect();
    if canaries.is_empty() {
        return;
    }
    let of_canary = |integration: &Spec| match integration {
        Spec::Integration(spec) => match after.get(&(Kind::Contract, spec.contract.as_str())) {
            Some(Spec::Contract(contract)) => is_canary(&contract.vendor),
            _ => false,
        },
        _ => false,
    };
    let integrations = || after.iter().filter(|((kind, _), _)| *kind == Kind::Integration);
    let routes = |spec: &Spec| match spec {
        Spec::Integration(spec) => spec.routes.clone(),
        _ => Vec::new(),
    };
    let own: Vec<String> =
        integrations().filter(|(_, spec)| of_canary(spec)).flat_map(|(_, spec)| routes(spec)).collect();
    let of_others: Vec<String> =
        integrations().filter(|(_, spec)| !of_canary(spec)).flat_map(|(_, spec)| routes(spec)).collect();
    for Prepared { declaration, .. } in resources {
        match &declaration.spec {
            Spec::Vendor(vendor) if vendor.canary && canaries.len() > 1 => {
                let message = format!("there would be {} canaries: {}", canaries.len(), canaries.join(", "));
                faults.push(fault(declaration, "/spec/canary", message, Some("keep one")));
            }
            Spec::Integration(spec) => {
                if spec.door.is_some() && of_canary(&declaration.spec) {
                    let message = "the canary is served at the common door".to_owned();
                    faults.push(fault(declaration, "/spec/door", message, Some("leave `door` out")));
                }
                let others = if of_canary(&declaration.spec) { &of_others } else { &own };
                for (place, route) in
                    spec.routes.iter().enumerate().filter(|(_, route)| others.contains(route))
                {
                    let message = format!("route `{route}` would be the canary's and another vendor's");
                    let hint = "the canary has routes of its own";
                    let pointer = format!("/spec/routes/{place}");
                    faults.push(fault(declaration, &pointer, message, Some(hint)));
                }
            }
            _ => {}
        }
    }
    check_upstreams(after, (resources, &own), faults);
}

fn check_upstreams(after: &After<'_>, (resources, own): (&[Prepared], &[String]), faults: &mut Vec<Fault>) {
    for route in own {
        let Some(Spec::Route(spec)) = after.get(&(Kind::Route, route.as_str())) else { continue };
        let Some(Spec::Upstream(upstream)) = after.get(&(Kind::Upstream, spec.upstream.as_str())) else {
            continue;
        };
        if is_loopback(&upstream.url) {
            continue;
        }
        let named = |kind: Kind, name: &str| {
            let found = |prepared: &&Prepared| {
                prepared.declaration.spec.kind() == kind && prepared.declaration.name == name
            };
            resources.iter().find(found).map(|prepared| &prepared.declaration)
        };
        let message = format!("the canary would reach `{}`", upstream.url);
        let hint = "its routes lead to this machine alone, such as `http://127.0.0.1:PORT`";
        if let Some(declaration) = named(Kind::Upstream, &spec.upstream) {
            faults.push(fault(declaration, "/spec/url", message, Some(hint)));
        } else if let Some(declaration) = named(Kind::Route, route) {
            faults.push(fault(declaration, "/spec/upstream", message, Some(hint)));
        } else if let Some(first) = resources.first() {
            faults.push(fault(&first.declaration, "", message, Some(hint)));
        }
    }
}

/// By address: a name might lead elsewhere tomorrow.
fn is_loopback(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let address = rest.and_then(|rest| rest.parse::<std::net::SocketAddr>().ok());
    address.is_some_and(|address| address.ip().is_loopback())
}
