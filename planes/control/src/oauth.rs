//! The OAuth 2.0 authorization server: tokens for machines, and only bound ones.
//!
//! Vendors never reach control. The gate relays each request with what only it could see — the
//! certificates whose possession the handshake proved, the JA4 context key, the address, and the
//! thumbprint of a DPoP key whose proof (nonce and replay included) it has checked. So nothing here
//! parses a proof or hands out a nonce.
//!
//! Served are the client credentials grant (RFC 6749) with resource indicators (RFC 8707), tokens
//! bound by DPoP (RFC 9449) or certificate (RFC 8705), metadata (RFC 8414), introspection (RFC 7662)
//! and revocation (RFC 7009). Clients authenticate by `private_key_jwt` (RFC 7523),
//! `tls_client_auth` or `self_signed_tls_client_auth` (RFC 8705); shared secrets have no place.

mod answer;
mod authenticate;
mod certificate;
mod client_keys;
mod distinguished_name;
pub(crate) mod evidence;
mod form;
pub(crate) mod incident;
mod issued;
mod metadata;
mod page;
mod posture;
mod register;
mod resource;
mod signed;
mod standing;
mod token;
mod used_assertions;
mod vendor_rates;

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::event::Event;
use portcullis_domain::state::State;
use portcullis_policy::clock::Clock;
use portcullis_policy::doors::at_port;
use portcullis_policy::link::{RelayAnswer, RelayRequest, ToGate};
use portcullis_tokens::assertion::RegisteredKey;
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::{SigningError, SigningKey};
use uuid::Uuid;

use answer::{Answer, Failure};
use client_keys::ClientKeys;
use form::Form;
use posture::Stating;
use register::Registering;
use used_assertions::UsedAssertions;
use vendor_rates::VendorRates;

use crate::incidents::Regimes;
use crate::keys::SigningKeys;
use crate::posture::Postures;
pub(crate) use register::code_digest;

pub const METADATA_PATH: &str = "/.well-known/oauth-authorization-server";
pub const JWKS_PATH: &str = "/oauth/jwks";
pub const TOKEN_PATH: &str = "/oauth/token";
pub const INTROSPECTION_PATH: &str = "/oauth/introspect";
pub const REVOCATION_PATH: &str = "/oauth/revoke";
pub const KEYS_PATH: &str = "/oauth/keys";
pub const ENROLMENT_PATH: &str = "/oauth/enroll";
pub const EVIDENCE_PATH: &str = "/oauth/evidence";
pub const POSTURE_PATH: &str = "/oauth/posture";
pub const INCIDENT_PATH: &str = "/oauth/incident";

/// The state that decides now.
pub type CurrentState = Arc<dyn Fn() -> Arc<State> + Send + Sync>;

/// Executes what clients may command, and resolves with the events when they are in the ledger and
/// gates decide by them.
pub type Execute =
    Arc<dyn Fn(Command) -> Pin<Box<dyn Future<Output = Result<Vec<Event>, NotDone>> + Send>> + Send + Sync>;

/// Tells every gate something.
pub type Tell = Arc<dyn Fn(ToGate) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// When the keys of an issuer were fetched last, since the start.
pub type Fetched = Arc<dyn Fn(Uuid) -> Option<Timestamp> + Send + Sync>;

/// What a client commanded doesn't hold.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    #[error(transparent)]
    Refused(Refusal),
    #[error("it was not recorded: {0}")]
    NotRecorded(String),
}

pub struct Options {
    /// Written into metadata and tokens exactly as it stands here.
    pub issuer: String,
    /// Origins that `resource` may name; the first is the audience of tokens that were asked without.
    pub public_origins: Vec<String>,
    /// The state says which of them signs.
    pub signing_keys: Arc<SigningKeys>,
    pub clock: Clock,
    pub state: CurrentState,
    pub execute: Execute,
    pub postures: Arc<Postures>,
    pub tell: Tell,
    pub fetched: Fetched,
    /// Where documents of evidence are kept.
    pub documents: evidence::Place,
    /// Whose clocks run when a vendor tells of a breach.
    pub regimes: Arc<Regimes>,
    pub new_id: incident::NewId,
}

pub struct Server {
    issuer: String,
    public_origins: Vec<String>,
    signing_keys: Arc<SigningKeys>,
    clock: Clock,
    state: CurrentState,
    execute: Execute,
    token_endpoint: String,
    client_keys: ClientKeys,
    /// What an assertion is verified with for a client that has no key.
    decoy: [RegisteredKey; 1],
    used_assertions: UsedAssertions,
    issues: VendorRates,
    revocations: VendorRates,
    registrations: VendorRates,
    statements: VendorRates,
    posture_changes: VendorRates,
    postures: Arc<Postures>,
    tell: Tell,
    fetched: Fetched,
    documents: evidence::Place,
    /// Of requests for evidence.
    answers: VendorRates,
    answering: evidence::Answering,
    notices: VendorRates,
    regimes: Arc<Regimes>,
    new_id: incident::NewId,
    /// The first whole second of which no earlier process has seen anything.
    started_seconds: i64,
}

/// One request, with the one state that decides about it.
struct Exchange<'a> {
    server: &'a Server,
    state: &'a State,
    request: &'a RelayRequest,
    form: Form,
    now: Timestamp,
}

/// What is left to do when the answer is decided.
enum Outcome {
    Answer(Answer),
    /// Answer once the command is in the ledger.
    Revoke(Box<Command>),
    Register(Box<Registering>),
    State(Box<Stating>),
}

impl Server {
    /// Client assertions that were made before this moment are refused from now on: an earlier
    /// process may have taken them, and what it had seen is gone.
    ///
    /// # Errors
    /// The cryptographic library refuses to make a key.
    pub fn new(options: Options) -> Result<Self, SigningError> {
        let Options {
            issuer,
            public_origins,
            signing_keys,
            clock,
            state,
            execute,
            postures,
            tell,
            fetched,
            documents,
            regimes,
            new_id,
        } = options;
        let started_seconds = first_whole_second(clock.now());
        let nobodys = SigningKey::generate(Algorithm::ES256)?;
        let thumbprint = nobodys.public_jwk().thumbprint();
        let decoy = [RegisteredKey { key: nobodys.verifying_key()?, kid: None, thumbprint }];
        Ok(Self {
            token_endpoint: url(&issuer, TOKEN_PATH),
            issuer,
            public_origins,
            signing_keys,
            clock,
            state,
            execute,
            client_keys: ClientKeys::default(),
            decoy,
            used_assertions: UsedAssertions::default(),
            issues: VendorRates::new(vendor_rates::TOKENS),
            revocations: VendorRates::new(vendor_rates::REVOCATIONS),
            registrations: VendorRates::new(vendor_rates::REGISTRATIONS),
            statements: VendorRates::new(vendor_rates::STATEMENTS),
            posture_changes: VendorRates::new(vendor_rates::POSTURE_CHANGES),
            postures,
            tell,
            fetched,
            documents,
            answers: VendorRates::new(vendor_rates::ANSWERS),
            answering: evidence::Answering::default(),
            notices: VendorRates::new(vendor_rates::NOTICES),
            regimes,
            new_id,
            started_seconds,
        })
    }

    /// Answers one relayed request. Every failure is an answer too.
    pub async fn answer(&self, request: &RelayRequest) -> RelayAnswer {
        let code = request.path.strip_prefix(EVIDENCE_PATH).and_then(|rest| rest.strip_prefix('/'));
        if let Some(code) = code {
            return self.evidence(request, code).await.relayed(request);
        }
        if request.path == INCIDENT_PATH {
            return self.incident(request).await.relayed(request);
        }
        let answer = match self.decide(request) {
            Ok(Outcome::Answer(answer)) => answer,
            Ok(Outcome::Register(registering)) => self.register(*registering).await,
            Ok(Outcome::State(stating)) => self.state_posture(*stating).await,
            Ok(Outcome::Revoke(command)) => match (self.execute)(*command).await {
                Ok(_) => Answer::empty(),
                Err(error) => {
                    tracing::error!(%error, "a token could not be revoked");
                    Failure::unavailable("the revocation could not be recorded").into()
                }
            },
            Err(failure) => (*failure).into(),
        };
        answer.relayed(request)
    }

    fn decide(&self, request: &RelayRequest) -> Result<Outcome, Box<Failure>> {
        let (path, query) =
            request.path.split_once('?').map_or((request.path.as_str(), None), |(p, q)| (p, Some(q)));
        let endpoint: fn(&Exchange<'_>) -> Result<Outcome, Box<Failure>> = match path {
            METADATA_PATH | JWKS_PATH => {
                check_method(request, &["GET", "HEAD"])?;
                let state = (self.state)();
                let shown = if path == JWKS_PATH {
                    metadata::jwks(&state)
                } else {
                    metadata::document(&self.here(request))
                };
                return Ok(Outcome::Answer(shown));
            }
            TOKEN_PATH => token::issue,
            INTROSPECTION_PATH => issued::introspect,
            REVOCATION_PATH => issued::revoke,
            KEYS_PATH => register::rotate,
            ENROLMENT_PATH => register::enroll,
            POSTURE_PATH => posture::state,
            _ => return Err(Box::new(Failure::not_found(path))),
        };
        check_method(request, &["POST"])?;
        if query.is_some() {
            return Err(Failure::invalid_request("parameters in the address are not accepted")
                .hint("send them in the body: addresses end up in logs")
                .into());
        }
        let form = Form::parse(request.content_type.as_deref(), &request.body)?;
        let state = (self.state)();
        endpoint(&Exchange { server: self, state: &state, request, form, now: self.clock.now() })
    }

    /// The issuer's address by the door that a request came by: the server is the same at each, and who is served at one alone
    /// reaches no other.
    fn here(&self, request: &RelayRequest) -> Cow<'_, str> {
        match request.door {
            None => Cow::Borrowed(&self.issuer),
            Some(port) => Cow::Owned(at_port(&self.issuer, port)),
        }
    }

    /// Monotonic.
    fn now_ns(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_nanos()).unwrap_or(u64::MAX)
    }
}

fn url(issuer: &str, path: &str) -> String {
    format!("{}{path}", issuer.trim_end_matches('/'))
}

/// The first whole second that begins at `started` or after it: `iat` knows no smaller unit, so what
/// was made in the second of the start may have been used before it.
fn first_whole_second(started: Timestamp) -> i64 {
    started.as_second().saturating_add(i64::from(started.subsec_nanosecond() > 0))
}

fn check_method(request: &RelayRequest, allowed: &[&str]) -> Result<(), Box<Failure>> {
    if allowed.contains(&request.method.as_str()) {
        return Ok(());
    }
    Err(Box::new(Failure::method_not_allowed(&allowed.join(", "))))
}

#[cfg(test)]
mod tests;
