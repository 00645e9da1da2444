//! Exercises: what there is, what was run, and walks on paper.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use portcullis_api::exercises::{CanaryRequest, LiveRequest, PaperRequest, RunView};
use portcullis_api::problem::Problem;
use portcullis_domain::ids::OperatorId;
use portcullis_domain::personal::reveal;
use serde_json::Value;

use super::authorize::Caller;
use super::read::{Json, Parameters};
use super::reply::{Refused, Reply, json};
use crate::control::Control;
use crate::exercises::{self, PaperError, Rehearsing, WhatToRun};

pub async fn list(State(control): State<Control>) -> Reply {
    Ok(json(StatusCode::OK, &exercises::list(&control.state())))
}

pub async fn runs(State(control): State<Control>, RawQuery(query): RawQuery) -> Reply {
    let mut parameters = Parameters::new(query.as_deref())?;
    let exercise = parameters.take("exercise");
    let limit = parameters.limit()?;
    parameters.finish()?;
    let runs = exercises::runs(&control.state(), exercise.as_deref(), limit as usize);
    let shown: Vec<Value> = runs.iter().map(shown).collect();
    Ok(json(StatusCode::OK, &shown))
}

pub async fn paper(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Path(name): Path<String>,
    Json(request): Json<PaperRequest>,
) -> Reply {
    let run = control.run_paper(&name, request, operator.id).await?;
    Ok(json(StatusCode::CREATED, &shown(&run)))
}

pub async fn live(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Path(name): Path<String>,
    Json(request): Json<LiveRequest>,
) -> Reply {
    let what = control.exercise(&name).map_err(Refused)?;
    run(&control, what, operator.id, &request).await
}

pub async fn drill(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<LiveRequest>,
) -> Reply {
    run(&control, WhatToRun::Drill, operator.id, &request).await
}

async fn run(control: &Control, what: WhatToRun, by: OperatorId, request: &LiveRequest) -> Reply {
    let outcome = rehearsing(control)?.run(what, Some(by), request.dry_run).await.map_err(Refused)?;
    let shown = serde_json::to_value(&outcome).map(reveal).unwrap_or_default();
    Ok(json(StatusCode::OK, &shown))
}

pub async fn progress(State(control): State<Control>) -> Reply {
    Ok(json(StatusCode::OK, &rehearsing(&control)?.progress()))
}

pub async fn make_canary(
    State(control): State<Control>,
    Json(CanaryRequest { wireguard }): Json<CanaryRequest>,
) -> Reply {
    Ok(json(StatusCode::OK, &rehearsing(&control)?.make(wireguard).await.map_err(Refused)?))
}

fn rehearsing(control: &Control) -> Result<Arc<dyn Rehearsing>, Refused> {
    control.rehearsing().ok_or_else(|| {
        Problem::new(409, "no machines here", "this process has no canary to run exercises on").into()
    })
}

/// As an operator reads it: with what people said, as far as it is still there.
pub(super) fn shown(run: &RunView) -> Value {
    serde_json::to_value(run).map(reveal).unwrap_or_default()
}

impl From<PaperError> for Refused {
    fn from(error: PaperError) -> Self {
        match error {
            PaperError::Problem(problem) => Self(problem),
            PaperError::Execute(error) => error.into(),
        }
    }
}
