//! What severing would stop, before anything is.

use std::collections::BTreeMap;

use portcullis_api::severing::{SeverPreview, StoppedService};
use portcullis_domain::command::Refusal;
use portcullis_domain::ids::ClientId;
use portcullis_domain::state::State;
use portcullis_domain::target::{Target, TargetName};
use portcullis_network::cut::Cut;

use super::receipt::{shared_of, single_operator_note};
use super::{absent_arms, clients_under, severance_view};
use crate::arms::Enforcer;
/// What severing a target would stop. `session_of` is the client of a session, where one is asked for.
pub(crate) fn preview(
    state: &State,
    name: &TargetName,
    session_of: Option<ClientId>,
    enforcer: &Enforcer,
) -> Result<SeverPreview, Refusal> {
    let target = match (name, session_of) {
        (TargetName::Session(session), Some(client)) => Target::Session { client, session: session.clone() },
        _ => state.known_target(name)?,
    };
    let cut = enforcer.would_cut(state, &target);
    Ok(SeverPreview {
        target: state.name_of(&target),
        clients: clients_under(state, &target).into_iter().map(|(_, name)| name).collect(),
        routes: state.routes_reached(&target).into_iter().collect(),
        open: state.severances_of(&target).map(|severance| severance_view(state, severance)).collect(),
        services: services_under(state, &target),
        paths: cut.as_ref().map(paths_of).unwrap_or_default(),
        shared_addresses: cut.as_ref().map(shared_of).unwrap_or_default(),
        absent_arms: absent_arms(&enforcer.standing()),
        restore_needs_two: target.needs_two(),
        single_operator: state.operators.len() == 1,
        notes: single_operator_note(state, &target).into_iter().collect(),
        told: None,
        target_id: target,
    })
}

fn paths_of(cut: &Cut) -> Vec<String> {
    let tunnels = cut.tunnels.iter().map(|tunnel| format!("tunnel/{}", tunnel.name));
    tunnels.chain(cut.networks.iter().map(|network| format!("network/{network}"))).collect()
}

/// Integrations that stop, with what they are for and whose they are.
fn services_under(state: &State, target: &Target) -> Vec<StoppedService> {
    let mut services: BTreeMap<String, StoppedService> = BTreeMap::new();
    for standing in state.standings() {
        let under = match target {
            Target::Vendor { id } => standing.vendor_id() == *id,
            Target::Integration { id } => standing.integration_id() == *id,
            Target::Client { id } | Target::Key { client: id, .. } | Target::Session { client: id, .. } => {
                standing.client_id() == *id
            }
        };
        if !under {
            continue;
        }
        let (integration, vendor) = (standing.integration_spec, standing.vendor_spec);
        let name = standing.integration.declaration.name.clone();
        services.entry(name.clone()).or_insert_with(|| StoppedService {
            integration: name,
            purpose: integration.purpose.clone(),
            business_unit: integration.business_unit.clone().or_else(|| vendor.business_unit.clone()),
            owner: integration.owner.clone().or_else(|| vendor.owner.clone()),
        });
    }
    services.into_values().collect()
}
