//! What came of asking to restore, in words.

use portcullis_api::severing::RestoreAnswer;
use portcullis_domain::event::{Event, Restoration, RestoreProposal};
use portcullis_domain::state::State;
use portcullis_domain::target::Target;

use crate::severing::operator_name;

/// `behind` are the gates that don't decide by it yet. `None` when `events` are of another command.
pub(crate) fn answer(state: &State, events: &[Event], behind: &[String]) -> Option<RestoreAnswer> {
    events.iter().find_map(|event| match event {
        Event::RestoreProposed(proposal) => Some(proposed(state, proposal)),
        Event::RestoreRefused(refusal) => Some(RestoreAnswer::Refused {
            id: refusal.id,
            target: state.name_of(&refusal.target),
            by: operator_name(state, refusal.by),
            reason: refusal.reason.clone(),
        }),
        Event::Restored(restoration) => Some(restored(state, restoration, behind)),
        _ => None,
    })
}

fn proposed(state: &State, proposal: &RestoreProposal) -> RestoreAnswer {
    let target = state.name_of(&proposal.target);
    let single_operator = state.operators.len() == 1;
    let who = if single_operator {
        "there is one operator only, so no second person can look at it: you may confirm it yourself"
    } else {
        "another operator must confirm it"
    };
    RestoreAnswer::Proposed {
        id: proposal.id,
        needs: format!("{who} with `portcullis restore {target} --confirm {}`", proposal.id),
        target,
        severances: proposal.severances.clone(),
        expires_at: proposal.expires_at,
        single_operator,
    }
}

/// Names of the tunnels that a severance of the target took down.
pub(crate) fn tunnels_under(state: &State, target: &Target) -> Vec<String> {
    let under = state.tunnel_standings().filter(|standing| match target {
        Target::Vendor { id } => standing.vendor_id() == *id,
        Target::Integration { id } => standing.integration_id() == *id,
        Target::Client { .. } | Target::Key { .. } | Target::Session { .. } => false,
    });
    under.map(|standing| standing.tunnel.declaration.name.clone()).collect()
}

fn restored(state: &State, restoration: &Restoration, behind: &[String]) -> RestoreAnswer {
    let mut next_steps = Vec::new();
    if restoration.target.needs_two() {
        next_steps.push(
            "register new keys for its clients with `portcullis apply`: the old ones stay refused".to_owned(),
        );
        // Each path opens by itself, when its own credentials are new.
        for tunnel in tunnels_under(state, &restoration.target) {
            next_steps.push(format!(
                "tunnel `{tunnel}` stays down until it has new credentials: `portcullis tunnel credentials {tunnel}`"
            ));
        }
    }
    next_steps.push("tokens from before stay dead: clients must fetch new ones".to_owned());
    for gate in behind {
        next_steps.push(format!("gate `{gate}` doesn't decide by it yet: look at it if that lasts"));
    }
    RestoreAnswer::Restored {
        id: restoration.id,
        target: state.name_of(&restoration.target),
        severances: restoration.severances.clone(),
        epoch: restoration.epoch,
        proposed_by: operator_name(state, restoration.proposed_by),
        confirmed_by: restoration.confirmed_by.map(|operator| operator_name(state, operator)),
        keys_accepted: restoration.keys.clone(),
        single_operator: state.operators.len() == 1,
        next_steps,
    }
}
