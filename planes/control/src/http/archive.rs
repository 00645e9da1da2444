//! Sealed files of decisions, and what keeps them.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use portcullis_api::decisions::{HoldRequest, HoldView, SealedFileView};
use portcullis_api::page::Page;
use portcullis_domain::archive::LegalHold;
use portcullis_domain::command::{Command, Refusal};

use super::authorize::Caller;
use super::read::{Json, Parameters};
use super::reply::{Refused, Reply, bad_request, failed, json};
use crate::control::Control;
use crate::sealing::SealError;
use crate::severing::operator_name;

pub async fn files(State(control): State<Control>, RawQuery(query): RawQuery) -> Reply {
    let mut parameters = Parameters::new(query.as_deref())?;
    let cursor: Option<String> = parameters.take("cursor");
    let limit = parameters.limit()? as usize;
    parameters.finish()?;
    let state = control.state();
    let mut files = state.sealed.values().rev();
    if let Some(cursor) = cursor {
        // Everything up to the last one of the page before.
        if !files.any(|sealed| sealed.file == cursor) {
            return Err(bad_request("`cursor` names no sealed file", "write the `next` of the page before"));
        }
    }
    let items: Vec<SealedFileView> = files.by_ref().take(limit).map(SealedFileView::from).collect();
    let next = items.last().filter(|_| files.next().is_some()).map(|last| last.file.clone());
    Ok(json(StatusCode::OK, &Page { items, next }))
}

pub async fn verify(State(control): State<Control>) -> Reply {
    let report = tokio::task::spawn_blocking(move || control.verify_decisions()).await;
    match report {
        Ok(Ok(report)) => Ok(json(StatusCode::OK, &report)),
        Ok(Err(error)) => Err(failed(500, "sealed files can't be verified", &error)),
        Err(error) => Err(failed(500, "sealed files can't be verified", &error)),
    }
}

pub async fn acknowledge_missing(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
) -> Reply {
    let refused = "missing segments can't be acknowledged";
    let acknowledged = tokio::task::spawn_blocking(move || control.acknowledge_missing()).await;
    let acknowledged = acknowledged.map_err(|error| failed(500, refused, &error))?;
    let acknowledged = acknowledged.map_err(|error| failed(500, refused, &error))?;
    for segment in &acknowledged {
        tracing::warn!(by = %operator.id, file = segment.file, since = %segment.since, "a missing segment is known and named no more");
    }
    Ok(json(StatusCode::OK, &acknowledged))
}

pub async fn seal(State(control): State<Control>) -> Reply {
    match control.seal_now().await {
        Ok(answer) => Ok(json(StatusCode::OK, &answer)),
        Err(SealError::Ledger(error)) => Err(error.into()),
        Err(error @ SealError::NotRunning) => Err(failed(503, "decisions can't be sealed", &error)),
        Err(error) => Err(failed(500, "decisions can't be sealed", &error)),
    }
}

pub async fn holds(State(control): State<Control>) -> Reply {
    let state = control.state();
    let holds: Vec<_> = state.holds.values().map(|hold| view(&state, hold)).collect();
    Ok(json(StatusCode::OK, &holds))
}

pub async fn place_hold(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<HoldRequest>,
) -> Reply {
    let HoldRequest { vendor, reason } = request;
    control.execute(Command::PlaceHold { vendor: vendor.clone(), by: operator.id, reason }).await?;
    let state = control.state();
    let placed = state.hold_of(&vendor).ok_or_else(|| Refused::from(Refusal::NotHeld(vendor.clone())))?;
    Ok(json(StatusCode::CREATED, &view(&state, placed)))
}

pub async fn lift_hold(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<HoldRequest>,
) -> Reply {
    let HoldRequest { vendor, reason } = request;
    let before = control.state();
    control.execute(Command::LiftHold { vendor: vendor.clone(), by: operator.id, reason }).await?;
    let lifted = before.hold_of(&vendor).ok_or_else(|| Refused::from(Refusal::NotHeld(vendor.clone())))?;
    Ok(json(StatusCode::OK, &view(&before, lifted)))
}

fn view(state: &portcullis_domain::state::State, hold: &LegalHold) -> HoldView {
    HoldView {
        vendor: hold.name.clone(),
        vendor_id: hold.vendor,
        reason: hold.reason.clone(),
        by: operator_name(state, hold.by),
        time: hold.time,
    }
}
