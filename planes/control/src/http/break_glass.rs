//! Credentials for the night in which nobody can sign in.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_api::break_glass::{BreakGlassRequest, BreakGlassSealed, BreakGlassView};
use portcullis_api::operators::Secret;
use portcullis_domain::command::Command;

use super::authorize::Caller;
use super::read::Json;
use super::reply::{Reply, json};
use crate::control::{Control, token_digest};
use crate::severing::operator_name;

pub async fn list(State(control): State<Control>) -> Reply {
    let state = control.state();
    let now = control.clock().now();
    let views = state.break_glass.values().map(|known| BreakGlassView {
        name: known.seal.name.clone(),
        sealed_by: operator_name(&state, known.seal.by),
        sealed_at: known.seal.time,
        opened_at: known.opened_at,
        good: known.is_good(now),
    });
    let mut views: Vec<BreakGlassView> = views.collect();
    views.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(json(StatusCode::OK, &views))
}

pub async fn seal(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<BreakGlassRequest>,
) -> Reply {
    let mut random = [0; 32];
    (control.entropy())(&mut random);
    let token = format!("pbg_{}", URL_SAFE_NO_PAD.encode(random));
    let BreakGlassRequest { name } = request;
    let token_sha256 = token_digest(&token);
    let command = Command::SealBreakGlass { name: name.clone(), token_sha256, by: operator.id };
    control.execute(command).await?;
    Ok(json(StatusCode::CREATED, &BreakGlassSealed { name, token: Secret(token) }))
}

pub async fn remove(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Path(name): Path<String>,
) -> Reply {
    control.execute(Command::RemoveBreakGlass { name: name.clone(), by: operator.id }).await?;
    Ok(json(StatusCode::OK, &portcullis_api::break_glass::BreakGlassRemoved { name }))
}
