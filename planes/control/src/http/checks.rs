//! What the process can see of its surroundings.

use axum::extract::State;
use axum::http::StatusCode;
use portcullis_api::checks::{Check, Health};

use super::reply::{Reply, json};
use crate::control::Control;

pub async fn list(State(control): State<Control>) -> Reply {
    let mut checks = gates(&control);
    if let Some(process) = control.process() {
        checks.extend((process.checks)(control.snapshot_facts()).await);
    }
    Ok(json(StatusCode::OK, &checks))
}

fn gates(control: &Control) -> Vec<Check> {
    let (size, gates) = (control.state().size, control.gates());
    if gates.is_empty() {
        let check = Check::new("gate link", Health::Bad, "no gate is attached");
        return vec![check.hint("look at the log: its cores say why they ended")];
    }
    let check = |gate: crate::link::GateStatus| match gate.snapshot {
        Some(snapshot) => {
            let behind = size.saturating_sub(snapshot);
            let detail = format!("`{}` decides by snapshot {snapshot}, {behind} events behind", gate.name);
            Check::new("gate link", Health::Good, detail)
        }
        None => Check::new("gate link", Health::Bad, format!("`{}` has no snapshot", gate.name)),
    };
    gates.into_iter().map(check).collect()
}
