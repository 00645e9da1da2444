//! What is to be done, by whom and by when, over all vendors.

use jiff::Timestamp;
use jiff::civil::Date;
use portcullis_api::work::WorkView;
use portcullis_assurance::work::{ESCALATED_DAYS, Work, open};
use portcullis_domain::ids::VendorId;
use portcullis_domain::spec::{Kind, Spec, VendorSpec};
use portcullis_domain::state::State;

/// Which work is asked for; nothing stands for all.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct WorkFilter {
    pub vendor: Option<String>,
    pub owner: Option<String>,
}

/// What is open, the most pressing first.
pub(crate) fn work(state: &State, filter: &WorkFilter, now: Timestamp) -> Vec<WorkView> {
    let mut views: Vec<WorkView> = vendors(state)
        .filter(|(name, ..)| filter.vendor.as_deref().is_none_or(|wanted| wanted == *name))
        .flat_map(|(name, vendor, spec)| {
            let open = open(&state.dossier(vendor));
            open.into_iter().map(move |work| view(name, spec, work, now))
        })
        .filter(|view| filter.owner.is_none() || view.owner == filter.owner)
        .collect();
    views.sort_by_key(|view| view.due.unwrap_or(Date::MAX));
    views
}

pub(super) fn vendors(state: &State) -> impl Iterator<Item = (&str, VendorId, &VendorSpec)> {
    state.of_kind(Kind::Vendor).filter_map(|(name, resource)| match &resource.declaration.spec {
        Spec::Vendor(spec) => Some((name, VendorId(resource.id), spec)),
        _ => None,
    })
}

fn view(vendor: &str, spec: &VendorSpec, work: Work, now: Timestamp) -> WorkView {
    let days_left = work.days_left(now);
    let Work { kind, id, title, owner, due } = work;
    WorkView {
        vendor: vendor.to_owned(),
        kind,
        id,
        title,
        owner: owner.or_else(|| spec.owner.clone()),
        due,
        days_left,
        escalated: days_left.is_some_and(|left| -left > ESCALATED_DAYS),
    }
}
