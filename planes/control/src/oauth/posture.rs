//! `POST /oauth/posture`: what a client's machine says about itself, signed. The statement is its own
//! authentication: it is fresh, and good once.

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use portcullis_domain::command::Command;
use portcullis_domain::ids::ClientId;
use portcullis_domain::posture::{Held, Statement};
use portcullis_domain::reason::Reason;
use portcullis_domain::spec::Authentication;
use portcullis_domain::state::{KeyTerm, Standing};
use portcullis_policy::link::{RelayAbout, ToGate};
use portcullis_policy::posture::{Attested, prefix_number};
use portcullis_tokens::access_token::Confirmation;
use portcullis_tokens::external_token::{self, Expected};
use portcullis_tokens::jwk::Jwk;
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::posture::{ExpectedPosture, FRESH_SECONDS, PostureError, SignedPosture, read};
use portcullis_tokens::thumbprint::Thumbprint;
use serde_json::json;

use super::answer::{Answer, Failure};
use super::authenticate::Caller;
use super::signed::{LEEWAY_SECONDS, signers, signers_term};
use super::used_assertions::Taken;
use super::{Exchange, NotDone, Outcome, Server, standing, token};
use crate::posture::{Kept, Postures};
use crate::projection::issuers::trust_domains;

/// How long the word of a key that can't be exported admits new contexts from where it came.
const ATTESTED_SECONDS: i64 = 600;
/// JWT-SVID, section 2.1, as far as they are spoken here.
const SVID_ALGORITHMS: [Algorithm; 3] = [Algorithm::ES256, Algorithm::PS256, Algorithm::RS256];

/// A statement that was verified, of a client in good standing.
pub(super) struct Stating {
    client: ClientId,
    about: RelayAbout,
    kept: Kept,
    attested: Option<Attested>,
}

/// What a statement came to, before its client's standing is looked at.
struct Verified {
    key: Thumbprint,
    term: KeyTerm,
    kept: Kept,
    /// A registered key that isn't exportable, by its own word.
    unexportable: bool,
}

pub(super) fn state(exchange: &Exchange<'_>) -> Result<Outcome, Box<Failure>> {
    let text = exchange.form.one("statement").ok_or_else(|| {
        refused("`statement` is missing")
            .hint("send the signed statement in it: `portcullis attest` makes one")
    })?;
    let workload = external_token::peek(text).ok().and_then(|peeked| peeked.subject);
    let workload = workload.filter(|subject| subject.starts_with("spiffe://"));
    let (standing, verified) = match workload {
        Some(spiffe_id) => by_workload(exchange, text, &spiffe_id)?,
        None => by_key(exchange, text)?,
    };
    let Verified { key, term, kept, unexportable } = verified;
    let caller = Caller { standing, key, term, by: Authentication::PrivateKeyJwt };
    let about = token::about(&caller);
    let judged = || -> Result<(), Box<Failure>> {
        standing::check(exchange, &caller, &Confirmation::default())?;
        let server = exchange.server;
        server.statements.take(standing.vendor_id(), server.now_ns()).map_err(Failure::too_many)?;
        Ok(())
    };
    judged().map_err(|failure: Box<Failure>| Box::new(failure.about(about.clone())))?;
    let address = exchange.request.address.parse().ok();
    let declared = standing.client_spec.key_exportable == Some(false);
    let attested = address.filter(|_| unexportable && declared).map(|address| Attested {
        thumbprint: key.to_string(),
        prefix: prefix_number(address),
        until_seconds: exchange.now.as_second().saturating_add(ATTESTED_SECONDS),
    });
    let client = standing.client_id();
    Ok(Outcome::State(Box::new(Stating { client, about, kept, attested })))
}

fn refused(description: impl Into<String>) -> Failure {
    Failure::invalid_request(description).reasons(vec![Reason::PostureRefused])
}

/// One answer for clients that don't exist and for signatures of nobody's key.
fn failure_of(error: &PostureError) -> Box<Failure> {
    let failure = match error {
        PostureError::Signature => Failure::invalid_client(""),
        _ => Failure::invalid_request(""),
    };
    Box::new(failure.explained(&error.to_string()).reasons(vec![Reason::PostureRefused]))
}

/// Signed by a registered key or certificate of the client.
fn by_key<'a>(exchange: &Exchange<'a>, text: &str) -> Result<(Standing<'a>, Verified), Box<Failure>> {
    let signed = SignedPosture::parse(text).map_err(|error| failure_of(&error))?;
    let name = signed.subject().map_err(|error| failure_of(&error))?;
    let (standing, keys) = signers(exchange, &name);
    let expected = ExpectedPosture {
        client_id: &name,
        audience: &exchange.server.here(exchange.request),
        now: exchange.now.as_second(),
        leeway_seconds: LEEWAY_SECONDS,
    };
    let verified = signed.verify(&keys, &expected).map_err(|error| failure_of(&error))?;
    let Some(standing) = standing else { return Err(failure_of(&PostureError::Signature)) };
    let key = verified.key.to_string();
    let term = signers_term(exchange, &standing, &key).ok_or_else(|| failure_of(&PostureError::Signature))?;
    take_once(exchange, &standing, &verified.token_id, verified.issued_at)?;
    let unexportable = verified.statement.key.as_ref().is_some_and(|key| !key.exportable);
    let times = [verified.issued_at, verified.expires_at];
    let kept = kept(exchange, text, verified.statement, times, key);
    Ok((standing, Verified { key: verified.key, term, kept, unexportable }))
}

/// Good once; and not after a restart, which has forgotten what was used.
fn take_once(
    exchange: &Exchange<'_>,
    standing: &Standing<'_>,
    token_id: &str,
    issued_at: i64,
) -> Result<(), Box<Failure>> {
    let server = exchange.server;
    if issued_at < server.started_seconds {
        return Err(refused("the statement is older than this server's last start")
            .hint("make a new one, and set the clock")
            .into());
    }
    // Apart from client assertions: an id may be used for both.
    let token_id = format!("posture {token_id}");
    let until = issued_at.saturating_add(FRESH_SECONDS + 1);
    let (vendor, client) = (standing.vendor_id(), standing.client_id());
    match server.used_assertions.take(vendor, client, &token_id, until, exchange.now.as_second()) {
        Taken::Yes => Ok(()),
        Taken::Before => Err(refused("the statement was sent before")
            .hint("make a new one, with a new `jti`, each time")
            .reasons(vec![Reason::PostureReplayed])
            .into()),
        Taken::Full => Err(Failure::unavailable("too many statements to remember")
            .reasons(vec![Reason::ReplayStoreFull])
            .into()),
    }
}

/// A JWT-SVID of a workload that a trust domain maps. It may carry the claims of a statement; it may be sent again as long as
/// it is valid, and grows no younger by that.
fn by_workload<'a>(
    exchange: &Exchange<'a>,
    text: &str,
    spiffe_id: &str,
) -> Result<(Standing<'a>, Verified), Box<Failure>> {
    let server = exchange.server;
    let unknown = || {
        refused("the workload is of no client that is mapped here")
            .hint("ask our operators to map its SPIFFE ID in a TrustDomain")
    };
    let name =
        spiffe_id.strip_prefix("spiffe://").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let domains = trust_domains(exchange.state, &*server.fetched);
    let domain = domains.into_iter().find(|domain| domain.trust_domain == name).ok_or_else(unknown)?;
    if exchange.now.as_second() >= domain.keys.good_until_seconds {
        return Err(Failure::unavailable("the keys of the trust domain are too old")
            .reasons(vec![Reason::IssuerKeysStale])
            .into());
    }
    let jwks: Vec<Jwk> =
        domain.keys.keys.jwks.iter().filter_map(|jwk| Jwk::parse(&jwk.to_string()).ok()).collect();
    let audiences = [server.issuer.clone(), server.here(exchange.request).into_owned()];
    let expected = Expected {
        issuer: None,
        algorithms: &SVID_ALGORITHMS,
        types: &["JWT".to_owned(), "JOSE".to_owned()],
        audiences: &audiences,
        lifetime_seconds_max: i64::from(domain.lifetime_seconds_max),
        now_seconds: exchange.now.as_second(),
    };
    let claims = external_token::verify(text, &external_token::ExternalKeys::new(&jwks), &expected)
        .map_err(|error| Box::new(refused("").explained(&error.to_string())))?;
    let mapped = domain.clients.iter().find(|mapped| mapped.spiffe_id == claims.subject);
    let standing = mapped.and_then(|mapped| exchange.state.standing_of(mapped.client));
    let standing = standing.filter(|standing| standing.vendor_id() == domain.vendor).ok_or_else(unknown)?;
    let statement = read(claims.members()).map_err(|error| failure_of(&error))?;
    // A workload has no key of its own here: its name stands for it.
    let key = Thumbprint(sha256(claims.subject.as_bytes()));
    let term = KeyTerm { until: Timestamp::MAX, lapses: false, warn_from: Timestamp::MAX };
    let times = [claims.issued_at, i64::MAX];
    let kept = kept(exchange, text, statement, times, claims.subject);
    Ok((standing, Verified { key, term, kept, unexportable: false }))
}

fn kept(
    exchange: &Exchange<'_>,
    text: &str,
    statement: Statement,
    [issued_at, expires_at]: [i64; 2],
    signed_by: String,
) -> Kept {
    let at = |second| Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
    Kept {
        statement,
        issued_at: at(issued_at),
        expires_at: at(expires_at),
        received_at: exchange.now,
        signed_by,
        sha256: sha256(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect(),
        address: exchange.request.address.clone(),
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().unwrap_or([0; 32])
}

impl Server {
    /// Records the statement's sense if it is another one, keeps it, and tells the gates.
    pub(super) async fn state_posture(&self, stating: Stating) -> Answer {
        let about = stating.about.clone();
        match self.stated(stating).await {
            Ok(answer) => answer.about(about),
            Err(failure) => failure.about(about).into(),
        }
    }

    async fn stated(&self, stating: Stating) -> Result<Answer, Box<Failure>> {
        let Stating { client, about, kept, attested } = stating;
        let state = (self.state)();
        let gone = || Box::new(standing::refusal(vec![Reason::ClientUnknown]));
        let standing = state.standing_of(client).ok_or_else(gone)?;
        if let Some(rules) = &standing.integration_spec.posture {
            let judged = kept.judged(rules);
            let before = self.postures.newest(client).map(|kept| kept.judged(rules));
            let recorded = state.postures.get(&client).and_then(|known| known.stated.clone());
            let last = before.or_else(|| recorded.clone());
            let was_stale =
                last.is_some_and(|last| last.failing.is_empty() && last.good_until <= self.clock.now());
            if was_stale || recorded.is_none_or(|known| known.failing != judged.failing) {
                // The ledger grows for good by it.
                self.posture_changes.take(about.vendor, self.now_ns()).map_err(Failure::too_many)?;
                let (signed_by, sha256) = (kept.signed_by.clone(), kept.sha256.clone());
                let command = Command::StatePosture { client, judged, signed_by, sha256, was_stale };
                (self.execute)(command).await.map_err(|error| match error {
                    NotDone::Refused(_) => gone(),
                    NotDone::NotRecorded(error) => {
                        tracing::error!(error, "a change of a machine's posture could not be recorded");
                        Box::new(Failure::unavailable("the statement could not be recorded"))
                    }
                })?;
            }
        }
        self.postures.take(client, kept);
        Postures::write_soon(&self.postures, client);
        let state = (self.state)();
        let standing = state.standing_of(client).ok_or_else(gone)?;
        let facts = self.postures.facts(&state, &standing);
        (self.tell)(ToGate::Posture { client, facts, attested }).await;
        Ok(told(&standing, &self.postures.held(&state, &standing)))
    }
}

fn told(standing: &Standing<'_>, held: &Held) -> Answer {
    let (verdict, failing, until) = match held {
        Held::NotAsked => ("not_asked", &[][..], None),
        // One has just come.
        Held::NeverSent | Held::Absent => ("unknown", &[][..], None),
        Held::Good { until } => ("good", &[][..], Some(whole(*until).to_string())),
        Held::Failing { what } => ("failing", what.as_slice(), None),
    };
    Answer::json(json!({
        "client_id": standing.client.declaration.name,
        "posture": verdict,
        "failing": failing,
        "good_until": until,
    }))
}

fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
