//! Reading settings, certificates and identities anew.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use portcullis_api::problem::Problem;

use super::authorize::Caller;
use super::reply::{Refused, Reply, json};
use crate::control::Control;

pub async fn reload(State(control): State<Control>, Extension(Caller(operator)): Extension<Caller>) -> Reply {
    let Some(process) = control.process() else {
        let problem = Problem::new(503, "not ready", "the process is still starting");
        return Err(problem.hint("try again in a moment").into());
    };
    // A task of its own: it goes on to its end when the operator has gone.
    let answer = tokio::spawn((process.reload)()).await;
    // Not the name: a log is kept by others, and an erasure does not reach it.
    let by = operator.id;
    match answer {
        Ok(Ok(mut answer)) => {
            answer.notes.extend(control.reload_clocks());
            tracing::info!(%by, changed = ?answer.changed, notes = ?answer.notes, "reloaded");
            Ok(json(StatusCode::OK, &answer))
        }
        Ok(Err(problem)) => {
            tracing::warn!(%by, detail = problem.detail, "nothing was reloaded");
            Err(Refused(problem))
        }
        Err(_) => Err(Problem::new(503, "stopping", "the process is stopping").into()),
    }
}
