//! What control answers: JSON, or a problem that says what to do about it.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderValue, WWW_AUTHENTICATE};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use portcullis_api::problem::{FaultView, MEDIA_TYPE, Problem};
use portcullis_assurance::order::RefusalKind;
use portcullis_domain::auditor::AuditorRefusal;
use portcullis_domain::break_glass::BreakGlassRefusal;
use portcullis_domain::command::{Fault, Refusal};
use portcullis_domain::exercise::ExerciseRefusal;
use portcullis_incident::order::RefusalKind as IncidentRefusalKind;
use serde::Serialize;

use crate::error::ExecuteError;

/// A refusal on its way out.
#[derive(Debug)]
pub struct Refused(pub Box<Problem>);

pub type Reply = Result<Response<Body>, Refused>;

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response<Body> {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = written(status, &*self.0, MEDIA_TYPE);
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"portcullis\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// `value` as JSON.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    written(status, value, "application/json")
}

/// Likewise, with its version as a strong `ETag`.
pub fn json_with_version(value: &impl Serialize, version: u64) -> Response<Body> {
    let mut response = json(StatusCode::OK, value);
    if let Ok(tag) = HeaderValue::from_str(&etag(version)) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

pub fn etag(version: u64) -> String {
    format!("\"{version}\"")
}

fn written(status: StatusCode, value: &impl Serialize, media: &'static str) -> Response<Body> {
    let (status, body) = match serde_json::to_vec(value) {
        Ok(body) => (status, body),
        Err(error) => {
            tracing::error!(%error, "an answer can't be written as JSON");
            (StatusCode::INTERNAL_SERVER_ERROR, Vec::new())
        }
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let (status, title) = match &refusal {
            Refusal::Invalid(faults) => {
                return invalid(faults.iter().map(view_of).collect()).into();
            }
            Refusal::Unknown { .. } => (404, "not found"),
            Refusal::InUse { .. } => (409, "still in use"),
            Refusal::OperatorExists(_) => (409, "the name is taken"),
            Refusal::Severed { .. } => (409, "a severed resource stays"),
            Refusal::LastOperator(_) => (409, "the last operator stays"),
            Refusal::AlreadySevered { .. } => (409, "severed already"),
            Refusal::NotSevered(_) => (409, "not severed"),
            Refusal::ProposalNotOpen(_) | Refusal::ProposalOfOther { .. } => {
                (409, "the proposal can't be confirmed")
            }
            Refusal::SamePerson(_) => (403, "another person is needed"),
            Refusal::ReasonMissing => (422, "a reason is needed"),
            Refusal::KeyWaits { .. } => (409, "a key waits already"),
            Refusal::KeyGone { .. } => (409, "the key is gone"),
            Refusal::KeySigns { .. } => (409, "the key signs now"),
            Refusal::KeysMany { .. } => (409, "too many keys"),
            Refusal::CertificatesMany { .. } => (409, "too many certificates"),
            Refusal::ReasonLong { .. } => (422, "the reason is too long"),
            Refusal::HoldClear(_) => (422, "not a hold"),
            Refusal::AccessNotHeld(_) => (409, "not held"),
            Refusal::AccessHeld { .. } => (409, "the vendor is held"),
            Refusal::AlreadyHeld(_) => (409, "held already"),
            Refusal::NotHeld(_) => (409, "not held"),
            Refusal::SealedOtherwise(_) => (409, "sealed otherwise"),
            Refusal::Held { .. } => (409, "under legal hold"),
            Refusal::AlreadyFounded => (409, "founded already"),
            Refusal::Key(_) => (409, "the key can't be changed"),
            Refusal::Enrolment(_) => (409, "the enrolment can't be opened"),
            Refusal::NotJudged(_) => (404, "not found"),
            Refusal::NoTokens(_) => (422, "not a target"),
            Refusal::Auditor(AuditorRefusal::Name | AuditorRefusal::Nothing) => (422, "not an auditor"),
            Refusal::Auditor(_) => (409, "the auditor can't be registered"),
            Refusal::DossierMoved { .. } | Refusal::IncidentMoved { .. } => (412, "it was changed meanwhile"),
            Refusal::IncidentInvalid(_) => (422, "it can't be"),
            Refusal::TunnelSevered { .. } => (409, "the tunnel is severed"),
            Refusal::TunnelHeld { .. } => (409, "the vendor is held"),
            Refusal::TunnelForPeople(_) | Refusal::TunnelNotForPeople(_) => (422, "another kind of tunnel"),
            Refusal::CredentialTaken { .. } => (409, "the credential is another one's"),
            Refusal::PersonUnnamed { .. } => (422, "not a person's name"),
            Refusal::PersonKnown { .. } => (409, "the person is known"),
            Refusal::PeopleMany { .. } | Refusal::AddressesTaken(_) => (409, "the tunnel is full"),
            Refusal::NoticeReplayed(_) => (409, "received already"),
            Refusal::PagesMany { .. } => (409, "too many pages"),
            Refusal::IncidentsMany { .. } => (409, "too many incidents"),
            Refusal::Incident { refused, .. } => match refused.kind() {
                IncidentRefusalKind::Unknown => (404, "not found"),
                IncidentRefusalKind::Conflict => (409, "the incident says otherwise"),
                IncidentRefusalKind::Invalid => (422, "it can't be"),
                IncidentRefusalKind::NeedsOther => (403, "another person is needed"),
            },
            Refusal::BreakGlass(BreakGlassRefusal::Name) => (422, "not a name"),
            Refusal::BreakGlass(_) => (409, "it can't be sealed"),
            Refusal::Exercise(ExerciseRefusal::Unknown(_)) => (404, "not found"),
            Refusal::Exercise(ExerciseRefusal::NotCanary(_)) => (422, "not a canary"),
            Refusal::Exercise(ExerciseRefusal::SeveredOtherwise { .. }) => (409, "severed by a person"),
            Refusal::Exercise(ExerciseRefusal::Known(_)) => (409, "recorded already"),
            Refusal::Dossier { refused, .. } => match refused.kind() {
                RefusalKind::Unknown => (404, "not found"),
                RefusalKind::Conflict => (409, "the dossier says otherwise"),
                RefusalKind::Invalid => (422, "it can't be"),
                RefusalKind::NeedsOther => (403, "another person is needed"),
            },
        };
        Problem::of_message(status, title, &refusal.to_string()).into()
    }
}

/// Things that don't hold in what was declared.
pub fn invalid(faults: Vec<FaultView>) -> Problem {
    let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
    Problem { faults, ..Problem::new(422, "what was declared doesn't hold", shown.join("\n")) }
}

fn view_of(fault: &Fault) -> FaultView {
    FaultView {
        kind: Some(fault.kind),
        name: Some(fault.name.clone()),
        pointer: Some(fault.pointer.clone()),
        message: fault.message.clone(),
        hint: fault.hint.clone(),
        ..FaultView::default()
    }
}

impl From<ExecuteError> for Refused {
    fn from(error: ExecuteError) -> Self {
        let (status, title) = match error {
            ExecuteError::Refused(refusal) => return refusal.into(),
            ExecuteError::Store(_) => (503, "the ledger can't be written"),
            ExecuteError::KeyRing(_) => (503, "the signing keys' place can't be used"),
            ExecuteError::Contended => (503, "the ledger is busy"),
            ExecuteError::Erasure { .. } => (503, "erased here, but the key is not destroyed yet"),
            ExecuteError::Stopping => (503, "control is stopping"),
            ExecuteError::Fold(_) | ExecuteError::Serialise(_) => (500, "the ledger can't be read"),
        };
        failed(status, title, &error)
    }
}

/// Something of ours failed: with all its causes, for whoever reads it is our operator.
pub fn failed(status: u16, title: &str, error: &dyn std::error::Error) -> Refused {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // A cause's own words may hold a hint: it stays last.
        let (detail, hint) = portcullis_api::problem::split_hint(&message);
        let (deeper, deeper_hint) = portcullis_api::problem::split_hint(&error.to_string());
        message = format!("{detail}: {deeper}");
        if let Some(hint) = deeper_hint.or(hint) {
            message = format!("{message}\nhint: {hint}");
        }
        cause = error.source();
    }
    tracing::error!(error = message, "a request to control failed");
    Problem::of_message(status, title, &message).into()
}

pub fn not_found(detail: impl Into<String>) -> Refused {
    Problem::new(404, "not found", detail).into()
}

pub fn bad_request(detail: impl Into<String>, hint: impl Into<String>) -> Refused {
    Problem::new(400, "the request can't be read", detail).hint(hint).into()
}
