//! The way out of a vendor.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use portcullis_api::leaving::LeaveRequest;
use portcullis_api::problem::Problem;

use super::authorize::Caller;
use super::read::Json;
use super::reply::{Reply, json, not_found};
use crate::assurance::leaving::LeaveError;
use crate::control::Control;

pub async fn show(State(control): State<Control>, Path(name): Path<String>) -> Reply {
    match control.leave_report(&name) {
        Some(report) => Ok(json(StatusCode::OK, &report)),
        None => Err(not_found(format!("there is no vendor `{}`", name.chars().take(80).collect::<String>()))),
    }
}

pub async fn leave(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Path(name): Path<String>,
    Json(request): Json<LeaveRequest>,
) -> Reply {
    match control.leave(&name, request, operator.id).await {
        Ok(()) => show(State(control), Path(name)).await,
        Err(LeaveError::Execute(error)) => Err(error.into()),
        Err(error @ LeaveError::Held(_)) => {
            Err(Problem::of_message(409, "under legal hold", &error.to_string()).into())
        }
        Err(error @ LeaveError::Shred(_)) => {
            Err(Problem::of_message(503, "not shredded yet", &error.to_string()).into())
        }
    }
}
