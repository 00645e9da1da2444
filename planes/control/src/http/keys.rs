//! The keys that tokens are signed with.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use portcullis_api::keys::{RotateRequest, WithdrawRequest, Withdrawn};

use super::authorize::Caller;
use super::read::Json;
use super::reply::{Reply, json};
use crate::control::Control;

pub async fn list(State(control): State<Control>) -> Reply {
    Ok(json(StatusCode::OK, &control.keys()))
}

pub async fn rotate(State(control): State<Control>, Json(request): Json<RotateRequest>) -> Reply {
    Ok(json(StatusCode::OK, &control.rotate_signing_key(request.now).await?))
}

pub async fn withdraw(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<WithdrawRequest>,
) -> Reply {
    let answer = control.withdraw_signing_key(request.kid, operator.id, request.reason).await?;
    let status = match answer.answer {
        Withdrawn::Withdrawn => StatusCode::OK,
        Withdrawn::NotRecorded | Withdrawn::RecordedNotConfirmed => StatusCode::ACCEPTED,
    };
    Ok(json(status, &answer))
}
