//! The ledger, and what tells whether control is well.

use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use portcullis_api::problem::Problem;

use super::reply::{Reply, failed, json};
use crate::control::Control;

pub async fn head(State(control): State<Control>) -> Reply {
    let head = control.head().await.map_err(|error| failed(503, "the ledger can't be read", &error))?;
    Ok(json(StatusCode::OK, &head))
}

pub async fn verify(State(control): State<Control>) -> Reply {
    let report =
        control.verify_ledger().await.map_err(|error| failed(503, "the ledger can't be read", &error))?;
    Ok(json(StatusCode::OK, &report))
}

pub async fn openapi() -> Response<Body> {
    json(StatusCode::OK, &portcullis_api::openapi::document())
}

pub async fn healthz() -> &'static str {
    "ok\n"
}

pub async fn readyz(State(control): State<Control>) -> Result<&'static str, super::reply::Refused> {
    if control.state().installation.is_none() {
        let problem = Problem::new(503, "not ready", "the installation is not founded yet");
        return Err(problem.hint("try again in a moment").into());
    }
    control.head().await.map_err(|error| failed(503, "not ready", &error))?;
    Ok("ready\n")
}
