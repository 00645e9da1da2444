//! What a client says under its own key: a JWT by one of its registered keys, of a type of its own, that proves itself.
//!
//! Statements about machines and notices of breaches are such, and differ in what they say and how long they are good.

use serde_json::{Map, Value};

use crate::assertion::{RegisteredKey, signer};
use crate::claims::{self, CLAIM_BYTES_MAX, ClaimError, Mismatch};
use crate::json::{self, Member};
use crate::jws::{Algorithm, Compact, JwsError};
use crate::signing::{SigningError, SigningKey};
use crate::thumbprint::Thumbprint;

const PERMITTED: [Algorithm; 4] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256, Algorithm::RS256];
/// Claims that say whose it is; all others are what it says.
const REGISTERED: [&str; 6] = ["iss", "sub", "aud", "jti", "iat", "exp"];

/// Whose word a statement must be.
#[derive(Clone, Debug)]
pub struct Expected<'a> {
    pub client_id: &'a str,
    /// The issuer.
    pub audience: &'a str,
    /// Seconds since the Unix epoch.
    pub now: i64,
    /// By how much the client's clock may be ahead.
    pub leeway_seconds: i64,
}

/// One kind of statement.
pub(crate) struct Kind {
    pub typ: &'static str,
    pub bytes_max: usize,
    /// How far `exp` may lie after `iat`.
    pub lifetime_seconds_max: i64,
    /// How old it may be when it comes; without one, as old as it is good.
    pub fresh_seconds: Option<i64>,
}

/// Why it isn't good; each kind says it in its own words.
pub(crate) enum Fault {
    Jws(JwsError),
    Type { found: String },
    EmbeddedKey,
    Claim(ClaimError),
    Mismatch(Mismatch),
    Expired { seconds: i64 },
    Old { seconds: i64 },
    LivesTooLong { seconds: i64 },
    IssuedInFuture { seconds: i64 },
    Signature,
}

impl From<JwsError> for Fault {
    fn from(error: JwsError) -> Self {
        Self::Jws(error)
    }
}

impl From<ClaimError> for Fault {
    fn from(error: ClaimError) -> Self {
        Self::Claim(error)
    }
}

impl From<Mismatch> for Fault {
    fn from(error: Mismatch) -> Self {
        Self::Mismatch(error)
    }
}

/// A statement that was read. Nothing in it is believed yet.
#[derive(Clone)]
pub(crate) struct Signed<'a>(Compact<'a>);

/// A statement whose signature was good.
pub(crate) struct Verified {
    pub key: Thumbprint,
    pub token_id: String,
    pub issued_at: i64,
    pub expires_at: i64,
    /// What it says.
    pub said: Map<String, Value>,
}

impl<'a> Signed<'a> {
    /// Takes a statement apart, so that its client can be looked up. Time and memory are bounded.
    pub fn parse(text: &'a str, kind: &Kind) -> Result<Self, Fault> {
        let compact = Compact::parse(text, kind.bytes_max, &PERMITTED)?;
        compact.is_typed(kind.typ).map_err(|found| Fault::Type { found })?;
        if compact.header.jwk.is_some() {
            return Err(Fault::EmbeddedKey);
        }
        Ok(Self(compact))
    }

    /// `sub`, to find the client by.
    pub fn subject(&self) -> Result<String, Fault> {
        let [sub] = self.named(["sub"])?;
        Ok(claims::text(sub.as_ref(), "sub", CLAIM_BYTES_MAX)?.to_owned())
    }

    /// Parties and times first, then the signature.
    pub fn verify(
        &self,
        keys: &[RegisteredKey],
        expected: &Expected<'_>,
        kind: &Kind,
    ) -> Result<Verified, Fault> {
        let [iss, sub, aud, jti, iat, exp] = self.named(REGISTERED)?;
        claims::same::<Fault>(iss.as_ref(), "iss", expected.client_id)?;
        claims::same::<Fault>(sub.as_ref(), "sub", expected.client_id)?;
        claims::same::<Fault>(aud.as_ref(), "aud", expected.audience)?;
        let token_id = claims::text(jti.as_ref(), "jti", CLAIM_BYTES_MAX)?.to_owned();
        let issued_at = claims::date(iat.as_ref(), "iat")?;
        let expires_at = claims::date(exp.as_ref(), "exp")?;
        check_times(issued_at, expires_at, expected, kind)?;
        let key = signer(&self.0, keys).map_err(|_| Fault::Signature)?;
        let mut said = self.0.claims()?;
        said.retain(|name, _| !REGISTERED.contains(&name.as_str()));
        Ok(Verified { key, token_id, issued_at, expires_at, said })
    }

    fn named<const COUNT: usize>(
        &self,
        names: [&'static str; COUNT],
    ) -> Result<[Option<Member<'_>>; COUNT], Fault> {
        let found = json::named(&self.0.payload, names);
        Ok(found.map_err(|reason| JwsError::Json { part: "payload", reason })?)
    }
}

/// Who says it, to whom, and for how long it is good.
pub(crate) struct Parties<'a> {
    pub client_id: &'a str,
    pub audience: &'a str,
    pub token_id: &'a str,
    pub issued_at: i64,
    pub expires_at: i64,
}

impl Parties<'_> {
    pub fn claims(&self) -> [(String, Value); 6] {
        [
            ("iss".to_owned(), Value::from(self.client_id)),
            ("sub".to_owned(), Value::from(self.client_id)),
            ("aud".to_owned(), Value::from(self.audience)),
            ("jti".to_owned(), Value::from(self.token_id)),
            ("iat".to_owned(), Value::from(self.issued_at)),
            ("exp".to_owned(), Value::from(self.expires_at)),
        ]
    }
}

pub(crate) fn sign(
    key: &SigningKey,
    typ: &'static str,
    claims: Map<String, Value>,
) -> Result<String, SigningError> {
    let header = Map::from_iter([("typ".to_owned(), Value::from(typ))]);
    key.sign(&header, Value::Object(claims).to_string().as_bytes())
}

fn check_times(issued_at: i64, expires_at: i64, expected: &Expected<'_>, kind: &Kind) -> Result<(), Fault> {
    let age = expected.now.saturating_sub(issued_at);
    if age < expected.leeway_seconds.saturating_neg() {
        return Err(Fault::IssuedInFuture { seconds: age.saturating_neg() });
    }
    let left = expires_at.saturating_sub(expected.now);
    if left <= 0 {
        return Err(Fault::Expired { seconds: left.saturating_neg() });
    }
    if kind.fresh_seconds.is_some_and(|fresh| age > fresh) {
        return Err(Fault::Old { seconds: age });
    }
    let seconds = expires_at.saturating_sub(issued_at);
    if seconds > kind.lifetime_seconds_max {
        return Err(Fault::LivesTooLong { seconds });
    }
    Ok(())
}
