//! Documents of evidence.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::http::{Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_api::documents::{DOCUMENT_BYTES_MAX, EvidenceAsked, EvidenceRequest, RequestMade};
use portcullis_api::operators::Secret;
use portcullis_api::problem::Problem;
use portcullis_assurance::change::Change;
use portcullis_assurance::evidence::Content;
use portcullis_assurance::request::EvidenceRequest as Request;
use portcullis_documents::Error;
use portcullis_domain::ids::RequestId;
use portcullis_domain::personal::{Personal, reveal};
use uuid::Uuid;

use super::authorize::Caller;
use super::read::{Json, Parameters};
use super::reply::{Refused, Reply, failed, invalid, json};
use crate::control::Control;
use crate::control::documents::DocumentError;
use crate::oauth::{EVIDENCE_PATH, code_digest, evidence};

pub async fn put(
    State(control): State<Control>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Reply {
    let mut parameters = Parameters::new(query.as_deref())?;
    let kind = parameters.take("kind").unwrap_or_else(|| "other".to_owned());
    parameters.finish()?;
    let bytes = axum::body::to_bytes(body, DOCUMENT_BYTES_MAX).await.map_err(|_| {
        let detail = format!("the document is longer than {DOCUMENT_BYTES_MAX} bytes, or broke off");
        Refused::from(Problem::new(413, "the body is too long", detail).hint("send a shorter document"))
    })?;
    let kept = control.put_document(&name, kind, bytes.to_vec()).await?;
    Ok(json(StatusCode::CREATED, &kept))
}

pub async fn get(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Path((name, sha256)): Path<(String, String)>,
) -> Reply {
    let bytes = control.document(&name, sha256.clone(), operator.id).await?;
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    // Whatever it is, no browser is to make anything of it: a vendor has sent it.
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{sha256}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

pub async fn add(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Path(name): Path<String>,
    Json(request): Json<EvidenceRequest>,
) -> Reply {
    let answer = control.add_evidence(&name, request, operator.id).await?;
    let shown =
        serde_json::to_value(&answer).map_err(|error| failed(500, "the answer can't be written", &error))?;
    Ok(json(StatusCode::CREATED, &reveal(shown)))
}

/// Asks a vendor, by a link that is said once.
pub async fn ask(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Path(name): Path<String>,
    Json(asked): Json<EvidenceAsked>,
) -> Reply {
    let EvidenceAsked { wanted, note, contact, due } = asked;
    if !Content::KINDS.contains(&wanted.as_str()) {
        let wanted: String = wanted.chars().take(60).collect();
        let known = Content::KINDS.join(", ");
        let problem = Problem::new(422, "it can't be", format!("`{wanted}` is no kind of evidence"));
        return Err(problem.hint(format!("known: {known}")).into());
    }
    let mut random = [0; 32];
    (control.entropy())(&mut random);
    let code = URL_SAFE_NO_PAD.encode(random);
    let request = Request {
        id: RequestId(Uuid::nil()),
        wanted,
        note,
        contact: Personal::Plain(contact),
        due,
        code_sha256: code_digest(&code),
        asked_at: control.clock().now(),
    };
    let changes = vec![Change::EvidenceRequested { request }];
    let answer = control.change_dossier(&name, changes, operator.id, None, false).await?;
    let id = answer.changes.iter().find_map(|made| made.id.as_ref()?.parse().ok());
    let state = control.state();
    let issuer = state.installation.as_ref().map(|known| known.issuer.clone()).unwrap_or_default();
    let made = RequestMade {
        id: id.unwrap_or(RequestId(Uuid::nil())),
        link: Secret(format!("{}{EVIDENCE_PATH}/{code}", issuer.trim_end_matches('/'))),
        good_until: evidence::good_until(due),
        ledger_size: answer.ledger_size,
    };
    Ok(json(StatusCode::CREATED, &made))
}

pub async fn check(State(control): State<Control>, RawQuery(query): RawQuery) -> Reply {
    let mut parameters = Parameters::new(query.as_deref())?;
    let vendor = parameters.take("vendor");
    parameters.finish()?;
    Ok(json(StatusCode::OK, &control.check_documents(vendor.as_deref()).await?))
}

fn refused_before(error: DocumentError) -> Refused {
    match error {
        DocumentError::Execute(error) => error.into(),
        DocumentError::Read(faults) => invalid(faults).into(),
        other => failed(500, "a fault of ours", &other),
    }
}

impl From<DocumentError> for Refused {
    fn from(error: DocumentError) -> Self {
        let (status, title) = match &error {
            DocumentError::Execute(_) | DocumentError::Read(_) => return refused_before(error),
            DocumentError::NotKept => (409, "documents aren't kept here"),
            DocumentError::Given(..) => (422, "it can't be verified"),
            DocumentError::Ended(_) => (503, "control is stopping"),
            DocumentError::Store(error) => match error {
                Error::TooLong { .. } => (413, "the body is too long"),
                Error::VendorFull { .. } | Error::TooMany { .. } => (409, "there is no room"),
                Error::Name { .. } => (422, "it can't be"),
                Error::Missing { .. } => (404, "not found"),
                Error::Changed { .. } => (409, "the document was changed"),
                Error::Shredded { .. } => (409, "the documents were shredded"),
                Error::DiskFull { .. } => (507, "the disk is full"),
                Error::OtherKey | Error::Io { .. } => {
                    return failed(503, "the documents can't be used", error);
                }
            },
        };
        Problem::of_message(status, title, &error.to_string()).into()
    }
}
