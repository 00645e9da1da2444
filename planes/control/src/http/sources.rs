//! Registers, lists and catalogues, and what a look at them finds.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use portcullis_api::problem::Problem;
use portcullis_api::sources::{CheckRequest, ScreenRequest, SourceRefreshRequest};

use super::authorize::Caller;
use super::read::{Json, LongJson};
use super::reply::{Reply, json, not_found};
use crate::assurance::looking::LookError;
use crate::assurance::sources::NotNow;
use crate::control::Control;

pub async fn list(State(control): State<Control>) -> Reply {
    Ok(json(StatusCode::OK, &control.sources().views()))
}

pub async fn refresh(
    State(control): State<Control>,
    Path(name): Path<String>,
    Json(request): Json<SourceRefreshRequest>,
) -> Reply {
    // A task of its own: it goes on to its end when the operator has gone.
    let (asked, own) = (name.clone(), control.clone());
    let refreshed = tokio::spawn(async move { own.refresh_source(&asked, request.accept).await }).await;
    let shown: String = name.chars().take(80).collect();
    match refreshed {
        Ok(Ok(view)) => Ok(json(StatusCode::OK, &view)),
        Ok(Err(NotNow::Unknown)) => {
            let problem = Problem::new(404, "not found", format!("there is no source `{shown}`"));
            Err(problem.hint("`sources` of `settings.json` has them; it is read at a start").into())
        }
        Ok(Err(NotNow::UnderWay)) => {
            let problem = Problem::new(409, "under way", format!("source `{shown}` is being fetched"));
            Err(problem.hint("look at `portcullis source list` in a moment").into())
        }
        Err(_) => {
            Err(Problem::new(503, "not ready", "control is stopping").hint("try again in a moment").into())
        }
    }
}

/// Records nothing.
pub async fn screen(State(control): State<Control>, LongJson(request): LongJson<ScreenRequest>) -> Reply {
    match control.try_screening(request).await {
        Ok(report) => Ok(json(StatusCode::OK, &report)),
        Err(error) => Err(refused(error)),
    }
}

pub async fn check(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Path(name): Path<String>,
    LongJson(request): LongJson<CheckRequest>,
) -> Reply {
    match control.check_vendor(&name, request, operator.id).await {
        Ok(answer) => Ok(json(StatusCode::OK, &answer)),
        Err(error) => Err(refused(error)),
    }
}

fn refused(error: LookError) -> super::reply::Refused {
    match error {
        LookError::Vendor(name) => {
            not_found(format!("there is no vendor `{}`", name.chars().take(80).collect::<String>()))
        }
        LookError::Execute(error) => error.into(),
        other => Problem::of_message(422, "it can't be read", &other.to_string()).into(),
    }
}
