//! What must hold between several declarations: keys, paths and limits.

use std::collections::{BTreeMap, BTreeSet};

use super::After;
use crate::command::{Fault, Prepared};
use crate::spec::integration::VENDOR_RECORDS_MAX;
use crate::spec::{Declaration, Kind, Spec};
use crate::state::State;
use crate::state::resources::fault;

/// A page is reserved whole: one that is larger than a limit would never pass.
pub fn check_pages(after: &After<'_>, resources: &[Prepared], faults: &mut Vec<Fault>) {
    let declared = |kind: Kind, name: &str| {
        let found = |prepared: &&Prepared| {
            prepared.declaration.spec.kind() == kind && prepared.declaration.name == name
        };
        resources.iter().find(found).map(|prepared| &prepared.declaration)
    };
    for ((_, name), integration) in after.range((Kind::Integration, "")..) {
        let Spec::Integration(spec) = integration else { break };
        let records = &spec.limits.records;
        let limit = records.per_client.min(records.per_integration).min(of_vendor(after, &spec.contract));
        for (place, route) in spec.routes.iter().enumerate() {
            let Some(Spec::Route(route_spec)) = after.get(&(Kind::Route, route.as_str())) else { continue };
            let Some(page_max) = route_spec.page_max.filter(|page_max| *page_max > limit) else { continue };
            let message = format!(
                "pages of route `{route}` have up to {page_max} records, and integration `{name}` may take {limit} in ten seconds"
            );
            if let Some(declaration) = declared(Kind::Integration, name) {
                faults.push(fault(declaration, &format!("/spec/routes/{place}"), message, None));
            } else if let Some(declaration) = declared(Kind::Route, route) {
                faults.push(fault(declaration, "/spec/page_max", message, None));
            }
        }
    }
}

/// Records that the vendor behind a contract may take in ten seconds.
fn of_vendor(after: &After<'_>, contract: &str) -> u64 {
    let vendor = match after.get(&(Kind::Contract, contract)) {
        Some(Spec::Contract(contract)) => after.get(&(Kind::Vendor, contract.vendor.as_str())),
        _ => None,
    };
    match vendor {
        Some(Spec::Vendor(vendor)) => vendor.records_max.unwrap_or(VENDOR_RECORDS_MAX),
        _ => VENDOR_RECORDS_MAX,
    }
}

/// One key belongs to one client: otherwise nobody could say who called.
pub fn check_keys(state: &State, resources: &[Prepared], faults: &mut Vec<Fault>) {
    let replaced: BTreeSet<&str> = resources
        .iter()
        .filter(|prepared| prepared.declaration.spec.kind() == Kind::Client)
        .map(|prepared| prepared.declaration.name.as_str())
        .collect();
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, client) in state.of_kind(Kind::Client) {
        if !replaced.contains(name) {
            owners.extend(client.keys.iter().map(|key| (key.thumbprint.as_str(), name)));
        }
    }
    for prepared in resources {
        for key in &prepared.keys {
            let owner = owners.insert(&key.thumbprint, &prepared.declaration.name);
            if let Some(owner) = owner
                && owner != prepared.declaration.name
            {
                faults.push(fault(
                    &prepared.declaration,
                    "/spec",
                    format!("key `{}` is registered for client `{owner}` already", key.thumbprint),
                    Some("give each client a key of its own"),
                ));
            }
        }
    }
}

/// Two routes must not answer to the same request.
pub fn check_paths(after: &After<'_>, resources: &[Prepared], faults: &mut Vec<Fault>) {
    let shape = |path: &str| -> String {
        let segments = path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
        segments.collect::<Vec<_>>().join("/")
    };
    for Prepared { declaration, .. } in resources {
        let Spec::Route(spec) = &declaration.spec else { continue };
        for ((_, other_name), other) in after.range((Kind::Route, "")..) {
            let Spec::Route(other) = other else { break };
            let meets = other.methods.iter().any(|method| spec.methods.contains(method));
            if *other_name != declaration.name && meets && shape(&other.path) == shape(&spec.path) {
                let message = format!("route `{other_name}` answers to the same path and method");
                faults.push(fault(declaration, "/spec/path", message, None));
            }
        }
    }
    check_router(after, resources, faults);
}

/// The gate's own router must take all of the templates together.
fn check_router(after: &After<'_>, resources: &[Prepared], faults: &mut Vec<Fault>) {
    let mut router = matchit::Router::new();
    let mut taken = BTreeSet::new();
    let declared: BTreeMap<&str, &Declaration> = resources
        .iter()
        .filter(|prepared| prepared.declaration.spec.kind() == Kind::Route)
        .map(|prepared| (prepared.declaration.name.as_str(), &prepared.declaration))
        .collect();
    // Those that are known come first, so that the new one is the one that doesn't fit.
    let routes = after.range((Kind::Route, "")..).map_while(|((_, name), spec)| match spec {
        Spec::Route(route) => Some((*name, route)),
        _ => None,
    });
    let mut routes: Vec<_> = routes.collect();
    routes.sort_by_key(|(name, _)| declared.contains_key(name));
    for (name, route) in routes {
        let well_formed = crate::spec::route::check_template(&route.path).is_ok();
        // Routes of one template differ in their methods, and share one place in the router.
        if !well_formed || !taken.insert(&route.path) {
            continue;
        }
        let said = faults
            .iter()
            .any(|fault| fault.kind == Kind::Route && fault.name == name && fault.pointer == "/spec/path");
        if let (Err(error), Some(declaration)) = (router.insert(&route.path, ()), declared.get(name))
            && !said
        {
            let message = format!("its path can't be told from another route's: {error}");
            let hint = "name the parameters alike, or give the routes different paths";
            faults.push(fault(declaration, "/spec/path", message, Some(hint)));
        }
    }
}
