//! The ledger, and what tells whether control is well.

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{Response, StatusCode};
use portcullis_api::problem::Problem;
use portcullis_domain::decision::DecisionId;

use super::read::Parameters;
use super::reply::{Reply, bad_request, failed, json, not_found};
use crate::control::{Control, ProvedDecision};
use crate::error::ProveError;

const NUMBER: &str = "a number of events, such as `41`";

pub async fn head(State(control): State<Control>) -> Reply {
    let head = control.head().await.map_err(|error| failed(503, "the ledger can't be read", &error))?;
    Ok(json(StatusCode::OK, &head))
}

pub async fn verify(State(control): State<Control>) -> Reply {
    let report =
        control.verify_ledger().await.map_err(|error| failed(503, "the ledger can't be read", &error))?;
    Ok(json(StatusCode::OK, &report))
}

pub async fn entries(State(control): State<Control>, RawQuery(query): RawQuery) -> Reply {
    let mut parameters = Parameters::new(query.as_deref())?;
    let from = parameters.parsed("from", NUMBER)?.unwrap_or(0);
    let limit = parameters.limit()?;
    parameters.finish()?;
    let entries = control.ledger_entries(from, limit as usize).await;
    let entries = entries.map_err(|error| failed(503, "the ledger can't be read", &error))?;
    Ok(json(StatusCode::OK, &entries))
}

pub async fn prove(State(control): State<Control>, Path(what): Path<String>) -> Reply {
    // Ids of decisions have 26 characters, and no number of an event that will ever be has as many.
    if let Ok(id) = what.parse::<DecisionId>() {
        return prove_decision(&control, id).await;
    }
    let sequence: u64 = what.parse().map_err(|_| {
        let what: String = what.chars().take(60).collect();
        bad_request(
            format!("`{what}` is no number of an event, and no id of a decision"),
            "events are counted from 0; ids of decisions are in `portcullis decisions`",
        )
    })?;
    let proof = control.prove_event(sequence).await;
    let proof = proof.map_err(|error| failed(503, "the ledger can't be read", &error))?;
    let proof = proof.ok_or_else(|| not_found(format!("the ledger has no event `{sequence}`")))?;
    Ok(json(StatusCode::OK, &proof))
}

async fn prove_decision(control: &Control, id: DecisionId) -> Reply {
    match control.prove_decision(id).await {
        Ok(ProvedDecision::Sealed(proof)) => Ok(json(StatusCode::OK, &proof)),
        Ok(ProvedDecision::Waits { due }) => {
            let detail = format!("decision `{id}` is not sealed yet: that is due at `{due}`");
            let problem = Problem::new(409, "not sealed yet", detail);
            Err(problem.hint("try again then, or seal what there is now: `portcullis decisions seal`").into())
        }
        Ok(ProvedDecision::Unknown) => {
            Err(not_found(format!("no decision `{id}` is known, or its record is kept no longer")))
        }
        Err(ProveError::Store(error)) => Err(failed(503, "the ledger can't be read", &error)),
        Err(error) => Err(failed(500, "the decision can't be proved", &error)),
    }
}

pub async fn prove_consistency(State(control): State<Control>, RawQuery(query): RawQuery) -> Reply {
    let mut parameters = Parameters::new(query.as_deref())?;
    let from = parameters.parsed("from", NUMBER)?;
    parameters.finish()?;
    let from = from.ok_or_else(|| bad_request("the query parameter `from` is missing", NUMBER))?;
    let proof = control.prove_consistency(from).await;
    let proof = proof.map_err(|error| failed(503, "the ledger can't be read", &error))?;
    let proof = proof.ok_or_else(|| not_found(format!("the ledger has fewer than `{from}` events")))?;
    Ok(json(StatusCode::OK, &proof))
}

pub async fn openapi() -> Response<Body> {
    json(StatusCode::OK, &portcullis_api::openapi::document())
}

pub async fn healthz() -> &'static str {
    "ok\n"
}

pub async fn readyz(State(control): State<Control>) -> Result<&'static str, super::reply::Refused> {
    if control.is_stopping() {
        let problem = Problem::new(503, "not ready", "the process is being stopped");
        return Err(problem.hint("send what is new elsewhere; what is under way is served").into());
    }
    if control.state().installation.is_none() {
        let problem = Problem::new(503, "not ready", "the installation is not founded yet");
        return Err(problem.hint("try again in a moment").into());
    }
    control.head().await.map_err(|error| failed(503, "not ready", &error))?;
    Ok("ready\n")
}
