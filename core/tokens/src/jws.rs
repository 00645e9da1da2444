//! Compact JWS (RFC 7515), read strictly: the caller names the algorithms it takes.
//!
//! Headers that would change what is verified (`crit`, `b64`, `zip`, `enc`) or where the key comes
//! from (`jku`, `x5u`) are refused, following RFC 8725.

use std::fmt;

use serde_json::{Map, Value};

use crate::base64url;
use crate::json::{self, Member, NotStrictJson, shown};
use crate::jwk::VerifyingKey;

/// The signature algorithms known here (RFC 7518, RFC 8037). `none` and MACs have no value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Algorithm {
    /// ECDSA over P-256 with SHA-256; signatures are 64 bytes, r then s.
    ES256,
    /// Ed25519. On the wire `EdDSA`; `Ed25519` (RFC 9864) is read as well.
    EdDSA,
    /// RSASSA-PSS with SHA-256 and a salt of 32 bytes.
    PS256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
}

impl Algorithm {
    /// The name written into headers and keys.
    pub fn name(self) -> &'static str {
        match self {
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
            Self::PS256 => "PS256",
            Self::RS256 => "RS256",
        }
    }

    /// The algorithm of that name, in exactly this spelling.
    pub fn of_name(name: &str) -> Option<Self> {
        match name {
            "ES256" => Some(Self::ES256),
            "EdDSA" | "Ed25519" => Some(Self::EdDSA),
            "PS256" => Some(Self::PS256),
            "RS256" => Some(Self::RS256),
            _ => None,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a text isn't a compact JWS that we take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    #[error("the token has {bytes} bytes, hint: at most {bytes_max} are read")]
    TooLong { bytes: usize, bytes_max: usize },
    #[error("not a compact JWS, hint: header, payload and signature, with a `.` between them")]
    NotThreeParts,
    #[error("the {part} isn't base64url, hint: encode it without padding and white space")]
    Encoding { part: &'static str },
    #[error("the {part} isn't a JSON object that can be read in one way only: {reason}")]
    Json { part: &'static str, reason: NotStrictJson },
    #[error("the header has no `alg`, hint: name the algorithm you sign with")]
    AlgorithmMissing,
    #[error("`alg` is `none`, hint: sign the token")]
    AlgorithmNone,
    #[error("`alg` is `{algorithm}`, hint: sign with {permitted}")]
    AlgorithmNotPermitted { algorithm: String, permitted: String },
    #[error("the header `{name}` isn't accepted, hint: leave it out")]
    HeaderRefused { name: &'static str },
    #[error("the header `{name}` is malformed, hint: it must be {wanted}")]
    HeaderMalformed { name: &'static str, wanted: &'static str },
}

/// Why a signature isn't good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the key isn't for `{algorithm}`, hint: sign with the algorithm of the registered key")]
    AlgorithmMismatch { algorithm: Algorithm },
    #[error("the signature doesn't match, hint: sign with the private half of this very key")]
    Invalid,
}

/// The header members that are looked at. Others are ignored, as RFC 7515 says.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    pub algorithm: Algorithm,
    pub typ: Option<String>,
    pub kid: Option<String>,
    /// An embedded public key, not yet looked at. Only DPoP proofs may carry one.
    pub jwk: Option<Map<String, Value>>,
}

/// A compact JWS, taken apart. Its signature isn't checked yet.
#[derive(Clone)]
pub struct Compact<'a> {
    pub header: Header,
    pub payload: Vec<u8>,
    signing_input: &'a str,
    signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Takes `text` apart. No cryptography; time and memory are bounded by `bytes_max`.
    ///
    /// # Errors
    /// [`JwsError`]: too long, another form than three canonical parts, a header with duplicate,
    /// refused or malformed members, or an algorithm that isn't among `permitted`.
    pub fn parse(text: &'a str, bytes_max: usize, permitted: &[Algorithm]) -> Result<Self, JwsError> {
        let segments = Segments::of(text, bytes_max)?;
        let header = Header::parse(&part("header", segments.header)?, permitted)?;
        let payload = part("payload", segments.payload)?;
        let signature = part("signature", segments.signature)?;
        Ok(Self { header, payload, signing_input: segments.signing_input, signature })
    }

    /// Whether its header says `typ`: media types are compared without regard to case (RFC 7515, section 4.1.9).
    ///
    /// # Errors
    /// What it says instead, safe to show.
    pub(crate) fn is_typed(&self, typ: &str) -> Result<(), String> {
        match self.header.typ.as_deref() {
            Some(found) if found.eq_ignore_ascii_case(typ) => Ok(()),
            other => Err(shown(other.unwrap_or_default())),
        }
    }

    /// The payload as a JSON object. Not to be believed before [`Compact::verify`].
    ///
    /// # Errors
    /// [`JwsError::Json`].
    pub fn claims(&self) -> Result<Map<String, Value>, JwsError> {
        json::object(&self.payload).map_err(|reason| JwsError::Json { part: "payload", reason })
    }

    /// Checks the signature with `key`.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(&self, key: &VerifyingKey) -> Result<(), SignatureError> {
        key.verify(self.header.algorithm, self.signing_input.as_bytes(), &self.signature)
    }
}

/// The three parts of a compact JWS, still encoded.
#[derive(Clone, Copy)]
pub(crate) struct Segments<'a> {
    pub(crate) header: &'a str,
    pub(crate) payload: &'a str,
    pub(crate) signature: &'a str,
    /// Header and payload with the `.` between them.
    pub(crate) signing_input: &'a str,
}

impl<'a> Segments<'a> {
    pub(crate) fn of(text: &'a str, bytes_max: usize) -> Result<Self, JwsError> {
        if text.len() > bytes_max {
            return Err(JwsError::TooLong { bytes: text.len(), bytes_max });
        }
        let (signing_input, signature) = text.rsplit_once('.').ok_or(JwsError::NotThreeParts)?;
        let (header, payload) = signing_input.split_once('.').ok_or(JwsError::NotThreeParts)?;
        if payload.contains('.') {
            return Err(JwsError::NotThreeParts);
        }
        Ok(Self { header, payload, signature, signing_input })
    }
}

impl Header {
    pub(crate) fn parse(bytes: &[u8], permitted: &[Algorithm]) -> Result<Self, JwsError> {
        const REFUSED: [&str; 6] = ["crit", "b64", "jku", "x5u", "zip", "enc"];
        let [crit, b64, jku, x5u, zip, enc] = REFUSED;
        let members = json::named(bytes, [crit, b64, jku, x5u, zip, enc, "alg", "typ", "kid", "jwk"]);
        let [crit, b64, jku, x5u, zip, enc, alg, typ, kid, jwk] =
            members.map_err(|reason| JwsError::Json { part: "header", reason })?;
        for (name, member) in REFUSED.into_iter().zip([crit, b64, jku, x5u, zip, enc]) {
            if member.is_some() {
                return Err(JwsError::HeaderRefused { name });
            }
        }
        let algorithm = algorithm(alg, permitted)?;
        let typ = optional_text(typ, "typ")?;
        let kid = optional_text(kid, "kid")?;
        let jwk = match jwk {
            None => None,
            Some(Member::Other(Value::Object(jwk))) => Some(jwk),
            Some(_) => return Err(JwsError::HeaderMalformed { name: "jwk", wanted: "an object" }),
        };
        Ok(Self { algorithm, typ, kid, jwk })
    }
}

fn algorithm(alg: Option<Member<'_>>, permitted: &[Algorithm]) -> Result<Algorithm, JwsError> {
    let name = match alg {
        None => return Err(JwsError::AlgorithmMissing),
        Some(Member::Text(name)) => name,
        Some(_) => return Err(JwsError::HeaderMalformed { name: "alg", wanted: "a string" }),
    };
    if name.eq_ignore_ascii_case("none") {
        return Err(JwsError::AlgorithmNone);
    }
    let known = Algorithm::of_name(&name).filter(|algorithm| permitted.contains(algorithm));
    known.ok_or_else(|| JwsError::AlgorithmNotPermitted {
        algorithm: shown(&name),
        permitted: permitted.iter().map(|a| format!("`{a}`")).collect::<Vec<_>>().join(" or "),
    })
}

fn optional_text(member: Option<Member<'_>>, name: &'static str) -> Result<Option<String>, JwsError> {
    match member {
        None => Ok(None),
        Some(Member::Text(text)) => Ok(Some(text.into_owned())),
        Some(_) => Err(JwsError::HeaderMalformed { name, wanted: "a string" }),
    }
}

/// The bytes of a segment.
pub(crate) fn part(part: &'static str, text: &str) -> Result<Vec<u8>, JwsError> {
    base64url::decode(text).ok_or(JwsError::Encoding { part })
}

#[cfg(test)]
mod tests;
