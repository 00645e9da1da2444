//! Tokens of vendors' own issuers: verified by their keys, and mapped to our clients.

use std::rc::Rc;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use portcullis_domain::ids::{ClientId, IssuerId};
use portcullis_domain::reason::Reason;
use portcullis_policy::link::FromGate;
use portcullis_policy::liveness::{Freshness, KeyCell, Mapping};
use portcullis_policy::snapshot::Client;
use portcullis_tokens::access_token::{AccessClaims, Confirmation, Epochs, Lineage};
use portcullis_tokens::external_token::{Expected, ExternalClaims, ExternalError, peek, verify};
use portcullis_tokens::jws::JwsError;
use portcullis_tokens::thumbprint::Thumbprint;

use super::{KnownToken, digest_of, invalid_token, svid};
use crate::core::Core;
use crate::external::{Issuer, Source};
use crate::refusal::Refusal;
use crate::shared::Ready;

/// How often control is asked to look for a key that isn't known, for each issuer.
const ASK_SECONDS: i64 = 30;

/// What a token, or a certificate, of somebody else has beside what it says.
#[derive(Clone)]
pub struct External {
    /// Until when the keys that it was verified by are good.
    pub fresh: Arc<Freshness>,
    /// Whether nothing must be proved by whoever sends it.
    pub unbound: bool,
    /// Of a JWT-SVID: an X.509-SVID of the same workload binds it.
    pub workload: Option<Workload>,
}

/// What a JWT-SVID is about.
#[derive(Clone)]
pub struct Workload {
    pub spiffe_id: String,
    /// Whether it may be used without an X.509-SVID at all.
    pub allow_unbound: bool,
}

/// A verified token of another issuer; nothing if it is for our own reading.
pub fn known(core: &Core, ready: &Ready, text: &str) -> Result<Option<Rc<KnownToken>>, Refusal> {
    // What can't be read at all is told in the words for our own tokens.
    let Ok(peeked) = peek(text) else { return Ok(None) };
    match peeked.issuer.as_deref() {
        Some(issuer) if issuer == ready.snapshot.issuer => Ok(None),
        Some(issuer) if ready.externals.issuer(issuer).is_some() => {
            let issuer = ready.externals.issuer(issuer);
            issuer.map(|issuer| of_issuer(core, ready, issuer, text)).transpose()
        }
        // A JWT-SVID needs no issuer: its subject says which trust domain stands for it.
        issuer => match peeked.subject.as_deref().and_then(|subject| svid::domain_of(ready, subject)) {
            Some(domain) => svid::of_token(core, ready, domain, text).map(Some),
            None if issuer.is_some() => Err(invalid_token(Reason::IssuerUnknown, false)),
            None => Ok(None),
        },
    }
}

/// The keys of its issuer may have become too old since it was verified.
pub fn check_fresh(external: &External, now: i64) -> Result<(), Refusal> {
    if external.fresh.is_good(now) { Ok(()) } else { Err(stale()) }
}

fn of_issuer(core: &Core, ready: &Ready, issuer: &Issuer, text: &str) -> Result<Rc<KnownToken>, Refusal> {
    let now = core.now_seconds();
    if !issuer.source.is_good(now) {
        return Err(stale());
    }
    let audiences = audiences(ready, &issuer.audiences);
    let expected = Expected {
        issuer: Some(&issuer.issuer),
        algorithms: &issuer.algorithms,
        types: &issuer.token_types,
        audiences,
        lifetime_seconds_max: issuer.source.lifetime_seconds_max,
        now_seconds: now,
    };
    let claims = verify(text, &issuer.source.keys.keys, &expected)
        .map_err(|error| refused(core, &issuer.source, &error))?;
    let matches = |mapping: &&portcullis_policy::facts::MappedClaims| {
        mapping.claims.iter().all(|(name, value)| claims.text(name) == Some(value))
    };
    let mapped = issuer.clients.iter().find(matches);
    let client = client_of(ready, &issuer.source, mapped.map(|mapped| mapped.client))?;
    let mapping = mapped.map(|mapped| Mapping::of_claims(issuer.source.id, &issuer.issuer, mapped));
    let words = claims.words(issuer.scope_claim.as_str());
    let ours = |word: &&str| match issuer.scopes.get(*word) {
        Some(ours) => Some(ours.clone()),
        None => issuer.scopes.is_empty().then(|| (*word).to_owned()),
    };
    let scope = words.iter().filter_map(ours).filter(|scope| client.integration.scopes.contains(scope));
    let scope = scope.collect();
    let client = Vouched { client, key: vouched(core, mapping)? };
    if !binds(&claims.confirmation) && !issuer.source.allow_unbound {
        return Err(invalid_token(Reason::TokenUnbound, false));
    }
    Ok(Rc::new(token_of(ready, &issuer.source, client, claims, &issuer.issuer, scope, text)))
}

/// A client, and what its exchanges hang on.
pub struct Vouched<'a> {
    pub client: &'a Client,
    pub key: Arc<KeyCell>,
}

/// The cell of the mapping by which a client was found.
pub fn vouched(core: &Core, mapping: Option<Mapping>) -> Result<Arc<KeyCell>, Refusal> {
    let mapping = mapping.ok_or_else(|| invalid_token(Reason::IssuerClientUnmapped, false))?;
    Ok(core.shared.liveness.mapping(mapping))
}

/// What `aud` must name: where nothing is said, the gate itself.
pub fn audiences<'a>(ready: &'a Ready, declared: &'a [String]) -> &'a [String] {
    if declared.is_empty() { &ready.snapshot.public_origins } else { declared }
}

/// The client that is mapped, if it is one of the issuer's own vendor.
pub fn client_of<'a>(
    ready: &'a Ready,
    source: &Source,
    client: Option<ClientId>,
) -> Result<&'a Arc<Client>, Refusal> {
    client
        .and_then(|client| ready.snapshot.client(client))
        .filter(|client| client.integration.vendor == source.vendor)
        .ok_or_else(|| invalid_token(Reason::IssuerClientUnmapped, false))
}

pub fn token_of(
    ready: &Ready,
    source: &Source,
    vouched: Vouched<'_>,
    claims: ExternalClaims,
    issuer: &str,
    scope: Vec<String>,
    text: &str,
) -> KnownToken {
    let Vouched { client, key } = vouched;
    let confirmation = claims.confirmation;
    let unbound = !binds(&confirmation);
    let confirmed: Vec<Thumbprint> =
        [confirmation.jkt, confirmation.x5t_s256].into_iter().flatten().collect();
    let client_key = confirmed.first().copied().unwrap_or_else(|| nobodys_key(source.id, client.id));
    let mut keys = vec![client_key.to_string()];
    keys.extend(confirmed.iter().map(ToString::to_string));
    keys.dedup();
    // Issuers may give several tokens one `jti`, or none; each has its own name here.
    let unique = claims.token_id.unwrap_or_else(|| Thumbprint(digest_of(text)).to_string());
    KnownToken {
        claims: AccessClaims {
            issuer: issuer.to_owned(),
            subject: claims.subject,
            audience: audience_here(ready, claims.audience),
            client_id: client.id.to_string(),
            issued_at: claims.issued_at,
            expires_at: claims.expires_at,
            token_id: source.id.token(&unique),
            scope,
            confirmation,
            lineage: Lineage {
                vendor: client.integration.vendor,
                integration: client.integration.id,
                client: client.id,
                epochs: Epochs::default(),
                client_key,
                context: None,
            },
        },
        keys,
        client_key: client_key.to_string(),
        // Keys of issuers end with the snapshot that knows them.
        signed_by: client_key.to_string(),
        refused_from: None,
        key,
        generation: ready.snapshot.version,
        external: Some(External { fresh: Arc::clone(&source.fresh), unbound, workload: None }),
    }
}

fn binds(confirmation: &Confirmation) -> bool {
    confirmation.binds()
}

/// Stands for the key of tokens that have none, so that they can be closed by name as others.
fn nobodys_key(issuer: IssuerId, client: ClientId) -> Thumbprint {
    let mut context = Context::new(&SHA256);
    context.update(b"portcullis unbound\0");
    context.update(issuer.0.as_bytes());
    context.update(client.0.as_bytes());
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    Thumbprint(digest)
}

/// An audience that is an address of ours opens what lies under it; any other name of ours, all.
fn audience_here(ready: &Ready, named: Vec<String>) -> Vec<String> {
    let origins = &ready.snapshot.public_origins;
    let is_address = |name: &String| origins.iter().any(|origin| name.starts_with(origin.as_str()));
    if named.iter().all(is_address) { named } else { origins.clone() }
}

pub fn stale() -> Refusal {
    Refusal::from(Reason::IssuerKeysStale).retry_after_ms(30_000)
}

/// The reason, and control's help where the issuer may have a new key.
pub fn refused(core: &Core, source: &Source, error: &ExternalError) -> Refusal {
    let reason = match error {
        ExternalError::Expired { .. } => Reason::TokenExpired,
        ExternalError::Audience { .. } => Reason::TokenAudience,
        ExternalError::Signature(_) => Reason::TokenSignature,
        ExternalError::KeyUnknown { .. } => {
            if source.fresh.may_ask(core.now_seconds(), ASK_SECONDS) {
                // When control is behind, the next one asks again.
                let _ = core.shared.to_control.try_send(FromGate::IssuerKeyUnknown { issuer: source.id });
            }
            Reason::TokenSignature
        }
        ExternalError::Jws(
            JwsError::TooLong { .. }
            | JwsError::NotThreeParts
            | JwsError::Encoding { .. }
            | JwsError::Json { .. },
        ) => Reason::TokenMalformed,
        _ => Reason::IssuerTokenRefused,
    };
    Refusal { detail: Some(error.to_string()), ..invalid_token(reason, false) }
}
