//! Access tokens (RFC 9068) bound to a client's key (RFC 9449) or certificate (RFC 8705).
//!
//! Who holds the token, and from which state of vendor, integration and client it stems, is in the
//! private claim `portcullis`: that is what a severance compares with.

use std::collections::HashMap;

use portcullis_domain::ids::{ClientId, IntegrationId, VendorId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::json::shown;
use crate::jwk::{Jwk, JwkError, JwkSet, VerifyingKey};
use crate::jws::{Algorithm, Compact, JwsError, SignatureError};
use crate::signing::{SigningError, SigningKey};
use crate::thumbprint::Thumbprint;

/// The longest token that is minted or read.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// By how much `iat` may be ahead of our clock. `exp` has no leeway.
pub const ISSUED_AT_LEEWAY_SECONDS: i64 = 60;

const TYPE: &str = "at+jwt";

/// What an access token says. Times are seconds since the Unix epoch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessClaims {
    pub issuer: String,
    pub subject: String,
    /// At least one; one alone is written as a string.
    pub audience: Vec<String>,
    /// The client's id in OAuth's sense.
    pub client_id: String,
    pub issued_at: i64,
    /// The first second in which the token is no longer good.
    pub expires_at: i64,
    pub token_id: String,
    /// Scope tokens of RFC 6749, section 3.3; may be empty.
    pub scope: Vec<String>,
    pub confirmation: Confirmation,
    pub lineage: Lineage,
}

/// What the holder must prove (`cnf`); at least one, and each that is there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// The key of the DPoP proofs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub jkt: Option<Thumbprint>,
    /// The client certificate of the connection.
    #[serde(rename = "x5t#S256", skip_serializing_if = "Option::is_none", default)]
    pub x5t_s256: Option<Thumbprint>,
}

/// From whom the token stems.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Lineage {
    pub vendor: VendorId,
    pub integration: IntegrationId,
    pub client: ClientId,
    pub epochs: Epochs,
    /// The registered key or certificate that authenticated at the token endpoint.
    pub client_key: Thumbprint,
    /// JA4 context key and network in which the token was issued.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub context: Option<String>,
}

/// How often each was severed before the token was issued; a later severance makes it stale.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Epochs {
    pub vendor: u64,
    pub integration: u64,
    pub client: u64,
}

/// Why a token can't be minted, or isn't good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error(transparent)]
    Jws(#[from] JwsError),
    #[error("`typ` is `{found}`, hint: send an access token (`at+jwt`), no ID token or assertion")]
    Type { found: String },
    #[error("the token doesn't name its key, hint: send an access token of this issuer")]
    KidMissing,
    #[error("the key `{kid}` isn't known, hint: get a new token from this issuer")]
    KeyUnknown { kid: String },
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error("the claims are malformed: {reason}")]
    Claims { reason: String },
    #[error("the issuer is `{found}`, hint: get a token from `{expected}`")]
    Issuer { found: String, expected: String },
    #[error("the token was issued {seconds} s in the future, hint: set the issuer's clock")]
    IssuedInFuture { seconds: i64 },
    #[error("the token isn't good before `{not_before}`, hint: wait, or get a new one")]
    NotYetValid { not_before: i64 },
    #[error("the token expired {seconds} s ago, hint: get a new one")]
    Expired { seconds: i64 },
    #[error("the token is bound to no key or certificate, hint: get one with a DPoP proof or over mTLS")]
    Unbound,
    #[error("the token is for `{found}`, hint: get one for `{expected}`")]
    Audience { found: String, expected: String },
    #[error("`{name}` can't be minted: {reason}")]
    Mint { name: &'static str, reason: &'static str },
    #[error(transparent)]
    Signing(#[from] SigningError),
}

/// The keys of the issuer, by `kid`, each pinned to one algorithm.
#[derive(Clone, Debug, Default)]
pub struct TokenKeys {
    keys: HashMap<String, TokenKey>,
}

#[derive(Clone, Debug)]
struct TokenKey {
    algorithm: Algorithm,
    key: VerifyingKey,
    /// Seconds since the Unix epoch.
    refused_from: Option<i64>,
}

/// A token whose signature was good.
#[derive(Clone, Debug)]
pub struct Verified {
    pub claims: AccessClaims,
    /// `kid` of the key that signed it.
    pub signed_by: String,
    /// When that key is refused, in seconds since the Unix epoch.
    pub refused_from: Option<i64>,
}

impl TokenKeys {
    pub fn new() -> Self {
        Self::default()
    }

    /// The keys of a published set. Those without `kid`, or open to several algorithms, are left out.
    ///
    /// # Errors
    /// [`JwkError`] of a key that can't be prepared.
    pub fn of_set(set: &JwkSet) -> Result<Self, JwkError> {
        let mut keys = Self::new();
        for key in set.keys() {
            keys.insert_jwk(key)?;
        }
        Ok(keys)
    }

    /// Adds or replaces the key named `kid`.
    pub fn insert(&mut self, kid: String, algorithm: Algorithm, key: VerifyingKey) {
        self.keys.insert(kid, TokenKey { algorithm, key, refused_from: None });
    }

    /// From `seconds` (since the Unix epoch) on, the key counts as unknown.
    pub fn refuse_from(&mut self, kid: &str, seconds: i64) {
        if let Some(key) = self.keys.get_mut(kid) {
            key.refused_from = Some(seconds);
        }
    }

    /// Adds the public half of a signing key.
    ///
    /// # Errors
    /// [`SigningError::Public`].
    pub fn insert_signing_key(&mut self, key: &SigningKey) -> Result<(), SigningError> {
        self.insert(key.kid().to_owned(), key.algorithm(), key.verifying_key()?);
        Ok(())
    }

    pub fn remove(&mut self, kid: &str) {
        self.keys.remove(kid);
    }

    fn insert_jwk(&mut self, key: &Jwk) -> Result<(), JwkError> {
        if let (Some(kid), Some(algorithm)) = (key.kid(), key.algorithm()) {
            self.insert(kid.to_owned(), algorithm, VerifyingKey::new(key)?);
        }
        Ok(())
    }
}

/// A token that says `claims`, signed by `key`.
///
/// # Errors
/// [`TokenError::Mint`] if [`verify`] wouldn't read back the same, [`TokenError::Unbound`],
/// [`TokenError::Signing`].
pub fn mint(key: &SigningKey, claims: &AccessClaims) -> Result<String, TokenError> {
    check_mintable(claims)?;
    let payload = serde_json::to_vec(&Wire::of(claims)).map_err(malformed)?;
    // Written by hand: a name of an algorithm, and of a key, which is a thumbprint, need no escaping.
    let header = format!(r#"{{"alg":"{}","typ":"{TYPE}","kid":"{}"}}"#, key.algorithm(), key.kid());
    let token = key.sign_text(&header, &payload)?;
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Mint { name: "token", reason: "it would be too long" });
    }
    Ok(token)
}

/// What a good token says. The audience is left to [`check_audience`], the binding to the caller.
///
/// # Errors
/// [`TokenError`]. Claims are looked at only after the signature was good, so that a reason is
/// never about words that somebody else put there.
pub fn verify(
    token: &str,
    keys: &TokenKeys,
    issuer: &str,
    now_seconds: i64,
) -> Result<AccessClaims, TokenError> {
    Ok(verify_signed(token, keys, issuer, now_seconds)?.claims)
}

/// The same, with the key that signed it.
///
/// # Errors
/// As [`verify`].
pub fn verify_signed(
    token: &str,
    keys: &TokenKeys,
    issuer: &str,
    now_seconds: i64,
) -> Result<Verified, TokenError> {
    let permitted = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256, Algorithm::RS256];
    let compact = Compact::parse(token, TOKEN_BYTES_MAX, &permitted)?;
    check_type(compact.header.typ.as_deref())?;
    let kid = compact.header.kid.as_deref().ok_or(TokenError::KidMissing)?;
    let known = keys.keys.get(kid);
    let in_time = |known: &&TokenKey| known.refused_from.is_none_or(|from| now_seconds < from);
    let known = known.filter(in_time).ok_or_else(|| TokenError::KeyUnknown { kid: shown(kid) })?;
    if known.algorithm != compact.header.algorithm {
        return Err(SignatureError::AlgorithmMismatch { algorithm: compact.header.algorithm }.into());
    }
    compact.verify(&known.key)?;
    let (signed_by, refused_from) = (kid.to_owned(), known.refused_from);
    let wire: Wire = serde_json::from_value(Value::Object(compact.claims()?)).map_err(malformed)?;
    wire.check(issuer, now_seconds)?;
    Ok(Verified { claims: wire.into_claims()?, signed_by, refused_from })
}

/// Whether the token is for one of `accepted`.
///
/// # Errors
/// [`TokenError::Audience`].
pub fn check_audience(claims: &AccessClaims, accepted: &[&str]) -> Result<(), TokenError> {
    if claims.audience.iter().any(|audience| accepted.contains(&audience.as_str())) {
        return Ok(());
    }
    Err(TokenError::Audience { found: shown(&claims.audience.join(" ")), expected: accepted.join(" ") })
}

#[derive(Serialize, Deserialize)]
struct Wire {
    iss: String,
    sub: String,
    aud: Audience,
    client_id: String,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    nbf: Option<i64>,
    exp: i64,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    scope: Option<String>,
    #[serde(default)]
    cnf: Confirmation,
    portcullis: Lineage,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Wire {
    fn of(claims: &AccessClaims) -> Self {
        Self {
            iss: claims.issuer.clone(),
            sub: claims.subject.clone(),
            aud: match claims.audience.as_slice() {
                [only] => Audience::One(only.clone()),
                several => Audience::Several(several.to_vec()),
            },
            client_id: claims.client_id.clone(),
            iat: claims.issued_at,
            nbf: None,
            exp: claims.expires_at,
            jti: claims.token_id.clone(),
            scope: (!claims.scope.is_empty()).then(|| claims.scope.join(" ")),
            cnf: claims.confirmation,
            portcullis: claims.lineage.clone(),
        }
    }

    fn check(&self, issuer: &str, now_seconds: i64) -> Result<(), TokenError> {
        if self.iss != issuer {
            return Err(TokenError::Issuer { found: shown(&self.iss), expected: issuer.to_owned() });
        }
        let ahead_seconds = self.iat.saturating_sub(now_seconds);
        if ahead_seconds > ISSUED_AT_LEEWAY_SECONDS {
            return Err(TokenError::IssuedInFuture { seconds: ahead_seconds });
        }
        if let Some(not_before) = self.nbf.filter(|not_before| *not_before > now_seconds) {
            return Err(TokenError::NotYetValid { not_before });
        }
        if self.exp <= now_seconds {
            return Err(TokenError::Expired { seconds: now_seconds.saturating_sub(self.exp) });
        }
        if !self.cnf.binds() {
            return Err(TokenError::Unbound);
        }
        Ok(())
    }

    fn into_claims(self) -> Result<AccessClaims, TokenError> {
        let scope: Vec<String> = match self.scope {
            None => Vec::new(),
            Some(scope) => scope.split(' ').map(str::to_owned).collect(),
        };
        if !scope.iter().all(|token| is_scope_token(token)) {
            return Err(TokenError::Claims { reason: "`scope` isn't a list of scope tokens".to_owned() });
        }
        Ok(AccessClaims {
            issuer: self.iss,
            subject: self.sub,
            audience: match self.aud {
                Audience::One(only) => vec![only],
                Audience::Several(several) => several,
            },
            client_id: self.client_id,
            issued_at: self.iat,
            expires_at: self.exp,
            token_id: self.jti,
            scope,
            confirmation: self.cnf,
            lineage: self.portcullis,
        })
    }
}

impl Confirmation {
    /// Whether it demands anything of the holder.
    pub fn binds(&self) -> bool {
        self.jkt.is_some() || self.x5t_s256.is_some()
    }
}

fn check_mintable(claims: &AccessClaims) -> Result<(), TokenError> {
    let texts = [
        ("issuer", &claims.issuer),
        ("subject", &claims.subject),
        ("client_id", &claims.client_id),
        ("token_id", &claims.token_id),
    ];
    if let Some((name, _)) = texts.into_iter().find(|(_, text)| text.is_empty()) {
        return Err(TokenError::Mint { name, reason: "it is empty" });
    }
    if claims.audience.is_empty() || claims.audience.iter().any(String::is_empty) {
        return Err(TokenError::Mint { name: "audience", reason: "it is empty" });
    }
    if !claims.scope.iter().all(|token| is_scope_token(token)) {
        return Err(TokenError::Mint {
            name: "scope",
            reason: "a scope token is printable ASCII without space, `\"` and `\\`",
        });
    }
    if claims.expires_at <= claims.issued_at {
        return Err(TokenError::Mint { name: "expires_at", reason: "it isn't after `issued_at`" });
    }
    if !claims.confirmation.binds() {
        return Err(TokenError::Unbound);
    }
    Ok(())
}

/// RFC 6749, section 3.3.
fn is_scope_token(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

fn check_type(typ: Option<&str>) -> Result<(), TokenError> {
    if typ != Some(TYPE) {
        return Err(TokenError::Type { found: shown(typ.unwrap_or("")) });
    }
    Ok(())
}

fn malformed(reason: serde_json::Error) -> TokenError {
    TokenError::Claims { reason: shown(&reason.to_string()) }
}

#[cfg(test)]
mod tests;
