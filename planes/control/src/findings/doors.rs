//! Doors of integrations' own that a gate can't open: nobody is served there.

use portcullis_api::findings::{Finding, FindingCode, Severity};
use portcullis_domain::spec::{Kind, Spec};
use portcullis_domain::state::State;

use crate::link::GateStatus;

pub(super) fn find(state: &State, gates: &[GateStatus], found: &mut Vec<Finding>) {
    for (gate, fault) in
        gates.iter().flat_map(|gate| gate.doors_unopened.iter().map(move |fault| (gate, fault)))
    {
        let port = fault.port.get();
        // One that nobody has any more is no fault.
        let Some(name) = whose(state, port) else { continue };
        found.push(Finding {
            severity: Severity::High,
            code: FindingCode::DoorUnopened,
            about: format!("integration/{name}"),
            message: format!(
                "gate `{}` can't open door {port}, where `{name}` alone is served: {}",
                gate.name, fault.why
            ),
            hint:
                "free the port on the gate's host, or declare another `door`; it is tried again each second"
                    .to_owned(),
            due: None,
        });
    }
}

fn whose(state: &State, port: u16) -> Option<&str> {
    let mut integrations = state.of_kind(Kind::Integration);
    let found = integrations.find(|(_, integration)| {
        matches!(&integration.declaration.spec, Spec::Integration(spec) if spec.door == Some(port))
    });
    found.map(|(name, _)| name)
}
