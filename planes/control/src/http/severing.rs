//! Severing and restoring.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, response::IntoResponse as _};
use portcullis_api::severing::{ProposalView, RestoreRequest, SeverAnswer, SeverRequest, SeverancesView};
use portcullis_domain::target::TargetName;

use super::authorize::Caller;
use super::read::Json;
use super::reply::{Refused, Reply, json};
use crate::control::Control;
use crate::severing::{operator_name, severance_view};

pub async fn sever(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<SeverRequest>,
) -> Reply {
    let target = target(&request.target)?;
    if request.dry_run {
        return Ok(json(StatusCode::OK, &control.sever_preview(&target)?));
    }
    let receipt = control.sever(target, operator.id, request.reason).await?;
    // Something is still being tried: a gate hasn't confirmed, or nothing holds it over a restart.
    let status = match receipt.answer {
        SeverAnswer::CutNotRecorded | SeverAnswer::RecordedNotConfirmed => StatusCode::ACCEPTED,
        SeverAnswer::Severed | SeverAnswer::SeveredReserved => StatusCode::OK,
    };
    Ok(json(status, &receipt))
}

pub async fn list(State(control): State<Control>) -> Reply {
    let state = control.state();
    let now = control.clock().now();
    let open = state.severances.values().map(|severance| severance_view(&state, severance)).collect();
    let proposals = state
        .proposals
        .values()
        .filter(|proposal| proposal.expires_at > now)
        .map(|proposal| ProposalView {
            id: proposal.id,
            target: state.name_of(&proposal.target),
            target_id: proposal.target.clone(),
            severances: proposal.severances.clone(),
            proposed_by: operator_name(&state, proposal.proposed_by),
            expires_at: proposal.expires_at,
        })
        .collect();
    let view = SeverancesView { open, proposals, single_operator: state.operators.len() <= 1 };
    Ok(json(StatusCode::OK, &view).into_response())
}

pub async fn restore(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<RestoreRequest>,
) -> Reply {
    let target = target(&request.target)?;
    let answer = match request.confirm {
        Some(proposal) => control.confirm_restore(proposal, target, operator.id).await?,
        None => control.propose_restore(target, operator.id).await?,
    };
    Ok(json(StatusCode::OK, &answer))
}

pub(super) fn target(text: &str) -> Result<TargetName, Refused> {
    text.parse().map_err(|error: portcullis_domain::target::TargetNameError| {
        portcullis_api::problem::Problem::of_message(400, "not a target", &error.to_string()).into()
    })
}
