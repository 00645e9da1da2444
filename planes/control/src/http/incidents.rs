//! Incidents: what opens them, what is said of them, and the clocks that run.

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use portcullis_api::incidents::{IncidentChangeRequest, IncidentRequest, NoticeRequest};
use portcullis_api::problem::Problem;
use serde_json::Value;

use super::authorize::Caller;
use super::read::{Json, Parameters};
use super::reply::{Refused, Reply, bad_request, json, not_found};
use crate::control::Control;
use crate::incidents::{IncidentError, view};
use crate::oauth::incident::carried;

pub async fn list(State(control): State<Control>, RawQuery(query): RawQuery) -> Reply {
    let mut parameters = Parameters::new(query.as_deref())?;
    let vendor = parameters.take("vendor");
    let open = parameters.parsed::<bool>("open", "`true` or `false`")?.unwrap_or(false);
    parameters.finish()?;
    let lines = view::lines(&control.state(), vendor.as_deref(), open, control.clock().now());
    Ok(json(StatusCode::OK, &lines))
}

pub async fn show(State(control): State<Control>, Path(id): Path<String>) -> Reply {
    Ok(json(StatusCode::OK, &control.incident_view(&id).await?))
}

pub async fn open(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<IncidentRequest>,
) -> Reply {
    Ok(json(StatusCode::CREATED, &control.open_incident_for(request, operator.id).await?))
}

pub async fn change(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Path(id): Path<String>,
    Json(request): Json<IncidentChangeRequest>,
) -> Reply {
    Ok(json(StatusCode::OK, &control.change_incident(&id, request, operator.id).await?))
}

pub async fn clocks(State(control): State<Control>) -> Reply {
    Ok(json(StatusCode::OK, &control.regimes_view()))
}

/// What was taken down, or a signed form that somebody carried here: that is looked at as if its vendor had sent it.
pub async fn notice(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<NoticeRequest>,
) -> Reply {
    let NoticeRequest { vendor, notice, signed, received, incident } = request;
    match (vendor, notice, signed) {
        (Some(vendor), Some(said), None) => {
            let answer = control.take_down_notice(&vendor, said, received, incident, operator.id).await?;
            Ok(json(StatusCode::CREATED, &answer))
        }
        (None, None, Some(_)) if received.is_some() || incident.is_some() => {
            let hint = "leave `received` and `incident` out: its `reference` says what it belongs to";
            Err(bad_request("a signed notice came when it came here, and says what it says", hint))
        }
        (None, None, Some(signed)) => handed_in(&control, signed).await,
        _ => Err(bad_request(
            "there is no notice, or more than one",
            "send `vendor` and `notice`, or `signed` alone",
        )),
    }
}

async fn handed_in(control: &Control, signed: String) -> Reply {
    let answered = control.answer_carried(carried(signed, "127.0.0.1")).await;
    let answered =
        answered.ok_or_else(|| Problem::new(503, "not ready", "the authorization server has not started"))?;
    let body: Value = serde_json::from_slice(&answered.body).unwrap_or_default();
    if answered.status == 201 {
        return Ok(json(StatusCode::CREATED, &body));
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    // 401 means the asker's own token here.
    let status = if answered.status == 401 { 422 } else { answered.status };
    Err(Problem::new(status, "the notice is refused", text("error_description")).hint(text("hint")).into())
}

impl From<IncidentError> for Refused {
    fn from(error: IncidentError) -> Self {
        match error {
            IncidentError::Execute(error) => error.into(),
            error @ IncidentError::Unknown(_) => not_found(error.to_string()),
            error => Problem::of_message(422, "it can't be", &error.to_string()).into(),
        }
    }
}
