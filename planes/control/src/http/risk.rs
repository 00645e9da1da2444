//! Where clients stand, which policies are in force, and analysts' words on decisions.

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use portcullis_api::problem::Problem;
use portcullis_api::risk::JudgeRequest;
use portcullis_domain::decision::DecisionId;
use portcullis_domain::ids::ClientId;
use portcullis_domain::spec::Kind;

use super::authorize::Caller;
use super::read::{Json, Parameters};
use super::reply::{Refused, Reply, failed, json, not_found};
use crate::control::Control;
use crate::control::risk::{About, JudgeError};

pub async fn client(State(control): State<Control>, Path(name): Path<String>) -> Reply {
    let state = control.state();
    let client = state.resource(Kind::Client, &name).map(|client| ClientId(client.id));
    let client = client.ok_or_else(|| not_found(format!("there is no client `{name}`")))?;
    let told = tokio::task::spawn_blocking(move || (control.client_risk(client, &name), name)).await;
    match told {
        Ok((Some(view), _)) => Ok(json(StatusCode::OK, &view)),
        Ok((None, name)) => {
            let problem =
                Problem::new(404, "not found", format!("no gate has told yet where client `{name}` stands"));
            Err(problem.hint("it does after the client's first request since the start").into())
        }
        Err(error) => Err(failed(500, "a client's standing can't be told", &error)),
    }
}

pub async fn in_force(State(control): State<Control>, RawQuery(query): RawQuery) -> Reply {
    let mut parameters = Parameters::new(query.as_deref())?;
    let about = About {
        vendor: parameters.take("vendor"),
        integration: parameters.take("integration"),
        route: parameters.take("route"),
    };
    parameters.finish()?;
    Ok(json(StatusCode::OK, &control.in_force(&about)))
}

pub async fn judge(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Path(id): Path<String>,
    Json(request): Json<JudgeRequest>,
) -> Reply {
    let id: DecisionId = super::decisions::id(&id)?;
    let looking = control.clone();
    let judged = tokio::task::spawn_blocking(move || looking.judged(id)).await;
    let judged = judged.map_err(|error| failed(500, "decisions can't be looked up", &error))?;
    let view =
        control.judge_decision(judged.map_err(|error| refused(id, error))?, request, operator.id).await?;
    Ok(json(StatusCode::OK, &view))
}

fn refused(id: DecisionId, error: JudgeError) -> Refused {
    match error {
        JudgeError::Unknown => {
            not_found(format!("no decision `{id}` is known, or its record is kept no longer"))
        }
        JudgeError::NotScored => {
            let detail = format!("decision `{id}` was not scored: there is nothing to say about it");
            let hint = "judge one that `explain` shows with points";
            Problem::new(409, "not scored", detail).hint(hint).into()
        }
        JudgeError::Log(error) => failed(500, "decisions can't be looked up", &error),
    }
}
