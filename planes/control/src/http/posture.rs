//! What is held of clients' machines.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use portcullis_api::posture::{PostureRequest, PushedState};
use portcullis_domain::command::Command;
use portcullis_domain::posture::PushedWord;

use super::authorize::Caller;
use super::read::Json;
use super::reply::{Reply, bad_request, json, not_found};
use crate::control::Control;

/// How long somebody's `good` is good without a word about it.
const GOOD_SECONDS: u32 = 86_400;

pub async fn show(State(control): State<Control>, Path(name): Path<String>) -> Reply {
    let view = control.posture(&name).ok_or_else(|| not_found("there is no such client"))?;
    Ok(json(StatusCode::OK, &view))
}

pub async fn push(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Path(name): Path<String>,
    Json(request): Json<PostureRequest>,
) -> Reply {
    let seconds = request.good_seconds.unwrap_or(GOOD_SECONDS);
    if !(60..=2_592_000).contains(&seconds) {
        return Err(bad_request("a machine must be good for 60 to 2592000 seconds", "choose another time"));
    }
    let word = match request.state {
        PushedState::Failing => PushedWord::Failing,
        PushedState::None => PushedWord::Withdrawn,
        PushedState::Good => {
            let until = control.clock().now().checked_add(SignedDuration::from_secs(seconds.into()));
            PushedWord::Good { until: until.unwrap_or(Timestamp::MAX) }
        }
    };
    let command =
        Command::PushPosture { client: name.clone(), word, by: operator.id, reason: request.reason };
    Ok(json(StatusCode::OK, &control.push_posture(command, &name).await?))
}
