//! Tunnels.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use portcullis_api::tunnels::{
    TunnelCredentialsRequest, TunnelPersonRequest, TunnelPersonRevokeRequest, TunnelRenderRequest,
};

use super::authorize::Caller;
use super::read::Json;
use super::reply::{Reply, json};
use crate::control::Control;

pub async fn list(State(control): State<Control>) -> Reply {
    Ok(json(StatusCode::OK, &control.tunnels()))
}

pub async fn show(State(control): State<Control>, Path(name): Path<String>) -> Reply {
    Ok(json(StatusCode::OK, &control.tunnel(&name)?))
}

pub async fn credentials(
    State(control): State<Control>,
    Path(name): Path<String>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<TunnelCredentialsRequest>,
) -> Reply {
    Ok(json(StatusCode::CREATED, &control.issue_tunnel_credentials(&name, request, operator.id).await?))
}

pub async fn add_person(
    State(control): State<Control>,
    Path(name): Path<String>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<TunnelPersonRequest>,
) -> Reply {
    Ok(json(StatusCode::CREATED, &control.add_tunnel_person(&name, request, operator.id).await?))
}

pub async fn revoke_person(
    State(control): State<Control>,
    Path(name): Path<String>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<TunnelPersonRevokeRequest>,
) -> Reply {
    Ok(json(StatusCode::OK, &control.revoke_tunnel_person(&name, request, operator.id).await?))
}

pub async fn render(
    State(control): State<Control>,
    Path(name): Path<String>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<TunnelRenderRequest>,
) -> Reply {
    let answer = control.render_tunnel(&name, &request)?;
    if request.with_secrets {
        tracing::info!(by = %operator.id, tunnel = name, "the secrets of a tunnel were shown");
    }
    Ok(json(StatusCode::OK, &answer))
}
