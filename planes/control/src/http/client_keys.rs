//! The keys of a client, and enrolment by a code.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use portcullis_api::client_keys::{
    ClientKeyView, ClientKeysView, EnrolmentAnswer, EnrolmentRequest, EnrolmentView, KeyStanding,
};
use portcullis_api::operators::Secret;
use portcullis_api::problem::Problem;
use portcullis_domain::command::{Command, NewClient};
use portcullis_domain::event::KeyForm;
use portcullis_domain::spec::{AssertionAudience, ClientSpec, ClientTls, Kind};
use portcullis_domain::state::{ClientKey, KeyEnd, KeyTerm, RECOVERIES_MAX, State as Known};

use super::authorize::Caller;
use super::read::Json;
use super::reply::{Reply, bad_request, json, not_found};
use crate::control::Control;
use crate::oauth::{ENROLMENT_PATH, code_digest};
use crate::severing::operator_name;

const EXPIRES_SECONDS: u32 = 86_400;

pub async fn open_enrolment(
    State(control): State<Control>,
    Extension(Caller(operator)): Extension<Caller>,
    Json(request): Json<EnrolmentRequest>,
) -> Reply {
    let EnrolmentRequest { name, integration, labels, expires_seconds } = request;
    let seconds = expires_seconds.unwrap_or(EXPIRES_SECONDS);
    if !(60..=604_800).contains(&seconds) {
        return Err(bad_request("a code must be good for 60 to 604800 seconds", "choose another time"));
    }
    if integration.is_some() && control.state().resource(Kind::Client, &name).is_some() {
        let problem = Problem::new(409, "the name is taken", format!("client `{name}` is enrolled already"));
        let hint = "choose another name, or enrol it again without an integration: its keys end then";
        return Err(problem.hint(hint).into());
    }
    let new = integration.map(|integration| {
        let spec = ClientSpec {
            integration,
            jwks: None,
            certificates: Vec::new(),
            subject: None,
            assertion_audience: AssertionAudience::default(),
            tls: ClientTls::default(),
            key_exportable: None,
        };
        Box::new(NewClient { spec, labels })
    });
    let mut random = [0; 32];
    (control.entropy())(&mut random);
    let code = URL_SAFE_NO_PAD.encode(random);
    let expires_at = control.clock().now().checked_add(SignedDuration::from_secs(seconds.into()));
    let expires_at = expires_at.unwrap_or(Timestamp::MAX);
    let code_sha256 = code_digest(&code);
    let command =
        Command::OpenEnrolment { name: name.clone(), new, code_sha256, expires_at, by: operator.id };
    let (ledger_size, gates_behind) = control.execute_at_gates(command).await?;
    let state = control.state();
    let issuer = state.installation.as_ref().map(|known| known.issuer.clone()).unwrap_or_default();
    let answer = EnrolmentAnswer {
        link: Secret(format!("{}{ENROLMENT_PATH}#{name}.{code}", issuer.trim_end_matches('/'))),
        recoveries_left: recoveries_left(&state, &name),
        client: name,
        issuer,
        expires_at,
        ledger_size,
        gates_behind,
    };
    Ok(json(StatusCode::CREATED, &answer))
}

pub async fn list(State(control): State<Control>, Path(name): Path<String>) -> Reply {
    let state = control.state();
    let now = control.clock().now();
    let standing = state.standing(&name).ok_or_else(|| not_found("there is no such client"))?;
    let enrolment = state.keyring(standing.client_id()).and_then(|ring| ring.enrolment.as_ref());
    let view = ClientKeysView {
        keys: state.key_terms(&standing).map(|(key, term)| shown(&state, key, term, now)).collect(),
        enrolment: enrolment.map(|enrolment| EnrolmentView {
            opened_by: operator_name(&state, enrolment.opened_by),
            opened_at: enrolment.opened_at,
            expires_at: enrolment.expires_at,
            used_by: enrolment.used.as_ref().map(|(key, _)| key.clone()),
            used_at: enrolment.used.as_ref().map(|(_, at)| *at),
            reused: enrolment.reused,
        }),
        recoveries_left: recoveries_left(&state, &name),
        by_subject: standing.client_spec.subject.is_some(),
        client: name,
    };
    Ok(json(StatusCode::OK, &view))
}

fn recoveries_left(state: &Known, name: &str) -> u32 {
    let standing = state.standing(name);
    let ring = standing.and_then(|standing| state.keyring(standing.client_id()));
    RECOVERIES_MAX.saturating_sub(ring.map_or(0, |ring| ring.recoveries))
}

fn shown(state: &Known, key: &ClientKey, term: KeyTerm, now: Timestamp) -> ClientKeyView {
    let over = now >= term.until;
    let standing = match &key.end {
        _ if state.refused_keys.contains_key(&key.thumbprint) => KeyStanding::Refused,
        Some(KeyEnd::Recovered) => KeyStanding::LeftBehind,
        Some(KeyEnd::Withdrawn) => KeyStanding::Withdrawn,
        _ if over && term.lapses => KeyStanding::Lapsed,
        Some(KeyEnd::Replaced { .. }) if over => KeyStanding::Ended,
        Some(KeyEnd::Replaced { .. }) => KeyStanding::Replaced,
        None => KeyStanding::Live,
    };
    ClientKeyView {
        thumbprint: key.thumbprint.clone(),
        form: match key.form {
            KeyForm::Jwk => "jwk".to_owned(),
            KeyForm::Certificate => "certificate".to_owned(),
        },
        source: key.source.as_str().to_owned(),
        registered_at: key.registered_at,
        standing,
        until: (term.until > Timestamp::MIN).then_some(term.until),
        replaced_by: match &key.end {
            Some(KeyEnd::Replaced { by, .. }) => Some(by.clone()),
            _ => None,
        },
    }
}
