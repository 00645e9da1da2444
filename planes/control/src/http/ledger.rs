//! The ledger, and what tells whether control is well.

use std::fmt::Write as _;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
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

/// Prometheus text format 0.0.4. Names of vendors and clients are not in it: it is public.
pub async fn metrics(State(control): State<Control>) -> Response<Body> {
    let state = control.state();
    let mut text = String::new();
    let gauge = |text: &mut String, name: &str, help: &str, value: usize| {
        // Writing to a string can't fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
    };
    let size = usize::try_from(state.size).unwrap_or(usize::MAX);
    gauge(&mut text, "portcullis_ledger_size", "Events in the ledger.", size);
    gauge(&mut text, "portcullis_severances_open", "Severances in force.", state.severances.len());
    gauge(&mut text, "portcullis_gates", "Gates that are attached.", control.gates().len());
    let _ = writeln!(
        text,
        "# HELP portcullis_decisions_total Decisions that gates reported since the start.\n# TYPE portcullis_decisions_total counter"
    );
    for (verdict, count) in control.decision_counts() {
        let _ = writeln!(text, "portcullis_decisions_total{{verdict=\"{}\"}} {count}", verdict.as_str());
    }
    if let Some(process) = control.process() {
        (process.metrics)(&mut text);
    }
    let mut response = Response::new(Body::from(text));
    let media = HeaderValue::from_static("text/plain; version=0.0.4");
    response.headers_mut().insert(CONTENT_TYPE, media);
    response
}
