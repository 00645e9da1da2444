//! The proof that a client holds the key that it registers by itself: a JWT signed by that key, which
//! carries its public half.
//!
//! When one key replaces another, the claim `cur` names the one in use, which authenticates the
//! request: so both are proved, and neither proof can be used without the other. When a client is
//! enrolled there is no other key, and no `cur`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::claims::{self, CLAIM_BYTES_MAX, ClaimError, Mismatch};
use crate::json::{self, Member};
use crate::jwk::{Jwk, JwkError, VerifyingKey};
use crate::jws::{Algorithm, Compact, JwsError, Segments, SignatureError, part};
use crate::signing::{SigningError, SigningKey};

pub const TYPE: &str = "portcullis-next-key+jwt";
/// The longest proof that is read: a certificate of a 4,096-bit RSA key fits four times.
pub const NEXT_KEY_BYTES_MAX: usize = 16 * 1024;
/// How far ahead `exp` may be.
pub const LIFETIME_SECONDS_MAX: i64 = 300;

const PERMITTED: [Algorithm; 4] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256, Algorithm::RS256];

/// What the proof carries, not yet believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Holder {
    Jwk(Jwk),
    /// DER, of the first certificate of `x5c`. Whoever reads it gives its key to [`NextKey::verify`].
    Certificate(Vec<u8>),
}

/// What a proof must be about.
#[derive(Clone, Debug)]
pub struct ExpectedNextKey<'a> {
    pub client_id: &'a str,
    /// The issuer.
    pub audience: &'a str,
    /// Thumbprint of the key that is replaced; `None` for a client that has none.
    pub current: Option<&'a str>,
    /// Seconds since the Unix epoch.
    pub now: i64,
    /// By how much the client's clock may be ahead.
    pub leeway_seconds: i64,
}

/// Why a proof isn't good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NextKeyError {
    #[error("the next key's proof: {0}")]
    Jws(#[from] JwsError),
    #[error("`typ` of the next key's proof is `{found}`, hint: set `{TYPE}`")]
    Type { found: String },
    #[error("the next key's proof carries no key, hint: put the public key in the header, as `jwk` or `x5c`")]
    KeyMissing,
    #[error("the next key's proof carries two keys, hint: give `jwk` or `x5c`, not both")]
    TwoKeys,
    #[error(
        "`x5c` of the next key's proof is malformed, hint: an array that begins with the certificate's DER in base64"
    )]
    Chain,
    #[error("the next key: {0}")]
    Key(#[from] JwkError),
    #[error("the next key's proof: {0}")]
    Claim(#[from] ClaimError),
    #[error("`{}` of the next key's proof is `{}`, hint: set it to `{}`", .0.name, .0.found, .0.expected)]
    Mismatch(#[from] Mismatch),
    #[error("the next key's proof names a key that it replaces, hint: leave `cur` out, there is none yet")]
    CurrentKey,
    #[error(
        "the next key's proof expired {seconds} s ago, hint: make one for each request, and set the clock"
    )]
    Expired { seconds: i64 },
    #[error("`exp` of the next key's proof is {seconds} s ahead, hint: at most {LIFETIME_SECONDS_MAX}")]
    LivesTooLong { seconds: i64 },
    #[error("`iat` of the next key's proof is {seconds} s in the future, hint: set the clock")]
    IssuedInFuture { seconds: i64 },
    #[error("the next key's proof: {0}")]
    Signature(#[from] SignatureError),
}

/// A proof that was read. Nothing in it is believed yet.
#[derive(Clone)]
pub struct NextKey<'a> {
    compact: Compact<'a>,
    holder: Holder,
}

impl<'a> NextKey<'a> {
    /// Reads a proof, so that its key can be looked at. Time and memory are bounded.
    ///
    /// # Errors
    /// [`NextKeyError`]: not a JWS of this type, or without one public key in its header.
    pub fn parse(text: &'a str) -> Result<Self, NextKeyError> {
        let compact = Compact::parse(text, NEXT_KEY_BYTES_MAX, &PERMITTED)?;
        compact.is_typed(TYPE).map_err(|found| NextKeyError::Type { found })?;
        let holder = match (&compact.header.jwk, chain(text)?) {
            (None, None) => return Err(NextKeyError::KeyMissing),
            (Some(_), Some(_)) => return Err(NextKeyError::TwoKeys),
            (Some(jwk), None) => Holder::Jwk(Jwk::of_members(jwk)?),
            (None, Some(leaf)) => Holder::Certificate(leaf),
        };
        Ok(Self { compact, holder })
    }

    #[must_use]
    pub fn holder(&self) -> &Holder {
        &self.holder
    }

    /// The key of [`Holder::Jwk`], made ready; `None` for a certificate, which isn't read here.
    ///
    /// # Errors
    /// [`NextKeyError::Key`]: nobody could verify with it safely.
    pub fn verifying_key(&self) -> Result<Option<VerifyingKey>, NextKeyError> {
        match &self.holder {
            Holder::Jwk(jwk) => {
                jwk.prove_usable()?;
                Ok(Some(VerifyingKey::new(jwk)?))
            }
            Holder::Certificate(_) => Ok(None),
        }
    }

    /// Checks that it is the client's word, for us, for now, and signed by `key`.
    ///
    /// # Errors
    /// [`NextKeyError`], the signature last.
    pub fn verify(&self, key: &VerifyingKey, expected: &ExpectedNextKey<'_>) -> Result<(), NextKeyError> {
        let names = ["iss", "sub", "aud", "jti", "iat", "exp", "cur"];
        let claims = json::named(&self.compact.payload, names);
        let [iss, sub, aud, jti, iat, exp, cur] =
            claims.map_err(|reason| JwsError::Json { part: "payload", reason })?;
        claims::same::<NextKeyError>(iss.as_ref(), "iss", expected.client_id)?;
        claims::same::<NextKeyError>(sub.as_ref(), "sub", expected.client_id)?;
        claims::same::<NextKeyError>(aud.as_ref(), "aud", expected.audience)?;
        match (expected.current, &cur) {
            (Some(current), cur) => claims::same::<NextKeyError>(cur.as_ref(), "cur", current)?,
            (None, Some(_)) => return Err(NextKeyError::CurrentKey),
            (None, None) => {}
        }
        claims::text(jti.as_ref(), "jti", CLAIM_BYTES_MAX)?;
        let expires_in = claims::date(exp.as_ref(), "exp")?.saturating_sub(expected.now);
        if expires_in <= 0 {
            return Err(NextKeyError::Expired { seconds: expires_in.saturating_neg() });
        }
        if expires_in > LIFETIME_SECONDS_MAX.saturating_add(expected.leeway_seconds) {
            return Err(NextKeyError::LivesTooLong { seconds: expires_in });
        }
        let ahead = claims::date(iat.as_ref(), "iat")?.saturating_sub(expected.now);
        if ahead > expected.leeway_seconds {
            return Err(NextKeyError::IssuedInFuture { seconds: ahead });
        }
        Ok(self.compact.verify(key)?)
    }
}

/// The leaf of `x5c` (RFC 7515, section 4.1.6), in standard base64.
fn chain(text: &str) -> Result<Option<Vec<u8>>, NextKeyError> {
    let segments = Segments::of(text, NEXT_KEY_BYTES_MAX)?;
    let header = part("header", segments.header)?;
    let [x5c] = json::named(&header, ["x5c"]).map_err(|reason| JwsError::Json { part: "header", reason })?;
    match x5c {
        None => Ok(None),
        Some(Member::Other(Value::Array(chain))) => {
            let leaf = chain.first().and_then(Value::as_str).ok_or(NextKeyError::Chain)?;
            STANDARD.decode(leaf).map(Some).map_err(|_| NextKeyError::Chain)
        }
        Some(_) => Err(NextKeyError::Chain),
    }
}

/// What a new proof says.
#[derive(Clone, Debug)]
pub struct NewNextKey<'a> {
    pub client_id: &'a str,
    pub audience: &'a str,
    /// `jti`: another one for each proof.
    pub token_id: &'a str,
    /// Seconds since the Unix epoch.
    pub issued_at: i64,
    pub expires_at: i64,
    /// Thumbprint of the key that is replaced.
    pub current: Option<&'a str>,
}

/// A proof signed by `key`, which carries its public half.
///
/// # Errors
/// [`SigningError::Library`].
pub fn create(key: &SigningKey, new: &NewNextKey<'_>) -> Result<String, SigningError> {
    let header = Map::from_iter([
        ("typ".to_owned(), Value::from(TYPE)),
        ("jwk".to_owned(), Value::Object(key.public_jwk().bare())),
    ]);
    let mut claims = Map::from_iter([
        ("iss".to_owned(), Value::from(new.client_id)),
        ("sub".to_owned(), Value::from(new.client_id)),
        ("aud".to_owned(), Value::from(new.audience)),
        ("jti".to_owned(), Value::from(new.token_id)),
        ("iat".to_owned(), Value::from(new.issued_at)),
        ("exp".to_owned(), Value::from(new.expires_at)),
    ]);
    if let Some(current) = new.current {
        claims.insert("cur".to_owned(), Value::from(current));
    }
    key.sign(&header, Value::Object(claims).to_string().as_bytes())
}

#[cfg(test)]
mod tests;
