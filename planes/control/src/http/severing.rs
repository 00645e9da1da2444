//! Severing and restoring.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, response::IntoResponse as _};
use portcullis_api::enforcer::{ArmView, EnforcerView};
use portcullis_api::severing::{
    ProposalView, ReceiptsView, RestoreRequest, SeverAnswer, SeverRequest, SeverancesView,
};
use portcullis_domain::target::TargetName;

use super::authorize::Caller;
use super::read::Json;
use super::reply::{Refused, Reply, bad_request, json, not_found};
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
    let receipt = control.sever_telling(target, operator.id, request.reason, request.tell).await?;
    // Something is still being tried: a gate hasn't confirmed, or nothing holds it over a restart.
    let status = match receipt.answer {
        SeverAnswer::CutNotRecorded | SeverAnswer::RecordedNotConfirmed | SeverAnswer::NotEverywhere => {
            StatusCode::ACCEPTED
        }
        SeverAnswer::Severed | SeverAnswer::SeveredReserved | SeverAnswer::ArmClosed => StatusCode::OK,
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

/// The signed receipts, as whoever has the ledger's key can verify them.
pub async fn receipts(State(control): State<Control>, Path(id): Path<String>) -> Reply {
    let state = control.state();
    let found = id.parse().ok().and_then(|severance| Some((severance, state.receipts.get(&severance)?)));
    let Some((severance, notes)) = found else {
        return Err(not_found(format!("there is no receipt of severance `{id}`")));
    };
    let notes = notes.iter().map(ToString::to_string).collect();
    let told = control.telling_of(severance.0);
    Ok(json(StatusCode::OK, &ReceiptsView { severance, notes, told }))
}

pub async fn enforcer(State(control): State<Control>) -> Reply {
    let standing = control.enforcer_standing();
    let arms = standing.arms.into_iter();
    let faults = standing.faults.into_iter();
    let view = EnforcerView {
        set_up: standing.set_up,
        version: standing.version,
        why_lost: standing.why_lost,
        arms: arms.map(|arm| ArmView { arm: arm.arm.to_string(), why: arm.absent }).collect(),
        enforced: standing.enforced,
        faults: faults.map(|fault| ArmView { arm: fault.arm.to_string(), why: Some(fault.why) }).collect(),
    };
    Ok(json(StatusCode::OK, &view))
}

pub async fn restore(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<RestoreRequest>,
) -> Reply {
    let target = target(&request.target)?;
    let answer = match (request.confirm, request.refuse) {
        (Some(_), Some(_)) => {
            return Err(bad_request("it can't be confirmed and refused", "send `confirm` or `refuse`"));
        }
        (Some(proposal), None) => control.confirm_restore(proposal, target, operator.id).await?,
        (None, Some(proposal)) => {
            control.refuse_restore(proposal, target, operator.id, request.reason).await?
        }
        (None, None) => control.propose_restore(target, operator.id).await?,
    };
    Ok(json(StatusCode::OK, &answer))
}

pub(super) fn target(text: &str) -> Result<TargetName, Refused> {
    text.parse().map_err(|error: portcullis_domain::target::TargetNameError| {
        portcullis_api::problem::Problem::of_message(400, "not a target", &error.to_string()).into()
    })
}
