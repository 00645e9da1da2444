//! The people who may command, and the people who may be forgotten.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_api::operators::{
    EraseAnswer, EraseRequest, OperatorAdded, OperatorRemoved, OperatorRequest, OperatorView, Secret,
};
use portcullis_api::problem::Problem;
use portcullis_domain::command::Command;
use portcullis_domain::personal::Personal;

use super::authorize::Caller;
use super::read::Json;
use super::reply::{Reply, json};
use crate::control::{Control, token_digest};

const NAME_CHARACTERS_MAX: usize = 64;

pub async fn list(State(control): State<Control>, Extension(Caller(you)): Extension<Caller>) -> Reply {
    let state = control.state();
    let mut operators: Vec<OperatorView> = state
        .operators
        .values()
        .map(|operator| OperatorView {
            id: operator.id,
            name: operator.name.text().to_owned(),
            you: operator.id == you.id,
            subject: operator.name.subject(),
        })
        .collect();
    operators.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(json(StatusCode::OK, &operators))
}

pub async fn add(State(control): State<Control>, Json(request): Json<OperatorRequest>) -> Reply {
    let name = request.name.trim();
    let good = (1..=NAME_CHARACTERS_MAX).contains(&name.chars().count())
        && !name.chars().any(|letter| letter.is_control() || letter == '/');
    if !good {
        let problem = Problem::new(422, "not a name", "this can't be an operator's name");
        return Err(problem.hint("use 1 to 64 characters, without `/`").into());
    }
    let mut random = [0; 32];
    (control.entropy())(&mut random);
    let token = format!("pcl_{}", URL_SAFE_NO_PAD.encode(random));
    let name = name.to_owned();
    let command =
        Command::AddOperator { name: Personal::Plain(name.clone()), token_sha256: token_digest(&token) };
    control.execute(command).await?;
    Ok(json(StatusCode::CREATED, &OperatorAdded { name, token: Secret(token) }))
}

pub async fn remove(State(control): State<Control>, Path(name): Path<String>) -> Reply {
    control.execute(Command::RemoveOperator { name: name.clone() }).await?;
    let single_operator = control.state().operators.len() <= 1;
    Ok(json(StatusCode::OK, &OperatorRemoved { name, single_operator }))
}

pub async fn erase(State(control): State<Control>, Json(request): Json<EraseRequest>) -> Reply {
    let executed = control.execute(Command::EraseSubject { subject: request.subject }).await?;
    Ok(json(StatusCode::OK, &EraseAnswer { subject: request.subject, ledger_size: executed.size }))
}
