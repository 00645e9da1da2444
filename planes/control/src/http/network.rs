//! The network plan: how it stands, its rules, and what differs from it.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use portcullis_api::network::{
    BypassView, DifferencesView, DroppedView, NetworkView, OwnDoorView, RulesView, SegmentView,
    SegmentationAnswer, SegmentationRequest,
};
use portcullis_api::problem::Problem;
use portcullis_domain::command::Command;
use portcullis_network::order::{FromEnforcer, ToEnforcer};
use portcullis_network::plan::{ClosedBy, NetworkPlan, OwnDoor, Owner, Standing};
use portcullis_network::ruleset;

use super::authorize::Caller;
use super::read::Json;
use super::reply::{Reply, json};
use crate::control::Control;
use crate::link::GateStatus;
use crate::severing::operator_name;

/// Kind of a bypass that is none: the kernel has something else than the plan.
const DIFFERENCE: &str = "difference";

pub async fn show(State(control): State<Control>) -> Reply {
    let state = control.state();
    let plan = control.network_plan_here();
    let names: BTreeMap<_, &str> =
        plan.owned().map(|(owner, _, _)| (owner.vendor, owner.vendor_name.as_str())).collect();
    let dropped = control.dropped().into_iter().map(|of| DroppedView {
        vendor: names.get(&of.vendor).map_or_else(|| of.vendor.to_string(), |name| (*name).to_owned()),
        packets: of.packets,
        bytes: of.bytes,
        packets_per_minute: of.packets_per_minute,
        last_seen: of.last_seen,
    });
    let view = NetworkView {
        segmented: plan.segmented,
        since: state.segmentation.map(|known| known.since),
        by: state.segmentation.map(|known| operator_name(&state, known.by)),
        version: plan.version,
        enforced: control.enforcer_standing().enforced,
        doors: plan.doors.clone(),
        own_doors: own_doors(&plan, &control.gates()),
        balancers: plan.balancers.iter().map(ToString::to_string).collect(),
        segments: segments(&plan),
        dropped: dropped.collect(),
    };
    Ok(json(StatusCode::OK, &view))
}

pub async fn rules(State(control): State<Control>) -> Reply {
    let plan = control.network_plan_here();
    let tables = ruleset::tables(&plan);
    let view = RulesView {
        version: plan.version,
        segmented: plan.segmented,
        text: tables.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        tables: tables.iter().filter_map(|table| serde_json::to_value(table).ok()).collect(),
    };
    Ok(json(StatusCode::OK, &view))
}

pub async fn differences(State(control): State<Control>) -> Reply {
    let (found, failed) = match control.ask_enforcer(|order| ToEnforcer::Inspect { order }).await {
        Ok(FromEnforcer::Inspected { bypasses, failed, .. }) => (bypasses, failed),
        Ok(_) => return Err(unanswered("it gave another answer".to_owned())),
        Err(why) if !control.enforcer_standing().set_up => {
            return Err(Problem::of_message(409, "there is no enforcer", &why).into());
        }
        Err(why) => return Err(unanswered(why)),
    };
    let (differences, bypasses): (Vec<_>, Vec<_>) = found.into_iter().partition(|of| of.kind == DIFFERENCE);
    let bypasses = bypasses.into_iter().map(|of| BypassView {
        kind: of.kind,
        what: of.what,
        why: of.why,
        hint: of.hint,
    });
    let view = DifferencesView {
        segmented: control.network_plan_here().segmented,
        differences: differences.into_iter().map(|of| of.what).collect(),
        bypasses: bypasses.collect(),
        failed: failed.into_iter().map(|fault| format!("{}: {}", fault.arm, fault.why)).collect(),
    };
    Ok(json(StatusCode::OK, &view))
}

pub async fn segment(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(SegmentationRequest { on }): Json<SegmentationRequest>,
) -> Reply {
    let changed = control.state().is_segmented() != on;
    let executed = control.execute(Command::SetSegmentation { on, by: operator.id }).await?;
    // What holds already is in force by a plan of before.
    let size = if changed { executed.size } else { 0 };
    let why_not = control.await_enforced(size).await.err();
    let answer =
        SegmentationAnswer { on, changed, in_force: why_not.is_none(), why_not, ledger_size: executed.size };
    Ok(json(StatusCode::OK, &answer))
}

fn own_doors(plan: &NetworkPlan, gates: &[GateStatus]) -> Vec<OwnDoorView> {
    let faults = |port: u16| {
        let of = |gate: &GateStatus| {
            let fault = gate.doors_unopened.iter().find(|fault| fault.port.get() == port)?;
            Some(format!("{}: {}", gate.name, fault.why))
        };
        gates.iter().filter_map(of).collect()
    };
    let view = |door: &OwnDoor| OwnDoorView {
        port: door.port,
        vendor: door.owner.vendor_name.clone(),
        integration: door.owner.integration_name.clone(),
        faults: faults(door.port),
    };
    let mut views: Vec<OwnDoorView> = plan.own_doors.iter().map(view).collect();
    views.sort_by_key(|view| view.port);
    views
}

fn unanswered(why: String) -> super::reply::Refused {
    Problem::new(503, "the kernel can't be looked at", why).into()
}

fn segments(plan: &NetworkPlan) -> Vec<SegmentView> {
    let view =
        |owner: &Owner, tunnel: Option<&str>, networks: &[ipnet::IpNet], standing: Standing| SegmentView {
            vendor: owner.vendor_name.clone(),
            integration: owner.integration_name.clone(),
            tunnel: tunnel.map(str::to_owned),
            networks: networks.iter().map(ToString::to_string).collect(),
            standing: word(standing).to_owned(),
        };
    let segments = plan.segments.iter().map(|of| view(&of.owner, None, &of.networks, of.standing));
    let tunnels =
        plan.tunnels.iter().map(|of| view(&of.owner, Some(&of.name), &of.remote_networks, of.standing));
    segments.chain(tunnels).collect()
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Open => "open",
        Standing::Closed { why } => match why {
            ClosedBy::Severance { .. } => "severed",
            ClosedBy::Contract => "contract",
            ClosedBy::Access => "access",
            ClosedBy::Credentials => "credentials",
        },
    }
}
