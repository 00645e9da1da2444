//! Keys that clients register by themselves: the next one in the place of their own, and the first one
//! by the code of an enrolment. The answer comes when every gate decides by it.

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use portcullis_domain::command::{Command, EnrolmentRefusal, KeyRefusal, Refusal};
use portcullis_domain::event::{Event, KeyForm, PublicKey};
use portcullis_domain::ids::ClientId;
use portcullis_domain::reason::Reason;
use portcullis_domain::state::{KeyTerm, State};
use portcullis_policy::link::RelayAbout;
use portcullis_tokens::jwk::Jwk;
use portcullis_tokens::next_key::{ExpectedNextKey, Holder, NextKey, NextKeyError};
use portcullis_tokens::thumbprint::Thumbprint;
use serde_json::{Value, json};

use super::answer::{Answer, Failure};
use super::authenticate::authenticate;
use super::{Exchange, NotDone, Outcome, Server, certificate, standing, token};

/// By how much a client's clock may be ahead.
const LEEWAY_SECONDS: i64 = 5;
/// The longest code that is looked at; ours have 43 characters.
const CODE_BYTES_MAX: usize = 128;

/// A command that is under way, and what its answer is made of.
pub(super) struct Registering {
    pub command: Command,
    pub client: ClientId,
    /// Thumbprint of the new key, and of the one that it replaces.
    key: String,
    replaces: Option<String>,
    about: Option<RelayAbout>,
}

/// `POST /oauth/keys`: authenticated by the key in use, with the proof of the next one.
pub(super) fn rotate(exchange: &Exchange<'_>) -> Result<Outcome, Box<Failure>> {
    let caller = authenticate(exchange)?;
    let about = token::about(&caller);
    let judged = || {
        // A key that has ended may ask for what it has done already, and nothing else.
        standing::check_open(exchange, &caller, &token::confirmation(exchange)?)?;
        let current = caller.key.to_string();
        let name = caller.standing.client.declaration.name.as_str();
        let next = proved(exchange, "next_key", name, Some(&current))?;
        let server = exchange.server;
        server.registrations.take(caller.standing.vendor_id(), server.now_ns()).map_err(Failure::too_many)?;
        Ok((current, next))
    };
    let (current, next) = judged().map_err(|failure: Box<Failure>| Box::new(failure.about(about.clone())))?;
    let client = caller.standing.client_id();
    let key = next.thumbprint.clone();
    let command = Command::RotateKey { client, current: current.clone(), next };
    Ok(Outcome::Register(Box::new(Registering {
        command,
        client,
        key,
        replaces: Some(current),
        about: Some(about),
    })))
}

/// `POST /oauth/enroll`: nobody is known yet; the code is all there is, and the proof of the key.
pub(super) fn enroll(exchange: &Exchange<'_>) -> Result<Outcome, Box<Failure>> {
    let missing = |name: &str| {
        Failure::invalid_request(format!("`{name}` is missing")).hint("send `client_id`, `code` and `proof`")
    };
    let name = exchange.form.one("client_id").ok_or_else(|| missing("client_id"))?;
    let code = exchange.form.one("code").ok_or_else(|| missing("code"))?;
    if code.len() > CODE_BYTES_MAX {
        return Err(Box::new(not_open()));
    }
    // The proof first: it costs the same whether there is such a code or not.
    let key = proved(exchange, "proof", name, None)?;
    let code_sha256 = code_digest(code);
    let client = exchange.state.enrolments.get(&code_sha256).copied();
    let client = client.ok_or_else(|| Box::new(not_open()))?;
    if let Some(standing) = exchange.state.standing_of(client) {
        if !standing::comes_by_own(exchange, standing.vendor_id()) {
            return Err(Box::new(standing::refusal(vec![Reason::TunnelForeign])));
        }
        if !standing::comes_by_its_door(exchange, &standing) {
            return Err(Box::new(standing::wrong_door(&standing)));
        }
        let server = exchange.server;
        server.registrations.take(standing.vendor_id(), server.now_ns()).map_err(Failure::too_many)?;
    }
    let thumbprint = key.thumbprint.clone();
    let command = Command::UseEnrolment { name: name.to_owned(), code_sha256, key };
    Ok(Outcome::Register(Box::new(Registering {
        command,
        client,
        key: thumbprint,
        replaces: None,
        about: None,
    })))
}

/// How the ledger keeps a code: lower-case hex of its SHA-256.
pub(crate) fn code_digest(code: &str) -> String {
    digest(&SHA256, code.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Server {
    /// Answers once the command is in the ledger, or says why it isn't.
    pub(super) async fn register(&self, registering: Registering) -> Answer {
        let Registering { command, client, key, replaces, about } = registering;
        let outcome = match (self.execute)(command).await {
            Ok(events) if events.iter().any(|event| matches!(event, Event::EnrolmentReused { .. })) => {
                Err(reused())
            }
            Ok(_) => Ok(()),
            Err(NotDone::Refused(Refusal::Key(KeyRefusal::Theft))) => {
                let current = replaces.clone().unwrap_or_default();
                let theft = Command::SuspectTheft { client, key: current, next_key: key.clone() };
                if let Err(error) = (self.execute)(theft).await {
                    tracing::error!(%error, %client, "a client whose key was stolen could not be severed");
                }
                Err(standing::refusal(vec![Reason::ClientKeyTheft, Reason::ClientSevered]))
            }
            Err(NotDone::Refused(refusal)) => Err(refused(&refusal, self.clock.now())),
            Err(NotDone::NotRecorded(error)) => {
                tracing::error!(error, "a client's key could not be registered");
                Err(Failure::unavailable("the key could not be recorded"))
            }
        };
        let answer = outcome.map(|()| registered(&(self.state)(), client, &key, replaces.as_deref()));
        let about =
            about.or_else(|| about_enrolled(&(self.state)(), client, &key).filter(|_| answer.is_ok()));
        match (answer, about) {
            (Ok(answer), Some(about)) => answer.about(about),
            (Ok(answer), None) => answer,
            (Err(failure), Some(about)) => failure.about(about).into(),
            (Err(failure), None) => failure.into(),
        }
    }
}

fn about_enrolled(state: &State, client: ClientId, key: &str) -> Option<RelayAbout> {
    let standing = state.standing_of(client)?;
    Some(RelayAbout {
        vendor: standing.vendor_id(),
        integration: standing.integration_id(),
        client,
        client_key: key.to_owned(),
        scope: Vec::new(),
    })
}

fn registered(state: &State, client: ClientId, key: &str, replaces: Option<&str>) -> Answer {
    let Some(standing) = state.standing_of(client) else { return Failure::server_error().into() };
    let term_of = |thumbprint: &str| -> Option<KeyTerm> {
        let mut keys = state.key_terms(&standing);
        keys.find(|(known, _)| known.thumbprint == thumbprint).map(|(_, term)| term)
    };
    let Some(term) = term_of(key) else { return Failure::server_error().into() };
    let mut body = json!({
        "client_id": standing.client.declaration.name,
        "key": key,
        "key_expires_at": shown(term.until),
    });
    if let (Value::Object(members), Some(replaces)) = (&mut body, replaces) {
        members.insert("replaces".to_owned(), replaces.into());
        let ends = term_of(replaces).map(|term| shown(term.until));
        members.insert("replaces_until".to_owned(), ends.into());
    }
    Answer::json(body)
}

/// In whole seconds, rounded down: it is good until then.
fn shown(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

fn refused(refusal: &Refusal, now: Timestamp) -> Failure {
    let explained =
        |failure: Failure| failure.explained(&refusal.to_string().replacen("\nhint: ", ", hint: ", 1));
    match refusal {
        Refusal::Key(KeyRefusal::Lapsed) => standing::refusal(vec![Reason::ClientKeyLapsed]),
        Refusal::Key(KeyRefusal::Ended) => standing::refusal(vec![Reason::ClientKeyEnded]),
        Refusal::Key(KeyRefusal::NotRegistered(_)) => {
            Failure::invalid_request("the key in use is a certificate of an authority")
                .hint("it is replaced by the next one that the authority gives you")
        }
        Refusal::Key(KeyRefusal::TooOften { after, .. }) => {
            let wait_ns = u64::try_from(after.duration_since(now).as_nanos()).unwrap_or(0);
            explained(Failure::too_many(wait_ns))
        }
        Refusal::Key(KeyRefusal::TooMany(first_ends)) => {
            let failure = explained(Failure::conflict());
            match first_ends {
                Some(ends) => failure.header("portcullis-key-expires", shown(*ends)),
                None => failure,
            }
        }
        Refusal::Key(_) => explained(Failure::invalid_request("")),
        Refusal::Enrolment(EnrolmentRefusal::Reused) => reused(),
        Refusal::Enrolment(_) => not_open(),
        Refusal::AccessHeld { access, .. } => standing::less(access),
        other => {
            tracing::error!(error = %other, "a client's key was refused for no reason of the client's");
            Failure::server_error()
        }
    }
}

/// One answer for codes that are unknown, expired, replaced, and of another client.
fn not_open() -> Failure {
    Failure::bad_request("invalid_grant", "the enrolment is not open")
        .hint("the code may have expired: ask our operators for a new link")
        .reasons(vec![Reason::EnrolmentNotOpen])
}

fn reused() -> Failure {
    Failure::bad_request("invalid_grant", "the enrolment was used by another key")
        .hint("somebody else may have had the link: call our operators")
        .reasons(vec![Reason::EnrolmentReused])
}

/// The public key of a proof that holds.
fn proved(
    exchange: &Exchange<'_>,
    parameter: &'static str,
    client_id: &str,
    current: Option<&str>,
) -> Result<PublicKey, Box<Failure>> {
    let text = exchange.form.one(parameter).ok_or_else(|| {
        Failure::invalid_request(format!("`{parameter}` is missing"))
            .hint("send in it a JWT by the new key, which carries its public half")
    })?;
    let failure = |error: NextKeyError| Box::new(Failure::invalid_request("").explained(&error.to_string()));
    let proof = NextKey::parse(text).map_err(failure)?;
    let (key, public) = match (proof.verifying_key().map_err(failure)?, proof.holder()) {
        (Some(key), Holder::Jwk(jwk)) => (key, public_jwk(jwk)),
        (_, Holder::Certificate(der)) => {
            let (key, pem) = certificate::public_key(der, exchange.now).ok_or_else(|| {
                Failure::invalid_request("the certificate of the next key can't be used")
                    .hint("give a valid X.509 certificate of a P-256, Ed25519 or RSA key")
            })?;
            let thumbprint = Thumbprint::of_certificate(der).to_string();
            (key, PublicKey { thumbprint, form: KeyForm::Certificate, public: pem.into() })
        }
        (None, Holder::Jwk(_)) => return Err(Box::new(Failure::server_error())),
    };
    let expected = ExpectedNextKey {
        client_id,
        audience: &exchange.server.here(exchange.request),
        current,
        now: exchange.now.as_second(),
        leeway_seconds: LEEWAY_SECONDS,
    };
    proof.verify(&key, &expected).map_err(failure)?;
    Ok(public)
}

fn public_jwk(jwk: &Jwk) -> PublicKey {
    let thumbprint = jwk.thumbprint().to_string();
    // Without a name it answers to any that an assertion gives it.
    PublicKey { thumbprint, form: KeyForm::Jwk, public: Value::Object(jwk.bare()) }
}
