//! Certificates of the built-in authority.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response, StatusCode};
use portcullis_api::certificates::{IssueRequest, RenewRequest, RevokeCertificateRequest};
use portcullis_api::problem::Problem;
use portcullis_domain::event::CertificateUse;

use super::authorize::Caller;
use super::read::Json;
use super::reply::{Refused, Reply, json};
use crate::certificates::CertificateError;
use crate::control::Control;

pub async fn list(State(control): State<Control>) -> Reply {
    Ok(json(StatusCode::OK, &control.certificates()?))
}

pub async fn issue(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<IssueRequest>,
) -> Reply {
    Ok(json(StatusCode::CREATED, &control.issue_certificate(request, operator.id).await?))
}

pub async fn renew(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<RenewRequest>,
) -> Reply {
    let authority = control.authority()?;
    let answer = tokio::spawn(authority.renew(request.server)).await;
    let answer =
        answer.map_err(|_| Refused::from(Problem::new(503, "stopping", "the process is stopping")))?;
    let answer = answer.map_err(Refused)?;
    tracing::info!(by = %operator.id, changed = ?answer.changed, "a server's certificate was renewed");
    Ok(json(StatusCode::OK, &answer))
}

pub async fn revoke(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<RevokeCertificateRequest>,
) -> Reply {
    let RevokeCertificateRequest { serial, reason } = request;
    Ok(json(StatusCode::OK, &control.revoke_certificate(&serial, operator.id, reason).await?))
}

pub async fn crl(State(control): State<Control>, Path(usage): Path<String>) -> Reply {
    let usage = match usage.as_str() {
        "clients" => CertificateUse::Clients,
        "upstreams" => CertificateUse::Upstreams,
        other => {
            let problem = Problem::new(404, "not found", format!("nothing is issued for `{other}`"));
            return Err(problem.hint("it is `clients` or `upstreams`").into());
        }
    };
    let mut response = Response::new(Body::from(control.crl(usage)?));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-pem-file"));
    Ok(response)
}

impl From<CertificateError> for Refused {
    fn from(error: CertificateError) -> Self {
        match error {
            CertificateError::Problem(problem) => Self(problem),
            CertificateError::Execute(error) => error.into(),
        }
    }
}
