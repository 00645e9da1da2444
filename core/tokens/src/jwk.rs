//! Public keys as JSON (RFC 7517, 7518, 8037), read strictly, and prepared for verifying.
//!
//! Taken are P-256, Ed25519 and RSA of 2,048 to 4,096 bits. Private and shared keys are refused by
//! name, so that a developer who sends one learns it at once.

mod rsa;
mod set;
mod verifying;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use crate::base64url;
use crate::json::{self, NotStrictJson, Strict, shown};
use crate::jws::Algorithm;
use crate::thumbprint::{Thumbprint, sha256};

pub use set::{JwkSet, SET_BYTES_MAX, SET_KEYS_MAX};
pub use verifying::VerifyingKey;

/// The longest text of one key that is read: twice a 4,096-bit RSA key with a certificate chain.
pub const KEY_BYTES_MAX: usize = 16 * 1024;
/// The longest `kid`.
pub const KID_BYTES_MAX: usize = 256;

/// A public key. Serialises to public JSON, with `use`, and with `kid` and `alg` if known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Jwk {
    material: Material,
    kid: Option<String>,
    algorithm: Option<Algorithm>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Material {
    P256 { x: [u8; 32], y: [u8; 32] },
    Ed25519 { x: [u8; 32] },
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
}

/// Why a JSON text isn't a public key, or a set of them, that we take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    #[error("the key isn't a JSON object that can be read in one way only: {0}")]
    Json(NotStrictJson),
    #[error("the text has {bytes} bytes, hint: at most {bytes_max} are read")]
    TooLong { bytes: usize, bytes_max: usize },
    #[error("the key has no `{name}`, hint: add `{name}`")]
    MemberMissing { name: &'static str },
    #[error("`{name}` of the key is malformed, hint: it must be {wanted}")]
    MemberMalformed { name: &'static str, wanted: &'static str },
    #[error(
        "this is a private key, it has `{member}`, hint: give the public key, and replace this one, for it was shown"
    )]
    PrivateKey { member: &'static str },
    #[error(
        "shared secrets (`kty` `oct`) aren't accepted, hint: register a public key, and keep the private one"
    )]
    SharedSecret,
    #[error("`kty` `{kty}` isn't known, hint: use `EC`, `OKP` or `RSA`")]
    KeyTypeUnknown { kty: String },
    #[error("`crv` `{crv}` isn't accepted, hint: use `P-256` with `EC`, or `Ed25519` with `OKP`")]
    CurveUnknown { crv: String },
    #[error("the point isn't on the curve, hint: export the key again")]
    PointNotOnCurve,
    #[error("the point has a small order, anyone could sign for it, hint: generate a new key")]
    PointOfSmallOrder,
    #[error("the RSA key has {bits} bits, hint: use 2048 to 4096, or better an `Ed25519` key")]
    RsaSize { bits: usize },
    #[error("the RSA exponent isn't accepted, hint: generate a key with the exponent 65537")]
    RsaExponent,
    #[error("the RSA modulus can be factored, hint: generate a new key with another program or device")]
    RsaWeak,
    #[error("`use` is `{found}`, hint: give a key for signatures, with `use` `sig`")]
    Use { found: String },
    #[error("`key_ops` doesn't have `verify`, hint: give a key for signatures, with `key_ops` [`verify`]")]
    KeyOperations,
    #[error("`alg` `{algorithm}` doesn't fit this key, hint: {fitting}")]
    AlgorithmMisfit { algorithm: String, fitting: &'static str },
    #[error("the set has {keys} keys, hint: 1 to {keys_max} are read")]
    SetSize { keys: usize, keys_max: usize },
    #[error("`kid` `{kid}` is there twice, hint: give each key its own")]
    DuplicateKid { kid: String },
    #[error("key {position} of the set: {source}")]
    InSet { position: usize, source: Box<JwkError> },
}

impl Jwk {
    /// Reads one public key. Unknown members are ignored, as RFC 7517 demands.
    ///
    /// # Errors
    /// [`JwkError`], for anything but a public signing key that [`VerifyingKey`] can be made of.
    pub fn parse(text: &str) -> Result<Self, JwkError> {
        within(text, KEY_BYTES_MAX)?;
        let key = Self::of_members(&json::object(text.as_bytes()).map_err(JwkError::Json)?)?;
        key.prove_usable()?;
        Ok(key)
    }

    /// SHA-256 over the required members alone, in their order (RFC 7638).
    pub fn thumbprint(&self) -> Thumbprint {
        // Written by hand: the members' values are base64url and need no escaping.
        let canonical = match &self.material {
            Material::P256 { x, y } => format!(
                r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
                base64url::encode(x),
                base64url::encode(y)
            ),
            Material::Ed25519 { x } => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, base64url::encode(x))
            }
            Material::Rsa { modulus, exponent } => format!(
                r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#,
                base64url::encode(exponent),
                base64url::encode(modulus)
            ),
        };
        Thumbprint(sha256(canonical.as_bytes()))
    }

    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The one algorithm that the key is for: its `alg`, else what its type leaves open.
    /// An RSA key without `alg` serves `PS256` and `RS256`: `None`.
    pub fn algorithm(&self) -> Option<Algorithm> {
        match self.material {
            Material::P256 { .. } => Some(Algorithm::ES256),
            Material::Ed25519 { .. } => Some(Algorithm::EdDSA),
            Material::Rsa { .. } => self.algorithm,
        }
    }

    /// Whether signatures of this algorithm may be made with the key.
    pub fn accepts(&self, algorithm: Algorithm) -> bool {
        match self.algorithm() {
            Some(only) => only == algorithm,
            None => matches!(algorithm, Algorithm::PS256 | Algorithm::RS256),
        }
    }

    /// The same key without `kid` and `alg`: the form in the header of a DPoP proof.
    pub fn bare(&self) -> Map<String, Value> {
        self.material_members().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
    }

    pub(crate) fn p256(x: [u8; 32], y: [u8; 32]) -> Self {
        Self { material: Material::P256 { x, y }, kid: None, algorithm: Some(Algorithm::ES256) }
    }

    pub(crate) fn ed25519(x: [u8; 32]) -> Self {
        Self { material: Material::Ed25519 { x }, kid: None, algorithm: Some(Algorithm::EdDSA) }
    }

    pub(crate) fn with_kid(self, kid: String) -> Self {
        Self { kid: Some(kid), ..self }
    }

    /// Everything but what needs arithmetic: a proof's key is read before it is worth the cost.
    pub(crate) fn of_members(members: &Map<String, Value>) -> Result<Self, JwkError> {
        let kty = text(members, "kty")?;
        if kty == "oct" {
            return Err(JwkError::SharedSecret);
        }
        for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            if members.contains_key(member) {
                return Err(JwkError::PrivateKey { member });
            }
        }
        check_purpose(members)?;
        let material = Material::of_members(kty, members)?;
        let algorithm = match optional_text(members, "alg")? {
            None => None,
            Some(name) => Some(material.fitting_algorithm(name)?),
        };
        let kid = optional_text(members, "kid")?;
        if kid.is_some_and(|kid| kid.is_empty() || kid.len() > KID_BYTES_MAX) {
            return Err(JwkError::MemberMalformed { name: "kid", wanted: "a string of 1 to 256 bytes" });
        }
        Ok(Self { material, kid: kid.map(str::to_owned), algorithm })
    }

    /// The checks that need arithmetic.
    pub(crate) fn prove_usable(&self) -> Result<(), JwkError> {
        if let Material::Rsa { modulus, .. } = &self.material
            && rsa::is_weak(modulus)
        {
            return Err(JwkError::RsaWeak);
        }
        VerifyingKey::new(self).map(drop)
    }

    fn material_members(&self) -> Vec<(&'static str, String)> {
        match &self.material {
            Material::P256 { x, y } => vec![
                ("kty", "EC".to_owned()),
                ("crv", "P-256".to_owned()),
                ("x", base64url::encode(x)),
                ("y", base64url::encode(y)),
            ],
            Material::Ed25519 { x } => {
                vec![("kty", "OKP".to_owned()), ("crv", "Ed25519".to_owned()), ("x", base64url::encode(x))]
            }
            Material::Rsa { modulus, exponent } => vec![
                ("kty", "RSA".to_owned()),
                ("n", base64url::encode(modulus)),
                ("e", base64url::encode(exponent)),
            ],
        }
    }
}

impl Material {
    fn of_members(kty: &str, members: &Map<String, Value>) -> Result<Self, JwkError> {
        match kty {
            "EC" => match text(members, "crv")? {
                "P-256" => Ok(Self::P256 { x: coordinate(members, "x")?, y: coordinate(members, "y")? }),
                other => Err(JwkError::CurveUnknown { crv: shown(other) }),
            },
            "OKP" => match text(members, "crv")? {
                "Ed25519" => Ok(Self::Ed25519 { x: coordinate(members, "x")? }),
                other => Err(JwkError::CurveUnknown { crv: shown(other) }),
            },
            "RSA" => {
                let (modulus, exponent) = (integer(members, "n")?, integer(members, "e")?);
                rsa::check_sizes(&modulus, &exponent)?;
                Ok(Self::Rsa { modulus, exponent })
            }
            other => Err(JwkError::KeyTypeUnknown { kty: shown(other) }),
        }
    }

    fn fitting_algorithm(&self, name: &str) -> Result<Algorithm, JwkError> {
        let (fits, fitting): (&[Algorithm], _) = match self {
            Self::P256 { .. } => (&[Algorithm::ES256], "`ES256` goes with `P-256`"),
            Self::Ed25519 { .. } => (&[Algorithm::EdDSA], "`EdDSA` goes with `Ed25519`"),
            Self::Rsa { .. } => (&[Algorithm::PS256, Algorithm::RS256], "`PS256` or `RS256` go with `RSA`"),
        };
        Algorithm::of_name(name)
            .filter(|algorithm| fits.contains(algorithm))
            .ok_or_else(|| JwkError::AlgorithmMisfit { algorithm: shown(name), fitting })
    }
}

/// `use` and `key_ops` (RFC 7517, sections 4.2 and 4.3), where they are given.
fn check_purpose(members: &Map<String, Value>) -> Result<(), JwkError> {
    if let Some(found) = optional_text(members, "use")?
        && found != "sig"
    {
        return Err(JwkError::Use { found: shown(found) });
    }
    match members.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) if operations.iter().any(|operation| operation == "verify") => Ok(()),
        Some(_) => Err(JwkError::KeyOperations),
    }
}

fn within(text: &str, bytes_max: usize) -> Result<(), JwkError> {
    if text.len() > bytes_max {
        return Err(JwkError::TooLong { bytes: text.len(), bytes_max });
    }
    Ok(())
}

fn text<'a>(members: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, JwkError> {
    optional_text(members, name)?.ok_or(JwkError::MemberMissing { name })
}

fn optional_text<'a>(
    members: &'a Map<String, Value>,
    name: &'static str,
) -> Result<Option<&'a str>, JwkError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(JwkError::MemberMalformed { name, wanted: "a string" }),
    }
}

fn coordinate(members: &Map<String, Value>, name: &'static str) -> Result<[u8; 32], JwkError> {
    let wanted = "32 bytes, which are 43 characters of base64url without padding";
    base64url::decode_array(text(members, name)?).ok_or(JwkError::MemberMalformed { name, wanted })
}

/// `Base64urlUInt` (RFC 7518, section 2): big-endian, without leading zeros.
fn integer(members: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, JwkError> {
    let wanted = "an integer in base64url, without padding and leading zeros";
    let malformed = JwkError::MemberMalformed { name, wanted };
    match base64url::decode(text(members, name)?) {
        Some(bytes) if bytes.first().is_some_and(|first| *first != 0) => Ok(bytes),
        _ => Err(malformed),
    }
}

impl Serialize for Jwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.material_members() {
            map.serialize_entry(name, &value)?;
        }
        map.serialize_entry("use", "sig")?;
        if let Some(algorithm) = self.algorithm {
            map.serialize_entry("alg", algorithm.name())?;
        }
        if let Some(kid) = &self.kid {
            map.serialize_entry("kid", kid)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Jwk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Strict(Value::Object(members)) = Strict::deserialize(deserializer)? else {
            return Err(D::Error::custom("a key is a JSON object"));
        };
        let key = Self::of_members(&members).map_err(D::Error::custom)?;
        key.prove_usable().map_err(D::Error::custom)?;
        Ok(key)
    }
}

#[cfg(test)]
mod tests;
