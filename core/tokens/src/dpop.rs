//! DPoP proofs (RFC 9449), checked in the order of their cost.
//!
//! [`Proof::parse`] reads and names the key, so that the gate can look at the nonce;
//! [`Proof::matching`] compares with the request; only then [`MatchedProof::verify_signature`] pays
//! for the signature. [`verify`] is the three in one. Whether the nonce is good and the proof new is
//! the caller's to ask, in [`crate::nonce`] and [`crate::replay`].
//!
//! A client's proofs have one header, which [`ProofHeaders`] remembers with its prepared key:
//! [`ProofHeaders::read`] answers as [`Proof::parse`] does, for less.

mod create;
mod headers;
mod url;

use std::sync::Arc;

use crate::base64url;
use crate::claims::{self, ClaimError};
use crate::json::{self, shown};
use crate::jwk::JwkError;
use crate::jws::{Algorithm, JwsError, Segments, SignatureError, part};
use crate::thumbprint::{Thumbprint, sha256};
use headers::{KnownHeader, ReadHeader};

pub use create::{NewProof, create};
pub use headers::{HEADER_BYTES_MAX, HEADERS_MAX, HEADERS_OF_CLIENT_MAX, NewHeader, ProofHeaders};
pub use url::{UrlError, canonical_url};

/// The longest proof that is read.
pub const PROOF_BYTES_MAX: usize = 4 * 1024;
/// The longest `jti` and the longest `nonce`.
pub const TOKEN_ID_BYTES_MAX: usize = 256;

const TYPE: &str = "dpop+jwt";
/// RSA has no place here: its keys would travel in every request.
const PERMITTED: [Algorithm; 2] = [Algorithm::ES256, Algorithm::EdDSA];

/// What a proof must be about.
#[derive(Clone, Debug)]
pub struct ExpectedProof<'a> {
    /// The request's method, as it was sent.
    pub method: &'a str,
    /// The values of `htu` to take, each made by [`canonical_url`]: a public origin and the path.
    pub urls: &'a [String],
    /// The token that came with the proof; `None` at the token endpoint.
    pub access_token: Option<&'a str>,
    /// Seconds since the Unix epoch.
    pub now: i64,
    /// By how much `iat` may be off, either way. A nonce makes 300 safe.
    pub leeway_seconds: i64,
}

/// A proof whose signature was good and that is about this request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VerifiedProof {
    pub jkt: Thumbprint,
    pub jti: String,
    /// Not checked here.
    pub nonce: Option<String>,
    pub issued_at: i64,
    /// For [`ProofHeaders::remember`], once it is known whose proof this is; none where it is
    /// remembered already, or isn't worth it.
    pub new_header: Option<NewHeader>,
}

/// Why a proof isn't good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("the DPoP proof: {0}")]
    Jws(#[from] JwsError),
    #[error("`typ` of the DPoP proof is `{found}`, hint: set it to `dpop+jwt`")]
    Type { found: String },
    #[error("the DPoP proof carries no key, hint: put the public key into the header `jwk`")]
    KeyMissing,
    #[error("`jwk` of the DPoP proof: {0}")]
    Key(#[from] JwkError),
    #[error("the key doesn't fit `{algorithm}`, hint: `ES256` goes with `P-256`, `EdDSA` with `Ed25519`")]
    KeyMisfit { algorithm: Algorithm },
    #[error("the DPoP proof: {0}")]
    Claim(#[from] ClaimError),
    #[error("`htm` is `{found}`, hint: make a proof for each request, this one is `{expected}`")]
    Method { found: String, expected: String },
    #[error("`htu` is malformed: {0}")]
    UrlMalformed(#[from] UrlError),
    #[error("`htu` is `{found}`, hint: use the public address without query, here `{expected}`")]
    Url { found: String, expected: String },
    #[error(
        "the DPoP proof was made {seconds} s ago, hint: make a proof for each request, and set the clock"
    )]
    TooOld { seconds: i64 },
    #[error("the DPoP proof is from {seconds} s in the future, hint: set the clock")]
    InFuture { seconds: i64 },
    #[error("`ath` is missing, hint: with an access token a proof carries `ath`, its SHA-256 in base64url")]
    TokenHashMissing,
    #[error("`ath` isn't the hash of the access token sent, hint: make a proof for each request")]
    TokenHashMismatch,
    #[error("the DPoP proof: {0}")]
    Signature(#[from] SignatureError),
}

/// A proof that was read. Nothing in it is believed yet.
#[derive(Clone)]
pub struct Proof<'a> {
    header: Header<'a>,
    signing_input: &'a str,
    signature: Vec<u8>,
    method: String,
    url: String,
    token_hash: Option<String>,
    jti: String,
    nonce: Option<String>,
    issued_at: i64,
}

#[derive(Clone)]
enum Header<'a> {
    Known(Arc<KnownHeader>),
    Read(Box<ReadHeader<'a>>),
}

/// A proof that is about the request; its signature isn't checked yet.
#[derive(Clone)]
pub struct MatchedProof<'a>(Proof<'a>);

/// Reads `proof`, compares it with `expected`, then checks its signature.
///
/// # Errors
/// [`ProofError`], the cheapest reason first.
pub fn verify(proof: &str, expected: &ExpectedProof<'_>) -> Result<VerifiedProof, ProofError> {
    Proof::parse(proof)?.matching(expected)?.verify_signature()
}

impl<'a> Proof<'a> {
    /// Reads a proof, without any cryptography but one SHA-256.
    ///
    /// # Errors
    /// [`ProofError`]: not a JWS, another type, no public key, a claim missing or malformed.
    pub fn parse(text: &'a str) -> Result<Self, ProofError> {
        Self::read(text, |_| None)
    }

    fn read(text: &'a str, known: impl FnOnce(&str) -> Option<Arc<KnownHeader>>) -> Result<Self, ProofError> {
        let segments = Segments::of(text, PROOF_BYTES_MAX)?;
        let header = match known(segments.header) {
            Some(known) => Header::Known(known),
            None => Header::Read(Box::new(ReadHeader::parse(segments.header)?)),
        };
        let payload = part("payload", segments.payload)?;
        let signature = part("signature", segments.signature)?;
        let claims = json::named(&payload, ["htm", "htu", "ath", "jti", "nonce", "iat"]);
        let [method, url, token_hash, jti, nonce, issued_at] =
            claims.map_err(|reason| JwsError::Json { part: "payload", reason })?;
        let id = TOKEN_ID_BYTES_MAX;
        let text = |claim, name, bytes_max| claims::text(claim, name, bytes_max).map(str::to_owned);
        let optional = |claim, name| claims::optional_text(claim, name, id).map(|t| t.map(str::to_owned));
        Ok(Self {
            header,
            signing_input: segments.signing_input,
            signature,
            method: text(method.as_ref(), "htm", id)?,
            url: text(url.as_ref(), "htu", PROOF_BYTES_MAX)?,
            token_hash: optional(token_hash.as_ref(), "ath")?,
            jti: text(jti.as_ref(), "jti", id)?,
            nonce: optional(nonce.as_ref(), "nonce")?,
            issued_at: claims::date(issued_at.as_ref(), "iat")?,
        })
    }

    /// The thumbprint of the proof's key: enough to issue or check a nonce, and no more.
    pub fn jkt(&self) -> Thumbprint {
        match &self.header {
            Header::Known(known) => known.key.thumbprint(),
            Header::Read(read) => read.jkt,
        }
    }

    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    /// Compares the proof with the request.
    ///
    /// # Errors
    /// [`ProofError`]: another method, address or token, or a time too far off.
    pub fn matching(self, expected: &ExpectedProof<'_>) -> Result<MatchedProof<'a>, ProofError> {
        if self.method != expected.method {
            return Err(ProofError::Method { found: shown(&self.method), expected: shown(expected.method) });
        }
        self.check_url(expected.urls)?;
        self.check_time(expected)?;
        if let Some(access_token) = expected.access_token {
            self.check_token(access_token)?;
        }
        Ok(MatchedProof(self))
    }

    fn check_url(&self, urls: &[String]) -> Result<(), ProofError> {
        // What is wanted is canonical, so what equals it is, too.
        if urls.contains(&self.url) || urls.contains(&canonical_url(&self.url)?) {
            return Ok(());
        }
        Err(ProofError::Url {
            found: shown(&self.url),
            expected: shown(urls.first().map_or("", String::as_str)),
        })
    }

    fn check_time(&self, expected: &ExpectedProof<'_>) -> Result<(), ProofError> {
        let age_seconds = expected.now.saturating_sub(self.issued_at);
        if age_seconds > expected.leeway_seconds {
            return Err(ProofError::TooOld { seconds: age_seconds });
        }
        let ahead_seconds = self.issued_at.saturating_sub(expected.now);
        if ahead_seconds > expected.leeway_seconds {
            return Err(ProofError::InFuture { seconds: ahead_seconds });
        }
        Ok(())
    }

    fn check_token(&self, access_token: &str) -> Result<(), ProofError> {
        let token_hash = self.token_hash.as_deref().ok_or(ProofError::TokenHashMissing)?;
        if base64url::decode_array(token_hash) == Some(sha256(access_token.as_bytes())) {
            return Ok(());
        }
        Err(ProofError::TokenHashMismatch)
    }
}

impl MatchedProof<'_> {
    /// Checks the signature with the key in the proof.
    ///
    /// # Errors
    /// [`ProofError::Key`] if its point isn't usable, [`ProofError::Signature`].
    pub fn verify_signature(self) -> Result<VerifiedProof, ProofError> {
        let Proof { header, signing_input, signature, jti, nonce, issued_at, .. } = self.0;
        let (known, segment) = match header {
            Header::Known(known) => (known, None),
            Header::Read(read) => (Arc::new(read.prepare()?), Some(read.segment)),
        };
        known.key.verify(known.algorithm, signing_input.as_bytes(), &signature)?;
        let jkt = known.key.thumbprint();
        let new_header = segment.and_then(|segment| NewHeader::of(segment, known));
        Ok(VerifiedProof { jkt, jti, nonce, issued_at, new_header })
    }
}

/// `ath`: SHA-256 of the token's ASCII, in base64url (RFC 9449, section 4.2).
fn token_hash_of(access_token: &str) -> String {
    base64url::encode(sha256(access_token.as_bytes()))
}

#[cfg(test)]
mod tests;
