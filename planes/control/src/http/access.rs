//! What vendors may have at all.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use portcullis_api::access::{HoldVendorRequest, ReleaseVendorRequest, VendorAccessAnswer};
use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::ids::VendorId;
use portcullis_domain::spec::Kind;

use super::authorize::Caller;
use super::read::Json;
use super::reply::{Refused, Reply, json};
use crate::control::Control;

pub async fn hold(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Path(name): Path<String>,
    Json(request): Json<HoldVendorRequest>,
) -> Reply {
    let HoldVendorRequest { level, reason } = request;
    let command = Command::HoldVendor { vendor: name.clone(), level, by: operator.id, reason };
    changed(&control, command, name).await
}

pub async fn release(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Path(name): Path<String>,
    Json(request): Json<ReleaseVendorRequest>,
) -> Reply {
    let command = Command::ReleaseVendor { vendor: name.clone(), by: operator.id, reason: request.reason };
    changed(&control, command, name).await
}

/// Answers when the gates decide by it, or says which don't yet.
async fn changed(control: &Control, command: Command, vendor: String) -> Reply {
    let (ledger_size, gates_behind) = control.execute_at_gates(command).await?;
    let state = control.state();
    let found = state.resource(Kind::Vendor, &vendor).map(|found| VendorId(found.id));
    let Some(id) = found else {
        return Err(Refused::from(Refusal::Unknown { kind: "vendor", name: vendor }));
    };
    let access = state.access(id, control.clock().now()).into();
    Ok(json(StatusCode::OK, &VendorAccessAnswer { vendor, access, ledger_size, gates_behind }))
}
