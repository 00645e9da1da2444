//! Client assertions: `private_key_jwt` (RFC 7523, section 3; OpenID Connect Core, section 9).

use serde_json::{Map, Value};

use crate::claims::{self, CLAIM_BYTES_MAX, ClaimError};
use crate::json::{self, Member, shown};
use crate::jwk::VerifyingKey;
use crate::jws::{Algorithm, Compact, JwsError, SignatureError};
use crate::signing::{SigningError, SigningKey};
use crate::thumbprint::Thumbprint;

/// The longest assertion that is read.
pub const ASSERTION_BYTES_MAX: usize = 8 * 1024;
/// The most keys that are tried for an assertion: two while rotating, and as many in reserve.
pub const KEYS_TRIED_MAX: usize = 4;

const PERMITTED: [Algorithm; 4] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256, Algorithm::RS256];

/// A public key that the client registered.
#[derive(Clone, Debug)]
pub struct RegisteredKey {
    pub key: VerifyingKey,
    pub kid: Option<String>,
    pub thumbprint: Thumbprint,
}

/// What an assertion must be about.
#[derive(Clone, Debug)]
pub struct ExpectedAssertion<'a> {
    pub client_id: &'a str,
    /// The values of `aud` to take: the issuer, the token endpoint.
    pub audiences: &'a [&'a str],
    /// Seconds since the Unix epoch.
    pub now: i64,
    /// How far ahead `exp` may be. Its `jti` has to be remembered for as long.
    pub lifetime_seconds_max: i64,
    /// By how much the client's clock may be ahead. An expired assertion has no leeway.
    pub leeway_seconds: i64,
}

/// An assertion whose signature was good.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct VerifiedAssertion {
    /// The registered key that signed.
    pub key: Thumbprint,
    /// `jti`: to be taken once, and remembered until `expires_at`.
    pub token_id: String,
    /// The one of the expected audiences that it names.
    pub audience: String,
    pub issued_at: Option<i64>,
    /// The first second in which the assertion is no longer good.
    pub expires_at: i64,
}

/// Why an assertion isn't good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    #[error("the client assertion: {0}")]
    Jws(#[from] JwsError),
    #[error(
        "`typ` of the client assertion is `{found}`, hint: leave it out, or set `JWT` or `client-authentication+jwt`"
    )]
    Type { found: String },
    #[error("the client assertion carries a key, hint: leave `jwk` out, only registered keys count")]
    EmbeddedKey,
    #[error("the client assertion: {0}")]
    Claim(#[from] ClaimError),
    #[error("`iss` is `{found}`, hint: set `iss` and `sub` to the client id, `{client_id}`")]
    Issuer { found: String, client_id: String },
    #[error("`sub` is `{found}`, hint: set `iss` and `sub` to the client id, `{client_id}`")]
    Subject { found: String, client_id: String },
    #[error("`aud` has {count} values, hint: name one only, `{expected}`")]
    AudienceCount { count: usize, expected: String },
    #[error("`aud` is `{found}`, hint: set it to `{expected}`")]
    Audience { found: String, expected: String },
    #[error(
        "the client assertion expired {seconds} s ago, hint: make one for each request, and set the clock"
    )]
    Expired { seconds: i64 },
    #[error("`exp` is {seconds} s ahead, hint: at most {seconds_max}")]
    LivesTooLong { seconds: i64, seconds_max: i64 },
    #[error("`nbf` is {seconds} s in the future, hint: set the clock")]
    NotYetValid { seconds: i64 },
    #[error("`iat` is {seconds} s in the future, hint: set the clock")]
    IssuedInFuture { seconds: i64 },
    #[error("no registered key has the `kid` `{kid}`, hint: register the key, or leave `kid` out")]
    KeyUnknown { kid: String },
    #[error("no registered key is for `{algorithm}`, hint: sign with the algorithm of the registered key")]
    AlgorithmMismatch { algorithm: Algorithm },
    #[error("the signature matches no registered key, hint: sign with the private half of a registered key")]
    Signature,
}

/// An assertion that was read. Nothing in it is believed yet.
#[derive(Clone)]
pub struct Assertion<'a> {
    compact: Compact<'a>,
    issuer: Claim,
    subject: Claim,
    audience: Claim,
    token_id: Claim,
    issued_at: Claim,
    not_before: Claim,
    expires_at: Claim,
}

type Claim = Option<Member<'static>>;

/// Checks that `jwt` is the client's word, for us, for now, and signed by a key in `keys`.
///
/// # Errors
/// [`AssertionError`], the cheapest reason first, the signature last.
pub fn verify(
    jwt: &str,
    keys: &[RegisteredKey],
    expected: &ExpectedAssertion<'_>,
) -> Result<VerifiedAssertion, AssertionError> {
    Assertion::parse(jwt)?.verify(keys, expected)
}

impl<'a> Assertion<'a> {
    /// Reads an assertion, so that its client can be looked up.
    ///
    /// # Errors
    /// [`AssertionError`]: not a JWS of this type, or not strict JSON.
    pub fn parse(jwt: &'a str) -> Result<Self, AssertionError> {
        let compact = parse(jwt)?;
        let claims = json::named(&compact.payload, ["iss", "sub", "aud", "jti", "iat", "nbf", "exp"]);
        let claims = claims.map_err(|reason| JwsError::Json { part: "payload", reason })?;
        let [issuer, subject, audience, token_id, issued_at, not_before, expires_at] =
            claims.map(|claim| claim.map(Member::into_owned));
        Ok(Self { compact, issuer, subject, audience, token_id, issued_at, not_before, expires_at })
    }

    /// `sub`, to find the client by.
    ///
    /// # Errors
    /// [`AssertionError::Claim`].
    pub fn subject(&self) -> Result<&str, AssertionError> {
        Ok(claims::text(self.subject.as_ref(), "sub", CLAIM_BYTES_MAX)?)
    }

    /// Checks that it is the client's word, for us, for now, and signed by a key in `keys`.
    ///
    /// # Errors
    /// [`AssertionError`], the cheapest reason first, the signature last.
    pub fn verify(
        &self,
        keys: &[RegisteredKey],
        expected: &ExpectedAssertion<'_>,
    ) -> Result<VerifiedAssertion, AssertionError> {
        self.check_parties(expected)?;
        let audience = self.single_audience(expected.audiences)?;
        check_audience(audience, expected.audiences)?;
        let (issued_at, expires_at) = self.check_times(expected)?;
        let token_id = claims::text(self.token_id.as_ref(), "jti", CLAIM_BYTES_MAX)?.to_owned();
        let key = signer(&self.compact, keys)?;
        Ok(VerifiedAssertion { key, token_id, audience: audience.to_owned(), issued_at, expires_at })
    }

    fn check_parties(&self, expected: &ExpectedAssertion<'_>) -> Result<(), AssertionError> {
        let client_id = || shown(expected.client_id);
        let issuer = claims::text(self.issuer.as_ref(), "iss", CLAIM_BYTES_MAX)?;
        if issuer != expected.client_id {
            return Err(AssertionError::Issuer { found: shown(issuer), client_id: client_id() });
        }
        let subject = self.subject()?;
        if subject != expected.client_id {
            return Err(AssertionError::Subject { found: shown(subject), client_id: client_id() });
        }
        Ok(())
    }

    /// One audience only: an assertion that is good for two servers can be used by one at the other.
    fn single_audience(&self, accepted: &[&str]) -> Result<&str, AssertionError> {
        let malformed = || ClaimError::Malformed { name: "aud", wanted: "a string" }.into();
        match &self.audience {
            None => Err(ClaimError::Missing { name: "aud" }.into()),
            Some(Member::Text(only)) => Ok(only),
            Some(Member::Other(Value::Array(values))) => match values.as_slice() {
                [Value::String(only)] => Ok(only),
                [_] => Err(malformed()),
                values => Err(AssertionError::AudienceCount {
                    count: values.len(),
                    expected: shown(accepted.first().copied().unwrap_or_default()),
                }),
            },
            Some(_) => Err(malformed()),
        }
    }

    fn check_times(&self, expected: &ExpectedAssertion<'_>) -> Result<(Option<i64>, i64), AssertionError> {
        let ahead_seconds = |time: i64| time.saturating_sub(expected.now);
        let expires_at = claims::date(self.expires_at.as_ref(), "exp")?;
        if expires_at <= expected.now {
            return Err(AssertionError::Expired { seconds: expected.now.saturating_sub(expires_at) });
        }
        let seconds_max = expected.lifetime_seconds_max.saturating_add(expected.leeway_seconds);
        if ahead_seconds(expires_at) > seconds_max {
            return Err(AssertionError::LivesTooLong { seconds: ahead_seconds(expires_at), seconds_max });
        }
        let too_early = |time: &i64| ahead_seconds(*time) > expected.leeway_seconds;
        let not_before = claims::optional_date(self.not_before.as_ref(), "nbf")?;
        if let Some(not_before) = not_before.filter(too_early) {
            return Err(AssertionError::NotYetValid { seconds: ahead_seconds(not_before) });
        }
        let issued_at = claims::optional_date(self.issued_at.as_ref(), "iat")?;
        if let Some(issued_at) = issued_at.filter(too_early) {
            return Err(AssertionError::IssuedInFuture { seconds: ahead_seconds(issued_at) });
        }
        Ok((issued_at, expires_at))
    }
}

impl VerifiedAssertion {
    /// Whether its audience is among fewer than were expected: what a client has chosen is told
    /// only to somebody who has its key.
    ///
    /// # Errors
    /// [`AssertionError::Audience`].
    pub fn check_audience(&self, accepted: &[&str]) -> Result<(), AssertionError> {
        check_audience(&self.audience, accepted)
    }
}

/// What a new assertion says.
#[derive(Clone, Debug)]
pub struct NewAssertion<'a> {
    pub client_id: &'a str,
    pub audience: &'a str,
    /// `jti`: another one for each assertion.
    pub token_id: &'a str,
    /// Seconds since the Unix epoch.
    pub issued_at: i64,
    pub expires_at: i64,
}

/// An assertion signed by `key`: for the command line, the demo and tests.
///
/// # Errors
/// [`SigningError::Library`].
pub fn create(key: &SigningKey, assertion: &NewAssertion<'_>) -> Result<String, SigningError> {
    let header =
        Map::from_iter([("typ".to_owned(), Value::from("JWT")), ("kid".to_owned(), Value::from(key.kid()))]);
    let claims = Map::from_iter([
        ("iss".to_owned(), Value::from(assertion.client_id)),
        ("sub".to_owned(), Value::from(assertion.client_id)),
        ("aud".to_owned(), Value::from(assertion.audience)),
        ("jti".to_owned(), Value::from(assertion.token_id)),
        ("iat".to_owned(), Value::from(assertion.issued_at)),
        ("exp".to_owned(), Value::from(assertion.expires_at)),
    ]);
    key.sign(&header, Value::Object(claims).to_string().as_bytes())
}

fn parse(jwt: &str) -> Result<Compact<'_>, AssertionError> {
    let compact = Compact::parse(jwt, ASSERTION_BYTES_MAX, &PERMITTED)?;
    match compact.header.typ.as_deref() {
        None => {}
        // Media types are compared without regard to case (RFC 7515, section 4.1.9).
        Some(typ) if typ.eq_ignore_ascii_case("JWT") => {}
        Some(typ) if typ.eq_ignore_ascii_case("client-authentication+jwt") => {}
        Some(typ) => return Err(AssertionError::Type { found: shown(typ) }),
    }
    if compact.header.jwk.is_some() {
        return Err(AssertionError::EmbeddedKey);
    }
    Ok(compact)
}

fn check_audience(found: &str, accepted: &[&str]) -> Result<(), AssertionError> {
    if accepted.contains(&found) {
        return Ok(());
    }
    let expected = shown(accepted.first().copied().unwrap_or_default());
    Err(AssertionError::Audience { found: shown(found), expected })
}

/// The registered key that has signed, of those that fit.
pub(crate) fn signer(compact: &Compact<'_>, keys: &[RegisteredKey]) -> Result<Thumbprint, AssertionError> {
    let algorithm = compact.header.algorithm;
    let kid = compact.header.kid.as_deref();
    let named: Vec<&RegisteredKey> = keys.iter().filter(|key| key.may_be_called(kid)).collect();
    if let (Some(kid), []) = (kid, named.as_slice()) {
        return Err(AssertionError::KeyUnknown { kid: shown(kid) });
    }
    let mut fitting = named.into_iter().filter(|key| key.key.accepts(algorithm)).peekable();
    if fitting.peek().is_none() {
        return Err(AssertionError::AlgorithmMismatch { algorithm });
    }
    for registered in fitting.take(KEYS_TRIED_MAX) {
        match compact.verify(&registered.key) {
            Ok(()) => return Ok(registered.thumbprint),
            Err(SignatureError::Invalid | SignatureError::AlgorithmMismatch { .. }) => {}
        }
    }
    Err(AssertionError::Signature)
}

impl RegisteredKey {
    /// A key that was registered without a name answers to any.
    fn may_be_called(&self, kid: Option<&str>) -> bool {
        let (Some(kid), Some(own)) = (kid, self.kid.as_deref()) else { return true };
        kid == own || kid == self.thumbprint.to_string()
    }
}

#[cfg(test)]
mod tests;
