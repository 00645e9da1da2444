//! Auditors whose signatures over documents count.

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use portcullis_api::auditors::{AuditorAdded, AuditorRemoved, AuditorRequest};
use portcullis_api::problem::Problem;
use portcullis_domain::command::Command;
use portcullis_domain::event::Event;

use super::authorize::Caller;
use super::read::{Json, Parameters};
use super::reply::{Refused, Reply, json, not_found};
use crate::auditors::{self, UnreadKey};
use crate::control::Control;

pub async fn list(State(control): State<Control>) -> Reply {
    Ok(json(StatusCode::OK, &auditors::views(&control.state())))
}

pub async fn add(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<AuditorRequest>,
) -> Reply {
    let keys = auditors::read(&request)?;
    let name = request.name;
    let command = Command::RegisterAuditor { name: name.clone(), keys, by: operator.id };
    let executed = control.execute(command).await?;
    let added = executed.events.iter().map(|event| match event {
        Event::AuditorRegistered(registration) => registration.keys.len(),
        _ => 0,
    });
    let state = control.state();
    let auditor = state.auditors.get(&name).ok_or_else(|| not_found("it was removed meanwhile"))?;
    let auditor = auditors::view(&state, &name, auditor);
    let answer = AuditorAdded { auditor, added: added.sum(), ledger_size: executed.size };
    Ok(json(if answer.added > 0 { StatusCode::CREATED } else { StatusCode::OK }, &answer))
}

pub async fn remove(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply {
    let mut parameters = Parameters::new(query.as_deref())?;
    let reason = parameters.take("reason").unwrap_or_default();
    parameters.finish()?;
    let reason: String = reason.chars().take(1_000).collect();
    let command = Command::RemoveAuditor { name: name.clone(), by: operator.id, reason };
    let executed = control.execute(command).await?;
    Ok(json(StatusCode::OK, &AuditorRemoved { name, ledger_size: executed.size }))
}

impl From<UnreadKey> for Refused {
    fn from(error: UnreadKey) -> Self {
        Problem::of_message(422, "not an auditor's key", &error.to_string()).into()
    }
}
