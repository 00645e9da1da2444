//! Who calls: a token, and the proof that the caller holds the key it is bound to.
//!
//! A verified token is remembered by its digest, so its signature is paid for once; its expiry,
//! epochs and revocation are looked at on each request. Proofs are always verified; what their header
//! says is remembered, which is the same in each of a client's proofs.

pub mod context;
mod external;
mod svid;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Request};
use portcullis_domain::reason::Reason;
use portcullis_domain::spec::Impact;
use portcullis_policy::doors::Door;
use portcullis_policy::evaluate::{Facts, Issued};
use portcullis_policy::liveness::KeyCell;
use portcullis_policy::snapshot::{Client, Route};
use portcullis_risk::{Answered, Aside, AskedAhead, Mode};
use portcullis_tokens::access_token::{
    AccessClaims, ISSUED_AT_LEEWAY_SECONDS, TokenError, Verified, verify_signed,
};
use portcullis_tokens::dpop::{ExpectedProof, NewHeader, Proof, ProofError, canonical_url};
use portcullis_tokens::nonce::{GoodNonce, NonceSlot};
use portcullis_tokens::replay::{Acceptance, ClientShare};
use portcullis_tokens::thumbprint::Thumbprint;

use crate::challenge;
use crate::connection::{Connection, Greeting};
use crate::core::Core;
use crate::refusal::{Challenge, Refusal};
use crate::seen::Seen;
use crate::shared::Ready;
use external::External;

pub use svid::Svid;

/// How far a proof's time may be off: its nonce says how fresh it is.
pub const PROOF_LEEWAY_SECONDS: i64 = 300;

/// A caller whose token and proofs hold.
#[derive(Clone)]
pub struct Caller {
    pub token: Rc<KnownToken>,
    /// From where.
    pub seen: Rc<Seen>,
    pub proven: Proven,
    /// A nonce for the next proof, when the one that was used will soon be stale.
    pub fresh_nonce: Option<String>,
}

/// What a request's proof says beside that its key is the right one.
#[derive(Clone, Copy, Default)]
pub struct Proven {
    /// For which question or request its nonce was given, if for one alone.
    pub purpose_us: Option<i64>,
    /// That nonce was never used before.
    pub is_single: bool,
    pub answer: Answered,
}

/// It holds what its token is, which nobody should read.
impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("session", &self.seen.session).finish_non_exhaustive()
    }
}

impl Caller {
    fn of(token: Rc<KnownToken>, seen: Rc<Seen>) -> Self {
        Self { token, seen, proven: Proven::default(), fresh_nonce: None }
    }

    /// By both of its names, where it has two.
    pub fn sessions(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&*self.seen.session).chain(self.seen.by_prefix.as_deref())
    }

    pub fn facts(&self) -> Facts<'_> {
        let KnownToken { claims, keys, external, .. } = &*self.token;
        let epochs = claims.lineage.epochs;
        let issued = match external {
            None => Issued::In([epochs.vendor, epochs.integration, epochs.client]),
            // Its issuer's clock may be ahead by as much: what says that it is younger than a cut-off may be older.
            Some(_) => Issued::At(claims.issued_at.saturating_sub(ISSUED_AT_LEEWAY_SECONDS)),
        };
        Facts {
            vendor: claims.lineage.vendor,
            integration: claims.lineage.integration,
            client: claims.lineage.client,
            issued,
            bound: !self.token.is_unbound(),
            keys,
            key: &self.token.key,
            signed_by: &self.token.signed_by,
            session: &self.seen.session,
            session_by_prefix: self.seen.by_prefix.as_deref(),
            token_id: &claims.token_id,
            scope: &claims.scope,
            audience: &claims.audience,
        }
    }
}

/// A token whose signature was good.
#[derive(Clone)]
pub struct KnownToken {
    pub claims: AccessClaims,
    /// Thumbprints that may close it: of the registered key and of the keys it is bound to.
    pub keys: Vec<String>,
    pub client_key: String,
    /// The term of the registered key: resolved once, one load for each request.
    pub key: Arc<KeyCell>,
    /// `kid` of the issuer's key that signed it.
    signed_by: String,
    /// When that key is refused, in seconds since the Unix epoch.
    refused_from: Option<i64>,
    /// Of the keys that verified it; of the snapshot, where somebody else vouches.
    generation: u64,
    external: Option<External>,
}

impl KnownToken {
    /// What may close a connection that it came on: its keys, and the one that signed it.
    pub fn closed_by(&self) -> Vec<String> {
        self.keys.iter().chain([&self.signed_by]).cloned().collect()
    }

    /// Whether all of [`Self::closed_by`] is among `known`.
    pub fn is_closed_by(&self, known: &[String]) -> bool {
        self.keys.iter().chain([&self.signed_by]).all(|key| known.contains(key))
    }

    pub fn is_dpop(&self) -> bool {
        self.claims.confirmation.jkt.is_some()
    }

    /// Whether whoever holds it may use it.
    pub fn is_unbound(&self) -> bool {
        self.external.as_ref().is_some_and(|external| external.unbound)
    }

    pub fn is_external(&self) -> bool {
        self.external.is_some()
    }

    /// Whether what it was verified with is still in use.
    fn is_of(&self, ready: &Ready) -> bool {
        match self.external {
            None => self.generation == ready.token_keys_generation,
            // Who is mapped may have changed with anything else.
            Some(_) => self.generation == ready.snapshot.version,
        }
    }

    /// `dpop`, `certificate`, both, or `none`.
    pub fn binding(&self) -> &'static str {
        let confirmation = &self.claims.confirmation;
        match (confirmation.jkt.is_some(), confirmation.x5t_s256.is_some()) {
            (true, true) => "dpop+certificate",
            (true, false) => "dpop",
            (false, true) => "certificate",
            (false, false) => "none",
        }
    }
}

/// Tokens by digest; when it is full it starts anew, which costs one verification for each token in use.
#[derive(Default)]
pub struct TokenCache {
    by_digest: RefCell<HashMap<[u8; 32], Rc<KnownToken>>>,
}

const TOKENS_MAX: usize = 16_384;

/// Who identified last on a connection, and with what.
pub struct Identified {
    /// None where the certificate alone said who it is.
    authorization: Option<HeaderValue>,
    token: Rc<KnownToken>,
    seen: Rc<Seen>,
}

/// The caller of `request`, or why it isn't believed.
pub fn identify<B>(
    core: &Core,
    ready: &Ready,
    connection: &Connection,
    route: &Route,
    request: &Request<B>,
) -> Result<Caller, Refusal> {
    let Some(greeting) = connection.greeting() else { return Err(Reason::NotReady.into()) };
    let authorization = request.headers().get(AUTHORIZATION);
    let again = connection
        .identified()
        .as_ref()
        .filter(|known| known.authorization.as_ref() == authorization)
        .map(|known| (Rc::clone(&known.token), Rc::clone(&known.seen)))
        .filter(|(token, _)| token.is_of(ready));
    let certified = match (&again, authorization) {
        (Some((token, _)), None) if in_time(token, core.now_seconds()).is_ok() => Some(Rc::clone(token)),
        (_, None) => svid::of_certificate(core, ready, connection)?,
        _ => None,
    };
    let caller = match (certified, &again) {
        (Some(token), Some((_, seen))) => Caller::of(token, Rc::clone(seen)),
        (Some(token), None) => {
            let seen = Seen::of(&token, greeting);
            Caller::of(token, seen)
        }
        (None, _) => by_token(core, ready, connection, (route, request), again.as_ref())?,
    };
    if again.is_none() {
        // A copy: the field itself would hold the whole buffer that it was read to.
        let copied = authorization.map(|value| HeaderValue::from_bytes(value.as_bytes())).transpose();
        if let Ok(authorization) = copied {
            let (token, seen) = (Rc::clone(&caller.token), Rc::clone(&caller.seen));
            connection.remember(Identified { authorization, token, seen });
        }
    }
    Ok(caller)
}

/// The caller by its token; `known` is that of the connection's last request, if it is the same.
fn by_token<B>(
    core: &Core,
    ready: &Ready,
    connection: &Connection,
    asked: (&Route, &Request<B>),
    known: Option<&(Rc<KnownToken>, Rc<Seen>)>,
) -> Result<Caller, Refusal> {
    let Some(greeting) = connection.greeting() else { return Err(Reason::NotReady.into()) };
    let (route, request) = asked;
    let (scheme, text) = credentials(request.headers(), known.is_some())?;
    let mut caller = match known {
        Some((token, seen)) => {
            in_time(token, core.now_seconds())?;
            Caller::of(Rc::clone(token), Rc::clone(seen))
        }
        None => {
            let token = svid::bound(core, ready, connection, known_token(core, ready, text)?)?;
            let seen = Seen::of(&token, greeting);
            Caller::of(token, seen)
        }
    };
    let token = Rc::clone(&caller.token);
    if let Some(bound) = &token.claims.confirmation.x5t_s256 {
        check_certificate(bound, greeting, token.is_dpop())?;
    }
    match (&token.claims.confirmation.jkt, scheme) {
        (Some(bound), Scheme::Dpop) => {
            let asking =
                Asking { core, ready, door: connection.door, greeting, route, caller: &caller, bound };
            let (proven, fresh_nonce) = check_proof(&asking, request, text)?;
            caller.proven = proven;
            caller.fresh_nonce = fresh_nonce;
        }
        (None, Scheme::Bearer) => {}
        (Some(_), Scheme::Bearer) => {
            let reason = if request.headers().contains_key("dpop") {
                Reason::SchemeWrong
            } else {
                Reason::ProofMissing
            };
            return Err(Refusal::from(reason).challenged(Challenge::Dpop { error: "invalid_token" }));
        }
        (None, Scheme::Dpop) => {
            return Err(
                Refusal::from(Reason::SchemeWrong).challenged(Challenge::Bearer { error: "invalid_token" })
            );
        }
    }
    Ok(caller)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Dpop,
    Bearer,
}

/// The one Authorization header. One that is `known` was found to be text before.
fn credentials(headers: &HeaderMap, known: bool) -> Result<(Scheme, &str), Refusal> {
    let missing = || Refusal::from(Reason::TokenMissing).challenged(Challenge::Any);
    let malformed =
        || Refusal::from(Reason::TokenMalformed).challenged(Challenge::Bearer { error: "invalid_request" });
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or_else(missing)?;
    if values.next().is_some() {
        return Err(malformed());
    }
    let text = if known { std::str::from_utf8(value.as_bytes()).ok() } else { value.to_str().ok() };
    let text = text.ok_or_else(malformed)?;
    let (scheme, token) = text.split_once(' ').ok_or_else(malformed)?;
    if scheme.eq_ignore_ascii_case("dpop") {
        Ok((Scheme::Dpop, token))
    } else if scheme.eq_ignore_ascii_case("bearer") {
        Ok((Scheme::Bearer, token))
    } else {
        Err(missing())
    }
}

fn known_token(core: &Core, ready: &Ready, text: &str) -> Result<Rc<KnownToken>, Refusal> {
    let now = core.now_seconds();
    let digest = digest_of(text);
    let known = core.tokens.by_digest.borrow().get(&digest).cloned();
    if let Some(known) = known
        && known.is_of(ready)
    {
        in_time(&known, now)?;
        return Ok(known);
    }
    let known = match external::known(core, ready, text)? {
        Some(known) => known,
        None => own(core, ready, text, now)?,
    };
    let mut cache = core.tokens.by_digest.borrow_mut();
    if cache.len() >= TOKENS_MAX {
        cache.clear();
    }
    cache.insert(digest, Rc::clone(&known));
    Ok(known)
}

/// A token of our own.
fn own(core: &Core, ready: &Ready, text: &str, now: i64) -> Result<Rc<KnownToken>, Refusal> {
    let verified = verify_signed(text, &ready.token_keys, &ready.snapshot.issuer, now);
    let Verified { claims, signed_by, refused_from } = verified.map_err(|error| match error {
        TokenError::Expired { .. } => invalid_token(Reason::TokenExpired, false),
        TokenError::KeyUnknown { kid } if core.shared.liveness.key_refused(&kid) => {
            invalid_token(Reason::TokenRevoked, false)
        }
        TokenError::Signature(_) | TokenError::KeyUnknown { .. } | TokenError::Issuer { .. } => {
            invalid_token(Reason::TokenSignature, false)
        }
        other => Refusal { detail: Some(other.to_string()), ..invalid_token(Reason::TokenMalformed, false) },
    })?;
    let client_key = claims.lineage.client_key.to_string();
    let confirmed = [claims.confirmation.jkt, claims.confirmation.x5t_s256];
    let mut keys = vec![client_key.clone()];
    keys.extend(confirmed.into_iter().flatten().map(|key| key.to_string()));
    keys.dedup();
    let key = core.shared.liveness.key(claims.lineage.client, &client_key);
    let generation = ready.token_keys_generation;
    let external = None;
    let known = KnownToken { claims, keys, client_key, key, signed_by, refused_from, generation, external };
    Ok(Rc::new(known))
}

fn in_time(token: &KnownToken, now: i64) -> Result<(), Refusal> {
    if let Some(external) = &token.external {
        external::check_fresh(external, now)?;
    }
    if now >= token.claims.expires_at {
        return Err(invalid_token(Reason::TokenExpired, token.is_dpop()));
    }
    if token.refused_from.is_some_and(|from| now >= from) {
        return Err(invalid_token(Reason::TokenSignature, token.is_dpop()));
    }
    Ok(())
}

fn digest_of(text: &str) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest.as_ref().try_into().unwrap_or([0; 32])
}

fn invalid_token(reason: Reason, dpop: bool) -> Refusal {
    let error = "invalid_token";
    let challenge = if dpop { Challenge::Dpop { error } } else { Challenge::Bearer { error } };
    Refusal::from(reason).challenged(challenge)
}

fn check_certificate(bound: &Thumbprint, greeting: &Greeting, dpop: bool) -> Result<(), Refusal> {
    match &greeting.certificate {
        None => Err(invalid_token(Reason::CertificateMissing, dpop)),
        Some(presented) if presented != bound => Err(invalid_token(Reason::CertificateWrong, dpop)),
        Some(_) => Ok(()),
    }
}

/// Who wants to be believed, where, and by which key.
struct Asking<'a> {
    core: &'a Core,
    ready: &'a Ready,
    door: Door,
    greeting: &'a Greeting,
    route: &'a Route,
    caller: &'a Caller,
    bound: &'a Thumbprint,
}

impl Asking<'_> {
    fn client(&self) -> Option<&Arc<Client>> {
        self.ready.snapshot.client(self.caller.token.claims.lineage.client)
    }

    /// Refuses a caller whose nonce is missing or stale, and gives the next one. Where a question is due, it is the question's:
    /// one answer says both.
    fn again(&self, refusal: Refusal) -> Refusal {
        let Self { core, ready, route, caller, bound, .. } = self;
        let scored =
            |client: &&Arc<Client>| ready.snapshot.rules(&client.integration, route).rules.mode != Mode::Off;
        let asked = self.client().filter(scored).map_or(AskedAhead::Nothing, |client| {
            let (context, issued_in, at_us) = (caller.seen.context, caller.seen.issued_in, core.now_us());
            let aside = Aside::Asked { context, issued_in, at_us };
            client.risk.change_aside(aside, |risk| risk.ask_ahead(&context, issued_in, at_us))
        });
        let nonces = &core.shared.nonces;
        match asked {
            AskedAhead::Open { .. } | AskedAhead::Nothing if route.facts.impact == Impact::Critical => {
                refusal.with_nonce(nonces.issue_for(bound, self.greeting.place.hash, core.single_us()))
            }
            AskedAhead::Open { asked_us } => {
                refusal.with_nonce(nonces.issue_for(bound, self.greeting.place.hash, asked_us))
            }
            AskedAhead::Nothing => refusal.with_nonce(nonces.issue(bound, core.now_seconds())),
            // As a wrong answer: none will come.
            AskedAhead::Failed => Refusal { culprit: Some(challenge::wrong((*caller).clone())), ..refusal },
        }
    }

    /// Another key, or a bad signature: over the nonce of an open question it is an answer, and a wrong one.
    fn wrong(&self, proof: &str, refusal: Refusal) -> Refusal {
        let Ok(proof) = self.core.proof_headers.borrow().read(proof) else { return refusal };
        let (Some(client), Some(nonce)) = (self.client(), proof.nonce()) else { return refusal };
        // Its own other key: it is being exchanged, and the client has not got its next token yet.
        let signed_by = proof.jkt();
        let liveness = &self.core.shared.liveness;
        if signed_by != *self.bound
            && liveness.holds_key(client.id, &signed_by.to_string(), self.core.now_us())
        {
            return refusal;
        }
        if !challenge::is_wrong_answer(self.core, client, self.caller, self.greeting, nonce) {
            return refusal;
        }
        Refusal { culprit: Some(challenge::wrong(self.caller.clone())), ..refusal }
    }
}

fn check_proof<B>(
    asking: &Asking<'_>,
    request: &Request<B>,
    token_text: &str,
) -> Result<(Proven, Option<String>), Refusal> {
    let Asking { core, ready, door, greeting, route, caller, bound } = *asking;
    let text = single_proof(request.headers())?.ok_or_else(|| {
        asking.again(
            Refusal::from(Reason::ProofMissing).challenged(Challenge::Dpop { error: "invalid_dpop_proof" }),
        )
    })?;
    let proof = core.proof_headers.borrow().read(text).map_err(|error| bad_proof(&error))?;
    if proof.jkt() != *bound {
        let refusal = Refusal::from(Reason::ProofKey).challenged(Challenge::Dpop { error: "invalid_token" });
        return Err(asking.wrong(text, refusal));
    }
    let client = caller.token.claims.lineage.client;
    let urls = addresses(ready, door, request.uri().path());
    let expected = Expected {
        method: request.method().as_str(),
        urls: &urls,
        access_token: Some(token_text),
        share: ClientShare::of(client),
        place: greeting.place.hash,
        // A nonce for one request is worth remembering only where that is asked for.
        single: route.facts.impact == Impact::Critical,
    };
    let good =
        check_matching(core, proof, &expected, |refusal, _| asking.again(refusal)).map_err(|refusal| {
            match refusal.reason {
                Reason::ProofSignature => asking.wrong(text, refusal),
                _ => refusal,
            }
        })?;
    if let Some(header) = good.new_header {
        core.proof_headers.borrow_mut().remember(client, header);
    }
    Ok((good.proven, good.fresh_nonce))
}

/// The one DPoP header, if there is one; two are malformed.
pub fn single_proof(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let malformed =
        || Refusal::from(Reason::ProofMalformed).challenged(Challenge::Dpop { error: "invalid_dpop_proof" });
    let mut values = headers.get_all("dpop").iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(malformed());
    }
    value.to_str().map(Some).map_err(|_| malformed())
}

/// What is left of a proof that holds.
pub struct GoodProof {
    /// If the proof's own is of the previous slot, or was given for one purpose.
    pub fresh_nonce: Option<String>,
    pub proven: Proven,
    /// To be remembered for the client, once it is known which one that is.
    pub new_header: Option<NewHeader>,
}

/// What a proof must fit.
pub struct Expected<'a> {
    pub method: &'a str,
    pub urls: &'a [String],
    pub access_token: Option<&'a str>,
    pub share: ClientShare,
    /// Where a nonce for one purpose must have been given.
    pub place: u64,
    /// A nonce that was given for one request is to be used once.
    pub single: bool,
}

/// Nonce, request, signature, replay, in the order of what they cost. `next` gives a nonce to a refusal for want of
/// one.
pub fn check_matching(
    core: &Core,
    proof: Proof<'_>,
    expected: &Expected<'_>,
    next: impl Fn(Refusal, &Thumbprint) -> Refusal,
) -> Result<GoodProof, Refusal> {
    let Expected { method, urls, access_token, share, place, single } = *expected;
    let shared = &core.shared;
    let now = core.now_seconds();
    let jkt = proof.jkt();
    let nonce = proof.nonce().and_then(|nonce| shared.nonces.check_in(nonce, &jkt, place, now));
    let ask_again = |reason: Reason| {
        next(Refusal::from(reason).challenged(Challenge::Dpop { error: "use_dpop_nonce" }), &jkt)
    };
    let Some(GoodNonce { slot, purpose_us }) = nonce else { return Err(ask_again(Reason::ProofNonce)) };
    let used = if single && purpose_us.is_some() { proof.nonce().map(str::to_owned) } else { None };
    let expected = ExpectedProof { method, urls, access_token, now, leeway_seconds: PROOF_LEEWAY_SECONDS };
    let verified = proof
        .matching(&expected)
        .and_then(|matched| matched.verify_signature())
        .map_err(|error| bad_proof(&error))?;
    match shared.replay.accept(slot, &verified.jkt, &verified.jti, share) {
        Acceptance::Accepted => {}
        Acceptance::Late => return Err(ask_again(Reason::ProofNonce)),
        Acceptance::Replayed => return Err(ask_again(Reason::ProofReplayed)),
        Acceptance::Full | Acceptance::ClientShareSpent => {
            return Err(Refusal::from(Reason::ReplayStoreFull).retry_after_ms(10_000));
        }
    }
    // Beside the proof's own `jti`: whoever takes such a name for one only spends its own nonce.
    let is_single = used.is_some_and(|nonce| {
        let name = format!("nonce {nonce}");
        shared.replay.accept(slot, &verified.jkt, &name, share) == Acceptance::Accepted
    });
    let current = NonceSlot::at(now);
    let fresh_nonce = if single {
        Some(shared.nonces.issue_for(&verified.jkt, place, core.single_us()))
    } else {
        (slot != current || purpose_us.is_some()).then(|| shared.nonces.issue(&verified.jkt, now))
    };
    let proven = Proven { purpose_us, is_single, ..Proven::default() };
    Ok(GoodProof { fresh_nonce, proven, new_header: verified.new_header })
}

fn bad_proof(error: &ProofError) -> Refusal {
    let reason = match error {
        ProofError::Method { .. } => Reason::ProofMethod,
        ProofError::Url { .. } | ProofError::UrlMalformed(_) => Reason::ProofUrl,
        ProofError::TooOld { .. } | ProofError::InFuture { .. } => Reason::ProofTime,
        ProofError::TokenHashMissing | ProofError::TokenHashMismatch => Reason::ProofTokenHash,
        ProofError::Signature(_) => Reason::ProofSignature,
        _ => Reason::ProofMalformed,
    };
    Refusal::with_detail(reason, error.to_string())
        .challenged(Challenge::Dpop { error: "invalid_dpop_proof" })
}

/// What `htu` may say for `path` at a door: it at any of the origins there, in canonical form.
pub fn addresses(ready: &Ready, door: Door, path: &str) -> Vec<String> {
    let at = |origin: &String| {
        let address = format!("{origin}{path}");
        canonical_url(&address).unwrap_or(address)
    };
    ready.snapshot.origins_at(door).iter().map(at).collect()
}
