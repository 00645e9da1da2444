//! What holds for a resource beyond its spec.

mod source;

use jiff::Timestamp;
use portcullis_api::access::AccessView;
use portcullis_api::resource::{KeyView, ResourceView, StatusView, TermView};
use portcullis_domain::event::KeyForm;
use portcullis_domain::ids::{ClientId, IntegrationId, VendorId};
use portcullis_domain::spec::{Kind, Spec};
use portcullis_domain::state::{Resource, State};
use portcullis_domain::target::Target;

use crate::control::Control;

pub fn resource(control: &Control, state: &State, name: &str, resource: &Resource) -> ResourceView {
    let now = control.clock().now();
    let status =
        StatusView { source: source::of(control, state, resource), ..status(state, name, resource, now) };
    ResourceView::new(name, resource, status)
}

fn status(state: &State, name: &str, resource: &Resource, now: Timestamp) -> StatusView {
    let targets = closing(state, name, resource);
    let severances: Vec<uuid::Uuid> = state
        .severances
        .values()
        .filter(|severance| targets.contains(&severance.target))
        .map(|severance| severance.id.0)
        .collect();
    let kind = resource.declaration.spec.kind();
    let has_epoch = matches!(kind, Kind::Vendor | Kind::Integration | Kind::Client);
    StatusView {
        severed: !severances.is_empty(),
        severances,
        access: access(state, name, resource, now),
        epoch: has_epoch.then(|| state.epoch(resource.id)),
        term: term(resource),
        keys: keys(state, resource),
        mapped_by: mapped_by(state, name, kind),
        source: None,
    }
}

/// What the vendor that it belongs to may have.
fn access(state: &State, name: &str, resource: &Resource, now: Timestamp) -> Option<AccessView> {
    let vendor = match resource.declaration.spec {
        Spec::Vendor(_) => Some(VendorId(resource.id)),
        Spec::Integration(_) => state.vendor_of_integration(name).map(|vendor| VendorId(vendor.id)),
        Spec::Client(_) => state.standing(name).map(|standing| standing.vendor_id()),
        _ => None,
    };
    vendor.map(|vendor| state.access(vendor, now).into())
}

/// The targets whose severance closes every path of the resource.
fn closing(state: &State, name: &str, resource: &Resource) -> Vec<Target> {
    match &resource.declaration.spec {
        Spec::Vendor(_) => vec![Target::Vendor { id: VendorId(resource.id) }],
        Spec::Integration(_) => {
            let mut targets = vec![Target::Integration { id: IntegrationId(resource.id) }];
            let vendor = state.vendor_of_integration(name);
            targets.extend(vendor.map(|vendor| Target::Vendor { id: VendorId(vendor.id) }));
            targets
        }
        Spec::Client(_) => {
            let mut targets = vec![Target::Client { id: ClientId(resource.id) }];
            if let Some(standing) = state.standing(name) {
                targets.push(Target::Integration { id: standing.integration_id() });
                targets.push(Target::Vendor { id: standing.vendor_id() });
            }
            targets
        }
        Spec::Tunnel(spec) => {
            let integration = state.resource(Kind::Integration, &spec.integration);
            integration.map_or_else(Vec::new, |found| closing(state, &spec.integration, found))
        }
        Spec::Contract(_)
        | Spec::Upstream(_)
        | Spec::Route(_)
        | Spec::Policy(_)
        | Spec::Feed(_)
        | Spec::Exercise(_) => Vec::new(),
        Spec::Issuer(spec) => closing_vendor(state, &spec.vendor),
        Spec::TrustDomain(spec) => closing_vendor(state, &spec.vendor),
    }
}

/// What closes a vendor closes whoever vouches for its clients.
fn closing_vendor(state: &State, vendor: &str) -> Vec<Target> {
    let vendor = state.resource(Kind::Vendor, vendor);
    vendor.map(|vendor| Target::Vendor { id: VendorId(vendor.id) }).into_iter().collect()
}

fn term(resource: &Resource) -> Option<TermView> {
    let Spec::Contract(contract) = &resource.declaration.spec else { return None };
    let (starts, ends): (Timestamp, Timestamp) = contract.term().ok()?;
    Some(TermView { starts, ends })
}

fn mapped_by(state: &State, name: &str, kind: Kind) -> Vec<String> {
    let by = state.mapped_by(name).filter(|_| kind == Kind::Client);
    by.map(|(kind, by)| format!("{}/{by}", kind.as_str().to_ascii_lowercase())).collect()
}

fn keys(state: &State, resource: &Resource) -> Vec<KeyView> {
    let keys = resource.keys.iter();
    keys.map(|key| KeyView {
        thumbprint: key.thumbprint.clone(),
        form: match key.form {
            KeyForm::Jwk => "jwk".to_owned(),
            KeyForm::Certificate => "certificate".to_owned(),
        },
        refused: state.refused_keys.contains_key(&key.thumbprint),
    })
    .collect()
}
