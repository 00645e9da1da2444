//! Access tokens of other issuers (RFC 9068, and as Keycloak, Entra and Okta make them), and
//! JWT-SVIDs: read strictly, by algorithms and keys that were pinned before.
//!
//! Nothing in a token says where a key comes from: `jku`, `x5u`, `jwk` and `x5c` refuse it, as does
//! `crit` (RFC 8725, sections 3.1 and 3.10). What a token says is looked at only after its signature
//! was good, but for the two names by which its issuer is found.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::access_token::{Confirmation, ISSUED_AT_LEEWAY_SECONDS};
use crate::claims::{self, ClaimError};
use crate::json::{self, Member, NotStrictJson, shown};
use crate::jwk::{Jwk, VerifyingKey};
use crate::jws::{self, Algorithm, Compact, JwsError, Segments, SignatureError};
use crate::thumbprint::Thumbprint;

/// The longest token that is read: other issuers put roles and groups into theirs.
pub const EXTERNAL_BYTES_MAX: usize = 16 * 1024;
/// The most scopes of a token that are looked at.
pub const SCOPES_MAX: usize = 64;
const AUDIENCES_MAX: usize = 32;
const TEXT_BYTES_MAX: usize = 1_024;

/// Why a token of another issuer isn't taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExternalError {
    #[error(transparent)]
    Jws(#[from] JwsError),
    #[error(
        "the header `{name}` isn't accepted, hint: have the issuer leave it out; keys are known by `kid` only"
    )]
    HeaderRefused { name: &'static str },
    #[error("`typ` is `{found}`, hint: send an access token, no ID token or assertion")]
    Type { found: String },
    #[error("the token doesn't name its key, hint: have the issuer set `kid`")]
    KidMissing,
    #[error(
        "the key `{kid}` isn't among the issuer's, hint: get a new token; a new key is looked for once a minute"
    )]
    KeyUnknown { kid: String },
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error(transparent)]
    Claim(#[from] ClaimError),
    #[error("the issuer is `{found}`, hint: get a token from `{expected}`")]
    Issuer { found: String, expected: String },
    #[error("the token is for `{found}`, hint: get one for `{expected}`")]
    Audience { found: String, expected: String },
    #[error("the token was issued {seconds} s in the future, hint: set the issuer's clock")]
    IssuedInFuture { seconds: i64 },
    #[error("the token isn't good before `{not_before}`, hint: wait, or get a new one")]
    NotYetValid { not_before: i64 },
    #[error("the token expired {seconds} s ago, hint: get a new one")]
    Expired { seconds: i64 },
    #[error("the token lives for {seconds} s, hint: have the issuer give at most {seconds_max}")]
    Lifetime { seconds: i64, seconds_max: i64 },
    #[error("`cnf` binds the token to something that can't be checked here, hint: use `jkt` or `x5t#S256`")]
    Confirmation,
}

/// By what the issuer of a token is found, before anything of it is believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peeked {
    pub issuer: Option<String>,
    pub subject: Option<String>,
}

/// Reads the names of issuer and subject, and nothing else.
///
/// # Errors
/// [`JwsError`]: no compact JWS with one JSON object as payload.
pub fn peek(token: &str) -> Result<Peeked, JwsError> {
    let segments = Segments::of(token, EXTERNAL_BYTES_MAX)?;
    let payload = jws::part("payload", segments.payload)?;
    let [issuer, subject] = json::named(&payload, ["iss", "sub"])
        .map_err(|reason: NotStrictJson| JwsError::Json { part: "payload", reason })?;
    let text = |member: Option<Member<'_>>| match member {
        Some(Member::Text(text)) if text.len() <= 2 * TEXT_BYTES_MAX => Some(text.into_owned()),
        _ => None,
    };
    Ok(Peeked { issuer: text(issuer), subject: text(subject) })
}

/// What is asked of a token.
#[derive(Clone, Debug)]
pub struct Expected<'a> {
    /// The exact `iss`; for JWT-SVIDs, which may have none, whatever stands there is nobody's word.
    pub issuer: Option<&'a str>,
    pub algorithms: &'a [Algorithm],
    /// What `typ` may be; none given counts as `JWT`.
    pub types: &'a [String],
    /// One of these must be in `aud`.
    pub audiences: &'a [String],
    pub lifetime_seconds_max: i64,
    pub now_seconds: i64,
}

/// Keys of one issuer, by `kid`.
#[derive(Clone, Debug, Default)]
pub struct ExternalKeys(HashMap<String, VerifyingKey>);

impl ExternalKeys {
    /// Keys without `kid` can't be named and are left out, as are those that can't be prepared.
    #[must_use]
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a Jwk>) -> Self {
        let prepared =
            keys.into_iter().filter_map(|key| Some((key.kid()?.to_owned(), VerifyingKey::new(key).ok()?)));
        Self(prepared.collect())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a good token says.
#[derive(Clone, PartialEq, Debug)]
pub struct ExternalClaims {
    pub subject: String,
    /// Those of its audiences that were expected.
    pub audience: Vec<String>,
    pub issued_at: i64,
    pub expires_at: i64,
    pub token_id: Option<String>,
    /// May bind it to nothing.
    pub confirmation: Confirmation,
    members: Map<String, Value>,
}

impl ExternalClaims {
    /// What a certificate says that stands for a token: whom it is about, what it opens, from when to
    /// when (in seconds), and which one it is.
    #[must_use]
    pub fn of_certificate(
        subject: String,
        audience: Vec<String>,
        [issued_at, expires_at]: [i64; 2],
        certificate: Thumbprint,
    ) -> Self {
        Self {
            subject,
            audience,
            issued_at,
            expires_at,
            token_id: Some(certificate.to_string()),
            confirmation: Confirmation { jkt: None, x5t_s256: Some(certificate) },
            members: Map::new(),
        }
    }

    /// A claim, if it is a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str)
    }

    /// All claims, as they came.
    #[must_use]
    pub fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// The words of a claim that is a text with spaces or a list of texts; [`SCOPES_MAX`] of them.
    #[must_use]
    pub fn words(&self, name: &str) -> Vec<&str> {
        let words: Vec<&str> = match self.members.get(name) {
            Some(Value::String(text)) => text.split(' ').collect(),
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        words.into_iter().filter(|word| !word.is_empty()).take(SCOPES_MAX).collect()
    }
}

/// What a token of another issuer says, once it is found good. Whom it speaks for, and whether it
/// may be unbound, is left to the caller.
///
/// # Errors
/// [`ExternalError`].
pub fn verify(
    token: &str,
    keys: &ExternalKeys,
    expected: &Expected<'_>,
) -> Result<ExternalClaims, ExternalError> {
    let compact = Compact::parse(token, EXTERNAL_BYTES_MAX, expected.algorithms)?;
    check_header(token, &compact, expected.types)?;
    let kid = compact.header.kid.as_deref().ok_or(ExternalError::KidMissing)?;
    let key = keys.0.get(kid).ok_or_else(|| ExternalError::KeyUnknown { kid: shown(kid) })?;
    compact.verify(key)?;
    read(compact.claims()?, expected)
}

/// Where a key would come from, if it came with the token.
fn check_header(token: &str, compact: &Compact<'_>, types: &[String]) -> Result<(), ExternalError> {
    let segments = Segments::of(token, EXTERNAL_BYTES_MAX)?;
    let header = jws::part("header", segments.header)?;
    let [jwk, x5c] =
        json::named(&header, ["jwk", "x5c"]).map_err(|reason| JwsError::Json { part: "header", reason })?;
    for (name, member) in [("jwk", jwk), ("x5c", x5c)] {
        if member.is_some() {
            return Err(ExternalError::HeaderRefused { name });
        }
    }
    // RFC 7515, section 4.1.9: media types are compared without regard to case, `application/` may be left out.
    let typ = compact.header.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
    let typ = typ.strip_prefix("application/").unwrap_or(&typ);
    if types.iter().any(|wanted| wanted.eq_ignore_ascii_case(typ)) {
        return Ok(());
    }
    Err(ExternalError::Type { found: shown(typ) })
}

fn read(members: Map<String, Value>, expected: &Expected<'_>) -> Result<ExternalClaims, ExternalError> {
    let text = |name| text(&members, name);
    if let Some(issuer) = expected.issuer {
        let found = text("iss")?.ok_or(ClaimError::Missing { name: "iss" })?;
        if found != issuer {
            return Err(ExternalError::Issuer { found: shown(found), expected: issuer.to_owned() });
        }
    }
    let subject = text("sub")?.ok_or(ClaimError::Missing { name: "sub" })?.to_owned();
    let token_id = text("jti")?.map(str::to_owned);
    let audience = audience(&members, expected.audiences)?;
    let (issued_at, expires_at) = check_times(&members, expected)?;
    let confirmation = confirmation(members.get("cnf"))?;
    Ok(ExternalClaims { subject, audience, issued_at, expires_at, token_id, confirmation, members })
}

fn text<'a>(members: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a str>, ClaimError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if (1..=2 * TEXT_BYTES_MAX).contains(&text.len()) => Ok(Some(text)),
        Some(_) => Err(ClaimError::Malformed { name, wanted: "a string that is neither empty nor long" }),
    }
}

fn audience(members: &Map<String, Value>, wanted: &[String]) -> Result<Vec<String>, ExternalError> {
    let malformed = ClaimError::Malformed { name: "aud", wanted: "a string, or a short list of strings" };
    let found: Vec<&str> = match members.get("aud") {
        None => return Err(ClaimError::Missing { name: "aud" }.into()),
        Some(Value::String(only)) => vec![only],
        Some(Value::Array(list)) if list.len() <= AUDIENCES_MAX => {
            list.iter().map(Value::as_str).collect::<Option<_>>().ok_or(malformed)?
        }
        Some(_) => return Err(malformed.into()),
    };
    let good: Vec<String> = found
        .iter()
        .filter(|found| wanted.iter().any(|wanted| wanted == *found))
        .map(|found| (*found).to_owned())
        .collect();
    if good.is_empty() {
        return Err(ExternalError::Audience { found: shown(&found.join(" ")), expected: wanted.join(" ") });
    }
    Ok(good)
}

fn check_times(members: &Map<String, Value>, expected: &Expected<'_>) -> Result<(i64, i64), ExternalError> {
    let date = |name| {
        let member = members.get(name).cloned().map(Member::Other);
        claims::optional_date(member.as_ref(), name)
    };
    let now = expected.now_seconds;
    // Without it nobody could say whether the token is older than a severance.
    let issued_at = date("iat")?.ok_or(ClaimError::Missing { name: "iat" })?;
    let expires_at = date("exp")?.ok_or(ClaimError::Missing { name: "exp" })?;
    let ahead = issued_at.saturating_sub(now);
    if ahead > ISSUED_AT_LEEWAY_SECONDS {
        return Err(ExternalError::IssuedInFuture { seconds: ahead });
    }
    if let Some(not_before) = date("nbf")?
        && not_before.saturating_sub(now) > ISSUED_AT_LEEWAY_SECONDS
    {
        return Err(ExternalError::NotYetValid { not_before });
    }
    if expires_at <= now {
        return Err(ExternalError::Expired { seconds: now.saturating_sub(expires_at) });
    }
    let seconds = expires_at.saturating_sub(issued_at);
    if seconds > expected.lifetime_seconds_max {
        return Err(ExternalError::Lifetime { seconds, seconds_max: expected.lifetime_seconds_max });
    }
    Ok((issued_at, expires_at))
}

/// A binding that isn't understood must not look like none.
fn confirmation(cnf: Option<&Value>) -> Result<Confirmation, ExternalError> {
    let members = match cnf {
        None => return Ok(Confirmation::default()),
        Some(Value::Object(members)) if !members.is_empty() => members,
        Some(_) => return Err(ExternalError::Confirmation),
    };
    let mut confirmation = Confirmation::default();
    for (name, value) in members {
        let thumbprint = value.as_str().and_then(|text| text.parse::<Thumbprint>().ok());
        let thumbprint = Some(thumbprint.ok_or(ExternalError::Confirmation)?);
        match name.as_str() {
            "jkt" => confirmation.jkt = thumbprint,
            "x5t#S256" => confirmation.x5t_s256 = thumbprint,
            _ => return Err(ExternalError::Confirmation),
        }
    }
    Ok(confirmation)
}

#[cfg(test)]
mod tests;
